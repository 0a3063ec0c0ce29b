"""Poses read back from their native Parquet file (`Pose.save`)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from fidgety.errors import PoseError
from fidgety.files import existing, parse_json
from fidgety.pose.pose import SCHEMA_VERSION, Pose, is_size
from fidgety.pose.skeleton import BUILT_IN_SKELETONS, Skeleton, load_skeleton

__all__ = ["MAX_ROWS", "MAX_VALUES", "read_native"]

MAX_ROWS = 1_000_000  # frames: 9 h at 30 frames/s
MAX_VALUES = 1 << 28  # of a file, so at most 2 GiB in memory


def read_native(path: str | os.PathLike[str]) -> Pose:
    """Read a native Parquet pose file.

    Raises
    ------
    PoseError
        E320 not a readable native pose file; E321 columns that do not fit the skeleton; E322
        written by a newer version; E337 longer than any recording; else as `Pose`.
    """
    source = existing(path, "pose file")
    try:
        with pq.ParquetFile(source) as parquet:
            raw = (parquet.schema_arrow.metadata or {}).get(b"fidgety")
            if raw is None:
                raise _not_native(source, "it carries no fidgety metadata")
            meta = parse_json(raw)
            _check_extent(parquet.metadata, source)
            return _pose_of(parquet, meta, source)
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, PoseError):
            raise
        raise _not_native(
            source, str(error).splitlines()[0] if str(error) else "unreadable"
        ) from error
    finally:
        pa.default_memory_pool().release_unused()  # it would keep what was read


def _pose_of(parquet: pq.ParquetFile, meta: Any, source: Path) -> Pose:
    if not isinstance(meta, dict) or not isinstance(meta.get("schema_version"), int):
        raise _not_native(source, "its metadata name no schema version")
    if meta["schema_version"] > SCHEMA_VERSION:
        raise PoseError(
            "E322",
            f"Written by a newer version of fidgety (schema {meta['schema_version']})",
            where=source.name,
            remedy="Update fidgety",
        )
    size, unit, history = meta.get("size"), meta.get("unit", "px"), meta.get("history") or []
    if unit not in ("px", "trunk") or not (size is None or is_size(size)):
        raise _not_native(source, "its unit or image size makes no sense")
    if not isinstance(history, list):
        raise _not_native(source, "its history is not a list")
    try:
        layout = meta.get("skeleton")
        if isinstance(layout, dict):
            skeleton = Skeleton.from_dict(layout)
        elif layout in BUILT_IN_SKELETONS:  # a name from a file must not lead to other files
            skeleton = load_skeleton(layout)
        else:
            raise _not_native(source, f"it names no known skeleton but {layout!r}")
        return Pose(
            **_columns(parquet, skeleton),
            size=None if size is None else (int(size[0]), int(size[1])),
            skeleton=skeleton,
            unit=unit,
            source=str(meta.get("source", "")),
            history=tuple(step for step in history if isinstance(step, dict)),
        )
    except PoseError as error:  # what is wrong is known, now also in which file
        raise PoseError(
            error.code, error.what, where=source.name, why=error.why, remedy=error.remedy
        ) from error


def _check_extent(content: Any, path: Path) -> None:
    """Raise `PoseError` E337 before more is unpacked than any recording holds."""
    if content.num_rows > MAX_ROWS or content.num_rows * content.num_columns > MAX_VALUES:
        raise PoseError(
            "E337",
            f"{content.num_rows} frames of {content.num_columns} columns are no recording",
            where=path.name,
            remedy="Divide the recording into shorter ones",
        )


def _columns(parquet: pq.ParquetFile, skeleton: Skeleton) -> dict[str, Any]:
    """Positions, confidence, time and film of a native table, a joint at a time."""

    def read(*names: str) -> list[NDArray[np.float64]]:
        part = parquet.read(columns=list(names), use_threads=False)
        return [part[name].to_numpy().astype(np.float64) for name in names]

    frames, joints = parquet.metadata.num_rows, skeleton.joints
    xy, confidence = np.empty((frames, len(joints), 2)), np.empty((frames, len(joints)))
    columns = [[f"{joint}_{kind}" for kind in ("x", "y", "confidence")] for joint in joints]
    try:
        for row, names in enumerate(columns):
            xy[:, row, 0], xy[:, row, 1], confidence[:, row] = read(*names)
        of_joints = {name for names in columns for name in names}
        measures = [
            name
            for name in parquet.schema_arrow.names
            if name.startswith("film_") and name not in of_joints
        ]
        for array in (xy, confidence):
            array.setflags(write=False)  # so that the pose takes them as they are
        return {
            "xy": xy,
            "confidence": confidence,
            "time": read("time_s")[0],
            "film": {name[5:]: read(name)[0] for name in measures},
        }
    except (KeyError, ValueError, TypeError, pa.ArrowException) as error:
        raise PoseError(
            "E321",
            f"Columns do not fit skeleton {skeleton.name}",
            why=str(error),
            remedy="Write the file with Pose.save, or import it with its own format",
        ) from error


def _not_native(path: Path, why: str) -> PoseError:
    return PoseError(
        "E320",
        "Not a native pose file",
        where=path.name,
        why=why,
        remedy="Import poses of other tools with: fidgety import",
    )
