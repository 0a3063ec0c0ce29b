"""The `stam` profile against the published implementation's own numbers and a slow oracle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import slow_stam
from moving_bodies import REST, SIZE, posed, restless, row, times

from fidgety.errors import PoseError
from fidgety.motion import StamProfile, clean, pose_sequence
from fidgety.pose.pose import Pose

DATA = Path(__file__).parent / "data"


def test_equals_the_published_implementation_on_exactly_its_whole_frames():
    with np.load(DATA / "preprocess_30fps.npz", allow_pickle=False) as numbers:
        pose = Pose.at_fps(
            numbers["xy"],
            numbers["confidence"],
            float(numbers["fps"]),
            "openpose18",
            numbers["size"],
        )
        theirs = numbers["features"]  # (7, 600, 18)
    ours = pose_sequence(pose, "stam")
    whole = np.flatnonzero(np.isfinite(theirs).all(axis=(0, 2)))
    first = round(ours.start_s * ours.fps)
    np.testing.assert_array_equal(np.arange(first, first + ours.values.shape[1]), whole)
    assert (whole[0], whole[-1]) == (28, 585)
    np.testing.assert_allclose(ours.values, theirs[:, whole], rtol=0, atol=1e-9)


@pytest.mark.parametrize("fps", [9, 15, 24, 25, 28, 29.97, 30, 50, 60])
def test_equals_a_slow_oracle_at_any_rate_with_gaps(fps):
    rng = np.random.default_rng(round(fps))
    pose = restless(times(3.2, fps), seed=3, noise_px=1.0)
    seen = rng.random(pose.confidence.shape) > 0.1
    seen[0] = True
    seen[:4, row("left_ear")] = False  # a gap at the start stays
    seen[-3:, row("nose")] = False  # one at the end holds
    ours = pose_sequence(
        Pose(pose.xy, seen.astype(float), pose.time, SIZE, pose.skeleton), StamProfile(fps=None)
    )
    slow = slow_stam.features(pose.xy.tolist(), seen.tolist(), fps, SIZE)
    slow = np.array(slow, dtype=float)  # (7, T, 18), None -> NaN
    kept = np.flatnonzero(np.isfinite(slow).any(axis=(0, 2)) & np.isfinite(slow[4, :, 2]))
    first = round(ours.start_s * fps)
    np.testing.assert_array_equal(np.arange(first, first + ours.values.shape[1]), kept)
    np.testing.assert_allclose(ours.values, slow[:, kept], rtol=0, atol=1e-9)
    assert np.isnan(ours.values[4, 0, row("left_ear")])


@pytest.mark.parametrize("fps", [15, 20, 25, 29.97, 60])
def test_other_rates_are_brought_to_30_fps_by_their_times(fps):
    still = pose_sequence(posed(times(4, fps)), "stam")
    assert still.fps == pytest.approx(30)
    # 15-frame windows twice, then 7-frame windows and one difference, twice.
    assert still.values.shape[1] == int(4 * 30 + 1e-6) + 1 - 2 * 14 - 2 * 7
    assert still.start_s == pytest.approx(28 / 30)
    assert np.abs(still.values[2:]).max() < 1e-12


def test_windows_are_counted_in_whole_frames_despite_rounding():
    # The median step of these times is not exactly 1/60; half a second is 30 frames, not 29.
    ours = pose_sequence(restless(times(4, 60)), StamProfile(fps=None))
    assert ours.values.shape[1] == 241 - 2 * 29 - 2 * 15
    assert ours.start_s == pytest.approx(60 / 60)  # 15 + 15 frames back, 15 + 15 trailing


def test_a_joint_seen_late_costs_the_others_nothing():
    pose = restless(times(6, 30))
    seen = np.ones((len(pose), 18))
    seen[:100, row("left_ear")] = 0
    late = pose_sequence(Pose(pose.xy, seen, pose.time, SIZE, pose.skeleton), "stam")
    whole = pose_sequence(pose, "stam")
    others = np.arange(18) != row("left_ear")
    assert late.start_s == whole.start_s
    np.testing.assert_array_equal(late.values[..., others], whole.values[..., others])
    assert np.isnan(late.values[0, :80, row("left_ear")]).all()
    assert np.isfinite(late.values[:, -1, row("left_ear")]).all()


def test_nothing_is_kept_before_the_trunk_is_seen():
    pose = restless(times(6, 30))
    seen = np.ones((len(pose), 18))
    seen[:60, row("right_hip")] = 0
    late = pose_sequence(Pose(pose.xy, seen, pose.time, SIZE, pose.skeleton), "stam")
    assert late.start_s == pytest.approx((60 + 28) / 30)
    assert np.isfinite(late.values).all()


def test_a_joint_never_seen_stays_missing_and_alone():
    pose = restless(times(3, 30))
    seen = np.ones((len(pose), 18))
    seen[:, row("nose")] = 0
    values = pose_sequence(Pose(pose.xy, seen, pose.time, SIZE, pose.skeleton), "stam").values
    assert np.isnan(values[..., row("nose")]).all()
    assert np.isfinite(np.delete(values, row("nose"), axis=2)).all()


def test_never_a_trunk_is_refused():
    pose = restless(times(3, 30))
    seen = np.ones((len(pose), 18))
    seen[:, row("left_hip")] = 0
    with pytest.raises(PoseError, match="E131"):
        clean(Pose(pose.xy, seen, pose.time, SIZE, pose.skeleton), "stam")
    flat = np.repeat(REST[None], len(pose), axis=0)
    flat[:, [2, 5, 8, 11]] = 300.0  # shoulders on hips: a trunk of no length
    with pytest.raises(PoseError, match="E131"):
        clean(Pose(flat, np.ones((len(pose), 18)), pose.time, SIZE, pose.skeleton), "stam")


@pytest.mark.parametrize("frames", [1, 2, 4, 14, 28, 42])
@pytest.mark.parametrize("fps", [30.0, None])
def test_too_few_frames_are_refused_with_their_code(frames, fps):
    with pytest.raises(PoseError, match="E108"):
        pose_sequence(restless(np.arange(frames) / 30), StamProfile(fps=fps))


def test_the_shortest_recording_gives_one_frame():
    assert pose_sequence(restless(np.arange(43) / 30), "stam").values.shape == (7, 1, 18)


def test_body_is_centred_levelled_and_a_trunk_long():
    cleaned = clean(posed(times(2, 30)), "stam")
    at = {joint: cleaned.xy[0, row(joint)] for joint in ("right_shoulder", "left_shoulder")}
    np.testing.assert_allclose(at["right_shoulder"], [-44 / 160, 0], atol=1e-12)
    np.testing.assert_allclose(at["left_shoulder"], [44 / 160, 0], atol=1e-12)
    np.testing.assert_allclose(cleaned.xy[0, row("right_hip")], [-26 / 160, 1], atol=1e-12)
    np.testing.assert_allclose(cleaned.xy[0, row("right_knee")], [-60 / 160, 1 + 70 / 160])
