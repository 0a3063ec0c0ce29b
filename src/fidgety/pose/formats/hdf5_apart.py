"""HDF5 files are taken apart by a process of its own, within limits on its memory and its time.

The C libraries that read HDF5 believe the sizes a file states: a damaged one can ask for gigabytes,
or end the process. Here that ends the other process, and is one refused file.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import PoseError

__all__ = ["ask", "close"]

READING = "fidgety.pose.formats.hdf5_reading"
WALL_S = 900.0  # patience with the other process, which has less processor time than that
MAX_WORDS = 16 << 20  # bytes of an answer without its arrays
MAX_BYTES = 4 << 30  # of its arrays
TYPES = ("<f4", "<f8", "<i4", "<i8", "<u4", "<u8", "|u1", "|i1", "<i2", "<u2")


class _Reader:
    """The process apart, and the one question it may be busy with."""

    def __init__(self) -> None:
        source = str(Path(__file__).parents[3])
        paths = [source, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", f"from {READING} import main; main()"],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1",
                 "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
        )  # fmt: skip

    def ask(self, question: dict[str, Any]) -> tuple[dict[str, Any], list[NDArray[Any]]]:
        """Raises EOFError if the process ends first, ValueError if it answers what none would."""
        asked, told = self.process.stdin, self.process.stdout
        assert asked is not None
        assert told is not None
        patience = threading.Timer(WALL_S, self.process.kill)
        patience.daemon = True
        patience.start()
        try:
            asked.write(json.dumps(question).encode() + b"\n")
            length = int.from_bytes(_bytes(told, 8), "little")
            words = json.loads(_bytes(told, length, most=MAX_WORDS))
            return words, [_array(told, *described) for described in words.pop("arrays")]
        finally:
            patience.cancel()

    def close(self) -> None:
        """End the process."""
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        self.process.kill()
        self.process.wait()


_lock = threading.Lock()
_reader: _Reader | None = None


def ask(what: str, path: Path, **more: Any) -> tuple[dict[str, Any], list[NDArray[Any]]]:
    """Ask the process apart of a file: words and arrays.

    Parameters
    ----------
    what : {"kind", "frame", "dataset"}
        A function of `hdf5_reading`.
    path : Path
        The file.
    **more
        What else that function takes.

    Raises
    ------
    PoseError
        E334 if reading the file took more memory or time than it may, or ended the process; else
        what that function raises.
    """
    global _reader
    question = {"what": what, "path": str(path.absolute()), **more}
    with _lock:
        if _reader is None or _reader.process.poll() is not None:
            close()
            _reader = _Reader()
        try:
            words, arrays = _reader.ask(question)
        except (OSError, EOFError, ValueError, TypeError, KeyError, OverflowError):
            close()
            raise _refused(path) from None
        except BaseException:  # interrupted: its answer would be taken for that to the next
            close()
            raise
    if "error" in words:
        told = words["error"]
        if told is None:
            raise _refused(path)
        code, message, where, why, remedy = told
        raise PoseError(code, message, where=where, why=why, remedy=remedy)
    return words, arrays


def close() -> None:
    """End the process apart, if there is one; the next question begins another."""
    global _reader
    if _reader is not None:
        _reader.close()
    _reader = None


def _array(told: IO[bytes], kind: str, shape: list[int]) -> NDArray[Any]:
    if kind not in TYPES or not all(isinstance(side, int) and side >= 0 for side in shape):
        raise ValueError(kind)
    raw = _bytes(told, prod(shape) * np.dtype(kind).itemsize, most=MAX_BYTES)
    return np.frombuffer(raw, kind).reshape(shape)


def _bytes(told: IO[bytes], count: int, most: int = 8) -> bytearray:
    """Exactly so many bytes; ValueError if they are too many, EOFError if they do not come."""
    if count > most:
        raise ValueError(count)
    raw = bytearray(count)
    left = memoryview(raw)
    while left:
        came = told.readinto(left)  # type: ignore[attr-defined]
        if not came:
            raise EOFError
        left = left[came:]
    return raw


def _refused(path: Path) -> PoseError:
    return PoseError(
        "E334",
        "Not laid out as its format says",
        where=path.name,
        why="reading it took more memory or time than such a file can need, or crashed the reader",
        remedy="Check that this is the pose tool's own output, unedited; or export it as CSV",
    )


def _forget() -> None:
    """In a forked process: the other's reader is not ours to ask or to end."""
    global _reader, _lock
    _lock = threading.Lock()
    if _reader is not None:
        for pipe in (_reader.process.stdin, _reader.process.stdout):
            assert pipe is not None
            pipe.close()
        _reader.process.returncode = 0  # nobody waits for it here
        _reader = None


atexit.register(close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
