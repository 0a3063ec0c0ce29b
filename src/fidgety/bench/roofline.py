"""What each operation of a network reaches, against what this machine could do: a roofline.

An operation that does few floating-point operations a byte is bound by memory, one that does many
by arithmetic (Williams, Waterman, Patterson 2009, Commun. ACM 52(4), doi 10.1145/1498765.1498785).
Bytes are those that must move if nothing stays in cache: inputs, outputs and weights, each once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fidgety.bench.timing import counted, timed
from fidgety.files import whole_file
from fidgety.models import kernels
from fidgety.models.fast import fused
from fidgety.models.stam import STAM, GraphBlock
from fidgety.pose.optional import library

__all__ = ["draw", "operations"]

Step = tuple[str, Callable[[], Tensor], int]  # name, work, values that move


def operations(network: STAM, clips: int = 32, runs: int = 5) -> list[dict[str, Any]]:
    """Each operation of encoding clips in the fast form, in the order in which they come.

    Returns
    -------
    list of dict
        ``name``, ``seconds`` (of the processor), ``gflop``, ``gb`` that must move, ``gflops`` and
        ``intensity`` (operations a byte).
    """
    torch.manual_seed(0)
    values = torch.randn(clips, network.config.channels, 30, len(network.config.layout))
    found = []
    with torch.inference_mode():
        for name, work, moved in _steps(fused(network), values):
            (taken,) = timed([work], runs)
            flops, size = counted(work) + moved, 4.0 * moved  # an addition for each value at least
            found.append(
                {
                    "name": name,
                    "seconds": taken["processor_s"],
                    "gflop": flops / 1e9,
                    "gb": size / 1e9,
                    "gflops": flops / taken["processor_s"] / 1e9,
                    "intensity": flops / size,
                }
            )
    return found


def _steps(network: Any, values: Tensor) -> Iterator[Step]:
    x, seen = network.input_norm(values)
    yield "input norm", lambda: network.input_norm(values)[0], 2 * x.numel()
    for number, block in enumerate(network.blocks, 1):
        assert isinstance(block, GraphBlock)
        yield from _of_block(number, block, x)
        x, seen = block(x, seen)
    rest = x.numel()
    yield "mean over time", lambda: network.over_time(x.permute(0, 2, 3, 1), seen), rest
    h = network.over_time(x.permute(0, 2, 3, 1), seen)
    yield "attention over joints", lambda: network.joint_attention(h), h.numel()


def _of_block(number: int, block: GraphBlock, x: Tensor) -> Iterator[Step]:
    graph = block.graph if block.edges is None else block.graph * block.edges
    weight, bias = block.joints.weight, block.joints.bias
    frames: Any = block.frames

    def mixed() -> Tensor:
        return kernels.graph_conv(x, weight, bias, graph, even=block.even)

    y = mixed()
    yield f"joints {number}", mixed, x.numel() + y.numel() + weight.numel()
    z = frames(y)
    moved = y.numel() + z.numel() + frames.weight.numel()
    yield f"frames {number}", lambda: frames(y), moved
    part = x[:, :, :: block.stride]
    short = block.shortcut(part)
    moved = part.numel() + short.numel()
    yield f"shortcut {number}", lambda: block.shortcut(x[:, :, :: block.stride]), moved
    yield f"sum {number}", lambda: F.relu(z + short, inplace=True), 3 * z.numel()


def draw(found: dict[str, Any], path: str | Path) -> Path:
    """Draw what `bench` found as a roofline (.svg, .png or .pdf); return the path.

    Raises
    ------
    VideoError
        E607 if matplotlib is not installed.
    FileError
        E501 to E503 if the system refuses.
    """
    plots = library("matplotlib.figure", "plots")
    machine, points = found["machine"], found["operations"]
    peak, width = machine["matmul_gflops"], machine["copy_gb_per_s"]
    figure = plots.Figure(figsize=(8.2, 4.6), layout="constrained")
    axes = figure.add_subplot()
    reach = np.geomspace(0.05, 300, 200)
    axes.loglog(reach, np.minimum(peak, reach * width), color="#333333")
    axes.text(4.5, peak * 1.15, f"matrix product {peak:.0f} GFLOP/s", fontsize=8)
    axes.text(0.055, 0.05 * width * 1.9, f"copying {width:.0f} GB/s", rotation=33, fontsize=8)
    total = sum(point["seconds"] for point in points)
    for number, point in enumerate(points, 1):
        share = point["seconds"] / total
        place = point["intensity"], point["gflops"]
        colour = "#0072b2" if point["name"].startswith("frames") else "#d55e00"
        axes.scatter(*place, s=20 + 900 * share, color=colour, alpha=0.45)
        axes.annotate(str(number), place, ha="center", va="center", fontsize=7)
        line = f"{number}  {point['name']}: {share:.0%}"
        axes.text(1.02, 1.0 - 0.055 * number, line, transform=axes.transAxes, fontsize=8)
    axes.set_ylim(0.7 * min(point["gflops"] for point in points), peak * 2)
    axes.set_xlabel("floating-point operations a byte")
    axes.set_ylabel("GFLOP/s")
    axes.set_title(
        f"Encoding clips, {found['size']} network, one core; area and list: share of time"
    )
    axes.grid(alpha=0.25)
    suffix = Path(path).suffix.lstrip(".") or "svg"
    with whole_file(path) as draft:
        figure.savefig(draft, format=suffix)
    return Path(path)
