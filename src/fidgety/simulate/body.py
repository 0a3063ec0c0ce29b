"""The body: an infant's proportions, its joint angles, and where they put the joints.

World frame, in trunk lengths: x to the viewer's right, y from the feet to the head, z up from the
bed towards the camera. The infant lies on its back, so its right side is at negative x.

The 1977 survey of 4,127 United States children (Snyder et al., *Anthropometry of infants, children,
and youths to age 18 for product safety design*, UM-HSRI-77-17) gives as means of its three-month
group: shoulder to elbow 12.3 cm, elbow to fingertip 16.6 less hand 7.4, rump to knee 15.9, knee to
sole 16.5, hip breadth 14.3, head circumference 41.7 (read from a tabulation of its public data).
Those are measures of the outside of the body. What `Proportions` holds are distances between joint
centres: the outer measure less an allowance for the flesh and bone beyond each centre. The
allowances, the trunk (19 cm from the middle of the shoulders to the middle of the hips), the
shoulder width and the face are estimates, not measurements.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from fidgety.pose.skeleton import Skeleton, load_skeleton

__all__ = [
    "ANGLES",
    "BODY_PARTS",
    "JOINT_PARTS",
    "SKELETON",
    "Angle",
    "Proportions",
    "joint_positions",
    "rest_positions",
]

SKELETON: Skeleton = load_skeleton("openpose18")
BODY_PARTS = ("head", "trunk", "right_arm", "left_arm", "right_leg", "left_leg")


@dataclass(frozen=True)
class Proportions:
    """Lengths between joint centres, in trunk lengths (shoulder middle to hip middle).

    The comments give the outer measure of the three-month group and the share kept of it.
    """

    shoulder_width: float = 0.74  # estimated: 14 cm
    hip_width: float = 0.47  # 14.3 cm hip breadth, about 0.62 of it
    upper_arm: float = 0.58  # 12.3 cm, less 1.3 cm
    forearm: float = 0.48  # 16.6 - 7.4 cm
    thigh: float = 0.64  # 15.9 cm rump to knee, less 3.7 cm
    shank: float = 0.62  # 16.5 cm knee to sole, less 4.7 cm
    neck: float = 0.50  # shoulder middle to the middle of the head, estimated: 9.5 cm
    ear_width: float = 0.62  # 41.7 cm round, about 11.8 cm broad
    eye_width: float = 0.25  # estimated: 4.7 cm
    nose_height: float = 0.38  # nose tip above the middle of the head, estimated: 7.2 cm

    def varied(self, rng: np.random.Generator, spread: float) -> Proportions:
        """Another infant's: each length times a log-normal factor of deviation `spread`."""
        factors = np.exp(spread * rng.standard_normal(len(fields(self))))
        lengths = (
            getattr(self, item.name) * factor
            for item, factor in zip(fields(self), factors, strict=True)
        )
        return replace(
            self, **dict(zip((f.name for f in fields(self)), map(float, lengths), strict=True))
        )


@dataclass(frozen=True)
class Angle:
    """One rotation of the body.

    Parameters
    ----------
    name : str
        For example ``"right_knee_flexion"``.
    part : str
        The body part that moves by it; strokes and bouts are drawn per part.
    axis : tuple of float
        Axis of the rotation at rest, right-handed.
    pivot : str
        The joint it turns about, or ``"waist"`` or ``"nape"``.
    moves : tuple of str
        The joints it carries along.
    low, high : float
        Range of postures in degrees.
    fidgety : float
        Share of the fidgety amplitude that it takes.
    """

    name: str
    part: str
    axis: tuple[float, float, float]
    pivot: str
    moves: tuple[str, ...]
    low: float
    high: float
    fidgety: float


def _limbs(side: str) -> tuple[Angle, ...]:
    """Angles of an arm and a leg, the outermost first; positive is flexion, abduction, lifting."""
    s = 1.0 if side == "right" else -1.0  # rotations about y and z change sign in the mirror
    elbow, wrist, knee, ankle = (f"{side}_{j}" for j in ("elbow", "wrist", "knee", "ankle"))
    arm, leg, shoulder, hip = (f"{side}_{j}" for j in ("arm", "leg", "shoulder", "hip"))
    lower = (knee, ankle)
    return (
        Angle(f"{elbow}_flexion", arm, (-1, 0, 0), elbow, (wrist,), 35, 120, 1.3),
        Angle(f"{shoulder}_rotation", arm, (0, s, 0), shoulder, (wrist,), -95, -15, 1.0),
        Angle(f"{shoulder}_lift", arm, (-1, 0, 0), shoulder, (elbow, wrist), 0, 45, 0.7),
        Angle(f"{shoulder}_abduction", arm, (0, 0, -s), shoulder, (elbow, wrist), 30, 105, 0.9),
        Angle(f"{knee}_flexion", leg, (1, 0, 0), knee, (ankle,), 65, 125, 1.3),
        Angle(f"{hip}_rotation", leg, (0, s, 0), hip, (ankle,), -60, -15, 1.0),
        Angle(f"{hip}_flexion", leg, (-1, 0, 0), hip, lower, 25, 75, 0.8),
        Angle(f"{hip}_abduction", leg, (0, 0, -s), hip, lower, 20, 60, 0.8),
    )


def _angles() -> tuple[Angle, ...]:
    head = SKELETON.parts["head"]
    upper = (
        "neck",
        *head,
        *SKELETON.parts["right_arm"],
        *SKELETON.parts["left_arm"],
    )
    lower = (*SKELETON.parts["right_leg"], *SKELETON.parts["left_leg"])
    everything = SKELETON.joints
    return (
        *_limbs("right"),
        *_limbs("left"),
        Angle("head_nod", "head", (1, 0, 0), "nape", head, -12, 15, 0.6),
        Angle("head_tilt", "head", (0, 0, 1), "nape", head, -15, 15, 0.7),
        Angle("head_turn", "head", (0, 1, 0), "nape", head, -50, 50, 1.2),
        Angle("trunk_arch", "trunk", (1, 0, 0), "waist", upper, -10, 10, 0.2),
        Angle("trunk_bend", "trunk", (0, 0, 1), "waist", upper, -18, 18, 0.35),
        Angle("trunk_twist", "trunk", (0, 1, 0), "waist", upper, -18, 18, 0.35),
        Angle("pelvis_lift", "trunk", (-1, 0, 0), "waist", lower, -3, 10, 0.2),
        Angle("pelvis_bend", "trunk", (0, 0, 1), "waist", lower, -14, 14, 0.35),
        Angle("pelvis_twist", "trunk", (0, 1, 0), "waist", lower, -20, 20, 0.35),
        Angle("body_turn", "trunk", (0, 0, 1), "waist", everything, -10, 10, 0.0),
        Angle("body_roll", "trunk", (0, 1, 0), "waist", everything, -14, 14, 0.0),
    )


ANGLES = _angles()  # the order in which they are applied: outermost first


def _part_moving(joint: str) -> str:
    """The body part whose movement shows at `joint`: the trunk carries shoulders and hips."""
    if joint.endswith(("neck", "shoulder", "hip")):
        return "trunk"
    return next(part for part, joints in SKELETON.parts.items() if joint in joints)


JOINT_PARTS = tuple(_part_moving(joint) for joint in SKELETON.joints)


def rest_positions(proportions: Proportions) -> NDArray[np.float64]:
    """Joints (V, 3) of a body stretched straight on its back, in trunk lengths.

    The middle of the hips is the origin; arms and legs point to the feet.
    """
    p = proportions
    head = 1 + p.neck
    arm = (1.0, 1 - p.upper_arm, 1 - p.upper_arm - p.forearm)
    leg = (0.0, -p.thigh, -p.thigh - p.shank)
    places = {
        "nose": (0.0, head - 0.10, p.nose_height),
        "neck": (0.0, 1.0, 0.0),
        "eye": (p.eye_width / 2, head + 0.03, 0.86 * p.nose_height),
        "ear": (p.ear_width / 2, head - 0.02, 0.0),
    }
    places |= {
        joint: (p.shoulder_width / 2, y, 0.0)
        for joint, y in zip(("shoulder", "elbow", "wrist"), arm, strict=True)
    }
    places |= {
        joint: (p.hip_width / 2, y, 0.0)
        for joint, y in zip(("hip", "knee", "ankle"), leg, strict=True)
    }
    rest = np.empty((len(SKELETON), 3))
    for row, joint in enumerate(SKELETON.joints):
        side, _, stem = joint.rpartition("_")
        rest[row] = places[stem]
        if side == "right":
            rest[row, 0] *= -1
    return rest


def joint_positions(
    angles: NDArray[np.float64], proportions: Proportions | None = None
) -> NDArray[np.float64]:
    """Forward kinematics: joints over time from joint angles over time.

    Each rotation turns about its axis and pivot *at rest*; applied from the outermost inwards
    (product of exponentials), every joint ends where the chain of its parents carries it. Lengths
    between joint centres therefore never change.

    Parameters
    ----------
    angles : ndarray (T, A)
        Degrees, one column for each of `ANGLES`.
    proportions : Proportions, optional
        The infant's; default the mean three-month-old.

    Returns
    -------
    ndarray (T, V, 3)
        In trunk lengths, `SKELETON` order.
    """
    rest = rest_positions(proportions or Proportions())  # (V, 3)
    pivots = {
        "waist": np.array([0.0, 0.40, 0.0]),
        "nape": np.array([0.0, 1.12, -0.05]),
    } | dict(zip(SKELETON.joints, rest, strict=True))
    placed = np.repeat(rest[np.newaxis], len(angles), axis=0)  # (T, V, 3)
    cosines, sines = np.cos(np.radians(angles)), np.sin(np.radians(angles))  # (T, A)
    for column, angle in enumerate(ANGLES):
        axis = int(np.flatnonzero(angle.axis)[0])
        u, w = (axis + 1) % 3, (axis + 2) % 3  # the plane that turns
        rows = SKELETON.rows(*angle.moves)
        cosine = cosines[:, column, np.newaxis]  # (T, 1)
        sine = sines[:, column, np.newaxis] * angle.axis[axis]
        pivot = pivots[angle.pivot]
        a, b = placed[:, rows, u] - pivot[u], placed[:, rows, w] - pivot[w]  # (T, n)
        placed[:, rows, u] = pivot[u] + cosine * a - sine * b
        placed[:, rows, w] = pivot[w] + sine * a + cosine * b
    return placed
