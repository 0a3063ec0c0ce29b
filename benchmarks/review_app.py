"""The review app under load: 50 readers at once on a store of 1,000 cases, and an upload of 1 GB.

    python benchmarks/review_app.py --model MODEL.fidgety

One assessment of a simulated infant is made with the model and stands in the store 1,000 times.
Readers are let in, then each opens page after page: the list of cases, a case, the numbers of its
player. With a pause of 0 s they never stop to look; with 1 s they are quicker than any person.
Everything, readers too, runs on this machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import httpx2

from fidgety.app import audit
from fidgety.app.panels import VIEWS, write_panels
from fidgety.app.playback import write_joints
from fidgety.app.shelf import add_model
from fidgety.app.store import Store, new_id, now
from fidgety.assess import Assessor
from fidgety.simulate import simulate_infant

START = "import sys; from fidgety.cli import main; main(sys.argv[1:])"


def fill(folder: Path, model_file: Path, count: int) -> None:
    """A store of `count` assessed cases."""
    store = Store(folder)
    model = add_model(store, model_file)
    recording = simulate_infant(1, seconds=180.0, fps=30.0, difficulty="easy")[0]
    content = Assessor.load(model_file).assess(recording.pose, name="b0", age_weeks=13).to_dict()
    first = folder / "first"
    first.mkdir()
    recording.pose.save(first / "pose.parquet")
    write_joints(recording.pose, first)
    digest = audit.file_sha256(first / "pose.parquet")
    write_panels(first, "x", content)  # as the work on a recording does
    text = json.dumps(content)
    sealed = audit.hashlib.sha256(text.encode()).hexdigest()
    with store.writing() as db:
        for number in range(count):
            case, job, assessment = new_id(), new_id(), new_id()
            place = store.files(case, job)
            place.mkdir(parents=True)
            for name in ("pose.parquet", "player.json", "joints.bin"):
                os.link(first / name, place / name)
            for view in VIEWS:
                os.link(first / f"panels-x-{view}.json", place / f"panels-{assessment}-{view}.json")
            infant = f"b{number:04}"
            db.execute(
                "INSERT INTO cases (id, infant, age_weeks, kind, suffix, sha256, size, said, "
                "created, film, folder, pose_sha256, duration_s, verdict, assessment) VALUES "
                "(?, ?, 13.0, 'pose', '.parquet', ?, 1, '{}', ?, 'none', ?, ?, 180, 'pass', ?)",
                (case, infant, case, now(), job, digest, assessment),
            )
            db.execute("INSERT INTO assessments VALUES (?, ?, ?, ?, ?, ?)",
                       (assessment, case, model, now(), sealed, text))  # fmt: skip
            audit.append(db, "case_added", {"infant": infant, "age_weeks": 13.0}, case_id=case)
            told = {"assessment": assessment, "sha256": sealed, "pose_sha256": digest}
            audit.append(db, "assessed", {**told, "model": model}, case_id=case)
    shutil.rmtree(first)
    store.close()


class App:
    """The app in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", START, "app", "--store", str(folder), "--port", "0"],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        link = re.search(r"http\S+", self.process.stdout.readline())
        assert link is not None
        self.address, self.token = link[0].split("/door#")

    def memory_mb(self) -> float:
        """Most memory the process ever held."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+)", status)
        return int(found[1]) / 1024 if found else float("nan")

    def cpu_s(self) -> float:
        """Processor time the process has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def come_in(self, name: str) -> httpx2.AsyncClient:
        """A client in which somebody reads."""
        client = httpx2.AsyncClient(base_url=self.address, timeout=120)
        await client.post("/api/door", json={"word": self.token})
        page = (await client.get("/reader")).text
        client.headers["x-csrf-token"] = re.search(r'"csrf" content="([^"]+)"', page)[1]  # type: ignore[index]
        await client.post("/api/reader", json={"name": name})
        return client


async def read(
    client: httpx2.AsyncClient, cases: list[str], seed: int, pause: float, end: float, into: Any
) -> None:
    """Open page after page."""
    rng = random.Random(seed)

    async def timed(kind: str, path: str) -> httpx2.Response:
        began = time.perf_counter()
        answer = await client.get(path)
        into[kind].append(time.perf_counter() - began)
        assert answer.status_code == 200, (path, answer.status_code)
        await asyncio.sleep(pause * rng.uniform(0.5, 1.5))
        return answer

    while time.perf_counter() < end:
        await timed("list", f"/?page={rng.randint(1, 25)}")
        case = rng.choice(cases)
        await timed("case, before the rating", f"/cases/{case}")
        await timed("player", f"/api/cases/{case}/player")
        await client.post(f"/api/cases/{case}/rating", json={"score": "F+"})
        await timed("case, with the risk", f"/cases/{case}")


async def load(app: App, cases: list[str], readers: int, pause: float, seconds: float) -> Any:
    """All readers at once."""
    clients = [await app.come_in(f"Reader {pause} {number}") for number in range(readers)]
    found: dict[str, list[float]] = defaultdict(list)
    end = time.perf_counter() + seconds
    await asyncio.gather(
        *(read(client, cases, number, pause, end, found) for number, client in enumerate(clients))
    )
    for client in clients:
        await client.aclose()
    return found


async def upload(app: App, size: int) -> tuple[float, float, float]:
    """Send a film of `size` bytes in one piece; memory before and after, and seconds."""
    client = await app.come_in("Uploader")
    about = {"infant": "b9999", "kind": "film", "suffix": ".mp4", "size": size}
    name = (await client.post("/api/uploads", json=about)).json()["id"]

    async def body() -> Any:
        yield b"\x00\x00\x00\x18ftypmp42" + bytes(65_524)
        for _ in range(size // 65_536 - 1):
            yield bytes(65_536)

    before, began = app.memory_mb(), time.perf_counter()
    answer = await client.patch(f"/api/uploads/{name}?offset=0", content=body())
    assert answer.json()["offset"] == size
    assert (await client.post(f"/api/uploads/{name}/finish")).status_code == 200
    spent = time.perf_counter() - began
    await client.aclose()
    return before, app.memory_mb(), spent


def main() -> None:
    """Fill, serve, read, send; print what was measured."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--model", required=True, type=Path)
    options.add_argument("--cases", type=int, default=1000)
    options.add_argument("--readers", type=int, default=50)
    options.add_argument("--seconds", type=float, default=20.0)
    options.add_argument("--upload-mb", type=int, default=1024)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="review-") as place:
        folder = Path(place) / "store"
        fill(folder, given.model, given.cases)
        store = Store(folder, create=False)
        cases = [row["id"] for row in store.all("SELECT id FROM cases")]
        app = App(folder)
        try:
            for pause in (1.0, 0.0):
                before = app.cpu_s()
                found = asyncio.run(load(app, cases, given.readers, pause, given.seconds))
                total = sum(map(len, found.values()))
                each = 1000 * (app.cpu_s() - before) / total
                print(f"{given.readers} readers, {len(cases)} cases, pause {pause:g} s: "
                      f"{total / given.seconds:.0f} answers a second, "
                      f"{each:.1f} ms of processor time each")  # fmt: skip
                for kind, times in sorted(found.items()):
                    high = statistics.quantiles(times, n=20)[-1]
                    print(f"  {kind:26} median {1000 * statistics.median(times):4.0f} ms, "
                          f"95 % under {1000 * high:4.0f} ms, {len(times)} times")  # fmt: skip
            before, after, spent = asyncio.run(upload(app, given.upload_mb << 20))
            print(f"{given.upload_mb} MB sent in {spent:.1f} s; most memory of the app "
                  f"{before:.0f} MB before, {after:.0f} MB after")  # fmt: skip
            faults = audit.verify(store)
            print(f"log: {audit.head(store.reading())[0]} entries, {len(faults)} faults")
        finally:
            app.process.kill()
            app.process.wait()


if __name__ == "__main__":
    main()
