"""Plain rivals: a published set of features, and a small classifier on top.

Missing features take the median of the training recordings, so that nothing is known of them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.feature_selection import SelectFdr, SelectKBest, f_classif
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fidgety.models.features import SETS, FeatureSet
from fidgety.models.features.feature import Floats
from fidgety.models.remembered import remembered

__all__ = [
    "FeatureClassifier",
    "Surprise",
    "boosted",
    "discovered",
    "features_of",
    "regularised",
]

Sequences = Sequence[NDArray[np.floating]]


class FeatureClassifier:
    """Features, standardised, and an estimator.

    Parameters
    ----------
    features : FeatureSet
        What is measured of each recording.
    make : callable
        Makes the unfitted estimator: scikit-learn's ``fit`` and ``predict_proba``.
    prefixes : tuple of str
        Use only the features whose names begin so; all of them by default.
    fps : float
        Frame rate of the sequences: that of the method's preprocessing.
    """

    def __init__(
        self,
        features: FeatureSet,
        make: Callable[[], Any],
        prefixes: tuple[str, ...] = ("",),
        fps: float = 30.0,
    ) -> None:
        self._features, self._fps = features, fps
        self._columns = np.array([name.startswith(prefixes) for name in features.names])
        self._line = make_pipeline(
            SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler(), make()
        )

    def fit(self, sequences: Sequences, labels: NDArray[np.integer]) -> FeatureClassifier:
        """Fit to recordings (7, T, V) and their labels (N,)."""
        self._line.fit(self._table(sequences), labels)
        return self

    def risk(self, sequences: Sequences) -> Floats:
        """Uncalibrated probability (N,) of absent or abnormal fidgety movements."""
        return np.asarray(self._line.predict_proba(self._table(sequences)))[:, 1]

    def _table(self, sequences: Sequences) -> Floats:
        return features_of(self._features, sequences, self._fps)[:, self._columns]


def features_of(features: FeatureSet, sequences: Sequences, fps: float) -> Floats:
    """Table (N, p) of the features of N recordings (7, T, V)."""
    measure = partial(features.of, fps=fps)
    return np.stack([remembered((features.name, fps), measure, values) for values in sequences])


class Surprise:
    """Naive Gaussian Bayesian surprise of Chambers 2020: how unlike the normal infants one is.

    From the source: a normal distribution of each feature is fitted to the normal infants, features
    are taken for independent, and the surprise is the sum of the negative logarithms of their
    densities. It never looks at an abnormal infant. Ours: the surprise, standardised over the
    normal training infants, is brought to 0 to 1 by ``(1 + z / (1 + |z|)) / 2``, which changes no
    order, however surprising an infant is; a feature that does not vary among them is left out; the
    source's two age brackets are one here.
    """

    def __init__(self, fps: float = 30.0) -> None:
        self._fps = fps
        self._impute = SimpleImputer(strategy="median", keep_empty_features=True)

    def fit(self, sequences: Sequences, labels: NDArray[np.integer]) -> Surprise:
        """Fit to the recordings (7, T, V) with label 0."""
        table = features_of(SETS["chambers"], sequences, self._fps)[np.asarray(labels) == 0]
        table = self._impute.fit_transform(table)
        self._mean, self._sd = table.mean(axis=0), table.std(axis=0)
        self._varies = self._sd > 1e-9
        known = self._surprise(table)
        self._middle, self._spread = float(known.mean()), max(float(known.std()), 1e-9)
        return self

    def risk(self, sequences: Sequences) -> Floats:
        """Standardised surprise (N,), brought to 0 to 1."""
        table = np.asarray(
            self._impute.transform(features_of(SETS["chambers"], sequences, self._fps))
        )
        z = (self._surprise(table) - self._middle) / self._spread
        return (1 + z / (1 + np.abs(z))) / 2

    def _surprise(self, table: Floats) -> Floats:
        kept = self._varies
        return -norm.logpdf(table[:, kept], self._mean[kept], self._sd[kept]).sum(axis=1)


def regularised(strength: float) -> LogisticRegression:
    """L2-regularised logistic regression; `strength` is the inverse of the penalty."""
    return LogisticRegression(C=strength, class_weight="balanced", max_iter=2000)


def boosted() -> GradientBoostingClassifier:
    """Boosted trees at the settings of McCay 2022: 11 trees of two splits, rate 0.13603."""
    return GradientBoostingClassifier(
        n_estimators=11,
        learning_rate=0.13603,
        max_leaf_nodes=3,  # at most two splits, so that the depth of 3 never binds
        min_samples_leaf=2,
        random_state=0,
    )


class _Discovered(SelectFdr):
    """Benjamini-Hochberg selection; the five best where nothing passes."""

    def _get_support_mask(self) -> NDArray[np.bool_]:
        found = super()._get_support_mask()
        if found.any():
            return found
        best = SelectKBest(_differences, k=min(5, len(found)))
        best.scores_, best.pvalues_ = self.scores_, self.pvalues_
        return best._get_support_mask()


def _differences(table: Floats, labels: NDArray[np.integer]) -> tuple[Floats, Floats]:
    """F statistics and their p (p,); 0 and 1 for a feature that does not vary."""
    with np.errstate(divide="ignore", invalid="ignore"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Features .* are constant")
        size, p = f_classif(table, labels)
    known = np.isfinite(size) & np.isfinite(p)
    return np.where(known, size, 0.0), np.where(known, p, 1.0)


def discovered() -> Any:
    """Logistic regression on the features that pass a false discovery rate of 0.1."""
    return make_pipeline(_Discovered(_differences, alpha=0.1), regularised(0.1))
