"""What the tests of pages share: a browser that has no network, and the judge of accessibility."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fidgety.report.pdf import find_browser

AXE = Path(__file__).parents[1] / "node_modules" / "axe-core" / "axe.min.js"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PATIENCE_MS = 300_000  # of a machine that others keep busy

needs_browser = pytest.mark.skipif(
    find_browser() is None, reason="chromium is not installed: apt-get install chromium"
)


@contextmanager
def opened(
    file: Path, *, width: int = 1366, height: int = 768, dark: bool = False
) -> Iterator[Any]:
    """A page of ours in the installed browser; whatever it complains of or asks for is kept.

    The page has two more attributes: ``complaints`` and ``requests``, both lists of str.
    """
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=find_browser(), args=ARGUMENTS, timeout=PATIENCE_MS
        )
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            offline=True,
        )
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.complaints, page.requests = [], []
        page.on("console", lambda said: page.complaints.append(said.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("request", lambda asked: page.requests.append(asked.url))
        try:
            page.goto(file.as_uri())
            yield page
        finally:
            browser.close()


def violations(page: Any) -> list[str]:
    """What axe finds against WCAG 2.2 AA that is serious or worse."""
    if not AXE.exists():
        pytest.skip("axe-core is not installed: make axe")
    session = page.context.new_cdp_session(page)
    session.send("Page.setBypassCSP", {"enabled": True})  # the page lets no script of ours in
    page.reload()
    page.add_script_tag(path=str(AXE))
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = page.evaluate(
        "(tags) => axe.run(document, { runOnly: { type: 'tag', values: tags } })", tags
    )
    assert len(found["passes"]) > 10, "axe looked at the page"
    return [
        f"{v['id']} ({v['impact']}): {v['help']}: {v['nodes'][0]['html'][:160]}"
        for v in found["violations"]
        if v["impact"] in ("serious", "critical")
    ]
