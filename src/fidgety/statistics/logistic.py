"""Logistic regression of a few columns by Newton's method, plain or with Firth's penalty.

Sources
-------
Firth (1993) Biometrika 80:27; Heinze, Schemper (2002) Stat Med 21:2409.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from fidgety.statistics.arrays import Floats, Ints

__all__ = ["fit_logistic", "logistic_covariance", "separated"]


def fit_logistic(
    columns: Floats,
    targets: Floats,
    *,
    weights: Floats | None = None,
    offset: Floats | float = 0.0,
    firth: bool = False,
    prior: tuple[Floats, Floats] | None = None,
) -> Floats:
    """Coefficients (p,) of a logistic regression on `columns` (n, p); targets within 0 and 1.

    `prior` holds mean and standard deviation (p,) of a normal prior: the mode is found. Newton
    steps, halved until the likelihood no longer falls. Without `firth` or `prior`, the caller has
    made sure that the maximum exists (see `separated`).
    """
    w = np.ones(len(targets)) if weights is None else weights
    middle, spread_of = (0.0, np.inf) if prior is None else prior
    pull = np.broadcast_to(1 / np.square(spread_of), columns.shape[1])  # (p,)

    def objective(beta: Floats) -> float:
        held = 0.5 * float(pull @ np.square(beta - middle))
        return _objective(columns, targets, w, offset, beta, firth) - held

    beta = np.zeros(columns.shape[1])
    now = objective(beta)
    then = now
    for _ in range(100):
        p = expit(columns @ beta + offset)
        information = (columns * (w * p * (1 - p))[:, None]).T @ columns + np.diag(pull)
        residual = w * (targets - p)
        if firth:
            spread = w * p * (1 - p)
            leverage = spread * np.einsum(
                "ij,ij->i", columns, np.linalg.solve(information, columns.T).T
            )
            residual = residual + leverage * (0.5 - p)
        step = np.linalg.lstsq(
            information, columns.T @ residual - pull * (beta - middle), rcond=None
        )[0]
        for _ in range(30):
            then = objective(beta + step)
            if then >= now - 1e-12:
                break
            step = step / 2
        beta, now = beta + step, then
        if np.abs(columns @ step).max() < 1e-9:
            break
    return beta


def logistic_covariance(
    columns: Floats, targets: Floats, beta: Floats, offset: Floats | float, infant: Ints
) -> Floats:
    """Covariance (p, p) of the coefficients; robust to several recordings of one infant."""
    p = expit(columns @ beta + offset)
    bread = np.linalg.pinv((columns * (p * (1 - p))[:, None]).T @ columns)
    infants = int(infant.max()) + 1
    if infants == len(targets):
        return bread
    scores = np.zeros((infants, columns.shape[1]))
    np.add.at(scores, infant, columns * (targets - p)[:, None])
    return bread @ (scores.T @ scores) @ bread * infants / (infants - 1)


def separated(x: Floats, labels: Ints) -> bool:
    """Whether one value of `x` parts the classes (or `x` does not vary): no slope exists."""
    one, zero = x[labels == 1], x[labels == 0]
    return bool(one.min() >= zero.max() or one.max() <= zero.min())


def _objective(
    columns: Floats,
    targets: Floats,
    weights: Floats,
    offset: Floats | float,
    beta: Floats,
    firth: bool,
) -> float:
    eta = columns @ beta + offset
    value = float(weights @ (targets * eta - np.logaddexp(0, eta)))
    if firth:
        p = expit(eta)
        information = (columns * (weights * p * (1 - p))[:, None]).T @ columns
        sign, log_det = np.linalg.slogdet(information)
        value += 0.5 * float(log_det) if sign > 0 else -np.inf
    return value
