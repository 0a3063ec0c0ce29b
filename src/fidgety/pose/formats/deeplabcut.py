"""The CSV tables of DeepLabCut and Lightning Pose: three or four header rows, a row a frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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
from fidgety.pose.formats.source import (
    Given,
    Source,
    choose_recording,
    malformed,
    number_array,
)
from fidgety.pose.pose import Pose

__all__ = ["read", "recognise", "wide_pose"]

FIELDS = ("x", "y", "likelihood")


def recognise(source: Source) -> bool:
    """True for the three or four header rows scorer, (individuals,) bodyparts, coords."""
    header = header_of(source)
    return header is not None and _scorer_rows(header) is not None


def read(source: Source, given: Given) -> Pose:
    """Read the CSV of DeepLabCut or Lightning Pose; body parts are matched by name.

    Rows are frames by number, or images whose names end in one; ``individual`` chooses where
    several are tracked.

    Raises
    ------
    PoseError
        E334, E338 several individuals, E341 body parts of no layout, E316 no fps.
    """
    header = needed_header(source)
    rows = _scorer_rows(header)
    if rows is None:
        malformed(source.name, "its first rows are not scorer, bodyparts, coords")
    parts, coords = header.rows[rows[0]], header.rows[rows[1]]
    if len({len(row) for row in header.rows[: rows[1] + 1]}) > 1:
        malformed(source.name, "its header rows differ in length")
    data = [i for i, cell in enumerate(coords) if cell.strip().lower() in FIELDS]
    columns = data
    if rows[2] is not None:
        who = [header.rows[rows[2]][i] for i in data]
        wanted = choose_recording(who, given.individual, source.name)
        columns = [i for i, name in zip(data, who, strict=True) if name == wanted]
    if not columns:
        malformed(source.name, "it has no x and y columns")
    cells = numbers_in(source, header, columns, skip=rows[1] + 1)
    names = list(dict.fromkeys(parts[i] for i in columns))
    points = np.full((len(cells), len(names), 3), np.nan)
    points[..., 2] = 1.0
    for i, column in zip(columns, cells.T, strict=True):
        points[:, names.index(parts[i]), FIELDS.index(coords[i].strip().lower())] = column
    skeleton = layout_named(names, given.skeleton, source.name)
    points = arrange(points, rows_named(names, skeleton, source.name))
    numbers = np.arange(len(cells))
    if data[0]:  # the columns before the first joint name the frame, the last of them its image
        index = texts_in(source, header, data[0] - 1, skip=rows[1] + 1)
        numbers = np.array([frame_of(text, source.name) for text in index], dtype=np.int64)
    order = np.argsort(numbers, kind="stable")
    frames = BodyFrames(numbers[order], [points[row][None] for row in order], skeleton=skeleton)
    return pose_of(frames, given, "deeplabcut", source.name)


def wide_pose(
    labels: list[tuple[str, ...]],
    values: NDArray[np.float64],
    index: NDArray[np.int64] | None,
    given: Given,
    name: str,
    where: str,
) -> Pose:
    """The pose in a table (T, columns) whose columns are named scorer, (individual,) part, field.

    Raises
    ------
    PoseError
        E334 no x and y, or infinite values; E338 several individuals; E341 parts of no layout.
    """
    columns = [k for k, label in enumerate(labels) if label[-1].strip().lower() in FIELDS]
    if not columns or any(len(labels[k]) not in (3, 4) for k in columns):
        malformed(where, "its columns are not named scorer, bodyparts, coords")
    who = [labels[k][1] for k in columns if len(labels[k]) == 4]
    if who:
        wanted = choose_recording(who, given.individual, where)
        columns = [k for k in columns if len(labels[k]) == 4 and labels[k][1] == wanted]
    names = list(dict.fromkeys(labels[k][-2] for k in columns))
    points = np.full((len(values), len(names), 3), np.nan)
    points[..., 2] = 1.0
    for k in columns:
        field = FIELDS.index(labels[k][-1].strip().lower())
        points[:, names.index(labels[k][-2]), field] = values[:, k]
    number_array(points, where)  # refuses infinite values
    skeleton = layout_named(names, given.skeleton, where)
    points = arrange(points, rows_named(names, skeleton, where))
    numbers = np.arange(len(points)) if index is None else index
    order = np.argsort(numbers, kind="stable")
    frames = BodyFrames(numbers[order], [points[row][None] for row in order], skeleton=skeleton)
    return pose_of(frames, given, name, where)


def _scorer_rows(header: Header) -> tuple[int, int, int | None] | None:
    """Rows of body parts and coordinates, and of individuals if there are any."""
    heads = [row[0].strip().lower() if row else "" for row in header.rows]
    if heads[:3] == ["scorer", "bodyparts", "coords"]:
        return 1, 2, None
    if heads[:4] == ["scorer", "individuals", "bodyparts", "coords"]:
        return 2, 3, 1
    return None
