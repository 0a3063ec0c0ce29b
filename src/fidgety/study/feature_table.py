"""Engineered features of a study as a table, one row a recording, with a data dictionary."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fidgety.errors import ConfigError, StudyError
from fidgety.files import write_text
from fidgety.models.features import SETS, Feature, FeatureSet
from fidgety.motion import PoseSequence
from fidgety.study.batch import BatchReport, Progress, State, run_batch
from fidgety.study.profiled import profiled_sequence
from fidgety.study.study import Recording, Study

__all__ = ["FeatureTable", "feature_table", "sets_named", "write_feature_table"]

_FIRST = (
    Feature("infant_id", "", "code of the infant"),
    Feature("recording", "", "name of the recording"),
    Feature("label", "1", "1 = fidgety movements absent or abnormal, 0 = normal; empty = unknown"),
)


@dataclass(frozen=True)
class FeatureTable:
    """Features of a study's recordings.

    Parameters
    ----------
    sets : tuple of FeatureSet
        What was measured.
    recordings : tuple of Recording
        The rows, sorted by name; those that failed are left out.
    rows : tuple of tuple of float
        One number for each feature of each set, in order; NaN = missing.
    report : BatchReport
        What became of every recording.
    """

    sets: tuple[FeatureSet, ...]
    recordings: tuple[Recording, ...]
    rows: tuple[tuple[float, ...], ...]
    report: BatchReport


def sets_named(names: Sequence[str]) -> tuple[FeatureSet, ...]:
    """Feature sets of those names, each once; ``all`` stands for every set.

    Raises
    ------
    ConfigError
        E707 for an unknown name, or none.
    """
    wanted = dict.fromkeys(SETS if "all" in names else names)
    unknown = [name for name in (*wanted, *names) if name != "all" and name not in SETS]
    if unknown or not wanted:
        raise ConfigError(
            "E707",
            f"No feature set named {unknown[0]!r}" if unknown else "No feature set is named",
            remedy=f"Choose from {', '.join(SETS)}, all",
        )
    return tuple(SETS[name] for name in wanted)


def feature_table(
    study: Study,
    sets: Sequence[str],
    *,
    fps: float | None = None,
    channels: str | None = None,
    progress: Progress | None = None,
) -> FeatureTable:
    """Measure the features of every recording of a study.

    Each set reads the recordings through its own preprocessing profile: from the study's sequences
    where they were prepared with it, else from the poses. A recording that has only a sequence made
    elsewhere is measured as it stands.

    Parameters
    ----------
    study : Study
        Labels are not needed.
    sets : sequence of str
        Names in `SETS`, or ``all``.
    fps, channels : optional
        For sequences made elsewhere, as `fidgety.study.sequences.load_sequence`.
    progress : callable (done, total, name), optional
        Called after each recording.

    Raises
    ------
    ConfigError
        E707 for an unknown set.
    """
    chosen = sets_named(sets)
    found: dict[str, tuple[float, ...]] = {}

    def measure(name: str) -> State:
        by_profile: dict[str, PoseSequence] = {}
        numbers: list[float] = []
        for one in chosen:
            if one.profile not in by_profile:
                by_profile[one.profile] = profiled_sequence(study, name, one.profile, fps, channels)
            sequence = by_profile[one.profile]
            numbers += one.of(sequence.values, sequence.fps, sequence.skeleton).tolist()
        found[name] = tuple(numbers)
        return "done"

    report = BatchReport(run_batch(measure, sorted(study.by_name), progress))
    rows = tuple(recording for recording in study.recordings if recording.name in found)
    return FeatureTable(chosen, rows, tuple(found[row.name] for row in rows), report)


def write_feature_table(table: FeatureTable, out: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Write a table as CSV, and its dictionary as ``<name>.dictionary.csv`` beside it.

    UTF-8, comma, point; a missing number is empty. The dictionary has a row for each column: its
    name, unit, meaning, set, preprocessing and source.

    Raises
    ------
    StudyError
        E285 if no recording could be measured.
    ConfigError
        E702 if the file's name does not end in ``.csv``.
    """
    path = Path(out)
    if path.suffix.lower() != ".csv":
        raise ConfigError("E702", f"{path.name} is no .csv", remedy="Give --out features.csv")
    if not table.rows:
        first = table.report.errors[0] if table.report.errors else None
        raise StudyError(
            "E285",
            "No recording could be measured",
            why=None if first is None else str(first),
            remedy="Mend the cause and run the same command again",
        )
    names = [feature.name for one in table.sets for feature in one.features]
    lines = [[feature.name for feature in _FIRST] + names]
    for recording, numbers in zip(table.recordings, table.rows, strict=True):
        label = "" if recording.label is None else str(recording.label)
        lines.append([recording.infant_id, recording.name, label, *map(_cell, numbers)])
    about = [["column", "unit", "meaning", "set", "preprocessing", "source"]]
    about += [[one.name, one.unit, one.meaning, "", "", ""] for one in _FIRST]
    about += [
        [feature.name, feature.unit, feature.meaning, one.name, one.profile, one.about]
        for one in table.sets
        for feature in one.features
    ]
    beside = path.with_name(f"{path.stem}.dictionary.csv")
    write_text(beside, _csv(about))
    return write_text(path, _csv(lines)), beside


def _cell(value: float) -> str:
    return f"{value:.9g}" if math.isfinite(value) else ""


def _csv(lines: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()
