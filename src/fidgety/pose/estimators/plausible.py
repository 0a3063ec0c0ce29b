"""Joints that cannot be where they are said to be: bones too long, jumps too fast."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fidgety.pose.skeleton import Skeleton

__all__ = ["doubt"]

FACTOR = 0.05  # confidence of an impossible joint is multiplied by this
LONGER = 1.5  # a bone longer than this times its usual greatest length is impossible
FEWEST = 10  # frames from which a usual length is known
JUMP = 0.25  # body sizes away from where the frames around have a joint
FAST = 4.0  # body sizes a second: a faster jump is impossible (a kick reaches about 2)
ENDS = ("wrist", "pinky", "index", "thumb", "ankle", "heel", "toe", "knee", "elbow")


def doubt(
    xy: NDArray[np.float64],
    confidence: NDArray[np.float64],
    time: NDArray[np.float64],
    size: NDArray[np.float64],
    image_size: tuple[int, int],
    skeleton: Skeleton,
) -> NDArray[np.float64]:
    """Confidence (T, V), a twentieth where a joint is impossible, and 0 outside the image.

    A bone cannot look longer than it is; where it does, the joint at its far end is wrong. A joint
    that leaves its place for a frame or two and comes back was mistaken.

    Parameters
    ----------
    xy : ndarray (T, V, 2), px
    confidence : ndarray (T, V)
    time : ndarray (T,), s
    size : ndarray (T,), px
        Of the body; NaN where nobody was seen.
    image_size : (int, int)
        Width and height.
    skeleton : Skeleton
    """
    usual = np.nanmedian(size) if np.isfinite(size).any() else np.nan
    outside = ((xy < 0) | (xy > np.array(image_size) - 1)).any(axis=2)  # NaN is not outside
    wrong = _too_long(xy, confidence, skeleton) | _jumping(xy, time, usual)
    return np.where(outside, 0.0, np.where(wrong, FACTOR * confidence, confidence))


def _too_long(
    xy: NDArray[np.float64], confidence: NDArray[np.float64], skeleton: Skeleton
) -> NDArray[np.bool_]:
    """Joints (T, V) at the far end of a bone longer than it can be."""
    wrong = np.zeros(confidence.shape, dtype=bool)
    for child, parent in skeleton.bones:
        if not any(end in child for end in ENDS):
            continue
        a, b = skeleton.rows(child, parent)
        length = np.hypot(*(xy[:, a] - xy[:, b]).T)  # (T,)
        sure = np.minimum(confidence[:, a], confidence[:, b]) >= 0.5
        if sure.sum() >= FEWEST:
            wrong[:, a] |= length > LONGER * np.quantile(length[sure], 0.9)
    return wrong


def _jumping(xy: NDArray[np.float64], time: NDArray[np.float64], size: float) -> NDArray[np.bool_]:
    """Joints (T, V) that leave their place too fast and come back."""
    wrong = np.zeros(xy.shape[:2], dtype=bool)
    if len(time) < 5 or not np.isfinite(size):
        return wrong
    span = np.maximum(time[3:-1] - time[1:-3], 1e-3) / 2  # (T - 4,)
    for joint in range(xy.shape[1]):  # one at a time: a film of hours has large arrays
        at = xy[:, joint]
        around = np.stack([at[:-4], at[1:-3], at[3:-1], at[4:]])  # (4, T - 4, 2)
        apart = np.linalg.norm(at[2:-2] - np.median(around, axis=0), axis=1)  # (T - 4,)
        wrong[2:-2, joint] = (apart > JUMP * size) & (apart / span > FAST * size)
    return wrong
