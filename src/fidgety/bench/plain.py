"""The plain way: the network in the order its formula is written, every window encoded anew.

Made of a trained network and with its weights, so that it computes the same; nobody else uses it.
Tensors lie as torch makes them, (M, D, T, V) in this order; channels are mixed before joints, by
einsum; norms are modules of their own; a strided 1x1 convolution makes the way past a block; one
window is assessed after another. Nothing in it is made slower than one would write it.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from fidgety.models.network import Network
from fidgety.models.stam import GraphBlock, InputNorm
from fidgety.motion import Clips, WindowConfig, windows

__all__ = ["plain_form", "plain_risks"]


class _PlainBlock(GraphBlock):
    def forward(self, x: Tensor, seen: Tensor | None) -> tuple[Tensor, Tensor | None]:
        graph = self.graph if self.edges is None else self.graph * self.edges
        short = x
        if isinstance(self.shortcut, nn.Sequential):
            convolution, norm = self.shortcut
            assert isinstance(convolution, nn.Conv2d)
            weight, bias = convolution.weight, convolution.bias
            short = norm(F.conv2d(x, weight, bias, (self.stride, 1)))
        x = self.joints(x).unflatten(1, (graph.shape[0], -1))  # (M, P, D, T, V)
        x = torch.einsum("mpdtv,pvw->mdtw", x, graph).contiguous()  # (M, D, T, V)
        x = self.norm_frames(self.frames(F.relu(self.norm_joints(x))))
        if seen is not None and self.stride > 1:
            pooled = F.max_pool2d(seen[:, None].float(), (3, 1), (self.stride, 1), (1, 0))
            seen = pooled[:, 0] > 0
        return F.relu(F.dropout(x, self.dropout, self.training) + short), seen


class _PlainNorm(InputNorm):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        M, C, T, V = x.shape
        if self.scales is not None:
            x = torch.asinh(x / self.scales[:, None, None])
        missing = x.isnan()
        rows = x.masked_fill(missing, 0.0).permute(0, 2, 3, 1).reshape(M * T, V * C)
        there = (~missing).permute(0, 2, 3, 1).reshape(M * T, V * C).to(x.dtype)
        if self.masking:
            rows, seen = self._over_observed(rows, there), ~missing.any(dim=1)
        else:
            rows, seen = torch.nn.BatchNorm1d.forward(self, rows), None
        return rows.view(M, T, V, C).permute(0, 3, 1, 2).contiguous(), seen


def plain_form(network: Network) -> Network:
    """A copy that computes what `network` does, in the order in which it is written down."""
    found = copy.deepcopy(network)
    for part in found.modules():
        if type(part) is GraphBlock:
            part.__class__ = _PlainBlock
        elif type(part) is InputNorm:
            part.__class__ = _PlainNorm
    return found


def plain_risks(network: Network, clips: Clips, window: WindowConfig) -> NDArray[np.float64]:
    """Risk of each window; a clip is encoded again in every window that holds it."""
    found = []
    with torch.inference_mode():
        for part in windows(clips, window):
            values = torch.from_numpy(clips.values(part).astype(np.float32))
            found.append(float(network(values[None]).logit.sigmoid()))
    return np.array(found)
