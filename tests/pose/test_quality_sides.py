"""Long exchanges that take the trunk along: put back where a body cannot look so, else left."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from supine import SIZE, during, infant

from fidgety.pose.pose import Pose
from fidgety.pose.quality import QualityConfig, assess_quality, find_swaps, repair_swaps
from fidgety.pose.quality.sides import sides_of

LIMBS = ("elbow", "wrist", "knee", "ankle")
WHOLE = ("shoulder", "hip", *LIMBS, "eye", "ear")
NO_FACE = ("shoulder", "hip", *LIMBS)
LOWER = ("hip", "knee", "ankle")
UPPER = ("shoulder", "elbow", "wrist")
FACE = ("nose", "right_eye", "left_eye")


def exchanged(pose: Pose, parts: tuple[str, ...], start_s: float, end_s: float) -> Pose:
    names = [f"{side}_{part}" for part in parts for side in ("right", "left")]
    at = np.ix_(during(pose, start_s, end_s), pose.skeleton.rows(*names))
    order = pose.skeleton.mirror_order
    xy, confidence = pose.xy.copy(), pose.confidence.copy()
    xy[at], confidence[at] = pose.xy[:, order][at], pose.confidence[:, order][at]
    return pose.then("exchanged", xy=xy, confidence=confidence)


def faceless(pose: Pose, start_s: float, end_s: float) -> Pose:
    """Its face hardly sure."""
    confidence = pose.confidence.copy()
    confidence[np.ix_(during(pose, start_s, end_s), pose.skeleton.rows(*FACE))] = 0.2
    return pose.then("faceless", confidence=confidence)


def rolled(pose: Pose, middle_s: float, lying_s: float, turn_s: float = 3.0) -> Pose:
    """Turned onto the belly for a while and back again, and the face unsure meanwhile."""
    away = np.clip((lying_s / 2 + turn_s - np.abs(pose.time - middle_s)) / turn_s, 0, 1)
    xy = pose.xy.copy()
    xy[..., 0] = SIZE[0] / 2 + (xy[..., 0] - SIZE[0] / 2) * np.cos(np.pi * away)[:, None]
    hidden = during(pose, middle_s - lying_s / 2, middle_s + lying_s / 2)
    return faceless(pose.then("rolled", xy=xy), pose.time[hidden][0], pose.time[hidden][-1])


@pytest.mark.parametrize("parts", [WHOLE, NO_FACE, LOWER, UPPER, ("hip",), ("shoulder", "hip")])
@pytest.mark.parametrize(("start", "end"), [(30, 37), (40, 60), (0, 18), (72, 90)])
def test_long_exchanges_are_put_back(parts, start, end):
    pose = infant()
    np.testing.assert_array_equal(repair_swaps(exchanged(pose, parts, start, end)).xy, pose.xy)


@pytest.mark.parametrize("parts", [LOWER, UPPER, NO_FACE])
def test_the_front_is_the_side_meant_also_where_it_is_the_rarer_one(parts):
    pose = infant()
    np.testing.assert_array_equal(repair_swaps(exchanged(pose, parts, 20, 85)).xy, pose.xy)


def test_a_long_exchange_is_a_caution_and_told():
    quality = assess_quality(exchanged(infant(), WHOLE, 40, 60))
    (reason,) = quality.reasons
    assert (reason.code, reason.severity, quality.verdict) == ("W112", "caution", "caution")
    np.testing.assert_allclose(reason.ranges, [(40, 60)], atol=0.04)


def test_without_a_face_a_whole_body_seen_from_behind_may_lie_on_its_belly():
    pose = faceless(exchanged(infant(), WHOLE, 40, 60), 40, 60)
    assert not find_swaps(pose).any(axis=1)[during(pose, 40, 60)].all()
    assert repair_swaps(pose).xy is pose.xy
    assert "W113" in {reason.code for reason in assess_quality(pose).reasons}


def test_hips_that_face_the_other_way_need_neither_face_nor_jump():
    """The joints are lost around both ends, and no jump is seen."""
    pose = infant()
    xy = pose.xy.copy()
    for second in (40, 60):
        xy[during(pose, second - 0.4, second + 0.4)] = np.nan
    pose = faceless(pose.then("lost", xy=xy), 0, 90)
    np.testing.assert_array_equal(repair_swaps(exchanged(pose, LOWER, 40, 60)).xy, pose.xy)


@pytest.mark.parametrize("lying", [8, 30])
@pytest.mark.parametrize("late", [-0.8, 0.0, 0.9])
def test_a_tracker_that_is_late_to_see_the_body_turn_mends_itself(lying, late):
    """Names jump while the body is turning: what follows is a belly, and is left one."""
    turned = rolled(infant(), 45, lying)
    edge = 45 - lying / 2 - 1.5 + late  # s: half of the turn and a bit
    wrong = exchanged(turned, WHOLE, min(edge, edge - late), max(edge, edge - late) + 0.01)
    moved = find_swaps(wrong).any(axis=1)
    assert not moved[during(wrong, 45 - lying / 2, 45 + lying / 2)].any()


@pytest.mark.parametrize("turn", [0.55, 0.7])
def test_a_trunk_that_twists_as_far_as_it_can_is_left_alone(turn):
    """Hips on their side, and over, for 20 s; shoulders flat."""
    pose = infant()
    hips = pose.skeleton.rows("right_hip", "left_hip")
    lean = np.pi * turn * np.clip((12 - np.abs(pose.time - 45)) / 2, 0, 1)[:, None]
    xy = pose.xy.copy()
    middle = xy[:, hips, 0].mean(axis=1, keepdims=True)
    xy[:, hips, 0] = middle + (xy[:, hips, 0] - middle) * np.cos(lean)
    assert not find_swaps(pose.then("twisted", xy=xy))[:, hips].any()


def test_a_film_mirrored_throughout_is_left_alone():
    pose = exchanged(infant(), WHOLE, 0, 90)
    assert repair_swaps(pose) is pose


def test_a_skeleton_without_a_face_keeps_to_short_exchanges_of_the_whole_body():
    pose = infant()
    xy = pose.xy.copy()
    xy[:, pose.skeleton.rows("nose", "right_eye", "left_eye", "right_ear", "left_ear")] = np.nan
    pose = pose.then("no face", xy=xy)
    assert not find_swaps(exchanged(pose, NO_FACE, 40, 60)).any()
    longer = QualityConfig(swap_longest_s=30)
    assert find_swaps(exchanged(pose, NO_FACE, 40, 60), longer).any()


def test_sides_tell_front_twist_and_face():
    pose = exchanged(infant(), LOWER, 40, 60)
    sides = sides_of(pose, 120.0, 0.2)
    inside = during(pose, 40, 60)
    assert (sides.told["hip"] == np.where(inside, 1, -1)).all()
    assert (sides.told["shoulder"] == -1).all()
    assert (sides.twisted == inside).all()
    assert sides.face.all()


@settings(max_examples=20)
@given(
    seed=st.integers(0, 50),
    turn=st.floats(0, 6.28),
    parts=st.sampled_from([WHOLE, NO_FACE, LOWER, UPPER]),
    start=st.floats(2, 30),
    seconds=st.floats(5.5, 20),
)
def test_long_exchanges_are_put_back_whatever_the_view(seed, turn, parts, start, seconds):
    pose = infant(60, seed=seed, turn=turn, size=None)
    planted = exchanged(pose, parts, start, start + seconds)
    np.testing.assert_array_equal(repair_swaps(planted).xy, pose.xy)
