"""What the scores of single members would be as scores of the mean of several.

Members that were trained on different infants differ in what they say of one and the same infant.
Each infant is left out by one or two members, but a new infant is scored by the mean of all, in
which their differences have cancelled. A rule fitted to single members' scores is then too timid:
the classes lie further apart, in units of their spread, than it knows. The scatter between members
is measured on infants that several of them left out, and each class drawn together about its own
mean by as much as averaging would draw it. For the logistic curve fitted afterwards that is the
correction of a covariate measured with error, by moment reconstruction.

Sources
-------
Freedman, Fainberg, Kipnis, Midthune, Carroll (2004) Biometrics 60:172, moment reconstruction;
Carroll, Ruppert, Stefanski, Crainiceanu (2006) Measurement Error in Nonlinear Models, ch. 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fidgety.errors import ConfigError, StudyError
from fidgety.statistics.arrays import Floats, Infants, cohort

__all__ = ["Averaged", "as_of_mean"]


@dataclass(frozen=True, eq=False)
class Averaged:
    """Scores as they would be if `members` were averaged.

    Parameters
    ----------
    scores : ndarray (n,)
        One a recording.
    shared, scatter : float
        Variance within a class of what all members agree on, and of a single member about it; NaN
        where no recording was scored by two.
    members : int
        How many are averaged.
    """

    scores: Floats
    shared: float
    scatter: float
    members: int

    @property
    def gain(self) -> float:
        """By how much the mean is too timid where a single member's logit is right.

        The slope of the risk on normal scores is the distance of the classes over their variance,
        and averaging makes the variance smaller. 1 where the scatter is not known.
        """
        if not np.isfinite(self.scatter):
            return 1.0
        mean = self.shared + self.scatter / self.members
        return (self.shared + self.scatter) / mean if mean > 0 else 1.0


def as_of_mean(
    scores: ArrayLike, labels: ArrayLike, infants: Infants = None, *, members: int
) -> Averaged:
    """Draw each class together as far as averaging over members would.

    Parameters
    ----------
    scores : array_like (r, n)
        Logits, or any scores that are averaged. Each column is a recording and holds what the
        members said that did not see it; NaN for those that did. Every column holds one at least.
    labels : array_like (n,)
        1 = abnormal.
    infants : sequence (n,), optional
        Infant of each recording; each infant then counts once.
    members : int
        Of the mean that new recordings are scored by.

    Returns
    -------
    Averaged
        The plain means where no recording was scored twice or nothing is averaged.

    Notes
    -----
    Exact in the long run where the members' scatter is independent of the infant and the scores of
    a class are normal; the scatter is pooled over the classes. Members that left out the same
    infant have more other infants in common than any two of the ensemble, so that the scatter comes
    out a little too small and the correction a little too weak.

    Raises
    ------
    StudyError
        E240 to E243, see `cohort`; E240 for a table that does not fit the labels, E243 for a
        recording without a score.
    ConfigError
        E247 members below 1.
    """
    if members < 1:
        raise ConfigError("E247", f"{members} members", remedy="Give 1 or more")
    table = np.atleast_2d(np.asarray(scores, dtype=np.float64))
    if table.ndim != 2 or table.shape[1:] != np.shape(labels):
        raise StudyError(
            "E240", f"Scores are of shape {table.shape}, labels {np.shape(labels)}",
            remedy="Give a row a member and a column a recording",
        )  # fmt: skip
    seen = np.isfinite(table)
    count = seen.sum(axis=0)  # (n,)
    if (count == 0).any():
        raise StudyError(
            "E243", f"{int((count == 0).sum())} recordings have no score of a member that left "
            "them out",
        )  # fmt: skip
    mean = np.where(seen, table, 0.0).sum(axis=0) / count
    data = cohort(mean, labels, infants)
    weight = (1 / np.bincount(data.infant))[data.infant]
    twice = count > 1
    if members == 1 or not twice.any():
        return Averaged(mean, np.nan, np.nan, members)
    within = np.where(seen, np.square(table - mean), 0.0).sum(axis=0)
    scatter = float((weight * within).sum() / (weight * (count - 1)).sum())
    centre = np.zeros(len(mean))
    for label in (0, 1):
        own = data.labels == label
        centre[own] = np.average(mean[own], weights=weight[own])
    spread = np.square(mean - centre) * data.infants / max(data.infants - 2, 1)
    shared = max(float(np.average(spread - scatter / count, weights=weight)), 0.0)
    wanted, had = shared + scatter / members, shared + scatter / count
    shrink = np.sqrt(wanted / np.where(had > 0, had, 1.0))
    return Averaged(centre + shrink * (mean - centre), shared, scatter, members)
