"""Filters over time, vectorised over joints. Each says what it does to movement and to gaps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["bridge_gaps", "local_parabola", "resample", "rolling_mean", "rolling_median"]

FloatArray = NDArray[np.float64]
_BLOCK = 256  # frames at a time, so that the gathered windows stay in the processor's cache


def resample(xy: FloatArray, time: FloatArray, fps: float) -> tuple[FloatArray, FloatArray]:
    """Positions (T, V, 2) at even times; unchanged where they are evenly spaced at `fps` already.

    Linear between the two frames around each time, nearest where only one of them was seen.
    Returns the positions and their times.
    """
    steps = np.diff(time)
    if len(time) < 2 or np.allclose(steps, 1 / fps, rtol=0, atol=1e-3 / fps):
        return xy, time
    grid = time[0] + np.arange(int((time[-1] - time[0]) * fps + 1e-6) + 1) / fps
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
        bridged = inside & (after - before <= limit_s) | (hold_last & (nearby == len(seen)))
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
    missing = np.isnan(xy)
    columns = np.where(missing, 0.0, xy).reshape(len(xy), -1).T  # (2 V, T)
    ranks = {(window - 1) // 2, window // 2}  # an even window's median lies between two ranks
    medians = [
        sum(ndimage.rank_filter(column, rank, size=window) for rank in ranks) / len(ranks)
        for column in np.ascontiguousarray(columns)
    ]
    back, ahead = window // 2, (window - 1) // 2
    result = np.stack(medians, axis=1).reshape(xy.shape)[back : len(xy) - ahead]
    if missing.any():
        counts = np.cumsum(np.concatenate([np.zeros_like(xy[:1]), missing]), axis=0)
        result[counts[window:] > counts[:-window]] = np.nan
    return result, back


def rolling_mean(xy: FloatArray, window: int) -> tuple[FloatArray, int]:
    """Centred running mean over full windows only; returns as `rolling_median`."""
    if window <= 1:
        return xy, 0
    if len(xy) < window:
        return xy[:0], 0
    total = sum(xy[k : len(xy) - window + 1 + k] for k in range(window))
    return np.asarray(total) / window, window // 2


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
    u = (2 pi f sigma_s)^2 / 2. Where frames are far apart the weights widen to two thirds of a frame
    step, so that a parabola can be laid at all.

    Parameters
    ----------
    xy, confidence, time : ndarray (T, V, 2), (T, V), (T,)
        Positions (NaN where not seen), confidence (0 there), seconds.
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
    values = np.where(seen[..., None], xy, 0.0)
    filled = np.where(seen[..., None], xy, np.nan)
    covered, weight = _coverage(seen, confidence, time, grid, max_gap_s)
    if not seen.all():
        filled = bridge_gaps(filled, time, limit_s=max_gap_s)
        values = np.nan_to_num(filled, nan=0.0)
        bridged = ~seen & ~np.isnan(filled[..., 0])
        confidence = np.where(bridged, 0.1, confidence)  # leads the parabola through, no more
    step = float(np.median(np.diff(time)))
    sigma = max(sigma_s, step * 2 / 3)
    reach = max(2, int(np.ceil(3 * sigma / step)))
    smooth = _weighted_parabola(values, confidence, time, grid, sigma, reach)
    smooth[~covered] = np.nan
    return smooth, np.where(covered, weight, 0.0)


def _weighted_parabola(
    values: FloatArray,
    confidence: FloatArray,
    time: FloatArray,
    grid: FloatArray,
    sigma: float,
    reach: int,
) -> FloatArray:
    """Value at each grid time of the least-squares parabola through the frames around it."""
    nearest = np.clip(np.searchsorted(time, grid), 1, len(time) - 1)
    nearest -= grid - time[nearest - 1] < time[nearest] - grid
    index = nearest[:, None] + np.arange(-reach, reach + 1)  # (G, W) frames around each time
    inside = (index >= 0) & (index < len(time))
    index = np.clip(index, 0, len(time) - 1)
    apart = (time[index] - grid[:, None]) / sigma  # (G, W)
    kernel = np.where(inside, np.exp(-0.5 * apart * apart), 0.0)
    powers = kernel[:, None] * apart[:, None] ** np.arange(5)[:, None]  # (G, 5, W)
    joints = confidence.shape[1]
    packed = np.concatenate(  # (T, 3 V): weight, weight * x, weight * y
        [confidence, confidence * values[..., 0], confidence * values[..., 1]], axis=1
    )
    sums = np.empty((len(grid), 5, 3 * joints))
    for start in range(0, len(grid), _BLOCK):
        block = slice(start, start + _BLOCK)
        np.matmul(powers[block], packed[index[block]], out=sums[block])
    s0, s1, s2, s3, s4 = (sums[:, power, :joints] for power in range(5))  # (G, V) each
    # First row of the inverse of the normal equations' matrix [[s0 s1 s2] [s1 s2 s3] [s2 s3 s4]].
    c0, c1, c2 = s2 * s4 - s3 * s3, s2 * s3 - s1 * s4, s1 * s3 - s2 * s2
    determinant = s0 * c0 + s1 * c1 + s2 * c2
    # Too few frames for a parabola: the weighted mean serves.
    steady = determinant > 1e-6 * s0**3
    safe = np.where(steady, determinant, 1.0)
    smooth = np.empty((len(grid), joints, 2))
    for axis in range(2):
        columns = slice(joints * (axis + 1), joints * (axis + 2))
        y0, y1, y2 = (sums[:, power, columns] for power in range(3))
        mean = y0 / np.where(s0 > 0, s0, 1.0)
        smooth[..., axis] = np.where(steady, (c0 * y0 + c1 * y1 + c2 * y2) / safe, mean)
    return smooth


def _coverage(
    seen: NDArray[np.bool_],
    confidence: FloatArray,
    time: FloatArray,
    grid: FloatArray,
    max_gap_s: float,
) -> tuple[NDArray[np.bool_], FloatArray]:
    """Whether each grid time lies between frames seen at most `max_gap_s` apart, and how surely."""
    step = float(np.median(np.diff(time)))
    rows = np.arange(len(time))[:, None]
    last = np.maximum.accumulate(np.where(seen, rows, -1), axis=0)  # (T, V)
    following = np.minimum.accumulate(np.where(seen, rows, len(time))[::-1], axis=0)[::-1]
    right = np.clip(np.searchsorted(time, grid - 1e-9), 0, len(time) - 1)
    left = np.clip(np.searchsorted(time, grid + 1e-9, side="right") - 1, 0, len(time) - 1)
    before, after = last[left], following[right]  # (G, V)
    inside = (before >= 0) & (after < len(time))
    before, after = np.maximum(before, 0), np.minimum(after, len(time) - 1)
    limit = max(max_gap_s, 1.5 * step) + 1e-9
    covered = inside & (time[after] - time[before] <= limit)
    joints = np.arange(confidence.shape[1])[None]
    return covered, np.minimum(confidence[before, joints], confidence[after, joints])
