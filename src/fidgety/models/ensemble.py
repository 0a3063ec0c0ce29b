"""Several networks over one recording, spoken of as one: their mean on the logit scale.

Members differ in the infants they were trained on. What they agree on is the answer; how far they
differ is a part of its uncertainty that no single network shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from fidgety.models.inference import Aggregation, Inference, Window

__all__ = ["Ensemble", "Found", "logits", "pooled"]

_EDGE = 1e-6  # a risk of exactly 0 or 1 counts as one in a million


@dataclass(frozen=True, eq=False)
class Ensemble:
    """What several networks say of one recording; used like an `Inference`.

    Parameters
    ----------
    members : tuple of Inference
        Over the same clips.
    """

    members: tuple[Inference, ...]

    @property
    def windows(self) -> tuple[Window, ...]:
        """Windows of the first member; the clips in them are the same for all."""
        return self.members[0].windows

    @property
    def aggregation(self) -> Aggregation:
        """How the windows' risks become the recording's."""
        return self.members[0].aggregation

    @property
    def risk(self) -> float:
        """Uncalibrated risk: the members' mean on the logit scale."""
        return float(pooled([member.risk for member in self.members]))

    def risk_with(self, weight: NDArray[np.float64]) -> NDArray[np.float64]:
        """Risk with each clip counted so many times, (K,) or (draws, K); NaN without a clip."""
        return pooled(np.stack([member.risk_with(weight) for member in self.members]))

    @property
    def logit(self) -> float:
        """What the contributions sum to, with the bias, where they do."""
        return float(np.mean([member.logit for member in self.members]))

    @property
    def exact(self) -> bool:
        """Whether clip contributions sum to the logit."""
        return all(member.exact for member in self.members)

    @property
    def bias(self) -> float | None:
        """What the contributions lack to the logit; None where they do not sum to it."""
        found = [member.bias for member in self.members]
        return None if any(bias is None for bias in found) else float(np.mean(found))  # type: ignore[arg-type]

    @cached_property
    def parts(self) -> tuple[float, float] | None:
        """Chances by the clips and by the whole, as `risk` the members' mean on the logit scale."""
        found = [member.parts for member in self.members]
        if any(part is None for part in found):
            return None
        clips, whole = pooled(np.array(found))
        return float(clips), float(whole)

    @cached_property
    def clip_attention(self) -> NDArray[np.float64]:
        """Mean attention (K,); sums to 1."""
        return np.mean([member.clip_attention for member in self.members], axis=0)

    @cached_property
    def clip_contribution(self) -> NDArray[np.float64]:
        """What each clip (K,) adds to the mean logit."""
        return np.mean([member.clip_contribution for member in self.members], axis=0)

    @cached_property
    def joint_attention(self) -> NDArray[np.float64]:
        """Attention over the joints of each clip (K, V), members weighed by their clip attention.

        So that clip attention times joint attention is the members' mean of that product.
        """
        shares = np.stack([member.clip_attention for member in self.members])  # (M, K)
        total = shares.sum(axis=0)
        even = np.full_like(shares, 1 / len(shares))
        shares = np.where(total > 0, shares / np.where(total > 0, total, 1.0), even)
        return sum(
            share[:, None] * member.joint_attention
            for share, member in zip(shares, self.members, strict=True)
        )  # type: ignore[return-value]

    @cached_property
    def joint_contribution(self) -> NDArray[np.float64] | None:
        """What each joint of each clip (K, V) adds to the mean logit; None if a member has none."""
        tables = [member.joint_contribution for member in self.members]
        if any(table is None for table in tables):
            return None
        return np.mean(np.stack(tables), axis=0)  # type: ignore[arg-type]


Found = Inference | Ensemble


def logits(scores: ArrayLike) -> NDArray[np.float64]:
    """Logit of scores between 0 and 1, held within one in a million of the ends."""
    return logit(np.clip(np.asarray(scores, dtype=np.float64), _EDGE, 1 - _EDGE))


def pooled(scores: ArrayLike) -> NDArray[np.float64]:
    """One score from those of several members (M, ...): their mean on the logit scale."""
    every = np.asarray(scores, dtype=np.float64)
    return every[0] if len(every) == 1 else expit(logits(every).mean(axis=0))
