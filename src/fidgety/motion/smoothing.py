"""Filters over time, vectorised over joints. Each says what it does to movement and to gaps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = [
    "add_lost_frames",
    "bridge_gaps",
    "local_parabola",
    "resample",
    "rolling_mean",
    "rolling_median",
    "whole_frames",
]

FloatArray = NDArray[np.float64]
_ROUNDING_S = 1e-6  # times nearer than this are the same time
_REACH = 4.0  # standard deviations; the weight beyond is below 4e-4
_BLOCK, _BLOCKS = 8, 128  # times that share a strip of frames; strips at once, to stay in cache


def whole_frames(seconds: float, fps: float) -> int:
    """Whole frames that fit in a time; rounding of the frame rate takes none away."""
    return int(seconds * fps + 1e-6)


def resample(xy: FloatArray, time: FloatArray, fps: float) -> tuple[FloatArray, FloatArray]:
    """Positions (T, V, 2) at even times; unchanged where they are evenly spaced at `fps` already.

    Linear between the two frames around each time, nearest where only one of them was seen.
    Returns the positions and their times.
    """
    steps = np.diff(time)
    if np.all(np.abs(steps - 1 / fps) <= 1e-3 / fps):
        return xy, time
    grid = time[0] + np.arange(whole_frames(time[-1] - time[0], fps) + 1) / fps
    after = np.clip(np.searchsorted(time, grid), 1, len(time) - 1)
    share = ((grid - time[after - 1]) / steps[after - 1])[:, None, None]
    a, b = xy[after - 1], xy[after]
    nearest = np.where(share < 0.5, a, b)
    mixed = (1 - share) * a + share * b
    return np.where(np.isnan(mixed), nearest, mixed), grid


def bridge_gaps(
    xy: FloatArray, time: FloatArray, *, limit_s: float, hold_last: bool = False
) -> FloatArray:
    """Bridge gaps of positions (T, V, 2) linearly where they last at most `limit_s` seconds.

    A gap at the start stays; one at the end holds the last value if `hold_last`.
    """
    missing = np.isnan(xy[..., 0])
    if not missing.any():
        return xy
    filled = xy.copy()
    for joint in np.flatnonzero(missing.any(axis=0) & ~missing.all(axis=0)):
        gaps = missing[:, joint]
        seen = np.flatnonzero(~gaps)
        gap_times = time[gaps]
        nearby = np.searchsorted(time[seen], gap_times)
        inside = (nearby > 0) & (nearby < len(seen))
        after = time[seen[np.minimum(nearby, len(seen) - 1)]]
        before = time[seen[np.maximum(nearby - 1, 0)]]
        short = after - before <= limit_s + _ROUNDING_S
        bridged = inside & short | (hold_last & (nearby == len(seen)))
        rows = np.flatnonzero(gaps)[bridged]
        for axis in range(2):
            filled[rows, joint, axis] = np.interp(time[rows], time[seen], xy[seen, joint, axis])
    return filled


def rolling_median(xy: FloatArray, window: int) -> tuple[FloatArray, int]:
    """Centred running median over full windows only.

    Returns the medians, ``window - 1`` frames fewer, and how many frames were lost at the start. An
    even window reaches one frame further back than forward. A NaN spreads over its window.
    """
    if window <= 1:
        return xy, 0
    if len(xy) < window:
        return xy[:0], 0
    missing = np.isnan(xy[..., 0])  # (T, V)
    columns = np.where(missing[..., None], 0.0, xy).reshape(len(xy), -1).T  # (2 V, T)
    medians = np.ascontiguousarray(columns)
    for column in medians:
        low = ndimage.rank_filter(column, (window - 1) // 2, size=window)
        if window % 2:
            column[:] = low
        else:  # the median of an even window lies between two ranks
            column[:] = (low + ndimage.rank_filter(column, window // 2, size=window)) / 2
    back, ahead = window // 2, (window - 1) // 2
    result = np.ascontiguousarray(medians.T).reshape(xy.shape)[back : len(xy) - ahead]
    if missing.any():
        counts = np.cumsum(np.concatenate([np.zeros_like(missing[:1]), missing]), axis=0, dtype=int)
        result[counts[window:] > counts[:-window]] = np.nan
    return result, back


def rolling_mean(xy: FloatArray, window: int) -> tuple[FloatArray, int]:
    """Centred running mean over full windows only; returns as `rolling_median`."""
    if window <= 1:
        return xy, 0
    if len(xy) < window:
        return xy[:0], 0
    total = xy[: len(xy) - window + 1].copy()
    for start in range(0, len(total), _BLOCK * _BLOCKS):
        part = total[start : start + _BLOCK * _BLOCKS]
        for k in range(start + 1, start + window):
            part += xy[k : k + len(part)]
        part /= window
    return total, window // 2


def add_lost_frames(
    xy: FloatArray, confidence: FloatArray, time: FloatArray, *, limit_s: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Put a frame in which nothing was seen wherever the file left one out.

    Cameras drop frames; a step of more than 1.5 usual ones and at most `limit_s` is such a place.
    After it, a joint lost by the camera and one lost by the tracker are gaps alike.
    """
    steps = np.diff(time)
    usual = float(np.median(steps))
    lost = np.where(steps <= limit_s + _ROUNDING_S, np.rint(steps / usual) - 1, 0).astype(int)
    lost[steps < 1.5 * usual] = 0
    if not lost.any():
        return xy, confidence, time
    behind = np.repeat(np.arange(len(steps)), lost)  # (L,) the frame before each lost one
    order = np.arange(len(behind)) - np.repeat(np.cumsum(lost) - lost, lost) + 1
    times = time[behind] + steps[behind] * order / (lost[behind] + 1)
    return (
        np.insert(xy, behind + 1, np.nan, axis=0),
        np.insert(confidence, behind + 1, 0.0, axis=0),
        np.insert(time, behind + 1, times),
    )


def local_parabola(
    xy: FloatArray,
    confidence: FloatArray,
    time: FloatArray,
    grid: FloatArray,
    sigma_s: float,
    max_gap_s: float,
) -> tuple[FloatArray, FloatArray]:
    """Smooth and resample by a confidence-weighted parabola around each time of `grid`.

    Zero phase. With even confidence the gain at frequency f is ``(1 + u) exp(-u)``,
    u = (2 pi f sigma_s)^2 / 2. Where frames are far apart the weights widen to two thirds of a
    frame step, so that a parabola can be laid at all.

    Parameters
    ----------
    xy, confidence, time : ndarray (T, V, 2), (T, V), (T,)
        Positions (NaN where not seen), confidence (0 there), seconds; T at least 2.
    grid : ndarray (G,)
        Seconds wanted, increasing.
    sigma_s, max_gap_s : float
        Standard deviation of the weights; longest gap bridged. Both in seconds.

    Returns
    -------
    xy, confidence : ndarray (G, V, 2), (G, V)
        NaN and 0 within longer gaps and outside the first and last frame seen.
    """
    seen = confidence > 0
    step = float(np.median(np.diff(time)))
    bridged, sure = xy, confidence
    if not seen.all():
        bridged = bridge_gaps(xy, time, limit_s=max_gap_s)
        empty = np.isnan(bridged[..., 0])
        # A bridge leads the parabola through, no more.
        sure = np.where(seen, confidence, np.where(empty, 0.0, 0.1))
        bridged[empty] = 0.0
    smooth = _weighted_parabola(bridged, sure, time, grid, max(sigma_s, step * 2 / 3))
    del bridged, sure  # an hour of them is 50 MB
    covered, weight = _coverage(seen, confidence, time, grid, max(max_gap_s, 1.5 * step))
    smooth[~covered] = np.nan
    weight[~covered] = 0.0
    return smooth, weight


def _weighted_parabola(
    xy: FloatArray, confidence: FloatArray, time: FloatArray, grid: FloatArray, sigma: float
) -> FloatArray:
    """Value at each grid time of the least-squares parabola through the frames around it."""
    joints = confidence.shape[1]
    smooth = np.empty((len(grid), joints, 2))
    for start in range(0, len(grid), _BLOCK * _BLOCKS):
        part = grid[start : start + _BLOCK * _BLOCKS]
        blocks = np.pad(part, (0, -len(part) % _BLOCK), mode="edge").reshape(-1, _BLOCK)
        rows, powers = _strips(time, blocks, sigma)  # (N, I), (N, 5, B, I)
        first, after = int(rows.min()), int(rows.max()) + 1
        weight, positions = confidence[first:after], xy[first:after]
        packed = np.concatenate(  # (frames of this part, 3 V)
            [weight, weight * positions[..., 0], weight * positions[..., 1]], axis=1
        )
        strips = packed[rows - first]  # (N, I, 3 V)
        width = rows.shape[1]
        sums = powers.reshape(len(rows), -1, width) @ strips[..., :joints]
        moments = (powers[:, :3].reshape(len(rows), -1, width)) @ strips[..., joints:]
        fitted = _vertex_values(
            sums.reshape(-1, 5, _BLOCK, joints), moments.reshape(-1, 3, _BLOCK, 2, joints)
        )
        smooth[start : start + len(part)] = fitted.reshape(-1, joints, 2)[: len(part)]
    return smooth


def _strips(
    time: FloatArray, blocks: FloatArray, sigma: float
) -> tuple[NDArray[np.intp], FloatArray]:
    """Frames (N, I) within reach of each block of times (N, B), and their weights.

    The weights (N, 5, B, I) are Gaussian, times the distance in `sigma` to the power 0 to 4.
    """
    reach = _REACH * sigma
    first = np.searchsorted(time, blocks[:, 0] - reach)
    after = np.searchsorted(time, blocks[:, -1] + reach, side="right")
    rows = first[:, None] + np.arange(max(1, int((after - first).max())))  # (N, I)
    beyond = rows >= after[:, None]
    rows = np.minimum(rows, len(time) - 1)
    apart = (time[rows][:, None] - blocks[..., None]) / sigma  # (N, B, I)
    powers = np.empty((len(blocks), 5, *apart.shape[1:]))
    powers[:, 0] = np.exp(-0.5 * apart * apart)
    powers[:, 0][(np.abs(apart) > _REACH) | beyond[:, None]] = 0.0
    for power in range(1, 5):
        np.multiply(powers[:, power - 1], apart, out=powers[:, power])
    return rows, powers


def _vertex_values(sums: FloatArray, moments: FloatArray) -> FloatArray:
    """Solve the normal equations for the parabola's value in the middle.

    Weights' moments (N, 5, B, V), weighted positions' (N, 3, B, 2, V) -> (N, B, V, 2).
    """
    s0, s1, s2, s3, s4 = (sums[:, power] for power in range(5))  # (N, B, V) each
    # First row of the inverse of the normal equations' matrix [[s0 s1 s2] [s1 s2 s3] [s2 s3 s4]].
    c0, c1, c2 = s2 * s4 - s3 * s3, s2 * s3 - s1 * s4, s1 * s3 - s2 * s2
    determinant = s0 * c0 + s1 * c1 + s2 * c2
    # Too few frames for a parabola: the weighted mean serves.
    unsteady = determinant <= 1e-6 * s0**3
    c0[unsteady], c1[unsteady], c2[unsteady] = 1.0, 0.0, 0.0
    determinant[unsteady] = np.where(s0[unsteady] > 0, s0[unsteady], 1.0)
    rows = np.stack([c0, c1, c2], axis=1) / determinant[:, None]  # (N, 3, B, V)
    values = (rows[:, :, :, None] * moments).sum(axis=1)  # (N, B, 2, V)
    return values.swapaxes(-1, -2)


def _coverage(
    seen: NDArray[np.bool_],
    confidence: FloatArray,
    time: FloatArray,
    grid: FloatArray,
    limit_s: float,
) -> tuple[NDArray[np.bool_], FloatArray]:
    """Whether each grid time lies between frames seen at most `limit_s` apart, and how surely."""
    right = np.clip(np.searchsorted(time, grid - _ROUNDING_S), 0, len(time) - 1)
    left = np.clip(np.searchsorted(time, grid + _ROUNDING_S, side="right") - 1, 0, len(time) - 1)
    rows = np.arange(len(time))
    covered = np.empty((len(grid), seen.shape[1]), dtype=bool)
    weight = np.empty(covered.shape)
    for joint, there in enumerate(seen.T):  # one at a time, so that memory stays small
        last = np.maximum.accumulate(np.where(there, rows, -1))  # (T,)
        following = np.minimum.accumulate(np.where(there, rows, len(time))[::-1])[::-1]
        before, after = last[left], following[right]  # (G,)
        inside = (before >= 0) & (after < len(time))
        before, after = np.maximum(before, 0), np.minimum(after, len(time) - 1)
        covered[:, joint] = inside & (time[after] - time[before] <= limit_s + _ROUNDING_S)
        weight[:, joint] = np.minimum(confidence[before, joint], confidence[after, joint])
    return covered, weight
