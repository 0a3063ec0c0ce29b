"""A graph block while it trains on a processor: one step of autograd, few passes through memory.

The same as `GraphBlock.forward` where each joint takes 1 in all along the graph, and its gradient:

- A batch norm after a 1x1 convolution needs no pass of its own, forwards or backwards: mean and
  variance of ``W x + b`` follow from mean and covariance of `x`, a small matrix, and the gradients
  from the product of what comes back with `x`, which the weights need in any case.
- The convolution's bias falls out of a batch norm: its gradient is 0, not rounding around 0.
- ReLU's gradient is read from its output, the first one of which is made again, not kept.
- Few clips are handled at a time, so that what is made of them stays in cache until it is used.

Memory holds (M, V, T, D): mixing joints is a few large products, frames lie side by side for the
convolution over time. M clips, V joints, T frames in, S = T / stride frames out, C in, D out.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from fidgety.models import kernels

__all__ = ["fused_block", "together"]

_relu_back = torch.ops.aten.threshold_backward.grad_input
_convolution_back = torch.ops.aten.convolution_backward


def together() -> int:
    """Clips that are handled at a time: 32 on each core."""
    return 32 * torch.get_num_threads()


def fused_block(
    x: Tensor,
    graph: Tensor,
    joints: tuple[nn.Conv2d, nn.BatchNorm2d],
    frames: tuple[nn.Conv2d, nn.BatchNorm2d],
    shortcut: tuple[nn.Conv2d, nn.BatchNorm2d] | None,
    dropout: float,
) -> Tensor:
    """``relu(dropout(norm(frames(relu(norm(joints(graph(x))))))) + shortcut(x))``.

    Parameters
    ----------
    x : Tensor (M, C, T, V)
        Best as this function gives it.
    graph : Tensor (V, V)
        ``graph[v, w]``: what joint w takes from joint v; columns sum to 1.
    joints, frames, shortcut : pair of convolution and batch norm
        1x1, (K, 1) with a stride, 1x1. Norms use the batch's statistics and keep track of them.
        None: what comes in is added as it is.
    dropout : float
        Share of values that are dropped.

    Returns
    -------
    Tensor (M, D, S, V), which lies as (M, V, S, D)
    """
    parts = [joints, frames, *([] if shortcut is None else [shortcut])]
    (convolution, _), M, V = frames, len(x), x.shape[3]
    stride, width = int(convolution.stride[0]), convolution.out_channels
    S = -(-x.shape[2] // stride)
    kept = None
    if dropout:
        drawn = kernels.survivors(M * S * V * width, dropout).view(M, S, V, width)
        kept = kernels.scaled(drawn.transpose(1, 2).contiguous(), dropout, x.dtype)
    settings = stride, int(convolution.kernel_size[0]) // 2, [norm.eps for _, norm in parts]
    learned = [(c.weight, c.bias, n.weight, n.bias) for c, n in parts]
    inside = x.permute(0, 3, 2, 1).contiguous()  # (M, V, T, C)
    out, *tracked = _Block.apply(inside, graph, kept, settings, *chain(*learned))
    counts = M * V * x.shape[2], M * V * S, M * V * S
    found = zip(tracked[::2], tracked[1::2], counts[: len(parts)], strict=True)
    for (_, norm), (mean, variance, count) in zip(parts, found, strict=True):
        _follow(norm, mean, variance, count)
    return out.permute(0, 3, 2, 1)


@torch.no_grad()
def _follow(norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor, count: int) -> None:
    """Keep track of a batch's statistics, as a batch norm does in training."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    norm.num_batches_tracked += 1
    rate = norm.momentum or 0.1
    norm.running_mean.lerp_(mean, rate)
    norm.running_var.lerp_(variance * (count / max(count - 1, 1)), rate)


class _Normed:
    """A 1x1 convolution and its batch norm as one, ``rows @ kernel + shift``.

    Parts are all rows (n, C), less what lies `about` their mean (C,).
    """

    def __init__(
        self, parts: Sequence[Tensor], about: Tensor, learned: Sequence[Tensor], eps: float
    ) -> None:
        weight, bias, self.gain, offset = learned
        self.weight = weight = weight.flatten(1)  # (D, C)
        self.count = sum(len(rows) for rows in parts)
        total, squares = weight.new_zeros(weight.shape[1]), weight.new_zeros(2 * weight.shape[1:])
        for rows in parts:
            total += rows.sum(0)
            squares.addmm_(rows.t(), rows)
        self.mean, self.covariance = _about_mean(total, squares, self.count)
        self.variance = ((weight @ self.covariance) * weight).sum(1).clamp(min=0.0)  # (D,)
        self.scale = (self.variance + eps).rsqrt()
        self.kernel = ((self.gain * self.scale)[:, None] * weight).t().contiguous()  # (C, D)
        self.shift = offset - self.mean @ self.kernel
        self.tracked = weight @ (self.mean + about) + bias, self.variance

    def back(self, product: Tensor, total: Tensor) -> _Back:
        """Of ``product = rows.T @ g`` (C, D) and ``total = g.sum(0)`` (D,), g what comes back."""
        centred = product.t() - torch.outer(total, self.mean)  # (D, C)
        gain = self.scale * (self.weight * centred).sum(1)
        factor = self.gain * self.scale
        pull = (factor * self.scale * gain / self.count)[:, None]
        weight = factor[:, None] * centred - self.count * (pull * self.weight) @ self.covariance
        through = -(self.weight * pull).t() @ self.weight
        constant = -(self.mean @ through) - self.kernel @ (total / self.count)
        learned = weight[..., None, None], torch.zeros_like(total), gain, total
        return _Back(learned, through, constant)


class _Back(NamedTuple):
    """Gradients of what a `_Normed` learned, and what rows take in theirs.

    That is ``g @ kernel.T + rows @ through + constant``.
    """

    learned: tuple[Tensor, ...]
    through: Tensor  # (C, C)
    constant: Tensor  # (C,)


class _Work:
    """The steps of a block, forwards and backwards, and what they leave for each other."""

    def __init__(
        self,
        x: Tensor,
        graph: Tensor,
        kept: Tensor | None,
        settings: tuple[int, int, list[float]],
        *learned: Tensor,
    ) -> None:
        self.stride, self.padding, eps = settings
        self.together = together()
        self.shape, self.graph = x.shape, graph
        # Sums of squares keep their precision near 0: what is about the mean is taken off.
        self.about = about = x[: self.together].mean(dim=(0, 1, 2))  # (C,)
        self.given = x[:, :, :: self.stride] - about  # (M, V, S, C)
        self.mixed = _along(graph.t(), x.split(self.together), -about)  # (M, V, T, C)
        self.joints = _Normed(self.rows(self.mixed), about, learned[:4], eps[0])
        weight, bias, self.gain, self.offset = learned[4:8]
        self.kernel = weight.transpose(2, 3)  # frames are the width of an image, joints its height
        self.found = self.over_frames()  # rows (m * V * S, D), a part each
        total, squares = torch.zeros_like(bias), torch.zeros_like(bias)
        for y in self.found:
            total += y.sum(0)
            squares += y.square().sum(0)
        self.count = sum(len(y) for y in self.found)
        self.mean, self.variance = _about_mean(total, squares, self.count)
        self.scale = (self.variance + eps[1]).rsqrt()
        self.short = None
        if learned[8:]:
            self.short = _Normed(self.rows(self.given), about, learned[8:], eps[2])
        self.masks = [None] * len(self.found) if kept is None else self.rows(kept)
        self.tracked = [*self.joints.tracked, self.mean + bias, self.variance]
        self.tracked += self.short.tracked if self.short else ()

    def rows(self, x: Tensor) -> Sequence[Tensor]:
        """(M, V, T, D) -> (m * V * T, D), a part each."""
        return x.view(-1, x.shape[3]).split(self.together * x.shape[1] * x.shape[2])

    def room(self) -> Tensor:
        """Where `first_half` of a part lies, one after another."""
        return self.mixed.new_empty(self.together * self.shape[1] * self.shape[2], len(self.gain))

    def first_half(self, rows: Tensor, room: Tensor) -> Tensor:
        """Channels of mixed joints, normed and above 0."""
        found = torch.addmm(self.joints.shift, rows, self.joints.kernel, out=room[: len(rows)])
        return found.relu_()

    def over_frames(self) -> list[Tensor]:
        """Rows (m * V * S, D) of each part after the convolution over frames, without its bias."""
        room, found = self.room(), []
        for rows in self.rows(self.mixed):
            z = _image(self.first_half(rows, room), self.shape)
            y = F.conv2d(z, self.kernel, None, (1, self.stride), (0, self.padding))
            found.append(_as_rows(y))
        return found

    def sum(self) -> Tensor:
        """What came in is added: (M, V, S, D)."""
        gain = self.gain * self.scale
        shift = self.offset - gain * self.mean
        out = self.given.new_empty(*self.given.shape[:3], len(gain))
        parts = zip(self.rows(out), self.found, self.rows(self.given), self.masks, strict=True)
        for to, y, came, mask in parts:
            torch.addcmul(shift, y, gain, out=to)
            if mask is not None:
                to.mul_(mask)
            if self.short:
                to.addmm_(came, self.short.kernel).add_(self.short.shift)
            else:
                to.add_(came).add_(self.about)
            to.relu_()
        return out

    def sum_back(self, g: Tensor, out: Tensor) -> tuple[Tensor, list[Tensor], Tensor, Tensor]:
        """Gradients of the sum, of the norm over frames a part each, of its gain and offset."""
        summed, normed = torch.empty_like(out), []
        offset, against = torch.zeros_like(self.gain), torch.zeros_like(self.gain)
        for come, gone, to, y, mask in zip(
            *map(self.rows, (g, out, summed)), self.found, self.masks, strict=True
        ):
            _relu_back(come, gone, 0, grad_input=to)
            part = to if mask is None else to * mask
            offset += part.sum(0)
            against += (part * y).sum(0)
            normed.append(part)
        return summed, normed, self.scale * (against - offset * self.mean), offset

    def over_frames_back(
        self, normed: list[Tensor], gain: Tensor, offset: Tensor
    ) -> tuple[Tensor, Tensor, _Back]:
        """Gradients of the kernel, what goes to the mixed joints directly, and the rest of it."""
        pull = self.scale * gain / self.count
        constant = pull * self.mean - offset / self.count
        factor = (self.gain * self.scale)[:, None, None, None]
        kernel, scaled = torch.zeros_like(self.kernel), self.kernel * factor
        direct, room = torch.empty_like(self.mixed), self.room()
        product, total = torch.zeros_like(self.joints.kernel), torch.zeros_like(offset)
        way = [1, self.stride], [0, self.padding], [1, 1], False, [0, 0], 1, [True, True, False]
        parts = zip(self.rows(self.mixed), self.rows(direct), normed, self.found, strict=True)
        for rows, to, part, y in parts:
            z = self.first_half(rows, room)
            part = _image((part + constant).addcmul_(y, pull, value=-1), self.given.shape)
            back, by_kernel, _ = _convolution_back(part, _image(z, self.shape), scaled, None, *way)
            kernel += by_kernel
            back = _as_rows(back)
            _relu_back(back, z, 0, grad_input=back)
            product.addmm_(rows.t(), back)
            total += back.sum(0)
            torch.mm(back, self.joints.kernel.t(), out=to)
        return (kernel * factor).transpose(2, 3), direct, self.joints.back(product, total)

    def past_back(self, summed: Tensor) -> _Back | None:
        """Gradients of the way past the frames."""
        if self.short is None:
            return None
        product, total = torch.zeros_like(self.short.kernel), torch.zeros_like(self.gain)
        for rows, come in zip(self.rows(self.given), self.rows(summed), strict=True):
            product.addmm_(rows.t(), come)
            total += come.sum(0)
        return self.short.back(product, total)

    def along_graph_back(
        self, direct: Tensor, joints: _Back, summed: Tensor, past: _Back | None
    ) -> Tensor:
        """Gradient of what came in: along the graph, and past the frames. Overwrites `direct`."""
        for back, rows in zip(self.rows(direct), self.rows(self.mixed), strict=True):
            back.addmm_(rows, joints.through).add_(joints.constant)
        found = _along(self.graph, direct.split(self.together))
        taken = found[:, :, :: self.stride].split(self.together)
        for to, come, came in zip(taken, self.rows(summed), self.rows(self.given), strict=True):
            if self.short and past:
                come = torch.addmm(past.constant, come, self.short.kernel.t())
                come.addmm_(came, past.through)
            to.add_(come.view(to.shape))
        return found


class _Block(torch.autograd.Function):
    """`fused_block` on (M, V, T, C), and its gradient."""

    @staticmethod
    def forward(ctx: Any, *given: Any) -> tuple[Tensor, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.work = work = _Work(*given)
        out = work.sum()
        ctx.save_for_backward(out)  # elsewhere it would hold itself for ever
        ctx.mark_non_differentiable(*work.tracked)
        return out, *work.tracked

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor, *_: Any) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (out,) = ctx.saved_tensors
        work: _Work = ctx.work
        summed, normed, gain, offset = work.sum_back(g.contiguous(), out)
        kernel, direct, joints = work.over_frames_back(normed, gain, offset)
        past = work.past_back(summed)
        x = work.along_graph_back(direct, joints, summed, past)
        frames = kernel, torch.zeros_like(offset), gain, offset
        return x, None, None, None, *joints.learned, *frames, *(past.learned if past else ())


def _about_mean(total: Tensor, squares: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Mean and covariance, or variances. In double precision: a difference of near things."""
    mean, squares = total.double() / count, squares.double() / count
    if squares.dim() == 1:
        squares = (squares - mean.square()).clamp(min=0.0)
    else:
        squares = squares - torch.outer(mean, mean)
    return mean.to(total.dtype), squares.to(total.dtype)


def _along(takes: Tensor, parts: Sequence[Tensor], plus: Tensor | None = None) -> Tensor:
    """Joints mixed by ``takes[to, from]``: parts of (M, V, T, C) -> the whole; `plus` (C,)."""
    most, V, T, C = parts[0].shape
    found = parts[0].new_empty(sum(map(len, parts)), V, T, C)
    takes = takes.contiguous().expand(most, V, V)
    added = None if plus is None else plus.repeat(T).expand(most, V, -1)
    for rows, to in zip(parts, found.flatten(2).split(most), strict=True):
        if added is None:
            torch.bmm(takes[: len(rows)], rows.flatten(2), out=to)
        else:
            torch.baddbmm(added[: len(rows)], takes[: len(rows)], rows.flatten(2), out=to)
    return found


def _image(rows: Tensor, shape: Sequence[int]) -> Tensor:
    """Rows as a convolution knows them: (m, D, V, frames)."""
    return rows.view(-1, *shape[1:3], rows.shape[1]).permute(0, 3, 1, 2)


def _as_rows(image: Tensor) -> Tensor:
    return image.permute(0, 2, 3, 1).reshape(-1, image.shape[1])
