"""Do risks mean what they say? Calibration slope, intercept, Brier, ECE and the reliability curve.

Sources
-------
Cox (1958) Biometrika 45:562 and Van Calster et al. (2019) BMC Med 17:230, slope and intercept.
Brier (1950) Mon Weather Rev 78:1; Steyerberg et al. (2010) Epidemiology 21:128, scaled Brier.
Spiegelhalter (1986) Stat Med 5:421; Naeini et al. (2015) AAAI, expected calibration error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logit, ndtr

from fidgety.statistics.arrays import (
    Cohort,
    Estimate,
    Floats,
    Infants,
    Ints,
    cohort,
    probabilities,
    whole,
    z_value,
)
from fidgety.statistics.bootstrap import bootstrap, percentile_interval
from fidgety.statistics.logistic import fit_logistic, logistic_covariance, separated
from fidgety.statistics.rates import wilson

__all__ = ["Calibration", "ReliabilityBin", "calibration", "reliability_curve"]

# Risks of exactly 0 or 1 have no logit; they count as one in a million.
_EDGE = 1e-6


@dataclass(frozen=True)
class Calibration:
    """Agreement of predicted risks with what happened.

    Parameters
    ----------
    slope : Estimate
        Of the label's logit on the risk's logit; 1 is right, below 1 the risks are too extreme.
        NaN where the risks part the classes (then no slope exists).
    intercept : Estimate
        That goes with `slope`; 0 is right.
    in_the_large : Estimate
        Intercept with the slope held at 1: above 0 the risks are too low on the whole.
    expected, observed : float
        Mean risk and share of abnormal recordings.
    brier : Estimate
        Mean squared error of the risks, bootstrap over infants.
    brier_prevalence : float
        Brier score of always predicting this group's prevalence; a useful model is below it.
    brier_scaled : Estimate
        1 - brier / brier_prevalence; above 0 is better than the prevalence.
    ece : float
        Expected calibration error: mean distance of mean risk and observed share over the bins.
    ece_if_perfect, ece_if_perfect_high : float
        Mean and 95th percentile of the ECE that perfectly calibrated risks would show at this size,
        which is well above 0 in small studies. Compare `ece` with these, not with 0.
    bins : int
        Bins of equal count behind the ECE.
    spiegelhalter_z, spiegelhalter_p : float
        Test that the risks are right.
    """

    slope: Estimate
    intercept: Estimate
    in_the_large: Estimate
    expected: float
    observed: float
    brier: Estimate
    brier_prevalence: float
    brier_scaled: Estimate
    ece: float
    ece_if_perfect: float
    ece_if_perfect_high: float
    bins: int
    spiegelhalter_z: float
    spiegelhalter_p: float


@dataclass(frozen=True)
class ReliabilityBin(Estimate):
    """One bin of a reliability curve: the observed share with its Wilson interval.

    Parameters
    ----------
    predicted : float
        Mean risk in the bin.
    lowest, highest : float
        Smallest and largest risk in the bin.
    count : int
        Recordings in the bin.
    """

    predicted: float
    lowest: float
    highest: float
    count: int


def calibration(
    risks: ArrayLike,
    labels: ArrayLike,
    infants: Infants = None,
    *,
    bins: int = 10,
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> Calibration:
    """Measure the calibration of risks on recordings that had no part in fitting them.

    Parameters
    ----------
    risks : array_like (n,)
        Predicted probabilities of abnormality.
    labels : array_like (n,)
        1 = abnormal.
    infants : sequence (n,), optional
        Infant of each recording: standard errors are then robust to clusters, and infants are
        resampled whole.
    bins : int
        Bins of equal count for the ECE; fewer where there are fewer recordings or many ties.
    level, draws, seed
        Of the intervals and the bootstrap.

    Raises
    ------
    StudyError
        E240 to E244, see `cohort` and `probabilities`.
    ConfigError
        E246, E247 impossible settings.
    """
    p = probabilities(risks, "Risks")
    data = cohort(p, labels, infants)
    y = data.labels.astype(np.float64)
    z = z_value(level)
    slope, intercept, large = _recalibration(data, z, level)
    prevalence = float(y.mean())
    reference = prevalence * (1 - prevalence)
    squares = (p - y) ** 2  # (n,)
    drawn = bootstrap(
        lambda w: squares @ w / w.sum(axis=0), data, draws=draws, seed=seed
    )  # classes keep their size, and so the reference stays
    brier = percentile_interval(float(squares.mean()), drawn, level)
    value, low, high = (1 - v / reference for v in (brier.value, brier.high, brier.low))
    scaled = Estimate(value, low, high, level, brier.method)
    index = _bins(p, whole(bins, "bins"))
    ece = float(_ece(p, y[None], index)[0])
    perfect = _ece_of_perfect_risks(p, index, np.random.default_rng(seed))
    variance = float(((1 - 2 * p) ** 2 * p * (1 - p)).sum())
    test = float(((y - p) * (1 - 2 * p)).sum()) / variance**0.5 if variance > 0 else np.nan
    return Calibration(
        slope=slope,
        intercept=intercept,
        in_the_large=large,
        expected=float(p.mean()),
        observed=prevalence,
        brier=brier,
        brier_prevalence=reference,
        brier_scaled=scaled,
        ece=ece,
        ece_if_perfect=float(perfect.mean()),
        ece_if_perfect_high=float(np.quantile(perfect, 0.95)),
        bins=int(index.max()) + 1,
        spiegelhalter_z=test,
        spiegelhalter_p=float(2 * ndtr(-abs(test))),
    )


def reliability_curve(
    risks: ArrayLike, labels: ArrayLike, *, bins: int = 10, level: float = 0.95
) -> list[ReliabilityBin]:
    """Observed share against mean risk in bins of equal count, equal risks kept together.

    Parameters
    ----------
    risks, labels : array_like (n,)
        Predicted probabilities and labels; one class is enough.
    bins : int
        Bins wanted; ties and few recordings give fewer.
    level : float
        Of the Wilson intervals.

    Raises
    ------
    StudyError
        E240, E241, E243, E244, see `cohort` and `probabilities`.
    """
    p = probabilities(risks, "Risks")
    data = cohort(p, labels, both_classes=False)
    index = _bins(p, whole(bins, "bins"))
    curve = []
    for k in range(int(index.max()) + 1):
        inside = index == k
        n = int(inside.sum())
        share = wilson(int(data.labels[inside].sum()), n, level=level)
        edges = float(p[inside].min()), float(p[inside].max())
        mean = float(p[inside].mean())
        curve.append(
            ReliabilityBin(share.value, share.low, share.high, level, share.method, mean, *edges, n)
        )
    return curve


def _recalibration(data: Cohort, z: float, level: float) -> tuple[Estimate, Estimate, Estimate]:
    x = logit(np.clip(data.scores, _EDGE, 1 - _EDGE))
    y = data.labels.astype(np.float64)
    one = np.ones((len(x), 1))
    large = fit_logistic(one, y, offset=x)
    spread = logistic_covariance(one, y, large, x, data.infant)
    robust = ", cluster-robust" if data.clustered else ""

    def wald(value: float, variance: float) -> Estimate:
        value, half = float(value), z * float(np.sqrt(variance))
        return Estimate(value, value - half, value + half, level, f"Wald{robust}")

    if separated(x, data.labels):
        none = Estimate(np.nan, np.nan, np.nan, level, "none: one risk parts the classes")
        return none, none, wald(large[0], spread[0, 0])
    columns = np.column_stack([one, x])
    beta = fit_logistic(columns, y)
    both = logistic_covariance(columns, y, beta, 0.0, data.infant)
    return wald(beta[1], both[1, 1]), wald(beta[0], both[0, 0]), wald(large[0], spread[0, 0])


def _bins(p: Floats, wanted: int) -> Ints:
    """Bin of each risk (n,), 0 ... k - 1: equal counts, equal risks together, none empty."""
    first = np.searchsorted(np.sort(p), p, side="left")  # rank of the first of equal risks
    coarse = first * min(wanted, len(p)) // len(p)
    return np.unique(coarse, return_inverse=True)[1].astype(np.int64)


def _ece_of_perfect_risks(
    p: Floats, index: Ints, rng: np.random.Generator, draws: int = 1000
) -> Floats:
    step = max(1, 2_000_000 // len(p))
    parts = [
        _ece(p, (rng.random((min(step, draws - k), len(p))) < p).astype(np.float64), index)
        for k in range(0, draws, step)
    ]
    return np.concatenate(parts)


def _ece(p: Floats, labels: Floats, index: Ints) -> Floats:
    """Expected calibration error (d,) for labels (d, n)."""
    one_hot = np.eye(int(index.max()) + 1)[index]  # (n, bins)
    return np.abs((p - labels) @ one_hot).sum(axis=1) / len(p)
