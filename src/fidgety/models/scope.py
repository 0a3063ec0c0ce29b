"""What a recording is like, in a dozen numbers: is it one of those that a model was trained on?

Proportions of the body, how fast and how jerkily its parts move, and how much was missed. Neither
the length of the recording nor its frame rate: a longer film is not another kind of infant.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fidgety.motion import CHANNELS, PoseSequence
from fidgety.pose.skeleton import Skeleton, load_skeleton

__all__ = ["scope_features", "scope_table"]

_PLACE = [CHANNELS.index("x"), CHANNELS.index("y")]
_SPEED = [CHANNELS.index("velocity_x"), CHANNELS.index("velocity_y")]
_ACCELERATION = [CHANNELS.index("acceleration_x"), CHANNELS.index("acceleration_y")]
_FLOOR = 1e-3  # trunk lengths per second; keeps logarithms of stillness finite


def scope_features(sequence: PoseSequence) -> dict[str, float]:
    """Named features of one recording; NaN where a part of the body was never seen.

    For head, trunk, arms and legs: logarithms of median and 95th percentile speed (trunk lengths
    per second), of the ratio of acceleration to speed (1/s, how jerky it is), and of the mean
    length of the bones (trunk lengths); and the share of joints and frames that were missed. Left
    and right count together, so that a mirrored film is the same infant.
    """
    skeleton = load_skeleton(sequence.skeleton)
    values = sequence.values
    speed = np.hypot(*values[_SPEED])  # (T, V)
    jerkiness = np.hypot(*values[_ACCELERATION])
    length = {
        frozenset(bone): _median(np.hypot(*(values[_PLACE][:, :, a] - values[_PLACE][:, :, b])))
        for bone in skeleton.bones
        for a, b in [skeleton.rows(*bone)]
    }
    found: dict[str, float] = {"missing": float(np.isnan(speed).mean())}
    for part, joints in _both_sides(skeleton).items():
        rows = skeleton.rows(*joints)
        fast, jerky = _seen(speed[:, rows]), _seen(jerkiness[:, rows])
        bones = [value for bone, value in length.items() if bone <= set(joints)]
        found[f"{part}_speed"] = _log(np.median(fast)) if fast.size else np.nan
        found[f"{part}_fast"] = _log(np.quantile(fast, 0.95)) if fast.size else np.nan
        if fast.size and jerky.size:
            found[f"{part}_jerk"] = _log(_rms(jerky)) - _log(_rms(fast))
        else:
            found[f"{part}_jerk"] = np.nan
        if bones:
            found[f"{part}_bones"] = float(np.log(_FLOOR + np.mean(bones)))
    return found


def scope_table(sequences: Sequence[PoseSequence]) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Names (p,) and features (N, p) of recordings of one skeleton."""
    rows = [scope_features(sequence) for sequence in sequences]
    names = tuple(rows[0])
    return names, np.array([[row.get(name, np.nan) for name in names] for row in rows])


def _both_sides(skeleton: Skeleton) -> dict[str, tuple[str, ...]]:
    """Body parts with left and right put together: head, trunk, arm, leg."""
    parts: dict[str, tuple[str, ...]] = {}
    for name, joints in skeleton.parts.items():
        whole = name.removeprefix("right_").removeprefix("left_")
        parts[whole] = (*parts.get(whole, ()), *joints)
    return parts


def _seen(values: NDArray[np.floating]) -> NDArray[np.floating]:
    return values[np.isfinite(values)]


def _median(values: NDArray[np.floating]) -> float:
    seen = _seen(values)
    return float(np.median(seen)) if seen.size else np.nan


def _rms(values: NDArray[np.floating]) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def _log(value: float | np.floating) -> float:
    return float(np.log(_FLOOR + value))
