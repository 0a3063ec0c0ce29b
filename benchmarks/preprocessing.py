"""Speed of preprocessing, beside a plain pandas version of the published steps, in one run.

    OMP_NUM_THREADS=1 python benchmarks/preprocessing.py

Prints the time from pixels to the seven features of one recording for both profiles and for
pandas, the ratios between them, and the growth with the recording's length. Times are of the
processor, so that a busy machine disturbs them less, the best of several, profiles taken in turns.
Needs pandas, which nothing else here does (`--no-pandas` leaves it out). The body is seeded
sinusoids and noise; nothing here says anything about infants.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from fidgety.bench.with_pandas import by_column
from fidgety.motion import pose_sequence
from fidgety.pose.pose import Pose
from fidgety.pose.skeleton import load_skeleton

FPS = 30
SIZE = (1280, 720)
SKELETON = load_skeleton("openpose18")
HOME = {
    "nose": (640, 210),
    "neck": (640, 260),
    "right_shoulder": (596, 260),
    "left_shoulder": (684, 260),
    "right_hip": (614, 420),
    "left_hip": (666, 420),
}


def restless(seconds: float, seed: int, missing: float = 0.02) -> Pose:
    """A body whose joints each follow a sinusoid, with noise, doubts and gaps."""
    rng = np.random.default_rng(seed)
    clock = np.arange(round(seconds * FPS))[:, None, None] / FPS
    home = np.array([HOME.get(joint, rng.uniform(450, 800, 2)) for joint in SKELETON.joints])
    rate, phase = rng.uniform(0.2, 3, (18, 2)), rng.uniform(0, 2 * np.pi, (18, 2))
    xy = home + 10 * np.sin(2 * np.pi * rate * clock + phase)
    xy += rng.normal(size=xy.shape)
    confidence = rng.uniform(0.5, 1, xy.shape[:2])
    confidence[rng.random(confidence.shape) < missing] = 0
    confidence[0] = 1
    return Pose.at_fps(xy, confidence, FPS, SKELETON, SIZE)


def best(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Least processor seconds of each way, taken in turns so that a busy machine is so for all."""
    found = dict.fromkeys(ways, np.inf)
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.process_time()
            way()
            found[name] = min(found[name], time.process_time() - start)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=300, help="length of the recording")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--hours", type=float, default=4, help="longest recording of the growth")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-pandas", action="store_true")
    options = parser.parse_args()

    pose = restless(options.seconds, options.seed)
    ways: dict[str, Callable[[], object]] = {
        name: lambda name=name: pose_sequence(pose, name) for name in ("stam", "fidgety")
    }
    found = best(ways, options.rounds)
    if not options.no_pandas:
        found |= best({"pandas": lambda: by_column(pose)}, 2)
        theirs, ours = by_column(pose), pose_sequence(pose, "stam").values
        print(f"largest difference of stam from pandas: {np.abs(theirs - ours).max():.1e}")
    print(f"{options.seconds:g} s at {FPS} fps, {len(pose)} frames, seed {options.seed}")
    for name, seconds in found.items():
        ratio = f", pandas takes {found['pandas'] / seconds:.0f} times" if "pandas" in found else ""
        print(f"  {name:8} {1e3 * seconds:8.1f} ms" + (ratio if name != "pandas" else ""))

    print("growth with length (time per frame, as a multiple of the first row's)")
    base: dict[str, float] = {}
    lengths = [length for length in (5, 15, 60, 240) if length <= 60 * options.hours]
    for minutes in lengths:
        long = restless(60 * minutes, options.seed)
        ways = {name: lambda name=name, it=long: pose_sequence(it, name) for name in ways}
        row = []
        for name, seconds in best(ways, max(2, 10 // minutes)).items():
            base.setdefault(name, seconds / len(long))
            row.append(f"{name} {seconds:7.3f} s, {seconds / len(long) / base[name]:.2f}")
        print(f"  {minutes:4d} min: " + "; ".join(row))


if __name__ == "__main__":
    main()
