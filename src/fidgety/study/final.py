"""The model that is used afterwards: an ensemble over all infants of a study, with its rules.

No infant is set aside for good. The infants are dealt to inner folds; each member leaves one of
them out and scores it, so that every infant has a score from a member that never saw it. Brought to
what the mean of all members would show (`fidgety.study.crossfit`), these scores calibrate the
ensemble and set its threshold and abstention; as they are, they stand in its report as the
cohort's.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fidgety.engines import Engine
from fidgety.errors import ConfigError, StudyError
from fidgety.files import parse_json, write_json
from fidgety.models.checkpoint import save_checkpoint
from fidgety.statistics import AUC, auc_interval
from fidgety.study.batch import Progress, State, one_thread, run_batch
from fidgety.study.crossfit import CrossFit, cross_fit, fit_member, member_names
from fidgety.study.examples import Example
from fidgety.study.experiment import refuse_failures
from fidgety.study.labels import LABEL_NAMES
from fidgety.study.methods import Method, network_method
from fidgety.study.names import safe_name
from fidgety.study.packing import packed
from fidgety.study.predictions import Prediction, write_table
from fidgety.study.profiled import make_sequence
from fidgety.study.sequences import read_sequence
from fidgety.study.state import other_run
from fidgety.study.study import Study, check_classes

__all__ = ["Final", "final_folder", "train_final"]

MODEL_FILE = "model.fidgety"
MEMBERS = "members"  # what a killed run goes on from


@dataclass(frozen=True)
class Final:
    """A finished ensemble.

    Parameters
    ----------
    folder : Path
        Holds ``model.fidgety``, ``config.json`` and ``predictions.csv`` (out of fold).
    members, infants, abnormal : int
        Networks; infants it was trained on; the abnormal among them.
    auc : AUC
        Of the out-of-fold scores.
    """

    folder: Path
    members: int
    infants: int
    abnormal: int
    auc: AUC
    simulated: bool

    def __str__(self) -> str:
        kind = "simulated infants" if self.simulated else "infants"
        a = self.auc
        return (
            f"{self.members} members over {self.infants} {kind}, {self.abnormal} abnormal. "
            f"Out of fold: AUC {a.value:.3f} (95 % interval {a.low:.3f} to {a.high:.3f})"
        )


def train_final(
    study: Study,
    *,
    method: str = "fidgety",
    inner: int = 5,
    seed: int = 0,
    error: float = 0.1,
    name: str | None = None,
    fps: float | None = None,
    channels: str | None = None,
    workers: int | Engine = 1,
    progress: Progress | None = None,
    finish: Callable[[Path], object] | None = None,
) -> Final:
    """Train an ensemble on all infants of a study.

    What a killed run finished is kept: the same command goes on and ends with the same weights.

    Parameters
    ----------
    study : Study
        With labels; it need not be prepared or split.
    method : str
        A network among `METHODS`.
    inner : int
        Parts of the infants, 2 or more: one member is trained without each, and a further one
        without a part of a second dealing.
    seed : int
        Of the dealing of the infants.
    error : float
        Stated error rate of the abstention.
    name : str, optional
        Folder below ``runs`` of the study, by default ``<method>_final``.
    fps, channels, workers
        As `fidgety.study.experiment.cross_validate`; each member is a piece of work.
    progress : callable (done, total, name), optional
        Called after each member.
    finish : callable (folder), optional
        Called with the finished model in the folder; a run that was killed before calls it again.

    Raises
    ------
    ConfigError
        E702 if `inner` is below 2.
    StudyError
        E213 a class smaller than `inner`, E275 another finished model in the folder, E277 the
        method is no network, E272 recordings or members failed; else as `cross_fit`.
    CheckpointError
        E440 the folder holds a run of other settings or recordings.
    """
    chosen, network = network_method(method)
    if inner < 2:
        raise ConfigError(
            "E702",
            f"{inner} inner folds for a final model",
            why="every infant must be left out by a member",
            remedy="Give 2 or more",
        )
    check_classes(study)
    _check_size(study, inner)
    folder = final_folder(study, method, name)
    _claim(folder, study, {
        "method": method, **chosen.to_dict(),
        "inner": inner, "seed": seed, "error": error, "fps": fps, "channels": channels,
    })  # fmt: skip
    make = partial(make_sequence, study, folder, chosen.profile, fps, channels)
    refuse_failures(run_batch(make, sorted(study.by_name), workers=workers), "recordings")
    train = partial(_train_member, study, folder, chosen, inner, seed)
    refuse_failures(run_batch(train, member_names(inner), progress, workers), "members")
    examples = _examples(study, folder, chosen)
    with one_thread():
        fitted = cross_fit(
            chosen, examples, inner=inner, seed=seed, error=error, run=folder / MEMBERS
        )
    infants = [example.infant_id for example in examples]
    labels = np.array([example.label for example in examples])
    auc = auc_interval(fitted.held, labels, infants=infants)
    checkpoint = packed(
        fitted.networks, fitted.method.network or network, fitted.rules, study, examples,
        chosen.profile, _metrics(fitted, examples, auc),
    )  # fmt: skip
    _write_table(folder, method, fitted, examples)
    save_checkpoint(folder / MODEL_FILE, checkpoint)
    if finish is not None:
        finish(folder)
    shutil.rmtree(folder / "sequences", ignore_errors=True)
    shutil.rmtree(folder / MEMBERS, ignore_errors=True)  # last: without it the run is over
    count = len(set(infants))
    abnormal = len({e.infant_id for e in examples if e.label})
    return Final(folder, len(fitted.networks), count, abnormal, auc, study.simulated)


def _examples(study: Study, folder: Path, method: Method) -> list[Example]:
    home = folder / "sequences" / method.profile
    return [
        Example(r.infant_id, r.name, int(r.label or 0), read_sequence(home / r.name))
        for r in study.recordings
    ]


@one_thread()
def _train_member(
    study: Study, folder: Path, method: Method, inner: int, seed: int, name: str
) -> State:
    """Train one member, which `cross_fit` then finds in the folder."""
    examples = _examples(study, folder, method)
    fit_member(method, examples, name, inner=inner, seed=seed, run=folder / MEMBERS)
    return "done"


def _check_size(study: Study, inner: int) -> None:
    """`StudyError` E213 where a class has fewer infants than `inner`, each of which one is in."""
    held = {name: list(study.infants.values()).count(label) for label, name in LABEL_NAMES.items()}
    name = min(held, key=lambda name: held[name])
    if held[name] < inner:
        raise StudyError(
            "E213",
            f"{name!r} has {held[name]} infants, {inner} inner parts need {inner}",
            where=study.root.name,
            why="every part must hold both classes",
            remedy=f"Use --inner {held[name]}, or add infants",
        )


def final_folder(study: Study, method: str, name: str | None = None) -> Path:
    """Where the ensemble lives; `StudyError` E209 for a name that cannot be a file name."""
    return study.root / "runs" / safe_name(name or f"{method}_final")


def _metrics(fitted: CrossFit, examples: list[Example], auc: AUC) -> dict[str, Any]:
    """What the model file says of it: all from scores of infants left out."""
    labels = [example.label for example in examples]
    infants = [example.infant_id for example in examples]
    risks = fitted.held_risk
    by_infant: dict[str, list[float]] = {}
    for infant, risk in zip(infants, risks, strict=True):
        by_infant.setdefault(infant, []).append(float(risk))
    label = dict(zip(infants, labels, strict=True))
    return {
        "part": "out-of-fold",
        "auc": auc.value,
        "auc_low": auc.low,
        "auc_high": auc.high,
        "infants": len(by_infant),
        "members": len(fitted.networks),
        # Each infant's risk by a member that never saw it, in no order that says who it is.
        "scores": sorted(
            (
                {"score": round(float(np.mean(risk)), 4), "label": int(label[infant])}
                for infant, risk in by_infant.items()
            ),
            key=lambda row: (row["score"], row["label"]),
        ),
    }


def _write_table(
    folder: Path, method: str, fitted: CrossFit, examples: list[Example]
) -> None:  # fmt: skip
    rows = [
        Prediction(method, 0, 0, e.infant_id, e.recording, e.label, float(score), float(risk))
        for e, score, risk in zip(examples, fitted.held, fitted.held_risk, strict=True)
    ]
    write_table(folder / "predictions.csv", rows)


def _claim(folder: Path, study: Study, settings: dict[str, Any]) -> None:
    """Write what the run is into its folder, or check that it is the run that stands there."""
    told = {
        **settings,
        "recordings": study.identity(),
    }
    path = folder / "config.json"
    if (folder / MODEL_FILE).exists() and not (folder / MEMBERS).exists():
        raise StudyError(
            "E275",
            "This run exists",
            where=folder.name,
            remedy="Choose another --name, or remove its folder",
        )
    if path.exists():
        try:
            standing = parse_json(path.read_text("utf-8"))
        except (OSError, ValueError):
            standing = None
        if standing != told:
            raise other_run(folder.name)
    write_json(path, told)
