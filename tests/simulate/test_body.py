from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fidgety.simulate.body import (
    ANGLES,
    BODY_PARTS,
    JOINT_PARTS,
    SKELETON,
    Proportions,
    joint_positions,
    rest_positions,
)

LOW = np.array([angle.low for angle in ANGLES], dtype=float)
HIGH = np.array([angle.high for angle in ANGLES], dtype=float)
COLUMN = {angle.name: column for column, angle in enumerate(ANGLES)}


def length(joints, a, b):
    a, b = SKELETON.rows(a, b)
    return np.linalg.norm(joints[..., a, :] - joints[..., b, :], axis=-1)


def test_rest_has_the_stated_proportions():
    rest, p = rest_positions(Proportions()), Proportions()
    hips = rest[SKELETON.rows("right_hip", "left_hip")].mean(axis=0)
    shoulders = rest[SKELETON.rows("right_shoulder", "left_shoulder")].mean(axis=0)
    assert np.linalg.norm(shoulders - hips) == pytest.approx(1.0)
    assert shoulders == pytest.approx(rest[SKELETON.index["neck"]])
    for side in ("right", "left"):
        assert length(rest, f"{side}_shoulder", f"{side}_elbow") == pytest.approx(p.upper_arm)
        assert length(rest, f"{side}_elbow", f"{side}_wrist") == pytest.approx(p.forearm)
        assert length(rest, f"{side}_hip", f"{side}_knee") == pytest.approx(p.thigh)
        assert length(rest, f"{side}_knee", f"{side}_ankle") == pytest.approx(p.shank)
    assert length(rest, "right_ear", "left_ear") == pytest.approx(p.ear_width)


def test_an_infant_is_no_small_adult():
    # Against the trunk, adult legs are about 1.7 long; infant legs are short and heads broad.
    p = Proportions()
    assert p.thigh + p.shank < 1.4
    assert p.upper_arm + p.forearm < 1.2
    assert p.ear_width > 0.5
    # Joint-centre lengths must be shorter than the outer measures they come from (19 cm trunk).
    for value, outer_cm in ((p.upper_arm, 12.3), (p.thigh, 15.9), (p.shank, 16.5)):
        assert 0.65 * outer_cm < 19 * value < outer_cm


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_bones_keep_their_length_in_every_posture(seed):
    rng = np.random.default_rng(seed)
    joints = joint_positions(rng.uniform(-90, 90, (4, len(ANGLES))))
    rest = rest_positions(Proportions())
    for side in ("right", "left"):
        for a, b in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle")):
            a, b = f"{side}_{a}", f"{side}_{b}"
            assert length(joints, a, b) == pytest.approx(length(rest, a, b))
    for pair in (("right_hip", "left_hip"), ("neck", "right_shoulder"), ("nose", "left_eye")):
        assert length(joints, *pair) == pytest.approx(length(rest, *pair))


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_left_and_right_are_mirror_images(seed):
    rng = np.random.default_rng(seed)
    angles = np.zeros((1, len(ANGLES)))
    for name, column in COLUMN.items():
        if name.startswith("right_"):
            angles[0, column] = rng.uniform(LOW[column], HIGH[column])
            angles[0, COLUMN[name.replace("right_", "left_", 1)]] = angles[0, column]
    joints = joint_positions(angles)[0]
    assert joints[SKELETON.mirror_order] * (-1, 1, 1) == pytest.approx(joints)


def test_known_postures():
    angles = np.zeros((1, len(ANGLES)))
    angles[0, COLUMN["right_shoulder_abduction"]] = 90
    angles[0, COLUMN["left_hip_flexion"]] = 90
    joints, p = joint_positions(angles)[0], Proportions()
    shoulder, wrist = joints[SKELETON.rows("right_shoulder", "right_wrist")]
    assert wrist - shoulder == pytest.approx((-p.upper_arm - p.forearm, 0, 0))  # out to its right
    hip, knee = joints[SKELETON.rows("left_hip", "left_knee")]
    assert knee - hip == pytest.approx((0, 0, p.thigh))  # up from the bed


def test_supine_from_above():
    joints = joint_positions((0.5 * (LOW + HIGH))[np.newaxis])[0]
    x, y, z = joints.T
    at = SKELETON.index
    assert x[at["right_shoulder"]] < x[at["left_shoulder"]]
    assert y[at["nose"]] > y[at["neck"]] > y[at["right_hip"]] > y[at["right_ankle"]]
    assert z[at["nose"]] > z[at["right_ear"]]  # face up
    assert z[at["right_knee"]] > z[at["right_ankle"]]  # knees up, feet near the bed


def test_every_joint_belongs_to_a_part():
    assert len(JOINT_PARTS) == len(SKELETON)
    assert set(JOINT_PARTS) == set(BODY_PARTS)
    assert JOINT_PARTS[SKELETON.index["left_hip"]] == "trunk"


def test_infants_differ_a_little():
    rng = np.random.default_rng(0)
    bodies = [Proportions().varied(rng, 0.04) for _ in range(300)]
    for item in fields(Proportions):
        logs = np.log([getattr(body, item.name) / item.default for body in bodies])
        assert abs(logs.mean()) < 0.01
        assert logs.std() == pytest.approx(0.04, rel=0.15)
