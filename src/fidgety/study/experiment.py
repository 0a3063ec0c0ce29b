"""Cross-validation: splits x methods -> predictions, every one for an infant not trained on."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from fidgety.errors import ConfigError, FidgetyError, StudyError
from fidgety.files import make_folder, write_json, write_text
from fidgety.motion import pose_sequence
from fidgety.pose.formats import read
from fidgety.statistics.calibrators import fit_calibrator
from fidgety.study.copies import file_digest
from fidgety.study.examples import Example
from fidgety.study.methods import METHODS, Method, method_named
from fidgety.study.sequences import load_sequence, read_sequence, read_sidecar, write_sequence
from fidgety.study.splits import Split, make_splits
from fidgety.study.study import Study
from fidgety.study.training import fit, scores

__all__ = ["COLUMNS", "Prediction", "cross_validate", "read_predictions"]

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
class _Task:
    """One method on one fold."""

    study: Path
    out: Path
    method: str
    repeat: int
    split: Split
    seed: int

    @property
    def folder(self) -> Path:
        return self.out / "folds" / f"repeat{self.repeat}_fold{self.split.fold}" / self.method


def cross_validate(
    study: Study,
    methods: Sequence[str],
    out: str | os.PathLike[str],
    *,
    folds: int = 5,
    repeats: int = 1,
    seed: int = 0,
    workers: int = 1,
    progress: Callable[[int, int, str], None] | None = None,
) -> list[Prediction]:
    """Train and test several methods on the same infant-disjoint folds.

    Each fold of each method has its own folder in `out`. What is there already from the same study,
    settings and seed is kept, so a run that was killed goes on where it stopped.

    Parameters
    ----------
    study : Study
        With labels.
    methods : sequence of str
        Names in `METHODS`.
    out : path-like
        Folder for the results; ``predictions.csv`` is written when all folds are done.
    folds, repeats, seed : int
        Parts the infants are dealt to; how often they are dealt anew; what is drawn from.
    workers : int
        Processes; each uses one thread.
    progress : callable (done, total, name), optional
        Called after each fold of each method.

    Raises
    ------
    ConfigError
        E705 for an unknown method, E702 for an impossible number.
    StudyError
        E272 if folds failed (the others are kept), E273 if `out` holds another experiment; else as
        `make_splits`.
    """
    for name in methods:
        method_named(name)
    if repeats < 1 or workers < 1 or not methods or len(set(methods)) < len(methods):
        raise ConfigError("E702", "Give each model once, and repeats and workers from 1")
    root = make_folder(out)
    repeated = [make_splits(study, folds, seed + repeat) for repeat in range(repeats)]
    _claim(root, study, folds, repeats, seed)
    for profile in sorted({METHODS[name].profile for name in methods}):
        _prepare(study, root, profile, workers)
    tasks = [
        _Task(study.root, root, method, repeat, split, seed)
        for repeat, splits in enumerate(repeated)
        for split in splits
        for method in methods
    ]
    open_tasks = [task for task in tasks if not (task.folder / "predictions.csv").exists()]
    done, failed = len(tasks) - len(open_tasks), {}
    parallel = Parallel(n_jobs=workers, return_as="generator_unordered")
    finished: Iterable[Any] = parallel(delayed(_run)(task) for task in open_tasks) or ()
    for folder, error in finished:
        done += 1
        if error is not None:
            failed[folder] = error
        if progress:
            progress(done, len(tasks), folder)
    if failed:
        first = next(iter(failed.values()))
        raise StudyError(
            "E272",
            f"{len(failed)} of {len(tasks)} folds failed: {', '.join(sorted(failed)[:4])}",
            why=str(first),
            remedy="The other folds are kept; mend the cause and run the same command again",
        )
    predictions = [row for task in tasks for row in read_predictions(task.folder)]
    _write_predictions(root, predictions)
    return predictions


def read_predictions(folder: str | os.PathLike[str]) -> list[Prediction]:
    """Read ``predictions.csv`` of an experiment.

    Raises
    ------
    StudyError
        E274 if it is missing or not such a table.
    """
    path = Path(folder) / "predictions.csv"
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            rows = list(csv.DictReader(handle))
        return [
            Prediction(
                row["model"],
                int(row["repeat"]),
                int(row["fold"]),
                row["infant_id"],
                row["recording"],
                int(row["label"]),
                float(row["score"]),
                float(row["probability"]),
            )
            for row in rows
        ]
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, TypeError, ValueError) as error:
        raise StudyError(
            "E274",
            "No table of predictions",
            where=path,
            why=f"{type(error).__name__}: {error}",
            remedy="Run: fidgety cv STUDY --out DIR",
        ) from error


def _run(task: _Task) -> tuple[str, FidgetyError | None]:
    """Train and test one method on one fold; the folder's name, and what went wrong."""
    import torch

    torch.set_num_threads(1)
    label = f"{task.method}, repeat {task.repeat}, fold {task.split.fold}"
    try:
        _write_predictions(task.folder, _predict(task))
    except FidgetyError as error:
        return label, error
    return label, None


def _predict(task: _Task) -> list[Prediction]:
    study = Study.open(task.study, skip_unlabelled=True, check_copies=False)
    method = METHODS[task.method]
    parts = {
        part: [
            Example(
                r.infant_id, r.name, int(r.label or 0), _cached(task.out, method.profile, r.name)
            )
            for r in task.split.recordings(study, part)
        ]
        for part in ("train", "val", "test")
    }
    _check_disjoint(parts)
    train, val, test = parts["train"], parts["val"], parts["test"]
    risks, inner = _fitted_risks(method, train, val, test, task)
    calibrate = fit_calibrator(inner[0], inner[1])
    calibrated = calibrate.probability(risks)
    return [
        Prediction(
            task.method, task.repeat, task.split.fold, e.infant_id, e.recording, e.label,
            float(score), float(probability),
        )
        for e, score, probability in zip(test, risks, calibrated, strict=True)
    ]  # fmt: skip


def _fitted_risks(
    method: Method,
    train: list[Example],
    val: list[Example],
    test: list[Example],
    task: _Task,
) -> tuple[NDArray[np.float64], tuple[NDArray[np.float64], NDArray[np.int64]]]:
    """Risks of the test part, and risks with labels to calibrate on, of infants not trained on."""
    if method.network is not None:
        fitted = fit(train, val, method.network, run=task.folder, resume=True)
        calibration = scores(fitted.model, val, method.network), _labels(val)
        return scores(fitted.model, test, method.network), calibration
    assert method.classifier is not None
    values = lambda examples: [example.sequence.values for example in examples]  # noqa: E731
    inner = method.classifier().fit(values(train), _labels(train)).risk(values(val))
    whole = method.classifier().fit(values(train + val), _labels(train + val))
    return whole.risk(values(test)), (inner, _labels(val))


def _labels(examples: Sequence[Example]) -> NDArray[np.int64]:
    return np.array([example.label for example in examples], dtype=np.int64)


def _check_disjoint(parts: dict[str, list[Example]]) -> None:
    seen: dict[str, str] = {}
    for part, examples in parts.items():
        for example in examples:
            if seen.setdefault(example.infant_id, part) != part:
                raise StudyError(
                    "E204",
                    f"Infant {example.infant_id} stands in {seen[example.infant_id]} and {part}",
                )


def _claim(root: Path, study: Study, folds: int, repeats: int, seed: int) -> None:
    """Write down what this experiment is, or check that it is what the folder holds."""
    labels = [[r.name, r.infant_id, r.label] for r in study.recordings]
    identity = {"folds": folds, "seed": seed, "recordings": labels, "simulated": study.simulated}
    path = root / "experiment.json"
    if path.exists():
        try:
            standing = json.loads(path.read_text("utf-8"))
            same = all(standing.get(key) == value for key, value in identity.items())
        except (OSError, ValueError, AttributeError):
            same = False
        if not same:
            raise StudyError(
                "E273",
                "The folder holds another experiment",
                where=root,
                why="its study, folds or seed differ",
                remedy="Choose another --out, or remove the folder",
            )
    write_json(path, {**identity, "repeats": repeats})


def _prepare(study: Study, root: Path, profile: str, workers: int) -> None:
    """Sequences of all recordings by one profile, made once for all folds."""
    jobs = (delayed(_sequence)(study, root, profile, r.name) for r in study.recordings)
    for error in Parallel(n_jobs=workers)(jobs) or ():
        if error is not None:
            raise error


def _sequence(study: Study, root: Path, profile: str, name: str) -> FidgetyError | None:
    folder = root / "sequences" / profile / name
    try:
        source = study.pose_path(name)
        digest = file_digest(source if source is not None else study.source_path(name))
        standing = read_sidecar(folder) if folder.exists() else None
        if standing and standing.get("finished") and standing.get("source_sha256") == digest:
            return None
        if source is None:
            sequence = load_sequence(study, name)
        else:
            sequence = pose_sequence(read(source), profile)
        write_sequence(folder, sequence, {"source_sha256": digest})
    except FidgetyError as error:
        error.where = error.where or name
        return error
    return None


@lru_cache(maxsize=4096)
def _cached(root: Path, profile: str, name: str):
    return read_sequence(root / "sequences" / profile / name)


def _write_predictions(folder: Path, rows: Sequence[Prediction]) -> None:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    table.writerows([getattr(row, column) for column in COLUMNS] for row in rows)
    write_text(folder / "predictions.csv", text.getvalue())
