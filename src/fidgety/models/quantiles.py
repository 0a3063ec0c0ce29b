"""The plain rival: logistic regression on quantiles of speed and acceleration of each joint."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fidgety.models.remembered import remembered
from fidgety.motion.features import CHANNELS

__all__ = [
    "LEVELS",
    "MeanSpeed",
    "QuantileRegression",
    "joint_quantiles",
    "observed_quantiles",
    "quantile_features",
]

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
_VELOCITY = [CHANNELS.index("velocity_x"), CHANNELS.index("velocity_y")]
_ACCELERATION = [CHANNELS.index("acceleration_x"), CHANNELS.index("acceleration_y")]


def quantile_features(sequence: NDArray[np.floating]) -> NDArray[np.float64]:
    """Logarithms of quantiles of speed and of acceleration of each joint.

    Parameters
    ----------
    sequence : ndarray (7, T, V)
        NaN where a joint was not observed. A joint never observed takes the median of the others.

    Returns
    -------
    ndarray (2 * V * len(LEVELS),)
        Trunk lengths per second, and per second squared, as log(1e-3 + value).
    """
    table = np.array(joint_quantiles(sequence))  # (2, L, V)
    for rows in table:
        unseen = np.isnan(rows[0])
        rows[:, unseen] = np.median(rows[:, ~unseen], axis=1)[:, None] if not unseen.all() else 0.0
    return np.log(1e-3 + table).ravel()


def joint_quantiles(sequence: NDArray[np.floating]) -> NDArray[np.float64]:
    """Quantiles (2, len(LEVELS), V) of speed and of acceleration; NaN for a joint never seen."""
    sizes = [np.hypot(sequence[a], sequence[b]) for a, b in (_VELOCITY, _ACCELERATION)]
    found = observed_quantiles(np.concatenate(sizes, axis=1), LEVELS)  # (L, 2 V)
    return found.reshape(len(LEVELS), 2, -1).transpose(1, 0, 2)


def observed_quantiles(
    columns: NDArray[np.floating], levels: Sequence[float]
) -> NDArray[np.float64]:
    """Quantiles (L, J) of the observed values of each column of (T, J), linear between them.

    NaN where nothing was observed. All columns at once, whatever their gaps.
    """
    count = np.isfinite(columns).sum(axis=0)  # (J,)
    if len(columns) == 0:
        return np.full((len(levels), columns.shape[1]), np.nan)
    order = np.sort(columns.astype(np.float64), axis=0)  # NaN last
    place = np.asarray(levels)[:, None] * np.maximum(count - 1, 0)  # (L, J)
    below = np.floor(place).astype(int)
    above = np.minimum(below + 1, np.maximum(count - 1, 0))
    low, high = (np.take_along_axis(order, rows, axis=0) for rows in (below, above))
    return np.where(count > 0, low + (place - below) * (high - low), np.nan)


class QuantileRegression:
    """L2-regularised logistic regression on `quantile_features`.

    Parameters
    ----------
    strength : float
        Inverse of the L2 penalty, on standardised features.
    """

    def __init__(self, strength: float = 0.01) -> None:
        self._line = make_pipeline(
            StandardScaler(),
            LogisticRegression(C=strength, class_weight="balanced", max_iter=2000),
        )

    def fit(
        self, sequences: Sequence[NDArray[np.floating]], labels: NDArray[np.integer]
    ) -> QuantileRegression:
        """Fit to recordings (7, T, V) and their labels (N,)."""
        self._line.fit(self._table(sequences), labels)
        return self

    def risk(self, sequences: Sequence[NDArray[np.floating]]) -> NDArray[np.float64]:
        """Uncalibrated probability (N,) of absent or abnormal fidgety movements."""
        return self._line.predict_proba(self._table(sequences))[:, 1]

    def _table(self, sequences: Sequence[NDArray[np.floating]]) -> NDArray[np.float64]:
        return np.stack([remembered("quantiles", quantile_features, row) for row in sequences])


class MeanSpeed(QuantileRegression):
    """Logistic regression on one number: the mean speed of all joints."""

    def _table(self, sequences: Sequence[NDArray[np.floating]]) -> NDArray[np.float64]:
        speed = CHANNELS.index("displacement")
        seen = [sequence[speed][np.isfinite(sequence[speed])] for sequence in sequences]
        return np.array([[np.log(1e-3 + (part.mean() if part.size else 0.0))] for part in seen])
