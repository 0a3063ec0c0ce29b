"""Lines of the robustness bench: what scores of perturbed recordings come to."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fidgety.files import write_text
from fidgety.statistics import auc_interval, calibration, roc_auc
from fidgety.study.perturb import PERTURBATIONS

__all__ = ["LENGTHS_S", "Line", "Robustness", "lines_of", "write_csv"]

LENGTHS_S = (30.0, 60.0, 120.0, 300.0)
COST = 0.05  # AUC that a line may cost


@dataclass(frozen=True)
class Line:
    """One model under one perturbation.

    Parameters
    ----------
    model, perturbation, group, setting : str
        Which, and how much.
    infants, recordings : int
        Infants and recordings scored.
    refused : int
        Recordings without a score: refused by the quality gate, or too little of them usable.
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
    recordings: int
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
                f"{_told(line.ece)} | {line.refused} of {line.recordings + line.refused} | "
                f"{'yes' if line.holds else 'no'} |"
            )
        return "\n".join(rows)


def lines_of(rows: dict[str, list[dict[str, Any]]], models: Sequence[str]) -> list[Line]:
    """Lines of every model, from the scores of every perturbation's recordings.

    Parameters
    ----------
    rows : dict of str to list of dict
        By perturbation: ``infant_id``, ``recording``, ``label``, and ``scores`` by model, without
        those models that the recording was refused for.
    models : sequence of str
        Methods.
    """
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
        infants=len({row["infant_id"] for row in scored}),
        recordings=len(scored),
        refused=len(rows) - len(scored),
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


def write_csv(path: Path, lines: Sequence[Line]) -> None:
    """One row a line, empty where there is no value."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([entry.name for entry in fields(Line)])
    for line in lines:
        table.writerow(["" if value is None else value for value in asdict(line).values()])
    write_text(path, text.getvalue())


def _told(value: float | None, sign: str = "") -> str:
    return "" if value is None else f"{value:{sign}.3f}"
