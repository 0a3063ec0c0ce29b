"""The plain rival: logistic regression on quantiles of speed and acceleration of each joint."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fidgety.motion.features import CHANNELS

__all__ = ["LEVELS", "MeanSpeed", "QuantileRegression", "quantile_features"]

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
    rows = []
    for pair in (_VELOCITY, _ACCELERATION):
        size = np.hypot(sequence[pair[0]], sequence[pair[1]])  # (T, V)
        seen = np.isfinite(size)
        table = np.full((len(LEVELS), size.shape[1]), np.nan)
        for joint in np.flatnonzero(seen.any(axis=0)):
            table[:, joint] = np.quantile(size[seen[:, joint], joint], LEVELS)
        middle = np.nanmedian(table, axis=1) if seen.any() else np.zeros(len(LEVELS))
        rows.append(np.where(np.isnan(table), middle[:, None], table))
    return np.log(1e-3 + np.stack(rows)).ravel()


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
        return np.stack([quantile_features(sequence) for sequence in sequences])


class MeanSpeed(QuantileRegression):
    """Logistic regression on one number: the mean speed of all joints."""

    def _table(self, sequences: Sequence[NDArray[np.floating]]) -> NDArray[np.float64]:
        speed = CHANNELS.index("displacement")
        seen = [sequence[speed][np.isfinite(sequence[speed])] for sequence in sequences]
        return np.array([[np.log(1e-3 + (part.mean() if part.size else 0.0))] for part in seen])
