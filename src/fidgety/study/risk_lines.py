"""What the risks and the answers of a cross-validation are worth: one line a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fidgety.files import parse_json
from fidgety.statistics import CHANCE, auc_interval, calibration
from fidgety.study.tested import Decisions, Tested, read_decided

__all__ = ["RiskLine", "risk_lines", "risk_table"]


@dataclass(frozen=True)
class RiskLine:
    """Calibration and abstention of one model, out of fold.

    Parameters
    ----------
    model : str
        Name of the method.
    slope, slope_low, slope_high : float or None
        Cox's calibration slope with its 95 % interval, 1 is right; None where it is not defined.
    ece, ece_if_perfect : float
        Expected calibration error, and what perfect risks of this many infants show on average.
    brier, brier_prevalence : float
        Brier score, and that of giving everyone the prevalence.
    answered, missed, false_alarms : float or None
        Share of recordings answered by the abstention rule; of the abnormal ones called normal; of
        the normal ones called abnormal. None without a rule in every fold.
    notes : tuple of str
        What could not be fitted, and in how many folds.
    """

    model: str
    slope: float | None
    slope_low: float | None
    slope_high: float | None
    ece: float
    ece_if_perfect: float
    brier: float
    brier_prevalence: float
    answered: float | None
    missed: float | None
    false_alarms: float | None
    notes: tuple[str, ...]


def risk_lines(tested: Tested, draws: int = 200) -> tuple[RiskLine, ...]:
    """Measure the risks of each model.

    Parameters
    ----------
    tested : Tested
        The cross-validation.
    draws : int
        Bootstrap draws behind the intervals.

    Raises
    ------
    StudyError
        E279 if ``decisions.csv`` is not of these predictions.
    """
    decided = read_decided(tested)
    return tuple(_line(tested, model, decided.get(model), draws) for model in tested.models)


def risk_table(lines: Sequence[RiskLine], error: float | None) -> str:
    """A Markdown table, and below it what could not be fitted."""
    stated = "" if error is None else f" (stated error {error:.0%})"
    rows = [
        "| model | slope of the risks | ECE (of perfect risks) | Brier (of the prevalence) | "
        f"answered{stated} | missed | false alarms |",
        "|---|---|---|---|---|---|---|",
    ]
    for line in lines:
        slope = "not defined"
        if line.slope is not None:
            slope = f"{line.slope:.2f} ({line.slope_low:.2f} to {line.slope_high:.2f})"
        said = (line.answered, line.missed, line.false_alarms)
        told = " | ".join("" if value is None else f"{value:.3f}" for value in said)
        rows.append(
            f"| {line.model} | {slope} | {line.ece:.3f} ({line.ece_if_perfect:.3f}) | "
            f"{line.brier:.3f} ({line.brier_prevalence:.3f}) | {told} |"
        )
    notes = [f"{line.model}: {note}." for line in lines for note in line.notes]
    return "\n".join([*rows, *(["", *notes] if notes else [])])


def _line(tested: Tested, model: str, decided: Decisions | None, draws: int) -> RiskLine:
    found = calibration(tested.risks[model], tested.labels, tested.infants, draws=draws)
    slope = found.slope if np.isfinite(found.slope.value) else None
    shares: tuple[float | None, ...] = (None, None, None)
    if decided is not None and decided.answered is not None:
        ill, given = tested.labels == 1, decided.answered
        missed, alarm = given & ~decided.said, given & decided.said
        shares = (float(given.mean()), float(missed[ill].mean()), float(alarm[~ill].mean()))
    return RiskLine(
        model=model,
        slope=None if slope is None else slope.value,
        slope_low=None if slope is None else slope.low,
        slope_high=None if slope is None else slope.high,
        ece=found.ece,
        ece_if_perfect=found.ece_if_perfect,
        brier=found.brier.value,
        brier_prevalence=found.brier_prevalence,
        answered=shares[0],
        missed=shares[1],
        false_alarms=shares[2],
        notes=_notes(tested, model),
    )


def _notes(tested: Tested, model: str) -> tuple[str, ...]:
    """What the rules of the folds lack."""
    rules = []
    for path in sorted(tested.root.glob(f"folds/*/{model}/fold.json")):
        try:
            rules.append(parse_json(path.read_text("utf-8"))["rules"])
        except (OSError, ValueError, LookupError):
            continue
    level = sum((rule.get("calibration") or {}).get("slope") == 0 for rule in rules)
    silent = sum(rule.get("abstention") is None for rule in rules)
    notes = []
    auc = auc_interval(tested.scores[model], tested.labels, infants=tested.infants)
    if auc.low <= CHANCE:
        notes.append(
            f"its AUC is not shown to be above {CHANCE:g}; by such a model fidgety assess decides "
            "nothing"
        )
    if level:
        notes.append(
            f"in {level} of {len(rules)} folds its scores did not rise with the risk among the "
            "training infants; every risk there is the prevalence"
        )
    if silent:
        notes.append(
            f"in {silent} of {len(rules)} folds too few infants were left out to fit an abstention "
            "of the stated error; give a higher --error, more --inner or more infants"
        )
    return tuple(notes)
