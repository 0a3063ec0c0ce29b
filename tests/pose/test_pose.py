"""Pose: what it accepts, what it refuses, and its native file."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fidgety.errors import FileError, PoseError
from fidgety.pose.pose import SCHEMA_VERSION, Pose, check_fps
from fidgety.pose.skeleton import BUILT_IN_SKELETONS, Skeleton, load_skeleton
from fidgety.pose.stored import read_native

MINE = Skeleton(
    name="three",
    joints=("film", "left_paw", "right_paw"),
    bones=(("left_paw", "film"), ("right_paw", "film")),
    mirror_pairs=(("right_paw", "left_paw"),),
    parts={"trunk": ("film",)},
    center="film",
    aliases={"Lefty": "left_paw"},
)


def some_pose(skeleton: Skeleton = MINE, frames: int = 20, seed: int = 0, **fields) -> Pose:
    rng = np.random.default_rng(seed)
    confidence = rng.random((frames, len(skeleton)))
    confidence[rng.random(confidence.shape) < 0.1] = 0
    return Pose(
        **{
            "xy": rng.normal(300, 100, (frames, len(skeleton), 2)),
            "confidence": confidence,
            "time": np.cumsum(rng.uniform(0.01, 0.05, frames)),
            "size": (640, 480),
            "skeleton": skeleton,
            **fields,
        }
    )


def assert_same(a: Pose, b: Pose) -> None:
    for name in ("xy", "confidence", "time"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    assert (a.size, a.skeleton, a.unit, a.source) == (b.size, b.skeleton, b.unit, b.source)
    assert a.history == b.history
    assert a.film.keys() == b.film.keys()
    for name, measure in a.film.items():
        np.testing.assert_array_equal(measure, b.film[name])


# --- the native file


@pytest.mark.parametrize("name", [*BUILT_IN_SKELETONS, "own"])
def test_the_native_file_returns_exactly_what_was_saved(tmp_path, name):
    skeleton = MINE if name == "own" else load_skeleton(name)
    rng = np.random.default_rng(1)
    pose = some_pose(
        skeleton,
        source="openpose",
        film={"brightness": rng.random(20), "people": np.arange(20.0)},
    ).then("flipped", arguments={"how": "kindly", "much": 0.1})
    assert_same(read_native(pose.save(tmp_path / "new" / "p.parquet")), pose)


def test_aliases_of_an_own_skeleton_come_back(tmp_path):
    back = read_native(some_pose().save(tmp_path / "p.parquet"))
    assert back.skeleton.joint_named("lefty") == "left_paw"


def test_an_own_skeleton_with_a_built_in_name_comes_back_as_it_was(tmp_path):
    mine = dataclasses.replace(MINE, name="openpose18")
    assert_same(read_native(some_pose(mine).save(tmp_path / "p.parquet")), some_pose(mine))


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), frames=st.integers(1, 40), sized=st.booleans())
def test_round_trip_of_any_pose(tmp_path_factory, seed, frames, sized):
    pose = some_pose(frames=frames, seed=seed, size=(7, 9) if sized else None, unit="trunk")
    path = tmp_path_factory.mktemp("native") / "p.parquet"
    assert_same(read_native(pose.save(path)), pose)


def test_the_file_is_plain_parquet_with_named_columns(tmp_path):
    path = some_pose(film={"light": np.ones(20)}).save(tmp_path / "p.parquet")
    table = pq.read_table(path)
    assert table.column_names[:4] == ["time_s", "film_x", "film_y", "film_confidence"]
    assert table.column_names[-1] == "film_light"
    meta = json.loads(table.schema.metadata[b"fidgety"])
    assert meta["schema_version"] == SCHEMA_VERSION
    assert meta["size"] == [640, 480]
    assert set(read_native(path).film) == {"light"}  # the joint named film is no measure


def rewritten(path: Path, meta=None, **columns) -> Path:
    """The saved file with other metadata (a dict, or bytes) and columns (None drops one)."""
    table = pq.read_table(path)
    old = json.loads(table.schema.metadata[b"fidgety"])
    data = {name: table[name] for name in table.column_names} | columns
    changed = pa.table({name: column for name, column in data.items() if column is not None})
    raw = meta if isinstance(meta, bytes) else json.dumps(old | (meta or {})).encode()
    pq.write_table(changed.replace_schema_metadata({"fidgety": raw}), path)
    return path


@pytest.mark.parametrize(
    ("meta", "code"),
    [
        (b"no json", "E320"),
        (b"\xff\xfe", "E320"),
        (b"[1, 2]", "E320"),
        (b"{}", "E320"),
        ({"schema_version": "1"}, "E320"),
        ({"schema_version": 2}, "E322"),
        ({"skeleton": "body26"}, "E320"),
        ({"skeleton": "/tmp/other.toml"}, "E320"),
        ({"skeleton": None}, "E320"),
        ({"skeleton": {"name": "x"}}, "E305"),
        ({"skeleton": "openpose18"}, "E321"),
        ({"unit": "cm"}, "E320"),
        ({"size": "640x480"}, "E320"),
        ({"size": [640]}, "E320"),
        ({"size": [0, 480]}, "E320"),
        ({"size": [640.5, 480]}, "E320"),
        ({"history": 5}, "E320"),
    ],
)
def test_files_with_senseless_metadata_are_refused(tmp_path, meta, code):
    path = rewritten(some_pose().save(tmp_path / "p.parquet"), meta)
    with pytest.raises(PoseError) as caught:
        read_native(path)
    assert caught.value.code == code
    assert "p.parquet" in str(caught.value)


@pytest.mark.parametrize(
    ("columns", "code"),
    [
        ({"time_s": None}, "E321"),
        ({"left_paw_x": None}, "E321"),
        ({"left_paw_x": pa.array(["a"] * 20)}, "E321"),
        ({"left_paw_confidence": pa.array([2.0] * 20)}, "E315"),
        ({"left_paw_x": pa.array([math.inf] * 20)}, "E311"),
        ({"time_s": pa.array([0.0] * 20)}, "E312"),
    ],
)
def test_files_with_senseless_columns_are_refused_by_name(tmp_path, columns, code):
    path = rewritten(some_pose().save(tmp_path / "p.parquet"), **columns)
    with pytest.raises(PoseError) as caught:
        read_native(path)
    assert caught.value.code == code
    assert "p.parquet" in str(caught.value)


def test_columns_of_other_tools_are_passed_over_and_nulls_are_missing(tmp_path):
    pose = some_pose()
    path = rewritten(
        pose.save(tmp_path / "p.parquet"),
        note=pa.array(["calm"] * 20),
        left_paw_x=pa.array([None] * 20, pa.float64()),
    )
    back = read_native(path)
    assert np.isnan(back.xy[:, 1]).all()
    assert (back.confidence[:, 1] == 0).all()
    np.testing.assert_array_equal(back.xy[:, 2], pose.xy[:, 2])


@pytest.mark.parametrize("keep", [0, 1, 4, 100, -8, -1])
def test_truncated_files_are_refused(tmp_path, keep):
    path = some_pose().save(tmp_path / "p.parquet")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(PoseError, match="E320"):
        read_native(path)


def test_damaged_files_are_refused_or_read_never_a_traceback(tmp_path):
    rng = np.random.default_rng(0)
    path = some_pose(frames=200).save(tmp_path / "p.parquet")
    whole = path.read_bytes()
    refused = 0
    for _ in range(60):
        damaged = bytearray(whole)
        for at in rng.integers(0, len(whole), 20):
            damaged[at] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            read_native(path)
        except PoseError:
            refused += 1
    assert refused > 30


def test_other_parquet_files_and_folders_are_refused(tmp_path):
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    with pytest.raises(PoseError, match=r"E320.*no fidgety metadata"):
        read_native(tmp_path / "other.parquet")
    with pytest.raises(PoseError, match="E320"):
        read_native(tmp_path)
    with pytest.raises(FileError, match="E504"):
        read_native(tmp_path / "nowhere.parquet")


# --- what a pose refuses


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"xy": np.zeros((20, 4, 2))}, "E310"),
        ({"xy": np.zeros((20, 3, 3))}, "E310"),
        ({"xy": np.zeros((20, 3))}, "E310"),
        ({"xy": "abc"}, "E310"),
        ({"xy": [[1, 2], [3]]}, "E310"),
        ({"confidence": np.ones((19, 3))}, "E310"),
        ({"time": np.arange(19.0)}, "E310"),
        ({"film": {"light": np.ones(19)}}, "E310"),
        ({"film": {"light": ["dark"] * 20}}, "E310"),
        ({"xy": np.full((20, 3, 2), np.inf)}, "E311"),
        ({"xy": np.full((20, 3, 2), -np.inf)}, "E311"),
        ({"confidence": np.full((20, 3), np.inf)}, "E311"),
        ({"time": np.zeros(20)}, "E312"),
        ({"time": np.arange(20.0)[::-1]}, "E312"),
        ({"time": np.full(20, np.nan)}, "E312"),
        ({"time": np.r_[np.arange(19.0), np.inf]}, "E312"),
        ({"xy": np.zeros((0, 3, 2)), "confidence": np.zeros((0, 3)), "time": []}, "E313"),
        ({"size": (0, 480)}, "E314"),
        ({"size": (640, -1)}, "E314"),
        ({"size": (640,)}, "E314"),
        ({"size": (math.nan, 480)}, "E314"),
        ({"size": (0.5, 0.5)}, "E314"),
        ({"size": "640x480"}, "E314"),
        ({"confidence": np.full((20, 3), 1.01)}, "E315"),
        ({"confidence": np.full((20, 3), -0.01)}, "E315"),
    ],
)
def test_impossible_poses_are_refused(change, code):
    with pytest.raises(PoseError) as caught:
        some_pose(**change)
    assert caught.value.code == code


@pytest.mark.parametrize("fps", [None, 0, -30, math.nan, math.inf, 1001, "30", True])
def test_impossible_frame_rates_are_refused(fps):
    with pytest.raises(PoseError, match=r"E316.*--fps"):
        Pose.at_fps(np.zeros((3, 3, 2)), np.ones((3, 3)), fps, MINE)


@pytest.mark.parametrize("fps", [1, 29.97, np.float32(25), np.int64(30)])
def test_possible_frame_rates_are_taken(fps):
    assert check_fps(fps) == pytest.approx(float(fps))
    pose = Pose.at_fps(np.ones((5, 3, 2)), np.ones((5, 3)), fps, MINE, size=np.array([640, 480]))
    assert pose.fps == pytest.approx(float(fps))
    assert pose.duration_s == pytest.approx(5 / float(fps))
    assert pose.size == (640, 480)


# --- what a pose promises


def test_missing_is_nan_with_confidence_zero_whichever_said_so():
    xy, confidence = np.ones((4, 3, 2)), np.full((4, 3), 0.5)
    xy[0, 0, 1] = np.nan
    confidence[1, 1] = 0
    confidence[2, 2] = np.nan
    pose = some_pose(frames=4, xy=xy, confidence=confidence)
    for at in ((0, 0), (1, 1), (2, 2)):
        assert np.isnan(pose.xy[at]).all()
        assert pose.confidence[at] == 0
    assert np.isfinite(pose.xy).all(axis=2).sum() == 9


def test_a_pose_cannot_be_changed_nor_changes_what_it_was_made_of():
    xy, confidence, time = np.ones((4, 3, 2)), np.zeros((4, 3)), np.arange(4.0)
    light = np.ones(4)
    pose = some_pose(xy=xy, confidence=confidence, time=time, film={"light": light})
    assert np.isfinite(xy).all()
    for array in (pose.xy, pose.confidence, pose.time, pose.film["light"]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 5
    xy[:], time[:], light[:] = 9, 9, 9
    assert pose.time[1] == 1
    assert pose.film["light"][1] == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        pose.unit = "trunk"


def test_one_frame_has_no_rate():
    pose = some_pose(frames=1)
    assert math.isnan(pose.fps)
    assert pose.duration_s == 0


def test_frame_rate_is_that_of_the_median_step():
    assert some_pose(frames=4, time=[0.0, 0.1, 0.2, 5.0]).fps == pytest.approx(10)


def test_midpoints_take_the_lower_confidence_and_are_missing_with_either_end():
    coco = load_skeleton("coco17")
    xy = np.random.default_rng(0).normal(size=(3, 17, 2))
    confidence = np.ones((3, 17))
    right, left = coco.rows("right_shoulder", "left_shoulder")
    confidence[0, right], confidence[0, left] = 0.3, 0.8
    confidence[1, left] = 0
    pose = some_pose(coco, frames=3, xy=xy, confidence=confidence).to_skeleton("body25")
    neck, hip = pose.skeleton.rows("neck", "mid_hip")
    np.testing.assert_allclose(pose.xy[0, neck], (xy[0, right] + xy[0, left]) / 2)
    assert pose.confidence[:, neck].tolist() == [0.3, 0, 1]
    assert np.isnan(pose.xy[1, neck]).all()
    hips = coco.rows("right_hip", "left_hip")
    np.testing.assert_allclose(pose.xy[:, hip], xy[:, hips].mean(axis=1))
    toe = pose.skeleton.index["left_big_toe"]
    assert np.isnan(pose.xy[:, toe]).all()
    assert (pose.confidence[:, toe] == 0).all()
    assert pose.history[-1] == {"step": "to_skeleton", "from": "coco17", "to": "body25"}


@pytest.mark.parametrize("name", BUILT_IN_SKELETONS)
def test_joints_are_matched_by_name_whatever_their_order(name):
    there = some_pose(load_skeleton(name))
    here = there.to_skeleton("openpose18")
    for joint in set(there.skeleton.joints) & set(here.skeleton.joints):
        np.testing.assert_array_equal(
            here.xy[:, here.skeleton.index[joint]], there.xy[:, there.skeleton.index[joint]]
        )
    assert np.isfinite(here.xy[:, here.skeleton.index["neck"]]).any()


def test_the_same_skeleton_is_the_same_pose():
    pose = some_pose(load_skeleton("openpose18"))
    assert pose.to_skeleton("openpose18") is pose


@pytest.mark.parametrize("unit", ["px", "trunk"])
def test_mirrored_twice_is_where_it_was(unit):
    pose = some_pose(load_skeleton("openpose18"), unit=unit)
    once, twice = pose.mirrored(), pose.mirrored().mirrored()
    np.testing.assert_allclose(twice.xy, pose.xy, atol=1e-9)
    np.testing.assert_array_equal(twice.confidence, pose.confidence)
    right, left = pose.skeleton.rows("right_wrist", "left_wrist")
    edge = 639 if unit == "px" else 0
    np.testing.assert_allclose(once.xy[:, right, 0], edge - pose.xy[:, left, 0])
    np.testing.assert_array_equal(once.xy[:, right, 1], pose.xy[:, left, 1])
    assert [step["step"] for step in twice.history] == ["mirrored", "mirrored"]


def test_mirroring_pixels_needs_the_size():
    with pytest.raises(PoseError, match="E314"):
        some_pose(size=None).mirrored()
    assert some_pose(size=None, unit="trunk").mirrored().size is None


def test_between_keeps_start_and_leaves_end():
    pose = some_pose(frames=10, time=np.arange(10.0), film={"light": np.arange(10.0)})
    part = pose.between(2, 5)
    assert part.time.tolist() == part.film["light"].tolist() == [2, 3, 4]
    np.testing.assert_array_equal(part.xy, pose.xy[2:5])
    assert part.history[-1] == {"step": "between", "start_s": 2, "end_s": 5}
    with pytest.raises(PoseError, match="E313"):
        pose.between(20, 30)
