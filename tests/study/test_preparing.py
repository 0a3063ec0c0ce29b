"""Preparing a study: what is written, what is kept, what is never used stale."""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from small_studies import a_pose, write_sequences, write_study

from fidgety.errors import ConfigError, FileError, PoseError, StudyError
from fidgety.motion import (
    ClipConfig,
    FidgetyProfile,
    StamProfile,
    WindowConfig,
    pose_sequence,
    split,
)
from fidgety.pose.pose import Pose
from fidgety.pose.quality import assess_quality, mend
from fidgety.pose.stored import read_native
from fidgety.simulate import simulate_study
from fidgety.study import preparing
from fidgety.study.examples import Example, batches, windows_of
from fidgety.study.experiment_settings import claim_folder
from fidgety.study.fold_models import same_study
from fidgety.study.perturb import PERTURBATIONS, perturbed
from fidgety.study.preparing import prepare_study
from fidgety.study.profiled import make_sequence
from fidgety.study.record import inputs_of
from fidgety.study.sequences import load_sequence, read_sequence, read_sidecar
from fidgety.study.study import Study

LABELS = "infant_id,label\nb07,1\nb09,0\nb11,0\n"
NAMES = ("b07", "b09", "b11")


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study.open(write_study(tmp_path, LABELS, NAMES, frames=90))


def times(study: Study) -> dict[str, int]:
    return {n: (study.sequence_folder(n) / "raw_skel.npy").stat().st_mtime_ns for n in NAMES}


def test_written_files_hold_what_the_library_computes(study: Study) -> None:
    seen: list[tuple[int, int, str]] = []
    report = prepare_study(study, progress=lambda *step: seen.append(step))
    assert report.named("done") == NAMES
    assert (report.exit_status, report.summary()) == (0, "3 prepared")
    assert seen == [(1, 3, "b07"), (2, 3, "b09"), (3, 3, "b11")]
    expected = pose_sequence(a_pose(1, 90))
    sequence = load_sequence(study, "b09")
    assert sequence.values.shape == (7, 90, 18)
    assert sequence.values.dtype == np.float32
    np.testing.assert_array_equal(sequence.values, expected.values.astype(np.float32))
    assert (sequence.fps, sequence.start_s) == (expected.fps, expected.start_s)
    assert sequence.profile == FidgetyProfile()
    assert sequence.skeleton == "openpose18"
    cleaned = read_native(study.preprocessed_path("b09"))
    assert (cleaned.unit, len(cleaned)) == ("trunk", 90)
    np.testing.assert_array_equal(cleaned.xy[..., 0], expected.values[0])
    raw = np.load(study.sequence_folder("b09") / "raw_skel.npy", allow_pickle=False)
    assert raw.shape == (7, 90, 18)


def test_run_again_does_nothing(study: Study) -> None:
    prepare_study(study)
    before = times(study)
    report = prepare_study(Study.open(study.root))
    assert report.named("kept") == NAMES
    assert report.summary() == "0 prepared, 3 already up to date"
    assert times(study) == before


def test_other_profile_or_settings_or_poses_prepare_again(study: Study) -> None:
    prepare_study(study)
    assert prepare_study(study, "stam").named("done") == NAMES
    assert load_sequence(study, "b07").profile == StamProfile()
    assert load_sequence(study, "b07").start_s > 0
    assert prepare_study(study, StamProfile(smooth_s=0.3)).named("done") == NAMES
    assert prepare_study(study, StamProfile(smooth_s=0.3)).named("kept") == NAMES
    a_pose(77, 90).save(study.root / "estimated_poses" / "b09.parquet")
    report = prepare_study(study, StamProfile(smooth_s=0.3))
    assert (report.named("done"), report.named("kept")) == (("b09",), ("b07", "b11"))
    assert prepare_study(study, StamProfile(smooth_s=0.3), force=True).named("done") == NAMES


def pieces(study: Study) -> list[Path]:
    return sorted((study.root / "pose_sequences").glob("*_sub_*"))


@pytest.mark.parametrize("moment", [0, 1, 2, 3, 4, 5, 8, 11, 14])
def test_killed_at_any_write_and_run_again(
    study: Study, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    """Ends equal to an uninterrupted run, and never offers a half-made or mixed sequence."""
    prepare_study(study, "stam", subsequence_seconds=1.0)
    published = [read_sequence(folder).values for folder in pieces(study)]
    prepare_study(study, subsequence_seconds=1.0)
    whole = {name: load_sequence(study, name).values for name in NAMES}
    prepare_study(study, "stam", subsequence_seconds=1.0)
    real, count = os.replace, 0

    def dies(a: object, b: object) -> None:
        nonlocal count
        count += 1
        if count > moment:
            raise KeyboardInterrupt
        real(a, b)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", dies)
        with pytest.raises(KeyboardInterrupt):
            prepare_study(study, subsequence_seconds=1.0)
    assert Study.open(study.root) == study
    for name in NAMES:
        about = read_sidecar(study.sequence_folder(name))
        assert about is not None
        if about["finished"] and about["profile"] == "fidgety":
            np.testing.assert_array_equal(load_sequence(study, name).values, whole[name])
    prepare_study(study, "stam", subsequence_seconds=1.0)
    for folder, values in zip(pieces(study), published, strict=True):
        np.testing.assert_array_equal(read_sequence(folder).values, values)
    prepare_study(study)
    for name in NAMES:
        np.testing.assert_array_equal(load_sequence(study, name).values, whole[name])


def test_interrupted_sequence_is_not_offered(study: Study) -> None:
    prepare_study(study)
    path = study.sequence_folder("b07") / "sequence.json"
    path.write_text(json.dumps({"finished": False}))
    with pytest.raises(StudyError, match=r"E218 Cannot read the sequence .*interrupted"):
        load_sequence(study, "b07")


def test_truncated_array_is_made_again(study: Study) -> None:
    prepare_study(study)
    array = study.sequence_folder("b07") / "raw_skel.npy"
    array.write_bytes(array.read_bytes()[:1000])
    with pytest.raises(PoseError, match="E350"):
        load_sequence(study, "b07")
    assert prepare_study(study).named("done") == ("b07",)


def test_one_bad_recording_does_not_stop_the_others(study: Study) -> None:
    poses = study.root / "estimated_poses"
    (poses / "b07.parquet").write_bytes(b"PAR1 not really")
    empty = a_pose(0, 90)
    nothing = np.full_like(empty.xy, np.nan)
    Pose.at_fps(nothing, np.zeros((90, 18)), 30, "openpose18").save(poses / "b09.parquet")
    report = prepare_study(study)
    assert (report.named("done"), report.named("failed")) == (("b11",), ("b07", "b09"))
    assert report.exit_status == 2
    assert [error.code for error in report.errors] == ["E320", "E131"]
    assert report.summary() == "1 prepared, 2 failed: b07, b09"


def test_a_fault_of_ours_is_reported_with_status_1(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(preparing, "clean", broken)
    report = prepare_study(study)
    assert report.exit_status == 1
    assert "E229 A fault of fidgety itself (b07): ZeroDivisionError" in str(report.errors[0])


def test_disk_full_stops_at_once_and_leaves_earlier_results(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare_study(study)
    before = load_sequence(study, "b07").values

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np, "save", full)
        with pytest.raises(FileError, match="E501"):
            prepare_study(study, "stam")
    prepare_study(study)
    np.testing.assert_array_equal(load_sequence(study, "b07").values, before)


@pytest.mark.slow
def test_two_processes_give_what_one_gives(study: Study) -> None:
    prepare_study(study)
    alone = {name: load_sequence(study, name).values for name in NAMES}
    report = prepare_study(study, workers=2, force=True)
    assert report.named("done") == NAMES
    for name in NAMES:
        np.testing.assert_array_equal(load_sequence(study, name).values, alone[name])


def test_copied_sub_sequences(study: Study) -> None:
    prepare_study(study, subsequence_seconds=1.0)  # 30 of 90 frames, 24 apart
    whole = load_sequence(study, "b07").values
    starts = [0, 24, 48, 60]
    for k, start in enumerate(starts, start=1):
        piece = read_sequence(study.sequence_folder(f"b07_sub_{k}"))
        np.testing.assert_array_equal(piece.values, whole[:, start : start + 30])
        assert piece.start_s == pytest.approx(start / 30)
    assert not study.sequence_folder("b07_sub_5").exists()
    assert Study.open(study.root) == study  # the copies are not recordings
    assert prepare_study(study, subsequence_seconds=1.0).named("kept") == NAMES
    assert prepare_study(study).named("kept") == NAMES
    assert prepare_study(study, subsequence_seconds=2.0).named("done") == NAMES
    assert not study.sequence_folder("b07_sub_4").exists()
    prepare_study(study, subsequence_seconds=99.0)
    np.testing.assert_array_equal(read_sequence(study.sequence_folder("b07_sub_1")).values, whole)


def test_published_length_of_sub_sequences(tmp_path: Path) -> None:
    root = write_study(tmp_path, "infant_id,label\nb07,1\n", [])
    a_pose(0, 2700).save(root / "estimated_poses" / "b07.parquet")
    study = Study.open(root)
    prepare_study(study, subsequence_seconds=1000 / 30)
    about = [
        json.loads((study.sequence_folder(f"b07_sub_{k}") / "sequence.json").read_text())
        for k in (1, 2, 3, 4)
    ]
    starts = [round(piece["start_s"] * 30) for piece in about]
    assert starts == [0, 800, 1600, 1700]  # the reference's 0, 800, 1600; its tail is not dropped
    assert all(piece["shape"] == [7, 1000, 18] for piece in about)


def test_sequences_made_elsewhere_are_left_unless_forced(study: Study) -> None:
    write_sequences(study.root, ["b07"])
    theirs = (study.sequence_folder("b07") / "raw_skel.npy").read_bytes()
    report = prepare_study(study)
    assert (report.named("left"), report.named("done")) == (("b07",), ("b09", "b11"))
    assert "1 sequences made elsewhere left as they are" in report.summary()
    assert (study.sequence_folder("b07") / "raw_skel.npy").read_bytes() == theirs
    assert prepare_study(study, force=True).named("done") == NAMES


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_impossible_length_of_sub_sequences(study: Study, seconds: float) -> None:
    with pytest.raises(ConfigError, match="E702"):
        prepare_study(study, subsequence_seconds=seconds)


def test_unknown_profile(study: Study) -> None:
    with pytest.raises(ConfigError, match="E704"):
        prepare_study(study, "best")


# --- reading sequences --------------------------------------------------------------------------


def test_reference_sequences_need_a_frame_rate(tmp_path: Path) -> None:
    write_sequences(tmp_path, ["b07", "b09"])
    (tmp_path / "labels.csv").write_text("infant_id,label,fps\nb07,1,25\nb09,0,\n")
    study = Study.open(tmp_path)
    assert load_sequence(study, "b07").fps == 25
    assert load_sequence(study, "b09", fps=30).fps == 30
    with pytest.raises(PoseError, match="E316"):
        load_sequence(study, "b09")
    assert prepare_study(study).named("left") == ("b07", "b09")
    (tmp_path / "labels.csv").write_text("infant_id,label,fps\nb07,1,fast\nb09,0,\n")
    with pytest.raises(StudyError, match="E219"):
        load_sequence(Study.open(tmp_path), "b07")


def test_toy_set_of_19_channels_by_its_channel_map(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    theirs = rng.normal(size=(19, 50, 18))
    theirs[2:4, 1:] = np.diff(theirs[:2], axis=1)
    theirs[4:6] = theirs[2:4] * 24.0
    (tmp_path / "pose_sequences" / "b07").mkdir(parents=True)
    np.save(tmp_path / "pose_sequences" / "b07" / "raw_skel.npy", theirs)
    folder = tmp_path / "pose_sequences" / "b07"
    with pytest.raises(PoseError, match="E351"):
        read_sequence(folder, fps=24)
    sequence = read_sequence(folder, channels="stam-toy19")
    assert sequence.fps == pytest.approx(24.0)
    np.testing.assert_allclose(sequence.values[:4], theirs[[0, 1, 4, 5]], rtol=1e-6)


@pytest.mark.parametrize(
    "damage",
    [
        {"finished": False},
        {"finished": None},
        {"schema_version": 2},
        {"shape": [7, 1, 18]},
        {"config": []},
        {"profile": 3},
        {"profile": "unheard-of"},
        {"config": {"fps": "fast"}},
        {"config": {"colour": 1}},
        {"fps": None},
        {"fps": -1},
        {"start_s": "soon"},
        {"skeleton": "spider"},
    ],
)
def test_damaged_sidecar(study: Study, damage: dict[str, object]) -> None:
    prepare_study(study)
    path = study.sequence_folder("b07") / "sequence.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | damage))
    with pytest.raises((StudyError, PoseError, ConfigError)):
        load_sequence(study, "b07")


@pytest.mark.parametrize("content", ["", "{", "[]", "[" * 100_000, '{"a": ' * 100_000])
def test_sidecar_that_is_not_json(study: Study, content: str) -> None:
    prepare_study(study)
    (study.sequence_folder("b07") / "sequence.json").write_text(content)
    with pytest.raises(StudyError, match="E218"):
        load_sequence(study, "b07")
    assert "b07" in prepare_study(study).named("done")


def test_not_prepared(study: Study) -> None:
    with pytest.raises(StudyError, match="E218 The recording is not prepared"):
        load_sequence(study, "b07")


def mapped_from(array: np.ndarray) -> Path | None:
    """The file that an array, or what it is a view on, is mapped from."""
    while array is not None and not isinstance(array, np.memmap):
        array = array.base  # type: ignore[assignment]
    return None if array is None else Path(str(array.filename))


def test_sequences_are_mapped_and_clips_are_views_on_the_file(study: Study) -> None:
    prepare_study(study)
    path = study.sequence_folder("b09") / "raw_skel.npy"
    sequence = load_sequence(study, "b09")
    assert mapped_from(sequence.values) == path
    assert not sequence.values.flags.writeable
    clips = split(sequence)
    assert np.shares_memory(clips.every, sequence.values)
    (window,) = windows_of([Example("b09", "b09", 0, sequence)], ClipConfig(), WindowConfig())
    assert np.shares_memory(window.clips.every, sequence.values)
    (batch,) = batches([window], 1, np.random.default_rng(0))  # the one copy
    np.testing.assert_array_equal(batch.clips[0].numpy(), clips.values())


def test_what_is_written_anew_leaves_a_mapped_sequence_as_it_was(study: Study) -> None:
    prepare_study(study)
    sequence = load_sequence(study, "b09")
    before = sequence.values.copy()
    prepare_study(study, StamProfile(), force=True)
    np.testing.assert_array_equal(sequence.values, before)
    assert load_sequence(study, "b09").values.shape != before.shape


def test_a_mapped_sequence_with_infinite_values_is_refused(study: Study) -> None:
    prepare_study(study)
    path = study.sequence_folder("b09") / "raw_skel.npy"
    values = np.load(path)
    values[3, 5, 2] = np.inf
    np.save(path, values)
    with pytest.raises(PoseError, match="E354"):
        load_sequence(study, "b09")


def test_where_nothing_can_be_mapped_it_is_read(study: Study, monkeypatch) -> None:
    prepare_study(study)
    mapped = load_sequence(study, "b09").values
    real = np.load

    def refusing(file, mmap_mode=None, **kwargs):
        if mmap_mode is not None:
            raise OSError(12, "Cannot allocate memory")
        return real(file, mmap_mode, **kwargs)

    monkeypatch.setattr(np, "load", refusing)
    read = load_sequence(study, "b09").values
    assert mapped_from(read) is None
    np.testing.assert_array_equal(read, mapped)


@pytest.mark.parametrize(("frames", "told"), [(599, True), (600, False)])
def test_a_recording_shorter_than_what_is_assessed_is_told(tmp_path, frames, told) -> None:
    study = Study.open(write_study(tmp_path, LABELS, NAMES, frames=frames))
    for outcome in prepare_study(study).outcomes:
        assert [text[:4] for text in outcome.warnings] == ["W204"] * told
        assert not told or "needs 20 s" in outcome.warnings[0]


@pytest.fixture(scope="module")
def exchanged(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Two simulated infants, in a tenth of whose frames left and right are exchanged."""
    root = simulate_study(tmp_path_factory.mktemp("exchanged"), infants=2, seconds=22.0, seed=3)
    for path in (root / "estimated_poses").glob("*.parquet"):
        perturbed(read_native(path), PERTURBATIONS["swaps-10"], 0).save(path)
    return Study.open(root)


def test_mended_poses_are_those_that_an_assessment_sees(exchanged: Study) -> None:
    prepare_study(exchanged, "fidgety", mend=False)
    as_it_is = load_sequence(exchanged, "s0000").values.copy()
    assert prepare_study(exchanged, mend=True).named("done") == ("s0000", "s0001")
    assert prepare_study(exchanged, mend=True).named("kept") == ("s0000", "s0001")
    pose = read_native(exchanged.root / "estimated_poses" / "s0000.parquet")
    mended = mend(pose, assess_quality(pose))
    found = load_sequence(exchanged, "s0000").values
    np.testing.assert_array_equal(found, pose_sequence(mended).values.astype(np.float32))
    assert not np.array_equal(found, as_it_is, equal_nan=True)
    assert prepare_study(exchanged).named("kept") == ("s0000", "s0001")  # as it was
    assert prepare_study(exchanged, "stam").named("done") == ("s0000", "s0001")
    found = load_sequence(exchanged, "s0000").values
    np.testing.assert_array_equal(found, pose_sequence(mended, "stam").values.astype(np.float32))
    assert prepare_study(exchanged, mend=False).named("done") == ("s0000", "s0001")
    np.testing.assert_array_equal(load_sequence(exchanged, "s0000").values, as_it_is)


@pytest.mark.parametrize("profile", ["fidgety", "stam"])
def test_an_experiment_takes_mended_poses_where_they_were_prepared(
    exchanged: Study, tmp_path: Path, profile: str
) -> None:
    make = partial(make_sequence, exchanged, tmp_path, profile, None, None, "s0000")
    found = []
    for mended in (False, True):
        prepare_study(exchanged, mend=mended)
        assert make() == "done"
        assert make() == "kept"
        found.append(read_sequence(tmp_path / "sequences" / profile / "s0000").values.copy())
    pose = read_native(exchanged.root / "estimated_poses" / "s0000.parquet")
    for values, seen in zip(found, (pose, mend(pose, assess_quality(pose))), strict=True):
        expected = pose_sequence(seen, profile).values.astype(np.float32)
        np.testing.assert_array_equal(values, expected)


def test_a_study_is_never_mended_in_part(exchanged: Study, tmp_path: Path) -> None:
    prepare_study(exchanged, mend=False)
    expected = {}
    for name in ("s0000", "s0001"):
        pose = read_native(exchanged.root / "estimated_poses" / f"{name}.parquet")
        values = pose_sequence(mend(pose, assess_quality(pose))).values
        expected[name] = values.astype(np.float32)

    def stop(done: int, *_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_study(exchanged, mend=True, progress=stop)
    again = Study.open(exchanged.root)
    assert again.mended
    with pytest.raises(StudyError, match=r"E218 .*s0001.*unmended.*fidgety prepare"):
        load_sequence(again, "s0001")
    for name, values in expected.items():
        make_sequence(again, tmp_path, "fidgety", None, None, name)
        found = read_sequence(tmp_path / "sequences" / "fidgety" / name).values
        np.testing.assert_array_equal(found, values)
    assert prepare_study(again).named("done") == ("s0001",)


def test_an_experiment_never_mixes_mended_and_unmended(exchanged: Study, tmp_path: Path) -> None:
    prepare_study(exchanged, mend=False)
    before = exchanged.identity(), inputs_of(exchanged)
    settings = {"folds": 2, "seed": 0, "error": 0.1, "fps": None, "channels": None}
    claim_folder(tmp_path, exchanged, ["quantiles"], settings, 1)
    exchanged.set_mended(True)
    assert exchanged.identity() != before[0]
    assert inputs_of(exchanged) != before[1]
    with pytest.raises(StudyError, match=r"E273 .*whether they are mended"):
        claim_folder(tmp_path, exchanged, ["quantiles"], settings, 1)
    with pytest.raises(StudyError, match=r"E273 .*whether they are mended"):
        same_study(exchanged, tmp_path)
    exchanged.set_mended(False)
    claim_folder(tmp_path, exchanged, ["quantiles"], settings, 1)
    assert (exchanged.identity(), inputs_of(exchanged)) == before


def test_a_recording_that_would_be_refused_is_told_of(tmp_path: Path) -> None:
    study = Study.open(write_study(tmp_path, LABELS, NAMES, frames=90))
    for outcome in prepare_study(study, mend=True).outcomes:
        assert [text[:4] for text in outcome.warnings] == ["W204", "W205"]
        assert "E105" in outcome.warnings[1]
    old = "infant_id,label,age_weeks\nb07,1,40\nb09,0,13\nb11,0,13\n"
    study = Study.open(write_study(tmp_path / "old", old, NAMES, frames=90))
    told = {o.name: "E106" in o.warnings[1] for o in prepare_study(study, mend=True).outcomes}
    assert told == {"b07": True, "b09": False, "b11": False}
