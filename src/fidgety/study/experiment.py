"""Cross-validation: splits x methods -> predictions, every one for an infant not trained on.

Nested: within the training part of a fold its infants are divided again, and whatever is chosen or
fitted beside the model itself (candidate, calibration, threshold, abstention, scope) rests on
scores of training infants by members that did not see them (`fidgety.study.crossfit`).
"""

from __future__ import annotations

import os
import shutil
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fidgety.engines import Engine, engine_of
from fidgety.errors import ConfigError, FidgetyWarning, StudyError
from fidgety.files import make_folder, write_json
from fidgety.models.checkpoint import Checkpoint, save_checkpoint
from fidgety.study.batch import BatchReport, Outcome, State, one_thread, run_batch
from fidgety.study.copies import file_digest
from fidgety.study.crossfit import CrossFit, cross_fit, seed_below
from fidgety.study.examples import Example
from fidgety.study.experiment_settings import INNER, claim_folder, fitting_inner, method_form
from fidgety.study.methods import METHODS, Method, method_named
from fidgety.study.names import listing
from fidgety.study.packing import packed
from fidgety.study.predictions import (
    COLUMNS,
    Decided,
    Prediction,
    note,
    noted,
    read_decisions,
    read_predictions,
    write_table,
)
from fidgety.study.profiled import make_sequence
from fidgety.study.quick import QUICK_INNER
from fidgety.study.sequences import read_sequence
from fidgety.study.splits import Split, make_splits
from fidgety.study.study import Study
from fidgety.study.training import Precision

__all__ = [
    "COLUMNS",
    "Prediction",
    "Task",
    "cross_validate",
    "examples_by_profile",
    "make_sequences",
    "noted",
    "read_predictions",
    "refuse_failures",
    "tasks_of",
]


@dataclass(frozen=True)
class Task:
    """One method on one fold of one repeat.

    Parameters
    ----------
    study : Study
        Whose infants.
    out : Path
        The experiment's folder.
    label : str
        Name of the method.
    method : Method
        Its settings.
    repeat : int
        Which division of the infants.
    split : Split
        The fold: training and test infants.
    inner : int
        Inner folds.
    error : float
        Stated error rate of the abstention.
    seed : int
        Of the inner dealing and of the members' training.
    """

    study: Study
    out: Path
    label: str
    method: Method
    repeat: int
    split: Split
    inner: int = INNER
    error: float = 0.1
    seed: int = 0

    @property
    def name(self) -> str:
        """What the fold is called in messages."""
        return f"{self.label}, repeat {self.repeat}, fold {self.split.fold}"

    @property
    def folder(self) -> Path:
        """Where its results are kept."""
        return self.out / "folds" / f"repeat{self.repeat}_fold{self.split.fold}" / self.label


def cross_validate(
    study: Study,
    methods: Sequence[str],
    out: str | os.PathLike[str],
    *,
    folds: int = 5,
    repeats: int = 1,
    inner: int | None = None,
    quick: bool = False,
    precision: Precision = "32-true",
    seed: int = 0,
    error: float = 0.1,
    workers: int | Engine = 1,
    fps: float | None = None,
    channels: str | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> list[Prediction]:
    """Train and test several methods on the same infant-disjoint folds.

    Each fold of each method has its own folder in `out`. What is there already from the same study,
    settings and seed is kept, so a run that was killed goes on where it stopped; methods may be
    added later, also with another number of inner folds.

    Parameters
    ----------
    study : Study
        With labels.
    methods : sequence of str
        Names in `METHODS`.
    out : path-like
        Folder for the results; ``predictions.csv`` and ``decisions.csv`` are written when all folds
        are done.
    folds, repeats, seed : int
        Parts the infants are dealt to; how often they are dealt anew; what is drawn from: folds,
        inner folds and the weights that training begins with.
    inner : int, optional
        Inner folds of each training part, as `fidgety.study.crossfit.cross_fit`; by default three,
        or as many as the smaller class has infants for.
    quick : bool
        Shorten training (`fidgety.study.quick`) and, unless `inner` is given, fit one member.
    precision : {"32-true", "bf16-mixed", "16-mixed"}
        Of products in the training of networks.
    error : float
        Stated error rate of the abstention.
    workers : int or Engine
        Processes, or a cluster; each uses one thread. Their number changes nothing in the result.
    fps, channels : optional
        For sequences made elsewhere, as `fidgety.study.sequences.load_sequence`.
    progress : callable (done, total, name), optional
        Called after each fold of each method.

    Returns
    -------
    list of Prediction
        Of all methods in the folder whose folds are done, these and earlier ones.

    Raises
    ------
    ConfigError
        E705 for an unknown method, E702 for an impossible number.
    StudyError
        E213 if a class is too small for the folds, E272 if folds failed (the others are kept), E273
        if `out` holds another experiment; else as `make_splits`.
    """
    for name in methods:
        method_named(name)
    engine_of(workers)
    if (
        repeats < 1
        or (inner is not None and inner < 1)
        or not methods
        or len(set(methods)) < len(methods)
    ):
        raise ConfigError("E702", "Give each model once; repeats and inner from 1")
    root = make_folder(out)
    make_splits(study, folds, seed, 0.0)  # refuses what cannot be split before anything is written
    inner = fitting_inner(study, folds, QUICK_INNER if quick and inner is None else inner)
    settings = {
        "folds": folds, "seed": seed, "error": error, "fps": fps, "channels": channels,
        "quick": quick, "precision": precision,
    }  # fmt: skip
    claim_folder(root, study, methods, settings, inner)
    make_sequences(study, root, methods, workers)
    tasks = tasks_of(study, root, methods, repeats=repeats)
    by_name = {task.name: task for task in tasks}
    refuse_failures(run_batch(partial(_run, by_name), list(by_name), progress, workers), "folds")
    return _gather(study, root, repeats)


def tasks_of(study: Study, root: Path, methods: Sequence[str], *, repeats: int) -> list[Task]:
    """The folds of an experiment that ``experiment.json`` describes."""
    about = noted(root)
    repeated = [
        make_splits(study, about["folds"], about["seed"] + repeat, 0.0) for repeat in range(repeats)
    ]
    inner = {name: about["methods"][name]["inner"] for name in methods}
    error = about.get("error", Task.error)
    form = method_form(about)
    return [
        Task(study, root, name, form(METHODS[name]), repeat, split, inner[name], error,
             seed_below(about["seed"], repeat, split.fold))
        for repeat, splits in enumerate(repeated)
        for split in splits
        for name in methods
    ]  # fmt: skip


def examples_by_profile(task: Task, infants: Sequence[str]) -> list[Example]:
    """Labelled sequences of some infants by the profile of a task's method."""
    home = task.out / "sequences" / task.method.profile
    return [
        Example(r.infant_id, r.name, int(r.label or 0), read_sequence(home / r.name))
        for r in task.study.recordings_of(infants)
    ]


def refuse_failures(outcomes: Sequence[Outcome], what: str) -> None:
    """Raise E272 if any failed, with their exit status; pass on the warnings of the others."""
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if failed:
        error = StudyError(
            "E272",
            f"{len(failed)} of {len(outcomes)} {what} failed: "
            + listing(outcome.name for outcome in failed),
            why=str(failed[0].error),
            remedy="The others are kept; mend the cause and run the same command again",
        )
        error.exit_status = BatchReport(tuple(failed)).exit_status
        raise error
    for text in dict.fromkeys(text for outcome in outcomes for text in outcome.warnings):
        warnings.warn(text, FidgetyWarning, stacklevel=3)


@one_thread()
def _run(tasks: dict[str, Task], name: str) -> State:
    """Train and test one method on one fold, unless that is done."""
    task = tasks[name]
    if (task.folder / "predictions.csv").exists():
        _tidied(task)  # it may have been killed before that
        return "kept"
    _work(task)
    return "done"


def _work(task: Task) -> None:
    """Fit, keep the model, predict; predictions.csv last, as the sign that the fold is done."""
    began = time.perf_counter()
    train = examples_by_profile(task, task.split.train)
    test = examples_by_profile(task, task.split.test)
    assert not {e.infant_id for e in train} & {e.infant_id for e in test}
    fitted = cross_fit(
        task.method, train, inner=task.inner, seed=task.seed, error=task.error,
        run=task.folder,
    )  # fmt: skip
    predictions, decisions = _predict(task, fitted, test)
    if fitted.networks:
        save_checkpoint(task.folder / "model.fidgety", _checkpoint(task, fitted, train))
    write_json(
        task.folder / "fold.json",
        {
            "train": list(task.split.train),
            "test": list(task.split.test),
            "inner": task.inner,
            "seed": task.seed,
            "members": len(fitted.networks) or len(fitted.classifiers),
            "candidate": fitted.candidate,
            "rules": fitted.rules.to_dict(),
            "seconds": round(time.perf_counter() - began, 1),
        },
    )
    write_table(task.folder / "decisions.csv", decisions, Decided)
    write_table(task.folder / "predictions.csv", predictions)
    _tidied(task)


def _tidied(task: Task) -> None:
    """Remove the states from which a fold goes on, once it is done."""
    for member in (*task.folder.glob("member*"), *task.folder.glob("candidate_*")):
        shutil.rmtree(member, ignore_errors=True)


def _checkpoint(task: Task, fitted: CrossFit, train: list[Example]) -> Checkpoint:
    config = fitted.method.network
    assert config is not None
    profile = fitted.method.profile
    return packed(fitted.networks, config, fitted.rules, task.study, train, profile)


def _predict(
    task: Task, fitted: CrossFit, test: list[Example]
) -> tuple[list[Prediction], list[Decided]]:
    scores = fitted.scores(test)
    rules = fitted.rules
    risks, said = rules.risk(scores), rules.decide(scores)
    predictions, decisions = [], []
    for n, example in enumerate(test):
        inside = rules.scope_of(example.sequence)
        of = (
            task.label, task.repeat, task.split.fold,
            example.infant_id, example.recording, example.label,
        )  # fmt: skip
        predictions.append(Prediction(*of, float(scores[n]), float(risks[n])))
        decisions.append(
            Decided(
                *of,
                rules.cut,
                "abnormal" if risks[n] >= rules.cut else "normal",
                "" if said is None else str(said[n]),
                "" if inside is None else "yes" if inside.in_scope else "no",
            )
        )
    return predictions, decisions


def _gather(study: Study, root: Path, repeats: int) -> list[Prediction]:
    """Write the tables of all methods whose folds are done."""
    done = []
    for name in noted(root)["methods"]:
        if name in METHODS:
            tasks = tasks_of(study, root, [name], repeats=repeats)
            if all((task.folder / "predictions.csv").exists() for task in tasks):
                done.append(tasks)
    # As if all had been asked for at once: by fold, then by method.
    order = [task for row in zip(*done, strict=True) for task in row]
    predictions = [row for task in order for row in read_predictions(task.folder)]
    decisions = [row for task in order for row in read_decisions(task.folder)]
    write_table(root / "decisions.csv", decisions, Decided)
    write_table(root / "predictions.csv", predictions)
    note(root, repeats=repeats, predictions_sha256=file_digest(root / "predictions.csv"))
    return predictions


def make_sequences(
    study: Study, root: Path, methods: Sequence[str], workers: int | Engine = 1
) -> None:
    """Write the sequences (7, T, V) that methods take into a cross-validation's folder.

    Those that are there and of this study's recordings are kept. Whoever reads them afterwards asks
    for them first: a learning curve of another study may have put its own in their place.

    Raises
    ------
    StudyError
        E272 if some cannot be made.
    """
    about = noted(root)
    for profile in sorted({METHODS[name].profile for name in methods}):
        make = partial(make_sequence, study, root, profile, about["fps"], about["channels"])
        refuse_failures(run_batch(make, sorted(study.by_name), workers=workers), "recordings")
