"""Infant kinetics of Helsinki and Pisa (Zenodo 14269866): a Feather file a segment of 20 s.

Holmberg et al. 2025, doi 10.1109/TNSRE.2025.3568269. Columns ``neck_x``, ``neck_y``, ``neck_z`` ...
of 18 joints; rows are indexed by augmentation, stream (j joints, b bones, v velocity, a
acceleration) and frame. The neck lies at the origin and the body is turned so that the mean trunk
points along y and the infant's left along x. Layout as the authors' published code writes it.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fidgety.errors import PoseError
from fidgety.pose.formats.inert_arrow import read_arrow
from fidgety.pose.formats.joint_names import layout_named, rows_named
from fidgety.pose.formats.source import MAX_FRAMES, Given, Source, malformed
from fidgety.pose.pose import Pose, check_fps

__all__ = ["read", "recognise"]

STREAM = "j"  # positions; the other streams are derived from them
# The lengths have no unit the files name. The body is laid on an image of this size, neck fixed.
SIZE, NECK, TRUNK_PX = (1000, 1000), (500.0, 350.0), 200.0
CORE = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")


def recognise(source: Source) -> bool:
    """True for an Arrow file with joints' x, y, z and an index of streams."""
    if not source.head.startswith(b"ARROW1"):
        return False
    try:
        with pa.memory_map(str(source.path)) as mapped:
            names = pa.ipc.open_file(mapped).schema.names
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        return False
    return len(_joints(names)) >= 5 and any(name.startswith("__index_level") for name in names)


def read(source: Source, given: Given) -> Pose:
    """Read the positions of one segment, seen along z, on an image of 1000 x 1000 px.

    Neck at (500, 350), the median trunk 200 px long; all confidences 1. A segment shorter than 600
    frames was filled up with copies from its start: the copies are cut off.

    Raises
    ------
    PoseError
        E334 not laid out so, E341 joints of no layout, E316 no fps.
    """
    fps, where = check_fps(given.fps), source.name
    table = _positions(source)
    names = list(_joints(table.column_names))
    columns = [table[f"{name}_{axis}"] for name in names for axis in "xy"]
    try:
        cells = np.stack([column.to_numpy().astype(np.float64) for column in columns], axis=1)
    except (pa.ArrowException, TypeError, ValueError):
        malformed(where, "a coordinate is not a number")
    xy = cells.reshape(len(cells), len(names), 2)
    if not 0 < len(xy) <= MAX_FRAMES:
        malformed(where, f"it holds {len(xy)} frames of positions")
    if np.isinf(xy).any():
        raise PoseError("E340", "Infinite coordinates", where=where, remedy="Leave them empty")
    length = _without_copies(xy)
    skeleton = layout_named(names, given.skeleton, where)
    rows = rows_named(names, skeleton, where)
    xy = xy[:length, rows]  # (T, V, 2)
    xy[:, rows < 0] = np.nan
    scale = TRUNK_PX / _trunk(xy[:, skeleton.rows(*CORE)], where)
    return Pose.at_fps(
        xy * scale + NECK,
        np.isfinite(xy).all(axis=2).astype(float),
        fps,
        skeleton,
        SIZE,
        "infant-kinetics",
    ).then(
        "read",
        arguments={
            "format": "infant-kinetics",
            "skeleton": skeleton.name,
            "px_per_unit": scale,
            "copied_frames_cut": len(cells) - length,
        },
    )


def _joints(names: list[str]) -> dict[str, None]:
    """Joints that have an x and a y column, in the order of the columns."""
    return {name[:-2]: None for name in names if name.endswith("_x") and f"{name[:-2]}_y" in names}


def _positions(source: Source) -> pa.Table:
    """The rows of the positions' stream, of the original and not an augmented copy."""
    try:
        table = read_arrow(source.path)
    except PoseError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        malformed(source.name, (str(error).splitlines() or ["unreadable"])[0][:200])
    texts = [
        name
        for name in table.column_names
        if name.startswith("__index_level") and _is_text(table.schema.field(name).type)
    ]
    stream = next((name for name in texts if STREAM in table[name].unique().to_pylist()), None)
    if stream is None:
        malformed(source.name, f"no index names a stream {STREAM!r} of positions")
    keep = np.array(table[stream].to_pylist()) == STREAM
    for name in texts:
        if name != stream:
            values = np.array(table[name].to_pylist())
            kept = list(dict.fromkeys(values[keep].tolist()))
            keep &= values == ("original" if "original" in kept else kept[0])
    return table.filter(pa.array(keep))


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _without_copies(xy: NDArray[np.float64]) -> int:
    """Frames before the segment starts again from its first, as the authors fill up short ones."""
    flat = xy.reshape(len(xy), -1)
    again = np.flatnonzero((flat[1:] == flat[0]).all(axis=1)) + 1
    return next((int(n) for n in again if (flat[n:] == flat[: len(flat) - n]).all()), len(flat))


def _trunk(core: NDArray[np.float64], where: str) -> float:
    """Median length from the middle of the shoulders to that of the hips (T, 4, 2)."""
    trunk = core[:, :2].mean(axis=1) - core[:, 2:].mean(axis=1)
    lengths = np.linalg.norm(trunk, axis=1)
    lengths = lengths[np.isfinite(lengths)]
    if not len(lengths) or np.median(lengths) <= 0:
        malformed(where, "shoulders and hips are missing, or in one place")
    return float(np.median(lengths))
