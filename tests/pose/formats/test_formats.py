"""The face: recognising by content, folders of recordings, writing, and round trips."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from posed_bodies import points_of, pose_in, write_json, write_openpose

from fidgety.errors import FidgetyError, FidgetyWarning, PoseError
from fidgety.pose import formats
from fidgety.pose.pose import Pose
from fidgety.pose.skeleton import BUILT_IN_SKELETONS

NAMES = {"native": "a.parquet", "openpose": "a", "coco": "a.json", "csv": "a.csv"}


@pytest.mark.parametrize("name", NAMES)
def test_recognised_by_content_and_not_by_name(tmp_path, name):
    pose = pose_in("body25")
    path = formats.write(pose, tmp_path / NAMES[name], format=name)
    assert formats.recognise(path) == name
    if not path.is_dir():
        renamed = path.rename(tmp_path / "pose.dat")
        assert formats.recognise(renamed) == name


@settings(max_examples=12)
@given(
    layout=st.sampled_from(BUILT_IN_SKELETONS),
    seed=st.integers(0, 10_000),
    frames=st.integers(8, 20),
    missing=st.sampled_from([0.0, 0.1, 0.3]),
)
@pytest.mark.parametrize("name", ["native", "coco", "csv"])
def test_formats_with_names_give_every_layout_back_exactly(
    tmp_path_factory, name, layout, seed, frames, missing
):
    pose = pose_in(layout, seed, frames, missing)
    path = tmp_path_factory.mktemp("round") / NAMES[name]
    back = formats.read(formats.write(pose, path, format=name), size=(1280, 720))
    # CSV names no layout: joints are matched to the smallest that has them all.
    back = back.to_skeleton(layout)
    np.testing.assert_array_equal(back.xy, pose.xy)
    np.testing.assert_array_equal(back.confidence, pose.confidence)
    np.testing.assert_array_equal(back.time, pose.time)


@pytest.mark.parametrize("layout", ["openpose18", "body25", "body25b"])
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_openpose_gives_its_own_layouts_back(tmp_path, layout, missing):
    pose = pose_in(layout, 4, 20, missing)
    back = formats.read(formats.write(pose, tmp_path / "film", format="openpose"), fps=25)
    assert back.skeleton.name == layout
    np.testing.assert_allclose(back.xy, pose.xy, atol=1e-6)
    np.testing.assert_allclose(back.time, pose.time)


def test_openpose_gives_other_layouts_as_body25_by_name(tmp_path):
    pose = pose_in("blazepose33", 5)
    back = formats.read(formats.write(pose, tmp_path / "film", format="openpose"), fps=25)
    np.testing.assert_allclose(back.xy, pose.to_skeleton("body25").xy, atol=1e-6)


def test_frames_lost_from_the_middle_stay_holes(tmp_path):
    pose = pose_in("body25", 1, 30)
    kept = np.r_[0:10, 17:30]
    cut = pose.then("cut", xy=pose.xy[kept], confidence=pose.confidence[kept], time=pose.time[kept])
    back = formats.read(formats.write(cut, tmp_path / "film", format="openpose"), fps=25)
    assert len(back) == 30
    assert np.isnan(back.xy[10:17]).all()
    np.testing.assert_allclose(back.xy[kept], cut.xy, atol=1e-6)


def test_uneven_times_are_warned_of_where_they_are_lost(tmp_path):
    pose = pose_in("body25", 1, 30)
    time = np.cumsum(np.random.default_rng(0).uniform(0.01, 0.08, 30))
    with pytest.warns(FidgetyWarning, match="W334"):
        formats.write(pose.then("x", time=time), tmp_path / "film", format="openpose")
    assert len(list((tmp_path / "film").iterdir())) == 30


def test_unknown_and_read_only_formats(tmp_path):
    pose = pose_in("body25")
    for name in ("unknown", "stam-pickle", "auto"):
        with pytest.raises(PoseError, match="E342"):
            formats.write(pose, tmp_path / "a", format=name)
    with pytest.raises(PoseError, match="E342"):
        formats.read(pose.save(tmp_path / "a.parquet"), format="unknown")


def test_a_preprocessed_pose_is_not_passed_off_as_pixels(tmp_path):
    pose = pose_in("body25").then("x", unit="trunk")
    for name in ("openpose", "coco", "csv", "nwb"):
        with pytest.raises(PoseError, match="E348"):
            formats.write(pose, tmp_path / "a", format=name)
    assert formats.read(formats.write(pose, tmp_path / "a", format="native")).unit == "trunk"


def test_a_wrong_format_by_name_is_said(tmp_path):
    path = pose_in("body25").save(tmp_path / "a.parquet")
    for name in formats.FORMATS:
        if name != "native":
            with pytest.raises(FidgetyError) as caught:
                formats.read(path, format=name, fps=30)
            assert caught.value.code in ("E331", "E334", "E301", "E339"), name


def test_files_of_no_format(tmp_path):
    for name, raw in {
        "a.txt": b"Dear diary",
        "a.mp4": b"\0\0\0\x18ftypmp42" + b"\0" * 99,
        "a.dat": b"",
        "a.png": b"\x89PNG\r\n\x1a\n",
        "a.json5": b"{'a': 1}",
    }.items():
        (tmp_path / name).write_bytes(raw)
        with pytest.raises(PoseError) as caught:
            formats.read(tmp_path / name, fps=30)
        assert caught.value.code in ("E330", "E331")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "foreign.parquet")
    with pytest.raises(PoseError, match="E320"):
        formats.read(tmp_path / "foreign.parquet")


def archive(folder, names):
    for k, name in enumerate(names):
        write_openpose(folder / name, [[frame] for frame in points_of("body25", k, 5)])
    return folder


def test_a_folder_of_recordings(tmp_path):
    root = archive(tmp_path / "archive", ["b10", "b2", "b1"])
    (root / "labels.csv").write_text("infant_id,label\nb1,0\n")
    (root / "notes.txt").write_text("mind the gap")
    (root / "film.mp4").write_bytes(b"\0\0\0\x18ftypmp42")
    (root / "empty").mkdir()
    (root / ".hidden.json").write_text("{}")
    found = formats.find_recordings(root)
    assert found == [(name, root / name, "openpose") for name in ("b1", "b10", "b2")]
    assert formats.find_recordings(root / "b2") == [("b2", root / "b2", "openpose")]


def test_one_bad_recording_stops_none_of_the_others(tmp_path):
    for k in range(5):
        pose_in("openpose18", k, 5).save(tmp_path / f"r{k}.parquet")
    (tmp_path / "r2.parquet").write_bytes(b"half a fi")
    found = formats.find_recordings(tmp_path)
    assert [name for name, _, _ in found] == ["r0", "r1", "r2", "r3", "r4"]
    read, failed = [], []
    for name, path, kind in found:
        try:
            read.append((name, len(formats.read(path, format=kind))))
        except FidgetyError as error:
            failed.append((name, error.code))
    assert len(read) == 4
    assert failed == [("r2", "E330")]


def test_a_file_of_its_own_and_an_explicit_format(tmp_path):
    path = pose_in("body25", 0, 5).save(tmp_path / "r0.parquet")
    assert formats.find_recordings(path) == [("r0", path, "native")]
    assert formats.find_recordings(tmp_path, "csv") == [("r0", path, "csv")]
    with pytest.raises(PoseError, match="E342"):
        formats.find_recordings(tmp_path, "unknown")


def test_two_formats_side_by_side_name_both(tmp_path):
    root = archive(tmp_path / "archive", ["b1", "b2"])
    pose_in("body25").save(root / "b3.parquet")
    with pytest.raises(PoseError, match=r"E333 .*openpose \(b1\) and native \(b3.parquet\)"):
        formats.find_recordings(root)
    assert len(formats.find_recordings(root, "openpose")) == 3


def test_another_file_among_the_frames_is_named(tmp_path):
    root = archive(tmp_path / "archive", ["b1"]) / "b1"
    formats.write(pose_in("coco17"), root / "all.json", format="coco")
    with pytest.raises(PoseError, match=r"E333 .*openpose \(film.*\) and coco \(all.json\)"):
        formats.find_recordings(root)


def test_recordings_of_one_name(tmp_path):
    pose = pose_in("body25", 0, 5)
    pose.save(tmp_path / "a.parquet")
    shutil.copy(tmp_path / "a.parquet", tmp_path / "a.dat")
    with pytest.raises(PoseError, match="E339 Two recordings named a"):
        formats.find_recordings(tmp_path)


def test_nothing_to_find(tmp_path):
    with pytest.raises(PoseError, match="E332"):
        formats.find_recordings(tmp_path)
    with pytest.raises(FidgetyError, match="E504"):
        formats.find_recordings(tmp_path / "nowhere")


def test_several_alphapose_files_are_several_recordings(tmp_path):
    for k in range(3):
        listed = [
            {"image_id": f"{t}.jpg", "keypoints": one.ravel().tolist(), "idx": 1}
            for t, one in enumerate(points_of("halpe26", k, 6))
        ]
        write_json(tmp_path / f"infant_{k}.json", listed)
    found = formats.find_recordings(tmp_path)
    assert [(name, kind) for name, _, kind in found] == [
        (f"infant_{k}", "alphapose") for k in range(3)
    ]


def test_the_pose_says_where_it_came_from_without_saying_who(tmp_path):
    folder = archive(tmp_path / "archive", ["anna_schmidt"]) / "anna_schmidt"
    pose = formats.read(folder, fps=30)
    assert pose.source == "openpose"
    assert "anna" not in json.dumps(pose.history)
    assert pose.history[0]["step"] == "read"


def test_infinite_values_are_refused_in_every_written_format(tmp_path):
    text = formats.write(pose_in("coco17"), tmp_path / "a.json", format="coco").read_text()
    (tmp_path / "a.json").write_text(text.replace("[", "[Infinity, ", 1))
    with pytest.raises(PoseError):
        formats.read(tmp_path / "a.json")


def test_a_joint_never_seen_and_a_pose_never_seen(tmp_path):
    pose = pose_in("body25", 0, 10)
    xy = np.array(pose.xy)
    xy[:, 4] = np.nan
    path = formats.write(pose.then("x", xy=xy), tmp_path / "a.csv", format="csv")
    assert np.isnan(formats.read(path).xy[:, 4]).all()
    path = formats.write(pose.then("x", xy=xy * np.nan), tmp_path / "b.csv", format="csv")
    with pytest.raises(PoseError, match="E336"):
        formats.read(path)


def test_a_format_of_ones_own_is_a_line_in_the_dictionary(tmp_path, monkeypatch):
    def recognise(source):
        return source.path.suffix == ".mine"

    def read_mine(source, given):
        xy = np.array(json.loads(source.path.read_text()))
        return Pose.at_fps(xy, np.ones(xy.shape[:2]), given.fps, "openpose18")

    monkeypatch.setitem(formats.FORMATS, "mine", formats.Format("Mine", recognise, read_mine))
    path = tmp_path / "a.mine"
    path.write_text(json.dumps(np.ones((40, 18, 2)).tolist()))
    assert len(formats.read(path, fps=20)) == 40
    assert formats.find_recordings(tmp_path) == [("a", path, "mine")]
