"""The command that exports features."""

from __future__ import annotations

import csv


def test_a_table_and_its_dictionary(run, study, tmp_path):
    out = tmp_path / "features.csv"
    said = run("features", study, "--set", "chambers, quantiles", "--out", out)
    assert said.status == 0, said
    assert "10 simulated recordings, 222 features" in said.out
    assert "features.dictionary.csv" in said.out
    with out.open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == 10
    assert {row["label"] for row in rows} == {"0", "1"}
    assert (tmp_path / "features.dictionary.csv").exists()


def test_bad_input_is_refused_in_words(run, study, tmp_path):
    run("features", study, "--set", "magic", "--out", tmp_path / "f.csv").refused(
        "E707", "chambers", "mccay"
    )
    run("features", study, "--out", tmp_path / "f.txt").refused("E702", ".csv")
    run("features", tmp_path / "nowhere", "--out", tmp_path / "f.csv").refused("E504")
    assert not list(tmp_path.glob("f.*"))
