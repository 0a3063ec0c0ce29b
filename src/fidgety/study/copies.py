"""The same film twice: found by what the files hold, whatever they are called."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fidgety.errors import StudyError, warn
from fidgety.files import file_error, regular
from fidgety.pose.stored import MAX_ROWS, MAX_VALUES

__all__ = ["content_digest", "file_digest", "refuse_copies"]


def refuse_copies(recordings: Iterable[tuple[str, str, Path]]) -> None:
    """Refuse one film under two infants.

    Files are first told apart by what costs little (the extremes that Parquet files keep of their
    columns, sizes); only those that agree are read in full.

    Parameters
    ----------
    recordings : iterable of (str, str, Path)
        Name, infant code, and file or folder of each recording.

    Raises
    ------
    StudyError
        E203 if two infants share a recording with the same content, whatever its name.

    Warns
    -----
    FidgetyWarning
        W203 if one infant has the same film twice.
    """
    alike: dict[object, list[tuple[str, str, Path]]] = defaultdict(list)
    for recording in recordings:
        alike[_glance(recording[2])].append(recording)
    for group in alike.values():
        seen: dict[str, tuple[str, str, Path]] = {}
        for recording in group if len(group) > 1 else ():
            name, infant, path = recording
            other, whose, _ = seen.setdefault(content_digest(path), recording)
            if whose != infant:
                raise StudyError(
                    "E203",
                    f"Identical to recording {other} of infant {whose}",
                    where=f"recording {name} of infant {infant}",
                    why="the same film under two codes would be learnt and tested on",
                    remedy="Correct the infant code before training",
                )
            if other != name:
                warn(
                    "W203",
                    f"Identical to recording {other} of the same infant",
                    where=name,
                    remedy="Delete one: it counts twice",
                )


def content_digest(path: Path) -> str:
    """SHA-256 of the positions in a pose file, not of how they were written.

    Native files count by their columns without the times, so that two exports of one film are equal
    although their metadata or frame rates differ. Anything else counts by its bytes.
    """
    if path.suffix != ".parquet":
        return file_digest(path)
    digest = hashlib.sha256()
    try:
        with pq.ParquetFile(regular(path)) as parquet:
            about = parquet.metadata
            values = about.num_rows * about.num_columns
            if about.num_rows > MAX_ROWS or values > MAX_VALUES:
                return file_digest(path)  # no recording; whoever reads it will say so
            table = parquet.read()
        for name in sorted(set(table.column_names) - {"time_s"}):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(table[name].to_numpy()).tobytes())
    except (pa.ArrowException, TypeError, ValueError):
        return file_digest(path)  # not a native file; whoever reads it will say so
    except OSError as error:
        raise file_error(error, path) from error
    return digest.hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, or of a folder's files in order of name."""
    digest = hashlib.sha256()
    try:
        for file in _files(path):
            with regular(file).open("rb") as handle:
                while block := handle.read(1 << 20):
                    digest.update(block)
    except OSError as error:
        raise file_error(error, path) from error
    return digest.hexdigest()


def _glance(path: Path) -> object:
    """Equal for files of equal content, and rarely for others; cheap."""
    if path.suffix == ".parquet":
        try:
            about = pq.read_metadata(regular(path))
            places = {about.schema.column(k).name: k for k in range(about.num_columns)}
            chosen = sorted(name for name in places if name.endswith("_x"))[:6]
            groups = [about.row_group(k) for k in range(about.num_row_groups)]
            extremes = [
                (kept.min, kept.max)
                for name in chosen
                for group in groups
                if (kept := group.column(places[name]).statistics) and kept.has_min_max
            ]
            return about.num_rows, tuple(extremes)
        except (pa.ArrowException, OSError, TypeError):
            return path  # unreadable; whoever reads it will say so
    try:
        return tuple(file.stat().st_size for file in _files(path))
    except OSError as error:
        raise file_error(error, path) from error


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(f for f in path.iterdir() if f.is_file() and not f.name.startswith("."))
