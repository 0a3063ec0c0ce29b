"""Cross-validation: every prediction out of fold, kept after a kill, the same on any processes."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest

from fidgety.errors import ConfigError, StudyError
from fidgety.models.quantiles import QuantileRegression
from fidgety.study import crossfit
from fidgety.study.comparison import compare
from fidgety.study.experiment import (
    cross_validate,
    examples_by_profile,
    read_predictions,
    tasks_of,
)
from fidgety.study.fold_models import fold_model
from fidgety.study.methods import METHODS, settings_of
from fidgety.study.predictions import read_decisions
from fidgety.study.splits import make_splits

pytestmark = pytest.mark.usefixtures("tiny")
NAMES = ["stam", "quantiles"]


@pytest.fixture(autouse=True)
def _few_inner_folds(monkeypatch):
    """Five infants of a class, two folds: two inner folds are what there is room for."""
    monkeypatch.setattr(
        cross_validate, "__kwdefaults__", {**cross_validate.__kwdefaults__, "inner": 2}
    )


def test_every_recording_is_predicted_once_a_model_and_repeat(study, tmp_path):
    told = []
    rows = cross_validate(
        study, NAMES, tmp_path / "cv", folds=2, repeats=2, progress=lambda *a: told.append(a)
    )
    wanted = {
        (m, r, name) for m in NAMES for r in (0, 1) for name in (x.name for x in study.recordings)
    }
    assert {(row.model, row.repeat, row.recording) for row in rows} == wanted
    assert len(rows) == len(wanted)
    assert read_predictions(tmp_path / "cv") == rows
    assert [done for done, *_ in told] == list(range(1, 9))
    for row in rows:
        split = make_splits(study, 2, row.repeat, 0.0)[row.fold]
        assert row.infant_id in split.test
        assert row.label == study.infants[row.infant_id]
    assert json.loads((tmp_path / "cv" / "experiment.json").read_text())["error"] == 0.1
    found = compare(tmp_path / "cv")
    assert set(found.auc) == set(NAMES)
    assert found.infants == 10


@pytest.mark.slow
def test_two_processes_equal_one(study, tmp_path):
    one = cross_validate(study, NAMES, tmp_path / "one", folds=2)
    two = cross_validate(study, NAMES, tmp_path / "two", folds=2, workers=2)
    assert one == two


@dataclass
class Spy:
    """A classifier that notes what it is fitted to and asked about."""

    log: list

    def fit(self, sequences, labels):
        self.fitted = [digest(s) for s in sequences]
        self.inner = QuantileRegression().fit(sequences, labels)
        return self

    def risk(self, sequences):
        self.log.append((self.fitted, [digest(s) for s in sequences]))
        return self.inner.risk(sequences)


def digest(sequence) -> float:
    return float(np.nansum(np.abs(sequence)))


def test_no_model_is_asked_about_what_it_was_fitted_to(study, tmp_path, monkeypatch):
    log = []
    monkeypatch.setitem(
        METHODS, "quantiles", replace(METHODS["quantiles"], classifier=lambda: Spy(log))
    )
    cross_validate(study, ["quantiles"], tmp_path, folds=2, inner=2)
    infants = [len(set(fitted)) for fitted, _ in log]
    assert len(log) == 2 * (4 + 4)  # a fold: its members, each asked about those it left out,
    assert (
        max(infants) < 5
    )  # and about the test infants; none is fitted to all of the training part
    for fitted, asked in log:
        assert not set(fitted) & set(asked)


def test_nothing_of_a_fold_sees_its_test_infants(study, tmp_path, monkeypatch):
    """Members, their infants left out, and the rules: all within the training part."""
    fitted, asked, ruled = [], [], []
    fit, scores, rules = crossfit.fit, crossfit.scores, crossfit.fit_rules

    def spy_fit(train, val, *rest, **more):
        fitted.append({e.infant_id for e in train})
        assert val == ()
        return fit(train, val, *rest, **more)

    def spy_scores(model, examples, config):
        asked.append({e.infant_id for e in examples})
        return scores(model, examples, config)

    def spy_rules(held, labels, infants, **more):
        ruled.append((set(infants), set(more["feature_infants"])))
        return rules(held, labels, infants, **more)

    monkeypatch.setattr(crossfit, "fit", spy_fit)
    monkeypatch.setattr(crossfit, "scores", spy_scores)
    monkeypatch.setattr(crossfit, "fit_rules", spy_rules)
    cross_validate(study, ["stam"], tmp_path, folds=2, inner=2)
    for fold, split in enumerate(make_splits(study, 2, 0, 0.0)):
        train, test = set(split.train), set(split.test)
        members, scored = fitted[3 * fold : 3 * fold + 3], asked[6 * fold : 6 * fold + 6]
        held = scored[:3]
        assert all(member | out == train for member, out in zip(members, held, strict=True))
        assert all(not member & out for member, out in zip(members, held, strict=True))
        assert held[0] | held[1] == train
        assert not held[0] & held[1]
        assert held[2] < train
        assert scored[3:] == [test, test, test]
        assert ruled[fold] == (train, train)


def test_a_fold_keeps_a_model_that_scores_as_it_did(study, tmp_path):
    rows = cross_validate(study, NAMES, tmp_path, folds=2, inner=2)
    for task in tasks_of(study, tmp_path, NAMES, repeats=1):
        model = fold_model(task)
        own = [r for r in rows if (r.model, r.fold) == (task.label, task.split.fold)]
        assert model.test == {row.infant_id for row in own} == set(task.split.test)
        examples = examples_by_profile(task, task.split.test)
        scores = model.scores([e.sequence for e in examples])
        np.testing.assert_allclose(scores, [row.score for row in own], atol=1e-6)
        np.testing.assert_allclose(
            model.rules.risk(scores), [row.probability for row in own], atol=1e-5
        )


def test_decisions_stand_beside_the_predictions(study, tmp_path):
    rows = cross_validate(study, ["quantiles"], tmp_path, folds=2, inner=2)
    decided = read_decisions(tmp_path)
    assert [d.recording for d in decided] == [row.recording for row in rows]
    for row, said in zip(rows, decided, strict=True):
        assert said.forced == ("abnormal" if row.probability >= said.threshold else "normal")
        assert said.decision == ""  # two or three infants of a class support no stated error


def test_the_training_part_chooses_among_candidates(study, tmp_path, monkeypatch):
    """The candidate that cannot tell anything apart is left."""

    class Constant:
        def fit(self, sequences, labels):
            return self

        def risk(self, sequences):
            return np.full(len(sequences), 0.5)

    good = METHODS["quantiles"]
    both = {"constant": replace(good, classifier=Constant), "quantiles": good}
    # Labels are planted in speed, so that quantiles are right in every inner fold.
    monkeypatch.setattr(crossfit, "_held_auc", lambda train, table: float(np.nanstd(table)))
    monkeypatch.setitem(METHODS, "chosen", replace(good, candidates=both))
    cross_validate(study, ["chosen"], tmp_path, folds=2, inner=2)
    for fold in range(2):
        about = json.loads(
            (tmp_path / f"folds/repeat0_fold{fold}/chosen/fold.json").read_text("utf-8")
        )
        assert about["candidate"] == "quantiles"
    # Where nothing can be chosen the method's own settings hold, not those of the first candidate.
    task = tasks_of(study, tmp_path, ["chosen"], repeats=1)[0]
    train = examples_by_profile(task, task.split.train)
    assert np.ptp(crossfit.cross_fit(METHODS["chosen"], train, inner=0).scores(train)) > 0


def test_too_few_infants_for_the_folds_says_how_many(study, tmp_path):
    told = r"E213 .*5 infants, 4 folds with 4 inner folds need 6.*Use --folds 4 --inner 3"
    with pytest.raises(StudyError, match=told):
        cross_validate(study, ["quantiles"], tmp_path, folds=4, inner=4)


def test_finished_folds_are_kept_and_the_others_made(study, tmp_path, monkeypatch):
    whole = cross_validate(study, NAMES, tmp_path / "whole", folds=2)

    def broken(*_, **__):
        raise StudyError("E202", "Broken on purpose")

    with monkeypatch.context() as patch:
        patch.setattr(crossfit, "fit", broken)
        with pytest.raises(StudyError, match=r"E272 2 of 4 folds failed: stam, repeat 0, fold 0"):
            cross_validate(study, NAMES, tmp_path / "cut", folds=2)
    kept = {p: p.stat().st_mtime_ns for p in (tmp_path / "cut" / "folds").rglob("predictions.csv")}
    assert {path.parent.name for path in kept} == {"quantiles"}
    assert not (tmp_path / "cut" / "predictions.csv").exists()
    assert cross_validate(study, NAMES, tmp_path / "cut", folds=2) == whole
    assert {p: p.stat().st_mtime_ns for p in kept} == kept


def test_a_kill_between_folds_changes_nothing(study, tmp_path):
    whole = cross_validate(study, NAMES, tmp_path / "whole", folds=2)

    class KilledError(BaseException):
        pass

    def kill(done, *_):
        if done == 2:
            raise KilledError

    with pytest.raises(KilledError):
        cross_validate(study, NAMES, tmp_path / "cut", folds=2, progress=kill)
    kept = {p: p.stat().st_mtime_ns for p in (tmp_path / "cut" / "folds").rglob("predictions.csv")}
    assert len(kept) == 2
    for path in kept:  # as if killed while it removed the states of a finished fold
        (path.parent / "member1").mkdir()
        (path.parent / "member1" / "last_state.pt").touch()
    assert cross_validate(study, NAMES, tmp_path / "cut", folds=2) == whole
    assert list(tmp_path.rglob("member*")) == []
    assert {p: p.stat().st_mtime_ns for p in kept} == kept


def test_our_own_fault_in_one_fold_is_told_with_the_others_kept(study, tmp_path, monkeypatch):
    monkeypatch.setattr(crossfit, "fit", lambda *_, **__: 1 / 0)
    with pytest.raises(StudyError, match=r"E272.*E229.*ZeroDivisionError"):
        cross_validate(study, NAMES, tmp_path, folds=2)


@pytest.mark.parametrize(
    "change", [{"folds": 3}, {"seed": 1}, {"error": 0.2}, {"precision": "bf16-mixed"}]
)
def test_another_experiments_folder_is_refused(study, tmp_path, change):
    cross_validate(study, ["quantiles"], tmp_path, folds=2)
    with pytest.raises(StudyError, match=r"E273.*--out"):
        cross_validate(study, ["quantiles"], tmp_path, **{"folds": 2, **change})


def test_changed_poses_or_settings_are_another_experiment(study, tmp_path, monkeypatch):
    cross_validate(study, NAMES, tmp_path, folds=2)
    other = METHODS["stam"].network
    assert other is not None
    faster = replace(other, training=replace(other.training, lr=0.1))
    with monkeypatch.context() as patch:
        patch.setitem(METHODS, "stam", replace(METHODS["stam"], network=faster))
        with pytest.raises(StudyError, match="E273"):
            cross_validate(study, NAMES, tmp_path, folds=2)
    one, two = (study.pose_path(name) for name in ("i00_v0", "i00_v1"))
    assert one is not None
    assert two is not None
    one.write_bytes(two.read_bytes())
    with pytest.raises(StudyError, match="E273"):
        cross_validate(study, NAMES, tmp_path, folds=2)


def test_networks_train_in_the_precision_asked_for(study, tmp_path):
    exact = cross_validate(study, ["stam"], tmp_path / "exact", folds=2, inner=1)
    half = cross_validate(
        study, ["stam"], tmp_path / "half", folds=2, inner=1, precision="bf16-mixed"
    )
    assert [row.score for row in exact] != [row.score for row in half]
    told = json.loads((tmp_path / "half" / "experiment.json").read_text())
    assert told["precision"] == "bf16-mixed"
    assert told["methods"]["stam"]["network"]["training"]["precision"] == "bf16-mixed"
    again = cross_validate(
        study, ["stam"], tmp_path / "half", folds=2, inner=1, precision="bf16-mixed"
    )
    assert again == half  # kept, not made anew


def test_a_model_can_be_added_later(study, tmp_path):
    first = cross_validate(study, ["quantiles"], tmp_path, folds=2)
    both = cross_validate(study, ["quantiles", "mean-speed"], tmp_path, folds=2)
    assert [row for row in both if row.model == "quantiles"] == first
    assert set(json.loads((tmp_path / "experiment.json").read_text())["methods"]) == {
        "quantiles", "mean-speed",
    }  # fmt: skip


def test_a_bad_recording_is_named(study, tmp_path):
    path = study.pose_path("i03_v0")
    assert path is not None
    path.write_bytes(b"no parquet")
    with pytest.raises(StudyError, match=r"E272 1 of 11 recordings failed: i03_v0"):
        cross_validate(study, ["quantiles"], tmp_path, folds=2)


@pytest.mark.parametrize("wrong", [{"repeats": 0}, {"workers": 0}, {"folds": 1}, {"inner": 0}])
def test_impossible_numbers(study, tmp_path, wrong):
    with pytest.raises(ConfigError, match="E702"):
        cross_validate(study, ["quantiles"], tmp_path, **wrong)


@pytest.mark.parametrize(
    ("names", "code"), [(["magic"], "E705"), ([], "E702"), (["stam"] * 2, "E702")]
)
def test_impossible_models(study, tmp_path, names, code):
    with pytest.raises(ConfigError, match=code):
        cross_validate(study, names, tmp_path)


def test_other_settings_of_a_classifier_are_another_experiment(study, tmp_path, monkeypatch):
    cross_validate(study, ["quantiles"], tmp_path, folds=2, inner=2)
    other = replace(METHODS["quantiles"], classifier=partial(QuantileRegression, strength=0.5))
    monkeypatch.setitem(METHODS, "quantiles", other)
    with pytest.raises(StudyError, match=r"E273.*settings of a model differ"):
        cross_validate(study, ["quantiles"], tmp_path, folds=2, inner=2)


def test_settings_of_makers_are_told_whatever_they_are_made_of():
    plain = settings_of(QuantileRegression)
    assert plain == {"made_by": "QuantileRegression", "usual": {"strength": 0.01}}
    told = settings_of(partial(QuantileRegression, strength=0.5))
    assert told["given"] == [{"strength": 0.5}]
    for name, method in METHODS.items():
        content = method.to_dict()
        assert content == json.loads(json.dumps(content)), name
        assert "0x" not in json.dumps(content), name  # an address would differ each time
    named = {name: json.dumps(METHODS[name].to_dict()) for name in METHODS}
    assert named["chambers"] != named["chambers-fidgety"] != named["mccay"]


def test_the_seed_repeat_and_fold_decide_what_training_begins_with(study, tmp_path):
    seeds = []
    for seed in (0, 1):
        out = tmp_path / str(seed)
        cross_validate(study, ["mean-speed"], out, folds=2, inner=2, repeats=2, seed=seed)
        seeds += [task.seed for task in tasks_of(study, out, ["mean-speed"], repeats=2)]
    assert len(set(seeds)) == 8
