"""Tables of an experiment: predictions.csv, every row out of fold, and decisions.csv beside it."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from fidgety.errors import StudyError
from fidgety.files import parse_json, regular, write_json, write_text

__all__ = [
    "COLUMNS",
    "Decided",
    "Prediction",
    "note",
    "noted",
    "read_decisions",
    "read_predictions",
    "write_table",
]

COLUMNS = ("model", "repeat", "fold", "infant_id", "recording", "label", "score", "probability")


@dataclass(frozen=True)
class Prediction:
    """One out-of-fold prediction: the model never saw this infant.

    Parameters
    ----------
    model : str
        Name of the method.
    repeat, fold : int
        Which division of the infants, and which part of it was tested.
    infant_id, recording : str
        Whose it is, and which.
    label : int
        1 = abnormal.
    score : float
        Uncalibrated risk, 0 to 1.
    probability : float
        Calibrated risk, 0 to 1; the calibration was fitted within the training part.
    """

    model: str
    repeat: int
    fold: int
    infant_id: str
    recording: str
    label: int
    score: float
    probability: float


@dataclass(frozen=True)
class Decided:
    """What was said of one out-of-fold recording, by rules fitted within the training part.

    Parameters
    ----------
    model, repeat, fold, infant_id, recording, label
        As in `Prediction`.
    threshold : float
        On the probability; from it on a recording is called abnormal where an answer is forced.
    forced : str
        ``abnormal`` or ``normal``, by the threshold.
    decision : str
        ``abnormal``, ``normal`` or ``cannot_say``, by the abstention rule; empty where the training
        part was too small for one.
    in_scope : str
        ``yes`` or ``no``: whether the recording is like those of the training part; empty where it
        was too small to tell.
    """

    model: str
    repeat: int
    fold: int
    infant_id: str
    recording: str
    label: int
    threshold: float
    forced: str
    decision: str
    in_scope: str


def read_predictions(folder: str | os.PathLike[str]) -> list[Prediction]:
    """Read ``predictions.csv`` of an experiment.

    Raises
    ------
    StudyError
        E274 if it is missing, not such a table, or holds impossible values.
    """
    return [_prediction(row) for row in _rows(Path(folder) / "predictions.csv", _prediction)]


def read_decisions(folder: str | os.PathLike[str]) -> list[Decided]:
    """Read ``decisions.csv`` of an experiment; raises as `read_predictions`."""
    return [_decided(row) for row in _rows(Path(folder) / "decisions.csv", _decided)]


def write_table(
    path: Path, rows: Sequence[Prediction] | Sequence[Decided], kind: type[Any] = Prediction
) -> Path:
    """Write predictions or decisions, whole or not at all."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    columns = [entry.name for entry in fields(kind)]
    table.writerow(columns)
    table.writerows([asdict(row)[column] for column in columns] for row in rows)
    return write_text(path, text.getvalue())


def noted(root: Path) -> dict[str, Any]:
    """What ``experiment.json`` says; empty if there is none that can be read."""
    try:
        content = parse_json(regular(root / "experiment.json").read_text("utf-8"))
        return content if isinstance(content, dict) else {}
    except (OSError, ValueError):
        return {}


def note(root: Path, **content: Any) -> None:
    """Add to ``experiment.json``."""
    write_json(root / "experiment.json", {**noted(root), **content})


def _rows(path: Path, check: Any) -> list[dict[str, str]]:
    try:
        if not path.exists():
            raise ValueError("there is no such file")
        with regular(path).open(encoding="utf-8", newline="") as handle:
            rows = list(csv.DictReader(handle))
        for row in rows:
            check(row)
        return rows
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, TypeError, ValueError) as error:
        raise StudyError(
            "E274",
            "No table of predictions",
            where=path,
            why=str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}",
            remedy="Run: fidgety cv STUDY --out DIR",
        ) from error


def _prediction(row: dict[str, str]) -> Prediction:
    found = Prediction(
        row["model"],
        int(row["repeat"]),
        int(row["fold"]),
        row["infant_id"],
        row["recording"],
        int(row["label"]),
        float(row["score"]),
        float(row["probability"]),
    )
    if found.label not in (0, 1) or not (0 <= found.score <= 1 and 0 <= found.probability <= 1):
        raise ValueError(f"{found.recording}: a label is 0 or 1, a risk lies between")
    return found


def _decided(row: dict[str, str]) -> Decided:
    return Decided(
        row["model"],
        int(row["repeat"]),
        int(row["fold"]),
        row["infant_id"],
        row["recording"],
        int(row["label"]),
        float(row["threshold"]),
        row["forced"],
        row["decision"],
        row["in_scope"],
    )
