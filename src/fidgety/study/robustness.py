"""How much of a model survives poorer input: the test infants of each fold, perturbed.

Every perturbed pose goes the way of a new recording: quality gate, mending, preprocessing, the
model of the fold that never saw the infant. What the gate refuses has no score and is counted.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fidgety.engines import Engine
from fidgety.errors import ConfigError, PoseError, StudyError
from fidgety.files import make_folder, parse_json, write_json
from fidgety.models.ensemble import pooled
from fidgety.models.trained import UNASSESSABLE
from fidgety.motion import PoseSequence, pose_sequence
from fidgety.pose.pose import Pose
from fidgety.pose.quality import assess_quality, mend
from fidgety.study.batch import State, one_thread, run_batch
from fidgety.study.copies import file_digest
from fidgety.study.experiment import make_sequences, refuse_failures
from fidgety.study.fold_models import FoldModel, cached_model, chosen_models, same_study
from fidgety.study.methods import METHODS
from fidgety.study.perturb import PERTURBATIONS, perturbed
from fidgety.study.predictions import noted
from fidgety.study.preparing import read_recording
from fidgety.study.profiled import said_of
from fidgety.study.robustness_lines import LENGTHS_S, Line, Robustness, lines_of, write_csv
from fidgety.study.sequences import read_sidecar
from fidgety.study.study import Recording, Study

__all__ = ["LENGTHS_S", "Line", "Robustness", "robustness"]

FILE = "robustness"


def robustness(
    study: Study,
    folder: str | os.PathLike[str],
    *,
    models: Sequence[str] | None = None,
    perturbations: Sequence[str] | None = None,
    longer: Study | None = None,
    seed: int = 0,
    workers: int | Engine = 1,
    progress: Callable[[int, int, str], None] | None = None,
) -> Robustness:
    """Perturb the test infants of a cross-validation; write ``robustness.json`` and ``.csv``.

    Parameters
    ----------
    study : Study
        The one that was cross-validated, with its poses.
    folder : path-like
        Output of `fidgety.study.experiment.cross_validate`. What a killed run finished is kept.
    models : sequence of str, optional
        Methods; all of the experiment by default. The first repeat's models are used.
    perturbations : sequence of str, optional
        Names in `PERTURBATIONS`; all by default.
    longer : Study, optional
        Recordings of 300 s of other infants: they are cut to 30, 60, 120 and 300 s and scored by
        the models of all folds together.
    seed : int
        Of the perturbations.
    workers : int or Engine
        Processes, or a cluster.
    progress : callable (done, total, name), optional
        Called after each piece of work.

    Raises
    ------
    ConfigError
        E702 for an unknown perturbation.
    StudyError
        E272 if pieces of work failed, E273 if the folder is of another study, E285 if a fold or a
        model is missing, E286 if infants of `longer` are in the study.
    """
    root = Path(folder)
    names = list(perturbations or PERTURBATIONS)
    unknown = [name for name in names if name not in PERTURBATIONS]
    if unknown:
        raise ConfigError(
            "E702",
            f"No perturbation named {unknown[0]!r}",
            remedy=f"Choose from {', '.join(PERTURBATIONS)}",
        )
    same_study(study, root)
    chosen = chosen_models(root, models)
    names = ["none", *(name for name in names if name != "none")]
    if (
        longer is not None
        and set(longer.infants) & set(study.infants)
        and not _apart(study, longer)
    ):
        raise StudyError(
            "E286",
            "Infants of the longer recordings are in the study",
            where=longer.root.name,
            remedy="Give other infants; simulated ones from another --seed",
        )
    make_folder(root / FILE)
    make_sequences(study, root, chosen, workers)  # classifiers are fitted anew to them
    work = _Work(study.root, root, tuple(chosen), seed, longer and longer.root)
    items = [f"{name} fold{fold}" for name in names for fold in range(noted(root)["folds"])]
    if longer is not None:
        items += [f"length-{seconds:g} longer" for seconds in LENGTHS_S]
    refuse_failures(run_batch(work, items, progress, workers), "pieces of work")
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for item in items:
        rows[item.split()[0]] += work.rows_of(item) or []
    found = Robustness(tuple(lines_of(rows, chosen)))
    write_json(root / f"{FILE}.json", {
        "models": chosen, "simulated": study.simulated, "seed": seed,
        "rows": [asdict(line) for line in found.lines],
    })  # fmt: skip
    write_csv(root / f"{FILE}.csv", found.lines)
    return found


@dataclass(frozen=True)
class _Work:
    """Scores one perturbation of one fold's test infants by all models; picklable."""

    study: Path
    root: Path
    models: tuple[str, ...]
    seed: int
    longer: Path | None

    def path(self, item: str) -> Path:
        return self.root / FILE / f"{item.replace(' ', '_')}.json"

    def rows_of(self, item: str) -> list[dict[str, Any]] | None:
        """What is known of an item; None if it is not done, or was done with other inputs."""
        try:
            content = parse_json(self.path(item).read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return content["rows"] if content.get("key") == self._key(item) else None

    @one_thread()
    def __call__(self, item: str) -> State:
        if self.rows_of(item) is not None:
            return "kept"
        name, part = item.split()
        rows = self._of_fold(name, int(part[4:])) if part != "longer" else self._of_longer(name)
        write_json(self.path(item), {"key": self._key(item), "rows": rows})
        return "done"

    def _key(self, item: str) -> list[Any]:
        """What must agree for an earlier result to count."""
        key = [list(self.models), self.seed, file_digest(self.root / "predictions.csv")]
        if self.longer is None or not item.endswith(" longer"):
            return key
        study = Study.open(self.longer, check_copies=False)
        return [*key, study.identity()]

    def _of_fold(self, name: str, fold: int) -> list[dict[str, Any]]:
        models = {m: cached_model(self.study, self.root, m, fold) for m in self.models}
        study = next(iter(models.values())).task.study
        test = set.intersection(*(set(model.test) for model in models.values()))
        rows = []
        for number, recording in enumerate(study.recordings_of(test)):
            pose = perturbed(
                _pose(study, recording.name), PERTURBATIONS[name], self.seed + 1000 * fold + number
            )
            made = _made(pose, {METHODS[m].profile for m in self.models}, recording)
            row = _row(recording, made)
            for label, model in models.items() if made else ():
                assert recording.infant_id in model.test
                score = _score([model], made[METHODS[label].profile])
                if score is not None:
                    row["scores"][label] = _said(score, [model.rules])
            rows.append(row)
        return rows

    def _of_longer(self, name: str) -> list[dict[str, Any]]:
        seconds, folds = float(name.split("-")[1]), range(noted(self.root)["folds"])
        models = {m: [cached_model(self.study, self.root, m, k) for k in folds]
                  for m in self.models}  # fmt: skip
        assert self.longer is not None
        study = Study.open(self.longer, check_copies=False)
        rows = []
        for recording in study.recordings:
            pose = _pose(study, recording.name)
            pose = pose.between(float(pose.time[0]), float(pose.time[0]) + seconds)
            made = _made(pose, {METHODS[m].profile for m in self.models}, recording)
            row = _row(recording, made)
            for label, members in models.items() if made else ():
                score = _score(members, made[METHODS[label].profile])
                if score is not None:
                    row["scores"][label] = _said(score, [m.rules for m in members])
            rows.append(row)
        return rows


def _score(models: Sequence[FoldModel], sequence: PoseSequence) -> NDArray[np.float64] | None:
    """Score (1,) of one recording by these models together; None if too little of it is usable."""
    try:
        return pooled(np.stack([model.scores([sequence]) for model in models]))
    except PoseError as error:
        if error.code not in UNASSESSABLE:
            raise
        return None


def _said(score: NDArray[np.float64], rules: Sequence[Any]) -> dict[str, Any]:
    """Score, mean probability over the rules, and the first one's decision."""
    decided = rules[0].decide(score)
    return {
        "score": float(score[0]),
        "probability": float(np.mean([rule.risk(score)[0] for rule in rules])),
        "decision": None if decided is None else str(decided[0]),
    }


def _row(recording: Recording, made: dict[str, PoseSequence]) -> dict[str, Any]:
    return {
        "infant_id": recording.infant_id,
        "recording": recording.name,
        "label": recording.label,
        "scores": {},
    }


def _pose(study: Study, name: str) -> Pose:
    path = study.pose_path(name)
    if path is None:
        raise StudyError(
            "E218",
            "The recording has no poses, only features: they cannot be perturbed",
            where=name,
            remedy="Give a study with estimated_poses",
        )
    return read_recording(path, **said_of(read_sidecar(study.sequence_folder(name)) or {}, None))


def _made(pose: Pose, profiles: set[str], recording: Recording) -> dict[str, PoseSequence]:
    """Sequences by profile, as an assessment makes them; empty where the gate refuses."""
    quality = assess_quality(pose, recording.age_weeks)
    if quality.verdict == "refused":
        return {}
    mended = mend(pose, quality)
    try:
        return {profile: pose_sequence(mended, profile) for profile in profiles}
    except PoseError as error:
        if error.code not in UNASSESSABLE:
            raise
        return {}


def _apart(study: Study, other: Study) -> bool:
    """Whether infants differ although their codes agree, as in simulated studies of two seeds.

    The same seed makes the same infants again, however long they are filmed.
    """
    seeds = [_seed_of(study), _seed_of(other)]
    return None not in seeds and seeds[0] != seeds[1]


def _seed_of(study: Study) -> int | None:
    """What simulated infants were drawn from; None if they are not, or it is not known."""
    try:
        about = parse_json((study.root / "study.json").read_text("utf-8"))
        return int(about["arguments"]["seed"]) if study.simulated else None
    except (OSError, ValueError, TypeError, LookupError):
        return None
