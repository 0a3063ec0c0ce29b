"""A training run of a study: one split, one network, everything kept in its folder."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from lightning_fabric import Fabric
from numpy.typing import NDArray

from fidgety.errors import StudyError
from fidgety.files import existing, parse_json, write_json, write_text
from fidgety.models.checkpoint import Checkpoint, save_checkpoint
from fidgety.models.rules import Rules, fit_rules
from fidgety.models.scope import scope_table
from fidgety.models.trained import TrainedModel
from fidgety.motion import PoseSequence
from fidgety.statistics import AUC, auc_interval
from fidgety.study.examples import Example
from fidgety.study.methods import Method, network_method
from fidgety.study.names import listing, safe_name
from fidgety.study.packing import packed
from fidgety.study.sequences import load_sequence
from fidgety.study.splits import PARTS, Split, read_split
from fidgety.study.state import STATE_FILE, Epoch, other_run
from fidgety.study.study import Study, check_classes
from fidgety.study.training import Fitted, NetworkConfig, fit, scores

__all__ = [
    "Run",
    "Validation",
    "examples_of",
    "frame_rate",
    "run_folder",
    "train_run",
    "validate_run",
]

Part = Literal["val", "test"]
MODEL_FILE = "model.fidgety"  # its presence marks a finished run
COLUMNS = ("infant_id", "recording", "label", "score", "probability")


@dataclass(frozen=True)
class Run:
    """A finished training run.

    Parameters
    ----------
    folder : Path
        Holds ``config.json``, ``metrics.jsonl``, ``model.fidgety`` and ``predictions_val.csv``.
    epochs : tuple of Epoch
        What was measured after each epoch.
    kept_epoch : int
        The epoch whose weights the model carries.
    validation : Validation or None
        How the model does on the validation part; None without one.
    """

    folder: Path
    epochs: tuple[Epoch, ...]
    kept_epoch: int
    validation: Validation | None


@dataclass(frozen=True)
class Validation:
    """How a run's model does on one part of its split.

    Parameters
    ----------
    part : {"val", "test"}
        Which part.
    auc : AUC or None
        With its interval; None if the part holds one class only.
    infants, abnormal : int
        Infants in the part, and the abnormal among them.
    simulated : bool
        Whether they are simulated infants.
    path : Path
        Table of the predictions.
    """

    part: Part
    auc: AUC | None
    infants: int
    abnormal: int
    simulated: bool
    path: Path

    def metrics(self) -> dict[str, Any]:
        """What a model file says of it; empty if no AUC is defined."""
        if self.auc is None:
            return {}
        name = "validation" if self.part == "val" else self.part
        auc = {"auc": self.auc.value, "auc_low": self.auc.low, "auc_high": self.auc.high}
        return {"part": name, **auc, "infants": self.infants}

    def __str__(self) -> str:
        kind = "simulated infants" if self.simulated else "infants"
        name = "validation" if self.part == "val" else "test"
        if self.auc is None:
            return f"AUC not defined: the {name} part holds one class only ({self.infants} {kind})"
        a = self.auc
        return (
            f"AUC {a.value:.3f} (95 % interval {a.low:.3f} to {a.high:.3f}), {name} part: "
            f"{self.infants} {kind}, {self.abnormal} abnormal"
        )


def train_run(
    study: Study,
    *,
    method: str = "fidgety",
    fold: int = 0,
    change: Callable[[NetworkConfig], NetworkConfig] | None = None,
    name: str | None = None,
    resume: bool = False,
    fps: float | None = None,
    channels: str | None = None,
    length_s: float | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
    fabric: Fabric | None = None,
) -> Run:
    """Train on one split of a prepared study; the test part is never opened.

    Parameters
    ----------
    study : Study
        Prepared and split.
    method : str
        A network among `METHODS`.
    fold : int
        Which split.
    change : callable, optional
        Changes the method's settings before training.
    name : str, optional
        Folder below ``runs``; by default method and fold.
    resume : bool
        Go on after a kill; the end is that of an uninterrupted run.
    fps, channels : optional
        For sequences made elsewhere: their frame rate, and the map of more than 7 channels.
    length_s : float, optional
        Use only the first seconds of each recording.
    on_epoch, fabric
        As `fidgety.study.training.fit`.

    Raises
    ------
    StudyError
        E275 if the run exists, E276 if the sequences were made by another profile, E277 if the
        method is no network; else as `read_split`, `load_sequence` and `fit`.
    CheckpointError
        E440 if the run to resume is another one.
    """
    chosen, network = network_method(method)
    check_classes(study)
    config = change(network) if change else network
    division = read_split(study, fold)
    load = {"fps": fps, "channels": channels, "length_s": length_s}
    train, val = (examples_of(study, division, part, **load) for part in ("train", "val"))
    for example in (*train, *val):
        _check_profile(example.sequence, chosen, example.recording)
    folder = run_folder(study, method, fold, name)
    infants = {part: list(getattr(division, part)) for part in PARTS}
    settings = {"method": method, "fold": fold, **load, "network": config.to_dict()}
    _claim(folder, {**settings, "infants": infants}, resume)
    fitted = fit(train, val, config, run=folder, resume=resume, on_epoch=on_epoch, fabric=fabric)
    run = None
    if fabric is None or fabric.is_global_zero:
        checkpoint = _checkpoint(fitted, chosen, study, train, val)
        model = TrainedModel(checkpoint, (fitted.model,))
        validation = _measured(model, val, "val", study, folder) if val else None
        measured = {} if validation is None else validation.metrics()
        save_checkpoint(folder / MODEL_FILE, replace(checkpoint, metrics=measured))
        run = Run(folder, fitted.epochs, fitted.kept_epoch, validation)
    return run if fabric is None else fabric.broadcast(run)  # type: ignore[return-value]


def run_folder(study: Study, method: str, fold: int, name: str | None = None) -> Path:
    """Where a run lives; `StudyError` E209 for a name that cannot be a file name."""
    return study.root / "runs" / safe_name(name or f"{method}_fold{fold:02d}")


def validate_run(
    run: str | os.PathLike[str], study: Study | None = None, part: Part = "val"
) -> Validation:
    """Measure a run's model on the validation or the test part of its split.

    The parts are those the run was trained with, whatever was split anew since. Writes
    ``predictions_<part>.csv`` into the run's folder.

    Parameters
    ----------
    run : path-like
        Folder of a finished run.
    study : Study, optional
        The study it belongs to; by default the folder two levels up.
    part : {"val", "test"}
        Which part.

    Raises
    ------
    StudyError
        E278 if the folder holds no finished run, E216 if the part is empty, E283 if the study no
        longer has its infants.
    """
    folder = existing(run, "run").resolve()
    settings = _settings(folder)
    model = TrainedModel.load(folder / MODEL_FILE)
    study = study or Study.open(folder.parent.parent, skip_unlabelled=True)
    load = {key: settings.get(key) for key in ("fps", "channels", "length_s")}
    division = Split(
        settings["fold"], *(tuple(settings["infants"][name]) for name in PARTS)
    )  # raises where a hand made them overlap
    gone = set(getattr(division, part)) - set(study.infants)
    if gone:
        raise StudyError(
            "E283",
            f"Infants of the {part} part are no longer in the study: {listing(gone)}",
            where=study.root,
            remedy="Bring back their recordings and labels, or train again",
        )
    return _measured(model, examples_of(study, division, part, **load), part, study, folder)


def frame_rate(study: Study, *, fps: float | None = None, channels: str | None = None) -> float:
    """Frames per second of a study's sequences, by its first one; what a frame count means."""
    first = study.recordings[0].name
    return load_sequence(study, first, fps=fps, channels=channels).fps


def examples_of(
    study: Study,
    division: Split,
    part: Literal["train", "val", "test"],
    *,
    fps: float | None = None,
    channels: str | None = None,
    length_s: float | None = None,
) -> list[Example]:
    """The labelled sequences of one part of a split."""
    return [
        Example(
            recording.infant_id,
            recording.name,
            int(recording.label or 0),
            _cut(load_sequence(study, recording.name, fps=fps, channels=channels), length_s),
        )
        for recording in division.recordings(study, part)
    ]


def _cut(sequence: PoseSequence, length_s: float | None) -> PoseSequence:
    if length_s is None:
        return sequence
    return replace(sequence, values=sequence.values[:, : round(length_s * sequence.fps)])


def _measured(
    model: TrainedModel, examples: Sequence[Example], part: Part, study: Study, folder: Path
) -> Validation:
    if not examples:
        raise StudyError(
            "E216", f"The {part} part is empty", where=folder, remedy="Split with a validation part"
        )
    risks = np.array([model.infer(model.clips(example.sequence)).risk for example in examples])
    labels = np.array([example.label for example in examples])
    path = _write(folder / f"predictions_{part}.csv", examples, risks, model.calibrated(risks))
    infants = {example.infant_id: example.label for example in examples}
    mixed = 0 < labels.mean() < 1
    auc = auc_interval(risks, labels, infants=_infants(examples)) if mixed else None
    return Validation(part, auc, len(infants), sum(infants.values()), study.simulated, path)


def _checkpoint(
    fitted: Fitted,
    method: Method,
    study: Study,
    train: Sequence[Example],
    val: Sequence[Example],
) -> Checkpoint:
    """The model file of one network; its rules rest on the validation part."""
    rules = Rules()
    if len({example.label for example in val}) == 2:
        names, table = scope_table([example.sequence for example in train])
        rules = fit_rules(
            scores(fitted.model, val, fitted.config),
            [example.label for example in val],
            _infants(val),
            features=table,
            feature_names=names,
            feature_infants=_infants(train),
            calibration="anchored",
        )
    everyone = [*train, *val]
    return packed([fitted.model], fitted.config, rules, study, everyone, method.profile)


def _infants(examples: Sequence[Example]) -> list[str]:
    return [example.infant_id for example in examples]


def _check_profile(sequence: PoseSequence, method: Method, recording: str) -> None:
    """Refuse a sequence that another profile made; one from outside carries none."""
    made_by = sequence.profile.name if sequence.profile is not None else method.profile
    if made_by != method.profile:
        raise StudyError(
            "E276",
            f"The study was prepared with the {made_by} profile, this model needs {method.profile}",
            where=recording,
            remedy=f"Run: fidgety prepare STUDY --profile {method.profile}",
        )


def _write(
    path: Path,
    examples: Sequence[Example],
    risks: NDArray[np.float64],
    calibrated: NDArray[np.float64],
) -> Path:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for example, score, probability in zip(examples, risks, calibrated, strict=True):
        row = (example.infant_id, example.recording, example.label)
        table.writerow([*row, float(score), float(probability)])
    return write_text(path, text.getvalue())


def _claim(folder: Path, settings: dict[str, Any], resume: bool) -> None:
    """Write what the run is into its folder, or check that it is the run that stands there."""
    path = folder / "config.json"
    if path.exists() and resume:
        standing = _settings(folder)
        standing.pop("fidgety", None)
        if standing != json.loads(json.dumps(settings)):
            raise other_run(folder.name)
    elif (folder / MODEL_FILE).exists() or (folder / STATE_FILE).exists():
        raise StudyError(
            "E275",
            "This run exists",
            where=folder.name,
            remedy="Choose another --name, or remove its folder; --resume goes on with it",
        )
    else:
        write_json(path, {**settings, "fidgety": version("fidgety")})


def _settings(folder: Path) -> dict[str, Any]:
    try:
        settings = parse_json((folder / "config.json").read_text("utf-8"))
        if "infants" not in settings and (folder / MODEL_FILE).exists():
            raise StudyError(
                "E278",
                "This model was trained on every infant",
                where=folder,
                why="none was left out to validate it on; what it says of itself is out of fold",
                remedy="Measure its method with: fidgety cv STUDY --models METHOD --out DIR",
            )
        parts = settings["infants"]
        if not isinstance(settings["fold"], int) or not all(
            isinstance(infant, str) for part in PARTS for infant in parts[part]
        ):
            raise ValueError
        return settings
    except StudyError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = "its config.json does not name a fold and infants"
        if isinstance(error, OSError):
            why = f"its config.json: {(error.strerror or str(error)).lower()}"
        raise StudyError(
            "E278",
            "No run in this folder",
            where=folder,
            why=why,
            remedy="Give a folder below STUDY/runs; start one with: fidgety train STUDY",
        ) from error
