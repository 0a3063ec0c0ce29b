"""What pages share: style, policy, plot library, fragments, PDF."""

from __future__ import annotations

import base64
import gc
import gzip
import importlib.util
import json
import re
import stat
from pathlib import Path

import pytest
from report_page import parse
from report_sample import refused_assessment, sample_assessment

from fidgety.errors import FileError
from fidgety.report import assets, fragments, pdf, render_report, write_pdf


@pytest.fixture(scope="module")
def sample():
    return sample_assessment(seconds=20)


def test_the_plot_library_is_the_installed_ones_own_script(sample):
    text = render_report(sample)
    assert len(text) < 3_000_000
    packed = re.search(r'<script type="text/plain" id="plotly">(.*?)</script>', text, re.DOTALL)
    script = gzip.decompress(base64.b64decode(packed[1])).decode()
    import plotly

    own = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    assert script == own.read_text("utf-8")
    assert assets.packed_plotly()[1] in text


def test_charts_to_zoom_into_hold_the_numbers_of_the_file(sample):
    page = parse(render_report(sample))
    figure = json.loads(page.one("script", id="timeline-figure").parts[0])
    weight = figure["data"][0]
    usable = [c["attention"] for c in sample["clips"] if c["usable"]]
    even = sum(usable) / len(usable)
    assert weight["y"] == pytest.approx([c["attention"] / even for c in sample["clips"]], abs=1e-4)
    assert {row["name"] for row in figure["data"][1:]} == {
        name.replace("_", " ") for name in sample["movement"]["parts"]
    }
    cohort = json.loads(page.one("script", id="cohort-figure").parts[0])
    assert [len(trace["x"]) for trace in cohort["data"]] == [40, 80]
    buttons = page.all("button", aria_expanded="false")
    assert all("hidden" in button.attributes for button in buttons)  # until a script shows them
    assert len(buttons) == 2


def test_without_the_library_it_says_how_to_get_it(sample, monkeypatch):
    assets.packed_plotly.cache_clear()
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if "plotly" in name else found(name)
    )
    with pytest.raises(FileError, match=r"E512.*--static"):
        render_report(sample)
    assert 'id="plotly"' not in render_report(sample, interactive=False)


def test_fragments_are_the_sections_of_the_report(sample):
    page = parse(render_report(sample, interactive=False))
    found = fragments(sample)
    assert list(found) == ["quality", "risk", "attention", "body", "check", "cohort", "reading"]
    for name, fragment in found.items():
        if name != "body":
            body = page.one("section", id=name).one("div", class_="body")
            assert parse(fragment).text == body.text, name
    assert found["body"] in found["attention"]
    assert list(fragments(refused_assessment())) == ["quality", "risk", "reading"]


def test_fonts_can_be_served_or_put_inline():
    assert "url(/static/source-sans-3.woff2)" in assets.font_faces("/static")
    assert assets.font_faces().count("url(data:font/woff2;base64,") == 2
    assert "@font-face" in assets.stylesheet("report.css")


def test_pdf_without_a_browser_says_how_to_get_one(tmp_path, monkeypatch):
    page = tmp_path / "page.html"
    page.write_text("<!doctype html><title>x</title>")
    monkeypatch.setenv("FIDGETY_BROWSER", "no-such-browser")
    with pytest.raises(FileError, match=r"E513.*apt-get install chromium"):
        write_pdf(page, tmp_path / "page.pdf")
    with pytest.raises(FileError, match="E504"):
        write_pdf(tmp_path / "missing.html", tmp_path / "page.pdf")


def test_a_browser_that_fails_leaves_no_file(tmp_path, monkeypatch):
    page = tmp_path / "page.html"
    page.write_text("<!doctype html><title>x</title>")
    fake = tmp_path / "browser"
    fake.write_text("#!/bin/sh\necho broken >&2\nexit 3\n")
    fake.chmod(fake.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("FIDGETY_BROWSER", str(fake))
    with pytest.raises(FileError, match=r"E513.*broken"):
        write_pdf(page, tmp_path / "page.pdf")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["browser", "page.html"]


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.skipif(pdf.find_browser() is None, reason="chromium is not installed")
def test_a_page_is_printed(tmp_path, sample):
    page = tmp_path / "report.html"
    page.write_text(render_report(sample, interactive=False), "utf-8")
    out = write_pdf(page, tmp_path / "report.pdf")
    assert out.read_bytes().startswith(b"%PDF")


def test_a_report_leaves_nothing_for_the_garbage_collector(sample):
    """One process writes thousands: what waits in cycles for a collection is memory held."""
    for write in (lambda: render_report(sample, interactive=False), lambda: fragments(sample)):
        write()  # what is made once stays
        gc.collect()
        gc.disable()
        try:
            write()
            assert gc.collect() == 0
        finally:
            gc.enable()
