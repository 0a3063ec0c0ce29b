"""What the report shows of an assessment, as parts of a case page; and the report itself, printed.

One rule for both: a case page never shows a number that ``report.html`` would not show.
"""

from __future__ import annotations

import json
import tempfile
from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import Any

from markupsafe import Markup

from fidgety import __version__
from fidgety.app.store import Store
from fidgety.files import write_json
from fidgety.report import fragments, write_pdf, write_report

__all__ = ["VIEWS", "Panels", "blinded", "print_pdf", "seen_as", "write_panels"]

KEPT = 32  # rendered assessments in memory, about 0.1 MB each; the others are read from their files
# How an assessment is seen: whole, or blinded with or without attention.
VIEWS: dict[str, bool | None] = {"whole": None, "attention": True, "measured": False}
# What neither tells nor hints at the side a model takes; all else is hidden, also what is new.
SILENT = ("schema_version", "research_use_only", "created", "input", "versions", "quality",
          "movement", "warnings", "calibrated", "calibrated_on", "interval_of",
          "stated_error")  # fmt: skip
OF_MODEL = ("name", "sha256", "trained", "profile", "threshold", "notes")


class Panels:
    """Parts of the report for case pages, rendered once for each assessment and kept beside it.

    Parameters
    ----------
    store : Store
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: OrderedDict[Path, dict[str, Markup]] = OrderedDict()
        self._lock = Lock()

    def of(self, case: dict[str, Any], assessment: dict[str, Any], view: str) -> dict[str, Markup]:
        """Pieces of HTML by name, as `fidgety.report.fragments` makes them.

        Parameters
        ----------
        case : dict
            A row of cases that has an assessment.
        assessment : dict
            Its content, seen as `view`.
        view : str
            A key of `VIEWS`.
        """
        path = _path(self._store.files(case["id"], case["folder"]), case["assessment"], view)
        with self._lock:
            if path in self._kept:
                self._kept.move_to_end(path)
                return self._kept[path]
        made = _read(path)
        if made is None:
            made = _write(path, assessment)
        with self._lock:
            self._kept[path] = made
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return made


def write_panels(folder: Path, assessment_id: str, assessment: dict[str, Any]) -> None:
    """Render an assessment for every view, so that no reader waits for it."""
    for view in VIEWS:
        _write(_path(folder, assessment_id, view), seen_as(assessment, view))


def seen_as(assessment: dict[str, Any], view: str) -> dict[str, Any]:
    """An assessment as a reader may see it: whole, or `blinded`."""
    attention = VIEWS[view]
    return assessment if attention is None else blinded(assessment, attention)


def blinded(assessment: dict[str, Any], attention: bool) -> dict[str, Any]:
    """An assessment without what tells the side the model takes.

    Parameters
    ----------
    assessment : dict
        The content of ``assessment.json``.
    attention : bool
        Whether attention stays in it; contributions never do.
    """
    kept = {key: value for key, value in assessment.items() if key in SILENT}
    kept["risk"] = None
    hidden = {"contribution": None} if attention else {"contribution": None, "attention": None}
    for name in ("clips", "joints"):
        kept[name] = [{**item, **hidden} for item in assessment.get(name) or ()]
    if isinstance(assessment.get("model"), dict):
        kept["model"] = {k: v for k, v in assessment["model"].items() if k in OF_MODEL}
    return kept


def print_pdf(assessment: dict[str, Any]) -> bytes:
    """The report of an assessment as PDF; raises `FileError` E513 if no browser can print it."""
    with tempfile.TemporaryDirectory(prefix="fidgety-") as folder:
        page = write_report(assessment, Path(folder) / "report.html", interactive=False)
        return write_pdf(page, Path(folder) / "report.pdf").read_bytes()


def _path(folder: Path, assessment_id: str, view: str) -> Path:
    return folder / f"panels-{assessment_id}-{view}.json"


def _read(path: Path) -> dict[str, Markup] | None:
    """Panels that this version of fidgety wrote, or None."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    if content.get("version") != __version__:
        return None
    # Escaped when this program rendered them; the folder is the store's own.
    return {name: Markup(text) for name, text in content["panels"].items()}  # nosec B704


def _write(path: Path, assessment: dict[str, Any]) -> dict[str, Markup]:
    made = fragments(assessment)
    write_json(path, {"version": __version__, "panels": {k: str(v) for k, v in made.items()}})
    return made
