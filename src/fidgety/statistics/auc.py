"""The area under the ROC curve: its interval, and the difference between two models.

Sources
-------
DeLong, DeLong, Clarke-Pearson (1988) Biometrics 44:837, the variance by placements.
Obuchowski (1997) Biometrics 53:567, the same for several recordings of one infant (clusters).
Newcombe (2006) Stat Med 25:559, method 5, a score interval that exists at an AUC of 1.
Sun, Xu (2014) IEEE Signal Process Lett 21:1389, placements by ranks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from fidgety.statistics.arrays import (
    Cohort,
    Estimate,
    Floats,
    Infants,
    choice,
    cohort,
    z_value,
)
from fidgety.statistics.bootstrap import bootstrap, percentile_interval

__all__ = ["AUC", "CHANCE", "auc_interval", "roc_auc"]

CHANCE = 0.5  # of a score that knows nothing

AUCMethod = Literal["logit", "linear", "newcombe", "bootstrap"]
_METHODS = ("logit", "linear", "newcombe", "bootstrap")


@dataclass(frozen=True)
class AUC(Estimate):
    """Area under the ROC curve with its interval.

    Parameters
    ----------
    standard_error : float
        DeLong's (Obuchowski's for several recordings an infant); 0 at perfect separation, NaN where
        a class has a single infant.
    positives, negatives : int
        Recordings of each class.
    infants : int
        Infants behind them.
    """

    standard_error: float
    positives: int
    negatives: int
    infants: int


def roc_auc(scores: ArrayLike, labels: ArrayLike) -> float:
    """Area under the ROC curve: P(abnormal score > normal score) + half of P(equal).

    Parameters
    ----------
    scores, labels : array_like (n,)
        Higher = more abnormal; 1 = abnormal.

    Raises
    ------
    StudyError
        E240 to E243, see `cohort`.
    """
    data = cohort(scores, labels)
    return float(placements(data.scores[None], data.positive)[1][0])


def auc_interval(
    scores: ArrayLike,
    labels: ArrayLike,
    infants: Infants = None,
    *,
    method: AUCMethod = "logit",
    level: float = 0.95,
    draws: int = 5000,
    seed: int | np.random.Generator = 0,
) -> AUC:
    """Area under the ROC curve with a confidence interval.

    Parameters
    ----------
    scores, labels : array_like (n,)
        Out-of-fold scores, higher = more abnormal, and labels, 1 = abnormal.
    infants : sequence (n,), optional
        Infant of each recording. With several recordings an infant the variance is Obuchowski's,
        and the bootstrap keeps an infant's recordings together.
    method : {"logit", "linear", "newcombe", "bootstrap"}
        DeLong's variance on the logit scale (stays within 0 and 1) or as it is (cut at 0 and 1);
        Newcombe's score interval from the area and the numbers of infants alone; percentile
        bootstrap over infants.
    level : float
        Confidence level.
    draws, seed
        Of the bootstrap.

    Returns
    -------
    AUC
        ``method`` names the interval in fact given: where DeLong's variance is 0 (perfect
        separation) or undefined (one infant in a class), and where all bootstrap draws agree, it is
        Newcombe's.

    Raises
    ------
    StudyError
        E240 to E243, see `cohort`.
    ConfigError
        E246 level not within 0 and 1, E247 draws, E248 unknown method.
    """
    choice(method, _METHODS, "method")
    z = z_value(level)
    data = cohort(scores, labels, infants)
    placed, areas = placements(data.scores[None], data.positive)
    area = float(areas[0])
    error = root(area_covariance(placed, areas, data)[0, 0])
    estimate = Estimate(area, np.nan, np.nan, level, "")
    if method == "bootstrap":
        drawn = bootstrap(lambda w: weighted_auc(data, w), data, draws=draws, seed=seed)
        estimate = percentile_interval(area, drawn, level)
    elif method != "newcombe" and error > 0:
        estimate = _wald(area, error, z, level, method, data.clustered)
    if not estimate.low <= estimate.high:
        low, high = newcombe_limits(area, data.infants_with(1), data.infants_with(0), z)
        estimate = Estimate(area, low, high, level, "Newcombe score interval")
    n1 = int(data.labels.sum())
    return AUC(
        *(estimate.value, estimate.low, estimate.high, level, estimate.method),
        standard_error=error,
        positives=n1,
        negatives=len(data.labels) - n1,
        infants=data.infants,
    )


def weighted_auc(data: Cohort, weights: Floats) -> Floats:
    """Areas (d,) under the ROC curve for recordings counted `weights` (n, d) times."""
    x, y = data.scores[data.positive], data.scores[~data.positive]
    # Multiples of a half, exact in float32 up to 8 million pairs an abnormal recording.
    better = (np.greater.outer(y, x) * np.float32(-1) + np.less.outer(y, x) + 1) / np.float32(2)
    w1, w0 = weights[data.positive].T, weights[~data.positive].T  # (d, n1), (d, n0)
    won = np.einsum("ij,ij->i", w0.astype(np.float32) @ better.astype(np.float32), w1)
    return won / (w1.sum(axis=1) * w0.sum(axis=1))


def newcombe_limits(
    area: float, positives: float, negatives: float, z: float
) -> tuple[float, float]:
    """Limits of Newcombe's (2006) score interval, method 5, for an area under the ROC curve."""
    extra = (positives + negatives) / 2 - 1

    def outside(theta: float) -> float:
        spread = 1 + extra * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        return (theta - area) ** 2 - z**2 * theta * (1 - theta) * spread / (positives * negatives)

    # Just inside 0 and 1, where the equation has a second, meaningless root.
    low = 0.0 if area <= 0 else _bisect(outside, min(area, 1 - 1e-12), 0.0)
    high = 1.0 if area >= 1 else _bisect(outside, max(area, 1e-12), 1.0)
    return low, high


def midranks(scores: Floats) -> Floats:
    """Ranks from 1 up (n,), ties sharing the mean of theirs."""
    _, group, count = np.unique(scores, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[group]


def placements(scores: Floats, positive: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """For scores (M, n): share of the other class rightly ordered (M, n), and areas (M,)."""
    n1 = int(positive.sum())
    n0 = positive.size - n1
    placed = np.empty(scores.shape)
    rank = partial(np.apply_along_axis, midranks, 1)
    overall = rank(scores)
    placed[:, positive] = (overall[:, positive] - rank(scores[:, positive])) / n0
    placed[:, ~positive] = 1 - (overall[:, ~positive] - rank(scores[:, ~positive])) / n1
    return placed, placed[:, positive].mean(axis=1)


def area_covariance(placed: Floats, areas: Floats, data: Cohort) -> Floats:
    """Covariance (M, M) of areas: Obuchowski's; DeLong's if each infant has one recording."""
    i1, i0 = data.infants_with(1), data.infants_with(0)
    if i1 < 2 or i0 < 2:
        return np.full((len(areas), len(areas)), np.nan)
    away = placed - areas[:, None]
    both = np.zeros((2, len(areas), data.infants))  # abnormal, normal
    np.add.at(both[0].T, data.infant[data.positive], away[:, data.positive].T)
    np.add.at(both[1].T, data.infant[~data.positive], away[:, ~data.positive].T)
    a, b = both[0] / data.positive.sum(), both[1] / (~data.positive).sum()  # (M, infants)
    cross = a @ b.T * data.infants / (data.infants - 1)
    return i1 / (i1 - 1) * a @ a.T + i0 / (i0 - 1) * b @ b.T + cross + cross.T


def root(variance: float) -> float:
    """Square root; a rounding remainder of a variance of 0 counts as 0, NaN stays NaN."""
    return 0.0 if variance < 1e-14 else float(np.sqrt(variance))


def _wald(
    area: float, error: float, z: float, level: float, method: str, clustered: bool
) -> Estimate:
    source = "Obuchowski" if clustered else "DeLong"
    if method == "linear":
        low, high = max(area - z * error, 0.0), min(area + z * error, 1.0)
        return Estimate(area, low, high, level, source)
    half = z * error / (area * (1 - area))
    low, high = float(expit(logit(area) - half)), float(expit(logit(area) + half))
    return Estimate(area, low, high, level, f"{source}, logit scale")


def _bisect(function: Callable[[float], float], inside: float, outside: float) -> float:
    """Root between a point where `function` is negative and one where it is not."""
    for _ in range(60):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if function(middle) < 0 else (inside, middle)
    return (inside + outside) / 2
