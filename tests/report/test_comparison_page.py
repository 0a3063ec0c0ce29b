"""The page of a comparison: whole, valid, alone, and its numbers those of the findings."""

from __future__ import annotations

import re

import pytest
from made_comparison import make_folder
from report_page import parse

from fidgety.report.comparison_page import COMMANDS, render_comparison, write_comparison
from fidgety.study.findings import Settings, find

FAST = Settings(draws=100)
ORDER = ["ranking", "curves", "calibration", "benefit", "points", "infants", "leakage",
         "robustness", "explanation", "checklist", "methods"]  # fmt: skip


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return find(make_folder(tmp_path_factory.mktemp("cv") / "results"), FAST)


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    return find(make_folder(tmp_path_factory.mktemp("cv") / "bare", evidence=False), FAST)


@pytest.fixture(scope="module")
def text(found):
    return render_comparison(found, interactive=False)


@pytest.fixture(scope="module")
def page(text):
    return parse(text)


def test_sections_stand_in_their_order(page):
    assert [section.attributes["id"] for section in page.all("section")] == ORDER
    links = {link.attributes["href"] for link in page.one("nav").all("a")}
    assert links == {f"#{name}" for name in ORDER}
    ids = [e.attributes["id"] for e in page.all() if "id" in e.attributes]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("which", ["found", "bare"])
def test_it_is_valid_html(which, request):
    html5lib = pytest.importorskip("html5lib")
    html5lib.HTMLParser(strict=True).parse(
        render_comparison(request.getfixturevalue(which), interactive=False)
    )


def test_nothing_is_loaded_from_anywhere(text, page):
    assert not re.search(r"https?://|url\((?!#hatch\)|data:font/woff2)|@import", text)
    policy = page.one("meta", http_equiv="Content-Security-Policy").attributes["content"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    for element in page.all():
        assert "style" not in element.attributes
        assert not [key for key in element.attributes if key.startswith("on") or key == "src"]


def test_its_numbers_are_those_of_the_findings(page, found):
    rows = page.one("details", id="auc-table").one("tbody").all("tr")
    assert [row.one("th").text for row in rows] == list(found.performance)
    for row, own in zip(rows, found.performance.values(), strict=True):
        auc, precision = row.all("data")[:2]
        assert float(auc.attributes["value"]) == own.auc.value
        assert float(auc.text) == pytest.approx(own.auc.value, abs=0.0005)
        assert float(precision.attributes["value"]) == own.average_precision.value
    points = page.one("section", id="points").all("table")[0].one("tbody").all("tr")
    for row, own in zip(points, found.performance.values(), strict=True):
        cells = row.all("td")
        assert float(cells[1].one("data").attributes["value"]) == own.rates.sensitivity.value
        assert int(cells[3].text) == own.rates.true_positives
        assert float(cells[6].one("data").attributes["value"]) == own.predictive.ppv.value


def test_one_plot_of_each_kind_for_each_model(page, found):
    for kind in ("roc", "precision-recall", "reliability", "decision"):
        plots = [svg for svg in page.all("svg", role="img")
                 if svg.attributes["class"].split()[1].startswith(f"{kind}-")]  # fmt: skip
        assert len(plots) == len(found.performance), kind
    forest = page.one("svg", class_="forest")
    assert all(model in forest.text for model in found.performance)


def test_simulated_infants_cannot_be_overlooked(page, tmp_path):
    assert "Simulated infants." in page.one("div", class_="banner").text
    assert "simulated infants" in page.one("h1").text
    real = find(make_folder(tmp_path / "real", simulated=False, evidence=False), FAST)
    words = parse(render_comparison(real, interactive=False))
    assert "imulated" not in words.one("div", class_="banner").text
    assert "imulated" not in words.one("h1").text


def test_what_was_not_measured_is_named_with_its_command(bare):
    page = parse(render_comparison(bare, interactive=False))
    absent = " ".join(p.text for p in page.all("p", class_="absent-part"))
    for command in COMMANDS.values():
        assert command in absent
    assert len(page.all("p", class_="absent-part")) == len(COMMANDS)


def test_what_was_measured_is_shown(page):
    assert not page.all("p", class_="absent-part")
    leak = page.one("section", id="leakage")
    assert "0.160" in leak.one("p", class_="decision").text
    assert "cut into 3 pieces" in leak.text
    robust = page.one("section", id="robustness")
    assert [box.text for box in robust.all("span", class_="lost")] == ["−0.190"] * 3
    assert "all refused" in robust.text
    assert "2e-07" in page.one("section", id="explanation").text
    assert "0.810" in page.one("section", id="explanation").text


def test_a_folder_without_a_hash_says_so(found, tmp_path):
    root = make_folder(tmp_path / "cv", evidence=False)
    (root / "experiment.json").write_text('{"simulated": true}')
    assert "no hash" in render_comparison(find(root, FAST), interactive=False)
    assert "SHA-256 agrees" in render_comparison(found, interactive=False)


def test_names_are_only_text(tmp_path):
    hostile = "<script>alert(1)</script>{{7*7}}"
    root = make_folder(tmp_path / "cv", names={hostile: 1.0, "other": 0.5})
    page = parse(render_comparison(find(root, FAST), interactive=False))
    assert len(page.all("script")) == 1
    assert any(hostile in row.text for row in page.all("th"))


def test_it_is_written_with_its_tables(found, tmp_path):
    page = write_comparison(found, tmp_path / "out")
    assert page.name == "comparison.html"
    assert page.stat().st_size < 3_000_000
    assert len(list((tmp_path / "out" / "tables").glob("*.csv"))) == 15
