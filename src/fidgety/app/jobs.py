"""The queue of work, kept in the store: it survives the process that was working on it.

A job is claimed with a random word. Whoever works writes only as long as that word still stands,
so that a process which was given up for dead cannot finish what another has begun anew.
"""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass
from typing import Any

from fidgety.app.store import Store, new_id, now
from fidgety.errors import AppError

__all__ = ["Claim", "StoppedError", "cancel", "claim", "enqueue", "overview", "release", "retry"]

ATTEMPTS = 2  # a job whose process dies so often is not tried again
_TELL_S = 0.4  # between two notes of progress


class StoppedError(Exception):
    """The job was cancelled, or another process has it now."""


@dataclass
class Claim:
    """A job in work.

    Parameters
    ----------
    store : Store
        That holds it.
    job, case_id : str
        Ids.
    model : str or None
        Id of the model to assess with.
    word : str
        The claim.
    """

    store: Store
    job: str
    case_id: str
    model: str | None
    word: str

    def __post_init__(self) -> None:
        self._first: tuple[float, float] | None = None  # when it was told of first, and how far
        self._told = 0.0

    def tell(self, stage: str, share: float) -> None:
        """Note how far the job is, now and then; raises `StoppedError` if it is not ours."""
        moment = time.monotonic()
        if moment - self._told < _TELL_S:
            return
        self._told = moment
        share = min(max(share, 0.0), 1.0)
        if self._first is None:  # what was loaded before it says nothing about the rest
            self._first = (moment, share)
        spent, done = moment - self._first[0], share - self._first[1]
        left = spent * (1 - share) / done if done > 0.02 else None
        with self.store.writing() as db:
            if not self._set(db, "stage = ?, share = ?, left_s = ?", stage, share, left):
                raise StoppedError

    def finish(self, db: sqlite3.Connection) -> None:
        """Mark as done in the transaction that shows the result; raises `StoppedError`."""
        done = "state = 'done', stage = '', share = 1, left_s = 0, finished = ?, claim = NULL"
        if not self._set(db, done, now()):
            raise StoppedError

    def fail(self, code: str, message: str) -> None:
        """Mark as failed, with words for the reader."""
        with self.store.writing() as db:
            self._set(db, "state = 'failed', left_s = NULL, finished = ?, claim = NULL, code = ?,"
                          " message = ?", now(), code, message)  # fmt: skip

    def _set(self, db: sqlite3.Connection, what: str, *values: Any) -> bool:
        sql = f"UPDATE jobs SET {what} WHERE id = ? AND claim = ? AND state = 'running'"  # nosec B608 - constants
        return db.execute(sql, (*values, self.job, self.word)).rowcount == 1


def enqueue(db: sqlite3.Connection, case_id: str, model: str | None) -> str:
    """Put a case into the queue, within the caller's transaction; return the job's id.

    A case that waits already is not put there twice.
    """
    waiting = db.execute(
        "SELECT id FROM jobs WHERE case_id = ? AND state = 'queued' AND model IS ?",
        (case_id, model),
    ).fetchone()
    if waiting is not None:
        return waiting["id"]
    job = new_id()
    db.execute(
        "INSERT INTO jobs (id, case_id, model, state, created) VALUES (?, ?, ?, 'queued', ?)",
        (job, case_id, model, now()),
    )
    return job


def claim(store: Store) -> Claim | None:
    """Take the job that has waited longest, or None."""
    if store.one("SELECT 1 FROM jobs WHERE state = 'queued' LIMIT 1") is None:
        return None
    with store.writing() as db:
        row = db.execute(
            "SELECT id, case_id, model FROM jobs WHERE state = 'queued' ORDER BY created, id "
            "LIMIT 1"
        ).fetchone()
        if row is None:
            return None
        word = new_id()
        db.execute(
            "UPDATE jobs SET state = 'running', claim = ?, started = ?, stage = 'Starting', "
            "share = 0, left_s = NULL, attempts = attempts + 1 WHERE id = ?",
            (word, now(), row["id"]),
        )
    return Claim(store, row["id"], row["case_id"], row["model"], word)


def release(store: Store) -> int:
    """Put back what was being worked on by a process that is gone; return how many.

    A job that took its process with it `ATTEMPTS` times has failed instead.
    """
    with store.writing() as db:
        db.execute(
            "UPDATE jobs SET state = 'failed', claim = NULL, finished = ?, code = 'E823', "
            "message = ? WHERE state = 'running' AND attempts >= ?",
            (now(), str(_died()), ATTEMPTS),
        )
        return db.execute(
            "UPDATE jobs SET state = 'queued', claim = NULL, stage = '', share = 0, left_s = NULL "
            "WHERE state = 'running'"
        ).rowcount


def cancel(store: Store, job_id: str) -> None:
    """Take a job out of the queue, or stop it; raises E815 if there is none that can be stopped."""
    with store.writing() as db:
        changed = db.execute(
            "UPDATE jobs SET state = 'cancelled', claim = NULL, stage = '', left_s = NULL, "
            "finished = ? WHERE id = ? AND state IN ('queued', 'running')",
            (now(), job_id),
        ).rowcount
    if not changed:
        raise AppError("E815", "There is no such job that waits or runs", remedy="Look again")


def retry(store: Store, case_id: str) -> str:
    """Assess a case, once more or with the model now chosen; return the job's id."""
    with store.writing() as db:
        case = store.case(case_id)
        if case["folder"] is None and case["film"] == "deleted":
            raise AppError("E816", "The film was deleted", remedy="Add the recording again")
        return enqueue(db, case_id, store.chosen_model())


def overview(store: Store) -> list[dict[str, Any]]:
    """Jobs that wait or run, and those that ended in the last minutes, oldest first."""
    recent = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - 600))
    return store.all(
        "SELECT jobs.id, case_id AS 'case', infant, jobs.state, stage, share, left_s, code, "
        "message FROM jobs JOIN cases ON cases.id = case_id "
        "WHERE jobs.state IN ('queued', 'running') OR finished > ? ORDER BY jobs.created LIMIT 200",
        recent,
    )


def _died() -> AppError:
    return AppError(
        "E823",
        "The process that worked on this recording died twice",
        remedy="The other recordings are not affected; please report this",
    )
