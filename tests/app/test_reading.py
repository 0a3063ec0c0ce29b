"""Ratings, signatures, notes; blinding; agreement; what becomes of them as labels."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from review_store import a_pose, assessed_case, pose_case, readers, upload

from fidgety.app import agreeing, audit, export, reading
from fidgety.app.shelf import change_settings
from fidgety.app.store import Store
from fidgety.app.work import run_next
from fidgety.cli import main
from fidgety.errors import AppError, StudyError
from fidgety.study.study import Study


def read(store: Store, case: str, reader: int, score: str, **more: str) -> str:
    reading.rate(store, case, reader, score)
    return reading.sign(store, case, reader, score=score, agreement="agree", **more)


def refused(code: str):
    return pytest.raises(AppError, match=code)


def test_a_reading_from_rating_to_amendment(store: Store) -> None:
    case, (one,) = assessed_case(store), readers(store, "Anna One")
    with refused("E816"):
        reading.sign(store, case, one, score="F+", agreement=None)
    reading.rate(store, case, one, "F+-")
    with refused("E816"):
        reading.rate(store, case, one, "F++")
    first = reading.sign(store, case, one, score="F-", agreement="disagree", comment=" still ")
    with refused("E816"):
        reading.sign(store, case, one, score="F+", agreement="agree")
    second = reading.sign(store, case, one, score="F+", agreement="agree", reason="seen again")
    own = reading.readings_of(store, case)[one]
    assert (own.first, own.score, own.version) == ("F+-", "F+", 2)
    assert [item["score"] for item in own.versions] == ["F-", "F+"]  # the earlier one is kept
    assert (own.versions[0]["comment"], own.versions[0]["seal"]) == ("still", first)
    assert own.seal == second == audit.head(store.reading())[1]
    assert store.one("SELECT score, version FROM standings") == {"score": "F+", "version": 2}
    assert audit.verify(store) == []


def test_notes_at_moments(store: Store) -> None:
    case, (one, two) = assessed_case(store), readers(store, "Anna One", "Berta Two")
    late = reading.note(store, case, one, 12.5, "wrists")
    early = reading.note(store, case, one, 3.0, "neck")
    own = reading.readings_of(store, case)[one]
    assert [item["text"] for item in own.notes] == ["neck", "wrists"]
    with refused("E815"):  # somebody else's
        reading.withdraw(store, case, two, early["id"])
    reading.withdraw(store, case, one, late["id"])
    assert [n["text"] for n in reading.readings_of(store, case)[one].notes] == ["neck"]
    assert [e["kind"] for e in audit.history(store, case)][-1] == "note_withdrawn"
    for time_s, text in ((3.0, "  "), (-1.0, "x"), (999.0, "x"), (1.0, "x" * 2001)):
        with refused("E812"):
            reading.note(store, case, one, time_s, text)


def test_refusals(store: Store) -> None:
    case, (one,) = assessed_case(store), readers(store, "Anna One")
    for name in ("anna one", "A", "x" * 61, "a\nb\x07"):
        with refused("E819"):
            reading.add_reader(store, name, None)
    with refused("E812"):
        reading.rate(store, case, one, "F")
    with refused("E815"):
        reading.rate(store, "0" * 16, one, "F+")
    reading.rate(store, case, one, "F+")
    with refused("E812"):
        reading.sign(store, case, one, score="F+", agreement="perhaps")
    for wish in ({"reveal": "never"}, {"readings": True}, {"colour": "red"}, {"view": 1}):
        with refused("E812"):
            change_settings(store, wish, one)


def test_a_reader_sees_no_other_before_signing(store: Store) -> None:
    case, (one, two) = assessed_case(store), readers(store, "Anna One", "Berta Two")
    read(store, case, one, "F-", comment="nothing at all")
    reading.note(store, case, one, 2.0, "still here")
    for _ in ("before rating", "after rating"):
        seen = reading.visible(reading.readings_of(store, case), two)
        assert all(other.reader == two for other in seen)
        assert "nothing at all" not in json.dumps(export.case_content(store, case, two))
        assert "nothing at all" not in export.store_csv(store, two)
        if not seen:
            reading.rate(store, case, two, "F+")
    reading.sign(store, case, two, score="F+", agreement=None)
    names = [other.name for other in reading.visible(reading.readings_of(store, case), two)]
    assert names == ["Berta Two", "Anna One"]
    assert "nothing at all" in json.dumps(export.case_content(store, case, two))


def test_the_risk_is_hidden_until_the_own_rating(store: Store) -> None:
    case, (one,) = assessed_case(store), readers(store, "Anna One")
    telling = ("risk", "interval", "decision", "explanation_check", "cohort", "scope")
    content = export.case_content(store, case, one)["assessment"]
    assert all(content.get(key) is None for key in telling)
    assert "0.3128" not in json.dumps(content)
    assert all(joint["contribution"] is None for joint in content["joints"])
    assert any(joint["attention"] is not None for joint in content["joints"])
    assert "0.3128" not in export.store_csv(store, one)
    change_settings(store, {"attention_first": False}, one)
    content = export.case_content(store, case, one)["assessment"]
    assert all(clip["attention"] is None for clip in content["clips"])
    reading.rate(store, case, one, "F+")
    assert export.case_content(store, case, one)["assessment"]["risk"] == 0.3128
    row = next(csv.DictReader(io.StringIO(export.store_csv(store, one))))
    assert (row["risk"], row["first_score"], row["blind"], row["score"]) == (
        "0.3128",
        "F+",
        "1",
        "",
    )


def test_no_spreadsheet_takes_a_readers_name_for_a_formula(store: Store) -> None:
    case, (one,) = assessed_case(store), readers(store, '=HYPERLINK("http://x")')
    read(store, case, one, "F+")
    row = next(csv.DictReader(io.StringIO(export.store_csv(store, one))))
    assert row["reader"].startswith("'=")


def test_a_rating_given_with_the_risk_in_sight_is_told_apart(store: Store) -> None:
    case, (one, two) = assessed_case(store), readers(store, "Anna One", "Berta Two")
    change_settings(store, {"reveal": "at_once"}, one)
    assert reading.is_revealed(store, None)
    for reader in (one, two):
        read(store, case, reader, "F+")
    assert not reading.readings_of(store, case)[one].blind
    assert agreeing.summary(store, one)["pairs"] == []  # only blind ratings are compared


def test_a_risk_that_was_open_for_a_while_makes_no_blind_rating(store: Store) -> None:
    before, (one,) = assessed_case(store, "b01"), readers(store, "Anna One")
    change_settings(store, {"reveal": "at_once"}, one)
    change_settings(store, {"view": "blurred"}, one)
    change_settings(store, {"reveal": "after_rating"}, one)
    after = assessed_case(store, "b02")
    for case, blind in ((before, False), (after, True)):
        reading.rate(store, case, one, "F+")
        assert reading.readings_of(store, case)[one].blind is blind


def test_a_signature_is_of_the_assessment_that_was_seen(store: Store) -> None:
    case, (one,) = assessed_case(store), readers(store, "Anna One")
    reading.rate(store, case, one, "F+")
    with pytest.raises(AppError, match=r"E816.*anew"):
        reading.sign(store, case, one, score="F+", agreement="agree", assessment="0" * 16)
    seen = store.case(case)["assessment"]
    reading.sign(store, case, one, score="F+", agreement="agree", assessment=seen)
    assert reading.readings_of(store, case)[one].version == 1


def test_agreement_counts_first_blind_ratings_of_cases_both_signed(store: Store) -> None:
    one, two, three = readers(store, "Anna One", "Berta Two", "Carla Three")
    said = [("F++", "F+"), ("F-", "F-"), ("F+", "F-"), ("NA", "F+"), ("F-", "F+-")]
    cases = [assessed_case(store, f"b{k}", seed=k) for k in range(len(said))]
    for case, (a, b) in zip(cases, said, strict=True):
        read(store, case, one, a)
        reading.rate(store, case, two, b)
        reading.sign(store, case, two, score="F+", agreement=None)  # changed after the reveal
    reading.rate(store, cases[0], three, "F-")  # never signed: not counted
    (pair,) = agreeing.summary(store, one)["pairs"]
    assert pair["names"] == ("Anna One", "Berta Two")
    assert (pair["scores"].n, pair["not_assessable"]) == (4, 1)
    assert pair["scores"].agreed == 0.25
    assert pair["labels"].table.tolist() == [[1, 1], [0, 2]]
    models = agreeing.summary(store, one)["models"]
    assert {m["name"]: m["labels"].n for m in models} == {"Anna One": 4, "Berta Two": 5}
    listed = [item["case"] for item in agreeing.summary(store, two)["disagreements"]]
    assert listed == [cases[2], cases[3]]  # the latter: not assessable against normal
    unsigned = agreeing.summary(store, three)  # the table of one case would tell both its ratings
    assert (unsigned["pairs"], unsigned["models"], unsigned["disagreements"]) == ([], [], [])
    reading.sign(store, cases[0], three, score="F-", agreement=None)
    sums = {pair["names"]: pair["scores"].n for pair in agreeing.summary(store, three)["pairs"]}
    assert sums["Anna One", "Berta Two"] == 1


@pytest.mark.parametrize(
    ("scores", "label", "why"),
    [
        ((), None, "not signed"),
        (("NA",), None, "not assessable"),
        (("F+", "F++"), 0, "signed"),
        (("F-", "NA"), 1, "signed"),
        (("F+-", "Fa"), 1, "signed"),
        (("F+", "F-"), None, "the readers disagree"),
    ],
)
def test_the_label_of_a_case(scores: tuple[str, ...], label: int | None, why: str) -> None:
    said = {k: reading.Reading(k, str(k), score=score, version=1) for k, score in enumerate(scores)}
    assert reading.final_label(said) == (label, why)


def test_signed_readings_become_a_study(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = readers(store, "Anna One", "Berta Two")
    plan = {"b01": ("F++", "F+"), "b02": ("F-",), "b03": ("F+", "F-"), "b04": ("NA",), "b05": ()}
    for seed, (infant, scores) in enumerate(plan.items()):
        case = pose_case(store, tmp_path, infant, seed)
        for reader, score in zip((one, two), scores, strict=False):
            read(store, case, reader, score)
    with pytest.raises(SystemExit) as left:
        main(["import", "--from-app", str(store.folder), "--out", str(tmp_path / "study")])
    assert not left.value.code
    said = capsys.readouterr().out
    assert "2 recordings of 2 infants" in said
    assert "b03 (the readers disagree)" in said
    assert "b05 (not signed)" in said
    study = Study.open(tmp_path / "study")
    assert {r.infant_id: r.label for r in study.recordings} == {"b01": 0, "b02": 1}
    assert sorted(p.stem for p in (tmp_path / "study" / "estimated_poses").iterdir()) == sorted(
        r.name for r in study.recordings
    )


def test_a_pose_that_says_it_is_simulated_is_never_training_data(
    store: Store, tmp_path: Path
) -> None:
    (one,) = readers(store, "Anna One")
    pose = replace(a_pose(5, 240), source="simulated")
    content = pose.save(tmp_path / "pose.parquet").read_bytes()
    case = upload(store, content, "b01", "pose", ".parquet")["case"]
    assert not store.case(case)["simulated"]
    assert run_next(store)
    assert store.case(case)["simulated"]
    read(store, case, one, "F+")
    with pytest.raises(StudyError, match="E201"):
        export.to_study(store.folder, tmp_path / "study")
    assert audit.verify(store) == []
    with store.writing() as db:
        db.execute("UPDATE cases SET simulated = 0")
    assert "simulated" in str(audit.verify(store)[0])


def test_nothing_is_taken_from_a_store_without_labels_or_with_a_broken_log(
    store: Store, tmp_path: Path
) -> None:
    assessed_case(store)
    with pytest.raises(StudyError, match="E201"):
        export.to_study(store.folder, tmp_path / "study")
    with store.writing() as db:
        db.execute("UPDATE cases SET infant = 'b99'")
    with refused("E805"):
        export.to_study(store.folder, tmp_path / "study")


def test_no_comment_becomes_a_formula(store: Store) -> None:
    case, (one,) = assessed_case(store), readers(store, "Anna One")
    read(store, case, one, "F+", comment="=HYPERLINK(0)")
    (row,) = csv.DictReader(io.StringIO(export.store_csv(store, one)))
    assert row["comment"] == "'=HYPERLINK(0)"
