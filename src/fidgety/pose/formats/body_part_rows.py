"""Tables with a row for each body part and frame, many films in one: Chambers et al. 2020.

Columns ``video``, ``frame``, ``bp`` (``RShoulder`` ...), ``x``, ``y`` and, where they are there,
``fps``, ``pixel_x``, ``pixel_y``, a confidence: a pickled pandas frame (``pose_estimates.pkl`` of
doi 10.1109/TNSRE.2020.3029121) or CSV. Pickles are read without running anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fidgety.errors import PoseError
from fidgety.files import file_error
from fidgety.pose.formats.bodies import BodyFrames, pose_of
from fidgety.pose.formats.cells import header_of, needed_header, numbers_in, texts_in
from fidgety.pose.formats.inert_pickle import MAX_PICKLE_BYTES, Record, as_array, load_inert
from fidgety.pose.formats.inert_table import columns_of, names_of
from fidgety.pose.formats.joint_names import arrange, layout_named, rows_named
from fidgety.pose.formats.source import (
    HEAD_BYTES,
    MAX_FRAMES,
    Given,
    Source,
    choose_recording,
    malformed,
    read_bytes,
    too_many_frames,
)
from fidgety.pose.pose import Pose

__all__ = ["read", "recognise", "recordings"]

TEXTS, NUMBERS = ("video", "bp"), ("frame", "x", "y")
EXTRA = ("fps", "pixel_x", "pixel_y")
CONFIDENCE = ("c", "confidence", "score", "likelihood")
MAX_PARTS = 1000


@dataclass(frozen=True)
class _Rows:
    """The table: places of video and part among their names, and the numbers, (rows,) each."""

    videos: list[str]
    parts: list[str]
    video: NDArray[np.int64]
    part: NDArray[np.int64]
    numbers: dict[str, NDArray[np.float64]]


def recognise(source: Source) -> bool:
    """True for such a CSV, and for a pickle that names such columns and no peaks."""
    if source.is_folder:
        return False
    if source.head[:1] == b"\x80":
        ends = source.head + _tail(source.path)
        return b"limbs_subset" not in ends and all(
            name.encode() in ends for name in ("video", "frame", "bp", "pixel_x")
        )
    header = header_of(source)
    return header is not None and all(header.column(n) is not None for n in (*TEXTS, *NUMBERS))


def recordings(source: Source) -> list[str]:
    """Names of the videos in the table, sorted."""
    return sorted(_rows(source).videos)


def read(source: Source, given: Given) -> Pose:
    """Read one video of the table; ``individual`` names it where there are several.

    Frame rate and image size come from the table where it has them. Parts without a row are
    missing; without a confidence column, those with one have confidence 1.

    Raises
    ------
    PoseError
        E301 a pickle that is no such table, E334 columns not laid out so, E338 several videos, E339
        a part twice in one frame, E341 parts of no layout, E316 no fps.
    """
    rows = _rows(source)
    wanted = choose_recording(rows.videos, given.individual, source.name)
    mine = np.flatnonzero(rows.video == rows.videos.index(wanted))
    frame = rows.numbers["frame"][mine]
    mine, frame = mine[np.isfinite(frame)], frame[np.isfinite(frame)]
    if (frame != np.round(frame)).any() or (np.abs(frame) > 1 << 53).any():
        malformed(source.name, "a frame number is not a whole number")
    numbers, row = np.unique(frame.astype(np.int64), return_inverse=True)
    if len(numbers) > MAX_FRAMES:
        too_many_frames(len(numbers), source.name)
    if len(np.unique(row * len(rows.parts) + rows.part[mine])) < len(mine):
        raise PoseError(
            "E339",
            f"A body part is there twice in one frame of {wanted}",
            where=source.name,
            remedy="Keep one row for each video, frame and body part",
        )
    points = np.full((len(numbers), len(rows.parts), 3), np.nan)
    for place, name in enumerate(("x", "y", "confidence")):
        points[row, rows.part[mine], place] = rows.numbers[name][mine]
    skeleton = layout_named(rows.parts, given.skeleton, source.name)
    points = arrange(points, rows_named(rows.parts, skeleton, source.name))
    fps, width, height = (_only(rows, name, mine, source.name) for name in EXTRA)
    size = None if width is None or height is None else (int(width), int(height))
    frames = BodyFrames(numbers, [one[None] for one in points], skeleton=skeleton, size=size)
    said = Given(given.skeleton, given.fps if fps is None else fps, given.size, wanted)
    return pose_of(frames, said, "body-part-rows", source.name)


def _only(rows: _Rows, name: str, mine: NDArray[np.intp], where: str) -> float | None:
    """The one value of a video in a column; None without column or value."""
    values = rows.numbers[name][mine] if name in rows.numbers else np.array([])
    values = np.unique(values[np.isfinite(values)])
    if len(values) > 1:
        malformed(where, f"one video has several values of {name}")
    return float(values[0]) if len(values) else None


def _rows(source: Source) -> _Rows:
    try:
        stat = source.path.stat()
    except OSError as error:
        raise file_error(error, source.path) from error
    return _rows_of(source.path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=1)  # one table holds many films, which are read one after another
def _rows_of(path: Path, changed: int, size: int) -> _Rows:
    source = Source(path)
    columns = _pickled(source) if source.head[:1] == b"\x80" else _csv(source)
    coded: dict[str, tuple[list[str], NDArray[np.int64]]] = {}
    for name in TEXTS:
        try:
            texts = pa.array(columns.pop(name), pa.string()).dictionary_encode()
        except (pa.ArrowException, TypeError):
            malformed(source.name, f"the column {name} holds something else than texts")
        if texts.null_count:
            malformed(source.name, f"the column {name} has empty cells")
        coded[name] = (texts.dictionary.to_pylist(), texts.indices.to_numpy().astype(np.int64))
    if len(coded["bp"][0]) > MAX_PARTS:
        malformed(source.name, f"it names {len(coded['bp'][0])} different body parts")
    numbers = {name: _numbers(values, source.name) for name, values in columns.items()}
    confidence = next((numbers.pop(name) for name in CONFIDENCE if name in numbers), None)
    seen = np.isfinite(numbers["x"]) & np.isfinite(numbers["y"])
    numbers["confidence"] = seen.astype(float) if confidence is None else confidence
    (videos, video), (parts, part) = coded["video"], coded["bp"]
    return _Rows(videos, parts, video, part, numbers)


def _csv(source: Source) -> dict[str, Any]:
    header = needed_header(source)
    places = {name: header.column(name) for name in (*TEXTS, *NUMBERS, *EXTRA, *CONFIDENCE)}
    missing = next((n for n in (*TEXTS, *NUMBERS) if places[n] is None), None)
    if missing is not None:
        malformed(source.name, f"the table has no column {missing}")
    found = {name: place for name, place in places.items() if place is not None}
    numeric = [name for name in found if name not in TEXTS]
    cells = numbers_in(source, header, [found[name] for name in numeric], skip=1)
    columns: dict[str, Any] = {name: texts_in(source, header, found[name]) for name in TEXTS}
    return columns | dict(zip(numeric, cells.T, strict=True))


def _pickled(source: Source) -> dict[str, Any]:
    content = load_inert(read_bytes(source.path, MAX_PICKLE_BYTES), source.name)
    extra = [n for n in (*EXTRA, *CONFIDENCE) if n in names_of(content, source.name)]
    return dict(columns_of(content, (*TEXTS, *NUMBERS, *extra), source.name))


def _numbers(values: NDArray[Any], where: str) -> NDArray[np.float64]:
    """A column as floats; None is NaN, and numbers may have been pickled one by one."""
    if values.dtype == object:
        plain = [as_array(v)[()] if isinstance(v, Record) else v for v in values]
        if not all(v is None or isinstance(v, int | float | np.number) for v in plain):
            malformed(where, "a column of numbers holds something else")
        values = np.array([np.nan if v is None else float(v) for v in plain])
    if values.dtype.kind not in "iuf":
        malformed(where, "a column of numbers holds something else")
    out = values.astype(np.float64)
    if np.isinf(out).any():
        raise PoseError("E340", "Infinite coordinates", where=where, remedy="Leave them empty")
    return out


def _tail(path: Path) -> bytes:
    """The last 64 KiB of a file, where newer pandas write the names of the columns."""
    try:
        with path.open("rb") as handle:
            handle.seek(max(0, path.stat().st_size - HEAD_BYTES))
            return handle.read(HEAD_BYTES)
    except OSError as error:
        raise file_error(error, path) from error
