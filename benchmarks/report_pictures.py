"""Pictures of a report for docs/reading-the-report.md, taken in Debian's chromium.

    python benchmarks/report_pictures.py --out docs/images [--comparison results/comparison]

One *simulated* infant, assessed by `simulated-demo`; and the head of a comparison, for
docs/comparing.md.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from fidgety.assess import Assessor
from fidgety.report import write_report
from fidgety.report.pdf import find_browser
from fidgety.simulate import simulate_infant

SEED, AGE_WEEKS = 12, 13.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--comparison", type=Path, help="what fidgety compare wrote")
    given = parser.parse_args()
    infant = simulate_infant(SEED, label=1, seconds=60.0, fps=30.0, difficulty="medium")[0]
    found = Assessor.load("simulated-demo").assess(
        infant.pose, name="simulated", age_weeks=AGE_WEEKS
    )
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = write_report(found.to_dict(), Path(folder) / "report.html", interactive=False)
        browser = playwright.chromium.launch(
            executable_path=str(find_browser()), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1366, "height": 1640})
        page.goto(path.as_uri())
        page.screenshot(path=given.out / "report.png")
        page.emulate_media(color_scheme="dark")
        page.locator("#timeline").screenshot(path=given.out / "report_timeline.png")
        if given.comparison:
            page = browser.new_page(viewport={"width": 1366, "height": 1180})
            page.goto((given.comparison / "comparison.html").resolve().as_uri())
            page.screenshot(path=given.out / "comparison.png")
        browser.close()


if __name__ == "__main__":
    main()
