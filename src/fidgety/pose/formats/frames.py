"""Folders with one JSON file a frame: reading them in order, writing them whole."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import FileError, PoseError, warn
from fidgety.files import file_error, make_folder
from fidgety.pose.formats.source import Source, frame_number, load_json
from fidgety.pose.pose import Pose

__all__ = ["check_one_layout", "even_frames", "read_frames", "recordings", "whole_folder"]


def recordings(source: Source) -> list[str]:
    """Names of the recordings whose frames lie in a folder, told from the file names."""
    return sorted({_recording(frame_number(member.name)[0]) for member in source.members})


def read_frames(
    source: Source,
    people_of: Callable[[Any, str], NDArray[np.float64]],
    individual: str | None = None,
) -> tuple[NDArray[np.int64], list[NDArray[np.float64]]]:
    """Read every frame of a folder (or the one frame of a file), in the order of their numbers.

    Parameters
    ----------
    source : Source
        Folder of JSON files.
    people_of : callable (parsed JSON, file name) -> ndarray (people, V, 3)
        The format's own reading of one frame.
    individual : str, optional
        Which of `recordings`, in a folder that holds the frames of several.

    Returns
    -------
    numbers : ndarray (F,), int
        Frame numbers from the file names, ascending.
    bodies : list of ndarray (people, V, 3)

    Raises
    ------
    PoseError
        E332 no JSON files, E338 frames of several recordings, E339 files without numbers or with
        the same, E333 two layouts; else as `people_of` and `load_json`.
    """
    files = source.members if source.is_folder else [source.path]
    if not files:
        raise PoseError(
            "E332",
            "No pose files in this folder",
            where=source.name,
            remedy="Give the folder that holds the pose tool's JSON files, one a frame",
        )
    named = sorted((number, stem, file) for file in files for stem, number in [_named(file, files)])
    stems = sorted({stem for _, stem, _ in named})
    if len(stems) > 1 and individual in [*map(_recording, stems)]:
        named = [one for one in named if _recording(one[1]) == individual]
    elif len(stems) > 1:
        raise PoseError(
            "E338",
            f"Frames of {len(stems)} recordings in one folder: {stems[0]}*, {stems[1]}*",
            where=source.name,
            remedy="Move each recording's files to a folder of its own, or name one of them: "
            "--individual NAME",
        )
    bodies = [people_of(load_json(file), file.name) for _, _, file in named]
    check_one_layout(bodies, [file.name for _, _, file in named])
    return np.array([number for number, _, _ in named], dtype=np.int64), bodies


def check_one_layout(bodies: list[NDArray[np.float64]], names: list[str]) -> None:
    """Raise `PoseError` E333 if the number of points changes between frames."""
    first: tuple[int, str] | None = None
    for found, name in zip(bodies, names, strict=True):
        if not len(found):
            continue
        if first is None:
            first = (found.shape[1], name)
        elif found.shape[1] != first[0]:
            raise PoseError(
                "E333",
                f"Two layouts in one recording: {first[0]} points in {first[1]}, "
                f"{found.shape[1]} in {name}",
                remedy="Import the output of one pose model at a time",
            )


def even_frames(pose: Pose, where: str) -> NDArray[np.int64]:
    """Frame numbers (T,) from 0 for a format that has no times; warns W334 if times are uneven."""
    if len(pose) == 1:
        return np.zeros(1, dtype=np.int64)
    exact = (pose.time - pose.time[0]) * pose.fps
    numbers = np.round(exact).astype(np.int64)
    if np.abs(exact - numbers).max() <= 0.25 and (np.diff(numbers) > 0).all():
        return numbers
    warn(
        "W334",
        "The times are uneven and this format keeps only frame numbers",
        where=where,
        remedy="Resample to one frame rate before writing, or write another format",
    )
    return np.arange(len(pose))


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside `path`; rename it to `path` if the block succeeds.

    Raises
    ------
    FileError
        E347 if `path` already holds something; E501 to E503 as `fidgety.files`.
    """
    make_folder(path.parent)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise FileError(
            "E347", "Already there", where=path, remedy="Choose a new folder, or remove this one"
        )
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        draft.mkdir()
        yield draft
        if path.exists():
            path.rmdir()
        draft.rename(path)
    except OSError as error:
        if isinstance(error, FileError):
            raise
        raise file_error(error, path) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _recording(stem: str) -> str:
    """Name of a recording from what the names of its frames share: ``a_`` is ``a``."""
    return stem.rstrip("_-. ")


def _named(file: Path, files: list[Path]) -> tuple[str, int]:
    stem, number = frame_number(file.name)
    if number is None:
        if len(files) == 1:
            return stem, 0
        raise PoseError(
            "E339",
            "A file name without a frame number",
            where=file.name,
            remedy="Keep only the frames' files in the folder, named as the pose tool wrote them",
        )
    return stem, number
