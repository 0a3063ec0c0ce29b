"""Recordings through the queue of the review app: ``python benchmarks/app_soak.py``.

Starts ``fidgety app`` on an empty store, sends it pose files of simulated infants as a browser
would, and opens, rates and signs each case that is done. Watches the server and its worker from
outside: resident memory and open handles against cases done. Prints, for each of the two, the slope
over the second half with its 95 % interval, in KiB and handles a case.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import httpx2
import numpy as np
from review_app import App
from soak import TESTS, slope

from fidgety.app.audit import verify
from fidgety.app.shelf import add_model
from fidgety.app.store import Store
from fidgety.pose.pose import Pose
from fidgety.simulate import simulate_infant

WAITING = 5  # cases in the queue at once


def recordings(count: int, seconds: float) -> list[bytes]:
    """Pose files, no two alike: ten simulated infants, shaken anew by a hundredth of a pixel."""
    made = [simulate_infant(k, label=k % 2, seconds=seconds, fps=25.0)[0].pose for k in range(10)]
    rng = np.random.default_rng(0)
    return [
        _bytes(replace(pose, xy=pose.xy + rng.normal(0, 0.01, pose.xy.shape)))
        for pose in (made[k % len(made)] for k in range(count))
    ]


def _bytes(pose: Pose) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return pose.save(Path(folder) / "a.parquet").read_bytes()


class Watch(threading.Thread):
    """Memory and handles of a process and of the child that holds most memory, once a second."""

    def __init__(self, server: int) -> None:
        super().__init__(daemon=True)
        self.server, self.done, self.over = server, 0, threading.Event()
        self.seen: dict[str, list[tuple[int, int, int, int]]] = {"server": [], "worker": []}

    def run(self) -> None:
        """Look until told to stop."""
        while not self.over.wait(1):
            for role, process in (("server", self.server), ("worker", self._worker())):
                try:
                    rows = Path(f"/proc/{process}/status").read_text().splitlines()
                    held = next(int(row.split()[1]) for row in rows if row.startswith("VmRSS"))
                    handles = len(list(Path(f"/proc/{process}/fd").iterdir()))
                except (OSError, StopIteration):
                    continue
                self.seen[role].append((self.done, held, handles, process))

    def _worker(self) -> int:
        children = Path(f"/proc/{self.server}/task").glob("*/children")
        found = [int(word) for path in children for word in path.read_text().split()]
        return max(found, key=_pages, default=0)

    def told(self, total: int) -> dict[str, object]:
        """What the second half shows."""
        found: dict[str, object] = {}
        for role, rows in self.seen.items():
            table = np.array(rows, dtype=float)
            late = table[table[:, 0] > total / 2]
            memory, handles = slope(late[:, 0], late[:, 1]), slope(late[:, 0], late[:, 2])
            found[role] = {
                "processes": len(set(table[:, 3])),
                "rss_mib_at_half_and_end": [round(late[row, 1] / 1024, 1) for row in (0, -1)],
                "rss_kib_a_case": [round(value, 2) for value in memory],
                "handles_at_half_and_end": [int(late[0, 2]), int(late[-1, 2])],
                "handles_a_case": [round(value, 5) for value in handles],
            }  # fmt: skip
        return found


def _pages(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0


async def send(client: httpx2.AsyncClient, content: bytes, infant: str) -> str:
    """Bring one recording in; the case it becomes."""
    about = {
        "infant": infant,
        "age_weeks": 13.0,
        "kind": "pose",
        "suffix": ".parquet",
        "size": len(content),
    }
    upload = _well(await client.post("/api/uploads", json=about))["id"]
    _well(await client.patch(f"/api/uploads/{upload}?offset=0", content=content))
    return str(_well(await client.post(f"/api/uploads/{upload}/finish"))["case"])


async def review(client: httpx2.AsyncClient, case: str) -> None:
    """Look at a case that is done as a reader does, rate it and sign."""
    for page in ("/", f"/cases/{case}", f"/api/cases/{case}/player", f"/api/cases/{case}/joints"):
        assert (await client.get(page)).status_code == 200, page
    _well(await client.post(f"/api/cases/{case}/rating", json={"score": "F+"}))
    assert (await client.get(f"/cases/{case}")).status_code == 200
    _well(
        await client.post(
            f"/api/cases/{case}/signature", json={"score": "F+", "agreement": "unsure"}
        )
    )


def _well(answer: httpx2.Response) -> dict[str, object]:
    assert answer.status_code == 200, (answer.status_code, answer.text[:300])
    return dict(answer.json())


async def drive(app: App, store: Store, contents: list[bytes], watch: Watch) -> None:
    """Keep the queue filled, and review what comes out of it, until all is done."""
    client = await app.come_in("Reader")
    waiting: list[str] = []
    coming = enumerate(contents)
    left = len(contents)
    while left:
        while len(waiting) < WAITING and (more := next(coming, None)):
            waiting.append(await send(client, more[1], f"s{more[0]:04}"))
        marks = ",".join("?" * len(waiting))
        ended = store.all(
            f"SELECT case_id, state FROM jobs WHERE case_id IN ({marks}) AND state IN "
            "('done', 'failed')", *waiting)  # fmt: skip
        for row in ended:
            if row["state"] == "done":
                await review(client, row["case_id"])
            waiting.remove(row["case_id"])
            left -= 1
            watch.done += 1
        await asyncio.sleep(0.05)
    await client.aclose()


def main() -> None:
    """Fill, serve, send, review; print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recordings", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=30.0)
    given = parser.parse_args()
    sys.path.insert(0, str(TESTS))
    from single import model_file

    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    home = Path(tempfile.mkdtemp(prefix="soak-"))
    began = time.monotonic()
    try:
        store = Store(home / "store")
        add_model(store, model_file(home))
        contents = recordings(given.recordings, given.seconds)
        app = App(home / "store")
        watch = Watch(app.process.pid)
        watch.start()
        try:
            asyncio.run(drive(app, store, contents, watch))
        finally:
            watch.over.set()
            watch.join()
            app.process.terminate()
            app.process.wait()
        states = store.all("SELECT state, count(*) AS n FROM jobs GROUP BY state")
        print(json.dumps({
            "recordings": given.recordings,
            "jobs": {row["state"]: row["n"] for row in states},
            "signed": store.one("SELECT count(*) AS n FROM standings WHERE version > 0"),
            "faults_in_the_log": len(verify(store)),
            "seconds": round(time.monotonic() - began),
            **watch.told(given.recordings),
        }), flush=True)  # fmt: skip
        store.close()
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
