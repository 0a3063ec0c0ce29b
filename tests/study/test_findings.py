"""A comparison's numbers: those of the statistics, read from whole tables, refused from others."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from made_comparison import DECISIONS, make_folder, write

from fidgety.errors import ConfigError, StudyError
from fidgety.statistics import auc_interval, compare_all_auc, rates, wilson
from fidgety.study.checklist import checklist
from fidgety.study.cohort_table import read_cohort, write_cohort
from fidgety.study.findings import Settings, find
from fidgety.study.study import Recording, Study
from fidgety.study.tables import tables, write_tables
from fidgety.study.tested import read_decided, read_tested

FAST = Settings(draws=100)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("cv") / "results", repeats=2)


@pytest.fixture(scope="module")
def found(folder):
    return find(folder, FAST)


def test_models_stand_in_order_of_their_auc(found):
    assert list(found.performance) == ["strong", "middling", "guess"]
    assert found.best == found.reference == "strong"
    for model, own in found.performance.items():
        scores, labels = found.tested.scores[model], found.tested.labels
        assert own.auc == auc_interval(scores, labels, found.tested.infants)


def test_differences_are_paired_and_corrected(found):
    scores = {m: found.tested.scores[m] for m in found.performance}
    wanted = compare_all_auc(scores, found.tested.labels, found.tested.infants, reference="strong")
    assert list(found.differences.values()) == wanted
    assert found.differences["guess"].value < 0
    assert len(found.pairs) == 3
    other = find(found.tested.root, FAST, reference="middling")
    assert set(other.differences) == {"strong", "guess"}
    assert other.differences["strong"].value == pytest.approx(-found.differences["middling"].value)


def test_the_threshold_of_the_training_parts_is_used(found):
    own = found.performance["strong"]
    called = read_decided(found.tested)["strong"].called
    assert own.rates == rates(called.astype(float), found.tested.labels, 0.5, found.tested.infants)
    assert (own.threshold, own.rule) == ("0.40", "chosen in each training part")
    fixed = find(found.tested.root, Settings(draws=100, threshold=0.7)).performance["strong"]
    assert fixed.rule == "fixed beforehand"
    risk = found.tested.risks["strong"]
    at = rates(risk, found.tested.labels, 0.7, found.tested.infants)
    assert fixed.rates.sensitivity == at.sensitivity


def test_abstention_counts_answers_of_the_first_repeat(found):
    with (found.tested.root / "decisions.csv").open() as handle:
        rows = [r for r in csv.DictReader(handle) if r["model"] == "strong" and r["repeat"] == "0"]
    given = [row for row in rows if row["decision"] != "cannot_say"]
    right = [row for row in given if (row["decision"] == "abnormal") == (row["label"] == "1")]
    abstention = found.performance["strong"].abstention
    assert abstention.answered == wilson(len(given), len(rows))
    assert abstention.right == wilson(len(right), len(given))
    assert abstention.stated == 0.1


def test_prevalence_moves_predictive_values_alone(found):
    rare = find(found.tested.root, Settings(draws=100, prevalence=0.02))
    assert rare.performance["strong"].rates == found.performance["strong"].rates
    ppv, usual = (f.performance["strong"].predictive.ppv.value for f in (rare, found))
    assert ppv < usual
    assert found.prevalence == pytest.approx(found.tested.labels.mean())


def test_without_further_files_a_comparison_stands_alone(tmp_path):
    bare = find(make_folder(tmp_path / "bare", evidence=False), FAST)
    assert bare.evidence.self_test is None
    assert bare.traits == ()
    assert bare.performance["strong"].abstention is None
    assert bare.performance["strong"].rule == "fixed beforehand"


def test_one_model_has_no_differences(folder):
    alone = find(folder, FAST, models=["guess"])
    assert list(alone.performance) == ["guess"]
    assert alone.differences == {}
    assert alone.pairs == ()
    assert {row["model"] for row in alone.evidence.robustness["rows"]} == {"guess"}


def test_settings_that_cannot_be(folder):
    with pytest.raises(ConfigError, match="E246"):
        find(folder, Settings(prevalence=1.5))
    with pytest.raises(ConfigError, match="E246"):
        find(folder, Settings(threshold=0.0))
    with pytest.raises(ConfigError, match="E248"):
        find(folder, FAST, reference="nobody")
    with pytest.raises(ConfigError, match=r"E705.*strong"):
        find(folder, FAST, models=["nobody"])


def test_edited_predictions_are_refused(tmp_path):
    root = make_folder(tmp_path / "cv")
    text = (root / "predictions.csv").read_text()
    (root / "predictions.csv").write_text(text.replace(",0,i001,", ",0,i001,", 1) + "\n")
    with pytest.raises(StudyError, match=r"E279.*changed"):
        find(root, FAST)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda rows: rows.pop(), "59 rows for 60"),
        (lambda rows: rows[0].__setitem__(4, "r999"), "KeyError"),
        (lambda rows: rows[0].__setitem__(6, "high"), "ValueError"),
    ],
)
def test_decisions_of_other_predictions_are_refused(tmp_path, change, why):
    root = make_folder(tmp_path / "cv", names={"only": 1.0})
    with (root / "decisions.csv").open() as handle:
        rows = [list(row.values()) for row in csv.DictReader(handle)]
    change(rows)
    write(root / "decisions.csv", DECISIONS, rows)
    with pytest.raises(StudyError, match=rf"E279.*{why}"):
        find(root, FAST)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("self_test", "{"),
        ("self_test", json.dumps({"infant_wise": {}})),
        ("robustness", json.dumps({"rows": [{"model": "strong"}]})),
        ("explanations", json.dumps([1, 2])),
        ("learning_curve", json.dumps({"rows": 3})),
    ],
)
def test_further_files_of_another_form_are_refused(tmp_path, name, content):
    root = make_folder(tmp_path / "cv", evidence=False)
    (root / f"{name}.json").write_text(content)
    with pytest.raises(StudyError, match=rf"E298.*{name}"):
        find(root, FAST)


def test_the_cohort_counts_each_infant_once(folder):
    tested = read_tested(folder)
    cohort = read_cohort(tested)
    assert set(cohort) == {"age_weeks", "age", "site"}
    site = next(t for t in find(folder, FAST).traits if t.name == "site")
    assert sum(a + b for _, a, b in site.rows) == tested.n_infants
    age = next(t for t in find(folder, FAST).traits if t.name == "age")
    bands = ["9 to 11 weeks", "12 to 14 weeks", "15 to 20 weeks"]
    assert [name for name, *_ in age.rows] == bands
    groups = find(folder, FAST).performance["strong"].subgroups["age"].groups
    assert [group.name for group in groups] == bands


def test_a_cohort_of_another_study_is_refused(tmp_path):
    root = make_folder(tmp_path / "cv")
    recordings = [Recording(f"r{i:03d}", f"i{i:03d}", 1, 12.0, "north") for i in range(60)]
    write_cohort(root, Study(tmp_path, tuple(recordings)))
    with pytest.raises(StudyError, match=r"E279.*--study"):
        find(root, FAST)


def test_only_columns_that_name_nobody_are_written(tmp_path):
    recordings = (Recording("a", "a", 0, None, None, {"sex": "f", "mother": "a name"}),)
    text = write_cohort(tmp_path, Study(tmp_path, recordings)).read_text()
    assert text == "recording,infant_id,label,age_weeks,site,sex\na,a,0,,,f\n"


def test_each_figure_has_its_table(found, tmp_path):
    made = {table.name: table for table in tables(found)}
    assert set(made) == {
        "auc", "differences", "roc", "precision_recall", "decision_curve", "reliability",
        "calibration", "operating_points", "subgroups", "cohort", "robustness", "explanations",
        "learning_curve", "self_test", "checklist",
    }  # fmt: skip
    written = {path.stem: path for path in write_tables(found, tmp_path / "tables")}
    assert set(written) == set(made)
    with written["auc"].open() as handle:
        rows = list(csv.DictReader(handle))
    for row in rows:
        auc = found.performance[row["model"]].auc
        assert float(row["auc"]) == pytest.approx(auc.value, rel=1e-5)
        assert float(row["low"]) == pytest.approx(auc.low, rel=1e-5)
    with written["roc"].open() as handle:
        roc = [float(row["sensitivity"]) for row in csv.DictReader(handle)]
    assert len(roc) == 3 * 101
    assert np.allclose(roc[:101], found.performance["strong"].roc.middle, atol=1e-5)
    assert "nan" not in written["robustness"].read_text()


def test_the_checklist_claims_only_what_the_run_knows(found, tmp_path):
    items = {item.number: item for item in checklist(found)}
    assert len(items) == 52
    assert {item.state for item in items.values()} == {
        "done", "not applicable", "to be written by the authors",
    }  # fmt: skip
    assert "60 simulated infants" in items["5a"].answer
    assert items["17"].state == "not applicable"
    assert f"{found.performance['strong'].auc.value:.3f}" in items["23a"].answer
    assert "+0.160" in items["26"].answer
    real = find(make_folder(tmp_path / "real", simulated=False, evidence=False), FAST)
    known = {item.number: item for item in checklist(real)}
    for number in ("5a", "5b", "6b", "8b", "17", "19", "20b"):
        assert known[number].state == "to be written by the authors", number
    assert "simulat" not in " ".join(item.answer for item in known.values())
