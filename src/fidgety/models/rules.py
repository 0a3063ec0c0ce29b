"""From a score to an answer: calibration, threshold, abstention and scope, as a model carries them.

All are fitted on scores of infants that the scoring model did not see. Scores are risks between 0
and 1; calibration and abstention work on their logits, on which a logistic curve has two numbers to
find and an ensemble's mean is taken.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fidgety.errors import StudyError
from fidgety.models.ensemble import logits
from fidgety.models.scope import scope_features
from fidgety.motion import PoseSequence
from fidgety.statistics import (
    AbstentionRule,
    Calibrator,
    ScopeCheck,
    ScopeRule,
    abstention_from_dict,
    calibrator_from_dict,
    choose_threshold,
    fit_abstention,
    fit_calibrator,
    fit_scope,
    scope_from_dict,
)
from fidgety.statistics.arrays import numbers_from

__all__ = ["Rules", "fit_rules"]

FALSE_ALARM = 0.05  # of the scope check
HALF = 0.5  # the risk between the sides where none was chosen


@dataclass(frozen=True, eq=False)
class Rules:
    """What a model's scores mean.

    Parameters
    ----------
    calibrator : Calibrator or None
        From the logit of a score to the risk; None leaves scores as they are.
    threshold : float or None
        Risk from which a recording is called abnormal where an answer is forced: the largest
        sensitivity plus specificity on the infants it was fitted on.
    abstention : AbstentionRule or None
        On the logit of the score; None where too few infants support the error rate.
    scope : ScopeRule or None
        On `scope_features`; None where too few infants support it.
    """

    calibrator: Calibrator | None = None
    threshold: float | None = None
    abstention: AbstentionRule | None = None
    scope: ScopeRule | None = None

    def risk(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Calibrated risk of each score, same shape."""
        if self.calibrator is None:
            return np.asarray(scores, dtype=np.float64)
        return self.calibrator.probability(logits(scores))

    @property
    def cut(self) -> float:
        """Calibrated risk from which a recording is called abnormal where an answer is forced.

        The threshold, or a half where none was chosen.
        """
        return HALF if self.threshold is None else self.threshold

    def decide(self, scores: ArrayLike) -> NDArray[np.str_] | None:
        """``"abnormal"``, ``"normal"`` or ``"cannot_say"``; None without an abstention rule."""
        return None if self.abstention is None else self.abstention.decide(logits(scores))

    def scope_of(self, sequence: PoseSequence) -> ScopeCheck | None:
        """Whether a recording is like those of the training cohort; None if that is not known."""
        return None if self.scope is None else self.scope.check(scope_features(sequence))

    def to_dict(self) -> dict[str, Any]:
        """Plain content for JSON; `Rules.from_dict` reads it back."""
        return {
            "calibration": None if self.calibrator is None else self.calibrator.to_dict(),
            "threshold": self.threshold,
            "abstention": None if self.abstention is None else self.abstention.to_dict(),
            "scope": None if self.scope is None else self.scope.to_dict(),
        }

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Rules:
        """Read back what `to_dict` gave; raises `CheckpointError` E260 for what cannot be used."""
        calibration, threshold, abstention, scope = (
            content.get(name) for name in ("calibration", "threshold", "abstention", "scope")
        )
        return cls(
            None if calibration is None else calibrator_from_dict(calibration),
            None if threshold is None else numbers_from(content, ("threshold",), "threshold")[0],
            None if abstention is None else abstention_from_dict(abstention),
            None if scope is None else scope_from_dict(scope),
        )


def fit_rules(
    scores: ArrayLike,
    labels: ArrayLike,
    infants: Sequence[str],
    *,
    features: NDArray[np.float64] | None = None,
    feature_names: Sequence[str] = (),
    feature_infants: Sequence[str] = (),
    error: float = 0.1,
    calibration: Literal["platt", "anchored"] = "platt",
    anchor: float = 1.0,
) -> Rules:
    """Fit the rules on infants that the scoring model did not see.

    Parameters
    ----------
    scores, labels, infants : (N,)
        Risks between 0 and 1; 1 = abnormal; whose recording it is.
    features, feature_names, feature_infants : optional
        The training cohort for the scope, as `scope_table`; rows with missing values are left out.
    error : float
        Stated error rate of the abstention.
    calibration, anchor
        As `fidgety.statistics.fit_calibrator`: ``anchored`` for scores that were trained to be
        risks.
    """
    x = logits(scores)
    y = np.asarray(labels, dtype=np.int64)
    calibrator = fit_calibrator(x, y, infants=infants, method=calibration, anchor=anchor)
    label = dict(zip(infants, y.tolist(), strict=True))
    fewest = min(sum(own == wanted for own in label.values()) for wanted in (0, 1))
    supported = fewest >= math.ceil(1 / error - 1 - 1e-9)
    return Rules(
        calibrator,
        choose_threshold(calibrator.probability(x), y).threshold,
        fit_abstention(x, y, infants=infants, error=error) if supported else None,
        _scope(features, feature_names, feature_infants),
    )


def _scope(
    features: NDArray[np.float64] | None, names: Sequence[str], infants: Sequence[str]
) -> ScopeRule | None:
    if features is None:
        return None
    whole: NDArray[np.bool_] = np.isfinite(features).all(axis=-1)  # type: ignore[assignment]
    kept = [infant for infant, good in zip(infants, whole, strict=True) if good]
    try:
        return fit_scope(features[whole], names, infants=kept, false_alarm=FALSE_ALARM)
    except StudyError:  # too few infants, or nothing that varies
        return None
