"""Exchanged sides: frames where a tracker calls the left limb right and the right one left."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fidgety.pose.pose import Pose
from fidgety.pose.quality.config import QualityConfig
from fidgety.pose.quality.scene import trunk_length

__all__ = ["find_swaps", "repair_swaps"]

_MEMORY_S = 0.5  # over longer gaps a limb may be anywhere, and positions say nothing


def find_swaps(pose: Pose, config: QualityConfig | None = None) -> NDArray[np.bool_]:
    """Where left and right joints have exchanged places for a short while.

    A pair exchanges sides between two frames if the jump that both joints make would shrink to
    less than `swap_ratio` of itself were their names exchanged. Jumps cut the recording into runs;
    the runs on the rarer side of a stretch, if no longer than `swap_longest_s`, are exchanged. A
    pair that is exchanged from the first frame to the last cannot be told from its own motion.

    Parameters
    ----------
    pose : Pose
        T frames of V joints in any layout with shoulders and hips.
    config : QualityConfig, optional
        Uses `swap_separation`, `swap_ratio`, `swap_longest_s`.

    Returns
    -------
    ndarray (T, V) of bool
    """
    config = config or QualityConfig()
    swapped = np.zeros(pose.xy.shape[:2], dtype=bool)
    trunk = trunk_length(pose)
    if not np.isfinite(trunk):
        return swapped
    for names in pose.skeleton.mirror_pairs:
        rows = pose.skeleton.rows(*names)
        swapped[:, rows] = _swapped_pair(pose.xy[:, rows] / trunk, pose.time, config)[:, None]
    return swapped


def repair_swaps(pose: Pose, config: QualityConfig | None = None) -> Pose:
    """The pose with exchanged sides put back; the same pose if there are none.

    Positions and confidences of the pairs that `find_swaps` names change places; nothing else
    changes. The step is added to the history with the number of joint positions moved.
    """
    swapped = find_swaps(pose, config)
    return exchanged(pose, swapped) if swapped.any() else pose


def exchanged(pose: Pose, swapped: NDArray[np.bool_]) -> Pose:
    """The pose with left and right exchanged where `swapped` (T, V) says so."""
    order = pose.skeleton.mirror_order
    return pose.then(
        "repair_swaps",
        arguments={"positions": int(swapped.sum())},
        xy=np.where(swapped[..., None], pose.xy[:, order], pose.xy),
        confidence=np.where(swapped, pose.confidence[:, order], pose.confidence),
    )


def _swapped_pair(
    pair: NDArray[np.float64], time: NDArray[np.float64], config: QualityConfig
) -> NDArray[np.bool_]:
    """Frames (T,) in which a pair of joints (T, 2, 2), in trunk lengths, has exchanged sides."""
    result = np.zeros(len(pair), dtype=bool)
    both = np.flatnonzero(np.isfinite(pair).all(axis=(1, 2)))
    if len(both) < 3:
        return result
    at, when = pair[both], time[both]
    flips = _flips(at, config)
    breaks = np.diff(when) > _MEMORY_S
    if not (flips & ~breaks).any():
        return result
    parity = np.append(0, np.cumsum(flips)) % 2
    segment = np.append(0, np.cumsum(breaks))
    run = np.append(0, np.cumsum(flips | breaks))
    step = np.append(np.diff(when), 0.0)
    step[np.append(breaks, True)] = np.median(np.diff(time))
    odd_s = np.bincount(segment, weights=step * parity)
    rarer = parity == (odd_s < np.bincount(segment, weights=step) / 2)[segment]
    # where a segment never flips its one side is not the rarer one
    rarer &= (odd_s > 0)[segment] & (odd_s < np.bincount(segment, weights=step))[segment]
    short = np.bincount(run, weights=step)[run] <= config.swap_longest_s
    wrong = rarer & short
    result[both] = wrong
    # A frame that shows one joint of the pair goes with its neighbours.
    between = np.clip(np.searchsorted(both, np.arange(len(pair)), side="right") - 1, 0, None)
    after = np.minimum(between + 1, len(both) - 1)
    near = when[after] - when[between] <= _MEMORY_S
    return result | (wrong[between] & wrong[after] & near & (both[between] < np.arange(len(pair))))


def _flips(at: NDArray[np.float64], config: QualityConfig) -> NDArray[np.bool_]:
    """Steps (T - 1,) of a pair (T, 2, 2) that look shorter with the two names exchanged."""
    kept = np.linalg.norm(np.diff(at, axis=0), axis=2).sum(axis=1)
    crossed = np.linalg.norm(at[1:] - at[:-1, ::-1], axis=2).sum(axis=1)
    apart = np.linalg.norm(at[:, 0] - at[:, 1], axis=1)
    clear = np.minimum(apart[1:], apart[:-1]) > config.swap_separation
    return clear & (crossed < config.swap_ratio * kept)
