"""Self-test, robustness, explanations, learning curve, final model: on small studies."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from learning import TINY, network
from small_studies import cohort, study_of, write_study

from fidgety.assess import Assessor
from fidgety.errors import CheckpointError, ConfigError, PoseError, StudyError
from fidgety.models.ensemble import Ensemble
from fidgety.models.inference import EitherWindow, Inference, SummedWindow
from fidgety.models.quantiles import QuantileRegression
from fidgety.models.trained import TrainedModel
from fidgety.motion import ClipConfig, WindowConfig
from fidgety.simulate import simulate_study
from fidgety.study import crossfit, fold_models, selftest
from fidgety.study.examples import Example
from fidgety.study.experiment import cross_validate
from fidgety.study.explanation_measures import measures_of, truth_of_clips
from fidgety.study.explanation_scores import explanation_scores
from fidgety.study.final import train_final
from fidgety.study.fold_models import FoldModel, cached_model, fold_model
from fidgety.study.learning_curve import infants_for_curve, learning_curve
from fidgety.study.methods import METHODS
from fidgety.study.robustness import robustness
from fidgety.study.selftest import Run, labelled, pieces_of, self_test
from fidgety.study.sequences import read_sequence, write_sequence
from fidgety.study.study import Study

LINES = ("none", "fps-15", "mirror", "first-10")


@pytest.fixture(scope="module", autouse=True)
def _small():
    """Networks that train in a moment."""
    small = replace(network(TINY, max_epoch=2), clip=ClipConfig(2.0, 1.5), window=WindowConfig())
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(METHODS, "stam", replace(METHODS["stam"], network=small))
        ours = METHODS["fidgety"].network
        assert ours is not None
        short = replace(ours, training=replace(ours.training, min_steps=40))
        patch.setitem(METHODS, "fidgety", replace(METHODS["fidgety"], network=short))
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Study:
    """Twelve simulated infants of 22 s."""
    root = tmp_path_factory.mktemp("simulated") / "study"
    simulate_study(root, infants=12, seconds=22.0, fps=15.0, seed=3, difficulty="easy")
    return Study.open(root)


@pytest.fixture(scope="module")
def done(whole, tmp_path_factory):
    """Their cross-validation."""
    out = tmp_path_factory.mktemp("cv")
    cross_validate(whole, ["stam", "quantiles"], out, folds=2, inner=2)
    return out


def test_a_bench_of_poorer_input(whole, done):
    found = robustness(whole, done, perturbations=LINES)
    assert {(line.model, line.perturbation) for line in found.lines} == {
        (model, name) for model in ("stam", "quantiles") for name in LINES
    }
    for line in found.lines:
        assert line.recordings + line.refused == 12
        assert line.infants == line.recordings  # one each
        if line.perturbation == "none":
            assert line.difference == pytest.approx(0.0)
            assert line.holds
        if line.perturbation == "first-10":  # too short: the gate refuses it, and that holds
            assert (line.infants, line.auc, line.holds) == (0, None, True)
    told = json.loads((done / "robustness.json").read_text("utf-8"))
    assert told["simulated"] is True
    assert len(told["rows"]) == len(found.lines)
    kept = {path: path.stat().st_mtime_ns for path in (done / "robustness").iterdir()}
    assert robustness(whole, done, perturbations=LINES) == found
    assert {path: path.stat().st_mtime_ns for path in (done / "robustness").iterdir()} == kept


def test_a_recording_that_cannot_be_scored_counts_as_refused(whole, done, tmp_path, monkeypatch):
    """It passes the gate, and then no clip of it is usable: that is a refusal, not a crash."""
    out = tmp_path / "cv"
    shutil.copytree(done, out)
    asked = FoldModel.scores

    def scores(self, sequences):
        if self.trained is not None:
            raise PoseError("E105", "None of the clips is usable")
        return asked(self, sequences)

    monkeypatch.setattr(FoldModel, "scores", scores)
    found = robustness(whole, out, perturbations=["mirror"], seed=5)
    refused = {(line.model, line.perturbation): line.refused for line in found.lines}
    assert refused["stam", "mirror"] == refused["stam", "none"] == 12
    assert refused["quantiles", "mirror"] < 12

    def broken(self, sequences):
        raise PoseError("E999", "Something else")

    monkeypatch.setattr(FoldModel, "scores", broken)
    with pytest.raises(StudyError, match=r"E272.*E999"):
        robustness(whole, out, perturbations=["mirror"], seed=6)


def test_a_fold_that_was_made_anew_is_read_anew(whole, done, tmp_path):
    out = tmp_path / "cv"
    shutil.copytree(done, out)
    first = cached_model(whole.root, out, "stam", 0)
    assert cached_model(whole.root, out, "stam", 0) is first
    path = out / "folds" / "repeat0_fold0" / "stam" / "fold.json"
    about = json.loads(path.read_text("utf-8"))
    about["rules"]["threshold"] = 0.123456
    path.write_text(json.dumps(about), "utf-8")
    assert cached_model(whole.root, out, "stam", 0).rules.threshold == 0.123456


def test_longer_recordings_are_of_other_infants(whole, done, tmp_path):
    simulate_study(tmp_path / "longer", infants=4, seconds=62.0, fps=15.0, seed=9)
    other = Study.open(tmp_path / "longer")
    found = robustness(whole, done, models=["quantiles"], perturbations=["none"], longer=other)
    lengths = {line.perturbation: line for line in found.lines if line.group == "length"}
    assert set(lengths) == {"length-30", "length-60", "length-120", "length-300"}
    assert lengths["length-60"].recordings + lengths["length-60"].refused == 4
    with pytest.raises(StudyError, match="E286"):
        robustness(whole, done, models=["quantiles"], perturbations=["none"], longer=whole)
    simulate_study(tmp_path / "again", infants=4, seconds=23.0, fps=15.0, seed=3, difficulty="easy")
    same = Study.open(tmp_path / "again")
    with pytest.raises(StudyError, match=r"E286.*--seed"):  # the same infants, filmed for longer
        robustness(whole, done, models=["quantiles"], perturbations=["none"], longer=same)


def test_results_on_other_longer_recordings_are_not_kept(whole, done, tmp_path):
    for number, infants in enumerate((4, 6)):
        folder = tmp_path / str(number)
        simulate_study(folder, infants=infants, seconds=32.0, fps=15.0, seed=20 + number)
        found = robustness(
            whole, done, models=["quantiles"], perturbations=["none"], longer=Study.open(folder)
        )
        (line,) = (line for line in found.lines if line.perturbation == "length-30")
        assert line.recordings + line.refused == infants


def test_what_cannot_be_perturbed_is_refused(whole, done, tmp_path):
    with pytest.raises(ConfigError, match=r"E702 No perturbation named 'magic'"):
        robustness(whole, done, perturbations=["magic"])
    with pytest.raises(StudyError, match=r"E285 mean-speed was not cross-validated"):
        robustness(whole, done, models=["mean-speed"])
    with pytest.raises(StudyError, match="E273"):
        robustness(replace(whole, recordings=whole.recordings[1:]), done)
    with pytest.raises(StudyError, match=r"E27[37]|E285"):
        explanation_scores(whole, done, models=["quantiles"])


def test_explanations_of_a_cross_validation(whole, done):
    found = explanation_scores(whole, done)
    measures = {row["measure"] for row in found.rows}
    assert {"randomised_correlation", "contribution_sum_error"} <= measures
    error = [row for row in found.rows if row["measure"] == "contribution_sum_error"]
    assert error[0]["value"] < 1e-5
    assert {(c["kind"], c["order"]) for c in found.curves} == {
        (kind, order) for kind in ("deletion", "insertion")
        for order in ("attention", "contribution", "random")
    }  # fmt: skip
    told = json.loads((done / "explanations.json").read_text("utf-8"))
    assert told["rows"] == list(found.rows)


def test_what_another_study_left_in_the_folder_is_not_explained(whole, done):
    before = explanation_scores(whole, done).rows
    lines = robustness(whole, done, perturbations=["none"]).lines
    home = done / "sequences" / METHODS["stam"].profile
    for recording in whole.recordings:  # as a learning curve of a study with the same names does
        standing = read_sequence(home / recording.name)
        other = replace(standing, values=0.3 * standing.values[:, ::-1])
        write_sequence(home / recording.name, other, {"source_sha256": "of another study"})
    for kept in ("explanations", "robustness"):
        shutil.rmtree(done / kept)
    fold_models._cached_model.cache_clear()  # as in a process of its own
    assert explanation_scores(whole, done).rows == before
    assert robustness(whole, done, perturbations=["none"]).lines == lines


def test_truth_of_clips_is_that_of_the_simulation(whole, done):
    (task,) = (t for t in _tasks(whole, done) if t.split.fold == 0)
    trained = fold_model(task).trained
    assert trained is not None
    from fidgety.study.experiment import examples_by_profile

    example = examples_by_profile(task, task.split.test)[0]
    clips = trained.clips(example.sequence)
    amount = truth_of_clips(whole.root, example.recording, clips)
    assert amount is not None
    assert amount.shape == (len(clips), 18)
    assert ((amount >= 0) & (amount <= 1)).all()
    assert truth_of_clips(whole.root / "none", example.recording, clips) is None


def _tasks(study, root):
    from fidgety.study.experiment import tasks_of

    return tasks_of(study, root, ["stam"], repeats=1)


def test_an_explanation_that_knows_the_truth_scores_one_and_a_blind_one_a_half():
    rng = np.random.default_rng(0)
    truth = np.zeros((40, 18))
    truth[:16, 3] = 0.9  # fidgety movement in the first clips, of one joint
    right = _inference(np.where(np.arange(40) < 16, -2.0, 1.0), joint=3)
    blind = _inference(rng.normal(size=40), joint=7)
    found = measures_of(right, blind, truth, rng, right.logit)
    assert found["clip_auc contribution"] == pytest.approx(1.0)
    assert found["joint_auc contribution"] == pytest.approx(1.0)
    assert 0.2 < found["randomised_clip_auc contribution"] < 0.8
    assert abs(found["randomised_correlation contribution"]) < 0.5
    assert found["contribution_sum_error contribution"] < 1e-9
    at = 2  # a fifth of the clips
    assert found["deletion contribution"][at] > 2 * found["random_deletion contribution"][at]
    assert "clip_auc attention" not in measures_of(right, blind, np.zeros((40, 18)), rng, 0.0)
    # The mean of all is -0.1 with the bias, of the first fifth alone -1.9.
    assert found["answer_kept_20 contribution"] == 1
    assert found["insertion_gain_20 contribution"] == pytest.approx(1.8, abs=0.5)
    assert not [name for name in found if "_sum " in name]


class _Crowd:
    """Adds to the mean pull what of all clips is lacking: few clips look abnormal."""

    whole = True

    def attend(self, vectors, count):
        mean = (count * vectors[..., 0]).sum(axis=-1) / count.sum(axis=-1)
        return mean + 4.0 * (1 - count.mean(axis=-1)), count


def test_what_clips_alone_say_is_told_apart_from_what_the_whole_recording_says():
    pull = np.where(np.arange(40) < 8, -3.0, -1.0)
    window = EitherWindow(
        np.arange(40), np.full(40, 1 / 40), pull[:, None].astype(np.float32), _Crowd(), pull, 0.0
    )  # type: ignore[arg-type]
    one = Inference((window,), np.full((40, 18), 1 / 18), "mean")
    found = measures_of(one, one, None, np.random.default_rng(0), one.logit)
    # -1.4 for all, -3 + 3.2 for the first fifth alone, about -1.4 + 3.2 for a random one.
    assert found["answer_kept_20 contribution"] == found["random_kept_20 contribution"] == 0
    assert found["insertion_gain_20 contribution"] == pytest.approx(1.6, abs=0.3)
    assert found["answer_kept_20_sum contribution"] == found["random_kept_20_sum contribution"] == 1
    assert found["insertion_gain_20_sum contribution"] == pytest.approx(1.6, abs=0.3)


def _inference(pull, joint):
    attention = np.full(len(pull), 1 / len(pull))
    parts = np.zeros((len(pull), 18))
    parts[:, joint] = pull
    window = SummedWindow(np.arange(len(pull)), attention, np.asarray(pull, dtype=float), 0.1)
    joints = np.full((len(pull), 18), 1 / 18)
    one = Inference((window,), joints, "mean", joint_pull=parts)
    return Ensemble((one, one))


def test_a_final_ensemble_is_trained_on_all_and_assesses(whole, tmp_path):
    class KilledError(BaseException):
        pass

    def kill(_folder):
        raise KilledError

    with pytest.raises(KilledError):
        train_final(whole, inner=2, name="both", finish=kill)
    first = (whole.root / "runs" / "both" / "model.fidgety").read_bytes()
    finished = []
    done = train_final(whole, inner=2, name="both", finish=finished.append)
    assert finished == [done.folder]
    assert (done.folder / "model.fidgety").read_bytes() == first
    assert not (done.folder / "members").exists()
    assert (done.members, done.infants, done.abnormal) == (3, 12, 6)
    model = TrainedModel.load(done.folder / "model.fidgety")
    assert len(model.networks) == 3
    assert model.checkpoint.cohort is not None
    assert model.checkpoint.cohort.n_infants == 12
    assert len(model.checkpoint.metrics["scores"]) == 12
    assert model.checkpoint.metrics["part"] == "out-of-fold"
    said = Assessor(model).assess(whole.pose_path("s0000"), age_weeks=13.0)  # type: ignore[arg-type]
    assert said.interval is not None
    assert "3 members" in said.content["interval_of"]
    assert len(said.content["cohort"]["scores"]) == 12
    with pytest.raises(StudyError, match="E275"):
        train_final(whole, inner=2, name="both")
    with pytest.raises(StudyError, match="E277"):
        train_final(whole, method="quantiles")
    with pytest.raises(ConfigError, match=r"E702 1 inner folds for a final model"):
        train_final(whole, inner=1)
    with pytest.raises(StudyError, match=r"E213 .*6 infants, 7 inner parts need 7.*--inner 6"):
        train_final(whole, inner=7, name="refused")
    assert not (whole.root / "runs" / "refused").exists()  # nothing to go on with


@pytest.mark.parametrize("work", ["cv", "self-test", "final"])
def test_fits_are_on_one_thread(whole, tmp_path, monkeypatch, work):
    seen, fit = [], crossfit.fit

    def spy(*given, **more):
        seen.append(torch.get_num_threads())
        return fit(*given, **more)

    monkeypatch.setattr(crossfit, "fit", spy)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        if work == "cv":
            cross_validate(whole, ["stam"], tmp_path, folds=2, inner=1)
        elif work == "self-test":
            self_test(whole, tmp_path, model="stam", folds=2, permutations=3)
        else:
            train_final(whole, method="stam", inner=2, name="on_one_thread")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert set(seen) == {1}


@pytest.mark.slow
def test_members_trained_side_by_side_are_the_same(whole):
    told = []
    alone, beside = (
        train_final(
            whole, method="stam", inner=2, name=f"by{workers}", workers=workers,
            progress=lambda *done: told.append(done),
        ).folder
        for workers in (1, 2)
    )  # fmt: skip
    for name in ("model.fidgety", "predictions.csv"):
        assert (alone / name).read_bytes() == (beside / name).read_bytes()
    assert told[:3] == [(n + 1, 3, f"member{n}") for n in range(3)]
    assert [done[:2] for done in told[3:]] == [(1, 3), (2, 3), (3, 3)]


def test_a_member_that_fails_is_named_and_the_others_are_kept(whole, monkeypatch):
    fit = crossfit.fit

    def fails(train, validation, config, *, run, **more):
        if run.name == "member1":
            raise CheckpointError("E441", "The training diverged", remedy="x")
        return fit(train, validation, config, run=run, **more)

    monkeypatch.setattr(crossfit, "fit", fails)
    with pytest.raises(StudyError, match=r"E272 1 of 3 members failed: member1.*E441"):
        train_final(whole, method="stam", inner=2, name="broken")
    monkeypatch.setattr(crossfit, "fit", fit)
    kept = [
        (whole.root / "runs/broken/members" / name / "metrics.jsonl").read_bytes()
        for name in ("member0", "member2")
    ]
    assert all(kept)
    assert train_final(whole, method="stam", inner=2, name="broken").members == 3


def test_members_of_the_final_model_leave_every_infant_out(whole, monkeypatch):
    left = []
    scores = crossfit.scores

    def spy(model, examples, config):
        left.append({example.infant_id for example in examples})
        return scores(model, examples, config)

    monkeypatch.setattr(crossfit, "scores", spy)
    train_final(whole, method="stam", inner=3, name="three")
    assert sum(map(len, left[:3])) == len(set.union(*left[:3])) == 12
    assert len(left) == 4
    assert len(left[3]) == 4


def blocks(root, infants: int = 12, recordings: int = 3, frames: int = 60) -> Study:
    names = [f"i{k:02}_v{n}" for k in range(infants) for n in range(recordings)]
    rows = [f"{name[:3]},{int(name[1:3]) % 2},{name}\n" for name in names]
    return Study.open(
        write_study(root, "infant_id,label,recording\n" + "".join(rows), names, frames=frames)
    )


class Memory:
    """Recognises an infant by where its nose is, and knows nothing else."""

    def fit(self, sequences, labels):
        self.known = [(self.trait(s), label) for s, label in zip(sequences, labels, strict=True)]
        return self

    def risk(self, sequences):
        return np.array([self.nearest(self.trait(s)) for s in sequences])

    def nearest(self, trait):
        near = sorted(self.known, key=lambda one: abs(one[0] - trait))[:2]
        return float(np.mean([label for _, label in near]))

    @staticmethod
    def trait(sequence):
        return float(sequence[0, 0, 0])


def test_the_self_test_finds_a_method_that_remembers_infants(tmp_path, monkeypatch):
    study = blocks(tmp_path / "study")
    monkeypatch.setitem(METHODS, "memory", replace(METHODS["quantiles"], classifier=Memory))
    monkeypatch.setattr(selftest, "read_sequence", _with_trait(selftest.read_sequence))
    found = self_test(study, tmp_path / "out", model="memory", folds=3, permutations=4).content
    assert (found["pieces"], found["infants"], found["recordings"]) == (0, 12, 36)
    assert found["record_wise"]["auc"] > 0.8
    assert found["infant_wise"]["auc"] < found["record_wise"]["auc"]
    assert found["gap"]["value"] == pytest.approx(
        found["record_wise"]["auc"] - found["infant_wise"]["auc"]
    )
    assert found["permuted_record_wise"]["mean"] > 0.75  # nothing to learn, and yet
    assert found["permuted"]["passed"]
    assert json.loads((tmp_path / "out" / "self_test.json").read_text("utf-8")) == found
    again = self_test(study, tmp_path / "out", model="memory", folds=3, permutations=4).content
    assert again == found
    with pytest.raises(ConfigError, match=r"E702 2 permutations.*3 or more"):
        self_test(study, tmp_path / "out", model="memory", permutations=2)


def test_runs_of_other_settings_are_not_kept(tmp_path, monkeypatch):
    study = blocks(tmp_path / "study")
    kept = {"folds": 2, "permutations": 3}
    self_test(study, tmp_path / "out", **kept)
    times = {p: p.stat().st_mtime_ns for p in (tmp_path / "out" / "self_test").iterdir()}

    def made_again(**more) -> bool:
        self_test(study, tmp_path / "out", **kept, **more)
        now = {p: p.stat().st_mtime_ns for p in (tmp_path / "out" / "self_test").iterdir()}
        changed = all(now[path] != times[path] for path in times)
        assert changed or now == times
        times.update(now)
        return changed

    assert not made_again()
    assert made_again(fps=15.0)
    assert not made_again(fps=15.0)
    other = replace(METHODS["quantiles"], classifier=partial(QuantileRegression, strength=0.5))
    monkeypatch.setitem(METHODS, "quantiles", other)
    assert made_again(fps=15.0)


def _with_trait(read):
    """Each infant's own place of the nose, the same in all of its recordings."""

    def changed(folder):
        sequence = read(folder)
        values = sequence.values.copy()
        values[0, 0, 0] = np.random.default_rng(int(folder.name[1:3])).random()
        return replace(sequence, values=values)

    return changed


def test_pieces_cover_a_recording_and_labels_are_permuted_over_infants(whole, done):
    example = Example("i", "r", 1, TrainedExample.sequence)
    pieces = pieces_of(example, 3)
    assert [piece.recording for piece in pieces] == ["r_0", "r_1", "r_2"]
    assert {piece.infant_id for piece in pieces} == {"i"}
    assert pieces_of(example, 0) == [example]
    rows = [Example(f"i{k // 2}", f"i{k // 2}_{k % 2}", k // 2 % 2, example.sequence)
            for k in range(12)]  # fmt: skip
    told = labelled(rows, Run("x", "infant", 5))
    by_infant = {(e.infant_id, e.label) for e in told}
    assert len(by_infant) == 6
    assert sorted(label for _, label in by_infant) == [0, 0, 0, 1, 1, 1]
    wrong = labelled(rows, Run("x", "recording"))
    assert [e.infant_id for e in wrong] == [e.recording for e in rows]


class TrainedExample:
    from learning import sequence as _made

    sequence = _made(0, frames=90)


def test_a_learning_curve_tests_on_infants_that_no_size_trains_on(tmp_path):
    study = blocks(tmp_path / "study", infants=32, recordings=1, frames=45)
    found = learning_curve(study, tmp_path / "out", sizes=(8, 12), tested=20, repeats=2)
    assert found.tested == 20
    assert [(p.infants, p.repeat) for p in found.points] == [(8, 0), (8, 1), (12, 0), (12, 1)]
    assert json.loads((tmp_path / "out/learning_curve.json").read_text("utf-8"))["tested"] == 20
    assert learning_curve(study, tmp_path / "out", sizes=(8, 12), tested=20, repeats=2) == found


def test_training_infants_of_a_curve_grow_and_hold_both_classes():
    study = study_of(cohort(30, 70))
    test, orders = infants_for_curve(study, 50, None, 3, 0)
    assert len(test) == 50
    for order in orders:
        assert not set(test) & set(order)
        assert len(set(order)) == 50
        for size in (10, 20, 50):
            share = np.mean([study.infants[i] for i in order[:size]])
            assert 0.2 <= share <= 0.4
    assert orders[0] != orders[1]
    with pytest.raises(StudyError, match=r"E213 .*100 infants; 95 to train on and 10 to test on"):
        infants_for_curve(study, 95, None, 1, 0)
    with pytest.raises(ConfigError, match="E702"):
        learning_curve(study, "nowhere", sizes=(4,))
