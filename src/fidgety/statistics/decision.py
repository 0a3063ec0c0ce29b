"""Would acting on the risks do more good than harm? Decision curve analysis.

Sources
-------
Vickers, Elkin (2006) Med Decis Making 26:565; Vickers, Van Calster, Steyerberg (2019) Diagn Progn
Res 3:18.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fidgety.errors import ConfigError
from fidgety.statistics.arrays import Floats, Infants, cohort, fraction, probabilities
from fidgety.statistics.bootstrap import bootstrap

__all__ = ["DecisionCurve", "decision_curve"]


@dataclass(frozen=True, eq=False)
class DecisionCurve:
    """Net benefit per infant of referring by the model, of referring all, and of referring none.

    Parameters
    ----------
    threshold : ndarray (k,)
        Risk from which a referral is thought worth it; 0.1 means that nine needless referrals are
        accepted for one needed.
    model, low, high : ndarray (k,)
        Net benefit of the model, with its pointwise bootstrap limits.
    treat_all, treat_none : ndarray (k,)
        Net benefit of referring all infants, and none.
    prevalence : float
        Prevalence that the net benefits refer to.
    level : float
        Pointwise confidence level.
    """

    threshold: Floats
    model: Floats
    low: Floats
    high: Floats
    treat_all: Floats
    treat_none: Floats
    prevalence: float
    level: float


def decision_curve(
    risks: ArrayLike,
    labels: ArrayLike,
    infants: Infants = None,
    *,
    thresholds: ArrayLike | None = None,
    prevalence: float | None = None,
    level: float = 0.95,
    draws: int = 1000,
    seed: int | np.random.Generator = 0,
) -> DecisionCurve:
    """Net benefit over a range of risk thresholds.

    Net benefit = sensitivity * prevalence - (1 - specificity) * (1 - prevalence) * t / (1 - t).

    Parameters
    ----------
    risks, labels : array_like (n,)
        Calibrated risks of recordings that had no part in fitting, and labels, 1 = abnormal.
    infants : sequence (n,), optional
        Infant of each recording; infants are resampled whole.
    thresholds : array_like (k,), optional
        Risk thresholds within 0 and 1; 0.01 to 0.50 by 0.01 if left out.
    prevalence : float, optional
        Share of abnormal infants where the model is to be used; that of the data if left out. It
        changes the weight of the two classes, not the risks.
    level, draws, seed
        Of the bootstrap limits.

    Raises
    ------
    StudyError
        E240 to E244, see `cohort` and `probabilities`.
    ConfigError
        E246 thresholds, prevalence or level not within 0 and 1.
    """
    data = cohort(probabilities(risks, "Risks"), labels, infants)
    t = np.arange(1, 51) / 100 if thresholds is None else np.asarray(thresholds, np.float64)
    if t.ndim != 1 or not t.size or not ((t > 0) & (t < 1)).all():
        raise ConfigError("E246", "Risk thresholds must lie between 0 and 1")
    share = float(data.labels.mean()) if prevalence is None else fraction(prevalence, "prevalence")
    tail = (1 - fraction(level, "level")) / 2
    called = data.scores >= t[:, None]  # (k, n)
    ill = data.positive
    cost = ((1 - share) * t / (1 - t))[:, None]  # (k, 1)

    def benefit(weights: Floats) -> Floats:
        hits = (called[:, ill] @ weights[ill]) / weights[ill].sum(axis=0)
        alarms = (called[:, ~ill] @ weights[~ill]) / weights[~ill].sum(axis=0)
        return share * hits - cost * alarms  # (k, d)

    low, high = np.quantile(
        bootstrap(benefit, data, draws=draws, seed=seed), [tail, 1 - tail], axis=1
    )
    return DecisionCurve(
        threshold=t,
        model=benefit(np.ones((len(ill), 1)))[:, 0],
        low=low,
        high=high,
        treat_all=share - cost[:, 0],
        treat_none=np.zeros_like(t),
        prevalence=share,
        level=level,
    )
