"""Files that are whole or not there: write to a temporary name, then rename."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from fidgety.errors import FileError

__all__ = [
    "clear_drafts",
    "entries",
    "existing",
    "file_error",
    "make_folder",
    "parse_json",
    "regular",
    "whole_file",
    "write_json",
    "write_text",
]

# Of whose process it is, and on which machine, so that a draft left by a dead one can be told.
_DRAFT = re.compile(r"\.(?P<machine>[0-9a-f]{8})(?P<process>[0-9a-f]{8})[0-9a-f]{8}\.tmp(\..*)?")


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it over `path` if the block succeeds.

    Parameters
    ----------
    path : path-like
        The file to be written. Missing parent folders are made.

    Yields
    ------
    pathlib.Path
        A name in the same folder, ending like `path` so that writers which look at the suffix work.

    Raises
    ------
    FileError
        E501 disk full, E502 not permitted or read-only, E503 any other refusal of the system.
    """
    target = Path(path)
    make_folder(target.parent)
    owner = f"{_machine()}{os.getpid():08x}"
    draft = target.with_name(f".{owner}{secrets.token_hex(4)}.tmp{target.suffix}")
    try:
        yield draft
        with draft.open("rb+") as handle:
            os.fsync(handle.fileno())
        draft.replace(target)
        _keep_names(target.parent)
    except OSError as error:
        if isinstance(error, FileError):
            raise
        raise file_error(error, target) from error
    finally:
        draft.unlink(missing_ok=True)


def clear_drafts(root: Path, before: float) -> int:
    """Remove drafts below a folder that killed processes left; return how many.

    Those of this machine whose process is gone, and those of other machines, which share the
    folder, that nobody has touched since `before`, a moment of the folder's own clock.
    """
    gone = 0
    for place, _, names in os.walk(root):
        for name in names:
            found = _DRAFT.fullmatch(name)
            if found is None:
                continue
            draft = Path(place, name)
            with suppress(OSError):
                if found["machine"] == _machine():
                    left = not _lives(int(found["process"], 16))
                else:
                    left = draft.stat().st_mtime < before
                if left:
                    draft.unlink()
                    gone += 1
    return gone


@cache
def _machine() -> str:
    """Eight digits that stand for this machine, since it was started; they do not name it.

    Containers, which number processes by themselves, count as machines.
    """
    told = [socket.gethostname()]
    with suppress(OSError):
        told.append(Path("/proc/sys/kernel/random/boot_id").read_text())
        told.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:8]


def _lives(process: int) -> bool:
    """Whether a process of this machine goes on; True where that cannot be told."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return True
    return state not in "ZX"  # dead, and only nobody has asked how it ended


def write_text(path: str | os.PathLike[str], text: str) -> Path:
    """Write `text` as UTF-8, whole or not at all; return the path.

    What UTF-8 cannot hold (odd bytes of a file name) becomes an escape that JSON reads back.
    """
    with whole_file(path) as draft:
        draft.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
    return Path(path)


def write_json(path: str | os.PathLike[str], content: Any) -> Path:
    """Write `content` as indented JSON without NaN, whole or not at all; return the path."""
    return write_text(
        path, json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    )


def parse_json(text: str | bytes) -> Any:
    """Parse JSON from outside; `ValueError` for whatever is none, nested too deeply included."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def make_folder(path: str | os.PathLike[str]) -> Path:
    """Make a folder and its parents; return it. Raises `FileError` where that is refused."""
    folder = Path(path)
    try:
        new = [place for place in (folder, *folder.parents) if not place.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        for place in reversed(new):
            _keep_names(place.parent)
    except OSError as error:
        raise file_error(error, folder) from error
    return folder


def _keep_names(folder: Path) -> None:
    """Have the names in a folder written to the disk: a rename is kept only then (POSIX)."""
    if os.name != "posix":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # a folder that may be written but not listed
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):  # not to be had there
            raise
    finally:
        os.close(descriptor)


def entries(folder: Path) -> list[Path]:
    """What a folder holds, in order of name, hidden files aside; `FileError` if it is refused.

    Hidden are drafts that a killed process left, and what macOS lays beside a file (``._a.mp4``).
    """
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise file_error(error, folder) from error


def existing(path: str | os.PathLike[str], what: str = "file or folder") -> Path:
    """Return `path` as a `Path` if it is a file or folder; `FileError` E504 or E506 otherwise."""
    found = Path(path)
    try:
        if found.exists():
            return regular(found)
    except OSError as error:
        raise file_error(error, found) from error
    raise FileError(
        "E504", f"No such {what}", where=path, remedy="Check the spelling and the folder"
    )


def regular(path: Path) -> Path:
    """Return a path, unless it is a pipe, a device or a socket, which may never end: E506."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise FileError(
            "E506",
            "Neither a file nor a folder",
            where=path,
            why="it is a pipe, a device or a socket",
            remedy="Give the file itself",
        )
    return path


def file_error(error: OSError, path: str | os.PathLike[str]) -> FileError:
    """Translate a system error into a `FileError` that says what to do."""
    if isinstance(error, FileError):
        return error
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FileError(
            "E501",
            "No space left",
            where=path,
            why="the disk is full; what was written before is intact",
            remedy="Free some space or choose another folder, then run the same command again",
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return FileError(
            "E502",
            "Not permitted",
            where=path,
            why=(error.strerror or "the system refused").lower(),
            remedy="Choose a folder you may write to, or change its permissions",
        )
    return FileError(
        "E503",
        "The system refused to read or write",
        where=path,
        why=(error.strerror or str(error)).lower(),
        remedy="Check the path and the disk",
    )
