"""A folder of films, one of them damaged, estimated by the command; killed once and run again.

    python benchmarks/film_batch.py [--films 100] [--seconds 3]

Draws simulated infants (320 pixels, 20 pictures a second), cuts one film off, and runs
``fidgety estimate FOLDER`` in a process of its own. When a third of the poses are there, it and
its workers are killed; then it is run again to its end. Printed: how many were done before the kill
and kept after it, what became of the damaged one, the status, the time, and the largest memory of
the command and of one worker.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fidgety.pose.encode import write_video
from fidgety.simulate import film_pictures, simulate_infant

FIRST_SEED = 4_000_000
COMMAND = (sys.executable, "-m", "fidgety", "estimate")


def drawn(folder: Path, films: int, seconds: float) -> int:
    """Write the films; return which of them is damaged."""
    for number in range(films):
        (recording,) = simulate_infant(FIRST_SEED + number, seconds=seconds, fps=20)
        write_video(folder / f"{number:03d}.mp4", film_pictures(recording, 320), 20)
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
        bad = drawn(films, given.films, given.seconds)
        command = [*COMMAND, str(films), "--out", str(out)]
        first = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        began = time.perf_counter()
        while len(list(out.glob("*.parquet"))) < given.films // 3 and first.poll() is None:
            time.sleep(0.2)
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
        print(f"killed after {time.perf_counter() - began:.0f} s")
        before = {path: path.stat().st_mtime_ns for path in out.glob("*.parquet")}
        began, peak = time.perf_counter(), {"command": 0.0, "worker": 0.0}
        with (Path(temporary) / "said").open("w+") as said:
            again = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, text=True)
            while again.poll() is None:
                peak = {who: max(size, peak[who]) for who, size in memory(again).items()}
                time.sleep(0.2)
            seconds = time.perf_counter() - began
            said.seek(0)
            lines = said.read().splitlines()
        kept = sum(path.stat().st_mtime_ns == stamp for path, stamp in before.items())
        done = len(list(out.glob("*.parquet")))
        print(f"done before the kill: {len(before)}, kept: {kept}")
        print(f"then {done - kept} in {seconds:.0f} s; {done} of {given.films}")
        print(f"status {again.returncode}; memory, MB: " + ", ".join(f"{who} {size:.0f}"
              for who, size in peak.items()))  # fmt: skip
        print("\n".join(line for line in lines if f"{bad:03d}.mp4" in line or " of " in line))


if __name__ == "__main__":
    main()
