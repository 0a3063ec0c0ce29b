"""Small networks from the literature, beside STAM: how each makes one risk of many clips.

Each is as small as it honestly can be, and says what of its source it repeats and what not. All
read clips through `InputNorm`, so that a missing joint is the average, not the origin.

Sources
-------
Yan, Xiong, Lin 2018, AAAI, arXiv 1801.07455: `STGCN`.
Passmore et al. 2024, PLOS Digital Health 3:e0000432: convolution over time, as `TemporalCNN`.
Luo et al. 2022, MICCAI (WO-GMA), and its public code, read for this module: `TopClips`.

Axes: N recordings, K clips, M = clips of all recordings together, C channels, T frames, V joints,
D width, L = frames that the blocks leave.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fidgety.models.network import (
    Encoded,
    Evidence,
    LayoutSettings,
    Network,
    is_count,
    require,
    softmax_over,
)
from fidgety.models.stam import GraphBlock, InputNorm
from fidgety.pose.skeleton import Strategy, adjacency

__all__ = [
    "STGCN",
    "ClipSettings",
    "STGCNConfig",
    "TemporalCNN",
    "TemporalCNNConfig",
    "TopClips",
    "TopClipsConfig",
    "even_over_seen",
]


@dataclass(frozen=True)
class ClipSettings(LayoutSettings):
    """What all of them have.

    Parameters
    ----------
    channels : int
        Feature channels C.
    skeleton : str or Skeleton
        Layout of the V joints.
    width : int
        Width D of clip vectors.
    dropout : float
        Dropout before the last layer, and in the blocks after the first.
    compress : bool
        Pass the 7 channels through asinh first, as `STAMConfig.compress`.
    """

    width: int = 32
    dropout: float = 0.3
    compress: bool = True
    masking: ClassVar[bool] = True
    edge_importance: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in fields(self):
            value = getattr(self, field.name)
            whole = type(field.default) is not int or is_count(value)
            require(whole, field.name, value, "a whole number from 1")
        share = isinstance(self.dropout, int | float) and 0 <= self.dropout < 1
        require(share, "dropout", self.dropout, "from 0 to below 1")
        fits = not self.compress or self.channels == 7
        require(fits, "compress", self.compress, "off unless there are 7 channels")


def even_over_seen(seen: Tensor) -> Tensor:
    """Weights (M, V) that are the same for each joint seen at all, of (M, T, V) bool."""
    there = seen.any(dim=1).float()
    return there / there.sum(dim=1, keepdim=True).clamp(min=1.0)


class _MeanOverClips(Network):
    """The logit is linear in the mean of the clips' vectors."""

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self.drop = nn.Dropout(self.config.dropout)
        self.output = nn.Linear(self.config.width, 1)

    def attend(self, vectors: Tensor, count: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean of the clips that count, each so many times; see `Network.attend`."""
        weight = softmax_over(vectors.new_zeros(vectors.shape[:2]), count)  # (N, K)
        if count is not None:
            vectors = vectors.masked_fill(~(count > 0)[..., None], 0.0)
        mean = torch.einsum("nk,nkd->nd", weight, vectors)
        return self.output(self.drop(mean)).squeeze(-1), weight

    def evidence(self, vectors: Tensor) -> Evidence:
        """What each clip alone says; the logit is their mean."""
        return Evidence(vectors @ self.output.weight[0], float(self.output.bias.detach()[0]))


@dataclass(frozen=True)
class STGCNConfig(ClipSettings):
    """Settings of `STGCN`.

    Parameters
    ----------
    strategy, max_hop, dilation
        Graph partition; the source's best, by distance from the centre, over direct neighbours.
    blocks : int
        Blocks; the first keeps the frames, each further one halves them.
    first_width : int
        Width of the blocks before the last.
    temporal_kernel : int
        Frames a block's convolution spans.
    """

    strategy: Strategy = "spatial"
    max_hop: int = 1
    dilation: int = 1
    blocks: int = 3
    first_width: int = 16
    temporal_kernel: int = 9

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.temporal_kernel % 2 == 1, "temporal_kernel", self.temporal_kernel, "odd")
        adjacency(self.layout, self.strategy, self.max_hop, self.dilation)  # raises if impossible


class STGCN(_MeanOverClips):
    """ST-GCN without attention: means over joints, frames and clips (Yan 2018).

    From the source: batch norm of the input, blocks of graph and temporal convolution with
    residuals, the spatial partition over direct neighbours, a learned factor for each edge, 9
    frames a temporal convolution, strides of 2, mean over joints and frames, one linear layer.
    Not repeated: ten blocks 64 to 256 wide (here three, 16 and 32), the two coordinates and the
    confidence as input (here the 7 channels); the recording is cut into clips whose vectors are
    averaged.
    """

    config_type: ClassVar = STGCNConfig

    def __init__(self, config: STGCNConfig | None = None) -> None:
        super().__init__(config)
        self.input_norm = InputNorm(self.config)
        self.blocks = _graph_blocks(self.config)

    def encode(self, clips: Tensor) -> Encoded:
        """Mean over the joints and frames that were seen; see `Network.encode`."""
        x, seen = _through(self.input_norm, self.blocks, clips)  # (M, D, L, V), (M, L, V)
        there = seen.to(x.dtype)
        weight = there / there.sum(dim=(1, 2), keepdim=True).clamp(min=1.0)
        by_joint = torch.einsum("mdlv,mlv->mvd", x, weight)  # (M, V, D)
        evidence = None if self.training else by_joint @ self.output.weight[0]
        return Encoded(by_joint.sum(dim=1), weight.sum(dim=1), evidence)


def _graph_blocks(config: Any) -> nn.ModuleList:
    graph = adjacency(config.layout, config.strategy, config.max_hop, config.dilation)
    graph = torch.as_tensor(graph, dtype=torch.float32)  # (P, V, V)
    widths = (config.channels, *[config.first_width] * (config.blocks - 1), config.width)
    return nn.ModuleList(
        GraphBlock(
            *(widths[i], widths[i + 1]),
            graph=graph,
            config=config,
            stride=1 if i == 0 else 2,
            dropout=0.0 if i == 0 else config.dropout,
        )
        for i in range(config.blocks)
    )


def _through(norm: InputNorm, blocks: nn.ModuleList, clips: Tensor) -> tuple[Tensor, Tensor]:
    x, seen = norm(clips)
    for block in blocks:
        x, seen = block(x, seen)
    assert seen is not None
    return x, seen


@dataclass(frozen=True)
class TemporalCNNConfig(ClipSettings):
    """Settings of `TemporalCNN`.

    Parameters
    ----------
    layers : int
        Convolutions over time.
    kernel : int
        Frames a convolution spans; odd.
    """

    layers: int = 3
    kernel: int = 7

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.kernel % 2 == 1, "kernel", self.kernel, "odd")


class TemporalCNN(_MeanOverClips):
    """Convolution over time, all joints as channels (in the manner of Passmore 2024).

    From the source: movement of all points side by side, convolutions over time, the mean over
    windows. Not repeated: its layers, sizes and preprocessing, its metadata (age); sizes are ours.
    """

    config_type: ClassVar = TemporalCNNConfig

    def __init__(self, config: TemporalCNNConfig | None = None) -> None:
        super().__init__(config)
        chosen: Any = self.config
        self.input_norm = InputNorm(chosen)
        width = chosen.channels * len(chosen.layout)
        parts: list[nn.Module] = []
        for layer in range(chosen.layers):
            parts += [
                nn.Conv1d(width, chosen.width, chosen.kernel, 1 + (layer > 0), chosen.kernel // 2),
                nn.BatchNorm1d(chosen.width),
                nn.ReLU(),
                nn.Dropout(chosen.dropout if layer else 0.0),
            ]
            width = chosen.width
        self.layers = nn.Sequential(*parts)

    def encode(self, clips: Tensor) -> Encoded:
        """Mean over time of the last convolution; see `Network.encode`."""
        x, seen = self.input_norm(clips)  # (M, C, T, V)
        x = x.permute(0, 1, 3, 2).flatten(1, 2)  # (M, C*V, T)
        assert seen is not None
        return Encoded(self.layers(x).mean(dim=-1), even_over_seen(seen))


@dataclass(frozen=True)
class TopClipsConfig(STGCNConfig):
    """Settings of `TopClips`.

    Parameters
    ----------
    kappa : int
        The recording's score is the mean of its best ``ceil(K / kappa)`` clips; 8 in the source.
    """

    blocks: int = 2
    kappa: int = 8


class TopClips(Network):
    """Multiple-instance model in the manner of WO-GMA (Luo 2022).

    From the source: each clip gets a probability that it shows fidgety movements; that of the
    recording is the mean over its best eighth of clips, learnt from the recording's label alone;
    joints are fused by one learnt layer over all of them. Risk is one minus it. Not repeated: the
    MS-G3D backbone (here two ST-GCN blocks), convolution over neighbouring clips, and the second,
    online branch (LSTM on pseudo labels of clips).
    """

    config_type: ClassVar = TopClipsConfig

    def __init__(self, config: TopClipsConfig | None = None) -> None:
        super().__init__(config)
        chosen: Any = self.config
        self.input_norm = InputNorm(chosen)
        self.blocks = _graph_blocks(chosen)
        self.fuse = nn.Linear(chosen.width * len(chosen.layout), chosen.width)
        self.norm = nn.BatchNorm1d(chosen.width)
        self.drop = nn.Dropout(chosen.dropout)
        self.output = nn.Linear(chosen.width, 1)

    def encode(self, clips: Tensor) -> Encoded:
        """Joints, averaged over frames, fused by one layer; see `Network.encode`."""
        x, seen = _through(self.input_norm, self.blocks, clips)  # (M, D, L, V)
        there = seen.to(x.dtype)
        weight = there / there.sum(dim=1, keepdim=True).clamp(min=1.0)
        by_joint = torch.einsum("mdlv,mlv->mdv", x, weight)
        fused = self.fuse(by_joint.flatten(1))
        if len(fused) > 1 or not self.training:  # one clip has no batch statistics
            fused = self.norm(fused)
        return Encoded(F.relu(fused), even_over_seen(seen))

    def attend(self, vectors: Tensor, count: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean probability of the best clips; see `Network.attend`.

        Clips in order of their scores fill up the best eighth of all that count.
        """
        score = self.output(self.drop(vectors)).squeeze(-1)  # (N, K), logit of being fidgety
        counted = torch.ones_like(score) if count is None else count.to(score.dtype)
        score = score.masked_fill(counted <= 0, torch.finfo(score.dtype).min)
        order = score.argsort(dim=1, descending=True, stable=True)
        ranked = counted.gather(1, order)  # (N, K)
        total = counted.sum(dim=1, keepdim=True)
        room = (total / self.config.kappa).ceil()  # (N, 1)
        before = ranked.cumsum(dim=1) - ranked
        taken = torch.minimum(ranked, (room - before).clamp(min=0.0))
        weight = torch.zeros_like(score).scatter(1, order, taken / room.clamp(min=1.0))
        fidgety = (weight * score.sigmoid()).sum(dim=1).clamp(1e-6, 1 - 1e-6)
        logit = torch.log1p(-fidgety) - fidgety.log()
        return torch.where(total.squeeze(1) > 0, logit, torch.zeros_like(logit)), weight
