"""Measure this machine, then each part beside its plain form, all in one run."""

from __future__ import annotations

import importlib.util
import platform
import resource
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fidgety import __version__
from fidgety.bench.epochs import Epochs
from fidgety.bench.growth import FPS, growth, noise
from fidgety.bench.plain import plain_form, plain_risks
from fidgety.bench.roofline import operations
from fidgety.bench.timing import counted, timed
from fidgety.bench.with_pandas import by_column, by_group
from fidgety.models.fast import OnArrays
from fidgety.models.inference import encode, infer
from fidgety.models.network import Network
from fidgety.models.shared_frames import runner_of
from fidgety.models.stam import STAM, STAMConfig
from fidgety.motion import ClipConfig, WindowConfig, pose_sequence, split
from fidgety.simulate import simulate_infant
from fidgety.study.methods import METHODS

__all__ = ["SIZES", "bench", "table"]

INFANTS = {"small": 60, "published": 0}  # of an epoch that is timed
EPOCH_S = 60.0  # of each of its recordings
GROUPS_S = 20.0  # of a recording that pandas walks group by group; its time grows with the length
# Windows of 1000 frames: as published with 200 frames of overlap, and one every 200 frames.
WINDOWS = {"overlap 200": WindowConfig(), "stride 200": WindowConfig(1000 / FPS, 800 / FPS)}


def _sizes() -> dict[str, STAMConfig]:
    small = METHODS["stam"].network
    assert small is not None
    assert isinstance(small.model, STAMConfig)
    return {"small": small.model, "published": STAMConfig()}


SIZES = ("small", "published")


def bench(
    size: str = "small",
    seconds: float = 300.0,
    threads: int | None = None,
    runs: int = 5,
    longest_s: float | None = None,
    infants: int | None = None,
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
    longest_s : float, optional
        Also measure how the time grows, with recordings of up to this length.
    infants : int, optional
        In the epoch that is timed, 0 for none; by default 60, but none for the paper's network,
        whose epoch takes minutes.

    Returns
    -------
    dict
        ``machine``: rates of one large matrix product and of copying; ``parts``: for each the
        seconds of wall and processor time, plain and ours, their ratio, and the rate of
        floating-point operations; ``operations``: those of encoding, as `roofline.operations`;
        ``growth``: pairs of size and seconds, as `growth`;
        ``peak_memory_mb``: of the network over windows, in both forms. Ratios and rates are of
        processor time, which other work beside it disturbs less.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        torch.manual_seed(0)
        network = STAM(_sizes()[size])
        machine = _machine(runs)
        peak = machine["matmul_gflops"]
        parts = _assessing(network, seconds, runs, peak)
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        parts += [
            *_training(network, runs, peak),
            *_epoch(size, INFANTS[size] if infants is None else infants, runs),
            *_preprocessing(seconds, runs),
        ]
        return {
            "fidgety": __version__,
            "size": size,
            "seconds": seconds,
            "threads": torch.get_num_threads(),
            "machine": machine,
            "parts": parts,
            "operations": operations(network, runs=runs),
            "growth": {} if longest_s is None else growth(network, longest_s),
            "peak_memory_mb": most,
        }
    finally:
        torch.set_num_threads(before)


def _machine(runs: int) -> dict[str, Any]:
    a = torch.randn(2048, 2048)
    half = a.bfloat16()
    product = timed([lambda: a @ a, lambda: half @ half], runs)
    block = np.ones(1 << 25)  # 256 MiB, beyond every cache
    copy = np.empty_like(block)
    (moved,) = timed([lambda: np.copyto(copy, block)], runs)
    work = 2 * 2048**3 / 1e9
    return {
        "platform": f"{platform.system()} {platform.machine()}",
        "torch": torch.__version__,
        "matmul_gflops": work / product[0]["processor_s"],
        "matmul_bf16_gflops": work / product[1]["processor_s"],
        "copy_gb_per_s": 2 * block.nbytes / moved["processor_s"] / 1e9,
    }


def _assessing(network: Network, seconds: float, runs: int, peak: float) -> list[dict[str, Any]]:
    clips = split(noise(seconds), ClipConfig())
    network = network.eval()
    plain, fast = plain_form(network), runner_of(network)
    every = np.arange(len(clips))
    flops = counted(lambda: encode(fast, clips, every))
    found = []
    for name, window in WINDOWS.items():

        def ours(window: WindowConfig = window) -> None:
            _ = infer(fast, clips, window).risk

        def theirs(window: WindowConfig = window) -> None:
            plain_risks(plain, clips, window)

        agree = abs(plain_risks(plain, clips, window).mean() - infer(fast, clips, window).risk)
        plainly, quickly = timed([theirs, ours], runs)
        found.append(_part(f"network over windows, {name}", plainly, quickly, flops, peak, agree))
    half = _in_bfloat16(fast)
    both = timed([lambda: encode(fast, clips, every), lambda: half(clips.values())], runs)
    found.append(_part("encoding alone", None, both[0], flops, peak))
    found.append(_part("encoding alone, bfloat16 products", None, both[1], flops, peak))
    return found


def _in_bfloat16(fast: OnArrays) -> Callable[[np.ndarray], object]:
    """Encoding whose convolutions multiply in bfloat16 and add in float32."""

    def work(values: np.ndarray) -> None:
        with torch.autocast("cpu", torch.bfloat16):
            for start in range(0, len(values), 64):
                fast.encode(values[start : start + 64])

    return work


def _training(network: STAM, runs: int, peak: float) -> list[dict[str, Any]]:
    """A step as networks train, and with products in bfloat16, as `--precision bf16-mixed`."""
    clips = torch.randn(16, 12, 7, 30, 18)

    def step(model: Network, half: bool = False) -> Callable[[], None]:
        model.train()

        def work() -> None:
            model.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                loss = model(clips).logit.float().sum()
            loss.backward()

        return work

    ours = step(network)
    plainly, quickly, halved = timed([step(plain_form(network)), ours, step(network, True)], runs)
    name, flops = "training step, 16 windows of 12 clips", counted(ours)
    return [
        _part(name, plainly, quickly, flops, peak),
        _part("the same, bfloat16 products", plainly, halved, flops, peak),
    ]


def _epoch(size: str, infants: int, runs: int) -> list[dict[str, Any]]:
    """An epoch from files on disk: the same clips of every window, and as the method trains."""
    method = METHODS["stam"].network
    if infants == 0 or method is None:
        return []
    with tempfile.TemporaryDirectory() as folder:
        config = replace(method, model=_sizes()[size])
        plain, same, usual = Epochs(config, Path(folder), infants, EPOCH_S).timed(min(runs, 3))
    name = f"epoch of {infants} infants of {EPOCH_S:g} s"
    clips = method.training.clips_per_window
    return [
        _part(f"{name}, all clips", plain, same),
        _part(f"{name}, {clips} clips of a window", plain, usual),
    ]


def _preprocessing(seconds: float, runs: int) -> list[dict[str, Any]]:
    """Both profiles; `stam`, which pandas repeats, beside pandas where it is installed."""
    pose = simulate_infant(0, seconds=seconds, fps=FPS)[0].pose
    ours = timed(
        [lambda: pose_sequence(pose, "fidgety"), lambda: pose_sequence(pose, "stam")], runs
    )
    found = [_part("pixels to features, fidgety", None, ours[0])]
    if importlib.util.find_spec("pandas") is None or pose.size is None:
        return [*found, _part("pixels to features, stam", None, ours[1])]
    agree = float(np.abs(by_column(pose) - pose_sequence(pose, "stam").values).max())
    (column,) = timed([lambda: by_column(pose)], min(runs, 2))
    short = pose.between(0.0, GROUPS_S)
    (group,) = timed([lambda: by_group(short)], 1)
    group = {name: value * len(pose) / len(short) for name, value in group.items()}
    return [
        *found,
        _part("pixels to features, stam; pandas columns", column, ours[1], difference=agree),
        _part("pixels to features, stam; pandas groups", group, ours[1], difference=agree),
    ]


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
        f"{'':42} {'plain ms':>9} {'ours ms':>9} {'ratio':>6} {'GFLOP/s':>8} {'of matmul':>9}",
    ]
    for part in found["parts"]:
        plain = "" if part["plain"] is None else f"{1e3 * part['plain']['processor_s']:.0f}"
        ratio = "" if part["ratio"] is None else f"{part['ratio']:.1f}"
        rate = "" if part["gflops"] is None else f"{part['gflops']:.0f}"
        share = "" if part["share_of_matmul"] is None else f"{part['share_of_matmul']:.0%}"
        ours = f"{1e3 * part['ours']['processor_s']:.0f}"
        lines.append(f"{part['name']:42} {plain:>9} {ours:>9} {ratio:>6} {rate:>8} {share:>9}")
    for name, curve in found["growth"].items():
        pairs = ", ".join(f"{size:g}: {1e3 * taken:.0f} ms" for size, taken in curve)
        lines.append(f"{name}. {pairs}")
    lines.append(
        f"Peak memory over windows {found['peak_memory_mb']:.0f} MB. Times are of the processor."
    )
    return "\n".join(lines)
