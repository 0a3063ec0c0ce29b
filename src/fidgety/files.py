"""Files that are whole or not there: write to a temporary name, then rename."""

from __future__ import annotations

import errno
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fidgety.errors import FileError

__all__ = [
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
    draft = target.with_name(f".{secrets.token_hex(8)}.tmp{target.suffix}")
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
