"""What is to be assessed: films, pose files, or folders of them, each recording under its name."""

from __future__ import annotations

import os
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from fidgety.errors import FidgetyError, PoseError, StudyError
from fidgety.files import entries, existing
from fidgety.pose.estimators.batch import VIDEO_SUFFIXES
from fidgety.pose.formats import find_parts
from fidgety.study.names import safe_name

__all__ = ["Input", "find_inputs"]


@dataclass(frozen=True)
class Input:
    """A recording to be assessed.

    Parameters
    ----------
    name : str
        Of the recording: its folder below the output folder.
    path : Path
        Film, pose file, or folder of pose files.
    format : str
        A pose format, or "video".
    error : FidgetyError or None
        Why it can be none.
    individual : str or None
        Which one is meant, where a file or folder holds several.
    """

    name: str
    path: Path
    format: str
    error: FidgetyError | None = None
    individual: str | None = None


def find_inputs(
    paths: Iterable[str | os.PathLike[str]],
    format: str = "auto",
    individual: str | None = None,
) -> list[Input]:
    """Recordings among paths; a folder stands for the films and pose recordings in it.

    A path that holds none is an input with an error, so that it does not stop the others.

    Parameters
    ----------
    paths : iterable of path-like
        Films, pose files, or folders of them.
    format : str
        Of the poses: a name of `fidgety.pose.formats.FORMATS`, or "auto".
    individual : str, optional
        The only one wanted of each file or folder that holds several recordings; all by default.

    Raises
    ------
    StudyError
        E280 if two recordings would share one name, or there are none.
    """
    found: list[Input] = []
    for path in map(Path, paths):
        try:
            found += _inside(existing(path), format, individual)
        except FidgetyError as error:
            found.append(Input(path.stem or path.name, path, "", error))
    times = Counter(item.name.casefold() for item in found)
    twins = sorted(name for name, count in times.items() if count > 1)
    if twins or not found:
        raise StudyError(
            "E280",
            f"Several recordings named {twins[0]!r}" if twins else "There is nothing to assess",
            remedy="Rename one of them, or assess them into different folders"
            if twins
            else "Give films, pose files, or folders of them",
        )
    return found


def _inside(path: Path, format: str, individual: str | None) -> list[Input]:
    """The films and pose recordings at a path."""
    inside = entries(path) if path.is_dir() else [path]
    films = [file for file in inside if file.suffix.lower() in VIDEO_SUFFIXES]
    found = [Input(film.stem, film, "video") for film in films]
    if films and len(films) == len(inside):
        return found
    try:
        poses = find_parts(path, format, individual)
    except FidgetyError as error:
        if films and error.code == "E332":
            return found  # a folder of films and notes
        if error.code == "E332" and path.is_dir():
            raise PoseError(
                "E332",
                "No films and no pose files in this folder",
                where=path.name,
                why="folders below it are not looked through, but for frames of one recording each",
                remedy="Give the folder that holds the films or pose files themselves",
            ) from error
        raise
    known = set(films)
    for name, place, kind, part in poses:
        if place not in known:
            found.append(_named(Input(name, place, kind, individual=part)))
    return found


def _named(item: Input) -> Input:
    """The input, with an error if its name, which a file may state, cannot be a folder."""
    try:
        safe_name(item.name, item.path.name)
    except StudyError as error:
        name = f"{item.path.stem}_{zlib.crc32(item.name.encode()):08x}"
        return replace(item, name=name, error=error)
    return item
