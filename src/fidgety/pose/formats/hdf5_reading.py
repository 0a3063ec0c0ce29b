"""What the process apart does with an HDF5 file: look it over, and take its numbers and names out.

`hdf5_apart` runs `main` in that process: a question comes in as a line of JSON, its answer goes out
as eight bytes of length, so much JSON, and the bytes of its arrays. The process that asks calls
none of the readers here: the C libraries that read HDF5 believe what a file says of itself.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import PoseError
from fidgety.pose.formats.inert_hdf5 import check_tree, read_frame

__all__ = ["dataset", "frame", "interop_library", "kind"]

ROOM = 512 << 20  # bytes that reading any file may need
ROOM_A_BYTE = 8  # and more for each byte of numbers that the file announces: they are copied
CPU_S = 60.0  # processor time for any file
CPU_S_A_GIB = 120.0  # and more for what it announces

Answer = tuple[dict[str, Any], list[NDArray[Any]]]


def kind(path: Path) -> Answer:
    """nwb, sleap, deeplabcut or None by the names inside; "unknown" if that cannot be seen."""
    h5py = interop_library("h5py")
    _bounded(0)
    try:
        with h5py.File(path, "r") as file:
            keys = set(file)
            if "nwb_version" in file.attrs:
                return {"kind": "nwb"}, []
    except (OSError, RuntimeError, KeyError, ValueError, MemoryError):
        return {"kind": "unknown"}, []  # damaged: its reader says so
    if {"tracks", "node_names"} <= keys or {"metadata", "frames", "points"} <= keys:
        return {"kind": "sleap"}, []
    return {"kind": "deeplabcut" if {"df_with_missing", "keypoints"} & keys else None}, []


def frame(path: Path) -> Answer:
    """Labels of the columns, values and index of a DeepLabCut table; raises as `read_frame`."""
    h5py = interop_library("h5py")
    _bounded(0)
    _bounded(check_tree(h5py, path))
    labels, values, index = read_frame(h5py, path)
    return {"labels": labels}, [values] if index is None else [values, index]


def dataset(path: Path, software: str, fps: float | None) -> Answer:
    """Names, positions (N, T, K, 2 or 3), confidences (N, T, K) and times (T,) by movement.

    Raises
    ------
    PoseError
        E343 the extra is missing, E334 damaged or out of all measure, E346 movement cannot read it.
    """
    h5py, movement_io = interop_library("h5py"), interop_library("movement.io")
    _bounded(0)
    _bounded(check_tree(h5py, path))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = movement_io.load_dataset(path, source_software=software, fps=fps)
        time = found.time.values
        if software == "NWB":
            time = _timestamps(h5py, path, time)
        position = found.position.transpose("individuals", "time", "keypoints", "space").values
        confidence = found.confidence.transpose("individuals", "time", "keypoints").values
        names = {
            "individuals": [str(one) for one in found.individuals.values],
            "keypoints": [str(one) for one in found.keypoints.values],
        }
        return names, [np.asarray(one, np.float64) for one in (position, confidence, time)]
    except Exception as error:  # whatever the libraries below it raise
        why = str(error).strip().splitlines()
        raise PoseError(
            "E346",
            f"movement cannot read this as {software}",
            where=path.name,
            why=why[0][:200] if why else type(error).__name__,
            remedy="Check the file in the tool that wrote it, or export it as CSV",
        ) from error


def _timestamps(h5py: ModuleType, path: Path, even: NDArray[Any]) -> NDArray[Any]:
    """The true times (T,) of an NWB file's pose series; `even`, which movement gives, if none."""
    found: list[NDArray[Any]] = []

    def visit(name: str, item: Any) -> None:
        if item.attrs.get("neurodata_type") == "PoseEstimationSeries" and "timestamps" in item:
            times = item["timestamps"]
            if times.shape == even.shape:
                found.append(times[:])

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return found[0] if found else even


def interop_library(name: str) -> ModuleType:
    """Import a library of the extra ``interop``; `PoseError` E343 if it is not there."""
    try:
        with warnings.catch_warnings(), _no_log_of_names():
            warnings.simplefilter("ignore")
            module = importlib.import_module(name)
            if name == "movement.io":
                _open_no_films()
            return module
    except ImportError as error:
        raise PoseError(
            "E343",
            f"Reading and writing this format needs {name.partition('.')[0]}",
            why="the extra 'interop' is not installed",
            remedy="pip install 'fidgety[interop]'",
        ) from error


def _open_no_films() -> None:
    """Keep SLEAP's reader from opening whatever a file names as its film."""
    loading = importlib.import_module("movement.io.load_poses")
    read = getattr(loading, "read_labels", None)
    if read is not None and not isinstance(read, partial):
        loading.read_labels = partial(read, open_videos=False)  # type: ignore[attr-defined]


@contextmanager
def _no_log_of_names() -> Iterator[None]:
    """Keep movement from opening a log in the home folder, which would hold names of recordings.

    Its import also takes over how warnings are shown and adds a logger to standard error.
    """
    if "movement" in sys.modules or importlib.util.find_spec("movement") is None:
        yield
        return
    logger = importlib.import_module("loguru").logger
    show, add = warnings.showwarning, type(logger).add
    folder = Path.home() / ".movement"
    stood = folder.exists()
    type(logger).add = lambda *_, **__: 0  # type: ignore[method-assign]
    try:
        yield
    finally:
        type(logger).add = add
        warnings.showwarning = show
        if not stood and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _bounded(announced: int) -> None:
    """Limit what this process may take, beyond what it has, for a file that announces so much.

    A system without such limits (Windows) has only the other process's patience.
    """
    if not SERVING or os.name != "posix" or not Path("/proc/self/statm").exists():
        return
    import resource

    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    used = resource.getrusage(resource.RUSAGE_SELF)
    for what, most in (
        (resource.RLIMIT_AS, held + ROOM + ROOM_A_BYTE * announced),
        (
            resource.RLIMIT_CPU,
            int(used.ru_utime + used.ru_stime + CPU_S + CPU_S_A_GIB * announced / 2**30) + 1,
        ),
    ):
        hard = resource.getrlimit(what)[1]
        resource.setrlimit(what, (most if hard < 0 else min(most, hard), hard))


SERVING = False  # whether this process is the one apart
QUESTIONS = {"kind": kind, "frame": frame, "dataset": dataset}


def answer(question: dict[str, Any]) -> Answer:
    """The answer to a question of the other process; its own errors are told, never raised."""
    try:
        return QUESTIONS[question.pop("what")](Path(question.pop("path")), **question)
    except PoseError as error:
        return {"error": [error.code, error.what, error.where, error.why, error.remedy]}, []
    except MemoryError:
        return {"error": None}, []


def serve(asked: BinaryIO, told: BinaryIO) -> None:
    """Answer questions until there are no more."""
    global SERVING
    SERVING = True
    for line in asked:
        words, arrays = answer(json.loads(line))
        arrays = [np.ascontiguousarray(one) for one in arrays]
        described = [[one.dtype.str, one.shape] for one in arrays]
        head = json.dumps({**words, "arrays": described}).encode()
        told.write(len(head).to_bytes(8, "little") + head)
        for one in arrays:
            told.write(one.tobytes())
        told.flush()


def main() -> None:
    """Serve the process that started this one, until it closes its end."""
    with os.fdopen(os.dup(1), "wb") as told:
        os.dup2(2, 1)  # what libraries print is no answer
        serve(sys.stdin.buffer, told)
