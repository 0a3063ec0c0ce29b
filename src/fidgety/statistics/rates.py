"""One operating point: how it is chosen, and sensitivity, specificity, PPV and NPV at it.

Sources
-------
Wilson (1927) JASA 22:209; Newcombe (1998) Stat Med 17:857, method 3.
Rao, Scott (1992) Biometrics 48:577, effective numbers when infants have several recordings.
Mercaldo, Lau, Zhou (2007) Stat Med 26:2170, predictive values at another prevalence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from fidgety.errors import ConfigError
from fidgety.statistics.arrays import (
    Estimate,
    Floats,
    Infants,
    Ints,
    choice,
    cohort,
    fraction,
    z_value,
)

__all__ = [
    "OperatingPoint",
    "PredictiveValues",
    "Proportion",
    "Rates",
    "choose_threshold",
    "predictive_values",
    "rates",
    "wilson",
]

Rule = Literal["youden", "sensitivity", "specificity"]


@dataclass(frozen=True)
class Proportion(Estimate):
    """A share of recordings with its Wilson interval.

    Parameters
    ----------
    successes, trials : int
        Counts of recordings.
    effective : float
        Trials that the interval is worth: fewer than `trials` where recordings share infants.
    """

    successes: int
    trials: int
    effective: float


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold and what it gave on the data that it was chosen on (too good for new data).

    Parameters
    ----------
    threshold : float
        A recording is called abnormal where its score is at or above this.
    rule : str
        How it was chosen.
    sensitivity, specificity : float
        On the data it was chosen on.
    """

    threshold: float
    rule: str
    sensitivity: float
    specificity: float


@dataclass(frozen=True)
class Rates:
    """What a threshold does to a group of recordings."""

    threshold: float
    true_positives: int
    false_negatives: int
    true_negatives: int
    false_positives: int
    sensitivity: Proportion
    specificity: Proportion
    ppv: Proportion
    npv: Proportion
    prevalence: Proportion
    infants: int


@dataclass(frozen=True)
class PredictiveValues:
    """PPV and NPV expected where `prevalence` of the infants are abnormal."""

    prevalence: float
    ppv: Estimate
    npv: Estimate


def wilson(
    successes: int, trials: int, *, level: float = 0.95, effective: float | None = None
) -> Proportion:
    """Share of successes with Wilson's score interval.

    Parameters
    ----------
    successes, trials : int
        Counts; 0 of 0 gives NaN with limits 0 and 1.
    level : float
        Confidence level.
    effective : float, optional
        Number of independent trials that the data are worth; `trials` if left out.

    Raises
    ------
    ConfigError
        E246 level not within 0 and 1, E247 counts that cannot be.
    """
    z = z_value(level)
    if not 0 <= successes <= trials:
        raise ConfigError("E247", f"{successes} of {trials} is no count of successes and trials")
    n = float(trials if effective is None else min(effective, trials))
    name = "Wilson" if n == trials else f"Wilson, {n:.1f} effective of {trials}"
    if trials == 0:
        return Proportion(np.nan, 0.0, 1.0, level, "none: no trials", 0, 0, 0.0)
    p = successes / trials
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * float(np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)))
    low = 0.0 if successes == 0 else middle - half
    high = 1.0 if successes == trials else middle + half
    return Proportion(p, low, high, level, name, int(successes), int(trials), n)


def choose_threshold(
    scores: ArrayLike, labels: ArrayLike, rule: Rule = "youden", *, at: float | None = None
) -> OperatingPoint:
    """Choose the score from which a recording is called abnormal.

    .. warning:: Give training data only (out-of-fold scores inside the training part). A
       threshold chosen on the data that it is then judged on flatters the model, most of all in
       small studies.

    Parameters
    ----------
    scores, labels : array_like (n,)
        Training data; higher = more abnormal, 1 = abnormal.
    rule : {"youden", "sensitivity", "specificity"}
        Largest sensitivity + specificity; or the most specific threshold of a sensitivity of at
        least `at`; or the most sensitive one of a specificity of at least `at`.
    at : float, optional
        The stated sensitivity or specificity, between 0 and 1.

    Returns
    -------
    OperatingPoint
        Thresholds lie half-way between neighbouring scores.

    Raises
    ------
    StudyError
        E240 to E243, see `cohort`.
    ConfigError
        E246 `at` missing, not wanted or not within 0 and 1; E248 unknown rule.
    """
    choice(rule, ("youden", "sensitivity", "specificity"), "rule")
    if rule == "youden" and at is not None:
        raise ConfigError("E246", "The rule 'youden' takes no stated value", where=f"at = {at}")
    goal = 0.0 if rule == "youden" else fraction(np.nan if at is None else at, "at")
    data = cohort(scores, labels)
    thresholds = _thresholds(data.scores)  # ascending
    ill, well = np.sort(data.scores[data.positive]), np.sort(data.scores[~data.positive])
    sensitivity = (len(ill) - np.searchsorted(ill, thresholds)) / len(ill)
    specificity = np.searchsorted(well, thresholds) / len(well)
    if rule == "sensitivity":
        k = int(np.flatnonzero(sensitivity >= goal - 1e-12)[-1])
    elif rule == "specificity":
        k = int(np.flatnonzero(specificity >= goal - 1e-12)[0])
    else:
        k = int(np.argmax(np.round(sensitivity + specificity, 12)))  # ties: the most sensitive
    text = rule if at is None else f"{rule} of at least {at:g}"
    return OperatingPoint(float(thresholds[k]), text, float(sensitivity[k]), float(specificity[k]))


def rates(
    scores: ArrayLike,
    labels: ArrayLike,
    threshold: float,
    infants: Infants = None,
    *,
    level: float = 0.95,
) -> Rates:
    """Sensitivity, specificity, PPV and NPV at a threshold, with Wilson intervals.

    Parameters
    ----------
    scores, labels : array_like (n,)
        Recordings that had no part in choosing the threshold.
    threshold : float
        A recording is called abnormal where its score is at or above this.
    infants : sequence (n,), optional
        Infant of each recording. With several recordings an infant, the intervals rest on
        effective numbers by Rao and Scott's design effect; on the number of infants where the
        share is 0 or 1.
    level : float
        Confidence level.

    Returns
    -------
    Rates
        PPV and NPV hold at the prevalence of these data; see `predictive_values` for another.

    Raises
    ------
    StudyError
        E240, E241, E243, see `cohort`; a single class is accepted (its rate is then NaN).
    ConfigError
        E246 threshold not a number, or level not within 0 and 1.
    """
    data = cohort(scores, labels, infants, both_classes=False)
    if not np.isfinite(threshold):
        raise ConfigError("E246", f"Threshold {threshold!r} is not a number")
    called, ill = data.scores >= threshold, data.positive

    def share(hit: NDArray[np.bool_], among: NDArray[np.bool_]) -> Proportion:
        n = _effective(hit[among], data.infant[among]) if data.clustered else None
        return wilson(int((hit & among).sum()), int(among.sum()), level=level, effective=n)

    return Rates(
        threshold=float(threshold),
        true_positives=int((called & ill).sum()),
        false_negatives=int((~called & ill).sum()),
        true_negatives=int((~called & ~ill).sum()),
        false_positives=int((called & ~ill).sum()),
        sensitivity=share(called, ill),
        specificity=share(~called, ~ill),
        ppv=share(ill, called),
        npv=share(~ill, ~called),
        prevalence=share(ill, np.ones_like(ill)),
        infants=data.infants,
    )


def predictive_values(found: Rates, prevalence: float) -> PredictiveValues:
    """PPV and NPV by Bayes' theorem at another prevalence than that of the study.

    The intervals carry the uncertainty of sensitivity and specificity, and take the prevalence as
    known. Logit intervals of Mercaldo et al. 2007; where a cell is 0 their adjusted form, stretched
    to hold the estimate.

    Parameters
    ----------
    found : Rates
        Rates at the threshold, both classes present.
    prevalence : float
        Share of abnormal infants where the model is to be used.

    Raises
    ------
    ConfigError
        E246 prevalence not within 0 and 1; E242 a class missing from `found`.
    """
    fraction(prevalence, "prevalence")
    sens, spec = found.sensitivity, found.specificity
    if not sens.trials or not spec.trials:
        raise ConfigError(
            "E242", "Predictive values need sensitivity and specificity, and a class is missing"
        )
    odds = prevalence / (1 - prevalence)
    z = z_value(sens.level)
    cells = (sens.value, 1 - sens.value, spec.value, 1 - spec.value)
    pad = z * z / 2 if min(cells) == 0 else 0.0
    (a, b), (d, c) = ((s.value * s.effective + pad, (1 - s.value) * s.effective + pad)
                      for s in (sens, spec))  # fmt: skip
    # a, b: abnormal infants called abnormal and normal; c, d: normal infants likewise.
    ppv = np.log(odds * (a / (a + b)) / (c / (c + d)))
    npv = np.log((d / (c + d)) / (odds * (b / (a + b))))
    ppv_error = np.sqrt(b / (a * (a + b)) + d / (c * (c + d)))
    npv_error = np.sqrt(a / (b * (a + b)) + c / (d * (c + d)))
    name = "adjusted logit (Mercaldo)" if pad else "logit (Mercaldo)"
    hits, alarms = odds * sens.value, 1 - spec.value
    rests, misses = spec.value, odds * (1 - sens.value)

    def estimate(value: float, centre: float, error: float) -> Estimate:
        low, high = float(expit(centre - z * error)), float(expit(centre + z * error))
        if np.isfinite(value):
            low, high = min(low, value), max(high, value)
        return Estimate(value, low, high, sens.level, name)

    return PredictiveValues(
        prevalence,
        estimate(_ratio(hits, alarms), float(ppv), float(ppv_error)),
        estimate(_ratio(rests, misses), float(npv), float(npv_error)),
    )


def _ratio(part: float, rest: float) -> float:
    return part / (part + rest) if part + rest else np.nan


def _thresholds(scores: Floats) -> Floats:
    """Thresholds for all the ways to split `scores`, ascending; the last flags nobody."""
    values = np.unique(scores)
    middle = values[:-1] + np.diff(values) / 2
    middle = np.where(middle > values[:-1], middle, values[1:])
    return np.concatenate([values[:1], middle, [np.nextafter(values[-1], np.inf)]])


def _effective(hit: NDArray[np.bool_], infant: Ints) -> float:
    """Effective number of trials: n over Rao and Scott's design effect, at most n."""
    n = len(hit)
    if not n:
        return 0.0
    _, index, size = np.unique(infant, return_inverse=True, return_counts=True)
    k, p = len(size), float(hit.mean())
    if p in (0.0, 1.0) or k < 2:
        return float(k)
    away = np.bincount(index, weights=hit) - size * p  # (infants,)
    variance = k / (k - 1) * float(away @ away) / n**2
    return min(p * (1 - p) / variance, n) if variance > 0 else float(n)
