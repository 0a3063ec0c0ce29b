"""No command opens a socket, its helping processes included; only the app and the weights may."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import TINY

# Python loads this at the start of every process below: each use of the network is written down.
WATCH = """
import os, sys

def watch(event, arguments):
    if not event.startswith("socket."):
        return
    if event == "socket.__new__" and int(arguments[1]) not in (2, 10):  # neither IPv4 nor IPv6
        return
    if event in ("socket.gethostname", "socket.sethostname"):
        return
    if event in ("socket.bind", "socket.connect") and not isinstance(arguments[1], tuple):
        return  # a socket of this machine's file system
    line = f"{event} {[str(one) for one in arguments[1:]]}\\n"
    descriptor = os.open(os.environ["SOCKETS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, line.encode())
    os.close(descriptor)

sys.addaudithook(watch)
"""


@pytest.fixture
def watched(tmp_path):
    """Run a command in a watched process; what it did with the network."""
    (tmp_path / "watch").mkdir()
    (tmp_path / "watch" / "sitecustomize.py").write_text(WATCH)
    log = tmp_path / "sockets"

    def run(*code: str) -> tuple[int, str, str]:
        path = os.pathsep.join([str(tmp_path / "watch"), *filter(None, sys.path)])
        environment = {**os.environ, "PYTHONPATH": path, "SOCKETS": str(log)}
        done = subprocess.run(
            [sys.executable, "-c", *code],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        return done.returncode, log.read_text() if log.exists() else "", done.stderr

    return run


def test_the_watch_sees_a_socket(watched):
    status, seen, _ = watched("import socket; socket.socket(); socket.getaddrinfo('127.0.0.1', 9)")
    assert status == 0
    assert "socket.__new__" in seen
    assert "socket.getaddrinfo" in seen


MANY = """
import sys
from fidgety.cli import main
for line in sys.stdin_lines:
    try:
        main(line)
    except SystemExit as left:
        if left.code not in (0, 2, 3, None):
            raise RuntimeError((line, left.code))
"""


@pytest.mark.slow
def test_no_command_opens_a_socket(watched, made, model, film, tmp_path):
    out = tmp_path / "out"
    commands: list[list[object]] = [
        ["simulate", out / "s", "--infants", 6, "--seconds", 6, "--fps", 30],
        ["import", film, "--out", out / "i"],
        ["prepare", out / "s", "--workers", 2],
        ["split", out / "s", "--folds", 2],
        ["train", out / "s", "--max-epoch", 1, "--name", "r", *TINY],
        ["validate", out / "s" / "runs" / "r"],
        ["reproduce", out / "s" / "runs" / "r"],
        ["cv", made, "--models", "mean-speed", "--folds", 2, "--out", out / "cv"],
        ["compare", out / "cv"],
        ["assess", film, "--model", model, "--out", out / "a"],
        ["estimate", film, "--out", out / "e"],
        ["doctor"],
        ["doctor", "--privacy", out],
    ]
    lines = repr([[str(one) for one in command] for command in commands])
    status, seen, said = watched(MANY.replace("sys.stdin_lines", lines))
    assert status == 0, said
    assert seen == ""
    assert Path(out / "a" / film.stem / "report.html").exists()
    assert (out / "cv" / "predictions.csv").exists()
