"""The predictions of a cross-validation as arrays, once it is sure that they are its own."""

from __future__ import annotations

import csv
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import ConfigError, StudyError
from fidgety.study.copies import file_digest
from fidgety.study.experiment import Prediction, noted, read_predictions

__all__ = ["Decisions", "Tested", "read_decided", "read_tested"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Tested:
    """Models that were tested on the same n recordings, every prediction out of fold.

    Parameters
    ----------
    root : Path
        Folder of the cross-validation.
    recordings, infants : tuple of str (n,)
        Names of the recordings, sorted, and whose they are.
    labels : ndarray (n,) of int
        1 = abnormal.
    scores, risks : dict of str to ndarray (n,)
        Model to uncalibrated and calibrated risk, the mean over repeats.
    folds, repeats : int
        Parts and divisions of the infants.
    simulated : bool
        Whether they are simulated infants.
    about : dict
        ``experiment.json``.
    """

    root: Path
    recordings: tuple[str, ...]
    infants: tuple[str, ...]
    labels: NDArray[np.int64]
    scores: dict[str, Floats]
    risks: dict[str, Floats]
    folds: int
    repeats: int
    simulated: bool
    about: dict[str, Any]

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models."""
        return tuple(self.scores)

    @property
    def n_infants(self) -> int:
        """How many infants."""
        return len(set(self.infants))

    @property
    def n_abnormal(self) -> int:
        """How many of the infants are abnormal."""
        return len({name for name, y in zip(self.infants, self.labels, strict=True) if y})

    @property
    def kind(self) -> str:
        """What the infants are called: ``simulated infants`` or ``infants``."""
        return "simulated infants" if self.simulated else "infants"


@dataclass(frozen=True, eq=False)
class Decisions:
    """What one model said of each recording, by rules fitted within the training parts.

    Parameters
    ----------
    called : ndarray (n,) of bool
        Abnormal where an answer is forced, by the threshold of the training part (in most repeats).
    answered : ndarray (n,) of bool or None
        Whether the abstention rule let the model answer, in the first repeat; None where there is
        no rule.
    said : ndarray (n,) of bool
        Whether such an answer was abnormal.
    thresholds : (float, float)
        Lowest and highest threshold of the folds, on the calibrated risk.
    """

    called: NDArray[np.bool_]
    answered: NDArray[np.bool_] | None
    said: NDArray[np.bool_]
    thresholds: tuple[float, float]


def read_tested(folder: str | os.PathLike[str], models: Sequence[str] | None = None) -> Tested:
    """Read and check the predictions of a cross-validation.

    Parameters
    ----------
    folder : path-like
        Output of `fidgety.study.experiment.cross_validate`.
    models : sequence of str, optional
        Keep these alone.

    Raises
    ------
    StudyError
        E274 if there are no predictions, E279 if they are not those of the cross-validation:
        changed, incomplete, or of other recordings for one model than for another.
    ConfigError
        E705 for a model that was not tested.
    """
    root = Path(folder)
    rows = read_predictions(root)
    about = noted(root)
    if not rows:
        raise StudyError("E274", "The table of predictions is empty", where=root)
    _check_whole(root, rows, about)
    known = list(dict.fromkeys(row.model for row in rows))
    for name in models or ():
        if name not in known:
            raise ConfigError(
                "E705", f"No model named {name!r} was tested", remedy=f"Choose from {known}"
            )
    truth = {row.recording: (row.infant_id, row.label) for row in rows}
    recordings = tuple(sorted(truth))
    kept = [name for name in known if models is None or name in models]
    return Tested(
        root=root,
        recordings=recordings,
        infants=tuple(truth[name][0] for name in recordings),
        labels=np.array([truth[name][1] for name in recordings], dtype=np.int64),
        scores={model: _mean(rows, model, recordings, "score") for model in kept},
        risks={model: _mean(rows, model, recordings, "probability") for model in kept},
        folds=len({row.fold for row in rows}),
        repeats=len({row.repeat for row in rows}),
        simulated=bool(about.get("simulated")),
        about=about,
    )


def read_decided(tested: Tested) -> dict[str, Decisions]:
    """What ``decisions.csv`` says of each model; empty if there is none.

    Raises
    ------
    StudyError
        E279 if it cannot be read or is not of these predictions.
    """
    path = tested.root / "decisions.csv"
    if not path.exists():
        return {}
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            rows = list(csv.DictReader(handle))
        return {model: _decisions(tested, model, rows) for model in tested.models}
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, TypeError, ValueError) as error:
        why = f"decisions.csv does not go with predictions.csv ({type(error).__name__}: {error})"
        raise _refused(tested.root, why) from error


def _decisions(tested: Tested, model: str, rows: list[dict[str, str]]) -> Decisions:
    own = [row for row in rows if row["model"] == model]
    place = {name: index for index, name in enumerate(tested.recordings)}
    counts = np.zeros((2, len(place)))  # all rows, and those called abnormal
    answered, said = np.full(len(place), -1), np.zeros(len(place), bool)
    for row in own:
        index = place[row["recording"]]
        counts[0, index] += 1
        counts[1, index] += row["forced"] == "abnormal"
        if int(row["repeat"]) == 0 and row["decision"]:
            answered[index] = row["decision"] != "cannot_say"
            said[index] = row["decision"] == "abnormal"
    if (counts[0] != tested.repeats).any():
        raise ValueError(f"{model}: {len(own)} rows for {len(place)} recordings")
    thresholds = [float(row["threshold"]) for row in own]
    return Decisions(
        called=counts[1] * 2 >= counts[0],
        answered=None if (answered < 0).any() else answered.astype(bool),
        said=said,
        thresholds=(min(thresholds), max(thresholds)),
    )


def _check_whole(root: Path, rows: list[Prediction], about: dict[str, Any]) -> None:
    """Refuse a table that was changed, or in which the models did not do the same work."""
    digest = about.get("predictions_sha256")
    if digest is not None and digest != file_digest(root / "predictions.csv"):
        raise _refused(root, "predictions.csv was changed since the cross-validation wrote it")
    work: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for row in rows:
        work[row.model].append((row.repeat, row.recording, row.infant_id, row.label))
    first, wanted = next((model, sorted(done)) for model, done in work.items())
    for model, done in work.items():
        if sorted(done) != wanted:
            raise _refused(root, f"{model} was not tested on the same recordings as {first}")
    tested = {(repeat, recording) for repeat, recording, *_ in wanted}
    repeats, recordings = (len(set(column)) for column in zip(*tested, strict=True))
    facts = {tuple(fact) for _, *fact in wanted}
    labels = {(infant, label) for _, infant, label in facts}
    if not len(wanted) == len(tested) == repeats * recordings:
        raise _refused(root, "recordings are missing, or tested twice in one repeat")
    if len(facts) > recordings or len(labels) > len({infant for infant, _ in labels}):
        raise _refused(root, "a recording has two infants, or an infant two labels")


def _mean(
    rows: list[Prediction], model: str, recordings: tuple[str, ...], column: str
) -> NDArray[np.float64]:
    table: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if row.model == model:
            table[row.recording].append(getattr(row, column))
    return np.array([float(np.mean(table[name])) for name in recordings])


def _refused(root: Path, why: str) -> StudyError:
    return StudyError(
        "E279",
        "The predictions are not those of one cross-validation",
        where=root,
        why=why,
        remedy="Run fidgety cv again with the same settings and --out; finished folds are kept",
    )
