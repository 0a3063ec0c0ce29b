"""The `fidgety` profile: what it keeps, what it takes away, what it leaves missing."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from moving_bodies import REST, SIZE, TRUNK_PX, amplitude, posed, restless, row, times

from fidgety.errors import PoseError
from fidgety.motion import FidgetyProfile, clean, features, pose_sequence, preprocess
from fidgety.pose.pose import Pose

FREQUENCIES = (0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0)
TRUNK = ("neck", "right_shoulder", "left_shoulder", "right_hip", "left_hip")


def stated_gain(frequency: float, smooth_s: float = FidgetyProfile().smooth_s) -> float:
    u = (2 * np.pi * frequency * smooth_s) ** 2 / 2
    return (1 + u) * np.exp(-u)


def wave(time: np.ndarray, frequency: float, size: float = 0.05) -> np.ndarray:
    return size * np.sin(2 * np.pi * frequency * time + 0.4)[:, None] * np.array([1.0, 0.0])


def measured_gain(joints: tuple[str, ...], frequency: float, fps: float, seconds=40.0) -> float:
    time = times(seconds, fps)
    cleaned = clean(posed(time, {joint: wave(time, frequency) for joint in joints}))
    inside = (cleaned.time > 8) & (cleaned.time < seconds - 8)
    return amplitude(cleaned.xy[inside, row(joints[0]), 0], cleaned.time[inside], frequency) / 0.05


@pytest.mark.parametrize("fps", [24, 30, 60])
@pytest.mark.parametrize("frequency", FREQUENCIES)
def test_gain_of_a_limb_follows_the_stated_formula(frequency, fps):
    gain = measured_gain(("left_wrist",), frequency, fps)
    assert gain == pytest.approx(stated_gain(frequency), abs=0.005)
    if frequency <= 3:
        assert gain >= 0.95


@pytest.mark.parametrize("fps", [15, 25, 30, 60])
@pytest.mark.parametrize("frequency", [0.5, 0.7, 1.0, 2.0])
def test_movement_of_the_whole_trunk_passes(frequency, fps):
    gain = measured_gain(TRUNK, frequency, fps)
    assert gain >= 0.97
    assert gain == pytest.approx(stated_gain(frequency), abs=0.03)


def test_slow_drift_of_the_body_is_followed():
    time = times(120, 30)
    moved = wave(time, 0.02, 0.5)
    cleaned = clean(posed(time, {"all": moved}))
    inside = (time > 10) & (time < 110)
    assert amplitude(cleaned.xy[inside, row("neck"), 0], time[inside], 0.02) < 0.01


@pytest.mark.parametrize("fps", [15, 25, 30, 60])
def test_derivatives_of_uniform_motion_and_parabolas_are_exact_per_second(fps):
    time = times(3, fps)
    uniform = time[:, None] * np.array([0.3, -0.2])
    falling = 0.5 * (time[:, None] - 1.5) ** 2 * np.array([0.4, 1.1])
    sequence = pose_sequence(posed(time, {"left_wrist": uniform, "right_ankle": falling}))
    wrist, ankle = sequence.values[..., row("left_wrist")], sequence.values[..., row("right_ankle")]
    inside = slice(10, -10)  # beyond the smoothing's own ends
    expected = [0.3, -0.2, 0.0, 0.0, np.hypot(0.3, 0.2)]
    for channel, value in zip(range(2, 7), expected, strict=True):
        np.testing.assert_allclose(wrist[channel, inside], value, atol=1e-8)
    at = np.arange(sequence.values.shape[1]) / 30 - 1.5
    np.testing.assert_allclose(ankle[2, inside], 0.4 * at[inside], atol=1e-8)
    np.testing.assert_allclose(ankle[3, inside], 1.1 * at[inside], atol=1e-8)
    np.testing.assert_allclose(ankle[4, inside], 0.4, atol=1e-8)
    np.testing.assert_allclose(ankle[5, inside], 1.1, atol=1e-8)


def test_derivatives_are_exact_with_uneven_frame_times():
    rng = np.random.default_rng(5)
    time = np.cumsum(rng.choice([1 / 50, 1 / 30, 1 / 24], 200))
    falling = 0.5 * (time[:, None] - 3) ** 2 * np.array([0.2, -0.5])
    sequence = pose_sequence(posed(time, {"left_wrist": falling}))
    wrist = sequence.values[:, 20:-20, row("left_wrist")]
    np.testing.assert_allclose(wrist[4], 0.2, atol=1e-6)
    np.testing.assert_allclose(wrist[5], -0.5, atol=1e-6)


def test_ends_of_the_recording_have_positions_but_no_derivatives():
    values = pose_sequence(restless(times(3, 30))).values
    assert np.isfinite(values[:2]).all()
    assert np.isnan(values[2:, :2]).all()
    assert np.isnan(values[2:, -2:]).all()
    assert np.isfinite(values[:, 2:-2]).all()


@pytest.mark.parametrize("missing", [1, 2, 5, 8])
def test_gaps_up_to_the_limit_are_bridged(missing):
    time = times(4, 30)
    moved = {"left_wrist": wave(time, 0.5, 0.2)}
    seen = np.ones((len(time), 18))
    seen[50 : 50 + missing, row("left_wrist")] = 0  # 9 steps of 1/30 s are the limit of 0.3 s
    cleaned, whole = clean(posed(time, moved, seen)), clean(posed(time, moved))
    assert np.isfinite(cleaned.xy).all()
    np.testing.assert_allclose(cleaned.xy, whole.xy, atol=0.02)
    np.testing.assert_array_equal(cleaned.xy[:40], whole.xy[:40])


@pytest.mark.parametrize("missing", [9, 10, 40])
def test_longer_gaps_are_masked_and_derivatives_two_frames_around(missing):
    time = times(4, 30)
    seen = np.ones((len(time), 18))
    seen[50 : 50 + missing, row("left_wrist")] = 0
    cleaned = clean(posed(time, confidence=seen))
    gone = np.zeros((len(time), 18), bool)
    gone[50 : 50 + missing, row("left_wrist")] = True
    np.testing.assert_array_equal(np.isnan(cleaned.xy[..., 0]), gone)
    np.testing.assert_array_equal(cleaned.confidence == 0, gone)
    values = pose_sequence(posed(time, confidence=seen)).values
    wide = np.flatnonzero(np.isnan(values[4, 2:-2, row("left_wrist")])) + 2
    np.testing.assert_array_equal(wide, np.arange(48, 52 + missing))
    assert np.isfinite(np.delete(values[:, 2:-2], row("left_wrist"), axis=2)).all()


@pytest.mark.parametrize("frequency", [0.5, 1.5, 2.5])
def test_frames_that_the_file_lost_are_gaps_like_any_other(frequency):
    time = times(6, 30)
    pose = posed(time, {"left_wrist": wave(time, frequency, 0.2)})
    lost = np.isin(np.arange(len(time)), [20, 21, 60, 61, 62, 63, 64, 100, *range(130, 145)])
    short = Pose(pose.xy[~lost], pose.confidence[~lost], time[~lost], SIZE, pose.skeleton)
    seen = np.where(lost[:, None], 0.0, pose.confidence)
    blank = Pose(pose.xy, seen, time, SIZE, pose.skeleton)
    a, b = clean(short), clean(blank)
    np.testing.assert_allclose(a.xy, b.xy, atol=1e-9)
    assert np.isnan(a.xy[130:145]).all()
    assert np.isfinite(np.delete(a.xy, slice(130, 145), axis=0)).all()


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("where", [15, 31, 70])
def test_planted_jumps_are_removed(length, where):
    pose = restless(times(4, 30), seed=2)
    xy = pose.xy.copy()
    xy[where : where + length, row("right_wrist")] += (1.4 * TRUNK_PX, -0.8 * TRUNK_PX)
    jumped = clean(Pose(xy, pose.confidence, pose.time, SIZE, pose.skeleton))
    plain = clean(pose)
    assert np.abs(jumped.xy - plain.xy).max() < 0.06
    others = np.arange(18) != row("right_wrist")
    np.testing.assert_array_equal(jumped.xy[:, others], plain.xy[:, others])


@pytest.mark.parametrize("fps", [15, 30, 60])
def test_fast_kicks_are_kept(fps):
    time = times(6, fps)
    kick = 0.5 * np.sin(2 * np.pi * 3 * time)[:, None] * np.array([0.6, 0.8])
    cleaned = clean(posed(time, {"right_ankle": kick}))
    inside = (cleaned.time > 1) & (cleaned.time < 5)
    found = amplitude(cleaned.xy[inside, row("right_ankle"), 1], cleaned.time[inside], 3.0)
    assert found == pytest.approx(0.4 * stated_gain(3.0), rel=0.02)
    assert (cleaned.confidence == 1).all()


def test_a_stroke_to_another_place_is_no_jump():
    time = times(4, 30)
    share = np.clip((time - 2) / 0.2, 0, 1)  # a minimum-jerk stroke of one trunk length in 0.2 s
    stroke = (10 * share**3 - 15 * share**4 + 6 * share**5)[:, None] * np.array([1.0, 0.0])
    cleaned = clean(posed(time, {"left_wrist": stroke}))
    assert (cleaned.confidence == 1).all()
    assert np.ptp(cleaned.xy[:, row("left_wrist"), 0]) == pytest.approx(1.0, abs=0.03)


def test_an_unsure_keypoint_pulls_less():
    time = times(4, 30)
    pull = {}
    for sure in (1.0, 0.5, 0.25):
        pose = posed(time)
        xy, confidence = pose.xy.copy(), pose.confidence.copy()
        xy[60, row("left_wrist"), 0] += 0.08 * TRUNK_PX  # too little for an outlier
        confidence[60, row("left_wrist")] = sure
        cleaned = clean(Pose(xy, confidence, time, SIZE, pose.skeleton))
        pull[sure] = cleaned.xy[60, row("left_wrist"), 0] - clean(pose).xy[60, row("left_wrist"), 0]
        assert cleaned.confidence[60, row("left_wrist")] == sure
    assert pull[1.0] > 1.5 * pull[0.5] > 1.5 * 1.5 * pull[0.25] > 0


def test_keypoints_below_the_least_confidence_are_not_used():
    pose = posed(times(4, 30))
    xy, confidence = pose.xy.copy(), pose.confidence.copy()
    xy[60, row("left_wrist")] += 0.09 * TRUNK_PX
    confidence[60, row("left_wrist")] = 0.19
    cleaned = clean(Pose(xy, confidence, pose.time, SIZE, pose.skeleton))
    np.testing.assert_allclose(cleaned.xy, clean(pose).xy, atol=1e-9)


def test_a_joint_never_seen_stays_missing_and_alone():
    seen = np.ones((91, 18))
    seen[:, row("left_ear")] = 0
    values = pose_sequence(posed(times(3, 30), confidence=seen)).values
    assert np.isnan(values[..., row("left_ear")]).all()
    assert np.isfinite(np.delete(values, row("left_ear"), axis=2)[:, 2:-2]).all()


def test_a_trunk_missing_for_a_while_costs_the_other_joints_nothing():
    time = times(12, 30)
    moved = {"left_wrist": wave(time, 1.0, 0.1)}
    seen = np.ones((len(time), 18))
    seen[100:200, [row(joint) for joint in TRUNK]] = 0
    cleaned, whole = clean(posed(time, moved, seen)), clean(posed(time, moved))
    np.testing.assert_allclose(
        cleaned.xy[:, row("left_wrist")], whole.xy[:, row("left_wrist")], atol=1e-9
    )
    assert np.isnan(cleaned.xy[100:200, row("neck")]).all()


@pytest.mark.parametrize("gone", [("left_hip",), ("right_shoulder", "neck")])
def test_never_a_trunk_is_refused(gone):
    seen = np.ones((91, 18))
    seen[:, [row(joint) for joint in gone]] = 0
    with pytest.raises(PoseError, match="E131"):
        clean(posed(times(3, 30), confidence=seen))


def test_shoulders_and_hips_never_together_are_refused():
    seen = np.ones((91, 18))
    seen[:45, [row("left_hip"), row("right_hip")]] = 0
    seen[45:, [row("left_shoulder"), row("right_shoulder")]] = 0
    with pytest.raises(PoseError, match="E131"):
        clean(posed(times(3, 30), confidence=seen))


def test_a_trunk_of_no_length_is_refused():
    xy = np.repeat(REST[None], 60, axis=0)
    xy[:, [2, 5, 8, 11]] = 300.0
    with pytest.raises(PoseError, match="E131"):
        clean(Pose(xy, np.ones((60, 18)), np.arange(60) / 30, SIZE, posed(times(1, 30)).skeleton))


@pytest.mark.parametrize("frames", [1, 2, 3, 4])
def test_too_few_frames_are_refused_with_their_code(frames):
    with pytest.raises(PoseError, match="E108"):
        pose_sequence(restless(np.arange(frames) / 30))


def test_five_frames_have_one_whole_frame():
    values = pose_sequence(restless(np.arange(5) / 30)).values
    assert values.shape == (7, 5, 18)
    assert np.isfinite(values).all(axis=(0, 2)).tolist() == [False, False, True, False, False]


def test_a_cleaned_pose_is_not_cleaned_again():
    with pytest.raises(PoseError, match="E109"):
        clean(clean(restless(times(2, 30))))


def test_the_step_is_remembered_and_film_measures_do_not_outlive_their_frames():
    pose = restless(times(2, 30))
    pose = Pose(
        pose.xy, pose.confidence, pose.time, SIZE, pose.skeleton, film={"light": pose.time * 0}
    )
    cleaned = clean(pose)
    assert cleaned.history[-1]["step"] == "clean"
    assert cleaned.history[-1]["profile"] == "fidgety"
    assert cleaned.history[-1]["smooth_s"] == FidgetyProfile().smooth_s
    assert cleaned.unit == "trunk"
    assert cleaned.film == {}


def test_times_counted_from_an_epoch_change_nothing():
    pose = restless(times(4, 30))
    late = Pose(pose.xy, pose.confidence, pose.time + 1.7e9, SIZE, pose.skeleton)
    a, b = pose_sequence(pose), pose_sequence(late)
    assert a.values.shape == b.values.shape
    np.testing.assert_allclose(a.values[:2], b.values[:2], atol=1e-5)


def test_memory_is_a_small_multiple_of_the_pose():
    """Twenty minutes: what cleaning and features hold at once beside the pose itself."""
    pose = moving_pose(seconds=1200.0)
    size = pose.xy.nbytes + pose.confidence.nbytes
    tracemalloc.start()
    try:
        sequence = pose_sequence(pose, "fidgety", np.float32)
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sequence.values.dtype == np.float32
    assert held < 1.3 * size  # the features themselves: 7 * 4 bytes for 3 * 8
    assert peak < 3.8 * size
    exact = pose_sequence(pose, "fidgety").values
    np.testing.assert_array_equal(sequence.values, exact.astype(np.float32))


@pytest.mark.parametrize("block", [7, 64, 1000])
def test_parts_of_a_recording_make_no_difference(monkeypatch, block):
    """Jumps and derivatives are found in parts; where the parts meet changes nothing."""
    pose = moving_pose(seconds=20.0, jumps=True)
    whole = pose_sequence(pose, "fidgety").values
    monkeypatch.setattr(preprocess, "_BLOCK", block)
    monkeypatch.setattr(features, "_BLOCK", block)
    np.testing.assert_array_equal(pose_sequence(pose, "fidgety").values, whole)


def moving_pose(seconds: float, jumps: bool = False) -> Pose:
    """A restless body, some of it hidden, with keypoints that leave their track."""
    pose = restless(times(seconds, 30), noise_px=0.5)
    rng = np.random.default_rng(5)
    xy, confidence = pose.xy.copy(), pose.confidence.copy()
    if jumps:
        xy[rng.random(xy.shape[:2]) < 0.05] += 90.0
    confidence[rng.random(confidence.shape) < 0.05] = 0.0
    return pose.then("moved", xy=xy, confidence=confidence)
