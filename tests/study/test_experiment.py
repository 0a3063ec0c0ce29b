"""Cross-validation: every prediction out of fold, kept after a kill, the same on any processes."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest

from fidgety.errors import ConfigError, StudyError
from fidgety.models.quantiles import QuantileRegression
from fidgety.study import experiment
from fidgety.study.comparison import compare
from fidgety.study.experiment import cross_validate, read_predictions
from fidgety.study.methods import METHODS
from fidgety.study.splits import make_splits

pytestmark = pytest.mark.usefixtures("tiny")
NAMES = ["stam", "quantiles"]


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
        split = make_splits(study, 2, row.repeat)[row.fold]
        assert row.infant_id in split.test
        assert row.label == study.infants[row.infant_id]
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
    cross_validate(study, ["quantiles"], tmp_path, folds=2)
    assert len(log) == 4
    for fitted, asked in log:
        assert not set(fitted) & set(asked)


def test_networks_see_training_and_validation_parts_only(study, tmp_path, monkeypatch):
    calls, calibrated = [], []
    fit, calibrator = experiment.fit, experiment.fit_calibrator

    def spy(train, val, *rest, **more):
        calls.append(({e.infant_id for e in train}, {e.infant_id for e in val}))
        return fit(train, val, *rest, **more)

    def spy_too(scores, labels, infants):
        calibrated.append(set(infants))
        return calibrator(scores, labels, infants=infants)

    monkeypatch.setattr(experiment, "fit", spy)
    monkeypatch.setattr(experiment, "fit_calibrator", spy_too)
    cross_validate(study, ["stam"], tmp_path, folds=2)
    splits = make_splits(study, 2, 0)
    assert calls == [(set(s.train), set(s.val)) for s in splits]
    assert calibrated == [set(s.val) for s in splits]


def test_finished_folds_are_kept_and_the_others_made(study, tmp_path, monkeypatch):
    whole = cross_validate(study, NAMES, tmp_path / "whole", folds=2)

    def broken(*_, **__):
        raise StudyError("E202", "Broken on purpose")

    with monkeypatch.context() as patch:
        patch.setattr(experiment, "fit", broken)
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
    assert cross_validate(study, NAMES, tmp_path / "cut", folds=2) == whole
    assert {p: p.stat().st_mtime_ns for p in kept} == kept


def test_our_own_fault_in_one_fold_is_told_with_the_others_kept(study, tmp_path, monkeypatch):
    monkeypatch.setattr(experiment, "fit", lambda *_, **__: 1 / 0)
    with pytest.raises(StudyError, match=r"E272.*E229.*ZeroDivisionError"):
        cross_validate(study, NAMES, tmp_path, folds=2)


@pytest.mark.parametrize("change", [{"folds": 3}, {"seed": 1}])
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


@pytest.mark.parametrize("wrong", [{"repeats": 0}, {"workers": 0}, {"folds": 1}])
def test_impossible_numbers(study, tmp_path, wrong):
    with pytest.raises(ConfigError, match="E702"):
        cross_validate(study, ["quantiles"], tmp_path, **wrong)


@pytest.mark.parametrize(
    ("names", "code"), [(["magic"], "E705"), ([], "E702"), (["stam"] * 2, "E702")]
)
def test_impossible_models(study, tmp_path, names, code):
    with pytest.raises(ConfigError, match=code):
        cross_validate(study, names, tmp_path)
