"""Is this recording like those the model was trained on? A robust distance with a false alarm rate.

A cohort may hold recordings of several kinds, such as poses by two estimators: one ellipsoid
around all of them would hold whatever lies between. So each kind has its own, and a recording is
like the cohort if it is like one of its kinds. The rule keeps of each a centre, scales and a
matrix, never an infant's row.

Sources
-------
Raymaekers, Rousseeuw (2021) Technometrics 63:184, bounded values before the correlation; Ledoit,
Wolf (2004) J Multivar Anal 88:365, shrinkage; Laxhammar, Falkman (2011) and Vovk et al. (2005),
conformal anomaly detection; Fraley, Raftery (1998) Comput J 41:578, the number of kinds by the
Bayesian information criterion of a mixture of Gaussians.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fidgety.errors import CheckpointError, StudyError
from fidgety.statistics.arrays import Floats, Infants, Ints, fraction, numbers_from

__all__ = ["ScopeCheck", "ScopeRule", "fit_scope", "scope_from_dict"]

# Robust standard scores are held within this bound where the correlation is estimated.
_BOUND = 2.5
_FOLDS = 10
_AGREE = 0.1  # ratio of both widths of a distribution below which most values nearly agree
_FAR = 8.0  # and where kinds are looked for, which may lie far apart
_MOST_KINDS = 3


@dataclass(frozen=True)
class ScopeCheck:
    """What the rule says of one recording.

    Parameters
    ----------
    in_scope : bool
        Whether the recording is like those of the training cohort; False where a feature is
        missing.
    distance, limit : float
        Distance from the training cohort, and the limit; infinite where a feature is missing.
    strangest : tuple of (str, float)
        Features by how far they are from the cohort's middle, in robust standard deviations.
    """

    in_scope: bool
    distance: float
    limit: float
    strangest: tuple[tuple[str, float], ...]


@dataclass(frozen=True, eq=False)
class ScopeRule:
    """Centre, scale, whitening and limit of a training cohort's features.

    Parameters
    ----------
    names : tuple of str (p,)
        Features used, in order; those that do not vary in training are left out.
    centre, scale : ndarray (p,)
        Median and scaled median absolute deviation.
    precision : ndarray (p, p)
        Inverse of the shrunken correlation of the bounded standard scores.
    limit : float
        Distance beyond which a recording is out of scope.
    false_alarm : float
        Stated share of new recordings of the same kind that are called out of scope.
    infants : int
        Infants that it rests on.
    others : tuple of ScopeRule
        Those of the cohort's other kinds of recordings.
    """

    names: tuple[str, ...]
    centre: Floats
    scale: Floats
    precision: Floats
    limit: float
    false_alarm: float
    infants: int
    others: tuple[ScopeRule, ...] = ()

    def distance(self, features: ArrayLike) -> Floats:
        """Robust Mahalanobis distance of rows (n, p), columns as `names`; NaN gives infinity."""
        z = (np.atleast_2d(np.asarray(features, np.float64)) - self.centre) / self.scale
        missing = ~np.isfinite(z).all(axis=1)
        z[missing] = 0
        squared = np.einsum("ij,jk,ik->i", z, self.precision, z)
        return np.where(missing, np.inf, np.sqrt(np.maximum(squared, 0)))

    def check(self, features: Mapping[str, float]) -> ScopeCheck:
        """Judge one recording by its named features and the kind that it is nearest to.

        Features that the rule does not know are ignored.
        """
        checks = [self._check(features), *(other._check(features) for other in self.others)]
        return min(checks, key=lambda check: check.distance / max(check.limit, 1e-12))

    def _check(self, features: Mapping[str, float]) -> ScopeCheck:
        row = np.array([float(features.get(name, np.nan)) for name in self.names])
        distance = float(self.distance(row)[0])
        z = (row - self.centre) / self.scale
        order = np.argsort(-np.where(np.isnan(z), np.inf, np.abs(z)), kind="stable")
        strangest = tuple((self.names[k], float(z[k])) for k in order)
        return ScopeCheck(distance <= self.limit, distance, self.limit, strangest)

    def to_dict(self) -> dict[str, Any]:
        """Plain content for JSON; `scope_from_dict` reads it back."""
        return {
            "kind": "robust mahalanobis",
            "names": list(self.names),
            "centre": self.centre.tolist(),
            "scale": self.scale.tolist(),
            "precision": self.precision.tolist(),
            "limit": self.limit,
            "false_alarm": self.false_alarm,
            "infants": self.infants,
        } | ({"others": [other.to_dict() for other in self.others]} if self.others else {})


def fit_scope(
    features: ArrayLike,
    names: Sequence[str],
    infants: Infants = None,
    *,
    false_alarm: float = 0.05,
    seed: int | np.random.Generator = 0,
) -> ScopeRule:
    """Fit the rule on the training cohort's features.

    Centre and scale are medians, the correlation is that of bounded standard scores, shrunk by
    Ledoit and Wolf's rule: a few odd training recordings move none of them much. The limit comes
    from distances measured out of fold (ten folds, infants apart), so that it suits new infants.
    Where the recordings are of several kinds, each with infants enough, all this is done for each.

    Parameters
    ----------
    features : array_like (n, p)
        One row a recording, all finite.
    names : sequence of str (p,)
        Names of the columns.
    infants : sequence (n,), optional
        Infant of each row.
    false_alarm : float
        Share of new recordings of the same kind that may be called out of scope.
    seed : int or numpy.random.Generator
        Of the folds.

    Raises
    ------
    StudyError
        E261 a table of the wrong shape, with doubled names, missing values or nothing that varies;
        E263 fewer infants than the false alarm rate needs, or fewer than ten.
    ConfigError
        E246 false alarm rate not within 0 and 1.
    """
    fraction(false_alarm, "false_alarm")
    table, infant = _table(features, names, infants)
    count = int(infant.max()) + 1
    needed = max(10, math.ceil(1 / false_alarm - 1 - 1e-9))
    if count < needed:
        raise StudyError(
            "E263",
            f"{count} infants do not support a false alarm rate of {false_alarm:g}",
            remedy=f"{needed} infants are needed, or a higher rate",
        )
    kind = _kinds(table, infant, needed)
    rules = []
    for k in range(int(kind.max()) + 1):
        own = np.unique(infant[kind == k], return_inverse=True)[1].astype(np.int64)
        rules.append(_rule(table[kind == k], names, own, false_alarm, seed))
    first, *others = sorted(rules, key=lambda rule: -rule.infants)
    return replace(first, others=tuple(others))


def _rule(
    table: Floats,
    names: Sequence[str],
    infant: Ints,
    false_alarm: float,
    seed: int | np.random.Generator,
) -> ScopeRule:
    """The rule of recordings of one kind."""
    count = int(infant.max()) + 1
    varies = [_scale(column) > 0 for column in table.T]
    if not any(varies):
        raise StudyError("E261", "No feature varies over the training recordings")
    table = table[:, varies]
    kept = tuple(str(n) for n, v in zip(names, varies, strict=True) if v)
    fold = np.random.default_rng(seed).permutation(count)[infant] % _FOLDS
    away = np.empty(len(table))
    for k in range(_FOLDS):
        inside = _fit(table[fold != k])
        away[fold == k] = ScopeRule(kept, *inside, 0.0, false_alarm, count).distance(
            table[fold == k]
        )
    # Each infant counts once, shared over its recordings; the limit is the smallest distance that a
    # new recording exceeds with a conformal probability of at most the false alarm rate.
    weights = (1 / np.bincount(infant))[infant]
    order = np.argsort(away, kind="stable")
    wanted = (1 - false_alarm) * (count + 1)
    k = int(np.searchsorted(np.cumsum(weights[order]), wanted - 1e-9))
    limit = float(away[order[min(k, len(order) - 1)]])
    return ScopeRule(kept, *_fit(table), limit, false_alarm, count)


def _kinds(table: Floats, infant: Ints, needed: int) -> Ints:
    """Kind (n,) of each recording, the same for all of an infant; one unless they are clear.

    As many as a mixture of Gaussians has by the Bayesian information criterion, if each then has
    `needed` infants.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    one = np.zeros(len(table), dtype=np.int64)
    scale = np.array([_scale(column) for column in table.T])
    if not scale.any():
        return one
    z = ((table - np.median(table, axis=0)) / np.where(scale > 0, scale, 1.0))[:, scale > 0]
    z = np.clip(z, -_FAR, _FAR)
    best, found = np.inf, one
    for count in range(1, min(_MOST_KINDS, int(infant.max() + 1) // needed) + 1):
        mixture = GaussianMixture(count, reg_covar=1e-2, n_init=3, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # such a mixture loses by its fit
            mixture.fit(z)
        if (score := mixture.bic(z)) < best:
            best, found = score, mixture.predict(z)
    votes = np.zeros((int(infant.max()) + 1, _MOST_KINDS))
    np.add.at(votes, (infant, found), 1.0)
    of_infant = votes.argmax(axis=1)
    sizes = np.bincount(of_infant)
    if sizes[sizes > 0].min() < needed:
        return one
    return np.unique(of_infant, return_inverse=True)[1][infant].astype(np.int64)


def scope_from_dict(content: Mapping[str, Any]) -> ScopeRule:
    """Read back what `ScopeRule.to_dict` gave.

    Raises
    ------
    CheckpointError
        E260 unknown kind, or numbers missing, not finite or of the wrong number.
    """
    kind = content.get("kind") if isinstance(content, Mapping) else None
    if kind != "robust mahalanobis":
        raise CheckpointError(
            "E260",
            f"The stored scope rule is of an unknown kind {kind!r}",
            remedy="Update fidgety, or fit the rule again",
        )
    what = "scope rule"
    limit, rate, count = numbers_from(content, ("limit", "false_alarm", "infants"), what)
    names = tuple(str(n) for n in content.get("names") or ())
    p = len(names)
    return ScopeRule(
        names,
        _array(content.get("centre"), (p,)),
        _array(content.get("scale"), (p,), positive=True),
        _array(content.get("precision"), (p, p)),
        limit,
        rate,
        int(count),
        _others(content.get("others")),
    )


def _others(content: Any) -> tuple[ScopeRule, ...]:
    if content is None:
        return ()
    alone = isinstance(content, list) and all(
        isinstance(one, Mapping) and "others" not in one for one in content
    )
    if not alone or len(content) >= _MOST_KINDS:
        raise CheckpointError("E260", "The stored scope rule has impossible further kinds")
    return tuple(scope_from_dict(one) for one in content)


def _array(values: Any, shape: tuple[int, ...], *, positive: bool = False) -> Floats:
    try:
        found = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        found = np.array(np.nan)
    fits = found.shape == shape and found.size and np.isfinite(found).all()
    if not fits or (positive and (found <= 0).any()):
        raise CheckpointError("E260", f"The stored scope rule lacks numbers of the shape {shape}")
    return found


def _table(features: ArrayLike, names: Sequence[str], infants: Infants) -> tuple[Floats, Ints]:
    try:
        table = np.asarray(features, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise StudyError("E261", "The features are not a table of numbers") from error
    if table.ndim != 2 or table.shape[1] != len(names) or not table.size:
        raise StudyError("E261", f"A table {table.shape} does not fit {len(names)} feature names")
    if len(set(names)) < len(names):
        raise StudyError("E261", "Two features have the same name")
    missing = np.flatnonzero(~np.isfinite(table).all(axis=0))
    if missing.size:
        bad = ", ".join(str(names[k]) for k in missing.tolist())
        raise StudyError(
            "E261",
            f"Features have missing or infinite values: {bad}",
            remedy="Leave these features or these recordings out",
        )
    if infants is None:
        return table, np.arange(len(table), dtype=np.int64)
    codes = np.asarray([str(i) for i in infants])
    if len(codes) != len(table):
        raise StudyError("E261", f"{len(codes)} infant codes for {len(table)} rows")
    return table, np.unique(codes, return_inverse=True)[1].astype(np.int64)


def _scale(column: Floats) -> float:
    """Scaled median absolute deviation; the standard deviation where most values agree.

    Where they nearly agree, the width of the middle nine tenths: by the others' distance in median
    deviations nothing else would count.
    """
    spread = 1.4826 * float(np.median(np.abs(column - np.median(column))))
    low, high = np.quantile(column, (0.05, 0.95))
    width = float(high - low) / 3.29  # a normal distribution's standard deviation
    tiny = 1e-12 * float(np.abs(column).max())
    if spread > max(tiny, _AGREE * width):
        return spread
    return next((one for one in (width, float(column.std())) if one > tiny), 0.0)


def _fit(table: Floats) -> tuple[Floats, Floats, Floats]:
    """Centre (p,), scale (p,) and precision (p, p)."""
    centre = np.median(table, axis=0)
    # A feature that varies in the cohort may not in one fold; any scale then serves.
    scale = np.array([_scale(column) or 1.0 for column in table.T], dtype=np.float64)
    z = np.clip((table - centre) / scale, -_BOUND, _BOUND)
    covariance = _ledoit_wolf(z - z.mean(axis=0))
    root = np.sqrt(np.maximum(np.diag(covariance), 1e-12))
    correlation = covariance / np.outer(root, root)
    return centre, scale, np.linalg.inv(correlation).astype(np.float64)


def _ledoit_wolf(z: Floats) -> Floats:
    """Covariance of centred rows (n, p), shrunk towards a multiple of the identity."""
    n, p = z.shape
    sample = z.T @ z / n
    target = np.trace(sample) / p * np.eye(p)
    away = float(((sample - target) ** 2).sum())
    noise = float(((z**2).sum(axis=1) ** 2).sum() / n - (sample**2).sum()) / n
    share = min(max(noise / away, 0.0), 1.0) if away > 0 else 1.0
    return share * target + (1 - share) * sample
