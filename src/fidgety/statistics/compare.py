"""Two models on the same recordings, and one model against chance.

Sources
-------
DeLong, DeLong, Clarke-Pearson (1988) Biometrics 44:837; Obuchowski (1997) Biometrics 53:567.
Holm (1979) Scand J Stat 6:65.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc, ndtr

from fidgety.errors import StudyError
from fidgety.statistics.arrays import (
    Estimate,
    Floats,
    Infants,
    choice,
    cohort,
    whole,
    z_value,
)
from fidgety.statistics.auc import area_covariance, midranks, placements, root

__all__ = [
    "AUCDifference",
    "PermutationTest",
    "compare_all_auc",
    "compare_auc",
    "equal_auc_test",
    "permutation_test",
]


@dataclass(frozen=True)
class AUCDifference(Estimate):
    """AUC of the first model minus that of the second, on the same recordings.

    Parameters
    ----------
    first, second : float
        The two areas.
    standard_error : float
        Of the difference; DeLong's, or Obuchowski's for clusters.
    z, p : float
        Test of no difference, two-sided; NaN where neither area varies and they differ.
    p_adjusted : float
        After Holm's correction for all pairs compared together; equals `p` for a single pair.
    names : (str, str)
        What was compared.
    """

    first: float
    second: float
    standard_error: float
    z: float
    p: float
    p_adjusted: float
    names: tuple[str, str] = ("first", "second")


@dataclass(frozen=True)
class PermutationTest:
    """The area found, beside areas after shuffling the labels over infants.

    Parameters
    ----------
    value : float
        Area with the true labels.
    null_mean, null_low, null_high : float
        Mean and central 95 % of the areas with shuffled labels.
    p : float
        One-sided: share of shuffles at or above `value`, the true order counted among them.
    draws : int
        Shuffles.
    """

    value: float
    null_mean: float
    null_low: float
    null_high: float
    p: float
    draws: int


def compare_auc(
    first: ArrayLike,
    second: ArrayLike,
    labels: ArrayLike,
    infants: Infants = None,
    *,
    level: float = 0.95,
) -> AUCDifference:
    """Paired test of two models on the same recordings.

    DeLong's test; with several recordings an infant its extension to clusters by Obuchowski, which
    needs no aggregation. To compare one score an infant instead, average the scores first.

    Parameters
    ----------
    first, second : array_like (n,)
        Scores of the two models, recording by recording in the same order.
    labels, infants, level
        As in `auc_interval`.

    Raises
    ------
    StudyError
        E240 to E243, see `cohort`; E249 fewer than two infants in a class.
    """
    return compare_all_auc({"first": first, "second": second}, labels, infants, level=level)[0]


def compare_all_auc(
    scores: Mapping[str, ArrayLike],
    labels: ArrayLike,
    infants: Infants = None,
    *,
    level: float = 0.95,
    reference: str | None = None,
) -> list[AUCDifference]:
    """Paired tests between several models, with Holm's correction.

    Parameters
    ----------
    scores : mapping of str to array_like (n,)
        Scores of each model on the same recordings.
    reference : str, optional
        Compare each model with this one (model minus reference); left out, every pair.

    Returns
    -------
    list of AUCDifference
        ``p_adjusted`` is Holm's over this list.
    """
    names, areas, covariance = _joint(scores, labels, infants)
    z_limit = z_value(level)
    clustered = infants is not None and len(set(np.asarray(infants).tolist())) < np.size(labels)
    kind = "Obuchowski, clusters = infants" if clustered else "DeLong, paired"
    pairs = list(combinations(range(len(names)), 2))
    if reference is not None:
        base = names.index(choice(reference, names, "model"))
        pairs = [(k, base) for k in range(len(names)) if k != base]
    rows = []
    for i, j in pairs:
        difference = float(areas[i] - areas[j])
        error = root(covariance[i, i] + covariance[j, j] - 2 * covariance[i, j])
        still = 0.0 if abs(difference) < 1e-12 else np.nan
        z = difference / error if error > 0 else still
        rows.append(((i, j), difference, error, z, float(2 * ndtr(-abs(z)))))
    adjusted = holm([row[-1] for row in rows])
    return [
        AUCDifference(
            value=difference,
            low=max(difference - z_limit * error, -1.0) if z == z else np.nan,
            high=min(difference + z_limit * error, 1.0) if z == z else np.nan,
            level=level,
            method=kind if z == z else "none: neither area varies",
            first=float(areas[i]),
            second=float(areas[j]),
            standard_error=error,
            z=z,
            p=p,
            p_adjusted=corrected,
            names=(names[i], names[j]),
        )
        for ((i, j), difference, error, z, p), corrected in zip(rows, adjusted, strict=True)
    ]


def equal_auc_test(
    scores: Mapping[str, ArrayLike], labels: ArrayLike, infants: Infants = None
) -> tuple[float, int, float]:
    """Test that all models have the same area (DeLong 1988, equation 5).

    Returns
    -------
    (float, int, float)
        Chi-square, degrees of freedom, p.
    """
    _, areas, covariance = _joint(scores, labels, infants)
    contrast = np.eye(len(areas))[1:] - np.eye(len(areas))[0]  # (M-1, M)
    spread = contrast @ covariance @ contrast.T
    difference = contrast @ areas
    freedom = int(np.linalg.matrix_rank(spread, tol=1e-12))
    statistic = float(difference @ np.linalg.pinv(spread, rcond=1e-10) @ difference)
    return statistic, freedom, float(chdtrc(freedom, statistic)) if freedom else 1.0


def permutation_test(
    scores: ArrayLike,
    labels: ArrayLike,
    infants: Infants = None,
    *,
    draws: int = 5000,
    seed: int | np.random.Generator = 0,
) -> PermutationTest:
    """Shuffle the labels over infants: what areas does chance give on these scores?

    Parameters
    ----------
    scores, labels, infants
        As in `auc_interval`; one label an infant.
    draws, seed
        Shuffles and their seed.

    Raises
    ------
    StudyError
        E240 to E243, see `cohort`; E245 an infant with both labels.
    """
    data = cohort(scores, labels, infants)
    label = data.label_of_infants()  # (infants,)
    size = np.bincount(data.infant).astype(float)  # (infants,)
    ranks = np.bincount(data.infant, weights=midranks(data.scores))  # (infants,)
    whole(draws, "draws")
    rng = np.random.default_rng(seed)
    shuffled = rng.permuted(np.tile(label, (draws, 1)), axis=1)  # (draws, infants)
    m = shuffled @ size  # (draws,) abnormal recordings
    areas = (shuffled @ ranks - m * (m + 1) / 2) / (m * (size.sum() - m))
    found = float(placements(data.scores[None], data.positive)[1][0])
    low, high = np.quantile(areas, [0.025, 0.975])
    p = (1 + int((areas >= found - 1e-12).sum())) / (draws + 1)
    return PermutationTest(found, float(areas.mean()), float(low), float(high), p, draws)


def holm(p: Sequence[float]) -> list[float]:
    """Holm's step-down correction of p values; NaN stays NaN and counts as a test."""
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values)  # NaN last
    factors = np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * factors), 1)
    return [float(v) for v in adjusted]


def _joint(
    scores: Mapping[str, ArrayLike], labels: ArrayLike, infants: Infants
) -> tuple[list[str], Floats, Floats]:
    cohorts = [cohort(values, labels, infants) for values in scores.values()]
    if len(cohorts) < 2:
        raise StudyError("E249", "A comparison needs two models or more")
    data = cohorts[0]
    if min(data.infants_with(1), data.infants_with(0)) < 2:
        raise StudyError(
            "E249",
            "A class has a single infant",
            why="the spread between infants of that class is then unknown",
            remedy="Compare models on two infants of each class or more; 10 advised",
        )
    placed, areas = placements(np.stack([c.scores for c in cohorts]), data.positive)
    return list(scores), areas, area_covariance(placed, areas, data)
