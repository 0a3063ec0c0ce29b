"""How many infants? Widths of intervals before the study, and numbers for a width wanted.

Sources
-------
Hanley, McNeil (1982) Radiology 143:29 and (1983) Radiology 148:839; Wilson (1927) JASA 22:209.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from scipy.special import ndtri

from fidgety.errors import ConfigError
from fidgety.statistics.arrays import fraction, whole, z_value

__all__ = [
    "SampleSize",
    "auc_half_width",
    "auc_standard_error",
    "infants_for_auc",
    "infants_for_difference",
    "infants_for_sensitivity",
    "infants_for_specificity",
]

_MOST = 10_000_000


@dataclass(frozen=True)
class SampleSize:
    """Infants needed, at a prevalence.

    Parameters
    ----------
    abnormal, normal, total : int
    goal : str
        What they are needed for.
    """

    abnormal: int
    normal: int
    total: int
    goal: str


def auc_standard_error(auc: float, abnormal: int, normal: int) -> float:
    """Standard error of an area under the ROC curve by Hanley and McNeil (1982).

    Parameters
    ----------
    auc : float
        The area expected, within 0 and 1.
    abnormal, normal : int
        Infants of each class.

    Raises
    ------
    ConfigError
        E246 area not within 0 and 1, E247 numbers below 1.
    """
    a = fraction(auc, "auc")
    n1, n0 = whole(abnormal, "abnormal"), whole(normal, "normal")
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    variance = a * (1 - a) + (n1 - 1) * (q1 - a * a) + (n0 - 1) * (q2 - a * a)
    return math.sqrt(variance / (n1 * n0))


def auc_half_width(auc: float, abnormal: int, normal: int, *, level: float = 0.95) -> float:
    """Half-width of the confidence interval to expect (parameters as in `auc_standard_error`)."""
    return z_value(level) * auc_standard_error(auc, abnormal, normal)


def infants_for_auc(
    auc: float, half_width: float, prevalence: float, *, level: float = 0.95
) -> SampleSize:
    """Infants needed for an area to be known to within +- `half_width`.

    Parameters
    ----------
    auc : float
        The area expected.
    half_width : float
        Half-width wanted.
    prevalence : float
        Share of abnormal infants among those recruited.

    Raises
    ------
    ConfigError
        E246 a value not within 0 and 1.
    """
    fraction(auc, "auc")
    fraction(half_width, "half_width")

    def enough(n: int) -> bool:
        return auc_half_width(auc, *_split(n, prevalence), level=level) <= half_width

    total = _least(enough, _smallest(prevalence))
    goal = f"AUC {auc:g} to within +-{half_width:g}"
    return SampleSize(*_split(total, prevalence), total, goal)


def infants_for_difference(
    first: float,
    second: float,
    prevalence: float,
    *,
    correlation: float = 0.5,
    power: float = 0.8,
    level: float = 0.95,
) -> SampleSize:
    """Infants needed for a paired test to tell two areas apart.

    Parameters
    ----------
    first, second : float
        The two areas expected.
    prevalence : float
        Share of abnormal infants among those recruited.
    correlation : float
        Correlation of the two areas over samples (Hanley and McNeil 1983), 0 to below 1; 0.5 is
        moderate, and models of one family have more.
    power : float
        Chance of finding the difference.
    level : float
        1 - the two-sided significance level.

    Raises
    ------
    ConfigError
        E246 a value outside its range, or two equal areas.
    """
    if fraction(first, "first") == fraction(second, "second"):
        raise ConfigError("E246", "The two areas are equal: no number of infants tells them apart")
    if not 0 <= correlation < 1:
        raise ConfigError("E246", f"correlation = {correlation!r} is not within 0 and 1")
    wanted = abs(first - second) / (z_value(level) + float(ndtri(fraction(power, "power"))))

    def enough(n: int) -> bool:
        one, two = (auc_standard_error(a, *_split(n, prevalence)) for a in (first, second))
        return one * one + two * two - 2 * correlation * one * two <= wanted * wanted

    total = _least(enough, _smallest(prevalence))
    goal = f"AUC {first:g} against {second:g}, power {power:g}"
    return SampleSize(*_split(total, prevalence), total, goal)


def infants_for_sensitivity(
    sensitivity: float, half_width: float, prevalence: float, *, level: float = 0.95
) -> SampleSize:
    """Infants needed for a sensitivity whose Wilson interval is at most 2 `half_width` wide.

    Parameters
    ----------
    sensitivity : float
        Expected, within 0 and 1.
    half_width : float
        Half the width wanted.
    prevalence : float
        Share of abnormal infants among those recruited; fixes how many normal ones come along.

    Raises
    ------
    ConfigError
        E246 a value not within 0 and 1.
    """
    abnormal = _for_proportion(sensitivity, half_width, level)
    total = math.ceil(abnormal / fraction(prevalence, "prevalence") - 1e-9)
    goal = f"sensitivity {sensitivity:g} to within +-{half_width:g}"
    return SampleSize(abnormal, total - abnormal, total, goal)


def infants_for_specificity(
    specificity: float, half_width: float, prevalence: float, *, level: float = 0.95
) -> SampleSize:
    """Infants needed for a specificity; parameters and errors as in `infants_for_sensitivity`."""
    normal = _for_proportion(specificity, half_width, level)
    total = math.ceil(normal / (1 - fraction(prevalence, "prevalence")) - 1e-9)
    goal = f"specificity {specificity:g} to within +-{half_width:g}"
    return SampleSize(total - normal, normal, total, goal)


def _for_proportion(share: float, half_width: float, level: float) -> int:
    fraction(share, "share")
    fraction(half_width, "half_width")

    def enough(n: int) -> bool:
        # The expected share itself, not the nearest count, so that the width falls steadily with n.
        z = z_value(level)
        spread = math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
        return z / (1 + z * z / n) * spread <= half_width

    return _least(enough, 1)


def _split(n: int, prevalence: float) -> tuple[int, int]:
    abnormal = min(max(round(n * prevalence), 1), n - 1)
    return abnormal, n - abnormal


def _smallest(prevalence: float) -> int:
    p = fraction(prevalence, "prevalence")
    return math.ceil(max(1 / p, 1 / (1 - p)) - 1e-9)


def _least(enough: Callable[[int], bool], start: int) -> int:
    """Smallest number that is enough, the width falling with the number."""
    high = max(start, 2)
    while not enough(high):
        high *= 2
        if high > _MOST:
            raise ConfigError("E246", f"More than {_MOST} infants would be needed")
    low = start - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if middle >= 2 and enough(middle) else (middle, high)
    return high
