"""The log holds until something is changed outside of the app; then it says where."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from review_store import assessed_case, readers

from fidgety.app import audit, reading
from fidgety.app.store import Store
from fidgety.cli import main

Tamper = Callable[[sqlite3.Connection], object]


def signed_store(store: Store) -> str:
    case, (one, two) = assessed_case(store), readers(store, "Anna One", "Berta Two")
    for reader, score in ((one, "F+"), (two, "F-")):
        reading.rate(store, case, reader, score)
        reading.sign(store, case, reader, score=score, agreement="agree")
    return case


def spoil(store: Store, what: str) -> None:
    """What somebody with the database file can do, the triggers taken off first."""
    with sqlite3.connect(store.folder / "review.sqlite") as db:
        for trigger in ("events_stay", "events_remain"):
            db.execute(f"DROP TRIGGER {trigger}")
        db.executescript(what)
    db.close()


def test_a_log_that_nobody_touched_holds(store: Store) -> None:
    assert audit.verify(store) == []
    signed_store(store)
    assert audit.verify(store) == []
    length, seal = audit.head(store.reading())
    assert length == 8
    assert audit.verify(store, noted=seal) == []


@pytest.mark.parametrize(
    "what",
    [
        "UPDATE events SET content = replace(content, 'F-', 'F+') WHERE kind = 'signed'",
        "UPDATE events SET time = '2020-01-01T00:00:00.000Z' WHERE kind = 'rated'",
        "UPDATE events SET reader = 1 WHERE reader = 2",
        "DELETE FROM events WHERE seq = 5",
        "DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)",
        "DELETE FROM events",
        "INSERT INTO events SELECT max(seq) + 1, time, kind, reader, case_id, content, hash, hash"
        " FROM events",
        "UPDATE cases SET infant = 'b08'",
        "UPDATE cases SET age_weeks = 20",
        "UPDATE assessments SET content = replace(content, '0.3128', '0.9128')",
        "UPDATE assessments SET content = replace(content, '0.3128', '0.9128'), sha256 = 'x'",
        "UPDATE standings SET score = 'F++' WHERE reader = 2",
        "DELETE FROM standings WHERE reader = 2",
        "UPDATE meta SET value = '3 x' WHERE key = 'head'",
        "UPDATE events SET content = x'00ff' WHERE seq = 5",
        "UPDATE events SET content = 1e999 WHERE seq = 5",
        "UPDATE readers SET name = 'Carla Three' WHERE id = 2",
        "INSERT INTO readers (name, created) VALUES ('Nobody', 'x')",
        "UPDATE cases SET assessment = NULL",
        "UPDATE cases SET assessment = 'of another case'",
        "UPDATE cases SET simulated = 1",
        "UPDATE cases SET film = 'deleted'",
        "UPDATE cases SET folder = NULL",
        "DELETE FROM cases",
        "DELETE FROM assessments",
    ],
)
def test_whatever_is_changed_is_found(store: Store, what: str) -> None:
    signed_store(store)
    spoil(store, what)
    assert audit.verify(store)


def test_a_changed_pose_file_is_found(store: Store) -> None:
    case = signed_store(store)
    row = store.case(case)
    pose = store.files(case, row["folder"]) / "pose.parquet"
    pose.write_bytes(pose.read_bytes()[:-1] + b"x")
    assert "pose" in str(audit.verify(store)[0])


def test_a_log_rewritten_whole_is_found_by_a_noted_hash(store: Store) -> None:
    signed_store(store)
    noted = audit.head(store.reading())[1]
    rows = store.all("SELECT * FROM events ORDER BY seq")
    spoil(store, "DELETE FROM events; DELETE FROM meta WHERE key = 'head'")
    with store.writing() as db:  # the same entries but one, sealed anew by the app's own rule
        for row in rows:
            content = audit.json.loads(row["content"].replace('"first"', '"later"'))
            if row["kind"] == "reader_added":
                content["name"] += " II"
                db.execute("UPDATE readers SET name = ? WHERE id = ?",
                           (content["name"], row["reader"]))  # fmt: skip
            audit.append(db, row["kind"], content, reader=row["reader"], case_id=row["case_id"],
                         time=row["time"])  # fmt: skip
    assert audit.verify(store) == []  # the chain is whole again ...
    assert "rewritten" in str(audit.verify(store, noted)[0])  # ... but is not the one noted


def test_the_log_refuses_changes_in_the_app_itself(store: Store) -> None:
    signed_store(store)
    for what in ("UPDATE events SET kind = 'x'", "DELETE FROM events"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"), store.writing() as db:
            db.execute(what)
    assert audit.verify(store) == []


def test_a_deed_and_its_entry_are_written_together_or_not_at_all(store: Store) -> None:
    case, (one,) = assessed_case(store), readers(store, "Anna One")
    before = audit.head(store.reading())

    def killed() -> None:
        with store.writing() as db:
            db.execute(
                "INSERT INTO standings (case_id, reader, score, rated) VALUES (?, ?, 'F+', 'x')",
                (case, one),
            )
            audit.append(db, "rated", {"score": "F+"}, reader=one, case_id=case)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        killed()
    assert audit.head(store.reading()) == before
    assert store.all("SELECT * FROM standings") == []


def test_verify_on_the_command_line(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    signed_store(store)

    def verify(*more: str) -> int:
        with pytest.raises(SystemExit) as left:
            main(["app", "--verify", "--store", str(store.folder), *more])
        return int(left.value.code or 0)

    assert verify() == 0
    assert "8 entries" in capsys.readouterr().out
    assert verify("--noted", "0" * 64) == 2
    spoil(store, "UPDATE cases SET infant = 'b08'")
    assert verify() == 2
    said = capsys.readouterr().err
    assert "E805" in said
    assert "infant code" in said


def test_a_folder_without_a_store_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("x")
    for more in (["--verify"], []):
        with pytest.raises(SystemExit) as left:
            main(["app", "--store", str(tmp_path), *more])
        assert left.value.code == 2
        assert "E802" in capsys.readouterr().err
