"""Assessments and comparisons as pages that a person can read: one HTML file, nothing to load.

Comparisons of models have their own modules, `fidgety.report.comparison_page` and
`fidgety.report.paper`, so that an assessment's report does not wait for them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fidgety.files import write_text
from fidgety.report.page import fragments, render_report
from fidgety.report.pdf import write_pdf

__all__ = ["fragments", "render_report", "write_pdf", "write_report"]


def write_report(
    assessment: Mapping[str, Any], out: str | os.PathLike[str], *, interactive: bool = True
) -> Path:
    """Write the report of one assessment as a single self-contained HTML file.

    Parameters
    ----------
    assessment : mapping
        The parsed content of ``assessment.json``. Parts that are missing or null are left out
        of the page, or named as not given; NaN and infinity count as null.
    out : path-like
        File to write, usually ``report.html`` beside ``assessment.json``. Missing folders are made.
    interactive : bool
        Carry the plot library, so that charts can be zoomed into (2 MB); see `render_report`.

    Returns
    -------
    pathlib.Path
        `out`, written whole or not at all.

    Raises
    ------
    FileError
        E501 to E503 if the file cannot be written, E511 if `assessment` is not an assessment,
        or was written by a newer version than this one; E512 if the plot library is missing.
    """
    return write_text(out, render_report(assessment, interactive=interactive))
