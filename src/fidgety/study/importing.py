"""Pose files of other tools -> a study: one native file for each recording, labels beside them."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from fidgety.engines import Engine
from fidgety.errors import StudyError, warn
from fidgety.files import existing, file_error, parse_json
from fidgety.pose.formats import find_parts, read
from fidgety.study.batch import BatchReport, Progress, State, run_batch
from fidgety.study.labels import (
    LabelRow,
    check_rows,
    read_labels,
    row_finder,
    stated_fps,
    unlabelled,
    write_labels,
)
from fidgety.study.names import listing, safe_name

__all__ = ["ImportReport", "import_study"]


@dataclass(frozen=True)
class ImportReport(BatchReport):
    """What `import_study` did; ``kept`` were imported before and their files have not changed.

    Parameters
    ----------
    out : Path
        The study folder.
    labelled : bool
        Whether the study has labels, without which it can be assessed but not trained on.
    """

    out: Path = Path()
    labelled: bool = False

    def summary(self) -> str:
        """One line or two for people."""
        done, kept, failed = (self.named(state) for state in ("done", "kept", "failed"))
        parts = [f"{len(done)} imported"]
        parts += [f"{len(kept)} already up to date"] if kept else []
        parts += [f"{len(failed)} failed: {listing(failed)}"] if failed else []
        text = ", ".join(parts)
        if not self.labelled and (done or kept):
            text += (
                ". No labels: these can be prepared and assessed; to train, add labels.csv with "
                "the columns infant_id,label"
            )
        return text


@dataclass(frozen=True)
class _Source:
    """Where a recording comes from, and what the user says of it."""

    path: Path
    format: str
    skeleton: str | None
    fps: float | None
    size: tuple[int, int] | None
    individual: str | None


def import_study(
    src: str | os.PathLike[str],
    out: str | os.PathLike[str],
    format: str = "auto",
    *,
    skeleton: str | None = None,
    fps: float | None = None,
    size: tuple[int, int] | None = None,
    individual: str | None = None,
    labels: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    skip_unlabelled: bool = False,
    workers: int | Engine = 1,
) -> ImportReport:
    """Bring pose files of other tools into a study folder.

    Writes ``estimated_poses/<recording>.parquet`` and, if labels are given or lie beside the pose
    files, ``labels.csv``; both are added to what the folder holds. A recording that cannot be read
    does not stop the others. Run again, it reads only what is new, changed, or asked for with other
    options.

    Parameters
    ----------
    src : path-like
        One recording (a file, or a folder of one file a frame), one file or folder that holds
        several, or a folder of many.
    out : path-like
        The study folder; made if it does not exist.
    format : str
        A name of `fidgety.pose.formats.FORMATS`, or ``"auto"``.
    skeleton, fps, size, individual : optional
        What the files do not say themselves; see `fidgety.pose.formats.read`. Without `fps`, that
        of each recording in the column ``fps`` of the labels.
    labels : path-like, optional
        A labels file as `read_labels` takes it; default: labels.csv or labels.txt in `src`, if any.
    progress : callable (done, total, name), optional
        Called after each recording.
    skip_unlabelled : bool
        Leave out, with a warning, recordings that the labels do not name.
    workers : int or Engine
        Processes, or a cluster.

    Raises
    ------
    StudyError
        E201 recordings that the labels do not name; E207, E208, E210, E211 labels that contradict
        themselves or the study's; E208 names that differ only by case; E209 a name that cannot be a
        file; E219 a frame rate of the labels that is no number.
    PoseError
        E332 nothing to import; else as `fidgety.pose.formats.find_parts`.
    FileError
        E501, E502, E504 the system refused.
    """
    source, target = existing(src), Path(out)
    found = {
        name: _Source(path.absolute(), kind, skeleton, fps, size, part)
        for name, path, kind, part in find_parts(source, format, individual)
    }
    _refuse_names(found)
    rows = _labels_for(source, target, labels)
    if rows:
        found = _timed(_labelled(found, rows, skip_unlabelled), rows)
        write_labels(target / "labels.csv", rows)
    work = partial(_import, found, target / "estimated_poses")
    outcomes = run_batch(work, list(found), progress, workers)
    return ImportReport(outcomes, target, bool(rows))


def _import(found: dict[str, _Source], folder: Path, name: str) -> State:
    source = found[name]
    target = folder / f"{name}.parquet"
    said = {key: value for key, value in asdict(source).items() if key != "path"}
    said["size"] = None if source.size is None else list(source.size)
    if _newer(target, source.path) and _imported_as(target) == said:
        return "kept"
    pose = read(
        source.path,
        format=source.format,
        skeleton=source.skeleton,
        fps=source.fps,
        size=source.size,
        individual=source.individual,
    )
    pose.then("import", arguments=said).save(target)
    return "done"


def _newer(target: Path, source: Path) -> bool:
    """Whether `target` was written after `source`, or after every file in it, last changed."""
    try:
        if not target.is_file():
            return False
        written = target.stat().st_mtime_ns
        parts = [source, *source.iterdir()] if source.is_dir() else [source]
        return all(part.stat().st_mtime_ns < written for part in parts)
    except OSError as error:
        raise file_error(error, source) from error


def _imported_as(target: Path) -> dict[str, Any] | None:
    """What the user had said of a recording when it was imported."""
    try:
        raw = (pq.read_schema(target).metadata or {}).get(b"fidgety", b"{}")
        history = parse_json(raw).get("history") or []
        step = next(s for s in reversed(history) if s.get("step") == "import")
    except (pa.ArrowException, OSError, ValueError, AttributeError, StopIteration):
        return None
    return {key: value for key, value in step.items() if key != "step"}


def _refuse_names(found: dict[str, _Source]) -> None:
    spelled: dict[str, str] = {}
    for name, source in found.items():
        safe_name(name, source.path.name)
        other = spelled.setdefault(name.casefold(), name)
        if other != name:
            raise StudyError(
                "E208",
                f"Recordings {other!r} and {name!r} differ only by case",
                why="on many systems one file would replace the other",
                remedy="Rename one of them",
            )


def _labels_for(
    source: Path, target: Path, given: str | os.PathLike[str] | None
) -> tuple[LabelRow, ...]:
    """Labels given, or beside the pose files, added to those that the study has."""
    beside = [source / name for name in ("labels.csv", "labels.txt") if source.is_dir()]
    files = [Path(given)] if given is not None else [p for p in beside if p.is_file()][:1]
    held = [target / name for name in ("labels.csv", "labels.txt") if (target / name).is_file()]
    new = [row for file in files for row in read_labels(file)]
    old = [row for file in held[:1] for row in read_labels(file)]
    said = {_key(row): row.label for row in new}
    # A row said again may bring a label, a site or an age; a label that differs is refused below.
    kept = [r for r in old if _key(r) not in said or r.label not in (None, said[_key(r)])]
    rows = (*kept, *new)
    check_rows(rows, "the labels given and the study's" if old and new else "labels")
    return rows


def _key(row: LabelRow) -> tuple[str, str | None]:
    return row.infant_id, row.recording


def _labelled(
    found: dict[str, _Source], rows: tuple[LabelRow, ...], skip_unlabelled: bool
) -> dict[str, _Source]:
    row_of = row_finder(rows)
    rowless = [name for name in found if (row := row_of(name)) is None or row.label is None]
    if not rowless:
        return found
    problem = unlabelled(rowless, len(found))
    if not skip_unlabelled:
        raise problem
    warn("W201", f"{problem.what}, not imported", why=problem.why)
    return {name: source for name, source in found.items() if name not in set(rowless)}


def _timed(found: dict[str, _Source], rows: tuple[LabelRow, ...]) -> dict[str, _Source]:
    """Sources with the frame rates that the labels give, where the user gave none for all."""
    row_of = row_finder(rows)
    return {
        name: replace(source, fps=stated_fps(row.extra, name))
        if source.fps is None and (row := row_of(name)) is not None
        else source
        for name, source in found.items()
    }
