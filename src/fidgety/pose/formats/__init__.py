"""Pose files of other tools: recognised by content, read into `Pose`, and written back.

One module per format; `FORMATS` is the whole list. `read` takes a file or folder, `find_recordings`
a folder of recordings, `read_sequence` feature arrays that are no poses.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from fidgety.errors import PoseError, warn
from fidgety.files import existing
from fidgety.pose.formats.folders import find_parts, find_recordings
from fidgety.pose.formats.registry import FORMATS, checked, recognise, recognised
from fidgety.pose.formats.sequences import CHANNEL_MAPS, map_sequence, read_sequence
from fidgety.pose.formats.source import Format, Given, Source
from fidgety.pose.pose import Pose
from fidgety.pose.skeleton import Skeleton, load_skeleton

__all__ = [
    "CHANNEL_MAPS",
    "FORMATS",
    "Format",
    "find_parts",
    "find_recordings",
    "map_sequence",
    "read",
    "read_sequence",
    "recognise",
    "write",
]


def read(
    path: str | os.PathLike[str],
    *,
    format: str = "auto",
    skeleton: str | Path | Skeleton | None = None,
    fps: float | None = None,
    size: Sequence[int] | None = None,
    individual: str | None = None,
) -> Pose:
    """Read the pose of one recording from a file, or from a folder with one file a frame.

    What the file says itself may be left out; where both speak, the file is believed and a
    contradiction is warned of (W332).

    Parameters
    ----------
    path : path-like
        File or folder.
    format : str
        A name of `FORMATS`, or "auto" to recognise it by its content.
    skeleton : str, Path or Skeleton, optional
        Layout of the points: a built-in name or the path of a TOML file. Needed only where the file
        does not name its joints and neither their number nor anatomy tells.
    fps : float, optional
        Frames per second; needed by formats that hold no times.
    size : (int, int), optional
        Width and height of the image in pixels; needed where coordinates are fractions of it.
    individual : str, optional
        Which individual, track or video of a file that names several.

    Raises
    ------
    PoseError
        E301, E303, E316, E330 to E346, E320 to E322, E310 to E315; see ``docs/formats.md``.
    FileError
        E504 no such file, E502 not permitted, E503 unreadable.
    """
    source = Source(existing(path))
    given = Given(
        skeleton if skeleton is None or isinstance(skeleton, Skeleton) else load_skeleton(skeleton),
        fps,
        None if size is None else _checked_size(size),
        individual,
    )
    name = checked(format) if format != "auto" else recognised(source)
    pose = FORMATS[name].read(source, given)
    _warn_of_contradictions(pose, given, source.name)
    return pose


def write(pose: Pose, path: str | os.PathLike[str], *, format: str) -> Path:
    """Write a pose in another tool's format; return the file or folder written.

    Raises
    ------
    PoseError
        E342 if there is no such format or no writer for it; E348 if the pose is not in pixels.
    """
    writer = FORMATS[checked(format)].write
    if writer is None:
        writable = ", ".join(name for name, one in FORMATS.items() if one.write)
        raise PoseError("E342", f"{format} is read only", remedy=f"Written can be: {writable}")
    if pose.unit != "px" and format != "native":
        raise PoseError(
            "E348",
            "The pose is in trunk lengths, and other tools expect pixels",
            where=path,
            remedy="Write the pose as it was before preprocessing",
        )
    return writer(pose, Path(path))


def _checked_size(size: Sequence[int]) -> tuple[int, int]:
    if len(size) != 2 or not all(0 < side <= 100_000 for side in size):
        raise PoseError(
            "E314", f"Impossible image size {tuple(size)}", remedy="Give WIDTHxHEIGHT in pixels"
        )
    return int(size[0]), int(size[1])


def _warn_of_contradictions(pose: Pose, given: Given, where: str) -> None:
    said: list[tuple[str, object, object]] = []
    if given.fps and len(pose) > 1 and abs(pose.fps / given.fps - 1) > 0.02:
        said.append(("fps", f"{pose.fps:.4g}", f"{given.fps:g}"))
    if given.size and pose.size and given.size != pose.size:
        said.append(("size", "{}x{}".format(*pose.size), "{}x{}".format(*given.size)))
    if given.skeleton and set(given.skeleton.joints) != set(pose.skeleton.joints):
        said.append(("skeleton", pose.skeleton.name, given.skeleton.name))
    for option, own, other in said:
        warn(
            "W332",
            f"The file says {option} {own}, not {other} as given; the file is believed",
            where=where,
        )
