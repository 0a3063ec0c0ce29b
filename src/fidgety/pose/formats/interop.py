"""HDF5 files of SLEAP and NWB (ndx-pose), through `movement`, and of DeepLabCut."""

from __future__ import annotations

import datetime
import importlib
import importlib.util
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from fidgety.errors import PoseError
from fidgety.files import whole_file
from fidgety.pose.formats.bodies import BodyFrames, pose_of
from fidgety.pose.formats.deeplabcut import wide_pose
from fidgety.pose.formats.inert_hdf5 import check_tree, read_frame
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
    labels, values, index = read_frame(_checked(source), source.path)
    if len(values) > MAX_FRAMES:
        too_many_frames(len(values), source.name)
    return wide_pose(labels, values, index, replace(given, fps=fps), "deeplabcut-h5", source.name)


def _checked(source: Source) -> ModuleType:
    """h5py, after a look at whether the file may be read at all."""
    if source.is_folder or not source.head.startswith(HDF5):
        malformed(source.name, "it is no HDF5 file")
    check_bytes(source.path)
    h5py = _module("h5py")
    check_tree(h5py, source.path)
    return h5py


def write_nwb(pose: Pose, path: Path) -> Path:
    """Write an NWB file with an ndx-pose ``PoseEstimation`` of one subject, ``infant``.

    A pose does not know its calendar date: the session starts at 1970-01-01, which says so.

    Raises
    ------
    PoseError
        E343 if the extra ``interop`` is not installed.
    """
    movement_io, pynwb = _module("movement.io"), _module("pynwb")
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
        details = _module("movement.io.nwb").NWBFileSaveConfig(
            nwbfile_kwargs={
                "session_description": "pose of an infant",
                "session_start_time": UNKNOWN_START,
            }
        )
        save = _module("movement.io.save_poses")
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
    _checked(source)
    movement_io = _module("movement.io")
    fps = None if name == "nwb" else check_fps(given.fps)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = movement_io.load_dataset(source.path, source_software=software, fps=fps)
        if name == "nwb":
            times = _timestamps(source.path, dataset.time.values)
            dataset = dataset.assign_coords(time=times)
    except Exception as error:  # whatever the libraries below it raise
        why = str(error).strip().splitlines()
        raise PoseError(
            "E346",
            f"movement cannot read this as {software}",
            where=source.name,
            why=why[0][:200] if why else type(error).__name__,
            remedy="Check the file in the tool that wrote it, or export it as CSV",
        ) from error
    return _pose_of_dataset(dataset, given, name, source.name)


def _timestamps(path: Path, even: np.ndarray) -> np.ndarray:
    """The true times (T,) of an NWB file's pose series; `even`, which movement gives, if none."""
    found: list[np.ndarray] = []

    def visit(name: str, item: Any) -> None:
        if item.attrs.get("neurodata_type") == "PoseEstimationSeries" and "timestamps" in item:
            times = item["timestamps"]
            if times.shape == even.shape:
                found.append(times[:])

    with _module("h5py").File(path, "r") as file:
        file.visititems(visit)
    return found[0] if found else even


def _pose_of_dataset(dataset: Any, given: Given, name: str, where: str) -> Pose:
    individuals = [str(one) for one in dataset.individuals.values]
    row = individuals.index(choose_recording(individuals, given.individual, where))
    if dataset.sizes["time"] > MAX_FRAMES:
        too_many_frames(dataset.sizes["time"], where)
    position = dataset.position.transpose("individuals", "time", "keypoints", "space").values[row]
    confidence = dataset.confidence.transpose("individuals", "time", "keypoints").values[row]
    if position.shape[-1] < 2:
        malformed(where, "its points have no x and y")
    if np.isnan(confidence).all():
        confidence = np.ones_like(confidence)  # a tool that writes none
    points = np.concatenate([position[..., :2], confidence[..., None]], axis=-1)  # (T, K, 3)
    names = [str(one) for one in dataset.keypoints.values]
    skeleton = layout_named(names, given.skeleton, where)
    points = arrange(points.astype(np.float64), rows_named(names, skeleton, where))
    frames = BodyFrames(
        np.arange(len(points)),
        [one[None] for one in points],
        skeleton=skeleton,
        time=np.asarray(dataset.time.values, dtype=np.float64),
    )
    return pose_of(frames, given, name, where)


def _kind(source: Source) -> str | None:
    """nwb, sleap or deeplabcut by the names inside; "unknown" if that cannot be seen."""
    if not source.head.startswith(HDF5):
        return None
    try:
        h5py = _module("h5py")
    except PoseError:
        return "unknown"
    try:
        with h5py.File(source.path, "r") as file:
            keys = set(file)
            if "nwb_version" in file.attrs:
                return "nwb"
    except (OSError, RuntimeError, KeyError, ValueError):
        return "unknown"  # damaged: its reader says so
    if {"tracks", "node_names"} <= keys or {"metadata", "frames", "points"} <= keys:
        return "sleap"
    return "deeplabcut" if {"df_with_missing", "keypoints"} & keys else None


def _module(name: str) -> ModuleType:
    try:
        with warnings.catch_warnings(), _no_log_of_names():
            warnings.simplefilter("ignore")
            return importlib.import_module(name)
    except ImportError as error:
        raise PoseError(
            "E343",
            f"Reading and writing this format needs {name.partition('.')[0]}",
            why="the extra 'interop' is not installed",
            remedy="pip install 'fidgety[interop]'",
        ) from error


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
