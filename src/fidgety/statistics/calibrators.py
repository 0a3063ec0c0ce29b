"""From score to risk: calibrators for few infants, small enough to travel in a checkpoint.

The default, ``platt``, is a logistic curve fitted to smoothed targets: two parameters, which is
what 20 to 200 infants can pay for, and finite where the scores part the classes. ``anchored`` is
for scores that were trained to be logits and need little change: it departs from them only as far
as the infants demand. A risk never falls with the score: where the fitted slope would, it is 0, and
every risk is the prevalence. ``docs/statistics.md`` has the simulations behind these choices.

Sources
-------
Platt (1999), with the target smoothing; Lin, Lin, Weng (2007) Mach Learn 68:267.
Steyerberg et al. (2004) Stat Med 23:2567, shrinkage towards the model as it is; Firth (1993)
Biometrika 80:27; Kull, Silva Filho, Flach (2017) AISTATS, beta calibration.
Zadrozny, Elkan (2002) KDD, isotonic regression.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_expit

from fidgety.errors import CheckpointError, ConfigError, StudyError
from fidgety.statistics.arrays import (
    Cohort,
    Floats,
    Infants,
    choice,
    cohort,
    numbers_from,
)
from fidgety.statistics.logistic import fit_logistic, separated

__all__ = [
    "BetaCalibrator",
    "Calibrator",
    "IsotonicCalibrator",
    "LogisticCalibrator",
    "calibrator_from_dict",
    "fit_calibrator",
]

Method = Literal["platt", "anchored", "firth", "logistic", "beta", "isotonic"]
_METHODS = ("platt", "anchored", "firth", "logistic", "beta", "isotonic")
# Of `anchored`, before an infant was seen: the slope lies within a factor of e of the anchor, the
# intercept within 2 of 0, with 95 % probability.
_LOG_SLOPE_SD = 0.5
_INTERCEPT = (np.zeros(1), np.ones(1))


class Calibrator(Protocol):
    """Turns scores into risks, and itself into plain JSON."""

    @property
    def infants(self) -> int:
        """Infants that it was fitted on."""
        ...

    def probability(self, score: ArrayLike) -> Floats:
        """Risk of each score, same shape; NaN stays NaN."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Plain content for JSON; `calibrator_from_dict` reads it back."""
        ...


@dataclass(frozen=True)
class LogisticCalibrator:
    """Risk = sigmoid(slope * score + intercept).

    Parameters
    ----------
    slope, intercept : float
        The slope is never negative as fitted here.
    method : str
        How they were fitted.
    infants : int
        Infants that they were fitted on.
    """

    slope: float
    intercept: float
    method: str
    infants: int

    def probability(self, score: ArrayLike) -> Floats:
        """Risk of each score, same shape; NaN stays NaN."""
        return expit(self.slope * np.asarray(score, dtype=np.float64) + self.intercept)

    def to_dict(self) -> dict[str, Any]:
        """Plain content for JSON."""
        return {
            "kind": "logistic",
            "slope": self.slope,
            "intercept": self.intercept,
            "method": self.method,
            "infants": self.infants,
        }


@dataclass(frozen=True)
class BetaCalibrator:
    """Risk = sigmoid(a * log p - b * log(1 - p) + c) with p = sigmoid(score), a and b not negative.

    Parameters
    ----------
    a, b, c : float
    infants : int
        Infants that they were fitted on.
    """

    a: float
    b: float
    c: float
    infants: int

    def probability(self, score: ArrayLike) -> Floats:
        """Risk of each score, same shape; NaN stays NaN."""
        s = np.asarray(score, dtype=np.float64)
        return expit(self.a * log_expit(s) - self.b * log_expit(-s) + self.c)

    def to_dict(self) -> dict[str, Any]:
        """Plain content for JSON."""
        return {"kind": "beta", "a": self.a, "b": self.b, "c": self.c, "infants": self.infants}


@dataclass(frozen=True)
class IsotonicCalibrator:
    """Risk by a rising line through knots, level outside them.

    Parameters
    ----------
    scores, risks : tuple of float (k,)
        Knots, both rising.
    infants : int
        Infants that they were fitted on.
    """

    scores: tuple[float, ...]
    risks: tuple[float, ...]
    infants: int

    def probability(self, score: ArrayLike) -> Floats:
        """Risk of each score, same shape; NaN stays NaN."""
        return np.interp(np.asarray(score, dtype=np.float64), self.scores, self.risks)

    def to_dict(self) -> dict[str, Any]:
        """Plain content for JSON."""
        return {
            "kind": "isotonic",
            "scores": list(self.scores),
            "risks": list(self.risks),
            "infants": self.infants,
        }


def fit_calibrator(
    scores: ArrayLike,
    labels: ArrayLike,
    infants: Infants = None,
    *,
    method: Method = "platt",
    anchor: float = 1.0,
) -> Calibrator:
    """Fit a calibrator on held-out scores.

    .. warning:: Give out-of-fold scores of training infants. Scores of recordings that the model
       was fitted on are too extreme, and so would be the risks.

    Parameters
    ----------
    scores : array_like (n,)
        Logits, or any score that rises with the risk. Logits are needed for ``beta`` only.
    labels : array_like (n,)
        1 = abnormal.
    infants : sequence (n,), optional
        Infant of each recording; each infant then counts once, shared over its recordings.
    method : {"platt", "anchored", "firth", "logistic", "beta", "isotonic"}
        ``platt``: logistic curve on smoothed targets, the default. ``anchored``: logistic curve
        with a prior at slope `anchor` and intercept 0, for logits of a model trained by log loss.
        ``firth``: logistic curve with Firth's penalty. ``logistic``: plain maximum likelihood, from
        some hundred infants on. ``beta``: three parameters on smoothed targets, for logits that
        saturate. ``isotonic``: any rising curve, from about a thousand infants on.
    anchor : float
        Slope that ``anchored`` expects before it has seen an infant: 1 for logits that are right,
        more for the mean of several models that are right by themselves (`Averaged.gain`).

    Returns
    -------
    Calibrator

    Raises
    ------
    StudyError
        E240 to E243, see `cohort`; E250 scores that part the classes, with ``logistic``.
    ConfigError
        E246 an anchor that is not above 0, E248 unknown method.
    """
    choice(method, _METHODS, "method")
    if not (np.isfinite(anchor) and anchor > 0):
        raise ConfigError("E246", f"An anchor of {anchor}", remedy="Give a slope above 0")
    data = cohort(scores, labels, infants)
    weights = (1 / np.bincount(data.infant))[data.infant]  # (n,)
    if method == "isotonic":
        return _isotonic(data, weights)
    if method == "logistic" and separated(data.scores, data.labels):
        raise StudyError(
            "E250",
            "The scores part the classes, so that a logistic curve has no finite slope",
            remedy="Use the method 'platt' or 'firth'",
        )
    if method == "beta":
        return _beta(data, weights)
    slope, intercept = _line(data, weights, method, anchor)
    return LogisticCalibrator(slope, intercept, method, data.infants)


def calibrator_from_dict(content: Mapping[str, Any]) -> Calibrator:
    """Read back what `Calibrator.to_dict` gave.

    Raises
    ------
    CheckpointError
        E260 unknown kind, numbers missing, not finite or out of order, or a curve that falls.
    """
    kind = content.get("kind") if isinstance(content, Mapping) else None
    what = "calibration"
    if kind == "logistic":
        slope, intercept = numbers_from(content, ("slope", "intercept"), what)
        _refuse_falling(slope < 0)
        return LogisticCalibrator(slope, intercept, str(content.get("method")), _count(content))
    if kind == "beta":
        a, b, c = numbers_from(content, ("a", "b", "c"), what)
        _refuse_falling(min(a, b) < 0)
        return BetaCalibrator(a, b, c, _count(content))
    if kind == "isotonic":
        scores, risks = (
            tuple(numbers_from(dict(enumerate(values)), range(len(values)), what))
            for values in (content.get("scores") or [], content.get("risks") or [])
        )
        if not scores or len(scores) != len(risks) or sorted(scores) != list(scores):
            raise CheckpointError("E260", "The stored calibration has knots that do not fit")
        _refuse_falling(sorted(risks) != list(risks))
        return IsotonicCalibrator(scores, risks, _count(content))
    raise CheckpointError(
        "E260",
        f"The stored calibration is of an unknown kind {kind!r}",
        remedy="Update fidgety, or fit the calibration again",
    )


def _refuse_falling(falls: bool) -> None:
    if falls:
        raise CheckpointError(
            "E260",
            "The stored calibration falls as the score rises",
            why="the model was worse than chance on the infants that calibrated it",
            remedy="Train the model again",
        )


def _count(content: Mapping[str, Any]) -> int:
    return int(numbers_from(content, ("infants",), "calibration")[0])


def _smoothed(data: Cohort, weights: Floats) -> Floats:
    """Platt's targets: (n1 + 1) / (n1 + 2) and 1 / (n0 + 2), counted in infants."""
    n1, n0 = float(weights[data.positive].sum()), float(weights[~data.positive].sum())
    return np.where(data.positive, (n1 + 1) / (n1 + 2), 1 / (n0 + 2))


def _line(data: Cohort, weights: Floats, method: str, anchor: float) -> tuple[float, float]:
    """Slope, not negative, and intercept of a logistic curve."""
    targets = data.labels.astype(np.float64)
    if method == "platt":
        targets = _smoothed(data, weights)
    ones = np.ones((len(data.labels), 1))
    if np.ptp(data.scores) > 0:
        if method == "anchored":
            return _anchored(data, weights, anchor)
        # Standardised for Newton's method only; the fit itself does not depend on it.
        centre, scale = float(data.scores.mean()), float(data.scores.std())
        columns = np.column_stack([ones, (data.scores - centre) / scale])
        b0, b1 = fit_logistic(columns, targets, weights=weights, firth=method == "firth")
        if b1 > 0:
            return float(b1 / scale), float(b0 - b1 * centre / scale)
    # Scores that do not vary, or fall as the risk rises, tell the prevalence, no more.
    prior = _INTERCEPT if method == "anchored" else None
    alone = fit_logistic(ones, targets, weights=weights, firth=method == "firth", prior=prior)
    return 0.0, float(alone[0])


def _anchored(data: Cohort, weights: Floats, anchor: float) -> tuple[float, float]:
    """Mode of the likelihood and a log-normal prior of the slope, normal of the intercept."""
    ones, labels = np.ones((len(data.labels), 1)), data.labels.astype(np.float64)

    def intercept(slope: float) -> float:
        offset = slope * data.scores
        return float(
            fit_logistic(ones, labels, weights=weights, offset=offset, prior=_INTERCEPT)[0]
        )

    def loss(log_slope: float) -> float:
        b0 = intercept(np.exp(log_slope))
        eta = b0 + np.exp(log_slope) * data.scores
        likelihood = float(weights @ (labels * eta - np.logaddexp(0, eta)))
        away = (log_slope - np.log(anchor)) / _LOG_SLOPE_SD
        return -likelihood + (b0**2 + away**2) / 2

    level = intercept(0.0)
    if weights @ ((labels - expit(level)) * data.scores) <= 0:  # the likelihood asks for a fall
        return 0.0, level
    grid = np.log(anchor) + np.linspace(-4, 4, 33)
    best = int(np.argmin([loss(value) for value in grid]))
    ends = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    found: Any = minimize_scalar(loss, bounds=ends, method="bounded")
    slope = float(np.exp(found.x))
    return slope, intercept(slope)


def _beta(data: Cohort, weights: Floats) -> BetaCalibrator:
    """Kull's fit: a column whose coefficient comes out negative is left out."""
    columns = np.column_stack(
        [log_expit(data.scores), -log_expit(-data.scores), np.ones(len(data.labels))]
    )
    targets = _smoothed(data, weights)
    beta = np.zeros(3)
    for kept in ([0, 1, 2], [0, 2], [1, 2], [2]):
        beta[:] = 0
        beta[kept] = fit_logistic(columns[:, kept], targets, weights=weights)
        if (beta[:2] >= 0).all():
            break
    return BetaCalibrator(*(float(v) for v in beta), infants=data.infants)


def _isotonic(data: Cohort, weights: Floats) -> IsotonicCalibrator:
    """Pool adjacent violators; knots at both ends of each level."""
    values, group = np.unique(data.scores, return_inverse=True)
    weight = np.bincount(group, weights=weights)
    mean = np.bincount(group, weights=weights * data.labels) / weight
    blocks: list[list[float]] = []  # [mean, weight, first, last]
    for k in range(len(values)):
        block = [float(mean[k]), float(weight[k]), k, k]
        while blocks and blocks[-1][0] >= block[0]:
            m, w, first, _ = blocks.pop()
            total = w + block[1]
            block = [(m * w + block[0] * block[1]) / total, total, first, k]
        blocks.append(block)
    knots: dict[float, float] = {}
    for m, _, first, last in blocks:
        knots[float(values[int(first)])] = m
        knots[float(values[int(last)])] = m
    return IsotonicCalibrator(tuple(knots), tuple(knots.values()), data.infants)
