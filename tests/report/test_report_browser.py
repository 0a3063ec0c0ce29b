from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from report_page import parse
from report_sample import sample_assessment

from fidgety.report import write_report

CHROMIUM = shutil.which("chromium")
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_the_browser_runs_the_script_under_its_own_policy(tmp_path: Path) -> None:
    assert CHROMIUM is not None
    report = write_report(sample_assessment(seconds=4), tmp_path / "report.html")
    done = subprocess.run(
        [CHROMIUM, *QUIET, f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr",
         "--dump-dom", report.as_uri()],
        capture_output=True, text=True, timeout=240, check=True,
    )  # fmt: skip
    assert "Content Security Policy" not in done.stderr
    page = parse(done.stdout)
    assert "hidden" not in page.one("button", id="theme").attributes
    odds = page.one("div", id="odds")
    assert "hidden" not in odds.one("div", class_="prevalence").attributes
    # The script counts as the page was written: same base rate, same counts.
    written = parse(report.read_text("utf-8")).one("div", id="odds")
    assert odds.one("p", class_="natural").text == written.one("p", class_="natural").text
    assert len(odds.one("svg", class_="hundred").all("circle", class_="is-filled")) == 31
