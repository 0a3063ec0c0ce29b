"""Frames per second beside a plain loop of the same models, and peak memory.

    python benchmarks/blazepose_speed.py [--seconds 10] [--repeats 3]
    python benchmarks/blazepose_speed.py --memory 1 10

The plain loop decodes a frame, cuts the body out, runs the landmark model, and takes the next
square from its result: no search, no film measures, no checks. Both run in turn in one process, on
a film of a swinging person written for it; the best of the repeats counts. CPU time counts
all threads. With ``--memory`` films of so many minutes (1080p, 30 frames/s) are estimated, each in
a process of its own, and the peak of its memory is printed.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from itertools import chain, islice, repeat
from pathlib import Path

import numpy as np
from blazepose_scene import Scene, swinging

from fidgety.pose.encode import write_video
from fidgety.pose.estimators import estimate
from fidgety.pose.estimators.detector import Detector
from fidgety.pose.estimators.landmarks import Landmarks
from fidgety.pose.estimators.weights import weights_path
from fidgety.pose.video import frames

SIZES = ((640, 360), (1280, 720), (1920, 1080))
FPS = 30


def plain(video: Path) -> int:
    threads = min(4, os.cpu_count() or 1)
    detector = Detector(weights_path("pose_detection.tflite"), threads)
    landmarks = Landmarks(weights_path("pose_landmark_full.tflite"), threads)
    square, count = None, 0
    for frame in frames(video):
        count += 1
        square = square or detector.find(frame.image)[0].square
        square = landmarks.read(frame.image, square).square
    return count


def timed(work, *arguments) -> tuple[float, float]:
    """Seconds on the clock, and of the processor."""
    start, busy = time.perf_counter(), time.process_time()
    work(*arguments)
    return time.perf_counter() - start, time.process_time() - busy


def speed(seconds: float, repeats: int) -> None:
    print("| film | plain, frames/s | fidgety, frames/s | plain, CPU ms | fidgety, CPU ms |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            film = Path(folder) / f"{size[1]}.mp4"
            write_video(film, swinging(Scene(size=size), seconds, FPS), FPS)
            count = plain(film)
            runs = [(timed(plain, film), timed(estimate, film)) for _ in range(repeats)]
            best = np.array(runs).min(axis=0)  # (2 ways, clock and processor)
            cells = [f"{count / clock:.1f}" for clock in best[:, 0]]
            cells += [f"{1000 * busy / count:.1f}" for busy in best[:, 1]]
            print(f"| {size[0]}x{size[1]} | " + " | ".join(cells) + " |", flush=True)


def memory(minutes: list[float]) -> None:
    print("| film | frames | peak memory, MB |")
    print("|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        few = list(swinging(Scene(size=(1920, 1080)), 2, FPS))
        for length in minutes:
            film, count = Path(folder) / f"{length}.mp4", round(60 * FPS * length)
            write_video(film, islice(chain.from_iterable(repeat(few)), count), FPS)
            command = [sys.executable, __file__, "--one", str(film)]
            peak = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            print(f"| {length:g} min | {count} | {peak.strip()} |", flush=True)


def one(film: Path) -> None:
    pose = estimate(film)
    assert np.isfinite(pose.xy[..., 0]).any(axis=1).mean() > 0.9
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--memory", type=float, nargs="+")
    parser.add_argument("--one", type=Path)
    given = parser.parse_args()
    if given.one:
        one(given.one)
    elif given.memory:
        memory(given.memory)
    else:
        speed(given.seconds, given.repeats)
