"""How much of a model survives poorer input: the test infants of each fold, perturbed.

Every perturbed pose goes the way of a new recording: quality gate, mending, preprocessing, the
model of the fold that never saw the infant. What the gate refuses has no score and is counted.
"""

from __future__ import annotations

import csv
import io
import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fidgety.engines import Engine
from fidgety.errors import ConfigError, PoseError, StudyError
from fidgety.files import make_folder, parse_json, write_json, write_text
from fidgety.models.ensemble import pooled
from fidgety.motion import PoseSequence, pose_sequence
from fidgety.pose.pose import Pose
from fidgety.pose.quality import assess_quality, mend
from fidgety.statistics import auc_interval, calibration, roc_auc
from fidgety.study.batch import State, run_batch
from fidgety.study.copies import file_digest
from fidgety.study.experiment import refuse_failures
from fidgety.study.fold_models import cached_model, chosen_models, same_study
from fidgety.study.methods import METHODS
from fidgety.study.perturb import PERTURBATIONS, perturbed
from fidgety.study.predictions import noted
from fidgety.study.preparing import read_recording
from fidgety.study.profiled import said_of
from fidgety.study.sequences import read_sidecar
from fidgety.study.study import Recording, Study

__all__ = ["LENGTHS_S", "Line", "Robustness", "robustness"]

LENGTHS_S = (30.0, 60.0, 120.0, 300.0)
COST = 0.05  # AUC that a line may cost
FILE = "robustness"


@dataclass(frozen=True)
class Line:
    """One model under one perturbation.

    Parameters
    ----------
    model, perturbation, group, setting : str
        Which, and how much.
    infants, refused : int
        Recordings scored, and recordings that the quality gate refused.
    auc, auc_low, auc_high : float or None
        Of those scored; None where a class is missing.
    baseline_auc, difference : float or None
        AUC of the same recordings unperturbed; how much the perturbation adds to it.
    slope, ece, brier, brier_prevalence : float or None
        Calibration of those scored.
    answered : float or None
        Share of those scored with an answer by the abstention rule; None without one.
    holds : bool
        Whether the line costs at most 0.05 AUC, or the gate refuses such input.
    """

    model: str
    perturbation: str
    group: str
    setting: str
    infants: int
    refused: int
    auc: float | None
    auc_low: float | None
    auc_high: float | None
    baseline_auc: float | None
    difference: float | None
    slope: float | None
    ece: float | None
    brier: float | None
    brier_prevalence: float | None
    answered: float | None
    holds: bool


@dataclass(frozen=True)
class Robustness:
    """All lines of a bench."""

    lines: tuple[Line, ...]

    def table(self) -> str:
        """A Markdown table."""
        rows = [
            "| model | perturbation | AUC | 95 % interval | change | slope | ECE | refused | holds |",  # noqa: E501
            "|---|---|---|---|---|---|---|---|---|",
        ]
        for line in self.lines:
            span = "" if line.auc_low is None else f"{line.auc_low:.3f} to {line.auc_high:.3f}"
            rows.append(
                f"| {line.model} | {line.perturbation} ({line.setting}) | {_told(line.auc)} | "
                f"{span} | {_told(line.difference, '+')} | {_told(line.slope)} | "
                f"{_told(line.ece)} | {line.refused} of {line.infants + line.refused} | "
                f"{'yes' if line.holds else 'no'} |"
            )
        return "\n".join(rows)


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
    work = _Work(study.root, root, tuple(chosen), seed, longer and longer.root)
    items = [f"{name} fold{fold}" for name in names for fold in range(noted(root)["folds"])]
    if longer is not None:
        items += [f"length-{seconds:g} longer" for seconds in LENGTHS_S]
    refuse_failures(run_batch(work, items, progress, workers), "pieces of work")
    found = Robustness(tuple(_lines(work, items, chosen)))
    write_json(root / f"{FILE}.json", {
        "models": chosen, "simulated": study.simulated, "seed": seed,
        "rows": [asdict(line) for line in found.lines],
    })  # fmt: skip
    _write_csv(root / f"{FILE}.csv", found.lines)
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

    def __call__(self, item: str) -> State:
        import torch

        if self.rows_of(item) is not None:
            return "kept"
        torch.set_num_threads(1)
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
        told = [
            [r.name, r.infant_id, r.label, file_digest(study.source_path(r.name))]
            for r in study.recordings
        ]
        return [*key, told]

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
                score = model.scores([made[METHODS[label].profile]])
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
                sequence = made[METHODS[label].profile]
                scores = np.stack([member.scores([sequence]) for member in members])
                row["scores"][label] = _said(pooled(scores), [m.rules for m in members])
            rows.append(row)
        return rows


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
        "refused": not made,
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
    except PoseError:
        return {}


def _lines(work: _Work, items: Sequence[str], models: Sequence[str]) -> list[Line]:
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for item in items:
        rows[item.split()[0]] += work.rows_of(item) or []
    lines = []
    for model in models:
        for name, found in rows.items():
            base = "none" if name in PERTURBATIONS else f"length-{LENGTHS_S[0]:g}"
            lines.append(_line(model, name, found, rows[base]))
    return lines


def _line(
    model: str, name: str, rows: list[dict[str, Any]], base: list[dict[str, Any]]
) -> Line:  # fmt: skip
    scored = [row for row in rows if model in row["scores"]]
    plain = {row["recording"]: row for row in base if model in row["scores"]}
    how = PERTURBATIONS.get(name)
    group = how.group if how else "length"
    setting = how.setting if how else f"first {name.split('-')[1]} s, other infants"
    paired = [row for row in scored if row["recording"] in plain]
    auc, low, high = _auc(scored, model)
    before = _area([plain[row["recording"]] for row in paired], model)
    after = _area(paired, model)
    change = None if before is None or after is None else after - before
    slope, ece, brier, brier_prevalence = _calibration(scored, model)
    said = [row["scores"][model]["decision"] for row in scored]
    return Line(
        model=model,
        perturbation=name,
        group=group,
        setting=setting,
        infants=len(scored),
        refused=sum(row["refused"] for row in rows),
        auc=auc,
        auc_low=low,
        auc_high=high,
        baseline_auc=before,
        difference=change,
        slope=slope,
        ece=ece,
        brier=brier,
        brier_prevalence=brier_prevalence,
        answered=None
        if not said or None in said
        else float(np.mean([word != "cannot_say" for word in said])),
        holds=not scored or (change is not None and change >= -COST),
    )


def _arrays(
    rows: list[dict[str, Any]], model: str, what: str
) -> tuple[NDArray[np.float64], NDArray[np.int64], list[str]]:
    values = np.array([row["scores"][model][what] for row in rows])
    return values, np.array([row["label"] for row in rows]), [row["infant_id"] for row in rows]


def _mixed(rows: list[dict[str, Any]]) -> bool:
    return len({row["label"] for row in rows}) == 2


def _area(rows: list[dict[str, Any]], model: str) -> float | None:
    values, labels, _ = _arrays(rows, model, "score")
    return float(roc_auc(values, labels)) if _mixed(rows) else None


def _auc(rows: list[dict[str, Any]], model: str) -> tuple[float | None, float | None, float | None]:
    if not _mixed(rows):
        return None, None, None
    values, labels, infants = _arrays(rows, model, "score")
    auc = auc_interval(values, labels, infants=infants)
    return auc.value, auc.low, auc.high


def _calibration(
    rows: list[dict[str, Any]], model: str
) -> tuple[float | None, float | None, float | None, float | None]:
    if not _mixed(rows):
        return None, None, None, None
    values, labels, infants = _arrays(rows, model, "probability")
    found = calibration(values, labels, infants=infants, draws=200)
    slope = float(found.slope.value)
    return (
        slope if np.isfinite(slope) else None,
        found.ece,
        float(found.brier.value),
        found.brier_prevalence,
    )


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


def _write_csv(path: Path, lines: Sequence[Line]) -> None:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([entry.name for entry in fields(Line)])
    for line in lines:
        table.writerow(["" if value is None else value for value in asdict(line).values()])
    write_text(path, text.getvalue())


def _told(value: float | None, sign: str = "") -> str:
    return "" if value is None else f"{value:{sign}.3f}"
