"""Models of one cross-validation side by side: AUC with intervals, paired differences."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import StudyError
from fidgety.files import write_json, write_text
from fidgety.statistics import AUC, AUCDifference, auc_interval, compare_auc
from fidgety.study.experiment import Prediction, read_predictions

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
        E274 if there are no predictions, E279 if models were tested on different recordings.
    """
    root = Path(folder)
    by_model: dict[str, list[Prediction]] = defaultdict(list)
    for row in read_predictions(root):
        by_model[row.model].append(row)
    if not by_model:
        raise StudyError("E274", "The table of predictions is empty", where=root)
    recordings = sorted({row.recording for rows in by_model.values() for row in rows})
    scores = {model: _mean_scores(rows, recordings, model) for model, rows in by_model.items()}
    first = {row.recording: row for row in next(iter(by_model.values()))}
    labels = np.array([first[name].label for name in recordings])
    infants = [first[name].infant_id for name in recordings]
    auc = {model: auc_interval(score, labels, infants=infants) for model, score in scores.items()}
    auc = dict(sorted(auc.items(), key=lambda item: -item[1].value))
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
        _simulated(root),
    )
    write_text(root / "comparison.md", result.table() + "\n")
    write_json(
        root / "comparison.json",
        {m: {"auc": a.value, "low": a.low, "high": a.high} for m, a in auc.items()},
    )
    return result


def _mean_scores(rows: list[Prediction], recordings: list[str], model: str) -> NDArray[np.float64]:
    table: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        table[row.recording].append(row.score)
    counts = {len(values) for values in table.values()}
    if set(table) != set(recordings) or len(counts) != 1:
        raise StudyError(
            "E279",
            f"{model} was not tested on the same recordings as the other models",
            remedy="Run fidgety cv again into a new folder",
        )
    return np.array([np.mean(table[name]) for name in recordings])


def _simulated(root: Path) -> bool:
    try:
        return bool(json.loads((root / "experiment.json").read_text("utf-8")).get("simulated"))
    except (OSError, ValueError, AttributeError):
        return False
