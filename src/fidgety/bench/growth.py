"""How the time grows: with the recording, the infants, the clips at a time, the cores."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fidgety.bench.figures import new_figure, saved
from fidgety.bench.timing import timed
from fidgety.models.inference import infer
from fidgety.models.network import Network
from fidgety.models.shared_frames import runner_of
from fidgety.motion import ClipConfig, PoseSequence, pose_sequence, split
from fidgety.pose.pose import Pose
from fidgety.simulate import simulate_infant
from fidgety.study.examples import Example
from fidgety.study.training import NetworkConfig, TrainingConfig, fit

__all__ = ["draw_growth", "growth", "noise"]

FPS = 30.0
Curve = list[list[float]]  # pairs of size and seconds


def noise(seconds: float, seed: int = 0) -> PoseSequence:
    """A sequence of random features: what a network takes depends on its length alone."""
    values = np.random.default_rng(seed).normal(size=(7, round(seconds * FPS), 18))
    return PoseSequence(values.astype(np.float32), FPS)


def growth(network: Network, longest_s: float = 14400.0) -> dict[str, Curve]:
    """Seconds against size: of the processor, but for cores of the wall.

    Parameters
    ----------
    network : Network
        Whose inference and training are timed.
    longest_s : float
        Longest recording.
    """
    return {
        "preprocessing: recording in s": _by_length_of_poses(longest_s),
        "network over windows: recording in s": _by_length(network, longest_s),
        "encoding: clips at a time": _by_batch(network),
        "encoding 64 clips: cores": _by_cores(network),
        "training epoch: infants of 30 s": _by_infants(network),
    }


def _lengths(longest_s: float) -> list[float]:
    return [s for s in (75.0, 300.0, 900.0, 3600.0, 14400.0) if s <= longest_s]


def _by_length_of_poses(longest_s: float) -> Curve:
    pose = simulate_infant(0, seconds=75.0, fps=FPS)[0].pose
    found = []
    for seconds in _lengths(longest_s):
        times = round(seconds / 75.0)
        frames = times * len(pose)
        long = Pose(
            np.tile(pose.xy, (times, 1, 1)), np.tile(pose.confidence, (times, 1)),
            np.arange(frames) / FPS, pose.size, pose.skeleton,
        )  # fmt: skip
        (one,) = timed([lambda p=long: pose_sequence(p)], 3)
        found.append([seconds, one["processor_s"]])
    return found


def _by_length(network: Network, longest_s: float) -> Curve:
    fast, found = runner_of(network), []
    for seconds in _lengths(longest_s):
        clips = split(noise(seconds), ClipConfig())
        (one,) = timed([lambda c=clips: infer(fast, c)], 1 if seconds > 900 else 3)
        found.append([seconds, one["processor_s"]])
    return found


def _by_batch(network: Network) -> Curve:
    fast, found = runner_of(network), []
    for batch in (1, 4, 16, 64, 256):
        values = np.random.default_rng(0).normal(size=(batch, 7, 30, 18)).astype(np.float32)
        (one,) = timed([lambda v=values: fast.encode(v)], 3)
        found.append([batch, one["processor_s"]])
    return found


def _by_cores(network: Network) -> Curve:
    fast, found, before = runner_of(network), [], torch.get_num_threads()
    values = np.random.default_rng(0).normal(size=(64, 7, 30, 18)).astype(np.float32)
    try:
        for cores in range(1, (os.cpu_count() or 1) + 1):
            torch.set_num_threads(cores)
            (one,) = timed([lambda: fast.encode(values)], 5)
            found.append([cores, one["wall_s"]])
    finally:
        torch.set_num_threads(before)
    return found


def _by_infants(network: Network) -> Curve:
    training = TrainingConfig(max_epoch=1, batch_size=16, clips_per_window=12, select="last")
    config, found = NetworkConfig(model=network.config, training=training), []
    for infants in (8, 16, 32):
        examples = [Example(f"i{n}", f"i{n}", n % 2, noise(30.0, n)) for n in range(infants)]
        (one,) = timed([lambda e=examples: fit(e, (), config)], 1)
        found.append([infants, one["processor_s"]])
    return found


def draw_growth(found: dict[str, Any], path: str | Path) -> Path:
    """Draw the curves that `bench` found, beside time that grows as the size does; return the path.

    Raises
    ------
    VideoError
        E607 if matplotlib is not installed.
    FileError
        E501 to E503 if the system refuses.
    """
    figure = new_figure(10.5, 5.6)
    curves = found["growth"]
    places = list(figure.subplots(2, -(-len(curves) // 2)).flat)
    for axes, (name, curve) in zip(places, curves.items(), strict=False):
        size, taken = np.array(curve).T
        work, _, what = name.partition(": ")
        cores = what == "cores"
        even = taken[0] * size[0] / size if cores else taken[-1] * size / size[-1]
        axes.loglog(size, 1e3 * even, "--", color="#999999")
        axes.loglog(size, 1e3 * taken, "o-", color="#0072b2")
        for x, y in zip(size, 1e3 * taken, strict=True):
            axes.annotate(f"{y:.3g}", (x, y), (0, 6), textcoords="offset points", fontsize=8)
        axes.set_xticks(size, [f"{x:g}" for x in size])
        axes.minorticks_off()
        axes.margins(0.12, 0.2)
        axes.set_title(work, fontsize=10)
        axes.set_xlabel(what)
        axes.set_ylabel("ms of wall time" if cores else "ms of processor time")
        axes.grid(alpha=0.25)
    for axes in places[len(curves) :]:
        axes.set_axis_off()
    figure.suptitle(
        f"{found['size']} network, {found['threads']} threads; dashed: in proportion", fontsize=11
    )
    return saved(figure, path)
