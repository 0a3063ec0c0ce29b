"""CSV tables: a row a frame by joint name (ours among them), and MediaPipe's landmarks."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from fidgety.files import whole_file
from fidgety.pose.formats.bodies import BodyFrames, pose_of
from fidgety.pose.formats.cells import (
    Header,
    frame_of,
    header_of,
    needed_header,
    numbers_in,
    texts_in,
)
from fidgety.pose.formats.joint_names import arrange, layout_named, rows_named
from fidgety.pose.formats.source import MAX_FRAMES, Given, Source, malformed, too_many_frames
from fidgety.pose.pose import Pose
from fidgety.pose.skeleton import Skeleton, load_skeleton

__all__ = [
    "read_csv",
    "read_mediapipe",
    "recognise_csv",
    "recognise_mediapipe",
    "write_csv",
]

MAX_LANDMARKS = 1000
CONFIDENCE = "c|v|p|s|conf|confidence|visibility|likelihood|score"
FIELD = f"x|y|z|presence|{CONFIDENCE}"
_NAMED = re.compile(rf"(?P<joint>.+?)[\s_.\-]+(?P<field>{FIELD})", re.IGNORECASE)
_NUMBERED = re.compile(rf"(?P<field>{FIELD})[\s_.\-]*(?P<joint>\d+)", re.IGNORECASE)
_DIGITS = re.compile(r"(?:landmark|keypoint|point|joint|kp|lm)?[\s_.\-]*(\d+)", re.IGNORECASE)
SECONDS = ("time_s", "time_sec", "time_seconds", "seconds", "timestamp_s")
MILLISECONDS = ("time_ms", "timestamp_ms", "milliseconds")
EITHER = ("time", "timestamp")
FRAMES = ("frame", "frame_id", "frame_number", "frame_idx", "frameid", "image", "file_name")


def recognise_csv(source: Source) -> bool:
    """True for a table with x and y columns of at least five joints."""
    header = header_of(source)
    return header is not None and len(_joints(header)) >= 5 and not _is_mediapipe(header)


def recognise_mediapipe(source: Source) -> bool:
    """True for such a table with z or 33 numbered points, or with one row a landmark."""
    header = header_of(source)
    return header is not None and (_is_mediapipe(header) or _long_columns(header) is not None)


def _joints(header: Header) -> dict[str, dict[str, int]]:
    """Joint -> field (x, y, z or c) -> column, for joints that have x and y."""
    found: dict[str, dict[str, int]] = {}
    for column, cell in enumerate(header.rows[0]):
        name = cell.strip().strip("#")
        if name.lower() in (*SECONDS, *MILLISECONDS):
            continue
        match = _NUMBERED.fullmatch(name) or _NAMED.fullmatch(name)
        if match is None:
            continue
        field = match["field"].lower()
        if field not in ("x", "y", "z", "presence"):
            field = "c"
        found.setdefault(match["joint"], {}).setdefault(field, column)
    return {joint: fields for joint, fields in found.items() if {"x", "y"} <= set(fields)}


def _is_mediapipe(header: Header) -> bool:
    joints = _joints(header)
    flat = any({"z", "c"} <= set(fields) for fields in joints.values())
    return len(joints) >= 5 and (flat or (len(joints) == 33 and _numbers_of(joints) is not None))


def read_csv(source: Source, given: Given) -> Pose:
    """Read a table with a row a frame and ``<joint>_x``, ``<joint>_y``, perhaps a confidence.

    Times come from a time column, else from frame numbers or row order and `fps`.

    Raises
    ------
    PoseError
        E334 not such a table, E341 joint names of no layout, E345 fractions of an image of unknown
        size, E316 no times and no fps.
    """
    return _read_wide(source, given, "csv")


def read_mediapipe(source: Source, given: Given) -> Pose:
    """Read MediaPipe landmarks: named or numbered columns, or a row a landmark; as `read_csv`.

    Coordinates are fractions of the image as a rule, so `size` is needed. z is left out.
    """
    header = needed_header(source)
    if _long_columns(header) is not None and not _joints(header):
        return _read_long(source, given, header)
    if given.skeleton is None:
        given = Given(load_skeleton("blazepose33"), given.fps, given.size, given.individual)
    return _read_wide(source, given, "mediapipe-csv")


def write_csv(pose: Pose, path: Path) -> Path:
    """Write ``time_s`` and ``<joint>_x``, ``_y``, ``_confidence`` columns, a row a frame.

    Missing positions are empty cells. Skeleton name, image size and history are not kept.
    """
    columns: dict[str, pa.Array] = {"time_s": pa.array(pose.time)}
    for row, joint in enumerate(pose.skeleton.joints):
        for axis, name in enumerate("xy"):
            columns[f"{joint}_{name}"] = pa.array(pose.xy[:, row, axis], from_pandas=True)
        columns[f"{joint}_confidence"] = pa.array(pose.confidence[:, row])
    with whole_file(path) as draft:
        pa_csv.write_csv(
            pa.table(columns),
            draft,
            pa_csv.WriteOptions(quoting_style="none", quoting_header="none"),
        )
    return path


def _read_wide(source: Source, given: Given, name: str) -> Pose:
    header = needed_header(source)
    joints = _joints(header)
    if len(joints) < 2:
        malformed(source.name, "it has no columns like nose_x, nose_y")
    place = {"x": 0, "y": 1, "c": 2}
    wanted = [(joint, field) for joint, fields in joints.items() for field in fields]
    wanted = [(joint, field) for joint, field in wanted if field in place]
    cells = numbers_in(source, header, [joints[joint][field] for joint, field in wanted], skip=1)
    points = np.full((len(cells), len(joints), 3), np.nan)
    points[..., 2] = 1.0
    row_of = {joint: row for row, joint in enumerate(joints)}
    for column, (joint, field) in enumerate(wanted):
        points[:, row_of[joint], place[field]] = cells[:, column]
    ordered = _numbers_of(joints)
    skeleton: Skeleton | None = None
    if ordered is None:
        skeleton = layout_named(list(joints), given.skeleton, source.name)
        points = arrange(points, rows_named(list(joints), skeleton, source.name))
    else:
        points = points[:, ordered]
    numbers, time = _clock(source, header, len(cells), given.fps)
    if numbers is not None:
        order = np.argsort(numbers, kind="stable")
        numbers, points = numbers[order], points[order]
    frames = BodyFrames(
        np.arange(len(cells)) if numbers is None else numbers,
        [one[None] for one in points],
        skeleton=skeleton,
        time=time,
    )
    return pose_of(frames, given, name, source.name)


def _read_long(source: Source, given: Given, header: Header) -> Pose:
    """One row a landmark: frame, landmark (number or name), x, y, perhaps a confidence."""
    columns = _long_columns(header)
    assert columns is not None
    texts = texts_in(source, header, columns[1])
    cells = numbers_in(source, header, [columns[0], *columns[2:]], skip=1)  # frame, x, y (, c)
    if np.isnan(cells[:, 0]).any() or (cells[:, 0] != np.round(cells[:, 0])).any():
        malformed(source.name, "a frame number is not a whole number")
    names = sorted(set(texts), key=lambda text: (not text.isdecimal(), int(text or 0)
                   if text.isdecimal() else 0, text))  # fmt: skip
    if len(names) > MAX_LANDMARKS:
        malformed(source.name, f"it names {len(names)} different landmarks")
    numbers, rows = np.unique(cells[:, 0].astype(np.int64), return_inverse=True)
    if len(numbers) * len(names) > MAX_FRAMES * 40:
        too_many_frames(len(numbers), source.name)
    points = np.full((len(numbers), len(names), 3), np.nan)
    row_of = {name: row for row, name in enumerate(names)}
    joint = np.array([row_of[text] for text in texts])
    points[rows, joint, 2] = 1.0
    points[rows, joint, : cells.shape[1] - 1] = cells[:, 1:]
    skeleton: Skeleton | None = None
    if not all(name.isdecimal() for name in names):
        skeleton = layout_named(names, given.skeleton or load_skeleton("blazepose33"), source.name)
        points = arrange(points, rows_named(names, skeleton, source.name))
    frames = BodyFrames(numbers, [one[None] for one in points], skeleton=skeleton)
    return pose_of(frames, given, "mediapipe-csv", source.name)


def _long_columns(header: Header) -> list[int] | None:
    """Columns frame, landmark, x, y and, if there is one, confidence."""
    frame = header.column(*FRAMES)
    joint = header.column("landmark", "landmark_id", "landmark_name", "keypoint", "joint", "name")
    x, y = header.column("x"), header.column("y")
    if frame is None or joint is None or x is None or y is None:
        return None
    confidence = header.column(*CONFIDENCE.split("|"))
    return [frame, joint, x, y, *([] if confidence is None else [confidence])]


def _numbers_of(joints: dict[str, dict[str, int]]) -> list[int] | None:
    """The order of joints that are only numbered; None if they have names."""
    found = [_DIGITS.fullmatch(joint) for joint in joints]
    numbers = [int(match[1]) for match in found if match]
    if len(numbers) < len(joints) or sorted(numbers)[-1] - min(numbers) != len(joints) - 1:
        return None
    return list(np.argsort(numbers))


def _clock(
    source: Source, header: Header, rows: int, fps: float | None
) -> tuple[NDArray[np.int64] | None, NDArray[np.float64] | None]:
    """Frame numbers (T,) or times in seconds (T,) of the rows; None where the table has none."""
    seconds, milli = header.column(*SECONDS), header.column(*MILLISECONDS)
    either, frame = header.column(*EITHER), header.column(*FRAMES)
    if seconds is not None:
        return None, numbers_in(source, header, [seconds], skip=1)[:, 0]
    if milli is not None:
        return None, numbers_in(source, header, [milli], skip=1)[:, 0] / 1000
    if either is not None and fps is None and rows > 1:
        time = numbers_in(source, header, [either], skip=1)[:, 0]
        step = float(np.nanmedian(np.diff(time)))
        if 0.002 <= step <= 0.5:  # 2 to 500 frames/s; the same range again in milliseconds
            return None, time
        if 2 <= step <= 500:
            return None, time / 1000
    if frame is not None:
        texts = texts_in(source, header, frame)
        numbers = [frame_of(text.removesuffix(".0"), source.name) for text in texts]
        return np.array(numbers, dtype=np.int64), None
    return None, None
