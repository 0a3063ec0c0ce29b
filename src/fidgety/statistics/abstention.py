"""When not to answer: a class-conditional conformal rule with a stated error rate.

For each class the rule keeps the scores that are not among the most foreign of that class. A score
that fits one class only gets that class; one that fits both or neither gets ``cannot_say``.

Sources
-------
Vovk, Gammerman, Shafer (2005) Algorithmic Learning in a Random World, ch. 4.5 (Mondrian conformal
prediction); Lee, Barber, Willett (2023) arXiv 2306.06342, several recordings of one infant.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fidgety.errors import CheckpointError, warn
from fidgety.statistics.arrays import Floats, Infants, cohort, fraction, numbers_from
from fidgety.statistics.rates import Proportion, wilson

__all__ = [
    "AbstentionRates",
    "AbstentionRule",
    "abstention_from_dict",
    "abstention_rates",
    "fit_abstention",
]

ABNORMAL, NORMAL, CANNOT_SAY = "abnormal", "normal", "cannot_say"


@dataclass(frozen=True)
class AbstentionRule:
    """Two limits on the score that decide between abnormal, normal and cannot say.

    Parameters
    ----------
    abnormal_from : float or None
        A score at or above it fits the abnormal class; None where every score must be held to fit,
        for want of abnormal infants: "normal" is then never said.
    normal_to : float or None
        A score at or below it fits the normal class; None likewise.
    error : float
        Stated rate: at most this share of new abnormal infants is called normal, and at most this
        share of new normal infants abnormal.
    abnormal, normal : int
        Infants of each class that the limits rest on.
    """

    abnormal_from: float | None
    normal_to: float | None
    error: float
    abnormal: int
    normal: int

    def decide(self, scores: ArrayLike) -> NDArray[np.str_]:
        """Return ``"abnormal"``, ``"normal"`` or ``"cannot_say"`` for each score, same shape.

        A missing score (NaN) gets ``"cannot_say"``.
        """
        s = np.asarray(scores, dtype=np.float64)
        fits_abnormal = np.full(s.shape, True)
        fits_normal = np.full(s.shape, True)
        if self.abnormal_from is not None:
            fits_abnormal = s >= self.abnormal_from
        if self.normal_to is not None:
            fits_normal = s <= self.normal_to
        known = np.isfinite(s)
        return np.select(
            [known & fits_abnormal & ~fits_normal, known & fits_normal & ~fits_abnormal],
            [ABNORMAL, NORMAL],
            CANNOT_SAY,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain content for JSON; `abstention_from_dict` reads it back."""
        return {
            "kind": "class-conditional conformal",
            "abnormal_from": self.abnormal_from,
            "normal_to": self.normal_to,
            "error": self.error,
            "abnormal": self.abnormal,
            "normal": self.normal,
        }


@dataclass(frozen=True)
class AbstentionRates:
    """What a rule did on recordings of known label.

    Parameters
    ----------
    answered : Proportion
        Share of recordings with an answer.
    missed : Proportion
        Share of abnormal recordings called normal.
    false_alarms : Proportion
        Share of normal recordings called abnormal.
    wrong_among_answered : Proportion
        Share of the answers that are wrong; the rule states no rate for this one.
    """

    answered: Proportion
    missed: Proportion
    false_alarms: Proportion
    wrong_among_answered: Proportion


def fit_abstention(
    scores: ArrayLike, labels: ArrayLike, infants: Infants = None, *, error: float = 0.1
) -> AbstentionRule:
    """Fit the rule on scores of infants that the model was not fitted on.

    Parameters
    ----------
    scores : array_like (n,)
        Out-of-fold scores, or risks: only their order matters. New scores must be on the same
        scale.
    labels : array_like (n,)
        1 = abnormal.
    infants : sequence (n,), optional
        Infant of each recording; each infant then counts once, shared over its recordings.
    error : float
        Stated error rate of each class, such as 0.1.

    Returns
    -------
    AbstentionRule

    Notes
    -----
    If new infants are exchangeable with those of the same class here, and scored in the same way,
    the rate holds on average over calibration sets of this size, for each class by itself, at any
    prevalence and for any model. Out-of-fold scores come from the models of the folds and new ones
    from another model: the rate is then near the stated one, not proven.

    Warns
    -----
    FidgetyWarning
        W262 where a class has fewer than 1 / error - 1 infants: nothing can then be ruled out.

    Raises
    ------
    StudyError
        E240 to E243, see `cohort`; E245 an infant with both labels.
    ConfigError
        E246 error not within 0 and 1.
    """
    fraction(error, "error")
    data = cohort(scores, labels, infants)
    data.label_of_infants()  # each infant must be of one class
    weights = (1 / np.bincount(data.infant))[data.infant]
    ill = data.positive
    abnormal_from = _limit(data.scores[ill], weights[ill], error)
    normal_to = _limit(-data.scores[~ill], weights[~ill], error)
    counts = data.infants_with(1), data.infants_with(0)
    for name, limit, count in zip(
        (ABNORMAL, NORMAL), (abnormal_from, normal_to), counts, strict=True
    ):
        if limit is None:
            warn(
                "W262",
                f"With {count} {name} infants, {name} can never be ruled out at an error rate of "
                f"{error:g}",
                remedy=f"{math.ceil(1 / error - 1 - 1e-9)} infants of the class are needed, or a "
                "higher error rate",
            )
    return AbstentionRule(abnormal_from, None if normal_to is None else -normal_to, error, *counts)


def abstention_rates(
    rule: AbstentionRule, scores: ArrayLike, labels: ArrayLike, *, level: float = 0.95
) -> AbstentionRates:
    """Count what a rule does on fresh recordings, one an infant, with Wilson intervals.

    Raises
    ------
    StudyError
        E240, E241, E243, see `cohort`.
    """
    data = cohort(scores, labels, both_classes=False)
    said, ill = rule.decide(data.scores), data.positive
    missed, alarm = ill & (said == NORMAL), ~ill & (said == ABNORMAL)
    answered = said != CANNOT_SAY

    def share(hits: NDArray[np.bool_], among: NDArray[np.bool_]) -> Proportion:
        return wilson(int(hits.sum()), int(among.sum()), level=level)

    return AbstentionRates(
        answered=share(answered, np.ones_like(answered)),
        missed=share(missed, ill),
        false_alarms=share(alarm, ~ill),
        wrong_among_answered=share(missed | alarm, answered),
    )


def abstention_from_dict(content: Mapping[str, Any]) -> AbstentionRule:
    """Read back what `AbstentionRule.to_dict` gave.

    Raises
    ------
    CheckpointError
        E260 unknown kind, or numbers missing or not finite.
    """
    kind = content.get("kind") if isinstance(content, Mapping) else None
    if kind != "class-conditional conformal":
        raise CheckpointError(
            "E260",
            f"The stored abstention rule is of an unknown kind {kind!r}",
            remedy="Update fidgety, or fit the rule again",
        )
    what = "abstention rule"
    error, abnormal, normal = numbers_from(content, ("error", "abnormal", "normal"), what)
    limits = [
        None if content.get(key) is None else numbers_from(content, (key,), what)[0]
        for key in ("abnormal_from", "normal_to")
    ]
    return AbstentionRule(limits[0], limits[1], error, int(abnormal), int(normal))


def _limit(scores: Floats, weights: Floats, error: float) -> float | None:
    """Smallest score whose conformal p value is above `error`; None if every score's is.

    p(s) = (weight of scores <= s, + 1) / (infants + 1), each infant of weight 1.
    """
    least = error * (round(float(weights.sum())) + 1) - 1
    if least < -1e-9:
        return None
    order = np.argsort(scores, kind="stable")
    at_or_below = np.cumsum(weights[order])
    k = int(np.searchsorted(at_or_below, least + 1e-9, side="right"))
    return float(scores[order[k]])
