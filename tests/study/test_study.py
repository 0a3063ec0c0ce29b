"""A study folder: what is accepted, what is refused, and with which words."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_studies import a_pose, write_sequences, write_study

from fidgety.errors import FidgetyError, FidgetyWarning, FileError, StudyError
from fidgety.pose.pose import Pose
from fidgety.study.labels import read_labels, write_labels
from fidgety.study.names import infant_named, safe_name
from fidgety.study.study import Study, check_classes

TWO = "infant_id,label\nb07,1\nb09,0\n"


def refused(code: str, path: Path, **options: bool) -> StudyError:
    with pytest.raises(StudyError) as caught:
        Study.open(path, **options)
    assert caught.value.code == code, caught.value
    assert caught.value.remedy
    return caught.value


# --- what is accepted ---------------------------------------------------------------------------


def test_columns_recordings_and_order_of_rows(tmp_path: Path) -> None:
    rows = [
        "b09,0,v2,13,Oslo,second visit",
        "b07,1,v1,12.5,Bergen,",
        "b09,0,v0,,,first visit",
    ]
    header = "infant_id,label,recording,age_weeks,site,note\n"
    for k, order in enumerate((rows, rows[::-1])):
        root = tmp_path / str(k)
        write_study(root, header + "\n".join(order), ["v0", "v1", "v2"])
    study, other = Study.open(tmp_path / "0"), Study.open(tmp_path / "1")
    assert study.recordings == other.recordings
    assert study.infants == {"b07": 1, "b09": 0}
    assert [r.name for r in study.recordings] == ["v0", "v1", "v2"]
    first, second, third = study.recordings
    assert (second.infant_id, second.label, second.age_weeks, second.site) == (
        "b07",
        1,
        12.5,
        "Bergen",
    )
    assert first.age_weeks is None
    assert first.site is None
    assert third.extra == {"note": "second visit"}
    assert study.recordings_of(["b09"]) == (first, third)
    assert not study.simulated


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("labels.txt", "b07,1\nb09,0\n"),
        ("labels.txt", TWO),
        ("labels.csv", "\ufeff" + TWO),
        ("labels.csv", TWO.replace("\n", "\r\n")),
        ("labels.csv", TWO.replace(",", " , ") + "\n\n  \n"),
        ("labels.csv", TWO.replace(",", ";")),
        ("labels.csv", TWO.replace(",", "\t")),
        ("labels.csv", "Label,Infant_ID\n1.0,b07\n0.0,b09"),
        ("labels.csv", 'infant_id,label\n"b07","1"\n"b09","0"\n'),
    ],
)
def test_tolerated_spellings_of_the_table(tmp_path: Path, name: str, content: str) -> None:
    study = Study.open(write_study(tmp_path, content, ["b07", "b09"], name=name))
    assert study.infants == {"b07": 1, "b09": 0}


def test_recordings_named_after_their_infant(tmp_path: Path) -> None:
    study = Study.open(write_study(tmp_path, TWO, ["b07_1", "b07_2", "b09", "b09_sub_3"]))
    assert {r.name: r.infant_id for r in study.recordings} == {
        "b07_1": "b07",
        "b07_2": "b07",
        "b09": "b09",
        "b09_sub_3": "b09",
    }


def test_folder_as_the_reference_leaves_it(tmp_path: Path) -> None:
    names = [f"infant_{k:03}" for k in range(1, 7)]
    write_sequences(tmp_path, names)
    labels = "infant_id,label\n" + "\n".join(f"{n},{int(n < 'infant_004')}" for n in names)
    (tmp_path / "labels.txt").write_text(labels)
    (tmp_path / ".DS_Store").write_bytes(b"\0")
    study = Study.open(tmp_path)
    assert list(study.infants) == names
    assert study.pose_path("infant_001") is None
    assert study.source_path("infant_001").name == "raw_skel.npy"


def test_copied_sub_sequences_are_not_recordings_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("b07,1\nb09,0\n")
    write_sequences(tmp_path, ["b07", "b07_sub_1", "b07_sub_2", "b09_sub_1", "b09_sub_2"])
    names = [recording.name for recording in Study.open(tmp_path).recordings]
    assert names == ["b07", "b09_sub_1", "b09_sub_2"]


def test_poses_as_pickles_and_folders(tmp_path: Path) -> None:
    write_study(tmp_path, TWO, [])
    poses = tmp_path / "estimated_poses"
    (poses / "b09").mkdir(parents=True)
    (poses / "b09" / "f_000.json").write_text("{}")
    (poses / "b07.pkl").write_bytes(b"\x80")
    study = Study.open(tmp_path)
    assert study.pose_path("b07") == poses / "b07.pkl"
    assert study.pose_path("b09") == poses / "b09"
    a_pose(0).save(poses / "b07.parquet")
    assert Study.open(tmp_path).pose_path("b07") == poses / "b07.parquet"


def test_settings_file_names_the_folder(tmp_path: Path) -> None:
    write_study(tmp_path / "data", TWO, ["b07", "b09"])
    config = tmp_path / "config.yaml"
    for named in ("data", str(tmp_path / "data")):
        config.write_text(f'data_root: "{named}"\n')
        assert len(Study.open(config).recordings) == 2


@pytest.mark.parametrize(
    "content",
    [
        "",
        "other: 1",
        "data_root: [1]",
        "data_root: nowhere",
        "data_root: ''",
        "- a",
        "data_root: {",
        "a: !!python/object/apply:os.system ['true']",
        'data_root: "a\\0b"',
        "[x," * 5000,
        "- " * 9000,
        "- " * 5000,
    ],
)
def test_settings_file_that_names_no_folder(tmp_path: Path, content: str) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(content)
    refused("E212", config)


def test_simulated_is_read_from_study_json(tmp_path: Path) -> None:
    write_study(tmp_path, TWO, ["b07", "b09"])
    (tmp_path / "study.json").write_text(json.dumps({"simulated": True, "seed": 3}))
    assert Study.open(tmp_path).simulated
    for broken in ("{", "[]", ""):
        (tmp_path / "study.json").write_text(broken)
        refused("E224", tmp_path)


def test_without_labels(tmp_path: Path) -> None:
    write_study(tmp_path, None, ["b07", "b09"])
    refused("E201", tmp_path)
    study = Study.open(tmp_path, labels_needed=False)
    assert [r.label for r in study.recordings] == [None, None]
    with pytest.raises(StudyError, match="E201 2 of 2 infants"):
        _ = study.infants


# --- what is refused ----------------------------------------------------------------------------


def test_no_such_folder_and_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="E504"):
        Study.open(tmp_path / "nothing")
    write_study(tmp_path, TWO, [])
    refused("E217", tmp_path)


def test_recordings_without_label(tmp_path: Path) -> None:
    write_study(tmp_path, TWO, ["b07", "b09", *(f"x{k}" for k in range(7))])
    error = refused("E201", tmp_path)
    assert str(error) == (
        "E201 7 of 9 recordings have no label: x0, x1, x2, x3, x4 and 2 more. "
        "Add them to labels.csv, or use --skip-unlabelled."
    )
    with pytest.warns(FidgetyWarning, match="W201 7 of 9 recordings"):
        study = Study.open(tmp_path, skip_unlabelled=True)
    assert len(study.recordings) == 2


def test_empty_label_counts_as_unlabelled(tmp_path: Path) -> None:
    write_study(tmp_path, TWO + "b11,\n", ["b07", "b09", "b11"])
    assert "b11" in str(refused("E201", tmp_path))


def test_labels_without_recording(tmp_path: Path) -> None:
    write_study(tmp_path, TWO + "b11,1\n", ["b07", "b09"])
    assert "1 of 3 labels have no recording: b11" in str(refused("E201", tmp_path))
    with pytest.warns(FidgetyWarning, match="W201 1 of 3 labels"):
        assert len(Study.open(tmp_path, skip_unlabelled=True).infants) == 2


def test_no_label_fits_any_recording(tmp_path: Path) -> None:
    write_study(tmp_path, TWO, ["x1", "x2"])
    with pytest.warns(FidgetyWarning, match="W201"), pytest.raises(StudyError, match="E201"):
        Study.open(tmp_path, skip_unlabelled=True)


@pytest.mark.parametrize(
    ("code", "labels"),
    [
        ("E205", ""),
        ("E205", "infant_id,label\n"),
        ("E205", "b07,1\nb09,0\n"),  # a .csv names its columns
        ("E205", "label,age_weeks\n1,3\n"),
        ("E205", "infant_id,label,label\nb07,1,1\n"),
        ("E205", "infant_id,label\nb07\n"),
        ("E205", "infant_id,label\nb07,1,2,3\n"),
        ("E205", b"infant_id,label\nb\xf8rn,1\n"),
        ("E205", TWO.encode("utf-16")),
        ("E205", 'infant_id,label\n"b07,1\nb09,0\n'),
        ("E205", "infant_id,label\n" + "x" * 200_000 + ",1\n"),
        ("E206", "infant_id,label\nb07,2\nb09,0\n"),
        ("E206", "infant_id,label\nb07,abnormal\nb09,0\n"),
        ("E206", "infant_id,label\nb07,-1\nb09,0\n"),
        ("E206", "infant_id,label\nb07,nan\nb09,0\n"),
        ("E206", "infant_id,label\nb07,0.5\nb09,0\n"),
        ("E207", "infant_id,label,recording\nb07,1,x\nb07,0,y\n"),
        ("E208", "infant_id,label\nb07,1\nB07,1\n"),
        ("E208", "infant_id,label,recording\nb07,1,x\nb07 ,1,y\n"),
        ("E208", "infant_id,label,recording\nb07,1,x\nb 07,1,y\n"),
        ("E208", "infant_id,label,recording\nb07,1,x\nb09,1,X\n"),
        ("E208", "infant_id,label\nå1,1\na\u030a1,1\n"),
        ("E210", "infant_id,label\nb07,1\nb07,1\n"),
        ("E210", "infant_id,label,recording\nb07,1,x\nb09,0,x\n"),
        ("E211", "infant_id,label\nb07,1\nb07_1,1\n"),
        ("E211", "infant_id,label\nb07_sub_1,1\nb09,0\n"),
        ("E211", "infant_id,label,recording\nb07,1,b09\nb09,0,x\n"),
        ("E219", "infant_id,label,age_weeks\nb07,1,twelve\n"),
        ("E219", "infant_id,label,age_weeks\nb07,1,inf\n"),
        ("E219", "infant_id,label,age_weeks\nb07,1,1e400\n"),
    ],
)
def test_labels_that_cannot_be(tmp_path: Path, code: str, labels: str | bytes) -> None:
    error = refused(code, write_study(tmp_path, labels, ["b07", "b09"]))
    assert "Traceback" not in str(error)


HOSTILE = [
    "../x",
    "/etc/passwd",
    "..",
    ".",
    "a/b",
    "a\\b",
    "a\x00b",
    "C:",
    ".hidden",
    "con",
    "NUL.x",
]


@pytest.mark.parametrize("name", [*HOSTILE, "a.", "a\u202eb", "x" * 201, "lpt1", "a|b", "\ud800"])
def test_names_that_would_leave_the_folder(name: str) -> None:
    with pytest.raises(StudyError, match="E209"):
        safe_name(name)


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("column", ["infant_id", "recording"])
def test_hostile_names_in_labels(tmp_path: Path, name: str, column: str) -> None:
    row = f'"{name}",1,x' if column == "infant_id" else f'b07,1,"{name}"'
    write_study(tmp_path, f"infant_id,label,recording\n{row}\n", ["b07"])
    refused("E209", tmp_path)


@pytest.mark.parametrize("name", ["-rf", "--help", "b07", "børn-7", "a b", "1", "b.7"])
def test_names_that_are_only_data(name: str) -> None:
    assert safe_name(name) == name


def test_labels_csv_and_txt_must_agree(tmp_path: Path) -> None:
    write_study(tmp_path, TWO, ["b07", "b09"])
    (tmp_path / "labels.txt").write_text("b07,1\nb09,0\n")
    assert len(Study.open(tmp_path).infants) == 2
    (tmp_path / "labels.txt").write_text("b07,1\nb09,1\n")
    assert "b09" in str(refused("E207", tmp_path))


def test_same_film_under_two_infants(tmp_path: Path) -> None:
    write_study(tmp_path, TWO + "b11,0\n", ["b07", "b09", "b11"])
    pose = a_pose(0, 20)
    # Same positions; other metadata, other frame rate.
    other = Pose.at_fps(pose.xy, pose.confidence, 25, pose.skeleton, None, "elsewhere")
    other.save(tmp_path / "estimated_poses" / "b11.parquet")
    error = refused("E203", tmp_path)
    assert "Identical to recording b07 of infant b07" in str(error)
    assert "b11" in str(error)
    assert len(Study.open(tmp_path, check_copies=False).infants) == 3


def test_same_sequence_under_two_infants(tmp_path: Path) -> None:
    write_sequences(tmp_path, ["b07", "b09"])
    (tmp_path / "labels.csv").write_text(TWO)
    assert len(Study.open(tmp_path).infants) == 2
    first, second = (tmp_path / "pose_sequences" / n / "raw_skel.npy" for n in ("b07", "b09"))
    second.write_bytes(first.read_bytes())
    refused("E203", tmp_path)


def test_same_film_twice_of_one_infant(tmp_path: Path) -> None:
    write_study(tmp_path, TWO, ["b07", "b09"])
    a_pose(0, 20).save(tmp_path / "estimated_poses" / "b07_2.parquet")
    with pytest.warns(FidgetyWarning, match=r"W203 Identical to recording b07 .*b07_2"):
        Study.open(tmp_path)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({"a": 1, "b": 1}, "'normal' has no infants"),
        ({"a": 0, "b": 0}, "'abnormal' has no infants"),
        ({"a": 1, "b": 0, "c": 0}, "'abnormal' has 1 infant"),
    ],
)
def test_class_too_small(tmp_path: Path, labels: dict[str, int], words: str) -> None:
    rows = "infant_id,label\n" + "\n".join(f"{k},{v}" for k, v in labels.items())
    study = Study.open(write_study(tmp_path, rows, labels))
    with pytest.raises(StudyError, match="E202") as caught:
        check_classes(study)
    assert words in str(caught.value)


def test_ambiguous_names() -> None:
    known = {"a": "a", "a_sub": "a_sub"}
    assert infant_named("a_1", known) == "a"
    assert infant_named("a_sub", known) == "a_sub"
    with pytest.raises(StudyError, match="E211"):
        infant_named("a_sub_1", known)
    assert infant_named("b_1", known) is None
    assert infant_named("infant_001", {"infant_001": "infant_001"}) == "infant_001"
    assert infant_named("v_2_sub_1", {"v_2": "b07"}) == "b07"
    assert infant_named("b07_2_sub_1", {"b07": "b07"}) == "b07"


def test_unreadable_labels_file(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").mkdir()
    with pytest.raises(StudyError, match="E205"):
        read_labels(tmp_path / "labels.csv")
    with pytest.raises(FileError, match="E504"):
        read_labels(tmp_path / "none.csv")
    if os.geteuid() != 0:
        path = tmp_path / "closed.csv"
        path.write_text(TWO)
        path.chmod(0)
        with pytest.raises(FileError, match="E502"):
            read_labels(path)


def test_labels_survive_writing_and_reading(tmp_path: Path) -> None:
    text = 'infant_id,label,recording,age_weeks,site,note\n-rf,1,v1,12.5,"A, B",x\nb09,,v2,,,\n'
    (tmp_path / "labels.csv").write_text(text)
    rows = read_labels(tmp_path / "labels.csv")
    again = read_labels(write_labels(tmp_path / "again.csv", rows))
    assert again == rows
    assert (again[0].site, again[1].label) == ("A, B", None)


@settings(max_examples=300)
@given(
    content=st.one_of(
        st.binary(max_size=300),
        st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace")),
    )
)
def test_any_bytes_as_labels_give_rows_or_a_fidgety_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.txt"
    path.write_bytes(content)
    try:
        rows = read_labels(path)
    except FidgetyError:
        return
    assert all(safe_name(row.infant_id) for row in rows)
