"""What changes the image and not the infant must change nothing in the features."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moving_bodies import SIZE, posed, restless, row, times

from fidgety.motion import CHANNELS, pose_sequence
from fidgety.pose.pose import Pose
from fidgety.pose.skeleton import load_skeleton

seeds = st.integers(0, 2**16)
few = settings(max_examples=6)
X_CHANNELS = [CHANNELS.index(name) for name in ("x", "velocity_x", "acceleration_x")]


def gappy(seed: int, seconds: float = 4.0, fps: float = 30.0) -> Pose:
    """Restless, with unsure and missing keypoints and an outlier."""
    rng = np.random.default_rng(seed)
    pose = restless(times(seconds, fps), seed, noise_px=0.5)
    confidence = rng.uniform(0.3, 1.0, pose.confidence.shape)
    confidence[rng.random(confidence.shape) < 0.03] = 0
    confidence[40:70, rng.integers(18)] = 0
    confidence[0] = 1
    xy = pose.xy.copy()
    xy[rng.integers(5, 100), rng.integers(18)] += 300
    return Pose(xy, confidence, pose.time, SIZE, pose.skeleton)


def seen_as(pose: Pose, xy: np.ndarray) -> Pose:
    return Pose(xy, pose.confidence, pose.time, SIZE, pose.skeleton)


@few
@given(seed=seeds, x=st.floats(-2000, 2000), y=st.floats(-2000, 2000))
@pytest.mark.parametrize("profile", ["fidgety", "stam"])
def test_translation_changes_nothing(profile, seed, x, y):
    pose = gappy(seed)
    moved = seen_as(pose, pose.xy + np.array([x, y]))
    np.testing.assert_allclose(
        pose_sequence(moved, profile).values, pose_sequence(pose, profile).values, atol=1e-7
    )


@few
@given(seed=seeds, scale=st.floats(0.05, 20))
@pytest.mark.parametrize("profile", ["fidgety", "stam"])
def test_scale_changes_nothing(profile, seed, scale):
    pose = gappy(seed)
    scaled = seen_as(pose, pose.xy * scale)
    np.testing.assert_allclose(
        pose_sequence(scaled, profile).values, pose_sequence(pose, profile).values, atol=1e-7
    )


@few
@given(seed=seeds, angle=st.floats(-np.pi, np.pi))
def test_rotation_in_the_plane_changes_nothing(seed, angle):
    pose = gappy(seed)
    cos, sin = np.cos(angle), np.sin(angle)
    turned = seen_as(pose, (pose.xy - 500) @ np.array([[cos, sin], [-sin, cos]]) + 500)
    np.testing.assert_allclose(pose_sequence(turned).values, pose_sequence(pose).values, atol=1e-7)


@few
@given(seed=seeds)
@pytest.mark.parametrize("profile", ["fidgety", "stam"])
def test_a_mirrored_image_swaps_sides_and_flips_x(profile, seed):
    pose = gappy(seed)
    plain = pose_sequence(pose, profile).values
    mirrored = pose_sequence(pose.mirrored(), profile).values
    expected = plain[:, :, load_skeleton("openpose18").mirror_order].copy()
    expected[X_CHANNELS] *= -1
    np.testing.assert_allclose(mirrored, expected, atol=1e-7)


@few
@given(seed=seeds, start=st.floats(-1e4, 1e4))
def test_the_start_of_the_clock_changes_nothing(seed, start):
    pose = gappy(seed)
    later = Pose(pose.xy, pose.confidence, pose.time + start, SIZE, pose.skeleton)
    np.testing.assert_allclose(pose_sequence(later).values, pose_sequence(pose).values, atol=1e-5)
    assert pose_sequence(later).start_s == pytest.approx(pose.time[0] + start)


@few
@given(seed=seeds)
@pytest.mark.parametrize("fps", [24.0, 25.0, 50.0, 60.0, 120.0])
def test_the_frame_rate_of_the_film_hardly_matters(fps, seed):
    a = pose_sequence(restless(times(6, 30), seed)).values[:, 10:-10]
    b = pose_sequence(restless(times(6, fps), seed)).values[:, 10:-10]
    error = np.sqrt(np.mean((a - b) ** 2, axis=(1, 2)) / np.mean(a**2, axis=(1, 2)))
    assert error.max() < 0.01  # of the channel's own size


@few
@given(seed=seeds, keep=st.integers(2, 6))
def test_later_frames_do_not_change_what_lies_long_before(seed, keep):
    pose = restless(times(12, 30), seed)
    part = pose.between(0.0, float(keep))
    whole, cut = pose_sequence(pose), pose_sequence(part)
    velocity = slice(2, 4)  # the body frame is slow: its ends touch velocity little
    inside = slice(2, cut.values.shape[1] - 8)
    difference = whole.values[velocity, inside] - cut.values[velocity, inside]
    assert np.abs(difference).max() < 0.06


@few
@given(seed=seeds)
def test_the_same_pose_gives_the_same_numbers(seed):
    a, b = (pose_sequence(gappy(seed)).values for _ in range(2))
    np.testing.assert_array_equal(a, b)


def test_whatever_order_the_joints_came_in():
    pose = posed(times(2, 30), {"left_wrist": 0.1 * np.sin(times(2, 30))[:, None] * [[1.0, 2.0]]})
    coco = load_skeleton("coco17")
    other = pose.to_skeleton(coco)
    values, expected = pose_sequence(other).values, pose_sequence(pose).values
    np.testing.assert_allclose(values[:, 2:-2], expected[:, 2:-2], atol=1e-9)
    assert np.isfinite(values[:2, :, row("neck")]).all()
