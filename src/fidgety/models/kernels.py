"""The few operations whose plain form leaves most of a processor idle.

Each equals its plain form (the tests say how closely) and serves any network built of graph
blocks. What they have in common is the layout: (M, D, T, V) tensors whose *memory* is (M, T, V, D),
torch's ``channels_last``. There a 1x1 convolution, a batch norm and a temporal convolution walk
through memory once, and the joints of a frame are one small matrix for the graph.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["asinh", "channels_last", "dropout", "graph_conv", "over_time"]

_STEPS = 1 << 16  # dropout is drawn in steps of this share


def channels_last(x: Tensor) -> Tensor:
    """The same (M, D, T, V) values, laid out in memory as (M, T, V, D)."""
    return x.contiguous(memory_format=torch.channels_last)


def graph_conv(
    x: Tensor, weight: Tensor, bias: Tensor | None, graph: Tensor, *, even: bool = False
) -> Tensor:
    """Mix joints along the graph and channels by a 1x1 convolution.

    ``einsum("mpdtv,pvw->mdtw", conv2d(x, weight, bias), graph)``, the other way round: mixing
    joints first handles `x` once, where the plain order makes P times as many channels first.

    Parameters
    ----------
    x : Tensor (M, D_in, T, V)
        In the layout of `channels_last`.
    weight, bias : Tensor (P * D, D_in, 1, 1), (P * D,)
        Of the 1x1 convolution: P blocks of D channels.
    graph : Tensor (P, V, V)
        ``graph[p, v, w]``: what joint w takes from joint v.
    even : bool
        Whether there is one part, of which every joint takes 1 in all; it spares a step.

    Returns
    -------
    Tensor (M, D, T, V)
    """
    D_in, T, V = (int(n) for n in x.shape[1:])  # fixed in an exported graph; M is not
    P = int(graph.shape[0])
    joints = channels_last(x).permute(0, 2, 3, 1).reshape(-1, V, D_in)  # (M*T, V, D_in)
    takes = graph.permute(2, 0, 1).reshape(V * P, V)
    mixed = torch.matmul(takes, joints).view(-1, T, V, P * D_in).permute(0, 3, 1, 2)
    kernel = weight
    if P > 1:
        D = int(weight.shape[0]) // P
        kernel = weight.view(P, D, D_in).transpose(0, 1).reshape(D, P * D_in, 1, 1)
    if bias is None:
        return F.conv2d(mixed, kernel)
    if even:
        return F.conv2d(mixed, kernel, bias)
    # A joint takes the bias as often as it takes from others: the column sums of the graph.
    shift = torch.einsum("pd,pw->wd", bias.view(P, -1), graph.sum(dim=1))  # (V, D)
    rows = F.conv2d(mixed, kernel).permute(0, 2, 3, 1).flatten(2)  # (M, T, V*D)
    return (rows + shift.flatten()).unflatten(2, (V, -1)).permute(0, 3, 1, 2)


def over_time(x: Tensor, weight: Tensor | None = None) -> Tensor:
    """Weighted sum over frames, or their mean: (M, T, V, D), (M, T, V) -> (M, V, D)."""
    return x.mean(dim=1) if weight is None else (x * weight[..., None]).sum(dim=1)


def asinh(x: Tensor) -> Tensor:
    """``torch.asinh``, several times faster on processors; to a relative 1e-6 below 1e19."""
    if x.requires_grad or x.device.type != "cpu" or torch.onnx.is_in_onnx_export():
        return torch.asinh(x)
    size = x.abs()
    grown = (size * size).add_(1.0).sqrt_().add_(1.0)
    grown = torch.div(size, grown, out=grown).mul_(size).add_(size).log1p_()
    return grown.copysign_(x)


def dropout(x: Tensor, p: float, training: bool) -> Tensor:
    """``F.dropout``; on processors four decisions are taken from each 64 random bits.

    There `p` is rounded to 1 in 65,536, the survivors are scaled by exactly what follows from it.
    """
    if not training or p == 0.0:
        return x
    if x.device.type != "cpu":
        return F.dropout(x, p, training)
    dropped = min(max(round(p * _STEPS), 1), _STEPS - 1)
    bits = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(1 << 63), None)
    kept = bits.view(torch.int16)[: x.numel()] >= dropped - _STEPS // 2
    factor = kept.to(x.dtype).mul_(_STEPS / (_STEPS - dropped))
    if x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last):
        M, D, T, V = x.shape
        return x * factor.view(M, T, V, D).permute(0, 3, 1, 2)
    return x * factor.view(x.shape)
