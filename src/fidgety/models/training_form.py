"""`STAM` while it trains on a processor: the same in fewer passes through memory.

Derived from the network as it stands, with its weights and its random draws; equal to it to
rounding, forwards and backwards (tests say how closely). What lies before and after the graph
blocks, each one step of autograd like `fused_block`: no gradient is made of clips, which nobody
asks for. It is off unless `STAM.fused` is set: its rounding differs from that of networks trained
before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from fidgety.models import kernels
from fidgety.models.fused_block import fused_block, together
from fidgety.models.network import Encoded

if TYPE_CHECKING:
    from fidgety.models.stam import STAM, GraphBlock, InputNorm

__all__ = ["applies", "encode"]


def applies(network: STAM, clips: Tensor) -> bool:
    """Whether this form knows how to train a network on such clips."""
    return (
        clips.device.type == "cpu"
        and clips.dtype in (torch.float32, torch.float64)
        and not clips.requires_grad
        and torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
        and all(block.even for block in _blocks(network))
    )


def encode(network: STAM, clips: Tensor) -> Encoded:
    """As `STAM.encode`, while training."""
    norm = network.input_norm
    x, seen = _normed(norm, clips) if norm.masking else norm(clips)  # (M, C, T, V), (M, T, V)
    for block in _blocks(network):
        joints = _stage(block.joints, block.norm_joints)
        frames = _stage(block.frames, block.norm_frames)
        past = _stage(*block.shortcut) if isinstance(block.shortcut, nn.Sequential) else None
        x = fused_block(x, block.graph[0], joints, frames, past, block.dropout)
        seen = block.seen(seen)
    x = x.permute(0, 3, 2, 1)  # (M, V, T, D)
    if seen is None and network.config.pool == "mean":
        return network.over_joints(x.mean(dim=2), None)
    there = x.new_ones(x.shape[:3]) if seen is None else seen.transpose(1, 2).to(x.dtype)
    weight = there / there.sum(dim=2, keepdim=True).clamp(min=1.0)  # (M, V, T)
    mean, deviation = _Pool.apply(x, weight[..., None])  # (M, V, D)
    if network.config.pool == "mean_std":
        mean = torch.cat([mean, deviation], dim=2)
    return network.over_joints(mean, None if seen is None else seen.any(dim=1))


def _blocks(network: STAM) -> list[GraphBlock]:
    return [*network.blocks]  # pyright: ignore[reportReturnType]


def _stage(convolution: nn.Module, norm: nn.Module) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    assert isinstance(convolution, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    return convolution, norm


def _normed(norm: InputNorm, clips: Tensor) -> tuple[Tensor, Tensor]:
    """Clips normed by what is observed of them, which joints were seen (M, T, V)."""
    found, *statistics = _Norm.apply(clips, norm.weight, norm.bias, norm.scales, norm.eps)
    norm.follow(*statistics)
    return found, ~clips.sum(dim=1).isnan()


class _Norm(torch.autograd.Function):
    """`InputNorm`, masking: clips, their mean (V*C,), sum of squares about it, number observed."""

    @staticmethod
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, scales: Tensor | None, eps: float
    ) -> tuple[Tensor, ...]:
        M, C, T, V = x.shape
        total, number, spread = (x.new_zeros(C, T, V) for _ in range(3))
        values, there = [], []
        for part in x.split(together()):
            part = part.clone() if scales is None else kernels.asinh(part / scales[:, None, None])
            seen = (part == part).to(x.dtype)  # not NaN
            part.nan_to_num_(nan=0.0)
            total += part.sum(0)
            number += seen.sum(0)
            values.append(part)
            there.append(seen)
        count = number.sum(1)  # (C, V)
        mean = total.sum(1) / count.clamp(min=1.0)
        for part, seen in zip(values, there, strict=True):
            part.sub_(mean[:, None]).mul_(seen)
            spread += part.square().sum(0)
        squares = spread.sum(1)
        scale = (squares / count.clamp(min=1.0) + eps).rsqrt()
        gain, offset = (p.view(V, 1, C).expand(V, T, C).flatten() for p in (weight, bias))
        ctx.normed, ctx.seen, found = [], [], x.new_empty(M, V, T, C)
        for part, seen, to in zip(
            values, there, found.flatten(1).split(len(there[0])), strict=True
        ):
            part = part.mul_(scale[:, None]).permute(0, 3, 2, 1).flatten(1)  # (m, V * T * C)
            seen = seen.permute(0, 3, 2, 1).flatten(1)
            torch.mul(seen, offset, out=to).addcmul_(part, gain)
            ctx.normed.append(part)
            ctx.seen.append(seen)
        ctx.shape = V, T, C
        statistics = [value.t().flatten() for value in (mean, squares, count)]
        ctx.mark_non_differentiable(*statistics)
        return found.permute(0, 3, 2, 1), *statistics

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor, *_: Any) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        weight, bias = (g.new_zeros(ctx.normed[0].shape[1]) for _ in range(2))
        rows = g.permute(0, 3, 2, 1).flatten(1).split(len(ctx.normed[0]))  # (m, V * T * C)
        for part, normed, seen in zip(rows, ctx.normed, ctx.seen, strict=True):
            weight += (part * normed).sum(0)
            bias += (part * seen).sum(0)
        weight, bias = (total.view(ctx.shape).sum(1).flatten() for total in (weight, bias))
        return None, weight, bias, None, None


class _Pool(torch.autograd.Function):
    """Mean and deviation over frames: (M, V, T, D), weights (M, V, T, 1) -> two of (M, V, D).

    Weights of a joint sum to 1, or are 0 throughout.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:  # pyright: ignore[reportIncompatibleMethodOverride]
        mean = (x * weight).sum(2)
        centred = x - mean[:, :, None]
        deviation = (centred.square().mul_(weight).sum(2) + 1e-5).sqrt_()
        ctx.save_for_backward(weight, deviation)
        ctx.centred = centred
        return mean, deviation

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g_mean: Tensor, g_deviation: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        # The variance does not change with the mean: weighted, what is centred sums to 0.
        weight, deviation = ctx.saved_tensors
        by_value = (g_deviation / deviation)[:, :, None]
        return torch.addcmul(g_mean[:, :, None], ctx.centred, by_value).mul_(weight), None
