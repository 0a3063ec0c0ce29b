"""Exchanged sides: frames where a tracker calls the left limb right and the right one left."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fidgety.pose.pose import Pose
from fidgety.pose.quality.config import QualityConfig
from fidgety.pose.quality.scene import complex_positions, trunk_length

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
    at = complex_positions(pose)
    trunk = trunk_length(at, pose.skeleton)
    if not np.isfinite(trunk):
        return swapped
    for names in pose.skeleton.mirror_pairs:
        rows = pose.skeleton.rows(*names)
        right, left = np.ascontiguousarray(at[:, rows].T) * (1 / trunk)
        swapped[:, rows] = _swapped_pair(right, left, pose.time, config)[:, None]
    return swapped


def repair_swaps(pose: Pose, config: QualityConfig | None = None) -> Pose:
    """The pose with exchanged sides put back; the same pose if there are none.

    Positions and confidences of the pairs that `find_swaps` names change places; nothing else
    changes. The step is added to the history with the number of joint positions moved.
    """
    swapped = find_swaps(pose, config)
    if not swapped.any():
        return pose
    order = pose.skeleton.mirror_order
    return pose.then(
        "repair_swaps",
        arguments={"positions": int(swapped.sum())},
        xy=np.where(swapped[..., None], pose.xy[:, order], pose.xy),
        confidence=np.where(swapped, pose.confidence[:, order], pose.confidence),
    )


def _swapped_pair(
    right: NDArray[np.complex128],
    left: NDArray[np.complex128],
    time: NDArray[np.float64],
    config: QualityConfig,
) -> NDArray[np.bool_]:
    """Frames (T,) in which a pair of joints, x + iy in trunk lengths, has exchanged sides."""
    result = np.zeros(len(time), dtype=bool)
    both = np.flatnonzero(np.isfinite(right) & np.isfinite(left))
    if len(both) < 3:
        return result
    when = time[both]
    breaks = np.diff(when) > _MEMORY_S
    flips = _flips(right[both], left[both], config) & ~breaks
    if not flips.any():
        return result
    side = np.append(0, np.cumsum(flips)) % 2
    segment = np.append(0, np.cumsum(breaks))
    run = np.append(0, np.cumsum(flips | breaks))
    step = np.append(np.diff(when), 0.0)
    step[np.append(breaks, True)] = np.median(np.diff(time))
    odd_s, all_s = np.bincount(segment, weights=step * side), np.bincount(segment, weights=step)
    rarer = np.where(odd_s < all_s / 2, 1, 0)[segment] == side
    short = np.bincount(run, weights=step)[run] <= config.swap_longest_s
    flipped = np.bincount(segment, weights=np.append(False, flips))[segment] > 0
    wrong = rarer & short & flipped
    result[both] = wrong
    # A frame that shows one joint of the pair goes with its neighbours.
    before = np.clip(np.searchsorted(both, np.arange(len(time)), side="right") - 1, 0, None)
    after = np.minimum(before + 1, len(both) - 1)
    inside = (both[before] < np.arange(len(time))) & (when[after] - when[before] <= _MEMORY_S)
    return result | (wrong[before] & wrong[after] & inside)


def _flips(
    right: NDArray[np.complex128], left: NDArray[np.complex128], config: QualityConfig
) -> NDArray[np.bool_]:
    """Steps (T - 1,) of a pair that look shorter with the two names exchanged."""
    kept = np.abs(np.diff(right)) + np.abs(np.diff(left))
    # By the triangle inequality no shorter step can be a flip; few steps are so long.
    far = np.flatnonzero(kept > 2 * config.swap_separation / (1 + config.swap_ratio))
    crossed = np.abs(right[far + 1] - left[far]) + np.abs(left[far + 1] - right[far])
    apart = np.minimum(np.abs(right - left)[far], np.abs(right - left)[far + 1])
    flips = np.zeros(len(kept), dtype=bool)
    flips[far] = (apart > config.swap_separation) & (crossed < config.swap_ratio * kept[far])
    return flips
