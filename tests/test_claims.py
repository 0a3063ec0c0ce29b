"""One run at a time in a folder: the second is refused, and no dead run keeps it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fidgety import claims
from fidgety.claims import LOCK, NOTE, claimed
from fidgety.errors import FileError

HOLD = """
import sys, time
from fidgety.claims import claimed
with claimed(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "out")], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_the_second_run_is_told_who_has_the_folder(tmp_path, holder):
    with (
        pytest.raises(FileError, match=f"E505 .*process {holder.pid} on"),
        claimed(tmp_path / "out"),
    ):
        pass
    assert (tmp_path / "out" / NOTE).exists()  # the holder's


def test_a_killed_run_leaves_the_folder_free(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with claimed(tmp_path / "out"):
        pass


def test_a_lock_whose_file_its_holder_takes_back_just_then_is_no_lock(tmp_path, monkeypatch):
    out, real = tmp_path / "out", claims._lock
    (out / "kept").mkdir(parents=True)
    opened = []

    def late(descriptor):
        opened.append(descriptor)
        if len(opened) == 1:  # the other run ends between opening and locking
            (out / LOCK).unlink()
        return real(descriptor)

    monkeypatch.setattr(claims, "_lock", late)
    with claimed(out):
        assert len(opened) == 2
        assert (out / LOCK).exists()
        with pytest.raises(FileError, match="E505"), claimed(out):
            pass


def test_one_after_the_other_and_nothing_left_but_the_lock(tmp_path):
    out = tmp_path / "out"
    for _ in range(2):
        with claimed(out):
            (out / "result").touch()
    assert sorted(path.name for path in out.iterdir()) == [LOCK, "result"]


def test_a_folder_made_for_nothing_is_taken_back(tmp_path):
    with claimed(tmp_path / "out"):
        pass
    assert not (tmp_path / "out").exists()


def note_of_elsewhere(out: Path, age_s: float) -> None:
    out.mkdir()
    (out / NOTE).write_text(json.dumps({"host": "elsewhere", "pid": 1, "since": "then"}))
    moment = time.time() - age_s
    os.utime(out / NOTE, (moment, moment))


def test_a_run_on_another_machine_is_believed_while_it_touches_its_note(tmp_path):
    note_of_elsewhere(tmp_path / "out", 30)
    with pytest.raises(FileError, match=r"E505 .*elsewhere"), claimed(tmp_path / "out"):
        pass


@pytest.mark.parametrize("text", [None, "{", "[]", "[" * 5000])
def test_a_dead_or_damaged_note_holds_nobody_up(tmp_path, text):
    note_of_elsewhere(tmp_path / "out", claims.DEAD_S + 5)
    if text is not None:
        (tmp_path / "out" / NOTE).write_text(text)
    with claimed(tmp_path / "out"):
        assert json.loads((tmp_path / "out" / NOTE).read_text())["pid"] == os.getpid()


def test_the_note_is_touched_while_the_run_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "BEAT_S", 0.02)
    with claimed(tmp_path / "out"):
        note = tmp_path / "out" / NOTE
        os.utime(note, (0, 0))
        for _ in range(6000):
            if note.stat().st_mtime > 0:
                break
            time.sleep(0.02)
        assert note.stat().st_mtime > 0


WRITE = """
import sys, time
from pathlib import Path
from fidgety.claims import claimed
from fidgety.files import whole_file
with claimed(sys.argv[1]) as root, whole_file(Path(sys.argv[2])) as draft:
    draft.write_text("half")
    print(draft, flush=True)
    time.sleep(3600)
"""


@pytest.fixture
def writer(tmp_path):
    """Starts a run in a folder that writes a file there, and has not ended; its draft."""
    begun = []

    def start(root: Path, file: Path) -> tuple[subprocess.Popen, Path]:
        process = subprocess.Popen(
            [sys.executable, "-c", WRITE, str(root), str(file)], stdout=subprocess.PIPE, text=True
        )
        begun.append(process)
        assert process.stdout is not None
        return process, Path(process.stdout.readline().strip())

    yield start
    for process in begun:
        process.kill()
        process.wait()
        process.stdout.close()


def test_the_next_run_removes_what_a_killed_one_had_half_written(tmp_path, writer):
    out = tmp_path / "out"
    process, draft = writer(out, out / "r1" / "pose.parquet")
    _, living = writer(tmp_path / "else", out / "r2" / "pose.parquet")  # not of that run, but here
    own = out / ".notes.tmp.txt"
    own.write_text("of the user's own")
    process.send_signal(signal.SIGKILL)
    if hasattr(os, "waitid"):  # dead, but nobody has asked how it ended
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert draft.read_text() == "half"
    with claimed(out):
        assert not draft.exists()
        assert living.read_text() == "half"
    assert own.exists()


def test_drafts_of_another_machine_are_left_while_they_are_written(tmp_path):
    note_of_elsewhere(tmp_path / "out", claims.DEAD_S + 5)
    now = time.time()
    drafts = {}
    for age in (0.0, claims.DEAD_S + 60):
        drafts[age] = tmp_path / "out" / f".{'0' * 23}{len(drafts)}.tmp.parquet"
        drafts[age].write_text("half")
        os.utime(drafts[age], (now - age, now - age))
    with claimed(tmp_path / "out"):
        assert [path.exists() for path in drafts.values()] == [True, False]


def test_after_a_run_that_ended_nothing_is_looked_through(tmp_path, monkeypatch):
    with claimed(tmp_path / "out") as out:
        (out / "kept").touch()
    monkeypatch.setattr(claims, "clear_drafts", lambda *_, **__: pytest.fail("it looked"))
    with claimed(tmp_path / "out"):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_named(tmp_path):
    (tmp_path / "out").mkdir(mode=0o500)
    with pytest.raises(FileError, match="E502"), claimed(tmp_path / "out"):
        pass
