"""What the report shows of an assessment, as parts of a case page; and the report itself, printed.

One rule for both: a case page never shows a number that ``report.html`` would not show.
"""

from __future__ import annotations

import copy
import shutil
import subprocess
import tempfile
from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import Any

from markupsafe import Markup

from fidgety.errors import AppError
from fidgety.report import page
from fidgety.report.reading import complete

__all__ = ["Panels", "blinded", "print_pdf"]

KEPT = 256  # rendered assessments; they never change
PDF_TIMEOUT_S = 120
# What tells, or hints at, the side a model takes.
TELLING = ("risk", "risk_raw", "interval", "decision", "decision_reason", "explanation_check",
           "cohort", "scope", "cannot_say_zone")  # fmt: skip


class Panels:
    """Parts of the report for case pages, rendered once for each assessment."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, dict[str, Markup]] = OrderedDict()
        self._lock = Lock()

    def of(self, assessment_id: str, assessment: dict[str, Any]) -> dict[str, Markup]:
        """``quality``, ``risk``, ``body``, ``check`` and ``cohort`` as pieces of HTML."""
        with self._lock:
            if assessment_id in self._kept:
                self._kept.move_to_end(assessment_id)
                return self._kept[assessment_id]
        made = _render(assessment)
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
    kept = copy.deepcopy({key: value for key, value in assessment.items() if key not in TELLING})
    kept["risk"] = None
    for item in (*(kept.get("clips") or ()), *(kept.get("joints") or ())):
        item["contribution"] = None
        if not attention:
            item["attention"] = None
    if isinstance(kept.get("model"), dict):
        kept["model"].pop("metrics", None)
    return kept


def print_pdf(html: str) -> bytes:
    """A page as PDF, printed by chromium without a network.

    Raises
    ------
    AppError
        E817 if there is no chromium, or it fails.
    """
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if browser is None:
        raise AppError(
            "E817",
            "PDF needs chromium, which is not installed",
            remedy="Install it, or print the report from your browser",
        )
    with tempfile.TemporaryDirectory(prefix="fidgety-") as folder:
        source, target = Path(folder) / "page.html", Path(folder) / "page.pdf"
        source.write_text(html, "utf-8")
        options = (
            "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
            "--disable-background-networking", "--disable-component-update", "--no-pdf-header-footer",
            "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={folder}/profile",
            f"--print-to-pdf={target}",
        )  # fmt: skip
        try:
            subprocess.run(
                [browser, *options, source.as_uri()],
                capture_output=True, timeout=PDF_TIMEOUT_S, check=True,
            )  # fmt: skip
            return target.read_bytes()
        except (OSError, subprocess.SubprocessError) as error:
            raise AppError(
                "E817",
                "chromium could not print the report",
                why=type(error).__name__,
                remedy="Print the report from your browser",
            ) from error


def _render(assessment: dict[str, Any]) -> dict[str, Markup]:
    whole = complete(assessment)
    if whole["quality"]["verdict"] == "refused":
        whole["risk"] = None
    context = page._context(whole)
    environment = page._environment()

    def part(name: str) -> Markup:
        source = (
            '{% from "parts.html" import section, twin, ramp_key with context %}'
            f'{{% include "{name}" %}}'
        )
        return Markup(environment.from_string(source).render(context))

    made = {name: part(f"{name}.html") for name in ("quality", "risk", "check", "cohort")}
    body = context["body"] or {}
    for name in ("attention", "movement"):
        made[f"body_{name}"] = body.get(name) or Markup("")
    return made
