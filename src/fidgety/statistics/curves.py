"""ROC and precision-recall curves with bootstrap bands, and average precision.

Sources
-------
Fawcett (2006) Pattern Recognit Lett 27:861; Davis, Goadrich (2006) ICML, on why precision-recall
curves are not joined by straight lines; Saito, Rehmsmeier (2015) PLoS ONE 10:e0118432.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fidgety.statistics.arrays import (
    Cohort,
    Estimate,
    Floats,
    Infants,
    Ints,
    cohort,
    fraction,
    whole,
)
from fidgety.statistics.bootstrap import bootstrap, percentile_interval

__all__ = [
    "AveragePrecision",
    "Curve",
    "average_precision",
    "precision_recall_curve",
    "roc_curve",
]


@dataclass(frozen=True, eq=False)
class Curve:
    """A curve through every distinct score, and a band on an even grid.

    Parameters
    ----------
    x, y : ndarray (k,)
        ROC: false and true positive rate, from (0, 0) on. Precision-recall: recall and precision.
    threshold : ndarray (k,)
        Score at or above which a recording counts as abnormal at each point; the first point of an
        ROC curve flags nobody (infinity).
    grid : ndarray (points,)
        Even values of x.
    middle, low, high : ndarray (points,)
        The curve on the grid, and its pointwise bootstrap limits.
    level : float
        Pointwise confidence level of the band.
    """

    x: Floats
    y: Floats
    threshold: Floats
    grid: Floats
    middle: Floats
    low: Floats
    high: Floats
    level: float


@dataclass(frozen=True)
class AveragePrecision(Estimate):
    """Area under the precision-recall curve (average precision), beside what chance gives.

    Parameters
    ----------
    prevalence : float
        Share of abnormal recordings, which a model without skill scores on average.
    """

    prevalence: float


def roc_curve(
    scores: ArrayLike,
    labels: ArrayLike,
    infants: Infants = None,
    *,
    points: int = 101,
    level: float = 0.95,
    draws: int = 2000,
    seed: int | np.random.Generator = 0,
) -> Curve:
    """ROC curve with a pointwise band for sensitivity at each false positive rate.

    Parameters
    ----------
    scores, labels : array_like (n,)
        Higher = more abnormal; 1 = abnormal.
    infants : sequence (n,), optional
        Infant of each recording; infants are resampled whole.
    points : int
        Points of the grid from 0 to 1.
    level, draws, seed
        Of the bootstrap band.

    Raises
    ------
    StudyError
        E240 to E243, see `cohort`.
    ConfigError
        E246, E247 impossible settings.
    """
    data = cohort(scores, labels, infants)
    grid = np.linspace(0, 1, whole(points, "points", 2))
    order, last = _descending(data)

    def rates_on_grid(weights: Floats) -> Floats:
        tp, fp = _cumulative(data, weights, order, last)  # (k + 1, d)
        tpr, fpr = tp / tp[-1], fp / fp[-1]
        return np.stack([np.interp(grid, f, t) for f, t in zip(fpr.T, tpr.T, strict=True)], axis=1)

    low, high = _band(rates_on_grid, data, level, draws, seed)
    tp, fp = _cumulative(data, np.ones((len(data.labels), 1)), order, last)
    x, y = (fp / fp[-1])[:, 0], (tp / tp[-1])[:, 0]
    threshold = np.r_[np.inf, data.scores[order][last]]
    return Curve(x, y, threshold, grid, np.interp(grid, x, y), low, high, level)


def precision_recall_curve(
    scores: ArrayLike,
    labels: ArrayLike,
    infants: Infants = None,
    *,
    points: int = 101,
    level: float = 0.95,
    draws: int = 2000,
    seed: int | np.random.Generator = 0,
) -> Curve:
    """Precision against recall; parameters and errors as in `roc_curve`.

    On the grid, precision is that of the highest threshold which reaches the recall (a step, not a
    straight line). The grid starts at 1 / points, for precision at recall 0 is not defined.
    """
    data = cohort(scores, labels, infants)
    grid = np.linspace(0, 1, whole(points, "points", 2) + 1)[1:]
    order, last = _descending(data)

    def precision_on_grid(weights: Floats) -> Floats:
        tp, fp = (c[1:] for c in _cumulative(data, weights, order, last))  # (k, d)
        precision = tp / np.maximum(tp + fp, 1e-300)
        recall = tp / tp[-1]
        at = [np.searchsorted(r, grid - 1e-12) for r in recall.T]
        return np.stack([p[i] for p, i in zip(precision.T, at, strict=True)], axis=1)

    low, high = _band(precision_on_grid, data, level, draws, seed)
    ones = np.ones((len(data.labels), 1))
    tp, fp = (c[1:, 0] for c in _cumulative(data, ones, order, last))
    middle = precision_on_grid(ones)[:, 0]
    threshold = data.scores[order][last]
    return Curve(tp / tp[-1], tp / (tp + fp), threshold, grid, middle, low, high, level)


def average_precision(
    scores: ArrayLike,
    labels: ArrayLike,
    infants: Infants = None,
    *,
    level: float = 0.95,
    draws: int = 5000,
    seed: int | np.random.Generator = 0,
) -> AveragePrecision:
    """Average precision (area under the precision-recall steps) beside the prevalence.

    Parameters
    ----------
    scores, labels, infants, level, draws, seed
        As in `auc_interval`; infants are resampled within their class, so the prevalence stays.

    Returns
    -------
    AveragePrecision
        At perfect separation the bootstrap has no spread and the limits are NaN; `auc_interval`
        still gives one for the ROC curve.

    Raises
    ------
    StudyError
        E240 to E243, see `cohort`.
    """
    data = cohort(scores, labels, infants)
    order, last = _descending(data)

    def average(weights: Floats) -> Floats:
        tp, fp = _cumulative(data, weights, order, last)
        precision = tp[1:] / np.maximum(tp[1:] + fp[1:], 1e-300)
        return (np.diff(tp, axis=0) * precision).sum(axis=0) / tp[-1]

    value = float(average(np.ones((len(data.labels), 1)))[0])
    drawn = bootstrap(average, data, draws=draws, seed=seed)
    found = percentile_interval(value, drawn, level)
    return AveragePrecision(
        found.value, found.low, found.high, level, found.method, float(data.labels.mean())
    )


def _descending(data: Cohort) -> tuple[Ints, Ints]:
    order = np.argsort(-data.scores, kind="stable")
    return order, np.flatnonzero(np.diff(data.scores[order], append=-np.inf))


def _cumulative(data: Cohort, weights: Floats, order: Ints, last: Ints) -> tuple[Floats, Floats]:
    """True and false positives (k + 1, d) as the threshold falls, from none flagged to all."""
    w = weights[order]
    positive = data.positive[order][:, None]
    start = np.zeros((1, w.shape[1]))
    tp = np.concatenate([start, np.cumsum(w * positive, axis=0)[last]])
    fp = np.concatenate([start, np.cumsum(w * ~positive, axis=0)[last]])
    return tp, fp


def _band(
    on_grid: Callable[[Floats], Floats],
    data: Cohort,
    level: float,
    draws: int,
    seed: int | np.random.Generator,
) -> tuple[Floats, Floats]:
    tail = (1 - fraction(level, "level")) / 2
    drawn = bootstrap(on_grid, data, draws=draws, seed=seed)  # (points, draws)
    low, high = np.quantile(drawn, [tail, 1 - tail], axis=1)
    return low, high
