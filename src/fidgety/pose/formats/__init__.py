"""Pose files of other tools: recognised by content, read into `Pose`, and written back.

One module per format; `FORMATS` is the whole list. `read` takes a file or folder, `find_recordings`
a folder of recordings, `read_sequence` feature arrays that are no poses.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from fidgety.errors import FidgetyError, PoseError, warn
from fidgety.files import existing, file_error
from fidgety.pose.formats import (
    body_part_rows,
    coco,
    deeplabcut,
    frames,
    interop,
    kinetics,
    mini_rgbd,
    mmpose,
    native,
    openpose,
    stam_pickle,
    tables,
)
from fidgety.pose.formats.sequences import CHANNEL_MAPS, map_sequence, read_sequence
from fidgety.pose.formats.source import Format, Given, Source, frame_number, load_json
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

FORMATS: dict[str, Format] = {
    "native": Format("fidgety Parquet", native.recognise, native.read, native.write),
    "openpose": Format(
        "OpenPose JSON",
        openpose.recognise,
        openpose.read,
        openpose.write,
        openpose.is_frame,
        recordings=frames.recordings,
    ),
    "body-part-rows": Format(
        "a row a body part, many films in a table",
        body_part_rows.recognise,
        body_part_rows.read,
        recordings=body_part_rows.recordings,
    ),
    "stam-pickle": Format(
        "the STAM paper's pickled frame",
        stam_pickle.recognise,
        stam_pickle.read,
        recordings=stam_pickle.recordings,
    ),
    "mini-rgbd": Format(
        "MINI-RGBD joints",
        mini_rgbd.recognise,
        mini_rgbd.read,
        is_recording=mini_rgbd.is_recording,
    ),
    "infant-kinetics": Format("Infant kinetics Feather", kinetics.recognise, kinetics.read),
    "coco": Format(
        "COCO annotations", coco.recognise_annotations, coco.read_annotations, coco.write
    ),
    "coco-results": Format("COCO results", coco.recognise_results, coco.read_results),
    "alphapose": Format("AlphaPose JSON", coco.recognise_alphapose, coco.read_alphapose),
    "mmpose": Format(
        "MMPose and RTMLib JSON",
        mmpose.recognise,
        mmpose.read,
        is_frame=mmpose.is_frame,
        recordings=frames.recordings,
    ),
    "deeplabcut": Format(
        "DeepLabCut and Lightning Pose CSV", deeplabcut.recognise, deeplabcut.read
    ),
    "mediapipe-csv": Format(
        "MediaPipe landmarks CSV", tables.recognise_mediapipe, tables.read_mediapipe
    ),
    "csv": Format("CSV by joint name", tables.recognise_csv, tables.read_csv, tables.write_csv),
    "nwb": Format("NWB ndx-pose", interop.recognise_nwb, interop.read_nwb, interop.write_nwb),
    "sleap": Format("SLEAP", interop.recognise_sleap, interop.read_sleap),
    "deeplabcut-h5": Format(
        "DeepLabCut HDF5", interop.recognise_deeplabcut_h5, interop.read_deeplabcut_h5
    ),
}
# Files so named are taken for poses even where their content cannot be told: reading them says why.
POSE_SUFFIXES = (".json", ".parquet", ".pkl", ".pickle", ".feather", ".h5", ".slp", ".nwb")


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
    name = _checked(format) if format != "auto" else _recognised(source)
    pose = FORMATS[name].read(source, given)
    _warn_of_contradictions(pose, given, source.name)
    return pose


def recognise(path: str | os.PathLike[str]) -> str:
    """The name in `FORMATS` of what a file or folder holds, judged by its content.

    Raises
    ------
    PoseError
        E330 if it is none of them, E331 if it is damaged JSON, E332 if a folder holds none.
    """
    return _recognised(Source(existing(path)))


def write(pose: Pose, path: str | os.PathLike[str], *, format: str) -> Path:
    """Write a pose in another tool's format; return the file or folder written.

    Raises
    ------
    PoseError
        E342 if there is no such format or no writer for it; E348 if the pose is not in pixels.
    """
    writer = FORMATS[_checked(format)].write
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
    chosen = None if format == "auto" else _checked(format)
    if not root.is_dir() or _frames_format(root):
        return [(recording_name(root), root, chosen or _recognised(Source(root)))]
    found = [
        (recording_name(entry), entry, chosen or name)
        for entry in _entries(root)
        if (name := _format_or_auto(entry)) is not None
    ]
    if not found:
        raise PoseError(
            "E332",
            "No pose files in this folder",
            where=root.name,
            remedy="Give the folder that holds one pose file, or one folder of frames, a recording",
        )
    _check_one_format([(path, name) for _, path, name in found], root.name)
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


def _entries(root: Path) -> list[Path]:
    try:
        return sorted(entry for entry in root.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise file_error(error, root) from error


def _format_or_auto(entry: Path) -> str | None:
    """Format of a recording; "auto" for a pose file that cannot be told; None for anything else."""
    if entry.is_dir():  # damaged frames are named as a failure, not passed over
        return _frames_format(entry) or ("auto" if Source(entry).members else None)
    try:
        name = _format_of(Source(entry))
    except FidgetyError:
        name = None
    return name or ("auto" if entry.suffix.lower() in POSE_SUFFIXES else None)


def _frames_format(folder: Path) -> str | None:
    """The format of a folder that is one recording, mostly one file a frame; None if it is none.

    Files that differ in more than the frame number are looked at apart, so that another file
    beside the frames is found before they are read.
    """
    own = next((name for name, one in FORMATS.items()
                if one.is_recording and one.is_recording(folder)), None)  # fmt: skip
    if own is not None:
        return own
    stems: dict[str, Path] = {}
    for member in Source(folder).members:
        stems.setdefault(frame_number(member.name)[0], member)
    found = [(member, name) for member in stems.values() if (name := _frame_format(member))]
    if not found:
        return None
    kinds = found + [(one, _format_or_auto(one) or "auto") for one in stems.values()]
    others = [entry for entry in _entries(folder) if entry.suffix.lower() in POSE_SUFFIXES[1:]]
    kinds += [(entry, name) for entry in others if (name := _format_or_auto(entry))]
    _check_one_format(kinds, folder.name)
    return found[0][1]


def _frame_format(member: Path) -> str | None:
    """The format of a JSON file that holds a single frame; None for any other file."""
    try:
        content = load_json(member)
    except FidgetyError:
        return None
    return next((name for name, one in FORMATS.items() if one.is_frame and one.is_frame(content)),
                None)  # fmt: skip


def _check_one_format(found: list[tuple[Path, str]], where: str) -> None:
    """Raise `PoseError` E333 if two formats lie side by side."""
    first: dict[str, Path] = {}
    for path, name in found:
        if name != "auto":
            first.setdefault(name, path)
    if len(first) > 1:
        (one, here), (other, there) = list(first.items())[:2]
        raise PoseError(
            "E333",
            f"Two formats in one folder: {one} ({here.name}) and {other} ({there.name})",
            where=where,
            remedy="Keep one format a folder, or say which is meant with --format",
        )


def _recognised(source: Source) -> str:
    name = _format_of(source)
    if name is not None:
        return name
    if source.is_folder and not source.members:
        raise PoseError(
            "E332",
            "No pose files in this folder",
            where=source.name,
            remedy="Give the folder that holds the pose tool's JSON files, one a frame",
        )
    if source.path.suffix.lower() in (".pkl", ".pickle"):
        return "stam-pickle"  # its reader says why it is refused
    if source.path.suffix.lower() == ".json" and not source.looks_like_json:
        load_json(source.path)  # says that it is none
    raise PoseError(
        "E330",
        "This is no pose format known here",
        where=source.name,
        remedy=f"Known are {', '.join(FORMATS)}; name it with --format if it is one of them",
    )


def _format_of(source: Source) -> str | None:
    return next((name for name, one in FORMATS.items() if one.recognise(source)), None)


def _checked(name: str) -> str:
    if name not in FORMATS:
        raise PoseError("E342", f"No format named {name!r}", remedy=f"Use {', '.join(FORMATS)}")
    return name


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
