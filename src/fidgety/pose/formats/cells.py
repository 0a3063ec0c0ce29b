"""The cells of a CSV table: its header from the first lines, its columns as numbers or texts."""

from __future__ import annotations

import csv
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from fidgety.errors import PoseError
from fidgety.pose.formats.source import (
    MAX_FRAMES,
    Source,
    check_bytes,
    frame_number,
    malformed,
    too_many_frames,
)

__all__ = ["Header", "frame_of", "header_of", "needed_header", "numbers_in", "texts_in"]

MAX_COLUMNS = 5000
MISSING = ["", "nan", "NaN", "NA", "N/A", "null", "None"]


@dataclass(frozen=True)
class Header:
    """The first rows of a table: how its cells are divided, and what its columns hold."""

    rows: list[list[str]]
    delimiter: str
    decimal: str

    def column(self, *names: str) -> int | None:
        """The first column with one of the names, in any case."""
        bare = [cell.strip().lower() for cell in self.rows[0]]
        return next((bare.index(name) for name in names if name in bare), None)


def header_of(source: Source) -> Header | None:
    """The first rows of a text table, or None if the file is none."""
    if source.is_folder or b"\0" in source.head or source.looks_like_json or not source.head:
        return None
    try:
        text = source.head.decode(
            "utf-8-sig", errors="strict" if len(source.head) < 1000 else "ignore"
        )
    except UnicodeDecodeError:
        return None
    lines = text.splitlines()[:6]
    first = lines[0] if lines else ""
    delimiter = max(",;\t", key=first.count)
    if not first.count(delimiter):
        return None
    try:
        rows = list(csv.reader(lines, delimiter=delimiter))
    except csv.Error:
        return None
    decimal = "," if delimiter == ";" and any("," in line for line in lines[1:]) else "."
    return Header(rows, delimiter, decimal) if len(rows[0]) <= MAX_COLUMNS else None


def needed_header(source: Source) -> Header:
    """As `header_of`; `PoseError` E334 if the file is no table."""
    header = header_of(source)
    if header is None:
        malformed(source.name, "it is no table of comma-separated values")
    return header


def frame_of(text: str, where: str) -> int:
    """The frame number in a cell, which may be an image's name; `PoseError` E334 if none."""
    number = frame_number(text)[1]
    if number is None:
        malformed(where, f"a row is not named by a frame: {text[:40]!r}")
    return number


def numbers_in(
    source: Source, header: Header, columns: list[int], *, skip: int
) -> NDArray[np.float64]:
    """Columns of the table as (rows, columns) float64; empty cells and NaN are NaN."""
    table = _table(source, header, columns, pa.float64(), skip)
    cells = np.stack([table[f"c{i}"].to_numpy(zero_copy_only=False) for i in columns], axis=1)
    if np.isinf(cells).any():
        raise PoseError(
            "E340", "Infinite coordinates", where=source.name, remedy="Leave such cells empty"
        )
    return cells.astype(np.float64)


def texts_in(source: Source, header: Header, column: int, *, skip: int = 1) -> list[str]:
    """One column of the table as texts, "" where a cell is empty."""
    table = _table(source, header, [column], pa.string(), skip)
    return [str(text) for text in table[f"c{column}"].to_pylist()]


def _table(
    source: Source, header: Header, columns: list[int], kind: pa.DataType, skip: int
) -> pa.Table:
    check_bytes(source.path)
    width = len(header.rows[skip - 1])
    try:
        table = pa_csv.read_csv(
            source.path,
            pa_csv.ReadOptions(
                skip_rows=skip, column_names=[f"c{i}" for i in range(width)], use_threads=False
            ),
            pa_csv.ParseOptions(delimiter=header.delimiter),
            pa_csv.ConvertOptions(
                include_columns=[f"c{i}" for i in sorted(set(columns))],
                column_types={f"c{i}": kind for i in columns},
                null_values=MISSING,
                strings_can_be_null=False,
                decimal_point=header.decimal,
            ),
        )
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        why = str(error).splitlines()[0].replace("In CSV column #", "column ")
        malformed(source.name, why[:200], "Check the row named; is the last line cut off?")
    if table.num_rows == 0:
        raise PoseError("E313", "The pose has no frames", where=source.name,
                        remedy="Check that the recording is not empty")  # fmt: skip
    if table.num_rows > MAX_FRAMES * 40:
        too_many_frames(table.num_rows, source.name)
    return table
