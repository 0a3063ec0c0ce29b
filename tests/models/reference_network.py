"""An independent oracle: the published network, written again from its parameter names.

It differs from ours wherever the two could share a mistake: joint-major input norm over recordings
in a loop, graph applied as a matrix product after the convolution, two outputs and a softmax.
"""

from __future__ import annotations

import torch
from torch import nn


class GraphConvolution(nn.Module):
    def __init__(self, width_in: int, width: int, parts: int) -> None:
        super().__init__()
        self.parts = parts
        self.conv = nn.Conv2d(width_in, width * parts, 1)

    def forward(self, x, graph):
        pieces = self.conv(x).chunk(self.parts, dim=1)
        return sum(piece @ part for piece, part in zip(pieces, graph, strict=True))


class Block(nn.Module):
    def __init__(self, width_in: int, width: int, parts: int, stride: int, kernel: int) -> None:
        super().__init__()
        self.gcn = GraphConvolution(width_in, width, parts)
        self.tcn = nn.Sequential(
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, (kernel, 1), (stride, 1), (kernel // 2, 0)),
            nn.BatchNorm2d(width),
            nn.Dropout(0.3),
        )
        self.residual = nn.Sequential(
            nn.Conv2d(width_in, width, 1, (stride, 1)), nn.BatchNorm2d(width)
        )

    def forward(self, x, graph):
        return torch.relu(self.tcn(self.gcn(x, graph)) + self.residual(x))


class Attention(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.Linear(width, hidden), nn.Tanh(), nn.Linear(hidden, 1))

    def forward(self, x):
        weights = torch.softmax(self.attention(x)[..., 0], dim=-1)
        return weights, sum(weights[:, i, None] * x[:, i] for i in range(x.shape[1]))


class SpatialNetwork(nn.Module):
    def __init__(
        self, graph: torch.Tensor, channels: int, widths: list[int], beta: int, kernel: int
    ):
        super().__init__()
        self.register_buffer("A", graph)
        self.data_bn = nn.BatchNorm1d(channels * graph.shape[1])
        pairs = zip([channels, *widths], widths, strict=False)
        self.st_gcn_networks = nn.ModuleList(
            Block(a, b, len(graph), 1 if i == 0 else 2, kernel) for i, (a, b) in enumerate(pairs)
        )
        self.spatial_attn = Attention(widths[-1], beta)
        self.fcn = nn.Conv2d(widths[-1], widths[-1], 1)

    def forward(self, x):  # (K, C, T, V)
        K, C, T, V = x.shape
        x = self.data_bn(x.permute(0, 3, 1, 2).reshape(K, V * C, T))
        x = x.reshape(K, V, C, T).permute(0, 2, 3, 1)
        for block in self.st_gcn_networks:
            x = block(x, self.A)
        beta, x = self.spatial_attn(x.mean(dim=2).transpose(1, 2))
        return beta, self.fcn(x[:, :, None, None])[:, :, 0, 0]


class PublishedSTAM(nn.Module):
    def __init__(self, graph, channels=7, widths=(64, 128, 128), alpha=128, beta=128, kernel=9):
        super().__init__()
        self.sag = SpatialNetwork(graph, channels, list(widths), beta, kernel)
        self.bn1 = nn.BatchNorm1d(widths[-1])
        self.temporal_attn = Attention(widths[-1], alpha)
        self.output = nn.Sequential(nn.Dropout(0.3), nn.Linear(widths[-1], 2))

    def forward(self, clips):  # (N, K, C, T, V)
        encoded = [self.sag(recording) for recording in clips]
        beta = torch.stack([b for b, _ in encoded])
        alpha, x = self.temporal_attn(torch.stack([v for _, v in encoded]))
        return torch.softmax(self.output(x), dim=-1)[:, 1], alpha, beta


def randomise(model: nn.Module, seed: int) -> None:
    """Give every parameter and running statistic a value of its own, as training would."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 2.0, generator=generator)
            elif value.dim() > 1 and name != "sag.A":  # a scale at which signals survive the depth
                value.normal_(0.0, (2 / value[0].numel()) ** 0.5, generator=generator)
            elif value.is_floating_point() and name != "sag.A":
                value.add_(torch.randn(value.shape, generator=generator), alpha=0.1)
