"""Read from and write to real servers on this machine: ``python benchmarks/addresses.py``.

An S3 server (moto), a plain web server, and a zip archive as a file and there. The
same recordings are assessed from a folder and from each address; every file of the results must be
the same. On S3 a run is also killed (SIGKILL) half-way and started again, and a second one started
beside it. Needs the folder of the tests (for a small model) and ``pip install "moto[server]" s3fs``. One
line a check.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from clusters import port, wait_for
from kill_table import TESTS, contents

KEYS = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@contextmanager
def s3_server() -> Iterator[dict[str, str]]:
    """An S3 server of its own process; what tells clients of it."""
    number = port()
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(number)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(number)
        yield {**os.environ, **KEYS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{number}"}
    finally:
        server.kill()
        server.wait()


@contextmanager
def web_server(folder: Path) -> Iterator[str]:
    """A plain web server of a folder; its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            return

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def assess(
    inputs: object, model: object, out: object, env: dict[str, str]
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "fidgety", "assess", str(inputs), "--model", str(model), "--out", str(out), "--static"],
        env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip


def ended(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    _, said = process.communicate()
    return process.returncode, said.decode().strip().splitlines()[-1][:160] if said else ""


def told(check: str, **more: object) -> None:
    print(json.dumps({"check": check, **more}), flush=True)


def on_s3(home: Path, expected: dict[str, str]) -> None:
    """Everything at addresses of S3: undisturbed, beside another run, killed and gone on with."""
    with s3_server() as env:
        os.environ.update({k: env[k] for k in (*KEYS, "AWS_ENDPOINT_URL")})
        import fsspec

        store = fsspec.filesystem("s3", use_listings_cache=False)
        store.mkdir("clinic")
        store.put(str(home / "poses"), "clinic/poses", recursive=True)
        store.put(str(home / "model.fidgety"), "clinic/model.fidgety")
        place = ("s3://clinic/poses", "s3://clinic/model.fidgety")

        def result(name: str) -> bool:
            got = home / name
            store.get(f"clinic/{name}", str(got), recursive=True)
            return contents(got, got) == expected

        began = time.monotonic()
        status, said = ended(assess(*place, "s3://clinic/whole", env))
        took = round(time.monotonic() - began, 1)
        told("s3", status=status, said=said, equal=result("whole"), seconds=took)

        first = assess(*place, "s3://clinic/killed", env)
        while not store.exists("clinic/killed/.fidgety-run.json"):
            time.sleep(0.05)
        told("s3, a second run", said=ended(assess(*place, "s3://clinic/killed", env)))
        while first.poll() is None and len(store.glob("clinic/killed/*/assessment.json")) < 2:
            time.sleep(0.05)
        first.send_signal(signal.SIGKILL)
        killed = ended(first)[0]
        done = len(store.glob("clinic/killed/*/assessment.json"))
        told("s3, at once after the kill", said=ended(assess(*place, "s3://clinic/killed", env)))
        time.sleep(91)
        status, said = ended(assess(*place, "s3://clinic/killed", env))
        told("s3, killed and gone on with", killed=killed, done_before=done, status=status, said=said,
             equal=result("killed"), left=[n for n in store.find("clinic/killed") if "/." in n])  # fmt: skip


def read_only(home: Path, expected: dict[str, str]) -> None:
    """A web server and archives: read from, never written to."""
    with zipfile.ZipFile(home / "poses.zip", "w") as archive:
        for path in (home / "poses").iterdir():
            archive.write(path, f"poses/{path.name}")
    with web_server(home) as web:
        places = {
            "http": f"{web}/poses/",
            "zip": f"zip://poses::{(home / 'poses.zip').as_uri()}",
            "zip over http": f"zip://poses::simplecache::{web}/poses.zip",
        }
        for name, place in places.items():
            out = home / f"from-{name.replace(' ', '-')}"
            status, said = ended(assess(place, f"{web}/model.fidgety", out, dict(os.environ)))
            told(
                name,
                status=status,
                said=said,
                equal=out.exists() and contents(out, out) == expected,
            )
        status, said = ended(
            assess(home / "poses", home / "model.fidgety", f"{web}/out", dict(os.environ))
        )
        told("http, written to", status=status, said=said)
        status, said = ended(
            assess(f"{web}/none", f"{web}/model.fidgety", home / "none", dict(os.environ))
        )
        told("http, nothing there", status=status, said=said)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=300.0, help="of each recording")
    given = parser.parse_args()
    sys.path.insert(0, str(TESTS))
    from single import model_file

    from fidgety.simulate import simulate_infant

    home = Path(tempfile.mkdtemp(prefix="fidgety-addresses-"))
    try:
        model_file(home)
        for k in range(given.recordings):
            pose = simulate_infant(k, label=k % 2, seconds=given.seconds, fps=30.0)[0].pose
            pose.save(home / "poses" / f"r{k}.parquet")
        out = home / "expected"
        told(
            "folder",
            status=ended(assess(home / "poses", home / "model.fidgety", out, dict(os.environ))),
        )
        expected = contents(out, out)
        read_only(home, expected)
        on_s3(home, expected)
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
