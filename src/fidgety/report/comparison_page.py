"""A comparison of models as one HTML page, its numbers as CSV files beside it."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from markupsafe import Markup

from fidgety.files import write_text
from fidgety.report import words
from fidgety.report.comparison_charts import curve_figure
from fidgety.report.comparison_plots import (
    deletion_plots,
    draw_forest,
    draw_robustness,
    draw_self_test,
    grid_of_models,
    learning_plots,
    p_words,
    perturbation_words,
)
from fidgety.report.page import environment, page_parts
from fidgety.statistics import Estimate
from fidgety.study.checklist import checklist
from fidgety.study.findings import Findings
from fidgety.study.methods import METHODS
from fidgety.study.tables import write_tables

__all__ = ["render_comparison", "write_comparison"]

COMMANDS = {
    "self_test": "fidgety cv STUDY --self-test --out DIR",
    "robustness": "fidgety robustness STUDY DIR",
    "explanations": "fidgety explanations STUDY DIR",
    "learning_curve": "fidgety learning-curve STUDY --models NAMES --out DIR",
    "decisions": "fidgety cv STUDY --out DIR",
    "cohort": "fidgety compare DIR --study STUDY",
}
MEASURES = {
    "clip_auc": "clips with fidgety movements above clips without (AUC)",
    "joint_auc": "joints that fidget above joints that do not (AUC)",
    "joint_clip_auc": "joints in clips, likewise (AUC)",
    "joint_within_clip_auc": "joints within one clip (AUC)",
    "deletion_ratio_20": "the top fifth of clips taken out moves the risk, times random",
    "answer_kept_20": "answers that stand with the top fifth of clips alone (share)",
    "random_kept_20": "answers that stand with a random fifth alone (share)",
    "insertion_gain_20": "logit for the answer, top fifth alone above a random fifth",
    "answer_kept_20_sum": "answers that stand with the top fifth, by the sum over clips (share)",
    "random_kept_20_sum": "answers that stand with a random fifth, by the sum over clips (share)",
    "insertion_gain_20_sum": "logit for the answer, likewise, by the sum over clips",
    "randomised_clip_auc": "clips, after the weights were drawn anew (AUC)",
    "randomised_correlation": "correlation with the map after weights were drawn anew",
    "contribution_sum_error": "contributions less the logit, largest difference",
}


def write_comparison(
    found: Findings, folder: str | os.PathLike[str], *, interactive: bool = True
) -> Path:
    """Write ``comparison.html`` and ``tables/*.csv`` into a folder.

    Parameters
    ----------
    found : Findings
        From `fidgety.study.findings.find`.
    folder : path-like
        Made if missing.
    interactive : bool
        Carry the plot library (2 MB), see `fidgety.report.render_report`.

    Returns
    -------
    pathlib.Path
        The page.

    Raises
    ------
    FileError
        E501 to E503 if a file cannot be written; E512 if the plot library is missing.
    """
    home = Path(folder)
    text = render_comparison(found, interactive=interactive)
    write_tables(found, home / "tables")
    return write_text(home / "comparison.html", text)


def render_comparison(found: Findings, *, interactive: bool = True) -> str:
    """The page as text; parameters and errors as `write_comparison`."""
    parts = page_parts(("report.css", "comparison.css"), ("page.js",), interactive)
    return environment().get_template("comparison.html").render(_context(found) | parts)


def _context(found: Findings) -> dict[str, Any]:
    return {
        "f": found,
        "t": found.tested,
        "best": found.performance[found.best],
        "created": f"{datetime.now(UTC):%d %B %Y, %H:%M UTC}",
        "version": _version(),
        "level": f"{100 * found.settings.level:g}\N{NO-BREAK SPACE}%",
        "est": _estimate,
        "num": _number,
        "p_words": p_words,
        "perturbation_words": perturbation_words,
        "sorted_pairs": sorted(found.pairs, key=lambda pair: pair.p if pair.p == pair.p else 2),
        "forest": draw_forest(found),
        "roc": grid_of_models(found, "roc"),
        "recall": grid_of_models(found, "precision_recall"),
        "reliability": grid_of_models(found, "reliability"),
        "decision": grid_of_models(found, "decision"),
        "figure": lambda kind: curve_figure(found, kind),
        "self_test": draw_self_test(found.evidence.self_test) if found.evidence.self_test else None,
        "robustness": _robustness(found),
        "scores": _scores(found),
        "deletion": list(deletion_plots(found)),
        "learning": list(learning_plots(found)),
        "commands": COMMANDS,
        "items": checklist(found),
        "states": Counter(item.state for item in checklist(found)),
        "about": {m: METHODS[m].about if m in METHODS else "" for m in found.performance},
        "settings": _settings(found),
    }


def _robustness(found: Findings) -> dict[str, Any] | None:
    """The bench as a table of perturbations by models, and a drawing of the best model in it."""
    rows = (found.evidence.robustness or {}).get("rows", [])
    models = [model for model in found.performance if any(r["model"] == model for r in rows)]
    if not models:
        return None
    worse = [r for r in rows if r["perturbation"] != "none"]
    cells = {(perturbation_words(r), r["model"]): r for r in worse}
    names = dict.fromkeys(perturbation_words(r) for r in worse)
    return {
        "models": models,
        "drawing": draw_robustness(found, models[0]),
        "rows": [(name, [cells.get((name, model)) for model in models]) for name in names],
    }


def _scores(found: Findings) -> dict[str, Any] | None:
    """Explanation scores as a table of measures by models and kinds of explanation."""
    rows = (found.evidence.explanations or {}).get("rows", [])
    if not rows:
        return None
    heads = list(dict.fromkeys((r["model"], r.get("explanation") or "") for r in rows))
    cells = {(r["measure"], r["model"], r.get("explanation") or ""): r for r in rows}
    measures = dict.fromkeys(r["measure"] for r in rows)
    return {
        "heads": heads,
        "rows": [(MEASURES.get(m, m), [cells.get((m, *head)) for head in heads]) for m in measures],
    }


def _estimate(estimate: Estimate, digits: int = 3) -> Markup:
    """An estimate with its interval, exact in the markup."""
    if estimate.value != estimate.value:
        return Markup('<span class="absent" title="{}">not defined</span>').format(estimate.method)
    ends = (
        f"{words.fixed(estimate.low, digits)} to {words.fixed(estimate.high, digits)}"
        if estimate.low == estimate.low
        else "no interval"
    )
    return Markup('<data value="{}">{}</data> <span class="ci">{}</span>').format(
        estimate.value, words.fixed(estimate.value, digits), ends
    )


def _number(value: float | None, digits: int = 3, *, tiny: bool = False) -> Markup:
    """A number rounded for the eye; with `tiny`, one that would round to 0 keeps a digit."""
    if value is None or value != value:
        return Markup('<span class="absent">–</span>')
    small = tiny and 0 < abs(value) < 10**-digits
    return Markup('<data value="{}">{}</data>').format(
        value, f"{value:.1g}" if small else words.fixed(round(value, digits) + 0.0, digits)
    )


def _settings(found: Findings) -> Iterable[tuple[str, str]]:
    """Settings of the cross-validation that are short enough to be shown."""
    for key, value in found.tested.about.items():
        if key not in ("recordings", "methods"):
            text = value if isinstance(value, str) else json.dumps(value)
            if len(text) <= 200:
                yield key, text


def _version() -> str:
    from importlib.metadata import version

    return version("fidgety")
