"""STAM, the paper's Figure 1, read top to bottom: clips in, one risk and two attentions out.

    clips -> input norm -> three graph blocks -> mean over time -> joint attention -> clip vector
    clip vectors -> clip attention -> recording vector -> dropout -> linear -> logit

Sources
-------
Nguyen-Thai et al. 2021, IEEE JBHI, doi 10.1109/JBHI.2021.3077957, arXiv 2105.09783: STAM, Figure 1;
    its public implementation: the details the paper leaves open (norms, strides, initial weights).
Yan, Xiong, Lin 2018, AAAI, arXiv 1801.07455: the ST-GCN block, partitions, edge importance.
Ilse, Tomczak, Welling 2018, ICML, arXiv 1802.04712: attention pooling, and its gated form.

Axes: N recordings, K clips, M = clips of all recordings together, C channels, T frames, V joints,
P graph partitions, D width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fidgety.models import kernels
from fidgety.models.network import (
    Encoded,
    Evidence,
    LayoutSettings,
    Network,
    is_count,
    require,
    softmax_over,
)
from fidgety.pose.skeleton import Strategy, adjacency

__all__ = ["COMPRESS_SCALES", "STAM", "STAMConfig"]

# Where ``compress`` turns from linear to logarithmic, for the 7 channels in their order: about the
# size of fidgety movements in trunk lengths, per second, per second squared (profile fidgety).
COMPRESS_SCALES = (1.0, 1.0, 0.2, 0.2, 2.0, 2.0, 0.2)


@dataclass(frozen=True)
class STAMConfig(LayoutSettings):
    """Architecture of `STAM`; the defaults are the paper's.

    Parameters
    ----------
    channels : int
        Feature channels C.
    skeleton : str or Skeleton
        Layout of the V joints: a name or TOML file for `load_skeleton`, or the layout itself.
    strategy, max_hop, dilation
        Graph partition, as in `fidgety.pose.skeleton.adjacency`.
    widths : tuple of int
        Widths of the graph blocks before the last, whose width is `z_dim`.
    z_dim, alpha_dim, beta_dim : int
        Width D of clip vectors; hidden widths of clip attention and of joint attention.
    temporal_kernel : int
        Frames a block's convolution spans; odd.
    dropout_gcn, dropout_context : float
        Dropout in the graph blocks after the first, and on the recording vector.
    masking : bool
        Leave missing values out of norms, means and attention, in place of reading them as 0: a
        hidden joint is not a still one.
    edge_importance : bool
        Learn a factor for each edge of the graph: bones differ in what their neighbours tell.
    gated_attention : bool
        Gate the attention's hidden layers: tanh alone is nearly linear around small values.
    compress : bool
        Pass the 7 channels through asinh first: gross movement is heavy-tailed against fidgety
        amplitude, and would otherwise set the input norm's scale.
    pool : {"mean", "mean_std"}
        What is kept of a clip's frames: fidgety movement is variable, and a mean forgets how much.

    Raises
    ------
    ConfigError
        E702 if a value is impossible, E703 for an impossible graph.
    PoseError
        E304 or E305 if there is no such skeleton.
    """

    strategy: Strategy = "uniform"
    max_hop: int = 3
    dilation: int = 1
    widths: tuple[int, ...] = (64, 128)
    z_dim: int = 128
    alpha_dim: int = 128
    beta_dim: int = 128
    temporal_kernel: int = 9
    dropout_gcn: float = 0.3
    dropout_context: float = 0.3
    masking: bool = False
    edge_importance: bool = False
    gated_attention: bool = False
    compress: bool = False
    pool: Literal["mean", "mean_std"] = "mean"

    def __post_init__(self) -> None:
        super().__post_init__()
        require(isinstance(self.widths, tuple), "widths", self.widths, "a tuple")
        for name in ("z_dim", "alpha_dim", "beta_dim", "temporal_kernel"):
            require(
                is_count(getattr(self, name)), name, getattr(self, name), "a whole number from 1"
            )
        fits = len(self.widths) <= 16 and all(map(is_count, self.widths))
        require(fits, "widths", self.widths, "up to 16 whole numbers from 1")
        odd = self.temporal_kernel % 2 == 1
        require(odd, "temporal_kernel", self.temporal_kernel, "odd, to be centred on its frame")
        for name in ("dropout_gcn", "dropout_context"):
            value = getattr(self, name)
            is_share = isinstance(value, int | float) and 0 <= value < 1
            require(is_share, name, value, "from 0 to below 1")
        for name in ("masking", "edge_importance", "gated_attention", "compress"):
            require(
                isinstance(getattr(self, name), bool), name, getattr(self, name), "true or false"
            )
        require(self.pool in ("mean", "mean_std"), "pool", self.pool, "mean or mean_std")
        fits = not self.compress or self.channels == len(COMPRESS_SCALES)
        require(fits, "compress", self.compress, "off unless there are 7 channels")
        reach = len(self.layout)
        require(self.max_hop <= reach, "max_hop", self.max_hop, f"at most {reach}, its joints")
        adjacency(self.layout, self.strategy, self.max_hop, self.dilation)  # raises if impossible


class STAM(Network):
    """Spatio-temporal attention-based model of Nguyen-Thai et al. 2021.

    Parameters
    ----------
    config : STAMConfig, optional
        Architecture; the default is the paper's, 434,879 parameters.

    Examples
    --------
    >>> model = STAM(STAMConfig()).eval()
    >>> output = model(torch.randn(2, 5, 7, 30, 18))
    >>> output.logit.shape, output.clip_attention.shape, output.joint_attention.shape
    (torch.Size([2]), torch.Size([2, 5]), torch.Size([2, 5, 18]))
    """

    config_type: ClassVar = STAMConfig
    config: STAMConfig

    def __init__(self, config: STAMConfig | None = None) -> None:
        super().__init__(config)
        config = self.config
        graph = adjacency(config.layout, config.strategy, config.max_hop, config.dilation)
        graph = torch.as_tensor(graph, dtype=torch.float32)  # (P, V, V)
        widths = (config.channels, *config.widths, config.z_dim)
        pooled = config.z_dim * (2 if config.pool == "mean_std" else 1)

        self.input_norm = InputNorm(config)
        self.blocks = nn.ModuleList(
            GraphBlock(
                *(widths[i], widths[i + 1]),
                graph=graph,
                config=config,
                stride=1 if i == 0 else 2,
                dropout=0.0 if i == 0 else config.dropout_gcn,
            )
            for i in range(len(widths) - 1)
        )
        self.joint_attention = Attention(pooled, config.beta_dim, config.gated_attention)
        self.project = nn.Linear(pooled, config.z_dim)
        self.clip_attention = Attention(config.z_dim, config.alpha_dim, config.gated_attention)
        self.dropout = nn.Dropout(config.dropout_context)
        self.output = nn.Linear(config.z_dim, 1)
        self.apply(_initialise)

    def encode(self, clips: Tensor) -> Encoded:
        """Clips (M, C, T, V) -> vectors (M, D), joint attention (M, V), joint evidence (M, V)."""
        x, seen = self.input_norm(clips)  # (M, C, T, V), (M, T, V) bool or None
        for block in self.blocks:
            x, seen = block(x, seen)  # (M, D, T', V): T' = T, T/2, T/4, rounded up
        x = self.over_time(x.permute(0, 2, 3, 1), seen)  # (M, V, D)
        return self.over_joints(x, None if seen is None else seen.any(dim=1))

    def over_time(self, x: Tensor, seen: Tensor | None) -> Tensor:
        """Mean, or mean and deviation, of observed frames: (M, T, V, D) -> (M, V, D or 2D)."""
        weight = None
        if seen is not None:
            weight = seen.to(x.dtype)  # (M, T, V)
            weight = weight / weight.sum(dim=1, keepdim=True).clamp(min=1.0)
        mean = kernels.over_time(x, weight)  # (M, V, D)
        if self.config.pool == "mean":
            return mean
        # Movement that comes and goes has the mean of movement that stays; its spread differs.
        variance = kernels.over_time((x - mean[:, None]).square(), weight)
        return torch.cat([mean, (variance + 1e-5).sqrt()], dim=2)

    def over_joints(self, x: Tensor, keep: Tensor | None) -> Encoded:
        """Joints (M, V, D), those to look at (M, V) -> vectors, joint attention and evidence."""
        beta = self.joint_attention(x, keep)  # (M, V)
        vectors = self.project(torch.einsum("mv,mvd->md", beta, x))  # (M, D)
        if self.training:
            return Encoded(vectors, beta)
        # From here to the logit all is linear, so that each joint's part of it is known.
        alone = self.project(x) @ self.output.weight[0]  # (M, V): the pull of one joint by itself
        return Encoded(vectors, beta, beta * alone)

    def attend(self, vectors: Tensor, count: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Clip vectors (N, K, D), counts (N, K) -> logit (N,), clip attention (N, K)."""
        if count is not None:
            vectors = vectors.masked_fill((count <= 0)[..., None], 0.0)
        alpha = self.clip_attention(vectors, count)  # (N, K)
        x = torch.einsum("nk,nkd->nd", alpha, vectors)  # (N, D)
        return self.output(self.dropout(x)).squeeze(-1), alpha

    def evidence(self, vectors: Tensor) -> Evidence:
        """Exact: the output is linear in the mean of clip vectors, weighted by a softmax."""
        return Evidence(vectors @ self.output.weight[0], float(self.output.bias.detach()[0]))


class InputNorm(nn.BatchNorm1d):
    """Batch norm of each channel of each joint, over clips and frames: C * V features, joint-major.

    This is the single place where missing values (NaN) end:

    - without ``masking`` they become 0 before the norm, as if the value were 0 in its own unit;
    - with ``masking`` they enter no statistic and become 0 after the norm, the feature's mean. A
      joint counts as seen in a frame if all its channels are there.
    """

    def __init__(self, config: STAMConfig) -> None:
        super().__init__(config.channels * len(config.layout))
        self.masking = config.masking
        scales = torch.tensor(COMPRESS_SCALES) if config.compress else None  # (C,)
        self.register_buffer("scales", scales, persistent=False)
        self.scales: Tensor | None

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Clips (M, C, T, V) -> normalised clips, and which joints were seen (M, T, V) or None."""
        M, C, T, V = x.shape
        seen = ~x.sum(dim=1).isnan() if self.masking else None  # (M, T, V); faster than any()
        x = kernels.channels_last(x).permute(0, 2, 3, 1)  # (M, T, V, C): a row a frame, joint-major
        if self.scales is not None:
            # Gross movement is heavy-tailed: unbounded, a kick would set the scale of every clip
            # and leave fidgety amplitudes near 0. Linear below the scale, logarithmic above it.
            x = kernels.asinh(x / self.scales)
        if self.masking and not self.training:
            rows = self._by_running(x.view(M * T, V * C)).nan_to_num(nan=0.0)
            return rows.view(M, T, V, C).permute(0, 3, 1, 2), seen
        missing = x.isnan()  # (M, T, V, C)
        rows = x.masked_fill(missing, 0.0).view(M * T, V * C)
        if self.masking:
            rows = self._over_observed(rows, (~missing).view(M * T, V * C).to(x.dtype))
        else:
            rows = super().forward(rows)
        return rows.view(M, T, V, C).permute(0, 3, 1, 2), seen

    def _by_running(self, x: Tensor) -> Tensor:
        """Batch norm of rows (M*T, V*C) by the running statistics; NaN stays NaN."""
        mean, variance = self.running_mean, self.running_var
        assert mean is not None
        assert variance is not None
        gain = self.weight * (variance + self.eps).rsqrt()  # (V*C,)
        return torch.addcmul(self.bias - mean * gain, x, gain)

    def _over_observed(self, x: Tensor, there: Tensor) -> Tensor:
        """Batch norm of rows (M*T, V*C) by their own statistics, without values not `there`."""
        count = there.sum(dim=0)  # (V*C,)
        mean = x.sum(dim=0) / count.clamp(min=1.0)
        centred = (x - mean) * there
        spread = centred.square().sum(dim=0)
        self._follow(mean, spread, count)
        gain = self.weight * (spread / count.clamp(min=1.0) + self.eps).rsqrt()  # (V*C,)
        return centred * gain + self.bias * there

    @torch.no_grad()
    def _follow(self, batch_mean: Tensor, spread: Tensor, count: Tensor) -> None:
        """Keep track of mean, sum of squares about it and number of observed values, (V*C,)."""
        mean, variance = self.running_mean, self.running_var
        assert mean is not None
        assert variance is not None
        assert self.num_batches_tracked is not None
        rate = (self.momentum or 0.1) * (count > 1)  # a joint never seen changes nothing
        mean += rate * (batch_mean - mean)
        variance += rate * (spread / (count - 1.0).clamp(min=1.0) - variance)
        self.num_batches_tracked += 1


class GraphBlock(nn.Module):
    """ST-GCN block: mix joints along the graph, then frames; add what came in.

    ``relu(norm(time(relu(norm(graph(x)))))  + shortcut(x))``, dropout before the sum.
    """

    def __init__(
        self,
        width_in: int,
        width: int,
        *,
        graph: Tensor,
        config: STAMConfig,
        stride: int,
        dropout: float,
    ) -> None:
        super().__init__()
        parts, kernel = graph.shape[0], config.temporal_kernel
        self.stride = stride
        # The graph follows from the configuration: it is rebuilt, not stored.
        self.register_buffer("graph", graph, persistent=False)
        self.graph: Tensor
        self.even = parts == 1 and not config.edge_importance and _columns_are_one(graph)
        # Neighbours differ in what they tell (Yan 2018, 3.6): one learned factor an edge.
        self.edges = nn.Parameter(torch.ones_like(graph)) if config.edge_importance else None
        self.joints = nn.Conv2d(width_in, parts * width, 1)
        self.norm_joints: nn.Module = nn.BatchNorm2d(width)
        self.frames = nn.Conv2d(width, width, (kernel, 1), (stride, 1), (kernel // 2, 0))
        self.norm_frames: nn.Module = nn.BatchNorm2d(width)
        self.dropout = dropout
        self.shortcut = (
            nn.Identity()
            if width_in == width and stride == 1
            else nn.Sequential(nn.Conv2d(width_in, width, 1), nn.BatchNorm2d(width))
        )

    def forward(self, x: Tensor, seen: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """(M, D_in, T, V), (M, T, V) or None -> (M, D, T/stride, V), (M, T/stride, V) or None."""
        graph = self.graph if self.edges is None else self.graph * self.edges  # (P, V, V)
        # Frames are left out first: oneDNN writes beyond its memory in the gradient of a strided
        # 1x1 convolution that is laid out channels-last.
        short = self.shortcut(x[:, :, :: self.stride])  # (M, D, T/stride, V)
        x = kernels.graph_conv(
            x, self.joints.weight, self.joints.bias, graph, even=self.even
        )  # (M, D, T, V)
        x = F.relu(self.norm_joints(x), inplace=True)
        x = self.norm_frames(self.frames(x))  # (M, D, T/stride, V)
        x = kernels.dropout(x, self.dropout, self.training)
        return F.relu(x + short, inplace=True), self.seen(seen)

    def seen(self, seen: Tensor | None) -> Tensor | None:
        """Joints seen (M, T, V) -> (M, T/stride, V): in a frame, if in one at most a step away."""
        if seen is None or self.stride == 1:
            return seen
        return F.max_pool2d(seen[:, None].float(), (3, 1), (self.stride, 1), (1, 0))[:, 0] > 0


class Attention(nn.Module):
    """Scores ``w2' tanh(W1 h + b1) + b2``, softmax over the things attended to (Ilse 2018, eq. 8).

    Gated (eq. 9), the hidden layer is multiplied by ``sigmoid(W3 h + b3)``: tanh is nearly linear
    around 0, and the gate lets small differences count where fidgety amplitudes lie.
    """

    def __init__(self, width: int, hidden: int, gated: bool = False) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, hidden)
        self.gate = nn.Linear(width, hidden) if gated else None
        self.score = nn.Linear(hidden, 1)

    def forward(self, x: Tensor, count: Tensor | None = None) -> Tensor:
        """(..., things, D), (..., things) -> weights (..., things), all 0 if nothing counts.

        `count` is bool, or how many times each thing is there.
        """
        hidden = self.hidden(x).tanh()  # (..., things, hidden)
        if self.gate is not None:
            hidden = hidden * self.gate(x).sigmoid()
        scores = self.score(hidden).squeeze(-1)  # (..., things)
        return softmax_over(scores, count)


def _columns_are_one(graph: Tensor) -> bool:
    return not graph.is_meta and bool(torch.allclose(graph.sum(dim=1), torch.ones(())))


def _initialise(module: nn.Module) -> None:
    """Set initial weights as the public implementation does; linear layers keep torch's own."""
    if isinstance(module, nn.Conv2d):
        mean = 0.0
    elif isinstance(module, nn.modules.batchnorm._BatchNorm):
        mean = 1.0
    else:
        return
    if not module.weight.is_meta:  # only shapes are wanted; torch would load its compiler for them
        nn.init.normal_(module.weight, mean, 0.02)
    if module.bias is not None:
        nn.init.zeros_(module.bias)
