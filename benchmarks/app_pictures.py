"""Pictures of the review app for docs/app.md, taken in Debian's chromium.

    python benchmarks/app_pictures.py --out docs/images

A store of its own is begun, with the sample case that comes with fidgety and pose files of further
*simulated* infants; the app is then driven as a reader would.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from fidgety.report.pdf import find_browser
from fidgety.simulate import simulate_infant

START = "import sys; from fidgety.cli import main; main(sys.argv[1:])"
DESK, TABLET = {"width": 1366, "height": 768}, {"width": 820, "height": 1180}
SAMPLE = "tbody th a:text-is('sample-simulated')"


def begin(store: Path) -> tuple[subprocess.Popen[str], str]:
    """The app in a process of its own, and the link it prints."""
    command = [sys.executable, "-c", START, "app", "--store", str(store), "--port", "0"]
    app = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert app.stdout is not None
    for line in app.stdout:
        if found := re.search(r"http://\S+", line):
            return app, found.group(0)
    raise SystemExit("the app did not start")


def come_in(page: Page, link: str, name: str) -> None:
    """Open the link and say who reads."""
    page.goto(link)
    page.wait_for_url("**/reader")
    page.fill("#name", name)
    page.click("#new button[type=submit]")
    page.wait_for_selector(".inbox")


def add_infants(page: Page, folder: Path, count: int) -> None:
    """Bring pose files of simulated infants in, one after another."""
    for number in range(count):
        recording = simulate_infant(40 + number, seconds=60.0, fps=30.0, difficulty="medium")[0]
        page.set_input_files("#files", recording.pose.save(folder / f"pose{number}.parquet"))
        page.fill("#infant", f"b{number + 1:02d}")
        page.fill("#age", str(11 + number))
        page.click("#intake button[type=submit]")
        page.wait_for_selector("#files")
        time.sleep(1.0)


def finished(page: Page, count: int) -> None:
    """Wait until so many cases are ready."""
    for _ in range(600):
        page.goto(page.url)
        if page.locator("tbody .quality").count() == count:
            return
        time.sleep(1.0)
    raise SystemExit("the cases were not ready in ten minutes")


def on_sample(page: Page, view: str = "film") -> None:
    """Open the sample case, a second into its film."""
    page.click(SAMPLE)
    page.wait_for_selector("#case[data-loaded]")
    page.select_option("#view", view)
    for _ in range(30):
        page.keyboard.press("ArrowRight")
    page.wait_for_timeout(1500)


def main() -> None:
    """Drive the app and save what it shows."""
    said = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    said.add_argument("--out", type=Path, default=Path("docs/images"))
    said.add_argument("--infants", type=int, default=5)
    chosen = said.parse_args()
    out: Path = chosen.out
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made, sync_playwright() as driver:
        app, link = begin(Path(made) / "store")
        browser = driver.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])

        def opened(size: Any, dark: bool, name: str) -> Page:
            page = browser.new_context(
                viewport=size, color_scheme="dark" if dark else "light"
            ).new_page()
            come_in(page, link, name)
            return page

        try:
            first = opened(DESK, False, "A. Reader")
            add_infants(first, Path(made), chosen.infants)
            finished(first, chosen.infants + 1)
            dark = opened(DESK, True, "B. Reader")
            dark.screenshot(path=out / "app_cases.png")
            on_sample(first)
            first.screenshot(path=out / "app_case.png")
            tablet = opened(TABLET, True, "C. Reader")
            on_sample(tablet, "blurred")
            tablet.screenshot(path=out / "app_tablet.png")
            first.click("#reading label:has(input[value='F+'])")
            first.click("#rate-form button[type=submit]")
            first.wait_for_selector("#sign")
            first.wait_for_selector("#case[data-loaded]")
            first.wait_for_timeout(6000)  # until what was just told is gone
            first.locator("#model-panel").scroll_into_view_if_needed()
            first.evaluate("document.getElementById('model-panel').scrollIntoView()")
            first.evaluate("scrollBy(0, -70)")
            first.wait_for_timeout(500)
            first.screenshot(path=out / "app_model.png")
        finally:
            browser.close()
            app.terminate()
            app.wait(timeout=20)


if __name__ == "__main__":
    main()
