"""The list of formats, and which of them a file or folder holds, judged by its content."""

from __future__ import annotations

import os
from pathlib import Path

from fidgety.errors import FidgetyError, PoseError
from fidgety.files import entries, existing
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
from fidgety.pose.formats.source import Format, Source, frame_number, load_json

__all__ = [
    "FORMATS",
    "check_one_format",
    "checked",
    "format_or_auto",
    "frames_format",
    "recognise",
    "recognised",
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


def recognise(path: str | os.PathLike[str]) -> str:
    """The name in `FORMATS` of what a file or folder holds, judged by its content.

    Raises
    ------
    PoseError
        E330 if it is none of them, E331 if it is damaged JSON, E332 if a folder holds none.
    """
    return recognised(Source(existing(path)))


def recognised(source: Source) -> str:
    """`recognise`, of an open source."""
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


def format_or_auto(entry: Path) -> str | None:
    """Format of a recording; "auto" for a pose file that cannot be told; None for anything else."""
    if entry.is_dir():  # damaged frames are named as a failure, not passed over
        return frames_format(entry) or ("auto" if Source(entry).members else None)
    try:
        name = _format_of(Source(entry))
    except FidgetyError:
        name = None
    return name or ("auto" if entry.suffix.lower() in POSE_SUFFIXES else None)


def frames_format(folder: Path) -> str | None:
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
    kinds = found + [(one, format_or_auto(one) or "auto") for one in stems.values()]
    others = [entry for entry in entries(folder) if entry.suffix.lower() in POSE_SUFFIXES[1:]]
    kinds += [(entry, name) for entry in others if (name := format_or_auto(entry))]
    check_one_format(kinds, folder.name)
    return found[0][1]


def _frame_format(member: Path) -> str | None:
    """The format of a JSON file that holds a single frame; None for any other file."""
    try:
        content = load_json(member)
    except FidgetyError:
        return None
    return next((name for name, one in FORMATS.items() if one.is_frame and one.is_frame(content)),
                None)  # fmt: skip


def check_one_format(found: list[tuple[Path, str]], where: str) -> None:
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


def checked(name: str) -> str:
    """The name, if there is such a format; `PoseError` E342 otherwise."""
    if name not in FORMATS:
        raise PoseError("E342", f"No format named {name!r}", remedy=f"Use {', '.join(FORMATS)}")
    return name
