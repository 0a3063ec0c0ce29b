"""Training runs: infants apart, the test part closed, everything in one folder."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from small_studies import write_sequences

from fidgety.errors import CheckpointError, PoseError, StudyError
from fidgety.models.checkpoint import load_checkpoint
from fidgety.models.ensemble import logits
from fidgety.models.trained import TrainedModel
from fidgety.statistics.calibrators import fit_calibrator
from fidgety.study.runs import Validation, examples_of, frame_rate, train_run, validate_run
from fidgety.study.splits import make_splits, read_split, write_splits
from fidgety.study.study import Study

pytestmark = pytest.mark.usefixtures("tiny")


def rows_of(path):
    with path.open(newline="") as handle:
        return list(csv.DictReader(handle))


def test_a_run_and_what_is_in_its_folder(study):
    told = []
    run = train_run(study, on_epoch=told.append)
    assert run.folder == study.root / "runs" / "fidgety_fold00"
    assert {path.name for path in run.folder.iterdir()} == {
        "config.json", "metrics.jsonl", "last_state.pt", "model.fidgety", "predictions_val.csv",
    }  # fmt: skip
    assert list(run.epochs) == told
    assert len((run.folder / "metrics.jsonl").read_text().splitlines()) == 2
    checkpoint = load_checkpoint(run.folder / "model.fidgety")
    split = read_split(study, 0)
    cohort = checkpoint.cohort
    assert cohort is not None
    assert cohort.n_infants == len(split.train) + len(split.val)
    assert not cohort.simulated
    assert (checkpoint.profile, checkpoint.fps) == ("fidgety", 30.0)
    assert run.validation is not None
    assert run.validation.infants == len(split.val)
    assert checkpoint.metrics["part"] == "validation"
    assert run.validation.auc is not None
    assert checkpoint.metrics["auc"] == run.validation.auc.value
    assert "AUC" in str(run.validation)


def test_calibration_is_fitted_to_the_validation_part_only(study):
    run = train_run(study)
    model = TrainedModel.load(run.folder / "model.fidgety")
    division = read_split(study, 0)
    examples = examples_of(study, division, "val")
    risks = [model.infer(model.clips(e.sequence)).risk for e in examples]
    expected = fit_calibrator(
        logits(risks),
        [e.label for e in examples],
        infants=[e.infant_id for e in examples],
        method="anchored",
    )
    assert model.rules.calibrator is not None
    grid = np.linspace(0.1, 0.9, 5)
    np.testing.assert_allclose(
        model.calibrated(grid), expected.probability(logits(grid)), atol=1e-5
    )
    table = rows_of(run.folder / "predictions_val.csv")
    assert {row["infant_id"] for row in table} == set(division.val)
    np.testing.assert_allclose([float(row["score"]) for row in table], risks, atol=1e-6)


def test_the_test_part_is_never_opened_while_training(study):
    whole = train_run(study, name="whole")
    for recording in read_split(study, 0).recordings(study, "test"):
        folder = study.sequence_folder(recording.name)
        (folder / "raw_skel.npy").write_bytes(b"poison")
        (folder / "sequence.json").write_bytes(b"poison")
        path = study.pose_path(recording.name)
        assert path is not None
        path.write_bytes(b"poison")
    poisoned = train_run(study, name="poisoned")
    for name in ("model.fidgety", "metrics.jsonl", "predictions_val.csv"):
        assert (whole.folder / name).read_bytes() == (poisoned.folder / name).read_bytes()
    with pytest.raises((StudyError, PoseError)):
        validate_run(poisoned.folder, study, "test")


@pytest.mark.parametrize("part", ["val", "test"])
def test_validation_measures_its_part(study, part):
    run = train_run(study)
    found = validate_run(run.folder, part=part)
    infants = getattr(read_split(study, 0), part)
    assert {row["infant_id"] for row in rows_of(found.path)} == set(infants)
    assert found.infants == len(infants)
    assert ("test part" if part == "test" else "validation part") in str(found)
    if part == "val":
        assert str(found) == str(run.validation)


def test_a_new_split_does_not_move_training_infants_into_the_test_part(study):
    run = train_run(study)
    before = validate_run(run.folder, study, "test")
    told = before.path.read_bytes()
    write_splits(study, make_splits(study, folds=2, seed=5))
    assert str(validate_run(run.folder, study, "test")) == str(before)
    assert before.path.read_bytes() == told


def test_infants_that_left_the_study_are_missed(study):
    run = train_run(study)
    gone = read_split(study, 0).test[0]
    left = tuple(r for r in study.recordings if r.infant_id != gone)
    with pytest.raises(StudyError, match=rf"E283.*{gone}"):
        validate_run(run.folder, replace(study, recordings=left), "test")


def test_a_config_in_which_infants_cross_is_refused(study):
    run = train_run(study)
    path = run.folder / "config.json"
    content = json.loads(path.read_text())
    content["infants"]["test"].append(content["infants"]["train"][0])
    path.write_text(json.dumps(content))
    with pytest.raises(StudyError, match="E204"):
        validate_run(run.folder, study, "test")


def test_a_run_is_not_overwritten(study):
    run = train_run(study)
    with pytest.raises(StudyError, match=r"E275.*--resume"):
        train_run(study)
    (run.folder / "model.fidgety").unlink()  # as if it had been killed
    with pytest.raises(StudyError, match="E275"):
        train_run(study)


def test_resume_ends_where_an_uninterrupted_run_ends(study):
    whole = train_run(study, name="whole")

    class KilledError(Exception):
        pass

    def kill(epoch):
        raise KilledError

    with pytest.raises(KilledError):
        train_run(study, name="cut", on_epoch=kill)
    resumed = train_run(study, name="cut", resume=True)
    assert resumed.epochs == whole.epochs
    assert (resumed.folder / "model.fidgety").read_bytes() == (
        whole.folder / "model.fidgety"
    ).read_bytes()
    again = train_run(study, name="cut", resume=True)
    assert again.epochs == whole.epochs


def test_another_run_is_not_resumed_and_its_folder_stays(study):
    run = train_run(study)
    held = {path.name: path.read_bytes() for path in run.folder.iterdir()}
    for different in ({"fold": 1}, {"length_s": 3.0}):
        with pytest.raises(CheckpointError, match="E440"):
            train_run(study, name="fidgety_fold00", resume=True, **different)
    write_splits(study, make_splits(study, folds=2, seed=5))
    with pytest.raises(CheckpointError, match="E440"):
        train_run(study, resume=True)
    assert held == {path.name: path.read_bytes() for path in run.folder.iterdir()}


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"fold": 0, "infants": {"train": 3}}'])
def test_no_run_in_the_folder(study, content):
    folder = study.root / "runs" / "none"
    folder.mkdir(parents=True)
    if content is not None:
        (folder / "config.json").write_text(content)
    with pytest.raises(StudyError, match=r"E278.*its config.json.*fidgety train") as said:
        validate_run(folder, study)
    assert "Errno" not in str(said.value)


def test_a_model_of_every_infant_has_none_to_validate_on(study):
    folder = study.root / "runs" / "all"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"method": "stam", "inner": 2}')
    (folder / "model.fidgety").touch()
    with pytest.raises(StudyError, match=r"E278 .*trained on every infant.*fidgety cv"):
        validate_run(folder, study)


def test_another_profile_is_refused(study):
    with pytest.raises(StudyError, match=r"E276.*--profile stam"):
        train_run(study, method="stam-profile")


def test_a_plain_classifier_is_no_network(study):
    with pytest.raises(StudyError, match=r"E277.*fidgety cv"):
        train_run(study, method="quantiles")


def test_an_odd_name_is_refused(study):
    with pytest.raises(StudyError, match="E209"):
        train_run(study, name="../elsewhere")


def test_only_the_first_seconds_on_request(study):
    run = train_run(study, length_s=2.0, name="short")
    assert json.loads((run.folder / "config.json").read_text())["length_s"] == 2.0
    (example, *_) = examples_of(study, read_split(study, 0), "val", length_s=2.0)
    assert example.sequence.values.shape[1] == 60
    assert str(validate_run(run.folder, study)) == str(run.validation)


def test_sequences_made_elsewhere(tmp_path):
    """The reference's own layout: arrays alone, split files, labels.txt."""
    root = tmp_path / "toy"
    names = [f"b{k:02}" for k in range(8)]
    write_sequences(root, names, frames=60)
    rows = [f"{name},{k % 2}\n" for k, name in enumerate(names)]
    (root / "labels.txt").write_text("infant_id,label\n" + "".join(rows))
    study = Study.open(root)
    write_splits(study, make_splits(study, folds=2))
    with pytest.raises(PoseError, match="E316"):
        train_run(study)
    run = train_run(study, fps=10.0)
    assert load_checkpoint(run.folder / "model.fidgety").fps == 10.0
    assert frame_rate(study, fps=10.0) == 10.0
    assert validate_run(run.folder, part="test").infants == 4


def test_a_moved_run_needs_its_study(study, tmp_path):
    run = train_run(study)
    moved = shutil.move(run.folder, tmp_path / "moved")
    assert str(validate_run(moved, study)) == str(run.validation)
    with pytest.raises(StudyError, match="E201"):
        validate_run(moved)


def test_one_class_says_so(tmp_path):
    found = Validation("test", None, 3, 0, True, tmp_path)
    assert str(found).startswith("AUC not defined: the test part holds one class only")
    assert found.metrics() == {}
