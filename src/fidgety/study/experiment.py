"""Cross-validation: splits x methods -> predictions, every one for an infant not trained on."""

from __future__ import annotations

import csv
import io
import json
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fidgety.engines import Engine, engine_of
from fidgety.errors import ConfigError, FidgetyWarning, StudyError
from fidgety.files import make_folder, parse_json, write_json, write_text
from fidgety.motion import pose_sequence, profile_from
from fidgety.settings import to_plain
from fidgety.statistics.calibrators import fit_calibrator
from fidgety.study.batch import Outcome, State, run_batch
from fidgety.study.copies import file_digest
from fidgety.study.examples import Example
from fidgety.study.methods import METHODS, Method, method_named
from fidgety.study.names import listing
from fidgety.study.preparing import read_recording
from fidgety.study.sequences import load_sequence, read_sequence, read_sidecar, write_sequence
from fidgety.study.splits import PARTS, Split, make_splits
from fidgety.study.study import Study
from fidgety.study.training import fit, scores

__all__ = ["COLUMNS", "Prediction", "cross_validate", "noted", "read_predictions"]

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

    study: Study
    out: Path
    label: str
    method: Method
    repeat: int
    split: Split

    @property
    def name(self) -> str:
        return f"{self.label}, repeat {self.repeat}, fold {self.split.fold}"

    @property
    def folder(self) -> Path:
        return self.out / "folds" / f"repeat{self.repeat}_fold{self.split.fold}" / self.label


def cross_validate(
    study: Study,
    methods: Sequence[str],
    out: str | os.PathLike[str],
    *,
    folds: int = 5,
    repeats: int = 1,
    seed: int = 0,
    workers: int | Engine = 1,
    fps: float | None = None,
    channels: str | None = None,
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
    workers : int or Engine
        Processes, or a cluster; each uses one thread. Their number changes nothing in the result.
    fps, channels : optional
        For sequences made elsewhere, as `fidgety.study.sequences.load_sequence`.
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
    engine_of(workers)
    if repeats < 1 or not methods or len(set(methods)) < len(methods):
        raise ConfigError("E702", "Give each model once, and repeats from 1")
    root = make_folder(out)
    repeated = [make_splits(study, folds, seed + repeat) for repeat in range(repeats)]
    _claim(root, study, methods, {"folds": folds, "seed": seed, "fps": fps, "channels": channels})
    for profile in sorted({METHODS[name].profile for name in methods}):
        prepare = partial(_sequence, study, root, profile, fps, channels)
        _refuse_failures(run_batch(prepare, sorted(study.by_name), workers=workers), "recordings")
    tasks = [
        _Task(study, root, name, METHODS[name], repeat, split)
        for repeat, splits in enumerate(repeated)
        for split in splits
        for name in methods
    ]
    by_name = {task.name: task for task in tasks}
    _refuse_failures(run_batch(partial(_run, by_name), list(by_name), progress, workers), "folds")
    predictions = [row for task in tasks for row in read_predictions(task.folder)]
    _write_predictions(root, predictions)
    _note(root, predictions_sha256=file_digest(root / "predictions.csv"))
    return predictions


def read_predictions(folder: str | os.PathLike[str]) -> list[Prediction]:
    """Read ``predictions.csv`` of an experiment.

    Raises
    ------
    StudyError
        E274 if it is missing, not such a table, or holds impossible values.
    """
    path = Path(folder) / "predictions.csv"
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            return [_prediction(row) for row in csv.DictReader(handle)]
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, TypeError, ValueError) as error:
        raise StudyError(
            "E274",
            "No table of predictions",
            where=path,
            why=f"{type(error).__name__}: {error}",
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


def _refuse_failures(outcomes: Sequence[Outcome], what: str) -> None:
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if failed:
        raise StudyError(
            "E272",
            f"{len(failed)} of {len(outcomes)} {what} failed: "
            + listing(outcome.name for outcome in failed),
            why=str(failed[0].error),
            remedy="The others are kept; mend the cause and run the same command again",
        )
    for text in dict.fromkeys(text for outcome in outcomes for text in outcome.warnings):
        warnings.warn(text, FidgetyWarning, stacklevel=3)


def _run(tasks: dict[str, _Task], name: str) -> State:
    """Train and test one method on one fold, unless that is done."""
    import torch

    task = tasks[name]
    if (task.folder / "predictions.csv").exists():
        return "kept"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so that the number of processes changes no rounding
    try:
        _write_predictions(task.folder, _predict(task))
    finally:
        torch.set_num_threads(threads)
    return "done"


def _predict(task: _Task) -> list[Prediction]:
    home = task.out / "sequences" / task.method.profile
    train, val, test = (
        [
            Example(r.infant_id, r.name, int(r.label or 0), read_sequence(home / r.name))
            for r in task.split.recordings(task.study, part)
        ]
        for part in PARTS
    )
    risks, inner = _fitted_risks(task, train, val, test)
    calibrate = fit_calibrator(inner, _labels(val), infants=[e.infant_id for e in val])
    calibrated = calibrate.probability(risks)
    return [
        Prediction(
            task.label, task.repeat, task.split.fold, e.infant_id, e.recording, e.label,
            float(score), float(probability),
        )
        for e, score, probability in zip(test, risks, calibrated, strict=True)
    ]  # fmt: skip


def _fitted_risks(
    task: _Task, train: list[Example], val: list[Example], test: list[Example]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Risks of the test part, and of the validation part by a model that was not fitted to it."""
    method = task.method
    if method.network is not None:
        fitted = fit(train, val, method.network, run=task.folder, resume=True)
        risks, inner = (scores(fitted.model, part, method.network) for part in (test, val))
        return risks, inner
    assert method.classifier is not None
    first, whole = (
        method.classifier().fit(_values(part), _labels(part)) for part in (train, train + val)
    )
    return whole.risk(_values(test)), first.risk(_values(val))


def _values(examples: Sequence[Example]) -> list[NDArray[np.floating]]:
    return [example.sequence.values for example in examples]


def _labels(examples: Sequence[Example]) -> NDArray[np.int64]:
    return np.array([example.label for example in examples], dtype=np.int64)


def _claim(root: Path, study: Study, methods: Sequence[str], settings: dict[str, Any]) -> None:
    """Write down what this experiment is, or check that it is what the folder holds."""
    identity = {
        **settings,
        "simulated": study.simulated,
        "recordings": [
            [r.name, r.infant_id, r.label, file_digest(study.source_path(r.name))]
            for r in study.recordings
        ],
    }
    made_of = {name: _plain(METHODS[name]) for name in methods}
    if (root / "experiment.json").exists():
        standing = noted(root)
        known = standing.get("methods", {})
        same = all(standing.get(key) == value for key, value in identity.items())
        if not same or any(known.get(name, plain) != plain for name, plain in made_of.items()):
            raise StudyError(
                "E273",
                "The folder holds another experiment",
                where=root,
                why="its recordings, folds, seed or settings of a model differ",
                remedy="Choose another --out, or remove the folder",
            )
        made_of = {**known, **made_of}
    _note(root, **identity, methods=made_of)


def _plain(method: Method) -> Any:
    network = None if method.network is None else method.network.to_dict()
    return json.loads(json.dumps({"profile": method.profile, "network": network}))


def noted(root: Path) -> dict[str, Any]:
    """What ``experiment.json`` says; empty if there is none that can be read."""
    try:
        content = parse_json((root / "experiment.json").read_text("utf-8"))
        return content if isinstance(content, dict) else {}
    except (OSError, ValueError):
        return {}


def _note(root: Path, **content: Any) -> None:
    write_json(root / "experiment.json", {**noted(root), **content})


def _sequence(
    study: Study, root: Path, profile: str, fps: float | None, channels: str | None, name: str
) -> State:
    """A recording's sequence by one profile, made once for all folds."""
    folder = root / "sequences" / profile / name
    source, digest = study.pose_path(name), file_digest(study.source_path(name))
    standing = read_sidecar(folder) if folder.exists() else None
    if standing and standing.get("finished") and standing.get("source_sha256") == digest:
        return "kept"
    prepared = read_sidecar(study.sequence_folder(name)) or {}
    if source is None or _holds(prepared, profile, digest):
        sequence = load_sequence(study, name, fps=fps, channels=channels)
    else:
        said = {key: (prepared.get("source") or {}).get(key) for key in ("skeleton", "fps", "size")}
        pose = read_recording(source, **(said if fps is None else {**said, "fps": fps}))
        sequence = pose_sequence(pose, profile)
    write_sequence(folder, sequence, {"source_sha256": digest})
    return "done"


def _holds(prepared: dict[str, Any], profile: str, digest: str) -> bool:
    """Whether a study's own sequence is of this profile, its usual settings and these poses."""
    return (
        prepared.get("finished") is True
        and prepared.get("profile") == profile
        and prepared.get("config") == to_plain(profile_from(profile))
        and (prepared.get("source") or {}).get("sha256") == digest
    )


def _write_predictions(folder: Path, rows: Sequence[Prediction]) -> None:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    table.writerows([getattr(row, column) for column in COLUMNS] for row in rows)
    write_text(folder / "predictions.csv", text.getvalue())
