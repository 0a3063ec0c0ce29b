"""Models of one cross-validation side by side: AUC with intervals, paired differences."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import StudyError
from fidgety.files import write_json, write_text
from fidgety.statistics import AUC, AUCDifference, auc_interval, compare_auc
from fidgety.study.copies import file_digest
from fidgety.study.experiment import Prediction, noted, read_predictions

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True)
class Comparison:
    """AUC of each model over the same out-of-fold infants, and differences from the best.

    Parameters
    ----------
    auc : dict of str to AUC
        Model to its AUC with interval; models in order of AUC, best first.
    difference : dict of str to AUCDifference
        The best model's AUC less each other model's.
    infants, abnormal : int
        How many were tested, and the abnormal among them.
    simulated : bool
        Whether they are simulated infants.
    """

    auc: dict[str, AUC]
    difference: dict[str, AUCDifference]
    infants: int
    abnormal: int
    simulated: bool

    def table(self) -> str:
        """A Markdown table."""
        kind = "simulated infants" if self.simulated else "infants"
        best = next(iter(self.auc))
        lines = [
            f"{self.infants} {kind}, {self.abnormal} abnormal; every prediction out of fold.",
            "",
            f"| model | AUC | 95 % interval | {best} is better by | p |",
            "|---|---|---|---|---|",
        ]
        for name, auc in self.auc.items():
            apart = self.difference.get(name)
            rest = "| |" if apart is None else f"{apart.value:.3f} | {apart.p:.2g} |"
            lines.append(f"| {name} | {auc.value:.3f} | {auc.low:.3f} to {auc.high:.3f} | {rest}")
        return "\n".join(lines)


def compare(folder: str | os.PathLike[str]) -> Comparison:
    """Compare the models of a cross-validation; writes ``comparison.md`` and ``comparison.json``.

    With several repeats, the scores of a recording are first averaged over them.

    Parameters
    ----------
    folder : path-like
        Output of `fidgety.study.experiment.cross_validate`.

    Raises
    ------
    StudyError
        E274 if there are no predictions, E279 if they are not those of the cross-validation:
        changed, incomplete, or of other recordings for one model than for another.
    """
    root = Path(folder)
    rows = read_predictions(root)
    about = noted(root)
    if not rows:
        raise StudyError("E274", "The table of predictions is empty", where=root)
    _check_whole(root, rows, about)
    truth = {row.recording: (row.infant_id, row.label) for row in rows}
    recordings = sorted(truth)
    infants = [truth[name][0] for name in recordings]
    labels = np.array([truth[name][1] for name in recordings])
    scores = {model: _mean_scores(rows, model, recordings) for model in {r.model for r in rows}}
    auc = {model: auc_interval(score, labels, infants=infants) for model, score in scores.items()}
    auc = dict(sorted(auc.items(), key=lambda item: (-item[1].value, item[0])))
    best = next(iter(auc))
    result = Comparison(
        auc,
        {
            model: compare_auc(scores[best], scores[model], labels, infants=infants)
            for model in auc
            if model != best
        },
        len(set(infants)),
        len({name for name, label in zip(infants, labels, strict=True) if label}),
        bool(about.get("simulated")),
    )
    write_text(root / "comparison.md", result.table() + "\n")
    write_json(
        root / "comparison.json",
        {m: {"auc": a.value, "low": a.low, "high": a.high} for m, a in auc.items()},
    )
    return result


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


def _mean_scores(rows: list[Prediction], model: str, recordings: list[str]) -> NDArray[np.float64]:
    table: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if row.model == model:
            table[row.recording].append(row.score)
    return np.array([float(np.mean(table[name])) for name in recordings])


def _refused(root: Path, why: str) -> StudyError:
    return StudyError(
        "E279",
        "The predictions are not those of one cross-validation",
        where=root,
        why=why,
        remedy="Run fidgety cv again with the same settings and --out; finished folds are kept",
    )
