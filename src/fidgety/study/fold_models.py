"""The models of a finished cross-validation, each with the infants it never saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import StudyError
from fidgety.files import parse_json
from fidgety.models.ensemble import pooled
from fidgety.models.rules import Rules
from fidgety.models.trained import TrainedModel
from fidgety.motion import PoseSequence
from fidgety.study.crossfit import fitted_classifiers
from fidgety.study.experiment import Task, examples_by_profile, tasks_of
from fidgety.study.methods import METHODS, Classifier
from fidgety.study.predictions import noted
from fidgety.study.study import Study

__all__ = ["FoldModel", "chosen_models", "fold_model", "same_study"]


@dataclass(frozen=True, eq=False)
class FoldModel:
    """What one fold's training part gave.

    Parameters
    ----------
    task : Task
        Method and fold.
    test : frozenset of str
        Infants that it may be asked about: those it never saw.
    rules : Rules
        Calibration, threshold, abstention, scope.
    trained : TrainedModel or None
        A network's ensemble.
    classifiers : tuple of Classifier
        The members of a plain classifier's ensemble, fitted again to the same training infants.
    """

    task: Task
    test: frozenset[str]
    rules: Rules
    trained: TrainedModel | None
    classifiers: tuple[Classifier, ...] = ()

    def scores(self, sequences: Sequence[PoseSequence]) -> NDArray[np.float64]:
        """Uncalibrated risk (N,)."""
        if self.trained is not None:
            risks = [self.trained.infer(self.trained.clips(s)).risk for s in sequences]
            return np.array(risks)
        values = [sequence.values for sequence in sequences]
        return pooled(np.stack([member.risk(values) for member in self.classifiers]))


def fold_model(task: Task) -> FoldModel:
    """The model of a finished fold.

    Raises
    ------
    StudyError
        E285 if the fold is not finished, or its infants are not those of the study's fold.
    """
    about = _about(task)
    train, test = set(about["train"]), set(about["test"])
    if train & test or train != set(task.split.train) or test != set(task.split.test):
        raise StudyError(
            "E285",
            "The fold's infants are not those of this study's fold",
            where=task.name,
            remedy="Run fidgety cv again into a new folder",
        )
    rules = Rules.from_dict(about["rules"])
    if task.method.network is not None:
        trained = TrainedModel.load(task.folder / "model.fidgety")
        return FoldModel(task, frozenset(test), rules, trained)
    members = fitted_classifiers(
        task.method,
        examples_by_profile(task, task.split.train),
        inner=about["inner"],
        seed=about["seed"],
        candidate=about.get("candidate", ""),
    )
    return FoldModel(task, frozenset(test), rules, None, members)


def cached_model(study_root: Path, root: Path, label: str, fold: int) -> FoldModel:
    """As `fold_model` for a fold of the first repeat, kept for the life of a process.

    What is kept counts only while the files of the fold are the ones it was made from.
    """
    folder = root / "folds" / f"repeat0_fold{fold}" / label
    stamps = tuple(
        (path.stat().st_mtime_ns, path.stat().st_size)
        for path in (root / "experiment.json", folder / "fold.json", folder / "model.fidgety")
        if path.exists()
    )
    return _cached_model(study_root, root, label, fold, stamps)


@lru_cache(maxsize=256)
def _cached_model(
    study_root: Path, root: Path, label: str, fold: int, stamps: tuple[tuple[int, int], ...]
) -> FoldModel:
    study = Study.open(study_root, skip_unlabelled=True, check_copies=False)
    (task,) = (t for t in tasks_of(study, root, [label], repeats=1) if t.split.fold == fold)
    return fold_model(task)


def chosen_models(root: Path, models: Sequence[str] | None) -> list[str]:
    """Methods of an experiment, or those asked for among them.

    Raises
    ------
    StudyError
        E285 if one was not cross-validated there.
    """
    known = [name for name in noted(root).get("methods", {}) if name in METHODS]
    missing = [name for name in models or () if name not in known]
    if missing or not known:
        raise StudyError(
            "E285",
            f"{missing[0]} was not cross-validated" if missing else "No cross-validation here",
            where=root,
            remedy="Run: fidgety cv STUDY --models ... --out DIR",
        )
    return list(models or known)


def same_study(study: Study, root: Path) -> None:
    """Refuse a study that is not the one cross-validated in `root` (E273)."""
    told = noted(root).get("recordings")
    if told != study.identity():
        raise StudyError(
            "E273",
            "The folder holds an experiment on another study",
            where=root,
            why="its recordings, labels, or whether they are mended differ",
            remedy="Give the study that was cross-validated, prepared as it was",
        )


def _about(task: Task) -> dict[str, Any]:
    try:
        return parse_json((task.folder / "fold.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise StudyError(
            "E285",
            "The fold is not finished",
            where=task.name,
            why=type(error).__name__,
            remedy="Run fidgety cv again with the same --out; finished folds are kept",
        ) from error
