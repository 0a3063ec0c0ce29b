"""Folders of recordings: one file each, one folder of frames each, or several in one file."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

from fidgety.errors import FidgetyError, PoseError
from fidgety.files import entries, existing
from fidgety.pose.formats.registry import (
    FORMATS,
    check_one_format,
    checked,
    format_or_auto,
    frames_format,
    recognised,
)
from fidgety.pose.formats.source import Source

__all__ = ["find_parts", "find_recordings", "recording_name"]


def find_recordings(
    src: str | os.PathLike[str],
    format: str = "auto",
) -> list[tuple[str, Path, str]]:
    """The recordings in a folder: one file each, or one folder of frame files each.

    A file or folder that is itself one recording gives that one. A pose file whose format cannot be
    told stays in the list as "auto", so that reading it says what is wrong with it and the others
    are read all the same. Other files (labels, films, notes) are passed over.

    Parameters
    ----------
    src : path-like
        File or folder.
    format : str
        A name of `FORMATS`, or "auto".

    Returns
    -------
    list of (str, Path, str)
        Name of the recording, its file or folder, its format; sorted by name.

    Raises
    ------
    PoseError
        E332 no recordings, E333 two formats side by side, E339 two recordings of one name.
    FileError
        E504 no such file or folder.
    """
    root = existing(src)
    chosen = None if format == "auto" else checked(format)
    if not root.is_dir() or frames_format(root):
        return [(recording_name(root), root, chosen or recognised(Source(root)))]
    found = [
        (recording_name(entry), entry, chosen or name)
        for entry in entries(root)
        if (name := format_or_auto(entry)) is not None
    ]
    if not found:
        raise PoseError(
            "E332",
            "No pose files in this folder",
            where=root.name,
            remedy="Give the folder that holds one pose file, or one folder of frames, a recording",
        )
    check_one_format([(path, name) for _, path, name in found], root.name)
    for (one, first, _), (other, second, _) in pairwise(sorted(found)):
        if one == other:
            raise PoseError(
                "E339",
                f"Two recordings named {one}: {first.name} and {second.name}",
                where=root.name,
                remedy="Rename one of them, or move it elsewhere",
            )
    return sorted(found)


def find_parts(
    src: str | os.PathLike[str], format: str = "auto", individual: str | None = None
) -> list[tuple[str, Path, str, str | None]]:
    """As `find_recordings`, told apart where one file or folder holds several recordings.

    Parameters
    ----------
    src, format
        As `find_recordings`.
    individual : str, optional
        The only one wanted of each file: nothing is told apart.

    Returns
    -------
    list of (str, Path, str, str or None)
        Name of the recording, its file or folder, its format, and the ``individual`` that `read`
        needs to find it there; sorted by name.

    Raises
    ------
    PoseError
        As `find_recordings`; E339 also for two parts of one name.
    """
    found: list[tuple[str, Path, str, str | None]] = []
    for name, path, kind in find_recordings(src, format):
        parts = [] if individual is not None else _parts_of(path, kind)
        found += [(part, path, kind, part) for part in parts] or [(name, path, kind, individual)]
    found.sort(key=lambda one: one[0])
    for (one, first, *_), (other, second, *_) in pairwise(found):
        if one == other:
            raise PoseError(
                "E339",
                f"Two recordings named {one}, in {first.name} and {second.name}",
                remedy="Import the files into different studies, or rename one recording",
            )
    return found


def _parts_of(path: Path, name: str) -> list[str]:
    """Names of several recordings in one file or folder; none if it holds one or is damaged."""
    one = FORMATS.get(name)
    if one is None or one.recordings is None:
        return []
    try:
        parts = one.recordings(Source(path))
    except FidgetyError:
        return []  # reading it says what is wrong
    return parts if len(parts) > 1 else []


def recording_name(path: Path) -> str:
    """The name a recording takes from its file or folder: the name without its suffix."""
    return path.name if path.is_dir() else path.stem
