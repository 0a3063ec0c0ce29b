"""Whether a recording as a whole shows more than is usual: exaggerated fidgety movements.

Fidgety movements are abnormal when they are absent and when they are exaggerated in amplitude and
speed (Prechtl 1997). Few infants are of the second kind, too few to learn it from their labels; but
what they would look like is known: like normal ones, only larger. So while training every
recording is also looked at as if its fidgety movement were larger, and a plain linear measure of
the recording's mean spectrum is asked to tell the two apart, for the recordings that the other part
of the network takes for normal.

Which bands are enlarged is not given but measured: those in which recordings taken for normal
exceed those taken for abnormal, as running means.

Sources
-------
Prechtl et al. 1997, Lancet 349:1361, doi 10.1016/S0140-6736(96)10182-3: abnormal fidgety movements.
Pearl 1988, Probabilistic Reasoning in Intelligent Systems, section 4.3: noisy or.

Axes: N recordings, M clips, V joints, B bands.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Excess", "either"]

MOMENTUM = 0.05  # of the running means
SPREAD = 3.0  # means over recordings vary about a third as much as single joints in single clips
EARLY = -2.0  # an excess is unlikely before anything was learnt


def either(first: Tensor, second: Tensor) -> Tensor:
    """Logit of at least one of two independent events, of their logits."""
    return torch.stack([first, second, first + second]).logsumexp(dim=0)


class Excess(nn.Module):
    """A linear measure of a recording's mean spectrum, learnt from enlarged copies.

    Parameters
    ----------
    bands : int
        Bands B.
    factor : float
        How much larger fidgety movement is made; amplitude.
    ridge : float
        Penalty on the squared weights.
    weight : float
        Of the loss of the enlarged copies beside that of the labels.
    """

    def __init__(self, bands: int, factor: float, ridge: float = 0.1, weight: float = 1.0) -> None:
        super().__init__()
        self.factor, self.ridge, self.weight = factor, ridge, weight
        self.measure = nn.Linear(bands + 1, 1)
        self.register_buffer("normal", torch.zeros(bands))
        self.register_buffer("abnormal", torch.zeros(bands))
        self.normal: Tensor
        self.abnormal: Tensor
        if not self.measure.weight.is_meta:
            nn.init.zeros_(self.measure.weight)
            nn.init.constant_(self.measure.bias, EARLY)

    def enlarged(self, level: Tensor) -> Tensor:
        """Log power (M, V, B) as if the fidgety movement in it were `factor` times as large."""
        more = (self.normal - self.abnormal).clamp(min=0.0)
        share = more / more.max().clamp(min=1e-3)  # 1 in the band that tells most
        return level + torch.log1p((self.factor**2 - 1) * share)

    def logit(self, features: Tensor) -> Tensor:
        """Logit (N,) of an excess, of mean normalised features (N, B + 1)."""
        return self.measure(SPREAD * features).squeeze(-1)

    def penalty(self, found: Tensor, enlarged: Tensor, absent: Tensor) -> Tensor:
        """Loss (N,) of the logits of the recordings and of their enlarged copies.

        Each counts as far as its fidgety movements are not held to be absent (logit `absent`).
        """
        told = F.softplus(found) + F.softplus(-enlarged)
        held = torch.sigmoid(-absent.detach())
        return self.weight * held * told + self.ridge * self.measure.weight.square().sum()

    @torch.no_grad()
    def learn_bands(self, shape: Tensor, absent: Tensor) -> None:
        """Running means of spectra (N, B) of recordings, by what they are held to be (N,)."""
        missing = torch.sigmoid(absent)
        for mean, share in ((self.normal, 1 - missing), (self.abnormal, missing)):
            total = share.sum()
            found = (share[:, None] * shape).sum(dim=0) / total.clamp(min=1e-6)
            mean += MOMENTUM * (total > 1e-6) * (found - mean)
