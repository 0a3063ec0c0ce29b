"""A small spatio-temporal transformer over clips, in the manner of MAM's main branch.

Sources
-------
Gao et al. 2023, Nature Communications 14:8294, doi 10.1038/s41467-023-44141-x: abstract and figure
    2, the order of its parts.
Ilse, Tomczak, Welling 2018, ICML, arXiv 1802.04712: attention pooling.

Axes: N recordings, K clips, M = clips of all recordings together, C channels, T frames, V joints,
D width, L = tokens of a clip in time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fidgety.errors import ConfigError
from fidgety.models.clipwise import ClipSettings, even_over_seen
from fidgety.models.network import Encoded, Evidence, Network, require
from fidgety.models.stam import Attention, InputNorm

__all__ = ["ClipTransformer", "ClipTransformerConfig"]


@dataclass(frozen=True)
class ClipTransformerConfig(ClipSettings):
    """Settings of `ClipTransformer`.

    Parameters
    ----------
    patch : int
        Frames that make one token of a joint.
    heads, layers : int
        Heads of each attention; pairs of a layer over joints and one over time.
    tokens : int
        Most tokens in time of a clip; longer clips are refused.
    """

    patch: int = 3
    heads: int = 4
    layers: int = 1
    tokens: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        fits = self.width % self.heads == 0
        require(fits, "heads", self.heads, f"a divisor of the width {self.width}")


class ClipTransformer(Network):
    """A spatio-temporal transformer over clips, in the manner of MAM's main branch (Gao 2023).

    From the source: the recording is split into clips; one transformer, over joints and over time,
    encodes each; an attention fuses the clips into one vector; one layer gives the risk. Not
    repeated: 3D poses, distances between joints as input (here the 7 channels), pretraining of the
    encoder on annotated clips (its Ref Branch) and the Info Branch. Its sizes could not be read;
    ours are small.
    """

    config_type: ClassVar = ClipTransformerConfig

    def __init__(self, config: ClipTransformerConfig | None = None) -> None:
        super().__init__(config)
        chosen: Any = self.config
        joints, width = len(chosen.layout), chosen.width
        self.input_norm = InputNorm(chosen)
        self.embed = nn.Conv2d(chosen.channels, width, (chosen.patch, 1), (chosen.patch, 1))
        self.of_joint = nn.Parameter(0.02 * torch.randn(joints, width))
        self.of_time = nn.Parameter(0.02 * torch.randn(chosen.tokens, width))
        self.spatial, self.temporal = (
            nn.ModuleList(_layer(chosen) for _ in range(chosen.layers)) for _ in range(2)
        )
        self.norm = nn.LayerNorm(width)
        self.clip_attention = Attention(width, width, gated=True)
        self.drop = nn.Dropout(chosen.dropout)
        self.output = nn.Linear(width, 1)

    def encode(self, clips: Tensor) -> Encoded:
        """Attention over the joints of each moment, then over the moments; see `Network.encode`."""
        x, seen = self.input_norm(clips)
        assert seen is not None
        short = -x.shape[2] % self.config.patch
        x = self.embed(F.pad(x, (0, 0, 0, short)))  # (M, D, L, V)
        M, D, L, V = x.shape
        if self.config.tokens < L:
            raise ConfigError(
                "E702",
                f"Clips of {clips.shape[2]} frames make {L} tokens, the network has room for "
                f"{self.config.tokens}",
                remedy="Shorten the clips, or raise patch or tokens",
            )
        x = x.permute(0, 2, 3, 1) + self.of_joint + self.of_time[:L, None]  # (M, L, V, D)
        for spatial, temporal in zip(self.spatial, self.temporal, strict=True):
            x = spatial(x.reshape(M * L, V, D)).view(M, L, V, D)
            x = temporal(x.transpose(1, 2).reshape(M * V, L, D)).view(M, V, L, D).transpose(1, 2)
        weight = even_over_seen(seen)  # (M, V)
        return Encoded(torch.einsum("mv,mlvd->md", weight, self.norm(x)) / L, weight)

    def attend(self, vectors: Tensor, count: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Attention over clips, then one layer; see `Network.attend`."""
        if count is not None:
            vectors = vectors.masked_fill(~(count > 0)[..., None], 0.0)
        weight = self.clip_attention(vectors, count)
        mean = torch.einsum("nk,nkd->nd", weight, vectors)
        return self.output(self.drop(mean)).squeeze(-1), weight

    def evidence(self, vectors: Tensor) -> Evidence:
        """What each clip alone says; the logit is their mean, weighted by attention."""
        return Evidence(vectors @ self.output.weight[0], float(self.output.bias.detach()[0]))


def _layer(config: ClipTransformerConfig) -> nn.TransformerEncoderLayer:
    return nn.TransformerEncoderLayer(
        config.width, config.heads, 2 * config.width, config.dropout, batch_first=True,
        norm_first=True,
    )  # fmt: skip
