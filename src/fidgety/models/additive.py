"""Additive STAM: a risk that is the sum of what each joint says in each clip.

    clips -> velocity -> power in bands from 0.5 to 10 Hz
    each joint by itself -> a small network -> its evidence and its score in each clip
    scores -> softmax over all joints and clips -> weights; absent = bias + sum(weight * evidence)
    the recording's mean spectrum -> exaggerated (`fidgety.models.excess`)
    logit = that of either: absent or exaggerated

STAM mixes joints along the graph before it weighs them, so that the weight of a joint says where
it looked, not what it saw. Here nothing is mixed: the explanation is the computation, read off term
by term. Attention over joints within clips and over clips is STAM's, taken together.

What fidgety movement is, is a matter of rate and size in every direction. Both are kept and nothing
else: the power of a joint's velocity in each band, directions added. So turning the camera changes
nothing, mirroring the image exchanges left and right and changes nothing else (mirrored joints
share their parameters), and a slow drift of the posture lies below the bands.

Whether fidgety movements are exaggerated is asked of the recording as a whole. That part belongs to
no clip and no joint; among contributions it is spread evenly, so that they still sum to the logit.

Sources
-------
Nguyen-Thai et al. 2021, IEEE JBHI, doi 10.1109/JBHI.2021.3077957: attention over joints and clips.
Ilse, Tomczak, Welling 2018, ICML, arXiv 1802.04712: attention as pooling of instances.
Agarwal et al. 2021, NeurIPS, arXiv 2004.13912: networks that are sums of small networks.
Welch 1967, IEEE Trans. Audio Electroacoust. 15, 70-73: power by windowed segments.

Axes: N recordings, K clips, M = clips of all recordings together, C channels, T frames, V joints,
S segments of a clip, B bands, H hidden width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fidgety.models.excess import Excess, either
from fidgety.models.network import (
    Encoded,
    Evidence,
    LayoutSettings,
    Network,
    NetworkOutput,
    each_clip,
    is_count,
    require,
    softmax_over,
)
from fidgety.pose.skeleton import Skeleton

__all__ = ["Additive", "AdditiveConfig"]

VELOCITY = slice(2, 4)  # among CHANNELS
SEEN = 0.5  # share of a segment's frames, weighed by its taper, that makes its power known
_EXACTLY = 1 - 1e-4  # the first half of a segment is half of it, whatever rounding says


@dataclass(frozen=True)
class AdditiveConfig(LayoutSettings):
    """Architecture of `Additive`.

    Parameters
    ----------
    channels : int
        Feature channels, in the order of `fidgety.motion.CHANNELS`; only velocity is looked at.
    skeleton : str or Skeleton
        Layout of the V joints.
    fps : float
        Frame rate of the clips, by which bands in Hz are found; `fit` sets it to the study's.
    bands : int
        How many bands, evenly spaced by the logarithm of frequency.
    lowest_hz, highest_hz : float
        Centres of the first and the last band; the last lies at 0.45 of the frame rate at most.
    segment_s : float
        Seconds over which power is measured; a band is about 2 / `segment_s` Hz wide.
    floor : float
        Power below which there is rest, (trunk lengths per second) squared per Hz.
    width : int
        Hidden width H.
    dropout : float
        In the hidden layers.
    exaggeration : float
        How many times larger than usual exaggerated fidgety movements are, as far as training is
        concerned; 0 to look for absent ones only.

    Raises
    ------
    ConfigError
        E702 if a value is impossible.
    """

    fps: float = 30.0
    bands: int = 16
    lowest_hz: float = 0.5
    highest_hz: float = 10.0
    segment_s: float = 2.0
    floor: float = 1e-6
    width: int = 32
    dropout: float = 0.2
    exaggeration: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("channels", "bands", "width"):
            value = getattr(self, name)
            require(is_count(value, 4096), name, value, "a whole number from 1 to 4096")
        require(self.channels >= VELOCITY.stop, "channels", self.channels, "4 or more: velocity")
        for name in ("fps", "lowest_hz", "highest_hz", "segment_s", "floor"):
            value = getattr(self, name)
            sound = isinstance(value, int | float) and math.isfinite(value) and value > 0
            require(sound, name, value, "a number above 0")
        reach = 0.45 * self.fps
        require(self.lowest_hz <= min(self.highest_hz, reach), "lowest_hz", self.lowest_hz,
                 "at most highest_hz, and 0.45 of the frame rate")  # fmt: skip
        fits = 4 <= round(self.segment_s * self.fps) <= 10_000
        require(fits, "segment_s", self.segment_s, "4 to 10000 frames")
        share = isinstance(self.dropout, int | float) and 0 <= self.dropout < 1
        require(share, "dropout", self.dropout, "from 0 to below 1")
        larger = isinstance(self.exaggeration, int | float) and (
            self.exaggeration == 0 or 1 < self.exaggeration <= 100
        )
        require(larger, "exaggeration", self.exaggeration, "0, or above 1 and at most 100")

    @property
    def centres_hz(self) -> np.ndarray:
        """Centres of the bands (B,)."""
        highest = min(self.highest_hz, 0.45 * self.fps)
        return np.geomspace(self.lowest_hz, highest, self.bands)


class Additive(Network):
    """Attention over joints and clips of evidence that each joint gives by itself.

    Parameters
    ----------
    config : AdditiveConfig, optional
        Architecture.

    Examples
    --------
    >>> model = Additive(AdditiveConfig()).eval()
    >>> model(torch.randn(2, 5, 7, 60, 18)).logit.shape
    torch.Size([2])
    """

    config_type: ClassVar = AdditiveConfig
    config: AdditiveConfig

    def __init__(self, config: AdditiveConfig | None = None) -> None:
        super().__init__(config)
        config = self.config
        kinds = _kinds(config.layout)
        self.power = BandPower(config)
        self.norm = ObservedNorm(config.bands + 1)
        self.first = nn.Linear(config.bands + 1, config.width)
        table = torch.empty(int(kinds.max()) + 1, config.width)
        if not table.is_meta:  # only shapes are wanted; torch would load its compiler for them
            nn.init.normal_(table)
        self.kind = nn.Embedding.from_pretrained(table, freeze=False)  # a knee is no wrist
        self.second = nn.Linear(config.width, config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.evidence_of = nn.Linear(config.width, 1)
        self.score_of = nn.Linear(config.width, 1)
        self.bias = nn.Parameter(torch.zeros(1))
        self.excess = Excess(config.bands, config.exaggeration) if config.exaggeration else None
        # Follows from the skeleton: rebuilt, not stored.
        self.register_buffer("kinds", torch.as_tensor(kinds), persistent=False)
        self.kinds: Tensor
        if not self.kind.weight.is_meta:
            nn.init.normal_(self.kind.weight, 0.0, 0.1)

    @property
    def whole(self) -> bool:
        """Whether exaggerated movements are looked for, too, in the recording as a whole."""
        return self.excess is not None

    def encode(self, clips: Tensor) -> Encoded:
        """Clips (M, C, T, V) -> vectors (M, D); weights and evidence (M, V).

        Vectors hold pull and score; with `exaggeration` also how many joints were seen and their
        summed features (B + 1), and while training those of the enlarged copy.
        """
        level, seen = self.power(clips)  # (M, V, B), (M, V)
        features = _features(level)  # (M, V, B + 1)
        x = self.norm(features, seen)
        x = self.dropout(F.gelu(self.first(x) + self.kind(self.kinds)))  # (M, V, H)
        x = self.dropout(F.gelu(self.second(x)))
        evidence = self.evidence_of(x).squeeze(-1)  # (M, V)
        scores = self.score_of(x).squeeze(-1).masked_fill(~seen, torch.finfo(x.dtype).min)
        weights = softmax_over(scores, seen)  # (M, V)
        given = weights * evidence
        # A softmax over all joints of all clips is one over the clips' summed exponentials, times
        # one over the joints of each.
        vectors = torch.stack([given.sum(dim=-1), scores.logsumexp(dim=-1)], dim=-1)
        if self.excess is not None:
            there = seen[..., None].to(x.dtype)  # (M, V, 1)
            parts = [vectors, there.sum(dim=1), (features * there).sum(dim=1)]
            if self.training:
                enlarged = _features(self.excess.enlarged(level))
                parts.append((enlarged * there).sum(dim=1))
            vectors = torch.cat(parts, dim=-1)
        return Encoded(vectors, weights, None if self.training else given)

    def attend(self, vectors: Tensor, count: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Vectors of clips (N, K, D), counts (N, K) -> logit (N,), clip weights (N, K)."""
        absent, alpha = self._absent(vectors, count)
        if self.excess is None:
            return absent, alpha
        means = self._means(vectors, count)[0]
        return either(absent, self.excess.logit(self._normed(means))), alpha

    def forward(self, clips: Tensor, mask: Tensor | None = None) -> NetworkOutput:
        """As `Network.forward`; while training with the loss of the enlarged copies."""
        if self.excess is None or not self.training:
            return super().forward(clips, mask)
        vectors, joints, mask = each_clip(self.encode, clips, mask)
        absent, alpha = self._absent(vectors, mask)
        means, enlarged = self._means(vectors, mask)
        found = self.excess.logit(self._normed(means))
        penalty = self.excess.penalty(found, self.excess.logit(self._normed(enlarged)), absent)
        self.excess.learn_bands(means[:, :-1].detach(), absent.detach())
        return NetworkOutput(either(absent, found), alpha, joints, penalty)

    def evidence(self, vectors: Tensor) -> Evidence:
        """Exact for absent fidgety movements: their logit is this sum."""
        return Evidence(vectors[:, 0], float(self.bias.detach()[0]))

    def _absent(self, vectors: Tensor, count: Tensor | None) -> tuple[Tensor, Tensor]:
        """Logit (N,) of absent fidgety movements and clip weights (N, K)."""
        pull, scores = vectors[..., 0], vectors[..., 1]  # (N, K)
        if count is not None:
            pull, scores = (part.masked_fill(count <= 0, 0.0) for part in (pull, scores))
        alpha = softmax_over(scores, count)
        return self.bias + (alpha * pull).sum(dim=-1), alpha

    def _means(self, vectors: Tensor, count: Tensor | None) -> tuple[Tensor, Tensor]:
        """Mean features (N, B + 1) over all joints of all clips, and while training enlarged."""
        rest = vectors[..., 2:]  # (N, K, 1 + (B + 1) or 1 + 2 (B + 1))
        if count is not None:
            weight = count.to(rest.dtype)[..., None]
            rest = rest.masked_fill(weight <= 0, 0.0) * weight
        total = rest.sum(dim=1)  # (N, ...)
        means = total[:, 1:] / total[:, :1].clamp(min=1e-6)
        bands = self.config.bands + 1
        return means[:, :bands], means[:, bands:]

    def _normed(self, features: Tensor) -> Tensor:
        """Features normalised by the running statistics."""
        return (features - self.norm.mean) * (self.norm.variance + self.norm.eps).rsqrt()


def _features(level: Tensor) -> Tensor:
    """Log power (..., B) -> shape of the spectrum and its size (..., B + 1)."""
    size = level.mean(dim=-1, keepdim=True)
    return torch.cat([level - size, size], dim=-1)


class BandPower(nn.Module):
    """Logarithm of the power of each joint's velocity in each band, both directions together.

    Power is measured in overlapping segments under a Hann taper and averaged (Welch 1967). Missing
    values count as no movement and power is divided by the tapered share of frames that were seen;
    a segment with less than half of it seen is left out, a joint with no segment is not seen.
    """

    def __init__(self, config: AdditiveConfig) -> None:
        super().__init__()
        self.floor = config.floor
        self.length = round(config.segment_s * config.fps)
        self.step = max(1, self.length // 4)
        waves, weight = _waves(config.centres_hz, self.length, config.fps)
        self.register_buffer("waves", torch.as_tensor(waves, dtype=torch.float32), persistent=False)
        self.register_buffer(
            "weight", torch.as_tensor(weight, dtype=torch.float32), persistent=False
        )
        self.waves: Tensor  # (2B, length): cosines, then sines
        self.weight: Tensor  # (length,), sums to 1

    def forward(self, clips: Tensor) -> tuple[Tensor, Tensor]:
        """Clips (M, C, T, V), NaN = not seen -> log power (M, V, B), seen (M, V)."""
        velocity = clips[:, VELOCITY]  # (M, 2, T, V)
        there = ~velocity.isnan().any(dim=1)  # (M, T, V)
        velocity = velocity.masked_fill(~there[:, None], 0.0)
        lacking = self.length - clips.shape[2]
        if lacking > 0:  # a clip shorter than a segment
            velocity, there = (
                F.pad(part, (0, 0, 0, lacking)) for part in (velocity, there.to(velocity.dtype))
            )
        pieces = velocity.unfold(2, self.length, self.step)  # (M, 2, S, V, length)
        share = there.to(velocity.dtype).unfold(1, self.length, self.step) @ self.weight
        whole = self.weight[: clips.shape[2]].sum()
        known = share >= SEEN * _EXACTLY * whole  # (M, S, V)
        power = (pieces @ self.waves.T).square().sum(dim=1)  # (M, S, V, 2B)
        power = power.unflatten(-1, (2, -1)).sum(dim=-2)  # (M, S, V, B)
        part = known.to(power.dtype)
        power = power * (part / share.clamp(min=1e-6))[..., None]
        power = power.sum(dim=1) / part.sum(dim=1).clamp(min=1.0)[..., None]  # (M, V, B)
        return (power + self.floor).log(), known.any(dim=1)


class ObservedNorm(nn.Module):
    """Batch norm of features (M, V, D) over the joints that were seen, all kinds of them alike."""

    def __init__(self, width: int, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__()
        self.momentum, self.eps = momentum, eps
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("variance", torch.ones(width))
        self.mean: Tensor
        self.variance: Tensor

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        """Normalised features; 0 where a joint was not seen."""
        there = seen[..., None].to(x.dtype)  # (M, V, 1)
        mean, variance = self.mean, self.variance
        if self.training:
            count = there.sum()
            mean = (x * there).sum(dim=(0, 1)) / count.clamp(min=1.0)
            variance = ((x - mean).square() * there).sum(dim=(0, 1)) / count.clamp(min=1.0)
            with torch.no_grad():
                rate = self.momentum * (count > 1)
                self.mean += rate * (mean - self.mean)
                self.variance += rate * (variance - self.variance)
        return (x - mean) * (variance + self.eps).rsqrt() * there


def _waves(centres: np.ndarray, length: int, fps: float) -> tuple[np.ndarray, np.ndarray]:
    """Tapered cosines and sines (2B, length) without a mean, and the taper's weight of a frame.

    Scaled so that their squared sum is the power density (per Hz) of the band.
    """
    time = (np.arange(length) - (length - 1) / 2) / fps
    taper = np.hanning(length + 2)[1:-1]
    angle = 2 * np.pi * centres[:, None] * time
    waves = np.concatenate([np.cos(angle), np.sin(angle)]) * taper
    waves -= waves.sum(axis=1, keepdims=True) * taper / taper.sum()  # constant velocity is no band
    return waves * math.sqrt(2 / (fps * np.square(taper).sum())), taper**2 / np.square(taper).sum()


def _kinds(layout: Skeleton) -> np.ndarray:
    """A number for each joint (V,), the same for a joint and its mirror image."""
    order = np.asarray(layout.mirror_order)
    return np.unique(np.minimum(np.arange(len(order)), order), return_inverse=True)[1]
