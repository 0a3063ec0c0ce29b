"""The numbers of a comparison as CSV files: one for each figure and table."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fidgety.files import make_folder, write_text
from fidgety.statistics import Estimate
from fidgety.study.checklist import checklist
from fidgety.study.findings import Findings

__all__ = ["Table", "tables", "write_tables"]


@dataclass(frozen=True)
class Table:
    """One CSV file.

    Parameters
    ----------
    name : str
        File name without suffix.
    columns : tuple of str
    rows : tuple of tuple
        Texts and numbers; None and NaN become empty cells.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


def write_tables(found: Findings, folder: str | os.PathLike[str]) -> list[Path]:
    """Write all tables into a folder; return their paths."""
    home = make_folder(folder)
    return [write_text(home / f"{table.name}.csv", _text(table)) for table in tables(found)]


def tables(found: Findings) -> list[Table]:
    """All tables; one without rows is left out."""
    every = (
        *_ranking(found), *_curves(found), *_calibration(found), *_points(found),
        *_groups(found), *_evidence(found),
        Table("checklist", ("item", "topic", "asks for", "state", "answer"),
              tuple((i.number, i.topic, i.wanted, i.state, i.answer) for i in checklist(found))),
    )  # fmt: skip
    return [table for table in every if table.rows]


def _ranking(found: Findings) -> Iterator[Table]:
    own = found.performance.items()
    yield Table(
        "auc",
        ("model", "auc", "low", "high", "standard_error", "average_precision", "ap_low", "ap_high",
         "prevalence", "infants", "abnormal_recordings", "normal_recordings", "method"),
        tuple(
            (m, *_ends(p.auc), p.auc.standard_error, *_ends(p.average_precision),
             p.average_precision.prevalence, p.auc.infants, p.auc.positives, p.auc.negatives,
             p.auc.method)
            for m, p in own
        ),
    )  # fmt: skip
    yield Table(
        "differences",
        ("first", "second", "difference", "low", "high", "z", "p", "p_holm", "method"),
        tuple((*d.names, *_ends(d), d.z, d.p, d.p_adjusted, d.method) for d in found.pairs),
    )


def _curves(found: Findings) -> Iterator[Table]:
    for name, x, y in (("roc", "false_positive_rate", "sensitivity"),
                       ("precision_recall", "recall", "precision")):  # fmt: skip
        yield Table(
            name,
            ("model", x, y, "low", "high"),
            tuple(
                (m, *point)
                for m, p in found.performance.items()
                for curve in (getattr(p, name),)
                for point in zip(curve.grid, curve.middle, curve.low, curve.high, strict=True)
            ),
        )
    yield Table(
        "decision_curve",
        ("model", "threshold", "net_benefit", "low", "high", "refer_all", "refer_none"),
        tuple(
            (m, *point)
            for m, p in found.performance.items()
            for d in (p.decision,)
            for point in zip(
                d.threshold, d.model, d.low, d.high, d.treat_all, d.treat_none, strict=True
            )
        ),
    )


def _calibration(found: Findings) -> Iterator[Table]:
    yield Table(
        "reliability",
        ("model", "mean_risk", "observed", "low", "high", "lowest", "highest", "recordings"),
        tuple(
            (m, b.predicted, *_ends(b), b.lowest, b.highest, b.count)
            for m, p in found.performance.items()
            for b in p.reliability
        ),
    )
    yield Table(
        "calibration",
        ("model", "slope", "slope_low", "slope_high", "intercept", "intercept_low",
         "intercept_high", "in_the_large", "large_low", "large_high", "brier", "brier_low",
         "brier_high", "brier_prevalence", "ece", "ece_if_perfect", "ece_if_perfect_high"),
        tuple(
            (m, *_ends(c.slope), *_ends(c.intercept), *_ends(c.in_the_large), *_ends(c.brier),
             c.brier_prevalence, c.ece, c.ece_if_perfect, c.ece_if_perfect_high)
            for m, p in found.performance.items()
            for c in (p.calibration,)
        ),
    )  # fmt: skip


def _points(found: Findings) -> Iterator[Table]:
    yield Table(
        "operating_points",
        ("model", "threshold", "rule", "tp", "fn", "tn", "fp", "sensitivity", "sens_low",
         "sens_high", "specificity", "spec_low", "spec_high", "prevalence", "ppv",
         "ppv_low", "ppv_high", "npv", "npv_low", "npv_high", "answered", "right_where_answered"),
        tuple(
            (m, p.threshold, p.rule, r.true_positives, r.false_negatives, r.true_negatives,
             r.false_positives, *_ends(r.sensitivity), *_ends(r.specificity), found.prevalence,
             *_ends(p.predictive.ppv), *_ends(p.predictive.npv),
             *((None, None) if p.abstention is None else
               (p.abstention.answered.value, p.abstention.right.value)))
            for m, p in found.performance.items()
            for r in (p.rates,)
        ),
    )  # fmt: skip


def _groups(found: Findings) -> Iterator[Table]:
    yield Table(
        "subgroups",
        ("model", "trait", "group", "infants", "abnormal", "normal", "auc", "low", "high", "note"),
        tuple(
            (m, trait, g.name, g.infants, g.abnormal, g.normal,
             *(_ends(g.auc) if g.auc else (None, None, None)), g.refused)
            for m, p in found.performance.items()
            for trait, table in p.subgroups.items()
            for g in table.groups
        ),
    )  # fmt: skip
    yield Table(
        "cohort",
        ("trait", "value", "normal_infants", "abnormal_infants"),
        tuple((trait.name, *row) for trait in found.traits for row in trait.rows),
    )


def _evidence(found: Findings) -> Iterator[Table]:
    for name in ("robustness", "explanations", "learning_curve"):
        rows = (getattr(found.evidence, name) or {}).get("rows", [])
        columns = tuple(dict.fromkeys(key for row in rows for key in row))
        yield Table(name, columns, tuple(tuple(row.get(c) for c in columns) for row in rows))
    test = found.evidence.self_test
    parts = ("infant_wise", "record_wise", "gap", "permuted", "permuted_record_wise")
    yield Table(
        "self_test",
        ("part", "value", "low", "high"),
        tuple(
            (part, own.get("auc", own.get("value", own.get("mean"))), own.get("low"),
             own.get("high"))
            for part in parts
            for own in ((test or {}).get(part),)
            if own
        ),
    )  # fmt: skip


def _ends(estimate: Estimate) -> tuple[float, float, float]:
    return estimate.value, estimate.low, estimate.high


def _text(table: Table) -> str:
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(table.columns)
    out.writerows([_cell(value) for value in row] for row in table.rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return f"{value:.6g}" if isinstance(value, float) else value
