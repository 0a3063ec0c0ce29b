"""`fidgety compare`, and reports asked for in other forms."""

from __future__ import annotations

import csv

import pytest
from made_comparison import make_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("cv") / "results")


def test_a_page_tables_and_what_a_paper_needs(run, folder, tmp_path):
    pytest.importorskip("matplotlib")
    out = tmp_path / "said"
    said = run("compare", folder, "--out", out, "--draws", 50, "--static", "--paper",
               "--prevalence", 0.02, "--reference", "middling")  # fmt: skip
    assert said.status == 0, said
    assert "| strong |" in said.out
    assert said.out.rstrip().endswith("comparison.html")
    assert {path.name for path in out.iterdir()} == {"comparison.html", "tables", "paper"}
    page = (out / "comparison.html").read_text("utf-8")
    assert "less middling" in page
    assert "2.0\N{NO-BREAK SPACE}%" in page
    with (out / "tables" / "operating_points.csv").open() as handle:
        assert {row["prevalence"] for row in csv.DictReader(handle)} == {"0.02"}


def test_some_models_and_a_threshold(run, folder, tmp_path):
    said = run("compare", folder, "--out", tmp_path / "o", "--draws", 50, "--static",
               "--models", "strong,guess", "--threshold", 0.3)  # fmt: skip
    assert said.status == 0, said
    with (tmp_path / "o" / "tables" / "operating_points.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert [row["model"] for row in rows] == ["strong", "guess"]
    assert {(row["threshold"], row["rule"]) for row in rows} == {("0.3", "fixed beforehand")}


def test_what_cannot_be_compared(run, folder, tmp_path, monkeypatch):
    run("compare", tmp_path).refused("E274", "there is no such file", "fidgety cv")
    run("compare", folder, "--models", "nobody").refused("E705", "nobody", "strong")
    run("compare", folder, "--prevalence", 2).refused("E246")
    edited = make_folder(tmp_path / "edited", evidence=False)
    with (edited / "predictions.csv").open("a") as handle:
        handle.write("\n")
    run("compare", edited).refused("E279", "changed")
    monkeypatch.setenv("FIDGETY_BROWSER", "no-such-browser")
    run("compare", folder, "--out", tmp_path / "o", "--draws", 50, "--static", "--pdf").refused(
        "E513", "chromium"
    )


def test_a_study_gives_the_cohort(run, made, tmp_path):
    out = tmp_path / "results"
    cv = run("cv", made, "--models", "mean-speed", "--folds", 2, "--inner", 1, "--out", out)
    assert cv.status == 0, cv
    (out / "cohort.csv").unlink()
    page = out / "comparison" / "comparison.html"
    assert run("compare", out, "--draws", 50, "--static").status == 0
    assert "compare DIR --study STUDY" in page.read_text("utf-8")
    assert run("compare", out, "--study", made, "--draws", 50, "--static").status == 0
    assert "compare DIR --study STUDY" not in page.read_text("utf-8")
    assert (out / "comparison" / "tables" / "cohort.csv").exists()


def test_a_still_report_and_one_to_zoom_into(run, model, film, tmp_path):
    for option, carried in (("--static", False), ("--interactive", True)):
        out = tmp_path / option
        assert run("assess", film, "--model", model, "--out", out, option).status == 0
        text = (out / "long" / "report.html").read_text("utf-8")
        assert ('id="plotly"' in text) is carried
