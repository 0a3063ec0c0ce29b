"""Agreement of two raters beyond chance: Cohen's kappa with an interval.

Cohen (1960), doi 10.1177/001316446002000104; weights: Cohen (1968), doi 10.1037/h0026256; standard
error of a kappa that is not zero: Fleiss, Cohen and Everitt (1969), doi 10.1037/h0028106.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

__all__ = ["Agreement", "cohen_kappa"]


@dataclass(frozen=True)
class Agreement:
    """How far two raters agree.

    Parameters
    ----------
    n : int
        Items that both rated.
    agreed : float
        Share of them rated alike; NaN without any.
    kappa, low, high : float
        Agreement beyond chance, -1 to 1, and its interval. NaN where it is not defined (fewer than
        two items, or both raters gave one and the same rating throughout).
    table : ndarray (Q, Q), int
        How often the first rater gave the row's rating and the second the column's.
    """

    n: int
    agreed: float
    kappa: float
    low: float
    high: float
    table: NDArray[np.int64]


def cohen_kappa(
    first: Sequence[Any],
    second: Sequence[Any],
    categories: Sequence[Any],
    weights: Literal["equal", "linear"] = "equal",
    confidence: float = 0.95,
) -> Agreement:
    """Cohen's kappa of two raters with its large-sample interval.

    Parameters
    ----------
    first, second : sequence (N,)
        Ratings of the same items.
    categories : sequence (Q,)
        All ratings there are; with linear weights in their order.
    weights : {"equal", "linear"}
        ``equal`` counts every disagreement alike; ``linear`` by its distance.
    confidence : float
        Of the interval, which is cut at -1 and 1.

    Returns
    -------
    Agreement

    Raises
    ------
    ValueError
        If the raters rated different numbers of items, or used a rating that is none.
    """
    place = {category: row for row, category in enumerate(categories)}
    if len(first) != len(second) or not {*first, *second} <= place.keys():
        raise ValueError("ratings do not pair, or are not among the categories")
    size, n = len(categories), len(first)
    table = np.zeros((size, size), dtype=np.int64)
    for a, b in zip(first, second, strict=True):
        table[place[a], place[b]] += 1
    nan = float("nan")
    if n == 0:
        return Agreement(0, nan, nan, nan, nan, table)
    share = table / n  # (Q, Q)
    rows, columns = share.sum(axis=1), share.sum(axis=0)
    step = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
    weight = np.eye(size) if weights == "equal" else 1 - step / max(size - 1, 1)
    observed, expected = float((weight * share).sum()), float(weight.T @ rows @ columns)
    agreed = float(np.trace(share))
    if n < 2 or 1 - expected < 1e-12:
        return Agreement(n, agreed, nan, nan, nan, table)
    kappa = (observed - expected) / (1 - expected)
    # Equation 6 of Fleiss, Cohen and Everitt.
    row_weight, column_weight = weight @ columns, weight.T @ rows
    inner = weight * (1 - expected) - (row_weight[:, None] + column_weight) * (1 - observed)
    spread = (share * inner**2).sum() - (observed * expected - 2 * expected + observed) ** 2
    error = float(np.sqrt(max(spread, 0.0) / n)) / (1 - expected) ** 2
    reach = float(ndtri(0.5 + confidence / 2)) * error
    return Agreement(n, agreed, kappa, max(kappa - reach, -1.0), min(kappa + reach, 1.0), table)
