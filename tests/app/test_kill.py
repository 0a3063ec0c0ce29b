"""Kill -9 at the worst moments: nothing is lost, and nothing is shown half."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from review_store import assessed_case, readers
from small_studies import a_pose

from fidgety.app import audit, jobs, reading
from fidgety.app.sample import SAMPLE
from fidgety.app.store import Store, new_id, now

pytestmark = pytest.mark.slow


class App:
    """`fidgety app` in a process of its own, and a client that is in."""

    def __init__(self, folder: Path) -> None:
        command = f"from fidgety.cli import main; main(['app', '--store', {str(folder)!r}, "
        command += "'--port', '0', '--no-sample'])"
        self.process = subprocess.Popen(
            [sys.executable, "-c", command], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        link = re.search(r"http\S+", self.process.stdout.readline())
        assert link is not None
        self.address, token = link[0].split("/door#")
        self.client = httpx2.Client(base_url=self.address, timeout=60)
        assert self.client.post("/api/door", json={"word": token}).is_success
        found = re.search(r'name="csrf" content="([^"]+)"', self.client.get("/reader").text)
        assert found is not None
        self.client.headers["x-csrf-token"] = found[1]
        known = re.findall(r'option value="(\d+)"', self.client.get("/reader").text)
        wish = {"reader": int(known[0])} if known else {"name": "Anna One"}
        assert self.client.post("/api/reader", json=wish).is_success

    def kill(self) -> None:
        if self.process.returncode is not None:
            return
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.client.close()
        assert self.process.stdout is not None
        self.process.stdout.close()


@contextmanager
def app(folder: Path) -> Iterator[App]:
    running = App(folder)
    try:
        yield running
    finally:
        running.kill()


def wait_for(store: Store, question: str, seconds: float = 900) -> dict:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if (row := store.one(question)) is not None:
            return row
        time.sleep(0.05)
    pytest.fail(f"never: {question}")


def test_killed_while_a_film_comes_in_and_another_is_worked_on(
    store: Store, tmp_path: Path
) -> None:
    said, case = json.dumps(SAMPLE | {"seconds": 4.0}), new_id()
    with store.writing() as db:
        db.execute("INSERT INTO cases (id, infant, age_weeks, kind, suffix, sha256, size, said,"
                   " created, simulated, film) VALUES (?, 'b07', 13.0, 'sample', '', 'x', 0, ?, ?,"
                   " 1, 'kept')", (case, said, now()))  # fmt: skip
        about = {"infant": "b07", "age_weeks": 13.0, "simulated": True}
        audit.append(db, "case_added", about, case_id=case)
        jobs.enqueue(db, case, None)
    content = a_pose(3, 2000).save(tmp_path / "p.parquet").read_bytes()
    half = len(content) // 2
    with app(store.folder) as first:
        about = {"infant": "b08", "kind": "pose", "suffix": ".parquet", "size": len(content)}
        upload = first.client.post("/api/uploads", json=about).json()["id"]
        where = f"/api/uploads/{upload}?offset="
        assert first.client.patch(where + "0", content=content[:half]).is_success
        wait_for(store, "SELECT 1 FROM jobs WHERE state = 'running' AND share > 0.01")
        # A piece that is still on the way when the process dies.
        cookie = "; ".join(f"{k}={v}" for k, v in first.client.cookies.items())
        host = first.address.removeprefix("http://")
        line = socket.create_connection((host.split(":")[0], int(host.split(":")[1])))
        line.sendall(
            f"PATCH {where}{half} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n"
            f"X-CSRF-Token: {first.client.headers['x-csrf-token']}\r\n"
            f"Content-Length: {len(content) - half}\r\n\r\n".encode()
            + content[half : half + 999]
        )
        time.sleep(0.3)
        page = first.client.get(f"/cases/{case}").text
        assert 'id="stage"' not in page  # nothing half-shown
        first.kill()
        line.close()
        row = store.case(case)
        assert (row["folder"], row["assessment"]) == (None, None)
        assert audit.verify(store) == []
    with app(store.folder) as second:
        done = wait_for(store, "SELECT attempts FROM jobs WHERE state = 'done'")
        assert done["attempts"] == 2
        row = store.case(case)
        assert {
            p.name for p in store.files(case, row["folder"]).iterdir() if "panels" not in p.name
        } == {
            "film.mp4", "blurred.mp4", "pose.parquet", "player.json", "joints.bin",
        }  # fmt: skip
        assert len(list((store.folder / "cases" / case).iterdir())) == 1
        there = second.client.get(f"/api/uploads/{upload}").json()["offset"]
        assert half <= there <= half + 999
        rest = second.client.patch(f"{where}{there}", content=content[there:])
        assert rest.json()["offset"] == len(content)
        made = second.client.post(f"/api/uploads/{upload}/finish").json()
        assert store.source(made["case"], ".parquet").read_bytes() == content
        wait_for(store, f"SELECT 1 FROM cases WHERE id = '{made['case']}' AND folder IS NOT NULL")
    assert audit.verify(store) == []


SIGNING = """
import sys
from fidgety.app import reading
from fidgety.app.store import Store
store = Store(sys.argv[1], create=False)
case, reader = sys.argv[2], int(sys.argv[3])
print("ready", flush=True)
for number in range(100000):
    seal = reading.sign(store, case, reader, score="F+", agreement=None, reason=str(number))
    print(number, seal, flush=True)
"""


def test_killed_while_signing(store: Store) -> None:
    case, (one,) = assessed_case(store), readers(store, "Anna One")
    reading.rate(store, case, one, "F+")
    for round_ in range(3):
        signing = subprocess.Popen(
            [sys.executable, "-c", SIGNING, str(store.folder), case, str(one)],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert signing.stdout is not None
        assert signing.stdout.readline() == "ready\n"
        told = [signing.stdout.readline().rstrip("\n")]  # it signs, from now on
        time.sleep(0.15 + 0.07 * round_)
        signing.kill()
        told += signing.stdout.read().split("\n")[:-1]
        signing.wait()
        signing.stdout.close()
        assert told
        seals = {item["seal"] for item in reading.readings_of(store, case)[one].versions}
        # What a reader was told is signed, is signed; and the log holds.
        assert all(line.split()[1] in seals for line in told if len(line.split()) == 2)
        assert audit.verify(store) == []
