"""Peak memory of assessing one hour of poses, and of training on many infants.

    OMP_NUM_THREADS=1 python benchmarks/memory.py --work build/memory

Runs the commands themselves, each in a process of its own, and reads from the system what they held
at most: memory of their own, and pages of mapped files, which the system may take back at any time.
Linux only. The recordings to train on are random numbers of the right shape: what is asked is how
much memory they take, not what is learnt.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from fidgety.motion import FidgetyProfile, PoseSequence
from fidgety.simulate import simulate_infant
from fidgety.study.sequences import write_sequence
from fidgety.study.splits import make_splits, write_splits
from fidgety.study.study import Study

MB = 1024.0


def peaks(*arguments: str) -> dict[str, float]:
    """Megabytes that `fidgety` with these arguments held at most, and its seconds."""
    began = time.perf_counter()
    command = [sys.executable, "-c", "from fidgety.cli import main; main()", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    found = {"RssAnon": 0.0, "RssFile": 0.0, "VmHWM": 0.0}
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
        except OSError:
            break
        for line in status.splitlines():
            name, _, value = line.partition(":")
            if name in found:
                found[name] = max(found[name], int(value.split()[0]) / MB)
        time.sleep(0.02)
    assert process.wait() == 0, arguments
    return {**found, "seconds": time.perf_counter() - began}


def many(root: Path, infants: int, seconds: float) -> Study:
    """A study of prepared recordings of random numbers."""
    rng = np.random.default_rng(0)
    rows = ["infant_id,label"]
    for n in range(infants):
        values = rng.standard_normal((7, round(seconds * 30), 18), dtype=np.float32)
        sequence = PoseSequence(values, 30.0, profile=FidgetyProfile())
        write_sequence(root / "pose_sequences" / f"i{n:04}", sequence, {})
        rows.append(f"i{n:04},{n % 2}")
    (root / "labels.csv").write_text("\n".join(rows) + "\n")
    study = Study.open(root)
    write_splits(study, make_splits(study, folds=5, seed=0))
    return study


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder; it is removed at the end")
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--infants", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=180.0, help="of each recording")
    parser.add_argument("--models", default="fidgety", help="to train, by commas")
    options = parser.parse_args()
    options.work.mkdir(parents=True)
    try:
        pose = simulate_infant(3, seconds=3600 * options.hours, fps=30.0)[0].pose
        path = pose.save(options.work / "long.parquet")
        del pose
        out = str(options.work / "out")
        exported = str(options.work / "model.onnx")
        peaks("export", "simulated-demo", "--onnx", exported)
        for model in ("simulated-demo", exported):
            name = f"assess {options.hours:g} h, {Path(model).suffix or model}"
            show(name, peaks("assess", str(path), "--model", model, "--out", f"{out}{len(model)}"))
        study = many(options.work / "study", options.infants, options.seconds)
        name = f"one epoch of {options.infants} infants of {options.seconds:g} s"
        for model in options.models.split(","):
            found = peaks("train", str(study.root), "--model", model, "--max-epoch", "1")
            show(f"{name}, {model}", found)
    finally:
        shutil.rmtree(options.work, ignore_errors=True)


def show(name: str, found: dict[str, float]) -> None:
    print(
        f"{name}: {found['VmHWM']:.0f} MB at most, {found['RssAnon']:.0f} MB of its own, "
        f"{found['RssFile']:.0f} MB of mapped files; {found['seconds']:.0f} s",
        flush=True,
    )


if __name__ == "__main__":
    main()
