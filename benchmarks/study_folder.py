"""How long a study folder takes: opening with the search for copies, splitting, preparing.

    OMP_NUM_THREADS=1 python benchmarks/study_folder.py --recordings 1000

Poses are random walks about a body, seeded; nothing here says anything about infants.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from fidgety.pose.pose import Pose
from fidgety.pose.skeleton import load_skeleton
from fidgety.study.preparing import prepare_study
from fidgety.study.splits import make_splits, read_splits, write_splits
from fidgety.study.study import Study

FPS = 30
Result = TypeVar("Result")


def pose(seed: int, seconds: float) -> Pose:
    """A body whose joints wander."""
    rng = np.random.default_rng(seed)
    skeleton = load_skeleton("openpose18")
    frames = round(seconds * FPS)
    home = rng.uniform(100, 400, (1, len(skeleton), 2))
    for joint, place in (("right_shoulder", (200, 150)), ("left_shoulder", (280, 150))):
        home[0, skeleton.index[joint]] = place
    for joint, place in (("right_hip", (215, 300)), ("left_hip", (265, 300))):
        home[0, skeleton.index[joint]] = place
    wander = rng.normal(0, 0.5, (frames, len(skeleton), 2)).cumsum(axis=0)
    xy = home + 10 * np.tanh(wander / 10)
    return Pose.at_fps(xy, np.ones(xy.shape[:2]), FPS, skeleton, (640, 480), "benchmark")


def main() -> None:
    """Print one line a step."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--recordings", type=int, default=1000)
    options.add_argument("--seconds", type=float, default=60.0)
    options.add_argument("--long", type=int, default=4, help="recordings of 5 min to prepare")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "wide"
        for k in range(given.recordings):
            pose(k, given.seconds).save(root / "estimated_poses" / f"i{k:05}.parquet")
        rows = "".join(f"i{k:05},{int(k % 5 == 0)}\n" for k in range(given.recordings))
        (root / "labels.csv").write_text("infant_id,label\n" + rows)
        study = timed(f"open {given.recordings} recordings", lambda: Study.open(root))
        splits = timed("make 5 splits", lambda: make_splits(study))
        timed("write them", lambda: write_splits(study, splits))
        timed("read and check them", lambda: read_splits(study))
        long = Path(folder) / "long"
        for k in range(given.long):
            pose(k, 300).save(long / "estimated_poses" / f"i{k}.parquet")
        few = Study.open(long, labels_needed=False)
        timed(f"prepare {given.long} recordings of 5 min", lambda: prepare_study(few))
        timed("prepare them again (nothing to do)", lambda: prepare_study(few))


def timed(what: str, step: Callable[[], Result]) -> Result:
    """Run a step and print its seconds."""
    start = time.perf_counter()
    result = step()
    print(f"{what:40} {time.perf_counter() - start:7.2f} s")
    return result


if __name__ == "__main__":
    main()
