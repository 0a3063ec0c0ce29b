"""Importing outside pose files: what arrives in the study, what is refused, what is kept."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from small_studies import a_pose

from fidgety.errors import FidgetyWarning, FileError, PoseError, StudyError
from fidgety.pose.formats import write
from fidgety.pose.pose import Pose
from fidgety.pose.stored import read_native
from fidgety.study.importing import import_study
from fidgety.study.preparing import prepare_study
from fidgety.study.study import Study

GIVEN = {"fps": 30.0, "size": (640, 480), "skeleton": "openpose18"}


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Three OpenPose recordings, one folder of frames each."""
    for seed, name in enumerate(("b07", "b09", "b11")):
        write(a_pose(seed, 30), tmp_path / "src" / name, format="openpose")
    return tmp_path / "src"


def test_folder_of_recordings(many: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    report = import_study(
        many, tmp_path / "study", **GIVEN, progress=lambda *step: seen.append(step)
    )
    assert report.named("done") == ("b07", "b09", "b11")
    assert [done for done, _, _ in seen] == [1, 2, 3]
    assert report.exit_status == 0
    assert not report.labelled
    assert "to train, add labels.csv" in report.summary()
    pose = read_native(tmp_path / "study" / "estimated_poses" / "b09.parquet")
    np.testing.assert_allclose(pose.xy, a_pose(1, 30).xy, atol=1e-2)
    assert pose.size == (640, 480)
    assert pose.history[-1]["step"] == "import"
    assert str(tmp_path) not in json.dumps(pose.history)  # no paths: they may hold names
    study = Study.open(tmp_path / "study", labels_needed=False)
    assert prepare_study(study).named("done") == ("b07", "b09", "b11")


def test_one_recording(many: Path, tmp_path: Path) -> None:
    report = import_study(many / "b07", tmp_path / "study", **GIVEN)
    assert report.named("done") == ("b07",)


def test_native_files(tmp_path: Path) -> None:
    a_pose(0, 30).save(tmp_path / "src" / "-rf.parquet")
    report = import_study(tmp_path / "src", tmp_path / "study")
    assert report.named("done") == ("-rf",)


def test_labels_given_or_beside(many: Path, tmp_path: Path) -> None:
    (many / "labels.txt").write_text("b07,1\nb09,0\nb11,0\n")
    report = import_study(many, tmp_path / "study", **GIVEN)
    assert report.labelled
    assert Study.open(tmp_path / "study").infants == {"b07": 1, "b09": 0, "b11": 0}
    given = tmp_path / "mine.csv"
    given.write_text("infant_id,label,recording,site\nx,1,b07,A\nx,1,b09,A\ny,0,b11,B\n")
    import_study(many, tmp_path / "other", **GIVEN, labels=given)
    study = Study.open(tmp_path / "other")
    assert [(r.name, r.infant_id, r.site) for r in study.recordings] == [
        ("b07", "x", "A"),
        ("b09", "x", "A"),
        ("b11", "y", "B"),
    ]


def test_recordings_that_the_labels_do_not_name(many: Path, tmp_path: Path) -> None:
    (many / "labels.csv").write_text("infant_id,label\nb07,1\nb09,0\n")
    with pytest.raises(StudyError, match="E201 1 of 3 recordings have no label: b11"):
        import_study(many, tmp_path / "study", **GIVEN)
    assert not (tmp_path / "study").exists()
    with pytest.warns(FidgetyWarning, match="W201 1 of 3"):
        report = import_study(many, tmp_path / "study", **GIVEN, skip_unlabelled=True)
    assert report.named("done") == ("b07", "b09")


def test_second_import_adds_recordings_and_labels(many: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text("infant_id,label\nb07,1\nb09,0\nb11,\n")
    second.write_text("infant_id,label\nb11,0\nc01,1\n")
    with pytest.warns(FidgetyWarning, match="W201 1 of 3"):
        import_study(many, tmp_path / "study", **GIVEN, labels=first, skip_unlabelled=True)
    a_pose(9, 30).save(tmp_path / "more" / "c01.parquet")
    import_study(tmp_path / "more", tmp_path / "study", labels=second)
    import_study(many, tmp_path / "study", **GIVEN)
    assert Study.open(tmp_path / "study").infants == {"b07": 1, "b09": 0, "b11": 0, "c01": 1}
    second.write_text("infant_id,label\nb11,1\n")
    with pytest.raises(StudyError, match="E207 Infant b11 has two labels"):
        import_study(many, tmp_path / "study", **GIVEN, labels=second)


@pytest.mark.parametrize("labels", ["b07,2\n", "b07,1\nB07,1\n", "../x,1\n", "\xff"])
def test_impossible_labels_stop_before_anything_is_written(
    many: Path, tmp_path: Path, labels: str
) -> None:
    (many / "labels.txt").write_bytes(labels.encode("latin-1"))
    with pytest.raises(StudyError):
        import_study(many, tmp_path / "study", **GIVEN)
    assert not (tmp_path / "study").exists()


def test_one_bad_recording_does_not_stop_the_others(many: Path, tmp_path: Path) -> None:
    for frame in (many / "b09").glob("*.json"):
        frame.write_text("{")
    report = import_study(many, tmp_path / "study", format="openpose", **GIVEN)
    assert report.named("done") == ("b07", "b11")
    assert report.named("failed") == ("b09",)
    assert report.exit_status == 2
    assert "1 failed: b09" in report.summary()
    assert not (tmp_path / "study" / "estimated_poses" / "b09.parquet").exists()


def test_missing_frame_rate_is_said_for_each(many: Path, tmp_path: Path) -> None:
    report = import_study(many, tmp_path / "study", skeleton="openpose18")
    assert [error.code for error in report.errors] == ["E316"] * 3


def test_frame_rates_that_differ_stand_in_the_labels(many: Path, tmp_path: Path) -> None:
    (many / "labels.csv").write_text("infant_id,label,fps\nb07,1,25\nb09,0,50\nb11,0,\n")
    report = import_study(many, tmp_path / "study", skeleton="openpose18")
    assert {o.name: o.error and o.error.code for o in report.outcomes} == {
        "b07": None, "b09": None, "b11": "E316",
    }  # fmt: skip
    poses = tmp_path / "study" / "estimated_poses"
    rates = [read_native(poses / f"{name}.parquet").fps for name in ("b07", "b09")]
    assert rates == pytest.approx([25, 50])
    import_study(many, tmp_path / "study", **GIVEN)  # what is said for all goes before
    assert read_native(poses / "b07.parquet").fps == pytest.approx(GIVEN["fps"])


@pytest.mark.parametrize("cell", ["fast", "0", "-30", "nan", "1e999"])
def test_impossible_frame_rates_in_the_labels(many: Path, tmp_path: Path, cell: str) -> None:
    (many / "labels.csv").write_text(f"infant_id,label,fps\nb07,1,{cell}\nb09,0,30\nb11,0,30\n")
    with pytest.raises(StudyError, match=rf"E219 .*{cell}.*\(b07\)"):
        import_study(many, tmp_path / "study", skeleton="openpose18")
    assert not (tmp_path / "study").exists()


def test_run_again_reads_only_what_is_new_or_changed(many: Path, tmp_path: Path) -> None:
    out = tmp_path / "study"
    import_study(many, out, **GIVEN)
    past = (out / "estimated_poses" / "b07.parquet").stat().st_mtime_ns
    report = import_study(many, out, **GIVEN)
    assert report.named("kept") == ("b07", "b09", "b11")
    frame = next((many / "b09").glob("*.json"))
    os.utime(frame, ns=(past + 10**9, past + 10**9))
    assert import_study(many, out, **GIVEN).named("done") == ("b09",)
    slower = {**GIVEN, "fps": 25.0}
    os.utime(frame, ns=(past - 10**9, past - 10**9))
    assert import_study(many, out, **slower).named("done") == ("b07", "b09", "b11")
    assert read_native(out / "estimated_poses" / "b07.parquet").fps == pytest.approx(25)


def test_foreign_file_of_that_name_is_replaced(many: Path, tmp_path: Path) -> None:
    target = tmp_path / "study" / "estimated_poses" / "b07.parquet"
    target.parent.mkdir(parents=True)
    target.write_bytes(b"cut off")
    assert "b07" in import_study(many, tmp_path / "study", **GIVEN).named("done")
    assert isinstance(read_native(target), Pose)


def test_names_that_collide_or_leave_the_folder(tmp_path: Path) -> None:
    src = tmp_path / "src"
    a_pose(0, 30).save(src / "b07.parquet")
    a_pose(1, 30).save(src / "B07.parquet")
    if len(list(src.iterdir())) < 2:
        pytest.skip("this file system does not tell case apart")
    with pytest.raises(StudyError, match="E208"):
        import_study(src, tmp_path / "study")
    (src / "B07.parquet").rename(src / "a|b.parquet")
    with pytest.raises(StudyError, match="E209"):
        import_study(src, tmp_path / "study")


def test_nothing_to_import(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="E504"):
        import_study(tmp_path / "nothing", tmp_path / "study")
    (tmp_path / "empty").mkdir()
    with pytest.raises(PoseError, match="E332"):
        import_study(tmp_path / "empty", tmp_path / "study")


def test_read_only_or_full_target(
    many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pyarrow.parquet.write_table", full)
    with pytest.raises(FileError, match="E501"):
        import_study(many, tmp_path / "study", **GIVEN)
    assert not list((tmp_path / "study" / "estimated_poses").iterdir())
