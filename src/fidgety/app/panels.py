"""What the report shows of an assessment, as parts of a case page; and the report itself, printed.

One rule for both: a case page never shows a number that ``report.html`` would not show.
"""

from __future__ import annotations

import tempfile
from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import Any

from markupsafe import Markup

from fidgety.report import fragments, write_pdf, write_report

__all__ = ["Panels", "blinded", "print_pdf"]

KEPT = 256  # rendered assessments; they never change
# What tells, or hints at, the side a model takes.
TELLING = ("risk", "risk_raw", "interval", "decision", "decision_reason", "explanation_check",
           "cohort", "scope", "cannot_say_zone")  # fmt: skip


class Panels:
    """Parts of the report for case pages, rendered once for each assessment."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, dict[str, Markup]] = OrderedDict()
        self._lock = Lock()

    def of(self, assessment_id: str, assessment: dict[str, Any]) -> dict[str, Markup]:
        """Pieces of HTML by name, as `fidgety.report.fragments` makes them."""
        with self._lock:
            if assessment_id in self._kept:
                self._kept.move_to_end(assessment_id)
                return self._kept[assessment_id]
        made = fragments(assessment)
        with self._lock:
            self._kept[assessment_id] = made
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return made


def blinded(assessment: dict[str, Any], attention: bool) -> dict[str, Any]:
    """An assessment without what tells the side the model takes.

    Parameters
    ----------
    assessment : dict
        The content of ``assessment.json``.
    attention : bool
        Whether attention stays in it; contributions never do.
    """
    kept = {key: value for key, value in assessment.items() if key not in TELLING}
    kept["risk"] = None
    hidden = {"contribution": None} if attention else {"contribution": None, "attention": None}
    for name in ("clips", "joints"):
        kept[name] = [{**item, **hidden} for item in assessment.get(name) or ()]
    if isinstance(assessment.get("model"), dict):
        kept["model"] = {k: v for k, v in assessment["model"].items() if k != "metrics"}
    return kept


def print_pdf(assessment: dict[str, Any]) -> bytes:
    """The report of an assessment as PDF; raises `FileError` E513 if no browser can print it."""
    with tempfile.TemporaryDirectory(prefix="fidgety-") as folder:
        page = write_report(assessment, Path(folder) / "report.html", interactive=False)
        return write_pdf(page, Path(folder) / "report.pdf").read_bytes()
