"""Places of other machines: object stores and the like, whatever fsspec knows how to reach.

What is read is brought here first; what is written is written here, whole, and sent as it comes
about. The files at the place are the ledger, as in a folder: the next run fetches them and goes on.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from fidgety.claims import BEAT_S, DEAD_S, NOTE
from fidgety.errors import FileError
from fidgety.files import make_folder, parse_json

__all__ = ["brought", "is_remote", "kept", "shown"]

OBJECTS = ("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "oci")  # written whole
SEND_S = 10.0  # between two looks at what is to be sent
_URL = re.compile(r"[a-z][a-z0-9+.-]*(::[a-z][a-z0-9+.-]*)*://", re.IGNORECASE)
_STRANGE = re.compile(r"[\x00-\x1f\x7f\\:]")


def is_remote(place: str | os.PathLike[str]) -> bool:
    """Whether a place is written as an address, such as ``s3://bucket/folder``."""
    return _URL.match(os.fspath(place)) is not None


def shown(place: str | os.PathLike[str]) -> str:
    """A place as it may be printed: an address without user, password and query."""
    text = os.fspath(place)
    return "::".join(map(_bare, text.split("::"))) if is_remote(text) else text


def _bare(address: str) -> str:
    if "://" not in address:  # one link of a chain, such as simplecache
        return address
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


@contextmanager
def brought(place: str | os.PathLike[str]) -> Iterator[Path]:
    """A file or folder to read; one at an address is copied here until the block ends.

    Raises
    ------
    FileError
        E504 there is nothing at the address, E540 it cannot be reached or holds a name that no file
        here may have.
    """
    if not is_remote(place):
        yield Path(place)
        return
    with _scratch() as folder, _said(place):
        system, path = _opened(place)
        if not system.exists(path):
            raise _nothing(place)
        name = _safe(_last(path), place)
        target = folder / name
        if system.isdir(path):
            _fetch(system, path, target, place)
        else:
            system.get_file(path, str(target))
        reached = target
    # The block itself stands outside of `_said`: its own errors are not the place's.
    try:
        yield reached
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def kept(place: str | os.PathLike[str]) -> Iterator[tuple[Path, Callable[[], None]]]:
    """A folder to write to, and what sends to its address what was finished.

    The address is fetched first, so that a run goes on there; it is held for this run by a note
    that is renewed every 20 s and believed for 90 s. What was finished is sent at the end in any
    case. A folder of this machine is given as it is, and nothing is sent.

    Raises
    ------
    FileError
        E505 another run works there, E540 it cannot be reached or written.
    """
    if not is_remote(place):
        yield Path(place), lambda: None
        return
    with _scratch() as folder, _said(place):
        system, path = _opened(place)
        mirror = _Mirror(system, path.rstrip("/"), folder / "out", place)
        mirror.claim()
    try:
        with _said(place):
            mirror.fetch()
        try:
            yield mirror.folder, mirror.send_now_and_then
        finally:
            with _said(place):
                mirror.send()
    finally:
        mirror.release()
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class _Mirror:
    """A folder here, and the address that is kept like it."""

    system: Any
    path: str
    folder: Path
    place: str | os.PathLike[str]
    known: dict[str, tuple[int, int]] = field(default_factory=dict)  # name -> time, size

    def __post_init__(self) -> None:
        self._sent = time.monotonic()
        self._over = threading.Event()
        self._beat = threading.Thread(target=self._renew, daemon=True)

    def claim(self) -> None:
        """Hold the address for this run."""
        self.system.makedirs(self.path, exist_ok=True)
        note, probe = f"{self.path}/{NOTE}", f"{self.path}/.{secrets.token_hex(8)}.tmp"
        if self.system.exists(note):
            self.system.pipe_file(probe, b"")
            try:
                age = (self.system.modified(probe) - self.system.modified(note)).total_seconds()
            finally:
                self.system.rm_file(probe)
            if age < DEAD_S:
                raise self._taken(note)
        self._note()
        self._beat.start()

    def _note(self) -> None:
        about = {"host": socket.gethostname(), "pid": os.getpid()}
        self.system.pipe_file(f"{self.path}/{NOTE}", json.dumps(about).encode())

    def _renew(self) -> None:
        while not self._over.wait(BEAT_S):
            with suppress(Exception):  # the sending will tell
                self._note()

    def _taken(self, note: str) -> FileError:
        about: Any = None
        with suppress(OSError, ValueError):
            about = parse_json(self.system.cat_file(note))
        known = isinstance(about, dict)
        return FileError(
            "E505",
            "Another run works in this folder",
            where=shown(self.place),
            why=f"process {about.get('pid')} on {about.get('host')}" if known else None,
            remedy="Wait until it ends (90 s after one that was killed), or choose another folder",
        )

    def release(self) -> None:
        """Let others work there."""
        self._over.set()
        self._beat.join()
        with suppress(Exception):  # 90 s later it is free all the same
            self.system.rm_file(f"{self.path}/{NOTE}")

    def fetch(self) -> None:
        """Bring here what stands there."""
        make_folder(self.folder)
        for name in _fetch(self.system, self.path, self.folder, self.place):
            self.known[name] = _state(self.folder / name)

    def send_now_and_then(self) -> None:
        """Send what is new, if the last time is a while ago."""
        if time.monotonic() - self._sent >= SEND_S:
            with _said(self.place):
                self.send()

    def send(self) -> None:
        """Make the address like the folder: in the order of writing, so that marks come last."""
        here = {
            path.relative_to(self.folder).as_posix(): _state(path)
            for path in self.folder.rglob("*")
            if path.is_file() and not path.name.startswith(".")
        }
        for name, state in sorted(here.items(), key=lambda item: item[1]):
            if self.known.get(name) != state:
                self._put(name)
                self.known[name] = state
        for name in [name for name in self.known if name not in here]:
            with suppress(FileNotFoundError):
                self.system.rm_file(f"{self.path}/{name}")
            del self.known[name]
        self._sent = time.monotonic()

    def _put(self, name: str) -> None:
        target, source = f"{self.path}/{name}", str(self.folder / name)
        parent = target.rpartition("/")[0]
        self.system.makedirs(parent, exist_ok=True)
        if _protocol(self.system) in OBJECTS:
            self.system.put_file(source, target)
            return
        draft = f"{parent}/.{secrets.token_hex(8)}.tmp"
        self.system.put_file(source, draft)
        self.system.mv(draft, target)


def _fetch(system: Any, path: str, folder: Path, place: str | os.PathLike[str]) -> list[str]:
    """Copy what lies below a path; its names below `folder`.

    Hidden files stay where they are, and so do the links by which web servers sort their lists.
    """
    root = path.rstrip("/") + "/"
    names = []
    for found in sorted(system.find(path)):
        name = found.removeprefix(root)
        parts = PurePosixPath(name).parts
        if any(part.startswith((".", "?")) and part not in (".", "..") for part in parts):
            continue
        for part in parts:
            _safe(part, place)
        target = folder.joinpath(*parts)
        make_folder(target.parent)
        system.get_file(found, str(target))
        names.append(name)
    return names


def _last(path: str) -> str:
    """The last name of a path there; of a web address without its query, which may be a key."""
    inside = urlsplit(path).path if "://" in path else path
    return PurePosixPath(inside.rstrip("/")).name or "root"


def _safe(name: str, place: str | os.PathLike[str]) -> str:
    """A name of the other side, if a file here may have it."""
    if name in ("", ".", "..", "/") or _STRANGE.search(name):
        raise FileError(
            "E540",
            f"A name there that no file here may have: {name!r}",
            where=shown(place),
            remedy="Rename it there",
        )
    return name


def _state(path: Path) -> tuple[int, int]:
    about = path.stat()
    return about.st_mtime_ns, about.st_size


def _opened(place: str | os.PathLike[str]) -> tuple[Any, str]:
    import fsspec

    system, path = fsspec.core.url_to_fs(os.fspath(place))
    system.invalidate_cache()  # what was listed earlier may have changed
    return system, path


def _protocol(system: Any) -> str:
    return system.protocol if isinstance(system.protocol, str) else system.protocol[0]


@contextmanager
def _scratch() -> Iterator[Path]:
    """A folder of this user alone; removed here only if the block fails."""
    folder = Path(tempfile.mkdtemp(prefix="fidgety-"))
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


@contextmanager
def _said(place: str | os.PathLike[str]) -> Iterator[None]:
    """Every driver fails in its own way; a user meets one."""
    try:
        yield
    except FileError:
        raise
    except FileNotFoundError as error:
        raise _nothing(place) from error
    except ImportError as error:
        raise FileError(
            "E540",
            "What reaches this kind of address is not installed",
            where=shown(place),
            why=str(error).splitlines()[0],
            remedy="Install it: s3fs for s3://, gcsfs for gs://, adlfs for abfs://",
        ) from error
    except Exception as error:
        raise FileError(
            "E540",
            "The place cannot be reached or written",
            where=shown(place),
            why=type(error).__name__,  # its text may hold keys
            remedy="Check the address, the network and your rights there; what was sent is kept",
        ) from error


def _nothing(place: str | os.PathLike[str]) -> FileError:
    return FileError(
        "E504", "No such file or folder", where=shown(place), remedy="Check the address"
    )
