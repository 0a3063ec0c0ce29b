"""A page on paper: printed to PDF by the chromium that is installed, without a network."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from fidgety.errors import FileError
from fidgety.files import existing, whole_file

__all__ = ["find_browser", "write_pdf"]

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
LIMIT_S = 120
QUIET = (
    "--headless",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--no-pdf-header-footer",
)


def find_browser() -> str | None:
    """Path of an installed browser that prints, or None; ``FIDGETY_BROWSER`` names another."""
    named = os.environ.get("FIDGETY_BROWSER")
    found = (shutil.which(name) for name in ((named,) if named else BROWSERS))
    return next((path for path in found if path), None)


def write_pdf(page: str | os.PathLike[str], out: str | os.PathLike[str]) -> Path:
    """Print a page of ours to PDF, as its print style says.

    Parameters
    ----------
    page : path-like
        ``report.html`` or ``comparison.html``.
    out : path-like
        PDF file to write.

    Returns
    -------
    pathlib.Path
        `out`, written whole or not at all.

    Raises
    ------
    FileError
        E504 if `page` is missing, E513 if there is no browser or it fails.
    """
    source = existing(page).resolve()
    browser = find_browser()
    if browser is None:
        raise FileError(
            "E513",
            "No PDF was written: no browser to print with",
            why=f"none of {', '.join(BROWSERS)} was found",
            remedy="On Debian: apt-get install chromium; or name one in FIDGETY_BROWSER; or open "
            "the page and print it from your own browser",
        )
    with whole_file(out) as draft, tempfile.TemporaryDirectory() as profile:
        command = [browser, *QUIET, f"--user-data-dir={profile}", f"--print-to-pdf={draft}"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            command.append("--no-sandbox")  # chromium's sandbox refuses to run as root
        try:
            done = subprocess.run(
                [*command, source.as_uri()], capture_output=True, text=True, timeout=LIMIT_S
            )
            why = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        except (OSError, subprocess.TimeoutExpired) as error:
            why = f"{type(error).__name__}: {error}"
        if not draft.is_file() or draft.stat().st_size == 0:
            raise FileError(
                "E513",
                "No PDF was written: the browser failed",
                where=browser,
                why=why[:300],
                remedy="Open the page and print it from a browser",
            )
    return Path(out)
