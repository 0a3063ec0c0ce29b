"""Frames per second beside a plain loop of the same models, and peak memory.

    python benchmarks/blazepose_speed.py [--seconds 10] [--repeats 3] [--sizes 1280x720 ...]
    python benchmarks/blazepose_speed.py --alone
    python benchmarks/blazepose_speed.py --memory 1 10

The plain loop decodes a frame, cuts the body out, runs the landmark model as published, and takes
the next square from its result: no search, no film measures, no checks; with one thread, and with
one a core. All run in turn in one process, on a film of a swinging person (2 s, repeated); the
best of the repeats counts. CPU time counts all threads. With ``--alone`` (Linux, as root) what is
measured has the highest priority, so that other work on the machine waits, a few seconds at a
time; begin it by ``setsid``.
With ``--memory`` films of so many minutes (1080p, 30 frames/s, a short one over and over) are
estimated, each in a process of its own, and the peak of its memory is printed.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from blazepose_scene import Scene, looped, swinging

from fidgety.pose.encode import write_video
from fidgety.pose.estimators import estimate
from fidgety.pose.estimators.crops import to_image
from fidgety.pose.estimators.detector import Detector, around
from fidgety.pose.estimators.tflite import interpreter
from fidgety.pose.estimators.weights import weights_path
from fidgety.pose.video import frames

SIZES = ((640, 360), (1280, 720), (1920, 1080))
FPS, SIDE, LOOP_S = 30, 256, 2


def plain(video: Path, threads: int) -> int:
    """Decode, crop, landmarks, next square, one after the other; the published models."""
    detector = Detector(weights_path("pose_detection.tflite"), threads)
    model = interpreter(weights_path("pose_landmark_full.tflite"), threads)
    into = model.get_input_details()[0]["index"]
    out = {tuple(d["shape"]): d["index"] for d in model.get_output_details()}[1, 195]
    square, count = None, 0
    for frame in frames(video):
        count += 1
        square = square or detector.find(frame.image)[0].square
        step = square.side / SIDE
        middle = np.full(2, (SIDE - 1) / 2)
        corner = (square.x, square.y) - step * square.axes @ middle
        matrix = np.column_stack([step * square.axes, corner])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        crop = cv2.warpAffine(frame.image, matrix, (SIDE, SIDE), flags=flags)
        model.set_tensor(into, crop.astype(np.float32)[None] / 255)
        model.invoke()
        points = to_image(model.get_tensor(out)[0].reshape(39, 5)[:, :2] - 0.5, square, SIDE)
        square = around(points[33], points[34])
    return count


@contextmanager
def before_others(alone: bool) -> Iterator[None]:
    """The highest priority below real time; then it is the others' turn for a while."""
    if not alone:
        yield
        return
    _prefer(-20)
    try:
        yield
    finally:
        _prefer(0)
        time.sleep(2.0)


def _prefer(nice: int) -> None:
    os.setpriority(os.PRIO_PROCESS, 0, nice)  # threads begun now have it, too
    group = Path("/proc/self/autogroup")
    if group.exists():  # the session's weight beside other sessions
        group.write_text(str(nice))


def timed(work, film: Path, alone: bool) -> tuple[float, float]:
    """Seconds on the clock, and of the processor."""
    with before_others(alone):
        start, busy = time.perf_counter(), time.process_time()
        work(film)
        return time.perf_counter() - start, time.process_time() - busy


def speed(seconds: float, repeats: int, sizes: Sequence[tuple[int, int]], alone: bool) -> None:
    cores = os.cpu_count() or 1
    ways = {f"plain, threads {n}": partial(plain, threads=n) for n in sorted({1, cores})}
    ways["fidgety"] = estimate
    print(f"| film | {' | '.join(f'{way}, frames/s' for way in ways)} | ", end="")
    print(" | ".join(f"{way}, CPU ms" for way in ways) + " |")
    print("|---" * (1 + 2 * len(ways)) + "|")
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            film = Path(folder) / f"{size[1]}.mp4"
            with before_others(alone):
                pictures = swinging(Scene(size=size), LOOP_S, FPS)
                short = write_video(Path(folder) / "short.mp4", pictures, FPS)
                looped(short, film, round(seconds / LOOP_S))
            with before_others(alone):
                count = plain(film, cores)  # also warms up
            runs = [[timed(work, film, alone) for work in ways.values()] for _ in range(repeats)]
            best = np.array(runs).min(axis=0)  # (ways, clock and processor)
            cells = [f"{count / clock:.1f}" for clock in best[:, 0]]
            cells += [f"{1000 * busy / count:.1f}" for busy in best[:, 1]]
            print(f"| {size[0]}x{size[1]} | " + " | ".join(cells) + " |", flush=True)


def memory(minutes: list[float]) -> None:
    print("| film | frames | peak memory, MB |")
    print("|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        short = Path(folder) / "short.mp4"
        write_video(short, swinging(Scene(size=(1920, 1080)), LOOP_S, FPS), FPS)
        for length in minutes:
            film, count = Path(folder) / f"{length}.mp4", round(60 * FPS * length)
            looped(short, film, round(60 * length / LOOP_S))
            command = [sys.executable, __file__, "--one", str(film)]
            peak = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            print(f"| {length:g} min | {count} | {peak.strip()} |", flush=True)


def one(film: Path) -> None:
    pose = estimate(film)
    assert np.isfinite(pose.xy[..., 0]).any(axis=1).mean() > 0.9
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def size_of(text: str) -> tuple[int, int]:
    width, height = map(int, text.split("x"))
    return width, height


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--sizes", type=size_of, nargs="+", help="such as 1280x720")
    parser.add_argument("--alone", action="store_true", help="let other work wait")
    parser.add_argument("--memory", type=float, nargs="+")
    parser.add_argument("--one", type=Path)
    given = parser.parse_args()
    if given.one:
        one(given.one)
    elif given.memory:
        memory(given.memory)
    else:
        speed(given.seconds, given.repeats, given.sizes or SIZES, given.alone)
