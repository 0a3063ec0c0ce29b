"""Exchanged sides: planted, found, put back exactly; a clean recording is left alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from supine import SIZE, during, infant

from fidgety.pose.pose import Pose
from fidgety.pose.quality import QualityConfig, assess_quality, find_swaps, mend, repair_swaps

LEGS = ("right_knee", "left_knee", "right_ankle", "left_ankle")
TORSO = ("right_shoulder", "left_shoulder", "right_hip", "left_hip")
EARS = ("right_ear", "left_ear")
ARMS = ("right_elbow", "left_elbow", "right_wrist", "left_wrist")
ALL = infant(2, 10).skeleton.joints
BODY = slice(1, 14)  # all but the face
TRUNK = infant(2, 10).skeleton.rows(*TORSO)


def swapped(pose: Pose, joints: tuple[str, ...], start_s: float, end_s: float) -> Pose:
    order = pose.skeleton.mirror_order
    at = np.ix_(during(pose, start_s, end_s), pose.skeleton.rows(*joints))
    xy, confidence = pose.xy.copy(), pose.confidence.copy()
    xy[at], confidence[at] = pose.xy[:, order][at], pose.confidence[:, order][at]
    return pose.then("swapped", xy=xy, confidence=confidence)


def with_confidence(pose: Pose) -> Pose:
    """Every joint has its own confidence, so that an exchange shows there too."""
    confidence = np.broadcast_to(np.linspace(0.5, 0.9, pose.xy.shape[1]), pose.xy.shape[:2])
    return pose.then("confidence", confidence=confidence)


@pytest.mark.parametrize(
    ("joints", "start", "end"),
    [
        (LEGS, 10, 10.2),
        (ARMS, 20, 23),
        (LEGS + ARMS, 40, 40.0334),
        (("right_wrist", "left_wrist"), 0, 1.5),
        (("right_ankle", "left_ankle"), 88, 90),
        (("right_shoulder", "left_shoulder", *ARMS), 30, 34.9),
    ],
)
def test_planted_exchanges_are_found_and_put_back(joints, start, end):
    pose = with_confidence(infant())
    planted = swapped(pose, joints, start, end)
    found = find_swaps(planted)
    expected = np.zeros_like(found)
    expected[np.ix_(during(pose, start, end), pose.skeleton.rows(*joints))] = True
    np.testing.assert_array_equal(found, expected)
    repaired = repair_swaps(planted)
    np.testing.assert_array_equal(repaired.xy, pose.xy)
    np.testing.assert_array_equal(repaired.confidence, pose.confidence)
    assert repaired.history[-1] == {"step": "repair_swaps", "positions": int(expected.sum())}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("fps", [15, 60])
def test_a_clean_infant_is_left_alone(seed, fps):
    pose = infant(60, fps, seed=seed)
    assert repair_swaps(pose) is pose


def test_the_gate_tells_the_seconds_and_judges_the_body_as_it_is():
    quality = assess_quality(swapped(infant(), LEGS, 20, 22))
    (reason,) = quality.reasons
    assert (reason.code, reason.severity) == ("W112", "note")
    np.testing.assert_allclose(reason.ranges, [(20, 22)], atol=0.04)
    assert reason.text == "Left and right exchanged (knee and ankle) 0:20 to 0:22 (2 s). Put back."
    assert quality.measures["swapped_s"] == pytest.approx(2)


def test_mend_puts_back_what_the_gate_told():
    pose = swapped(infant(), LEGS, 20, 22)
    np.testing.assert_array_equal(mend(pose, assess_quality(pose)).xy, infant().xy)


def test_many_exchanges_are_a_caution():
    pose = infant()
    for second in range(0, 88, 4):
        pose = swapped(pose, ARMS, second + 1, second + 2)
    (reason,) = assess_quality(pose).reasons
    assert (reason.code, reason.severity) == ("W112", "caution")
    assert len(reason.ranges) == 22
    assert "and 19 more (22 s)" in reason.text


def test_a_long_exchange_of_joints_without_bones_is_left_alone():
    pose = swapped(infant(), EARS, 30, 50)
    assert not find_swaps(pose).any()
    assert find_swaps(pose, QualityConfig(swap_longest_s=30)).sum() == 20 * 30 * len(EARS)


def test_a_lone_jump_of_joints_without_bones_never_turns_half_a_recording():
    pose = swapped(infant(), EARS, 45, 90)
    assert repair_swaps(pose) is pose


@pytest.mark.parametrize(
    ("joints", "start", "end"),
    [
        (LEGS, 30, 50),
        (LEGS, 45, 90),
        (LEGS, 0, 90),
        (("right_knee", "left_knee"), 10, 80),
        (("right_ankle", "left_ankle"), 10, 80),
        (ARMS, 20, 70),
        (ALL, 20, 24.9),
        (TORSO, 50, 54),
    ],
)
def test_bones_and_the_side_in_view_tell_of_long_exchanges(joints, start, end):
    pose = infant()
    planted = swapped(pose, joints, start, end)
    np.testing.assert_array_equal(repair_swaps(planted).xy[:, BODY], pose.xy[:, BODY])


def test_a_missed_jump_does_not_turn_what_follows():
    """Knees that meet as they are exchanged make no jump; the bones tell all the same."""
    pose = infant()
    knees = pose.skeleton.rows("right_knee", "left_knee")
    planted = swapped(pose, ("right_knee", "left_knee"), 20, 40)
    xy = planted.xy.copy()
    meeting = during(pose, 19.8, 20.2)
    xy[np.ix_(meeting, knees)] = xy[:, knees].mean(axis=1, keepdims=True)[meeting]
    repaired = repair_swaps(planted.then("met", xy=xy))
    rest = ~meeting
    np.testing.assert_array_equal(repaired.xy[rest], pose.xy[rest])


@pytest.mark.parametrize("lying", [20, 54])
def test_a_body_that_turns_round_is_not_exchanged(lying):
    """From its back onto its belly for a while and back again, slowly: nothing jumps."""
    pose = infant()
    roll = np.pi * np.clip((lying / 2 + 3 - np.abs(pose.time - 45)) / 3, 0, 1)  # (T,)
    middle = SIZE[0] / 2
    xy = pose.xy.copy()
    xy[..., 0] = middle + (xy[..., 0] - middle) * np.cos(roll)[:, None]
    rolled = pose.then("rolled", xy=xy)
    assert not find_swaps(rolled)[:, TRUNK].any()
    # One exchange says nothing of the rest.
    shoulders = find_swaps(swapped(rolled, TORSO, 8, 9))[:, TRUNK].any(axis=1)
    assert not shoulders[~during(pose, 8, 9)].any()


def test_legs_that_cross_are_not_exchanged():
    """Bones of legs that truly cross are as long as ever."""
    pose = infant(straight=True)
    rows = pose.skeleton.rows("right_knee", "right_ankle", "left_knee", "left_ankle")
    hips = pose.xy[:, pose.skeleton.rows("right_hip", "left_hip")]
    xy = pose.xy.copy()
    lean = np.clip((10 - np.abs(pose.time - 45)) / 2, 0, 1)[:, None]  # s: crossed for 16 s
    for hip, legs in ((0, rows[:2]), (1, rows[2:])):
        bone = xy[:, legs] - hips[:, hip, None]
        turn = lean * (0.35 if hip else -0.35)
        x, y = bone[..., 0], bone[..., 1]
        xy[:, legs, 0] = hips[:, hip, None, 0] + x * np.cos(turn) - y * np.sin(turn)
        xy[:, legs, 1] = hips[:, hip, None, 1] + x * np.sin(turn) + y * np.cos(turn)
    apart = xy[:, rows[1], 0] - xy[:, rows[3], 0]  # of the ankles
    assert (apart[during(pose, 0, 30)] < 0).all()
    assert (apart[during(pose, 40, 50)] > 0).all()
    assert not find_swaps(pose.then("crossed", xy=xy)).any()


def test_a_lost_joint_within_an_exchange_goes_with_it():
    pose = infant()
    xy = pose.xy.copy()
    xy[during(pose, 20.5, 20.8), pose.skeleton.index["left_knee"]] = np.nan
    pose = pose.then("lost", xy=xy)
    repaired = repair_swaps(swapped(pose, LEGS, 20, 22))
    np.testing.assert_array_equal(repaired.xy, pose.xy)


def test_across_a_long_gap_nothing_is_claimed():
    pose = infant()
    xy = pose.xy.copy()
    xy[np.ix_(during(pose, 20, 24), pose.skeleton.rows(*EARS))] = np.nan
    gapped = swapped(pose.then("lost", xy=xy), EARS, 24, 90)
    assert not find_swaps(gapped).any()


def test_a_body_never_seen_has_no_exchanges():
    pose = infant(5)
    assert not find_swaps(pose.then("lost", xy=np.full_like(pose.xy, np.nan))).any()


@settings(max_examples=25)
@given(
    seed=st.integers(0, 50),
    turn=st.floats(0, 6.28),
    scale=st.floats(0.3, 3),
    bouts=st.lists(st.tuples(st.integers(0, 9), st.floats(0.1, 2.0)), min_size=1, max_size=4),
)
def test_short_exchanges_are_put_back_whatever_the_view(seed, turn, scale, bouts):
    pose = infant(60, seed=seed, turn=turn, trunk_px=120 * scale, size=None)
    planted = pose
    for number, (slot, seconds) in enumerate(dict(bouts).items()):
        planted = swapped(planted, (LEGS, ARMS)[number % 2], 6 * slot + 1, 6 * slot + 1 + seconds)
    np.testing.assert_array_equal(repair_swaps(planted).xy, pose.xy)
