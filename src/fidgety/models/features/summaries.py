"""Numbers of a series with gaps: entropies, correlations, spectra. NaN = missing.

Every function looks at the observed values only and gives NaN where there are too few of them.
"""

from __future__ import annotations

import numpy as np

from fidgety.models.features.feature import Floats

__all__ = [
    "amplitude_spectrum",
    "correlation",
    "filled",
    "rounded_entropy",
    "trailing_mean",
]


def rounded_entropy(columns: Floats, step: float) -> Floats:
    """Entropy (J,), in nats, of the values rounded to multiples of `step`."""
    found = np.full(columns.shape[1], np.nan)
    for j, column in enumerate(columns.T):
        values = column[np.isfinite(column)]
        if len(values):
            whole = np.rint(values / step)
            _, counts = np.unique(whole, return_counts=True)
            share = counts / len(values)
            found[j] = abs(float((share * np.log(share)).sum()))
    return found


def correlation(a: Floats, b: Floats) -> Floats:
    """Pearson correlation (J,) of paired columns (T, J), over frames in which both are seen.

    NaN where fewer than three frames are, or one of them does not vary.
    """
    both = np.isfinite(a) & np.isfinite(b)
    count = both.sum(axis=0)
    a, b = (_centred(part, both, count) for part in (a, b))
    size = np.sqrt((a * a).sum(axis=0) * (b * b).sum(axis=0))
    varies = (count >= 3) & (size > 1e-12 * np.maximum(count, 1))
    return np.where(varies, (a * b).sum(axis=0) / np.where(varies, size, 1.0), np.nan)


def _centred(columns: Floats, kept: np.ndarray, count: np.ndarray) -> Floats:
    columns = np.where(kept, columns, 0.0)
    return np.where(kept, columns - columns.sum(axis=0) / np.maximum(count, 1), 0.0)


def trailing_mean(columns: Floats, window: int) -> Floats:
    """Mean (T, J) of each value and those before it, `window` in all.

    NaN in the first ``window - 1`` frames, and wherever a frame of the window is missing.
    """
    if window <= 1:
        return columns
    found = np.full(columns.shape, np.nan)
    if len(columns) >= window:
        view = np.lib.stride_tricks.sliding_window_view(columns, window, axis=0)
        found[window - 1 :] = view.mean(axis=-1)
    return found


def filled(columns: Floats, least: float = 0.5) -> Floats:
    """Columns (T, J) with gaps bridged linearly and ends held; all NaN where too little was seen.

    Parameters
    ----------
    columns : ndarray (T, J)
        NaN where missing.
    least : float
        Share of frames that must have been observed for a column to be filled at all.
    """
    seen = np.isfinite(columns)
    share = seen.mean(axis=0) if len(columns) else np.zeros(columns.shape[1])
    result = np.where((share >= least) & (share > 0), columns, np.nan)
    frames = np.arange(len(columns))
    for j in np.flatnonzero((share >= least) & (share > 0) & (share < 1)):
        result[:, j] = np.interp(frames, frames[seen[:, j]], columns[seen[:, j], j])
    return result


def amplitude_spectrum(columns: Floats, fps: float) -> tuple[Floats, Floats]:
    """Frequencies (F,) in Hz and one-sided amplitudes (F, J) of columns without gaps.

    A sine of amplitude A at one of the frequencies has amplitude A there.
    """
    frames = len(columns)
    found: Floats = np.abs(np.fft.rfft(columns, axis=0)) / frames
    found[1 : (frames + 1) // 2] *= 2
    return np.fft.rfftfreq(frames, 1 / fps).astype(np.float64), found
