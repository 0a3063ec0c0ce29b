"""Recordings assessed on clusters, one worker killed half-way: ``python benchmarks/clusters.py``.

Starts a Ray cluster of two nodes (two ``ray start``), a Dask scheduler with two workers, and two jobs of
Slurm's local stand-in, all on this machine; assesses the same recordings serially and on each, undisturbed
and with one worker (a whole node, for Ray) killed when half are done; compares every file with the serial run.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from kill_table import TESTS, contents

ENV = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
}
BIN = Path(sys.executable).parent


def port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def start(*command: object) -> subprocess.Popen[bytes]:
    """A process in a group of its own, so that all that it starts ends with it."""
    return subprocess.Popen(
        [str(part) for part in command],
        env=ENV,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextmanager
def ray_cluster(folder: Path, count: int) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Nodes of one core each; the address, and the node that may be killed."""
    address = f"127.0.0.1:{port()}"
    common = ["--num-cpus=1", "--block", "--disable-usage-stats", "--object-store-memory=200000000"]
    head = start(BIN / "ray", "start", "--head", f"--port={address.split(':')[1]}", "--node-ip-address=127.0.0.1",
                 "--include-dashboard=false", f"--temp-dir={folder}", *common)  # fmt: skip
    wait_for(int(address.split(":")[1]))
    more = [start(BIN / "ray", "start", f"--address={address}", *common) for _ in range(1, count)]
    try:
        wait_for_nodes(address, count)
        yield address, [head, *more][-1]
    finally:
        for process in (*more, head):
            kill(process)


def wait_for_nodes(address: str, count: int) -> None:
    code = (
        "import ray, sys, time\n"
        f"ray.init(address='{address}', log_to_driver=False, logging_level='ERROR')\n"
        "for _ in range(120):\n"
        f"    if sum(n['Alive'] for n in ray.nodes()) == {count}: sys.exit(0)\n"
        "    time.sleep(0.5)\n"
        "sys.exit(1)\n"
    )
    for _ in range(5):
        done = subprocess.run(
            [sys.executable, "-c", code], env=ENV, capture_output=True, check=False
        )
        if done.returncode == 0:
            return
        time.sleep(2)
    raise RuntimeError(done.stderr.decode()[-500:])


@contextmanager
def dask_cluster(folder: Path, count: int) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A scheduler and workers of one thread each."""
    number = port()
    address = f"tcp://127.0.0.1:{number}"
    scheduler = start(
        BIN / "dask", "scheduler", "--host", "127.0.0.1", "--port", number, "--no-dashboard"
    )
    wait_for(number)
    workers = [
        start(BIN / "dask", "worker", address, "--nthreads", 1, "--no-dashboard", "--nworkers", 1,
              "--local-directory", tempfile.mkdtemp(dir=folder))
        for _ in range(count)
    ]  # fmt: skip
    try:
        time.sleep(5)
        yield address, workers[-1]
    finally:
        for process in (*workers, scheduler):
            kill(process)


def wait_for(number: int) -> None:
    for _ in range(240):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", number)) == 0:
                return
        time.sleep(0.25)
    raise RuntimeError(f"nothing answers at port {number}")


def assess(
    home: Path, out: str, *more: str, victim: subprocess.Popen[bytes] | None = None
) -> float:
    """Assess all recordings; seconds. A victim is killed when half of them are done."""
    folder = home / out
    total = len(list((home / "recordings").iterdir()))
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.05):
            if victim and len(list(folder.glob("*/assessment.json"))) >= total // 2:
                kill(victim)
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.monotonic()
    done = subprocess.run(
        [str(BIN / "fidgety"), "--log", str(home / f"{out}.log"), "assess", str(home / "recordings"), "--model",
         str(home / "model.fidgety"), "--out", str(folder), "--static", *more],
        env=ENV, capture_output=True, check=False, cwd=home,
    )  # fmt: skip
    took = time.monotonic() - began
    stop.set()
    watcher.join()
    if done.returncode not in (0, 3):
        raise RuntimeError(done.stderr.decode()[-1500:])
    return took


def items(home: Path, out: str) -> dict[str, int]:
    """How often each recording was reported done."""
    found: dict[str, int] = {}
    for line in (home / f"{out}.log").read_text().splitlines():
        event = json.loads(line)
        if event["event"] == "item":
            found[event["recording"]] = found.get(event["recording"], 0) + 1
    return found


def report(home: Path, out: str, took: float, expected: dict[str, str], **more: object) -> None:
    once = items(home, out)
    here = contents(home / out, home / out)
    print(
        json.dumps(
            {"run": out, **more, "recordings": len(once), "each_once": set(once.values()) == {1},
             "equal_to_serial": here == expected, "seconds": round(took, 1)}
        ),
        flush=True,
    )  # fmt: skip


def on_cluster(
    home: Path, name: str, cluster: Any, count: int, killing: bool, expected: dict[str, str]
) -> None:
    """All recordings on a cluster of so many workers, and once more with one of them killed."""
    more, out = ("--engine", name, "--cluster"), f"{name}-{count}"
    scratch = Path(tempfile.mkdtemp(prefix="fc-", dir="/tmp"))
    with cluster(scratch, count) as (address, victim):
        report(home, out, assess(home, out, *more, address), expected, workers=count)
        if killing:
            took = assess(home, f"{out}-killed", *more, address, victim=victim)
            report(home, f"{out}-killed", took, expected, workers=f"{count}, then {count - 1}",
                   killed=victim.returncode)  # fmt: skip
    shutil.rmtree(scratch, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=40.0, help="of each recording")
    parser.add_argument("--different", type=int, default=40, help="recordings; others are links")
    parser.add_argument("--engines", default="loky,ray,dask,slurm")
    parser.add_argument("--workers", default="2", help="numbers of them, by commas")
    parser.add_argument("--kill", action="store_true", help="also kill one of several half-way")
    given = parser.parse_args()
    sys.path.insert(0, str(TESTS))
    from single import model_file

    from fidgety.simulate import simulate_infant

    home = Path(tempfile.mkdtemp(prefix="fc-", dir="/tmp"))
    try:
        model_file(home)
        for k in range(given.recordings):
            path = home / "recordings" / f"r{k:03}.parquet"
            if k < given.different:
                simulate_infant(k, label=k % 2, seconds=given.seconds, fps=30.0)[0].pose.save(path)
            else:
                path.symlink_to(home / "recordings" / f"r{k % given.different:03}.parquet")
        took = assess(home, "serial", "--workers", "1")
        expected = contents(home / "serial", home / "serial")
        report(home, "serial", took, expected, workers=1)
        wanted = given.engines.split(",")
        counts = [int(count) for count in given.workers.split(",")]
        for count in counts if "loky" in wanted else ():
            took = assess(home, f"loky-{count}", "--workers", str(count))
            report(home, f"loky-{count}", took, expected, workers=count)
        if "slurm" in wanted and importlib.util.find_spec("submitit"):
            took = assess(
                home, "slurm", "--engine", "slurm", "--cluster", "local", "--workers", "2"
            )
            report(home, "slurm", took, expected, workers=2)
        for name, cluster in (("ray", ray_cluster), ("dask", dask_cluster)):
            if name not in wanted:
                continue
            for count in counts:
                on_cluster(home, name, cluster, count, given.kill and count > 1, expected)
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
