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
from numpy.typing import NDArray
from torch import Tensor

from fidgety.bench.figures import new_figure, saved
from fidgety.bench.growth import noise
from fidgety.bench.timing import counted, timed
from fidgety.models.shared_frames import SharedFrames
from fidgety.models.stam import STAM
from fidgety.motion import ClipConfig, split

__all__ = ["draw", "operations"]

CLIP_S, STRIDE_S = 1.0, 2 / 3  # as published
Step = tuple[str, Callable[[], Tensor], int]  # name, work, values that move


def operations(network: STAM, clips: int = 32, runs: int = 5) -> list[dict[str, Any]]:
    """Each operation of encoding neighbouring clips in the fast form, in their order.

    Returns
    -------
    list of dict
        ``name``, ``seconds`` (of the processor), ``gflop``, ``gb`` that must move, ``gflops`` and
        ``intensity`` (operations a byte).
    """
    fast = SharedFrames(network.eval())
    recording = split(noise(CLIP_S + (clips - 1) * STRIDE_S), ClipConfig(CLIP_S, STRIDE_S))
    found = []
    with torch.inference_mode():
        for name, work, moved in _steps(fast, *recording.frames(np.arange(clips))):
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


def _steps(fast: SharedFrames, frames: NDArray, rows: NDArray[np.intp]) -> Iterator[Step]:
    network, first = fast.network, fast.first
    assert isinstance(network, STAM)
    given = torch.from_numpy(frames)
    x, _ = fast.norm(given)
    yield "input norm", lambda: fast.norm(given)[0], 2 * x.numel()
    early = first.of_frames(x)
    moved = x.numel() + early.numel() + first.weight.numel()
    yield "joints 1", lambda: first.of_frames(x), moved
    early, x = (part.transpose(0, 1).contiguous() for part in (early, x))
    part = [slice(row[0], row[0] + len(row)) for row in rows]

    def cut(values: Tensor) -> Tensor:
        return torch.stack([values[clip] for clip in part])

    mixed, came = cut(early), cut(x)
    moved = early.numel() + mixed.numel() + x.numel() + came.numel()
    yield "cut into clips", lambda: (cut(early), cut(x))[0], moved
    for number, block in enumerate((first, *fast.later), 1):
        if number > 1:
            mixed = block.mixed(came)
            moved = came.numel() + mixed.numel() + block.weight.numel()
            yield f"joints {number}", lambda: block.mixed(came), moved  # noqa: B023
        y = block.over_time(mixed)
        moved = mixed.numel() + y.numel() + block.kernel.numel()
        yield f"frames {number}", lambda: block.over_time(mixed), moved  # noqa: B023
        moved = came.numel() // block.stride + 2 * y.numel()
        yield f"way past {number}", lambda: block.joined(y, came), moved  # noqa: B023
        came = block.joined(block.over_time(mixed), came)
    yield "mean over time", lambda: network.over_time(came, None), came.numel()
    h = network.over_time(came, None)
    yield "attention over joints", lambda: network.over_joints(h, None).vectors, h.numel()


def draw(found: dict[str, Any], path: str | Path) -> Path:
    """Draw what `bench` found as a roofline (.svg, .png or .pdf); return the path.

    Raises
    ------
    VideoError
        E607 if matplotlib is not installed.
    FileError
        E501 to E503 if the system refuses.
    """
    figure = new_figure(8.2, 4.6)
    machine, points = found["machine"], found["operations"]
    peak, width = machine["matmul_gflops"], machine["copy_gb_per_s"]
    axes = figure.add_subplot()
    reach = np.geomspace(0.05, 300, 200)
    axes.loglog(reach, np.minimum(peak, reach * width), color="#333333")
    axes.text(0.055, peak * 1.15, f"matrix product {peak:.0f} GFLOP/s", fontsize=8)
    axes.text(0.055, 0.05 * width * 1.9, f"copying {width:.0f} GB/s", rotation=33, fontsize=8)
    total = sum(point["seconds"] for point in points)
    for number, point in enumerate(points, 1):
        share = point["seconds"] / total
        place = point["intensity"], point["gflops"]
        colour = "#0072b2" if point["name"].startswith("frames") else "#d55e00"
        axes.scatter(*place, s=20 + 900 * share, color=colour, alpha=0.45)
        axes.annotate(str(number), place, ha="center", va="center", fontsize=7)
        line = f"{number}  {point['name']}: {share:.0%}"
        axes.text(1.02, 1.04 - 0.06 * number, line, transform=axes.transAxes, fontsize=8)
    axes.set_ylim(0.7 * min(point["gflops"] for point in points), peak * 2)
    axes.set_xlabel("floating-point operations a byte")
    axes.set_ylabel("GFLOP/s")
    axes.set_title(
        f"Encoding clips, {found['size']} network, one core; area and list: share of time"
    )
    axes.grid(alpha=0.25)
    return saved(figure, path)
