"""Would a convolution over time be quicker by way of frequencies? Not enough.

    OMP_NUM_THREADS=1 python benchmarks/convolution_by_frequencies.py

A convolution of T frames with a kernel of 9 is a product at each frequency of a discrete Fourier
transform. Both ways there are small matrix products over frames, a complex product is three real
ones (Gauss), a stride of 2 is two convolutions of half the length: of 270 products of channels 50
are left for 30 frames, besides the transforms. Beside it torch's convolution, channels last as the
networks here use it, and how far either is from double precision. Frames lie outermost, so that
nothing is copied.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

KERNEL, JOINTS = 9, 18
SHAPES = (
    (16, 30, 1),
    (32, 30, 1),
    (32, 30, 2),
    (64, 30, 1),
    (64, 30, 2),
    (128, 30, 2),
    (128, 15, 2),
)


def transforms(frames: int, stride: int) -> tuple[Tensor, Tensor, Tensor]:
    """Of frames (S, R, T), of the kernel (S, R, 9), and back (T', R), for R real products."""
    after, middle = -(-frames // stride), KERNEL // 2
    taps = [[k for k in range(KERNEL) if (k - middle - p) % stride == 0] for p in range(stride)]
    shift = [[(k - middle - p) // stride for k in own] for p, own in enumerate(taps)]
    held = [len(range(p, frames, stride)) for p in range(stride)]
    points = max(
        max(n + max(0, -min(own)), after + max(0, *own)) for n, own in zip(held, shift, strict=True)
    )
    there, kernel, back = [], [], []
    for number in range(points // 2 + 1):
        angle = 2 * np.pi * number / points
        cos_x, sin_x = np.zeros((stride, frames)), np.zeros((stride, frames))
        cos_w, sin_w = np.zeros((stride, KERNEL)), np.zeros((stride, KERNEL))
        for p in range(stride):
            cos_x[p, p::stride] = np.cos(angle * np.arange(held[p]))
            sin_x[p, p::stride] = -np.sin(angle * np.arange(held[p]))
            cos_w[p, taps[p]] = np.cos(angle * np.array(shift[p]))
            sin_w[p, taps[p]] = np.sin(angle * np.array(shift[p]))
        cos, sin = (f(angle * np.arange(after)) / points for f in (np.cos, np.sin))
        if number == 0 or 2 * number == points:
            there.append(cos_x)
            kernel.append(cos_w)
            back.append(cos)
        else:
            there += [cos_x + sin_x, cos_x, sin_x]
            kernel += [cos_w, sin_w - cos_w, cos_w + sin_w]
            back += [2 * (cos - sin), -2 * sin, -2 * cos]
    parts = np.stack(there, axis=1), np.stack(kernel, axis=1), np.stack(back, axis=1)
    a, b, c = (torch.from_numpy(np.ascontiguousarray(part)).float() for part in parts)
    return a, b, c


def by_frequencies(x: Tensor, there: Tensor, weight: Tensor, back: Tensor) -> Tensor:
    """(T, M, V, D), weights (S, R, D, D) -> (T', M, V, D)."""
    frames, clips, joints, width = x.shape
    phases, products, _ = there.shape
    seen = torch.mm(there.view(-1, frames), x.view(frames, -1))
    seen = seen.view(phases, products, clips * joints, width)
    found = torch.bmm(seen[0], weight[0])
    for phase in range(1, phases):
        found.baddbmm_(seen[phase], weight[phase])
    return torch.mm(back, found.view(products, -1)).view(len(back), clips, joints, -1)


def median_ms(work: Callable[[], object], runs: int = 25) -> float:
    work()
    times = []
    for _ in range(runs):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return 1e3 * float(np.median(times))


@torch.inference_mode()
def main() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    print("| channels | frames, stride | clips | convolution, ms | by frequencies, ms | ratio "
          "| largest error, either |\n|---|---|---|---|---|---|---|")  # fmt: skip
    for width, frames, stride in SHAPES:
        there, kernel, back = transforms(frames, stride)
        w = torch.randn(width, width, KERNEL, 1) / (KERNEL * width) ** 0.5
        weight = torch.einsum("srk,oik->srio", kernel, w[..., 0]).contiguous()
        last = w.contiguous(memory_format=torch.channels_last)
        for clips in (8, 32):
            x = torch.randn(frames, clips, JOINTS, width)
            channels = x.permute(1, 3, 0, 2).contiguous(memory_format=torch.channels_last)
            border = ((stride, 1), (KERNEL // 2, 0))
            exact = F.conv2d(channels.double(), w.double(), None, *border).permute(2, 0, 3, 1)
            plain = F.conv2d(channels, last, None, *border).permute(2, 0, 3, 1)
            found = by_frequencies(x, there, weight, back)
            errors = [float((y - exact).abs().max()) for y in (plain, found)]
            took = [
                median_ms(lambda c=channels, k=last, b=border: F.conv2d(c, k, None, *b)),
                median_ms(lambda x=x, t=there, w=weight, b=back: by_frequencies(x, t, w, b)),
            ]
            print(f"| {width} | {frames}, {stride} | {clips} | {took[0]:.2f} | {took[1]:.2f} "
                  f"| {took[0] / took[1]:.2f} | {errors[0]:.0e}, {errors[1]:.0e} |",
                  flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
