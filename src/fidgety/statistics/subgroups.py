"""The same figures for parts of a study (sites, ages, sexes); a refusal where a part is small."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc

from fidgety.errors import StudyError
from fidgety.statistics.arrays import Infants, cohort, whole
from fidgety.statistics.auc import AUC, auc_interval
from fidgety.statistics.rates import Rates, rates

__all__ = ["Subgroup", "SubgroupTable", "subgroups"]


@dataclass(frozen=True)
class Subgroup:
    """One part of a study.

    Parameters
    ----------
    name : str
    recordings, infants, abnormal, normal : int
        Size; `abnormal` and `normal` count infants.
    auc : AUC or None
        None where `refused`.
    rates : Rates or None
        At the study's threshold; None where no threshold was given or the part is `refused`.
    refused : str
        Why no figures are given; empty where they are.
    """

    name: str
    recordings: int
    infants: int
    abnormal: int
    normal: int
    auc: AUC | None
    rates: Rates | None
    refused: str


@dataclass(frozen=True)
class SubgroupTable:
    """All parts, and whether their areas differ more than chance.

    Parameters
    ----------
    groups : tuple of Subgroup
        By name.
    chi_square, freedom, p : float, int, float
        Cochran's test that the areas of the parts with figures are equal; NaN where fewer than two
        have figures. It has little power in small studies: a large p is no proof of equality.
    """

    groups: tuple[Subgroup, ...]
    chi_square: float
    freedom: int
    p: float


def subgroups(
    scores: ArrayLike,
    labels: ArrayLike,
    groups: Sequence[Any] | NDArray[Any],
    infants: Infants = None,
    *,
    threshold: float | None = None,
    minimum: int = 10,
    level: float = 0.95,
) -> SubgroupTable:
    """AUC and rates for each part of a study.

    Parameters
    ----------
    scores, labels, infants, level
        As in `auc_interval`.
    groups : sequence (n,)
        Part of each recording; None or an empty text is the part ``"not recorded"``.
    threshold : float, optional
        Operating point of the whole study, for the rates.
    minimum : int
        Infants of each class below which a part is refused: its figures would be noise, and might
        point at a child.

    Raises
    ------
    StudyError
        E240 to E243, see `cohort`.
    ConfigError
        E246, E247 impossible settings.
    """
    data = cohort(scores, labels, infants)
    if len(groups) != len(data.labels):
        raise StudyError(
            "E240", f"{len(groups)} subgroup entries for {len(data.labels)} recordings"
        )
    whole(minimum, "minimum")
    names = np.array(["not recorded" if g is None or g == "" else str(g) for g in groups])
    rows = []
    for name in sorted(set(names.tolist())):
        inside = names == name
        s, y, i = data.scores[inside], data.labels[inside], data.infant[inside]
        ill, well = (len(np.unique(i[y == k])) for k in (1, 0))
        refused = ""
        if min(ill, well) < minimum:
            refused = f"{ill} abnormal and {well} normal infants; {minimum} of each are needed"
        rows.append(
            Subgroup(
                name=name,
                recordings=int(inside.sum()),
                infants=len(np.unique(i)),
                abnormal=ill,
                normal=well,
                auc=None if refused else auc_interval(s, y, i, level=level),
                rates=None
                if refused or threshold is None
                else rates(s, y, threshold, i, level=level),
                refused=refused,
            )
        )
    return SubgroupTable(tuple(rows), *_heterogeneity(rows))


def _heterogeneity(rows: list[Subgroup]) -> tuple[float, int, float]:
    known = [r.auc for r in rows if r.auc is not None and r.auc.standard_error > 0]
    if len(known) < 2:
        return np.nan, 0, np.nan
    areas = np.array([a.value for a in known])
    weight = np.array([a.standard_error**-2 for a in known])
    pooled = (weight @ areas) / weight.sum()
    statistic = float(weight @ (areas - pooled) ** 2)
    freedom = len(known) - 1
    return statistic, freedom, float(chdtrc(freedom, statistic))
