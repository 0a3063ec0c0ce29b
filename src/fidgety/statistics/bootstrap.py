"""Resampling infants, not recordings: those of one infant are drawn or left out together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fidgety.statistics.arrays import Cohort, Estimate, Floats, Ints, fraction, whole

__all__ = ["bootstrap", "percentile_interval"]

# Numbers held at once in one array of weights; 32 MB.
_CHUNK = 4_000_000


def bootstrap(
    statistic: Callable[[Floats], Floats],
    data: Cohort,
    *,
    draws: int = 5000,
    seed: int | np.random.Generator = 0,
) -> Floats:
    """Values of a statistic over resampled infants.

    Infants are drawn with replacement within three strata (only normal recordings, only abnormal
    ones, both), so that every draw keeps the classes' sizes and no draw lacks a class.

    Parameters
    ----------
    statistic : callable
        Takes weights (n, d), how often each recording is in each of d draws, and returns (..., d).
    data : Cohort
        Labels and infants of the n recordings.
    draws : int
        Number of draws.
    seed : int or numpy.random.Generator
        The same seed gives the same draws.

    Returns
    -------
    ndarray (..., draws)
    """
    whole(draws, "draws")
    rng = np.random.default_rng(seed)
    strata = _strata(data)
    step = max(1, _CHUNK // len(data.labels))
    parts = []
    for start in range(0, draws, step):
        counts = _counts(strata, min(step, draws - start), rng)  # (d, infants)
        parts.append(statistic((counts[:, data.infant] if data.clustered else counts).T))
    return np.concatenate(parts, axis=-1)


def percentile_interval(
    value: float, drawn: Floats, level: float = 0.95, unit: str = "infants"
) -> Estimate:
    """Estimate with the percentile interval of bootstrap values.

    Where all draws agree (perfect separation, one infant a class) the bootstrap knows nothing of
    the uncertainty: the limits are then NaN, not an interval of width zero.
    """
    tail = (1 - fraction(level, "level")) / 2
    draws = drawn[np.isfinite(drawn)]
    if not draws.size or np.ptp(draws) < 1e-12:
        return Estimate(value, np.nan, np.nan, level, "none: all bootstrap draws agree")
    low, high = np.quantile(draws, [tail, 1 - tail])
    name = f"percentile bootstrap over {unit}, {drawn.size} draws"
    return Estimate(value, float(low), float(high), level, name)


def _strata(data: Cohort) -> list[Ints]:
    recordings = np.bincount(data.infant)
    positives = np.bincount(data.infant, weights=data.labels)
    kind = (positives > 0).astype(int) + 2 * (positives < recordings)  # 1, 2 or 3 = both
    return [np.flatnonzero(kind == k) for k in (1, 2, 3) if (kind == k).any()]


def _counts(strata: list[Ints], draws: int, rng: np.random.Generator) -> Floats:
    """How often each infant is in each draw, (draws, infants)."""
    counts = np.empty((draws, sum(map(len, strata))))
    for members in strata:
        k = len(members)
        first = np.arange(0, draws * k, k)[:, None]  # of each draw's cells
        cells = rng.integers(0, k, size=(draws, k)) + first
        counts[:, members] = np.bincount(cells.ravel(), minlength=draws * k).reshape(draws, k)
    return counts
