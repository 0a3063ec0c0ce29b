"""What a training step of the small network takes at least, each operation alone in cache.

    OMP_NUM_THREADS=1 python benchmarks/training_bound.py

A step, 16 windows of 12 clips, has to make these products and passes whatever its form: each is
timed alone on 32 clips, again and again, so that its data stay in cache, and scaled to 192 clips.
Convolutions over time are timed in both layouts, the quicker counts. Batch norms cost no pass here
where their statistics follow from a product. Beside it the plain step, in the same run: its time
over the sum is the ratio that no form made of torch's operations goes beyond. Left out, so that
the sum stays below what is possible: input norm, pooling, attention, random draws.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from fidgety.bench.plain import plain_form
from fidgety.bench.timing import timed
from fidgety.models.stam import STAM
from fidgety.study.methods import METHODS

CLIPS, PART, JOINTS, TAPS = 192, 32, 18, 9
BLOCKS = ((7, 16, 30, 1), (16, 32, 30, 2), (32, 32, 15, 2))  # channels in, out, frames, stride
Work = tuple[str, Callable[[], object]]


def convolutions(width: int, frames: int, stride: int, as_width: bool) -> Iterator[Work]:
    def image(*shape: int) -> Tensor:
        x = torch.randn(*shape)
        return (x.mT if as_width else x).contiguous(memory_format=torch.channels_last)

    x, w = image(PART, width, frames, JOINTS), image(width, width, TAPS, 1)
    step, padding = ([1, stride], [0, 4]) if as_width else ([stride, 1], [4, 0])
    g = torch.randn_like(F.conv2d(x, w, None, step, padding))
    back = torch.ops.aten.convolution_backward
    ways = [1, 1], False, [0, 0], 1, [True, True, False]
    yield "forwards", lambda: F.conv2d(x, w, None, step, padding)
    yield "backwards", lambda: back(g, x, w, None, step, padding, *ways)


def products(rows: int, into: int, out: int) -> Iterator[Work]:
    """Of a 1x1 convolution and its norm: statistics, forwards, to weights, to what came in."""
    x, w, g = torch.randn(rows, into), torch.randn(into, out), torch.randn(rows, out)
    bias, back = torch.randn(out), torch.empty(rows, into)
    y, through = torch.empty(rows, out), torch.randn(into, into)
    yield "statistics", lambda: x.t() @ x
    yield "forwards", lambda: torch.addmm(bias, x, w, out=y)
    yield "to weights", lambda: x.t() @ g
    yield "back", lambda: torch.mm(g, w.t(), out=back)
    yield "back, of the norm", lambda: back.addmm_(x, through)


def graph(frames: int, width: int) -> Iterator[Work]:
    x = torch.randn(PART, JOINTS, frames * width)
    y, takes = torch.empty_like(x), torch.randn(JOINTS, JOINTS).expand(PART, -1, -1)
    for way in ("forwards", "backwards"):
        yield way, lambda: torch.bmm(takes, x, out=y)


def passes(inner: int, outer: int, width: int, drops: bool) -> Iterator[Work]:
    """What no product makes: over rows between the convolutions, and over rows of the sum."""
    z, y = torch.randn(inner, width), torch.randn(outer, width)
    g, mask, gain = torch.randn_like(y), torch.ones_like(y), torch.ones(width)
    to, to_inner = torch.empty_like(y), torch.empty_like(z)
    masked = torch.ops.aten.threshold_backward.grad_input
    yield "first ReLU", lambda: z.relu_()
    yield "first ReLU, back", lambda: masked(z, z, 0, grad_input=to_inner)
    yield "its sum", lambda: to_inner.sum(0)
    yield "statistics", lambda: (y.sum(0), y.square().sum(0))
    yield "norm", lambda: torch.addcmul(gain, y, gain, out=to)
    yield "last ReLU", lambda: to.relu_()
    yield "last ReLU, back", lambda: masked(g, y, 0, grad_input=to)
    yield "norm, back: sums", lambda: (g.sum(0), (g * y).sum(0))
    yield "norm, back", lambda: torch.add(g, gain, out=to).addcmul_(y, gain)
    if drops:
        yield "dropout", lambda: to.mul_(mask)
        yield "dropout, back", lambda: torch.mul(g, mask, out=to)


def taken(works: Iterator[Work], runs: int = 15) -> float:
    """Milliseconds of all of them, for all clips."""
    found = timed([work for _, work in works], runs)
    return sum(one["processor_s"] for one in found) * 1e3 * CLIPS / PART


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    sums = dict.fromkeys(("convolutions over time", "1x1 products", "graph", "passes"), 0.0)
    for number, (into, width, frames, stride) in enumerate(BLOCKS):
        out_frames = -(-frames // stride)
        inner, outer = (PART * JOINTS * count for count in (frames, out_frames))
        both = (taken(convolutions(width, frames, stride, way)) for way in (False, True))
        sums["convolutions over time"] += min(both)
        for rows in (inner, outer):  # to the joints, and past them
            sums["1x1 products"] += taken(products(rows, into, width))
        sums["graph"] += taken(graph(frames, into))
        sums["passes"] += taken(passes(inner, outer, width, drops=number > 0))
    method = METHODS["stam"].network
    assert method is not None
    plain = plain_form(STAM(method.model)).train()
    clips = torch.randn(16, 12, 7, 30, JOINTS)

    def step() -> None:
        plain.zero_grad()
        plain(clips).logit.sum().backward()

    (whole,) = timed([step], 9)
    for name, found in sums.items():
        print(f"{name}: {found:.1f} ms")
    least, plainly = sum(sums.values()), 1e3 * whole["processor_s"]
    print(f"together {least:.0f} ms; the plain step {plainly:.0f} ms, {plainly / least:.2f} times")


if __name__ == "__main__":
    main()
