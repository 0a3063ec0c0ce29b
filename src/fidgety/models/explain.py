"""Where a network looked, in seconds and joints, and whether looking there mattered."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fidgety.models.inference import Inference
from fidgety.motion import CHANNELS, PoseSequence
from fidgety.pose.skeleton import Skeleton

__all__ = ["deletion_check", "joint_movement", "movement_of_parts", "spread"]

_SPEED = [CHANNELS.index("velocity_x"), CHANNELS.index("velocity_y")]
_PLACE = [CHANNELS.index("x"), CHANNELS.index("y")]


def spread(
    found: Inference, rng: np.random.Generator, draws: int = 1000, level: float = 0.95
) -> NDArray[np.float64]:
    """Interval (2,) of the raw risk when the recording's clips are drawn anew with replacement.

    It says how much the risk rests on which seconds were filmed. It does not say how another
    network, or one trained on other infants, would judge.
    """
    clips = len(found.joint_attention)
    usable = _usable(found)
    counts = np.zeros((draws, clips))
    shares = np.full(len(usable), 1 / len(usable))
    counts[:, usable] = rng.multinomial(len(usable), shares, size=draws)
    tail = (1 - level) / 2
    return np.quantile(found.risk_with(counts), [tail, 1 - tail])


def deletion_check(
    found: Inference, rng: np.random.Generator, fraction: float = 0.2, draws: int = 200
) -> dict[str, Any] | None:
    """Does leaving out the clips with most attention move the risk more than leaving out others?

    Returns
    -------
    dict or None
        ``top_fraction``, ``risk_change_top`` and ``risk_change_random`` (mean absolute changes of
        the raw risk), ``ratio`` (None if random deletion changes nothing) and ``passed`` (a ratio
        of at least 1); None with fewer than five usable clips.
    """
    usable = _usable(found)
    count = max(1, round(fraction * len(usable)))
    if len(usable) < 5:
        return None
    whole = found.risk
    kept = np.ones((draws + 1, len(found.clip_attention)))
    kept[0, usable[np.argsort(found.clip_attention[usable])[-count:]]] = 0
    for draw in range(1, draws + 1):
        kept[draw, rng.choice(usable, count, replace=False)] = 0
    changes = np.abs(found.risk_with(kept) - whole)
    top, random = float(changes[0]), float(changes[1:].mean())
    return {
        "top_fraction": fraction,
        "risk_change_top": top,
        "risk_change_random": random,
        "ratio": top / random if random > 0 else None,
        "passed": top >= random,
    }


def _usable(found: Inference) -> NDArray[np.intp]:
    return np.unique(np.concatenate([window.rows for window in found.windows]))


def joint_movement(
    sequence: PoseSequence,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Root mean square speed (V,) and mean position (V, 2) of each joint; NaN if never seen."""
    squares = np.square(sequence.values[_SPEED]).sum(axis=0)  # (T, V)
    speed = np.sqrt(_mean(squares))
    position = np.stack([_mean(sequence.values[channel]) for channel in _PLACE], axis=1)
    return speed, position


def movement_of_parts(
    sequence: PoseSequence, skeleton: Skeleton, step_s: float = 0.5
) -> dict[str, Any]:
    """Root mean square speed of each body part in steps of `step_s` seconds, JSON-ready."""
    width = max(1, round(step_s * sequence.fps))
    steps = max(1, sequence.values.shape[1] // width)
    squares = np.square(sequence.values[_SPEED]).sum(axis=0)[: steps * width]  # (T, V)
    parts = {}
    for part, joints in skeleton.parts.items():
        table = squares[:, skeleton.rows(*joints)].reshape(steps, -1).T
        values = np.sqrt(_mean(table))
        parts[part] = [round(float(v), 5) if np.isfinite(v) else None for v in values]
    times = sequence.start_s + (np.arange(steps) + 0.5) * width / sequence.fps
    return {
        "time_s": [round(float(time), 3) for time in times],
        "parts": parts,
        "unit": "trunk lengths per second",
    }


def _mean(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Mean over the first axis, leaving out NaN; NaN where there is nothing else."""
    seen = np.isfinite(values)
    count = seen.sum(axis=0)
    total = np.where(seen, values, 0.0).sum(axis=0, dtype=np.float64)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
