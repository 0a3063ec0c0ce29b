"""HDF5 files of SLEAP and NWB (ndx-pose), through `movement`, and of DeepLabCut.

They are taken apart by a process of its own (`hdf5_apart`); what comes from it is looked at here.
"""

from __future__ import annotations

import datetime
import importlib
import importlib.util
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fidgety.errors import PoseError
from fidgety.files import whole_file
from fidgety.pose.formats.bodies import BodyFrames, pose_of
from fidgety.pose.formats.deeplabcut import wide_pose
from fidgety.pose.formats.hdf5_apart import ask
from fidgety.pose.formats.hdf5_reading import interop_library
from fidgety.pose.formats.joint_names import arrange, layout_named, rows_named
from fidgety.pose.formats.source import (
    MAX_FRAMES,
    Given,
    Source,
    check_bytes,
    choose_recording,
    malformed,
    too_many_frames,
)
from fidgety.pose.pose import Pose, check_fps

__all__ = [
    "read_deeplabcut_h5",
    "read_nwb",
    "read_sleap",
    "recognise_deeplabcut_h5",
    "recognise_nwb",
    "recognise_sleap",
    "write_nwb",
]

UNKNOWN_START = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
HDF5 = b"\x89HDF\r\n\x1a\n"


def recognise_nwb(source: Source) -> bool:
    """True for an HDF5 file that says it is NWB; for any HDF5 that cannot be looked into."""
    kind = _kind(source)
    return kind in ("nwb", "unknown")


def recognise_sleap(source: Source) -> bool:
    """True for SLEAP's .slp files and analysis files."""
    return _kind(source) == "sleap"


def recognise_deeplabcut_h5(source: Source) -> bool:
    """True for DeepLabCut's .h5 tables."""
    return _kind(source) == "deeplabcut"


def read_nwb(source: Source, given: Given) -> Pose:
    """Read an NWB file with an ndx-pose ``PoseEstimation``. Raises as `_read`."""
    return _read(source, given, "nwb", "NWB")


def read_sleap(source: Source, given: Given) -> Pose:
    """Read a SLEAP .slp or analysis file. Raises as `_read`."""
    return _read(source, given, "sleap", "SLEAP")


def read_deeplabcut_h5(source: Source, given: Given) -> Pose:
    """Read a DeepLabCut .h5 file; not through movement, whose reader would run pickles in it.

    Raises
    ------
    PoseError
        E343 the extra is missing, E334 not laid out so, E301 names that are no plain names, E338
        several individuals, E341 body parts of no layout, E316 no fps.
    """
    fps = check_fps(given.fps)
    words, (values, *index) = ask("frame", _checked(source, "h5py"))
    labels = [tuple(label) for label in words["labels"]]
    if len(values) > MAX_FRAMES:
        too_many_frames(len(values), source.name)
    return wide_pose(
        labels,
        values,
        index[0] if index else None,
        replace(given, fps=fps),
        "deeplabcut-h5",
        source.name,
    )


def _checked(source: Source, *libraries: str) -> Path:
    """The file, after a look at whether it may be read at all."""
    if source.is_folder or not source.head.startswith(HDF5):
        malformed(source.name, "it is no HDF5 file")
    check_bytes(source.path)
    for name in libraries:
        if importlib.util.find_spec(name) is None:
            interop_library(name)  # says that it is missing
    return source.path


def write_nwb(pose: Pose, path: Path) -> Path:
    """Write an NWB file with an ndx-pose ``PoseEstimation`` of one subject, ``infant``.

    A pose does not know its calendar date: the session starts at 1970-01-01, which says so.

    Raises
    ------
    PoseError
        E343 if the extra ``interop`` is not installed.
    """
    movement_io, pynwb = interop_library("movement.io"), interop_library("pynwb")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # other projects' own deprecations
        dataset = movement_io.load_poses.from_numpy(
            position_array=pose.xy.transpose(0, 2, 1)[..., None],  # (T, 2, V, 1)
            confidence_array=pose.confidence[..., None],
            individual_names=["infant"],
            keypoint_names=list(pose.skeleton.joints),
            fps=pose.fps if len(pose) > 1 else 1.0,
            source_software="fidgety",
        ).assign_coords(time=pose.time)
        details = interop_library("movement.io.nwb").NWBFileSaveConfig(
            nwbfile_kwargs={
                "session_description": "pose of an infant",
                "session_start_time": UNKNOWN_START,
            }
        )
        save = interop_library("movement.io.save_poses")
        with whole_file(path) as draft, pynwb.NWBHDF5IO(draft, mode="w") as file:
            file.write(save.to_nwb_file(dataset, details))
    return path


def _read(source: Source, given: Given, name: str, software: str) -> Pose:
    """One individual of a movement dataset as a pose.

    Raises
    ------
    PoseError
        E343 the extra is missing, E346 movement cannot read the file, E338 several individuals,
        E341 keypoints of no layout, E316 no fps.
    """
    path = _checked(source, "h5py", "movement", "pynwb")
    fps = None if name == "nwb" else check_fps(given.fps)
    words, arrays = ask("dataset", path, software=software, fps=fps)
    return _pose_of_dataset(words, arrays, given, name, source.name)


def _pose_of_dataset(
    words: dict[str, Any], arrays: list[np.ndarray], given: Given, name: str, where: str
) -> Pose:
    individuals = words["individuals"]
    row = individuals.index(choose_recording(individuals, given.individual, where))
    positions, confidences, time = arrays
    if positions.shape[:3] != confidences.shape or time.shape != positions.shape[1:2]:
        malformed(where, "its points, confidences and times differ in number")
    if len(time) > MAX_FRAMES:
        too_many_frames(len(time), where)
    position, confidence = positions[row], confidences[row]
    if position.shape[-1] < 2:
        malformed(where, "its points have no x and y")
    if np.isnan(confidence).all():
        confidence = np.ones_like(confidence)  # a tool that writes none
    points = np.concatenate([position[..., :2], confidence[..., None]], axis=-1)  # (T, K, 3)
    names = words["keypoints"]
    skeleton = layout_named(names, given.skeleton, where)
    points = arrange(points.astype(np.float64), rows_named(names, skeleton, where))
    frames = BodyFrames(
        np.arange(len(points)),
        [one[None] for one in points],
        skeleton=skeleton,
        time=time,
    )
    return pose_of(frames, given, name, where)


def _kind(source: Source) -> str | None:
    """nwb, sleap or deeplabcut by the names inside; "unknown" if that cannot be seen."""
    if source.is_folder or not source.head.startswith(HDF5):
        return None
    if importlib.util.find_spec("h5py") is None:
        return "unknown"
    try:
        words, _ = ask("kind", source.path)
    except PoseError:
        return "unknown"  # damaged: its reader says so
    return words["kind"]
