"""A thousand recordings through ``fidgety assess``, one of them damaged: ``python benchmarks/soak.py``.

Watches the process from outside: resident memory and open handles against recordings done. Prints the
slope over the second half with its 95 % interval, in KiB and handles a recording, and how the command ended.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

TESTS = Path(__file__).parents[1] / "tests"


def slope(done: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    """Of a straight line, and half the width of its 95 % interval, from means of 20 blocks."""
    blocks = [block for block in np.array_split(np.arange(len(done)), 20) if len(block)]
    x = np.array([done[block].mean() for block in blocks])
    y = np.array([values[block].mean() for block in blocks])
    design = np.stack([x, np.ones_like(x)], axis=1)
    (steep, level), *_ = np.linalg.lstsq(design, y, rcond=None)
    rest = y - design @ (steep, level)
    spread = np.sqrt((rest**2).sum() / max(1, len(x) - 2) / ((x - x.mean()) ** 2).sum())
    return float(steep), float(2.1 * spread)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--different", type=int, default=25, help="the rest are copies of these")
    given = parser.parse_args()
    sys.path.insert(0, str(TESTS))
    from single import model_file

    from fidgety.simulate import simulate_infant

    home = Path(tempfile.mkdtemp(prefix="soak-"))
    try:
        model_file(home)
        poses = home / "recordings"
        for k in range(given.different):
            pose = simulate_infant(k, label=k % 2, seconds=given.seconds, fps=25.0)[0].pose
            pose.save(poses / f"r{k:04}.parquet")
        for k in range(given.different, given.recordings):
            os.link(poses / f"r{k % given.different:04}.parquet", poses / f"r{k:04}.parquet")
        bad = poses / f"r{given.recordings // 2:04}.parquet"
        bad.unlink()
        bad.write_bytes(b"PAR1 cut off")
        print(json.dumps(watch(home, given.recordings)), flush=True)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def watch(home: Path, total: int) -> dict[str, object]:
    command = [str(Path(sys.executable).parent / "fidgety"), "--log", str(home / "log"), "assess",
               str(home / "recordings"), "--model", str(home / "model.fidgety"), "--out", str(home / "out"),
               "--static"]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    said = (home / "said").open("wb")
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=said, stderr=said, env=environment)
    seen: list[tuple[int, int, int]] = []
    place = Path(f"/proc/{process.pid}")
    while process.poll() is None:
        try:
            rows = (place / "status").read_text().splitlines()
            resident = next(int(row.split()[1]) for row in rows if row.startswith("VmRSS"))
            handles = len(list((place / "fd").iterdir()))
            count = sum(b'"item"' in line for line in (home / "log").read_bytes().splitlines())
        except (OSError, StopIteration):
            continue
        if count:
            seen.append((count, resident, handles))
        time.sleep(1)
    said.close()
    told = (home / "said").read_text()
    table = np.array(seen, dtype=float)
    late = table[table[:, 0] > total / 2]
    memory, handles = slope(late[:, 0], late[:, 1]), slope(late[:, 0], late[:, 2])
    rows = (home / "out" / "summary.csv").read_text().splitlines()[1:]
    errors = [line for line in told.splitlines() if " E" in line and ": E" in line]
    return {
        "recordings": total,
        "status": process.returncode,
        "results": len(list((home / "out").glob("*/assessment.json"))),
        "failed": sum(",failed," in row for row in rows),
        "errors": [line[:160] for line in errors],
        "seconds": round(time.monotonic() - began),
        "rss_mib_at_half_and_end": [round(late[0, 1] / 1024, 1), round(late[-1, 1] / 1024, 1)],
        "rss_kib_a_recording": [round(value, 3) for value in memory],
        "handles_at_half_and_end": [int(late[0, 2]), int(late[-1, 2])],
        "handles_a_recording": [round(value, 5) for value in handles],
    }


if __name__ == "__main__":
    main()
