"""A folder of films, one of them damaged, estimated by the command; killed once and run again.

    python benchmarks/film_batch.py [--films 100] [--seconds 3]

Draws simulated infants (320 pixels, 20 pictures a second), cuts one film off, and runs
``fidgety estimate FOLDER`` in a process of its own. When half of the poses are there, it and its
workers are killed; then it is run again to its end. Printed: how many were done before the kill and
are the same bytes after it, whether those made later are what each film gives by itself, what
became of the damaged one, the status, the time, and the largest memory of the command and of one
worker.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path
from typing import TextIO

import numpy as np

from fidgety.pose.encode import write_video
from fidgety.pose.estimators import estimate
from fidgety.pose.stored import read_native
from fidgety.simulate import film_pictures, simulate_infant

FIRST_SEED = 4_000_000
FPS = 20.0
CHECKED = 5  # films estimated once more, by themselves
COMMAND = (sys.executable, "-m", "fidgety", "estimate")


def drawn(folder: Path, films: int, seconds: float) -> int:
    """Write the films; return which of them is damaged."""
    for number in range(films):
        (recording,) = simulate_infant(FIRST_SEED + number, seconds=seconds, fps=FPS)
        write_video(folder / f"{number:03d}.mp4", film_pictures(recording, 320), FPS)
    bad = films * 2 // 5
    path = folder / f"{bad:03d}.mp4"
    path.write_bytes(path.read_bytes()[:2000])
    return bad


def memory(process: subprocess.Popen[str]) -> dict[str, float]:
    """Resident memory in MB of a process and of the largest of those below it."""
    sizes = {"command": _resident(process.pid), "worker": 0.0}
    below = [process.pid]
    while below:
        for child in _children(below.pop()):
            below.append(child)
            sizes["worker"] = max(sizes["worker"], _resident(child))
    return sizes


def _resident(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def _children(pid: int) -> list[int]:
    try:
        return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--films", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=3.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        films, out = Path(temporary) / "films", Path(temporary) / "poses"
        films.mkdir()
        began = time.perf_counter()
        bad = drawn(films, given.films, given.seconds)
        print(f"drawn in {time.perf_counter() - began:.0f} s", flush=True)
        command = [*COMMAND, str(films), "--out", str(out)]
        kill_s = killed(command, out, given.films // 2)
        before = contents(out)
        with (Path(temporary) / "said").open("w+") as said:
            again_s, status, peak = run_again(command, said)
            said.seek(0)
            lines = said.read().splitlines()
        after = contents(out)
        kept = sum(after.get(name) == content for name, content in before.items())
        new = [name for name in sorted(after) if name not in before]
        same = [name for name in new[:: max(1, len(new) // CHECKED)] if as_alone(films, out, name)]
        checked = len(new[:: max(1, len(new) // CHECKED)])
        frames = len(new) * round(FPS * given.seconds)
        rows = {
            "films, of which damaged": f"{given.films}, 1",
            "poses at the kill": f"{len(before)}, after {kill_s:.0f} s",
            "of these, the same bytes at the end": f"{kept} of {len(before)}",
            "estimated after the kill": f"{len(new)} in {again_s:.0f} s",
            "of these, equal to the film estimated alone": f"{len(same)} of {checked} tried",
            "poses in all": f"{len(after)} of {given.films}",
            "drafts left at the end": f"{sum('.tmp' in path.name for path in out.iterdir())}",
            "status": f"{status}",
            "frames/s": f"{frames / again_s:.0f}",
            "peak memory, MB": ", ".join(f"{who} {size:.0f}" for who, size in peak.items()),
        }
        print("\n".join(f"| {what} | {found} |" for what, found in rows.items()))
        print("\n".join(line for line in lines if f"{bad:03d}.mp4" in line or " of " in line))


def killed(command: list[str], out: Path, poses: int) -> float:
    """Run the command until so many poses are there, and kill it and its workers; the seconds."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    while len(list(out.glob("*.parquet"))) < poses and process.poll() is None:
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return time.perf_counter() - began


def run_again(command: list[str], said: TextIO) -> tuple[float, int, dict[str, float]]:
    """Run the command to its end: seconds, status, peak memory in MB."""
    began, peak = time.perf_counter(), {"command": 0.0, "worker": 0.0}
    process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, text=True)
    while process.poll() is None:
        peak = {who: max(size, peak[who]) for who, size in memory(process).items()}
        time.sleep(0.2)
    return time.perf_counter() - began, process.returncode, peak


def contents(out: Path) -> dict[str, bytes]:
    poses = [path for path in out.glob("*.parquet") if path.name[0] != "."]
    return {path.stem: sha256(path.read_bytes()).digest() for path in poses}


def as_alone(films: Path, out: Path, name: str) -> bool:
    """Whether the pose of a film is the one that it gets by itself, joint by joint."""
    alone, there = estimate(films / f"{name}.mp4", threads=1), read_native(out / f"{name}.parquet")
    return np.array_equal(alone.xy.astype(np.float32), there.xy.astype(np.float32), equal_nan=True)


if __name__ == "__main__":
    main()
