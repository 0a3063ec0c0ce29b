"""One run at a time in a folder: a claim that dies with the process that made it."""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from fidgety.errors import FileError
from fidgety.files import clear_drafts, file_error, make_folder, parse_json

__all__ = ["LOCK", "claimed"]

LOCK = ".fidgety.lock"
NOTE = ".fidgety-run.json"
LOCK_TRIES = 10  # where another run takes its folder back just then
BEAT_S = 20.0  # the holder touches its note this often
DEAD_S = 90.0  # a note of another machine not touched for so long is of a run that died


@contextmanager
def claimed(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """Hold a folder for this run until the block ends; make it if it is not there.

    On one machine the system's own file lock is held: it ends with the process, however that ends.
    On a shared folder whose locks reach only their own machine, a note beside it tells who works
    here; a run on another machine believes it as long as it is touched every 20 s, and for 90 s
    after. The folder's own clock is used, so the machines' clocks need not agree. Between two runs
    that begin on two machines within the same moment, on a folder without working locks, this
    cannot decide. Drafts of files that a killed run left below the folder are removed.

    Raises
    ------
    FileError
        E505 another run works in this folder; E501 to E503 the folder cannot be made or written.
    """
    made = not Path(folder).exists()
    root = make_folder(folder)
    with ExitStack() as stack:
        stack.enter_context(_locked(root))
        if made:  # while the lock is still held: whoever waits for it sees that its file is gone
            stack.callback(_leave_no_empty_folder, root)
        _refuse_other_machine(root)
        note = root / NOTE
        killed = note.exists()  # the run before: else it would have taken its note away
        stack.enter_context(_noted(root))
        if killed:
            with suppress(OSError):
                clear_drafts(root, before=note.stat().st_mtime - DEAD_S)
        yield root


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    """The system's lock on a file; E505 if another process has it. The file itself stays."""
    path = root / LOCK
    for _ in range(LOCK_TRIES):
        try:
            make_folder(root)  # it may have been taken back with the file
            handle = path.open("a+b")
        except OSError as error:
            raise file_error(error, root) from error
        with handle:
            if not _lock(handle.fileno()):
                raise _taken(root, _note_in(root))
            if _stands(handle.fileno(), path):
                yield
                return
    raise _taken(root, _note_in(root))


def _stands(descriptor: int, path: Path) -> bool:
    """Whether an open file is still the one of that name, and was not removed by its holder."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


def _lock(descriptor: int) -> bool:
    """Whether the lock was had; a file system without locks counts as had (the note decides)."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            return False
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _refuse_other_machine(root: Path) -> None:
    """Raise E505 if a run on another machine has touched its note lately."""
    note = _note_in(root)
    if not note or note.get("host") == socket.gethostname():
        return  # ours has the lock, so whoever wrote it is gone
    probe = root / f".{secrets.token_hex(8)}.tmp"
    try:
        probe.touch()
        age = probe.stat().st_mtime - (root / NOTE).stat().st_mtime
    except OSError:
        return
    finally:
        probe.unlink(missing_ok=True)
    if age < DEAD_S:
        raise _taken(root, note)


@contextmanager
def _noted(root: Path) -> Iterator[None]:
    """The note of who works here, touched by a thread until the block ends."""
    path, stop = root / NOTE, threading.Event()
    note = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": time.strftime("%FT%TZ", time.gmtime()),
    }
    try:
        path.write_text(json.dumps(note) + "\n", encoding="utf-8")
    except OSError as error:
        raise file_error(error, root) from error

    def beat() -> None:
        while not stop.wait(BEAT_S):
            try:
                os.utime(path)
            except OSError:
                return

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        path.unlink(missing_ok=True)


def _leave_no_empty_folder(root: Path) -> None:
    """Take back a folder that was made for a run in which nothing came of it."""
    try:
        if [entry.name for entry in root.iterdir()] == [LOCK]:
            (root / LOCK).unlink()
            root.rmdir()
    except OSError:
        return


def _note_in(root: Path) -> dict[str, Any]:
    try:
        note = parse_json((root / NOTE).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def _taken(root: Path, note: dict[str, Any]) -> FileError:
    who = (
        f"process {note.get('pid')} on {note.get('host')}, since {note.get('since')}"
        if note
        else None
    )
    return FileError(
        "E505",
        "Another run works in this folder",
        where=root,
        why=who,
        remedy="Wait until it ends, or choose another folder",
    )
