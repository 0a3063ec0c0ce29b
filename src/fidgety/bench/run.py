"""Measure this machine, then each part beside its plain form, all in one run."""

from __future__ import annotations

import platform
import resource
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from fidgety import __version__
from fidgety.bench.plain import plain_form, plain_risks
from fidgety.models.fast import OnArrays, fused
from fidgety.models.inference import infer
from fidgety.models.network import Network
from fidgety.models.stam import STAM, STAMConfig
from fidgety.motion import ClipConfig, PoseSequence, WindowConfig, pose_sequence, split
from fidgety.simulate import simulate_infant
from fidgety.study.methods import METHODS

__all__ = ["SIZES", "bench", "table"]

FPS = 30.0
# Windows of 1000 frames: as published with 200 frames of overlap, and one every 200 frames.
WINDOWS = {"overlap 200": WindowConfig(), "stride 200": WindowConfig(1000 / FPS, 800 / FPS)}


def _sizes() -> dict[str, STAMConfig]:
    small = METHODS["stam"].network
    assert small is not None
    assert isinstance(small.model, STAMConfig)
    return {"small": small.model, "published": STAMConfig()}


SIZES = ("small", "published")


def bench(
    size: str = "small", seconds: float = 300.0, threads: int | None = None, runs: int = 5
) -> dict[str, Any]:
    """Time the parts of assessing and training, each beside its plain form.

    Parameters
    ----------
    size : {"small", "published"}
        Network of the method ``stam``, or of the paper.
    seconds : float
        Length of the recording that is assessed, at 30 frames per second.
    threads : int, optional
        Of torch; its own number by default.
    runs : int
        Of each form, taken in turns; medians are given.

    Returns
    -------
    dict
        ``machine``: rates of one large matrix product and of copying; ``parts``: for each the
        seconds of wall and processor time, plain and ours, their ratio, and the rate of
        floating-point operations; ``growth``: seconds against recording length and batch size;
        ``peak_memory_mb``. Ratios and rates are of processor time, which other work beside it
        disturbs less.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        torch.manual_seed(0)
        network = STAM(_sizes()[size])
        machine = _machine(runs)
        peak = machine["matmul_gflops"]
        parts = [
            *_assessing(network, seconds, runs, peak),
            _training(network, runs, peak),
            *_preprocessing(seconds, runs),
        ]
        return {
            "fidgety": __version__,
            "size": size,
            "seconds": seconds,
            "threads": torch.get_num_threads(),
            "machine": machine,
            "parts": parts,
            "growth": _growth(network, seconds),
            "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
    finally:
        torch.set_num_threads(before)


def _machine(runs: int) -> dict[str, Any]:
    a = torch.randn(2048, 2048)
    half = a.bfloat16()
    product = _timed([lambda: a @ a, lambda: half @ half], runs)
    block = np.ones(1 << 25)  # 256 MiB, beyond every cache
    copy = np.empty_like(block)
    (moved,) = _timed([lambda: np.copyto(copy, block)], runs)
    work = 2 * 2048**3 / 1e9
    return {
        "platform": f"{platform.system()} {platform.machine()}",
        "torch": torch.__version__,
        "matmul_gflops": work / product[0]["processor_s"],
        "matmul_bf16_gflops": work / product[1]["processor_s"],
        "copy_gb_per_s": 2 * block.nbytes / moved["processor_s"] / 1e9,
    }


def _assessing(network: Network, seconds: float, runs: int, peak: float) -> list[dict[str, Any]]:
    clips = split(_sequence(seconds), ClipConfig())
    network = network.eval()
    plain, fast = plain_form(network), OnArrays(fused(network))
    flops = _counted(lambda: fast.encode(clips.values()))
    found = []
    for name, window in WINDOWS.items():

        def ours(window: WindowConfig = window) -> None:
            _ = infer(fast, clips, window).risk

        def theirs(window: WindowConfig = window) -> None:
            plain_risks(plain, clips, window)

        agree = abs(plain_risks(plain, clips, window).mean() - infer(fast, clips, window).risk)
        plainly, quickly = _timed([theirs, ours], runs)
        found.append(_part(f"network over windows, {name}", plainly, quickly, flops, peak, agree))
    times = _timed([lambda: fast.encode(clips.values())] * 2, runs)
    found.append(_part("encoding alone", None, times[1], flops, peak))
    return found


def _training(network: Network, runs: int, peak: float) -> dict[str, Any]:
    clips = torch.randn(16, 12, 7, 30, 18)

    def step(model: Network) -> Callable[[], None]:
        model.train()

        def work() -> None:
            model.zero_grad()
            model(clips).logit.sum().backward()

        return work

    ours, plain = step(network), step(plain_form(network))
    plainly, quickly = _timed([plain, ours], runs)
    name = "training step, 16 windows of 12 clips"
    return _part(name, plainly, quickly, _counted(ours), peak)


def _preprocessing(seconds: float, runs: int) -> list[dict[str, Any]]:
    pose = simulate_infant(0, seconds=seconds, fps=FPS)[0].pose
    return [
        _part(
            f"pixels to features, {profile}",
            None,
            _timed([lambda p=profile: pose_sequence(pose, p)], runs)[0],
        )
        for profile in ("fidgety", "stam")
    ]


def _growth(network: Network, seconds: float) -> dict[str, list[list[float]]]:
    """Pairs of size and processor seconds."""
    fast = OnArrays(fused(network))
    lengths = [seconds * share for share in (0.25, 0.5, 1.0, 2.0)]
    by_length = []
    for length in lengths:
        clips = split(_sequence(length), ClipConfig())
        (one,) = _timed([lambda c=clips: infer(fast, c)], 3)
        by_length.append([length, one["processor_s"]])
    by_batch = []
    for batch in (1, 4, 16, 64, 256):
        values = np.random.default_rng(0).normal(size=(batch, 7, 30, 18)).astype(np.float32)
        (one,) = _timed([lambda v=values: fast.encode(v)], 3)
        by_batch.append([batch, one["processor_s"]])
    return {"recording_seconds": by_length, "clips_at_a_time": by_batch}


def _sequence(seconds: float) -> PoseSequence:
    values = np.random.default_rng(0).normal(size=(7, round(seconds * FPS), 18))
    return PoseSequence(values.astype(np.float32), FPS)


def _counted(work: Callable[[], object]) -> float:
    with FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops())


def _timed(forms: Sequence[Callable[[], object]], runs: int) -> list[dict[str, float]]:
    """Median wall and processor seconds of each form, taken in turns after one run for nothing."""
    for form in forms:
        form()
    taken: list[list[tuple[float, float]]] = [[] for _ in forms]
    for _ in range(runs):
        for form, times in zip(forms, taken, strict=True):
            wall, processor = time.perf_counter(), time.process_time()
            form()
            times.append((time.perf_counter() - wall, time.process_time() - processor))
    medians = [np.median(times, axis=0) for times in taken]
    return [{"wall_s": float(wall), "processor_s": float(cpu)} for wall, cpu in medians]


def _part(
    name: str,
    plain: dict[str, float] | None,
    ours: dict[str, float],
    flops: float | None = None,
    peak: float | None = None,
    difference: float | None = None,
) -> dict[str, Any]:
    rate = None if flops is None else flops / ours["processor_s"] / 1e9
    return {
        "name": name,
        "plain": plain,
        "ours": ours,
        "ratio": None if plain is None else plain["processor_s"] / ours["processor_s"],
        "gflop": None if flops is None else flops / 1e9,
        "gflops": rate,
        "share_of_matmul": None if rate is None or peak is None else rate / peak,
        "difference": difference,
    }


def table(found: dict[str, Any]) -> str:
    """What `bench` found, for reading."""
    machine = found["machine"]
    lines = [
        f"{found['size']} network, {found['seconds']:g} s, {found['threads']} threads. "
        f"A core here: matmul {machine['matmul_gflops']:.0f} GFLOP/s "
        f"({machine['matmul_bf16_gflops']:.0f} in bfloat16), "
        f"copy {machine['copy_gb_per_s']:.1f} GB/s",
        f"{'':40} {'plain ms':>9} {'ours ms':>9} {'ratio':>6} {'GFLOP/s':>8} {'of matmul':>9}",
    ]
    for part in found["parts"]:
        plain = "" if part["plain"] is None else f"{1e3 * part['plain']['processor_s']:.0f}"
        ratio = "" if part["ratio"] is None else f"{part['ratio']:.1f}"
        rate = "" if part["gflops"] is None else f"{part['gflops']:.0f}"
        share = "" if part["share_of_matmul"] is None else f"{part['share_of_matmul']:.0%}"
        ours = f"{1e3 * part['ours']['processor_s']:.0f}"
        lines.append(f"{part['name']:40} {plain:>9} {ours:>9} {ratio:>6} {rate:>8} {share:>9}")
    lines.append(f"Peak memory {found['peak_memory_mb']:.0f} MB. Times are of the processor.")
    return "\n".join(lines)
