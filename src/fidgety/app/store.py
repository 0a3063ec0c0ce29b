"""The store: one folder with a SQLite database and files that are named by ids alone.

A row in the database is what makes a file count. Files are written first and their row last, in
one transaction; so a process that is killed at any moment leaves files without a row, which are
swept away at the next start, and never a row without its files.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fidgety.errors import AppError
from fidgety.files import file_error, make_folder

__all__ = ["SETTINGS", "Store", "now"]

SCHEMA_VERSION = 1
UPLOAD_DAYS = 7  # half a film is no case, and no page shows it
BUSY_S = 10.0  # how long a writer waits for another

# What the readers of a store may agree on, with what holds until they do.
SETTINGS: dict[str, Any] = {
    "reveal": "after_rating",  # when a reader sees the model's risk; or "at_once"
    "attention_first": True,  # whether the model's attention is shown before the rating
    "readings": 1,  # readings a case needs
    "view": "film",  # how films open; or "blurred", "skeleton"
}

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE readers (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE COLLATE NOCASE, secret TEXT,
  created TEXT NOT NULL);
CREATE TABLE models (
  id TEXT PRIMARY KEY, sha256 TEXT NOT NULL UNIQUE, added TEXT NOT NULL, card TEXT NOT NULL);
CREATE TABLE uploads (
  id TEXT PRIMARY KEY, infant TEXT NOT NULL, age_weeks REAL, kind TEXT NOT NULL,
  suffix TEXT NOT NULL, size INTEGER NOT NULL, said TEXT NOT NULL, created TEXT NOT NULL);
CREATE TABLE cases (
  id TEXT PRIMARY KEY, infant TEXT NOT NULL, age_weeks REAL, kind TEXT NOT NULL,
  suffix TEXT NOT NULL, sha256 TEXT NOT NULL, size INTEGER NOT NULL, said TEXT NOT NULL,
  simulated INTEGER NOT NULL DEFAULT 0, created TEXT NOT NULL, film TEXT NOT NULL,
  folder TEXT, pose_sha256 TEXT, duration_s REAL, verdict TEXT, assessment TEXT);
CREATE INDEX cases_created ON cases (created DESC, id);
CREATE INDEX cases_sha256 ON cases (sha256);
CREATE TABLE assessments (
  id TEXT PRIMARY KEY, case_id TEXT NOT NULL REFERENCES cases, model TEXT REFERENCES models,
  created TEXT NOT NULL, sha256 TEXT NOT NULL, content TEXT NOT NULL);
CREATE INDEX assessments_case ON assessments (case_id);
CREATE TABLE jobs (
  id TEXT PRIMARY KEY, case_id TEXT NOT NULL REFERENCES cases, model TEXT, state TEXT NOT NULL,
  stage TEXT NOT NULL DEFAULT '', share REAL NOT NULL DEFAULT 0, left_s REAL,
  created TEXT NOT NULL, started TEXT, finished TEXT, claim TEXT, attempts INTEGER NOT NULL
  DEFAULT 0, code TEXT, message TEXT);
CREATE INDEX jobs_state ON jobs (state, created);
CREATE INDEX jobs_case ON jobs (case_id, created);
CREATE TABLE events (
  seq INTEGER PRIMARY KEY, time TEXT NOT NULL, kind TEXT NOT NULL, reader INTEGER, case_id TEXT,
  content TEXT NOT NULL, previous TEXT NOT NULL, hash TEXT NOT NULL);
CREATE INDEX events_case ON events (case_id, seq);
CREATE INDEX events_kind ON events (kind, seq);
CREATE TRIGGER events_stay BEFORE UPDATE ON events
  BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
CREATE TRIGGER events_remain BEFORE DELETE ON events
  BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
CREATE TABLE standings (
  case_id TEXT NOT NULL, reader INTEGER NOT NULL, score TEXT, rated TEXT, version INTEGER NOT NULL
  DEFAULT 0, PRIMARY KEY (case_id, reader)) WITHOUT ROWID;
CREATE TABLE drafts (
  case_id TEXT NOT NULL, reader INTEGER NOT NULL, content TEXT NOT NULL,
  PRIMARY KEY (case_id, reader)) WITHOUT ROWID;
"""


def now() -> str:
    """The moment in UTC, to the millisecond: ``2026-11-25T20:10:00.125Z``."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Store:
    """A folder of cases. Safe to use from several threads and processes at once.

    Parameters
    ----------
    folder : path-like
        Made if it does not exist.
    create : bool
        Whether a folder without a store becomes one.

    Raises
    ------
    AppError
        E802 if the folder holds no store, or one of a newer version.
    FileError
        E501 to E503 if the folder cannot be used.
    """

    def __init__(self, folder: str | os.PathLike[str], create: bool = True) -> None:
        self.folder = Path(folder)
        self._here = threading.local()
        database = self.folder / "review.sqlite"
        if not create and not database.is_file():
            raise _no_store(self.folder, "there is no review.sqlite in it")
        inside = list(self.folder.iterdir()) if self.folder.is_dir() else []
        if not database.exists() and any(not path.name.startswith(".") for path in inside):
            raise _no_store(self.folder, "it holds other files")
        if not database.exists():  # films of infants: for no other user of this machine
            make_folder(self.folder).chmod(0o700)
        for name in ("sources", "cases", "models"):
            make_folder(self.folder / name)
        self._database = database
        try:
            self._begin()
        except sqlite3.DatabaseError as error:
            raise _no_store(self.folder, str(error)) from error

    def _begin(self) -> None:
        with self.writing() as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version > SCHEMA_VERSION:
                raise AppError(
                    "E802",
                    "This store was written by a newer version of fidgety",
                    where=self.folder,
                    remedy="Update fidgety",
                )
            if version == 0:
                for statement in _statements(_SCHEMA):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    # -- the database ---------------------------------------------------------------------------

    def reading(self) -> sqlite3.Connection:
        """The thread's own connection, for single statements that change nothing."""
        db: sqlite3.Connection | None = getattr(self._here, "db", None)
        if db is None:
            db = sqlite3.connect(self._database, timeout=BUSY_S, isolation_level=None)
            db.row_factory = sqlite3.Row
            for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON",
                           "trusted_schema = OFF", "cache_size = -16000"):  # fmt: skip
                db.execute(f"PRAGMA {pragma}")
            self._here.db = db
        return db

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that is written whole when the block ends, or not at all."""
        db = self.reading()
        try:
            db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            raise _busy(self.folder, error) from error
        try:
            yield db
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:  # SQLite may have undone it itself
                db.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Close this thread's connection."""
        db: sqlite3.Connection | None = getattr(self._here, "db", None)
        if db is not None:
            db.close()
            self._here.db = None

    def all(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        """Rows of a question, as dictionaries."""
        return [dict(row) for row in self.reading().execute(sql, values)]

    def one(self, sql: str, *values: Any) -> dict[str, Any] | None:
        """The first row of a question, or None."""
        row = self.reading().execute(sql, values).fetchone()
        return None if row is None else dict(row)

    def case(self, case_id: str) -> dict[str, Any]:
        """One case; raises `AppError` E815 if there is none of this id."""
        row = self.one("SELECT * FROM cases WHERE id = ?", case_id)
        if row is None:
            raise AppError("E815", "There is no such case", remedy="Go back to the inbox")
        return row

    def assessment(self, assessment_id: str | None) -> dict[str, Any] | None:
        """The content of an assessment, or None."""
        if assessment_id is None:
            return None
        row = self.one("SELECT content FROM assessments WHERE id = ?", assessment_id)
        return None if row is None else json.loads(row["content"])

    # -- settings -------------------------------------------------------------------------------

    def settings(self) -> dict[str, Any]:
        """`SETTINGS` as the readers of this store have them."""
        row = self.one("SELECT value FROM meta WHERE key = 'settings'")
        return {**SETTINGS, **(json.loads(row["value"]) if row else {})}

    def chosen_model(self) -> str | None:
        """Id of the model that new recordings are assessed with, or None."""
        row = self.one("SELECT value FROM meta WHERE key = 'model'")
        return row["value"] if row else None

    # -- files ----------------------------------------------------------------------------------

    def source(self, case_id: str, suffix: str) -> Path:
        """Where an upload, and then the case it becomes, keeps what was sent."""
        return self.folder / "sources" / f"{case_id}{suffix}"

    def files(self, case_id: str, folder: str) -> Path:
        """What one job made of a case."""
        return self.folder / "cases" / case_id / folder

    def model_file(self, model_id: str) -> Path:
        """A model of the library: a ``.fidgety`` file, or the ``.onnx`` file that stands there."""
        exported = self.folder / "models" / f"{model_id}.onnx"
        return exported if exported.exists() else exported.with_suffix(".fidgety")

    def sweep(self) -> int:
        """Remove files that no row names: what a killed process left. Returns how many.

        Uploads that nobody finished within `UPLOAD_DAYS` are forgotten first.
        """
        oldest = (datetime.now(UTC) - timedelta(days=UPLOAD_DAYS)).isoformat()
        with self.writing() as db:
            db.execute("DELETE FROM uploads WHERE created < ?", (oldest,))
        known = {f"{row['id']}{row['suffix']}" for row in self.all(
            "SELECT id, suffix FROM uploads UNION ALL "
            "SELECT id, suffix FROM cases WHERE film != 'deleted'")}  # fmt: skip
        folders = {(row["id"], row["folder"]) for row in self.all("SELECT id, folder FROM cases")}
        removed = 0
        for row in self.all("SELECT id, folder FROM cases WHERE film = 'deleted' AND folder > ''"):
            for name in ("film.mp4", "blurred.mp4"):
                _remove(self.files(row["id"], row["folder"]) / name)
        for path in (self.folder / "sources").iterdir():
            if path.name not in known:
                _remove(path)
                removed += 1
        for case in (self.folder / "cases").iterdir():
            for made in list(case.iterdir()):
                if (case.name, made.name) not in folders:
                    _remove(made)
                    removed += 1
        return removed


def new_id() -> str:
    """A name for a case, a job or a model that says nothing and cannot be guessed."""
    return secrets.token_hex(8)


def put_meta(db: sqlite3.Connection, key: str, value: str) -> None:
    """Set one value of the table of such."""
    db.execute("INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded."
               "value", (key, value))  # fmt: skip


def _remove(path: Path) -> None:
    try:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise file_error(error, path) from error


def _statements(script: str) -> Iterator[str]:
    """The statements of a script; a trigger's own semicolons do not end it."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _no_store(folder: Path, why: str) -> AppError:
    return AppError(
        "E802",
        "This folder is no store of the review app",
        where=folder,
        why=why,
        remedy="Give an empty or new folder, or one that the app made",
    )


def _busy(folder: Path, error: sqlite3.OperationalError) -> AppError:
    return AppError(
        "E802",
        "The store cannot be written",
        where=folder,
        why=str(error),
        remedy="Check the disk and that no other program holds review.sqlite open",
    )
