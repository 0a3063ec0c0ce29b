"""The pages in a browser: no request, no complaint, accessible, at every size, light and dark."""

from __future__ import annotations

from pathlib import Path

import pytest
from browsing import needs_browser, opened, violations
from made_comparison import make_folder
from report_page import parse
from report_sample import refused_assessment, sample_assessment

from fidgety.report import write_report
from fidgety.report.comparison_page import write_comparison
from fidgety.study.findings import Settings, find

pytestmark = [pytest.mark.browser, pytest.mark.slow, needs_browser]
SIZES = [(1366, 768, False), (820, 1180, True), (390, 844, False)]


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    return write_report(sample_assessment(seconds=40), tmp_path_factory.mktemp("r") / "report.html")


@pytest.fixture(scope="module")
def comparison(tmp_path_factory) -> Path:
    root = make_folder(tmp_path_factory.mktemp("cv") / "results")
    return write_comparison(find(root, Settings(draws=100)), root / "comparison")


@pytest.mark.parametrize("which", ["report", "comparison"])
@pytest.mark.parametrize(("width", "height", "dark"), SIZES)
def test_nothing_is_asked_for_and_nothing_is_too_wide(which, width, height, dark, request) -> None:
    file = request.getfixturevalue(which)
    with opened(file, width=width, height=height, dark=dark) as page:
        assert page.requests == [file.as_uri()]
        assert page.complaints == []
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.evaluate("document.fonts.check('16px \"Source Sans 3\"')")
        assert violations(page) == []


def test_a_refused_recording_is_accessible_too(tmp_path) -> None:
    with opened(write_report(refused_assessment(), tmp_path / "refused.html")) as page:
        assert violations(page) == []


def test_the_script_counts_as_the_page_was_written(report) -> None:
    written = parse(report.read_text("utf-8")).one("div", id="odds").one("p", class_="natural").text
    with opened(report) as page:
        natural = page.locator("#odds .natural")
        assert " ".join(natural.inner_text().split()) == written
        assert page.locator(".hundred .is-filled").count() == 31
        page.get_by_role("button", name="1 in 50", exact=True).click()
        assert "of 1,000" in natural.inner_text()
        field = page.get_by_label("How common they are")
        field.fill("0")
        assert field.get_attribute("aria-invalid") == "true"


def test_one_moment_is_read_by_keyboard(report) -> None:
    with opened(report) as page:
        slider = page.get_by_label("Moment")
        slider.focus()
        page.keyboard.press("ArrowRight")
        assert "0:00.7 to 0:01.7" in slider.get_attribute("aria-valuetext")
        assert page.locator("#timeline.is-reading .cursor").count() == 1


def test_light_and_dark_are_switched(report) -> None:
    with opened(report) as page:
        ground = "getComputedStyle(document.documentElement).backgroundColor"
        light = page.evaluate(ground)
        page.get_by_role("button", name="Dark page").click()
        assert page.evaluate(ground) != light
        page.get_by_role("button", name="Light page").click()
        assert page.evaluate(ground) == light


@pytest.mark.parametrize(("which", "charts"), [("report", 2), ("comparison", 4)])
def test_charts_are_zoomed_into_without_a_network(which, charts, request) -> None:
    file = request.getfixturevalue(which)
    with opened(file) as page:
        buttons = page.get_by_role("button", name="Zoom into this chart")
        assert buttons.count() == charts
        for _ in range(charts):
            buttons.first.click()  # it is then called otherwise
            page.wait_for_function("!document.querySelector('[data-explore][disabled]')")
        assert page.locator(".explored .main-svg").count() >= charts
        page.get_by_role("button", name="Back to the still chart").first.click()
        assert page.locator(".explored").count() == charts - 1
        assert page.complaints == []
        assert page.requests == [file.as_uri()]
