"""The labels file of a study: who was filmed, what an expert said, and which names may be files."""

from __future__ import annotations

import csv
import io
import math
import os
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fidgety.errors import StudyError
from fidgety.files import existing, file_error, write_text
from fidgety.study.names import infant_named, is_sub_sequence, listing, safe_name, wholes

__all__ = [
    "LABEL_NAMES",
    "LabelRow",
    "check_rows",
    "read_labels",
    "read_rows",
    "row_finder",
    "stated_fps",
    "unlabelled",
    "write_labels",
]

LABEL_NAMES = {0: "normal", 1: "abnormal"}
COLUMNS = ("infant_id", "label", "recording", "age_weeks", "site")  # the order without a header
_LARGEST_FILE = 64 * 2**20  # bytes; a million rows take about 20 MB


@dataclass(frozen=True)
class LabelRow:
    """One row of a labels file, checked.

    Parameters
    ----------
    infant_id : str
        Code of the infant.
    label : int or None
        1 = fidgety movements absent or abnormal, 0 = normal, None = not given.
    recording : str or None
        The recording meant; None = every recording named after the infant.
    age_weeks : float or None
        Corrected age in weeks after term.
    site : str or None
        Where the infant was filmed.
    extra : dict of str to str
        Any further columns.
    line : int
        Line of the file, from 1.
    """

    infant_id: str
    label: int | None
    recording: str | None = None
    age_weeks: float | None = None
    site: str | None = None
    extra: dict[str, str] = field(default_factory=dict)
    line: int = 0


def read_labels(path: str | os.PathLike[str]) -> tuple[LabelRow, ...]:
    """Read ``labels.csv`` or ``labels.txt`` and refuse whatever contradicts itself.

    The columns are ``infant_id,label`` and, if wanted, ``recording``, ``age_weeks``, ``site`` and
    any others. ``labels.txt`` may come without a header (columns then in that order). A byte-order
    mark, CRLF, blank lines, spaces around cells, and tabs or semicolons for commas are tolerated.

    Raises
    ------
    StudyError
        E205 not a labels file; E206 a label other than 0 or 1; E207 an infant with two labels;
        E208 codes that differ only by case or spaces; E209 a code that cannot be a file name; E210
        a row or recording given twice; E211 a code that reads like another's sub-sequence; E219 an
        impossible age.
    """
    source = existing(path, "labels file")
    records = read_rows(source, COLUMNS, needed=("infant_id", "label"))
    rows = tuple(_label_row(line, cells, source.name) for line, cells in records)
    if not rows:
        raise _unreadable(source.name, "it has no rows")
    # As they stand in the file: spaces around a code may tell a typo, or a second hand.
    _refuse_typos(((cells["infant_id"], line) for line, cells in records), source.name)
    check_rows(rows, source.name)
    return rows


def check_rows(rows: Sequence[LabelRow], where: str) -> None:
    """Refuse rows that contradict each other: E207, E208, E210, E211 as `read_labels`."""
    _refuse_typos(((row.infant_id, row.line) for row in rows), where)
    _refuse_typos(((row.recording, row.line) for row in rows if row.recording), where)
    _refuse_contradictions(rows, where)
    _refuse_pieces(rows, where)


def row_finder(rows: Iterable[LabelRow]) -> Callable[[str], LabelRow | None]:
    """A function that gives the row of a recording's name, or None.

    A row with that name as its ``recording`` comes first; then a row without any, of the infant
    that the name belongs to by the rule of `infant_named`.
    """
    kept = tuple(rows)
    declared = {row.recording: row for row in kept if row.recording}
    of_infant = {row.infant_id: row for row in kept if not row.recording}
    infants = {row.infant_id: row.infant_id for row in kept}

    def find(name: str) -> LabelRow | None:
        if name in declared:
            return declared[name]
        return of_infant.get(infant_named(name, infants) or "")

    return find


def stated_fps(extra: Mapping[str, str], name: str) -> float | None:
    """Frame rate that the column ``fps`` of a labels file gives a recording, if it does.

    Raises
    ------
    StudyError
        E219 where it is no number above 0.
    """
    cell = extra.get("fps")
    if not cell:
        return None
    try:
        fps = float(cell)
    except ValueError:
        fps = math.nan
    if not (math.isfinite(fps) and fps > 0):
        raise StudyError(
            "E219",
            f"The fps {cell[:40]!a} is not a number above 0",
            where=name,
            remedy="Correct the column fps of the labels file",
        )
    return fps


def unlabelled(names: Collection[str], total: int, kind: str = "recordings") -> StudyError:
    """E201 for the named recordings (or infants) out of `total`."""
    return StudyError(
        "E201",
        f"{len(names)} of {total} {kind} have no label",
        why=listing(names),
        remedy="Add them to labels.csv, or use --skip-unlabelled",
    )


def read_rows(
    source: Path, columns: Sequence[str], needed: Sequence[str]
) -> list[tuple[int, dict[str, str]]]:
    """Lines of a small comma-separated file as (line number, column -> cell), cells not stripped.

    The first line is a header if one of its cells is ``label``; without one, `columns` in order.

    Raises
    ------
    StudyError
        E205 if the text is not UTF-8, a needed column is missing, or a row has too many cells.
    """
    text = _text(source)
    first = text.lstrip().partition("\n")[0]
    delimiter = next((mark for mark in ",;\t" if mark in first), ",")
    try:
        reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
        lines = [(reader.line_num, cells) for cells in reader if any(c.strip() for c in cells)]
    except csv.Error as error:
        raise _unreadable(source.name, str(error)) from error
    if not lines:
        raise _unreadable(source.name, "it is empty")
    names = [cell.strip().lower() for cell in lines[0][1]]
    if "label" in names:
        lines = lines[1:]
    elif source.suffix == ".csv":
        raise _unreadable(source.name, "its first line does not name the columns")
    else:
        names = list(columns[: max(len(cells) for _, cells in lines)])
    missing = [name for name in needed if name not in names]
    if missing or len(set(names)) != len(names):
        fault = f"no column {missing[0]}" if missing else "a column name is repeated"
        raise _unreadable(source.name, fault)
    for number, cells in lines:
        if len(cells) > len(names) or len(cells) < len(needed):
            raise _unreadable(source.name, f"line {number} has {len(cells)} cells")
    return [
        (number, dict(zip(names, cells + [""] * (len(names) - len(cells)), strict=True)))
        for number, cells in lines
    ]


def write_labels(path: str | os.PathLike[str], rows: Iterable[LabelRow]) -> Path:
    """Write rows as ``labels.csv``, with the columns that any of them uses; return the path."""
    kept = list(rows)
    extra = sorted({name for row in kept for name in row.extra})
    used = [
        name
        for name in COLUMNS
        if name in COLUMNS[:2] or any(getattr(row, name) is not None for row in kept)
    ]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(used + extra)
    for row in kept:
        cells = [getattr(row, name) for name in used]
        cells = [f"{cell:g}" if isinstance(cell, float) else cell for cell in cells]
        writer.writerow(cells + [row.extra.get(name, "") for name in extra])
    return write_text(path, text.getvalue())


def _text(source: Path) -> str:
    try:
        if not source.is_file() or source.stat().st_size > _LARGEST_FILE:
            raise _unreadable(source.name, "it is not a text file of a sensible size")
        return source.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unreadable(source.name, "it is not UTF-8 text") from error
    except OSError as error:
        raise error if isinstance(error, StudyError) else file_error(error, source) from error


def _label_row(line: int, cells: dict[str, str], where: str) -> LabelRow:
    values = {name: cell.strip() for name, cell in cells.items()}
    place = f"{where}, line {line}"
    recording = values.get("recording") or None
    return LabelRow(
        infant_id=safe_name(values["infant_id"], place),
        label=_label(values["label"], place),
        recording=None if recording is None else safe_name(recording, place),
        age_weeks=_age(values.get("age_weeks", ""), place),
        site=values.get("site") or None,
        extra={name: value for name, value in values.items() if name not in COLUMNS},
        line=line,
    )


def _label(cell: str, place: str) -> int | None:
    known = {"": None, "0": 0, "1": 1, "0.0": 0, "1.0": 1}  # tables with gaps are saved as floats
    if cell in known:
        return known[cell]
    raise StudyError(
        "E206",
        f"Label {cell[:40]!a} is neither 0 nor 1",
        where=place,
        remedy="Write 1 for absent or abnormal fidgety movements, 0 for normal ones",
    )


def _age(cell: str, place: str) -> float | None:
    if not cell:
        return None
    try:
        age = float(cell)
    except ValueError:
        age = float("nan")
    if -20 <= age <= 200:  # weeks after term; preterm infants are filmed before it
        return age
    raise StudyError(
        "E219",
        f"Age {cell[:40]!a} is not a corrected age in weeks",
        where=place,
        remedy="Give weeks after term as a number, for example 12.5, or leave the cell empty",
    )


def _refuse_typos(codes: Iterable[tuple[str, int]], where: str) -> None:
    spellings: dict[str, dict[str, int]] = defaultdict(dict)
    for code, line in codes:
        key = "".join(unicodedata.normalize("NFKC", code).casefold().split())
        spellings[key].setdefault(code, line)
    for same in spellings.values():
        if len(same) > 1:
            (one, first), (other, second) = list(same.items())[:2]
            raise StudyError(
                "E208",
                f"Codes {one!r} (line {first}) and {other!r} (line {second}) differ only by case "
                "or spaces",
                where=where,
                why="if they are one infant, it could be in training and test at once",
                remedy="Write each infant's code in one way",
            )


def _refuse_contradictions(rows: Sequence[LabelRow], where: str) -> None:
    labels: dict[str, LabelRow] = {}
    seen: dict[str, LabelRow] = {}
    for row in rows:
        first = labels.setdefault(row.infant_id, row)
        if first.label != row.label:
            raise StudyError(
                "E207",
                f"Infant {row.infant_id} has two labels",
                where=where,
                why=f"{_shown(first)} in line {first.line}, {_shown(row)} in line {row.line}",
                remedy="A label belongs to the infant: give one, the same in all its rows",
            )
        name = row.recording or row.infant_id
        other = seen.setdefault(name, row)
        if other is not row:
            raise StudyError(
                "E210",
                f"Recording {name} stands in line {other.line} and line {row.line}",
                where=where,
                remedy="Delete one row, or tell an infant's recordings apart in a column named "
                "recording",
            )


def _refuse_pieces(rows: Sequence[LabelRow], where: str) -> None:
    labels = {row.infant_id: row for row in rows}
    for row in rows:
        name = row.recording or row.infant_id
        if name in labels and name != row.infant_id:
            raise StudyError(
                "E211",
                f"A recording of infant {row.infant_id} is named {name}, like another infant",
                where=f"{where}, line {row.line}",
                remedy="Rename the recording or the infant",
            )
    for infant in labels:
        labelled = sorted(base for base in wholes(infant) if base in labels)
        if labelled or is_sub_sequence(infant):
            base = labelled[0] if labelled else infant.rpartition("_sub_")[0]
            raise StudyError(
                "E211",
                f"Infant code {infant} reads like a sub-sequence of {base}",
                where=f"{where}, line {labels[infant].line}",
                why="pieces of one infant must never count as several infants",
                remedy="Label infants, not sub-sequences, or give one infant another code",
            )


def _shown(row: LabelRow) -> str:
    return "none" if row.label is None else str(row.label)


def _unreadable(where: str, why: str) -> StudyError:
    return StudyError(
        "E205",
        "Not a table of infants and labels",
        where=where,
        why=why,
        remedy="Write UTF-8 text with the columns infant_id,label",
    )
