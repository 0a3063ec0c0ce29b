"""What a paper is given: the same files for the same comparison, and words that rest on numbers."""

from __future__ import annotations

import builtins
import re

import pytest
from made_comparison import make_folder

from fidgety.errors import FileError
from fidgety.report.paper import write_paper
from fidgety.report.paper_text import latex_table, methods_paragraph
from fidgety.study.findings import Settings, find

FAST = Settings(draws=100)
pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return find(make_folder(tmp_path_factory.mktemp("cv") / "results", repeats=2), FAST)


def test_figures_table_and_methods(found, tmp_path):
    home = write_paper(found, tmp_path / "paper")
    names = {path.stem for path in home.glob("*.pdf")}
    assert names == {path.stem for path in home.glob("*.svg")}
    assert len(names) == 7
    for path in home.glob("*.pdf"):
        assert path.read_bytes().startswith(b"%PDF")
    for path in home.glob("*.svg"):
        assert "<svg" in path.read_text("utf-8")
    assert (home / "table.tex").read_text() == latex_table(found)
    again = write_paper(found, tmp_path / "again")
    for path in home.iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes(), path.name


def test_the_table_holds_each_model(found):
    text = latex_table(found)
    rows = [line for line in text.splitlines() if line.endswith(r"\\")][1:]
    assert [row.split(" & ")[0] for row in rows] == list(found.performance)
    assert {row.count("&") for row in rows} == {8}
    for row, own in zip(rows, found.performance.values(), strict=True):
        assert f"{own.auc.value:.3f} [{own.auc.low:.3f}, {own.auc.high:.3f}]" in row
    assert text.count(r"\begin{") == text.count(r"\end{") == 2


def test_methods_say_what_was_run(found):
    text = methods_paragraph(found)
    for wanted in ("3 models", "60 simulated infants", "20 of them", "5 folds", "seed 7",
                   "2 times", "DeLong", "Holm", "nothing about clinical accuracy",
                   "With shuffled labels the AUC was 0.505"):  # fmt: skip
        assert wanted in text
    auc = found.performance[found.best].auc
    assert f"{auc.value:.3f} ({auc.low:.3f} to {auc.high:.3f})" in text


def test_methods_of_real_infants_call_nobody_simulated(tmp_path):
    real = find(make_folder(tmp_path / "real", simulated=False, evidence=False), FAST)
    assert "simulat" not in methods_paragraph(real)
    assert "shuffled" not in methods_paragraph(real)


def test_latex_is_escaped(tmp_path):
    odd = find(make_folder(tmp_path / "odd", names={"a_b & 50 %": 1.0}, evidence=False), FAST)
    assert r"a\_b \& 50 \%" in latex_table(odd)
    assert not re.search(r"(?<!\\)[&_%#]", methods_paragraph(odd, latex=True))


def test_without_matplotlib_it_says_how_to_get_it(found, tmp_path, monkeypatch):
    real = builtins.__import__

    def absent(name, *rest, **more):
        if name.startswith("matplotlib"):
            raise ImportError("No module named 'matplotlib'")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(FileError, match=r"E514.*plots"):
        write_paper(found, tmp_path / "paper")
    assert not (tmp_path / "paper").exists()
