"""Comparing models: known tables, and tables that no cross-validation wrote."""

from __future__ import annotations

import json

import pytest

from fidgety.errors import StudyError
from fidgety.statistics import auc_interval
from fidgety.study.comparison import compare
from fidgety.study.experiment import COLUMNS

SCORES = {
    "good": [0.1, 0.3, 0.2, 0.6, 0.8, 0.9, 0.35, 0.4],
    "bad": [0.5, 0.2, 0.8, 0.4, 0.6, 0.3, 0.5, 0.1],
}
LABELS = [0, 0, 0, 0, 1, 1, 1, 1]


def table(repeats: int = 1) -> list[list]:
    return [
        [model, repeat, k % 2, f"i{k}", f"r{k}", LABELS[k], score + 0.01 * repeat, score]
        for model, scores in SCORES.items()
        for repeat in range(repeats)
        for k, score in enumerate(scores)
    ]


def written(folder, rows, **about):
    lines = [",".join(map(str, row)) for row in [COLUMNS, *rows]]
    (folder / "predictions.csv").write_text("\n".join(lines) + "\n")
    (folder / "experiment.json").write_text(json.dumps({"simulated": True, **about}))
    return folder


def test_auc_differences_and_files(tmp_path):
    found = compare(written(tmp_path, table()))
    assert list(found.auc) == ["good", "bad"]
    expected = auc_interval(SCORES["good"], LABELS, infants=[f"i{k}" for k in range(8)])
    assert found.auc["good"] == expected
    assert found.difference["bad"].value == pytest.approx(
        found.auc["good"].value - found.auc["bad"].value
    )
    assert (found.infants, found.abnormal, found.simulated) == (8, 4, True)
    assert "8 simulated infants, 4 abnormal" in found.table()
    assert (tmp_path / "comparison.md").read_text() == found.table() + "\n"
    assert json.loads((tmp_path / "comparison.json").read_text())["good"]["auc"] == expected.value


def test_scores_are_averaged_over_repeats(tmp_path):
    assert compare(written(tmp_path, table(repeats=3))).auc["good"].value == pytest.approx(
        auc_interval(SCORES["good"], LABELS).value
    )


def test_every_row_of_the_table_has_all_cells(tmp_path):
    tables = compare(written(tmp_path, table())).table().split("\n\n")[1:3]
    for whole, cells in zip(tables, (6, 8), strict=True):
        assert {row.count("|") for row in whole.splitlines()} == {cells}


def test_a_model_alone_is_compared_with_none(tmp_path):
    rows = [row for row in table() if row[0] == "good"]
    lines = compare(written(tmp_path, rows)).table().splitlines()
    assert lines[2] == "| model | AUC | 95 % interval |"
    assert lines[3].count("|") == lines[4].count("|") == 4


def test_a_model_not_above_chance_is_named(tmp_path):
    scores = {"sure": [0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9], "unsure": SCORES["bad"]}
    rows = [
        [name, 0, k % 2, f"i{k}", f"r{k}", LABELS[k], score, score]
        for name, own in scores.items()
        for k, score in enumerate(own)
    ]
    told = compare(written(tmp_path, rows)).table()
    assert "\nunsure: its AUC is not shown to be above 0.5" in told
    assert "\nsure: its AUC" not in told


def spoil(change):
    rows = table(repeats=2)
    change(rows)
    return rows


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (spoil(lambda rows: rows.pop(3)), "not tested on the same recordings"),
        (spoil(lambda rows: rows.append(rows[0])), "not tested on the same recordings"),
        (spoil(lambda rows: rows[0].__setitem__(5, 1)), "not tested on the same"),
        (spoil(lambda rows: rows[0].__setitem__(3, "i7")), "not tested on the same"),
        ([r for r in spoil(lambda rows: None) if (r[1], r[4]) != (0, "r3")], "missing"),
        (spoil(lambda rows: rows.extend(list(rows))), "tested twice"),
        (
            [[*r[:5], 1 - r[5] if (r[1], r[4]) == (1, "r2") else r[5], *r[6:]] for r in table(2)],
            "two labels",
        ),
        ([[*r[:3], "i0" if r[4] == "r7" else r[3], *r[4:]] for r in table(2)], "two labels"),
    ],
)
def test_tables_that_no_cross_validation_wrote(tmp_path, rows, why):
    with pytest.raises(StudyError, match=rf"E279.*{why}.*fidgety cv"):
        compare(written(tmp_path, rows))


def test_an_edited_score_is_noticed(tmp_path):
    with pytest.raises(StudyError, match=r"E279.*was changed"):
        compare(written(tmp_path, table(), predictions_sha256="0" * 64))


@pytest.mark.parametrize(
    "content",
    [
        None,
        "",
        "model,score\ngood,1\n",
        ",".join(COLUMNS) + "\n",
        ",".join(COLUMNS) + "\ngood,0,0,i,r,2,0.5,0.5\n",
        ",".join(COLUMNS) + "\ngood,0,0,i,r,1,nan,0.5\n",
        ",".join(COLUMNS) + "\ngood,0,0,i,r,1,0.5,1.5\n",
        ",".join(COLUMNS) + "\ngood,0,0,i\n",
        ",".join(COLUMNS) + "\ngood,0,0,i,r,1,x,0.5\n",
    ],
)
def test_no_table_of_predictions(tmp_path, content):
    if content is not None:
        (tmp_path / "predictions.csv").write_text(content)
    with pytest.raises(StudyError, match="E274"):
        compare(tmp_path)
