"""Kinematic features of Chambers et al. 2020: 38 of limbs and joint angles, 4 of symmetry.

Sources
-------
Chambers et al. 2020, IEEE TNSRE 28:2431, doi 10.1109/TNSRE.2020.3029121, and its public code, read
    for this module: which features there are, over which joints, how each is computed, and that the
    two sides are averaged. Positions and accelerations are taken for x and y apart, as in the
    code's list of features.

From the source: wrists and ankles by position, elbows and knees by angle; medians (circular means
of angles), interquartile ranges (circular standard deviations of angles), entropies of values
rounded to 0.01 trunk lengths or 1 degree, correlation of the two sides' distance from the middle of
the shoulders or of their angles; speed, angular velocity and acceleration smoothed by a trailing
mean of 0.25 s. Profile `stam` is the source's own preprocessing.

Ours: frames in which a joint is missing are left out, feature by feature, where the source bridges
every gap; a side that was never seen leaves the mean to the other. The angle is measured after the
preprocessing, the source measures it before rotation and scale, which change no angle of a limb.
"""

from __future__ import annotations

import numpy as np

from fidgety.models.features.feature import SIDES, Feature, FeatureSet, Floats, Movement
from fidgety.models.features.summaries import correlation, rounded_entropy, trailing_mean
from fidgety.models.quantiles import observed_quantiles
from fidgety.motion.smoothing import whole_frames

__all__ = ["CHAMBERS", "CHAMBERS_SIDES", "bend_deg"]

LIMBS = ("wrist", "ankle")
ANGLES = {"elbow": ("shoulder", "elbow", "wrist"), "knee": ("hip", "knee", "ankle")}
_SMOOTH_S = 0.25
_LENGTH, _SPEED, _ACCELERATION = "trunk length", "trunk lengths/s", "trunk lengths/s^2"

_OF_LIMB = (
    ("median_x", _LENGTH, "median position across the body"),
    ("median_y", _LENGTH, "median position along the body"),
    ("iqr_x", _LENGTH, "interquartile range of the position across the body"),
    ("iqr_y", _LENGTH, "interquartile range of the position along the body"),
    ("median_speed", _SPEED, "median speed"),
    ("iqr_speed", _SPEED, "interquartile range of speed"),
    ("median_velocity_x", _SPEED, "median absolute velocity across the body"),
    ("median_velocity_y", _SPEED, "median absolute velocity along the body"),
    ("iqr_velocity_x", _SPEED, "interquartile range of velocity across the body"),
    ("iqr_velocity_y", _SPEED, "interquartile range of velocity along the body"),
    ("iqr_acceleration_x", _ACCELERATION, "interquartile range of acceleration across the body"),
    ("iqr_acceleration_y", _ACCELERATION, "interquartile range of acceleration along the body"),
    ("entropy", "nat", "entropy of the position in steps of 0.01 trunk lengths, mean of x and y"),
)
_OF_ANGLE = (
    ("mean_angle", "degree", "circular mean of the angle; 180 = straight"),
    ("sd_angle", "degree", "circular standard deviation of the angle"),
    ("median_velocity", "degree/s", "median absolute angular velocity"),
    ("iqr_velocity", "degree/s", "interquartile range of angular velocity"),
    ("iqr_acceleration", "degree/s^2", "interquartile range of angular acceleration"),
    ("entropy", "nat", "entropy of the angle in steps of 1 degree"),
)
_PARTS = [(part, row) for part in LIMBS for row in _OF_LIMB] + [
    (part, row) for part in ANGLES for row in _OF_ANGLE
]


def bend_deg(at: Movement, part: str, side: str) -> Floats:
    """Angle (T,) between the two bones that meet at an elbow or knee, 0 to 180 degrees."""
    ends = at.at(*(f"{side}_{joint}" for joint in ANGLES[part]))  # (T, 3, 2)
    a, b = ends[:, 0] - ends[:, 1], ends[:, 2] - ends[:, 1]
    cross = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    return np.degrees(np.arctan2(np.abs(cross), (a * b).sum(axis=1)))


def _limb_numbers(at: Movement, part: str) -> Floats:
    """(13, 2): the rows of `_OF_LIMB` by the two sides."""
    joints = tuple(f"{side}_{part}" for side in SIDES)
    xy = at.at(*joints)  # (T, 2 sides, 2)
    step = np.full(xy.shape[:2], np.nan)
    step[1:] = np.linalg.norm(np.diff(xy, axis=0), axis=-1)
    speed = trailing_mean(step * at.fps, whole_frames(_SMOOTH_S, at.fps))
    velocity = [at.channel(f"velocity_{axis}", *joints) for axis in "xy"]
    acceleration = [at.channel(f"acceleration_{axis}", *joints) for axis in "xy"]
    x, y = xy[..., 0], xy[..., 1]
    middle, width = _middles_and_widths(x, y, speed, *velocity, *acceleration)  # (7, 2) each
    size, _ = _middles_and_widths(*(np.abs(part) for part in velocity))
    entropy = (rounded_entropy(x, 0.01) + rounded_entropy(y, 0.01)) / 2
    return np.concatenate(
        [middle[:2], width[:2], middle[2:3], width[2:3], size, width[3:7], entropy[None]]
    )


def _middles_and_widths(*tracks: Floats) -> tuple[Floats, Floats]:
    """Medians and interquartile ranges (n, 2) of n tracks (T, 2)."""
    low, middle, high = observed_quantiles(np.concatenate(tracks, axis=1), (0.25, 0.5, 0.75))
    return middle.reshape(-1, 2), (high - low).reshape(-1, 2)


def _angle_numbers(at: Movement, part: str) -> Floats:
    """(6, 2): the rows of `_OF_ANGLE` by the two sides."""
    angle = np.stack([bend_deg(at, part, side) for side in SIDES], axis=1)  # (T, 2)
    window = whole_frames(_SMOOTH_S, at.fps)
    velocity, acceleration = np.full(angle.shape, np.nan), np.full(angle.shape, np.nan)
    velocity[1:] = np.diff(angle, axis=0) * at.fps
    velocity = trailing_mean(velocity, window)
    acceleration[1:] = np.diff(velocity, axis=0) * at.fps
    acceleration = trailing_mean(acceleration, window)
    seen = np.isfinite(angle)
    turn = np.where(seen, np.exp(1j * np.radians(np.where(seen, angle, 0.0))), 0.0)
    count = seen.sum(axis=0)
    mean = np.where(count > 0, turn.sum(axis=0) / np.maximum(count, 1), np.nan)  # (2,) complex
    length = np.clip(np.abs(mean), 1e-12, 1.0)
    return np.stack(
        [
            np.degrees(np.angle(mean)),
            np.degrees(np.sqrt(-2 * np.log(length))),
            _middles_and_widths(np.abs(velocity))[0][0],
            *_middles_and_widths(velocity, acceleration)[1],
            rounded_entropy(angle, 1.0),
        ]
    )


def _by_side(at: Movement) -> Floats:
    """(38, 2): every feature of a limb or angle, by the two sides."""
    return np.concatenate(
        [
            *(_limb_numbers(at, part) for part in LIMBS),
            *(_angle_numbers(at, part) for part in ANGLES),
        ]
    )


def _symmetry(at: Movement) -> Floats:
    """(4,): correlation of the two sides of each limb and angle."""
    pairs = [
        np.linalg.norm(at.at(*(f"{side}_{part}" for side in SIDES)), axis=-1) for part in LIMBS
    ]
    pairs += [np.stack([bend_deg(at, part, side) for side in SIDES], axis=1) for part in ANGLES]
    columns = np.stack(pairs, axis=1)  # (T, 4, 2)
    return correlation(columns[..., 0], columns[..., 1])


def _published(at: Movement) -> Floats:
    sides = _by_side(at)
    seen = np.isfinite(sides)
    count = seen.sum(axis=1)
    mean = np.where(seen, sides, 0.0).sum(axis=1) / np.maximum(count, 1)
    return np.concatenate([np.where(count > 0, mean, np.nan), _symmetry(at)])


_SYMMETRY = tuple(
    Feature(
        f"chambers_{part}_{name}",
        "1",
        f"correlation of the right and left {part}'s {what} over frames",
    )
    for part, name, what in (
        *((part, "symmetry", "distance from the middle of the shoulders") for part in LIMBS),
        *((part, "symmetry", "angle") for part in ANGLES),
    )
)
CHAMBERS = FeatureSet(
    "chambers",
    "Kinematic features of Chambers 2020 (doi 10.1109/TNSRE.2020.3029121), the two sides averaged",
    "stam",
    (
        *(
            Feature(f"chambers_{part}_{name}", unit, f"{part}: {meaning}; mean of the two sides")
            for part, (name, unit, meaning) in _PARTS
        ),
        *_SYMMETRY,
    ),
    _published,
)
CHAMBERS_SIDES = FeatureSet(
    "chambers-sides",
    "The features of `chambers` of each side, before they are averaged",
    "stam",
    tuple(
        Feature(f"chambers_{side}_{part}_{name}", unit, f"{side} {part}: {meaning}")
        for part, (name, unit, meaning) in _PARTS
        for side in SIDES
    ),
    lambda at: _by_side(at).ravel(),
)
