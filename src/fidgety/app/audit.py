"""What was done, by whom and when: a log that only grows, each entry sealed by the one before.

The hash of an entry is SHA-256 over the hash of the entry before it and over the entry itself in
canonical JSON. An entry that is changed, removed or slipped in breaks the chain from there on; the
store also remembers how long the log is and its last hash, so that cutting its end shows too. Who
rewrites the whole database, chain and all, is found out by any hash that was noted outside: each
sign-off shows one, each export carries one, and `verify` takes one.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fidgety.app.store import Store, now, put_meta

__all__ = ["Fault", "append", "head", "history", "verify"]

GENESIS = "0" * 64


@dataclass(frozen=True)
class Fault:
    """Something that does not agree with the log.

    Parameters
    ----------
    where : str
        ``entry 12``, or ``case 3f...``.
    what : str
        In words.
    """

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def append(
    db: sqlite3.Connection,
    kind: str,
    content: dict[str, Any],
    *,
    reader: int | None = None,
    case_id: str | None = None,
    time: str | None = None,
) -> str:
    """Add an entry within the transaction of what it tells of; return its hash.

    Parameters
    ----------
    db : Connection
        From `Store.writing`: the deed and its entry are written together or not at all.
    kind : str
        What was done: ``rated``, ``signed``, ``case_added`` ...
    content : dict
        JSON-ready.
    reader : int, optional
        Who did it; None for the app itself.
    case_id : str, optional
        To which case.
    time : str, optional
        When, if the moment was noted already.
    """
    seq, previous = head(db)
    entry = (seq + 1, time or now(), kind, reader, case_id, _canonical(content))
    sealed = _seal(previous, entry)
    db.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*entry, previous, sealed))
    put_meta(db, "head", f"{seq + 1} {sealed}")
    return sealed


def head(db: sqlite3.Connection) -> tuple[int, str]:
    """Number and hash of the last entry; (0, zeros) for an empty log."""
    row = db.execute("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1").fetchone()
    return (0, GENESIS) if row is None else (row["seq"], row["hash"])


def history(store: Store, case_id: str) -> list[dict[str, Any]]:
    """Entries of one case, oldest first, with the readers' names and parsed content."""
    rows = store.all(
        "SELECT events.*, readers.name FROM events LEFT JOIN readers ON readers.id = reader "
        "WHERE case_id = ? ORDER BY seq", case_id)  # fmt: skip
    return [{**row, "content": json.loads(row["content"])} for row in rows]


def verify(store: Store, noted: str | None = None) -> list[Fault]:
    """Check the chain, and that cases, assessments, poses and ratings are as the log says.

    Parameters
    ----------
    store : Store
        Read only.
    noted : str, optional
        A hash that was noted earlier (from a sign-off or an export): it must be in the chain.

    Returns
    -------
    list of Fault
        Empty if everything holds.
    """
    db = store.reading()
    db.execute("BEGIN")  # all of it as of one moment, whatever is written meanwhile
    try:
        return _faults(store, noted)
    finally:
        db.execute("ROLLBACK")


def _faults(store: Store, noted: str | None) -> list[Fault]:
    faults: list[Fault] = []
    previous, length, last_hash = GENESIS, 0, GENESIS
    told = _Told()
    hashes: set[str] = set()
    for row in store.reading().execute("SELECT * FROM events ORDER BY seq"):
        length += 1
        entry = tuple(row)[:6]
        if row["seq"] != length:
            faults.append(Fault(f"entry {length}", f"missing; the next one is {row['seq']}"))
            length = row["seq"]
        if row["previous"] != previous or not _sealed(row, entry):
            faults.append(Fault(f"entry {row['seq']}", "changed, or not written by the app"))
        previous = last_hash = row["hash"]
        hashes.add(last_hash)
        told.take(row)
    remembered = store.one("SELECT value FROM meta WHERE key = 'head'")
    if (remembered["value"] if remembered else f"0 {GENESIS}") != f"{length} {last_hash}":
        faults.append(Fault("the end of the log", "entries were removed or added"))
    if noted and noted.strip().lower() not in hashes:
        faults.append(Fault(f"hash {noted.strip()[:16]}", "not in the log: it was rewritten"))
    return [*faults, *told.compare(store)]


class _Told:
    """What the log says of the other tables."""

    def __init__(self) -> None:
        self.readers: dict[int, str] = {}
        self.cases: dict[str, tuple[Any, ...]] = {}
        self.sources: dict[str, str | None] = {}
        self.simulated: set[str] = set()
        self.deleted: set[str] = set()
        self.latest: dict[str, str] = {}
        self.assessments: dict[str, str] = {}
        self.poses: dict[str, str] = {}
        self.standings: dict[tuple[str, int], list[Any]] = {}

    def take(self, row: sqlite3.Row) -> None:
        try:
            content = json.loads(row["content"])
            case, reader = row["case_id"], row["reader"]
            if row["kind"] in ("case_added", "case_corrected"):
                self.cases[case] = (content["infant"], content["age_weeks"])
                if row["kind"] == "case_added":
                    self.sources[case] = content.get("sha256")
                    self.simulated |= {case} if content.get("simulated") else set()
            elif row["kind"] == "reader_added":
                self.readers[reader] = content["name"]
            elif row["kind"] == "film_deleted":
                self.deleted.add(case)
            elif row["kind"] == "assessed":
                self.assessments[content["assessment"]] = content["sha256"]
                self.latest[case] = content["assessment"]
                self.poses[case] = content["pose_sha256"]
                self.simulated |= {case} if content.get("simulated") else set()
            elif row["kind"] == "rated":
                standing = self.standings.setdefault((case, reader), [None, 0])
                standing[0] = content["score"]
            elif row["kind"] == "signed":
                self.standings[case, reader] = [content["score"], content["version"]]
        except (ValueError, KeyError, TypeError):
            return  # the seal has told of it

    def compare(self, store: Store) -> Iterator[Fault]:
        names = {row["id"]: row["name"] for row in store.all("SELECT id, name FROM readers")}
        for reader in sorted(names.keys() | self.readers.keys(), key=str):
            if names.get(reader) != self.readers.get(reader):
                yield Fault(f"reader {reader}", "the name is not the one that was entered")
        yield from self._cases(store)
        kept = store.all("SELECT id, content, sha256 FROM assessments")
        for gone in sorted(self.assessments.keys() - {row["id"] for row in kept}):
            yield Fault(f"assessment {gone}", "removed")
        for row in kept:
            found = hashlib.sha256(str(row["content"]).encode()).hexdigest()
            if not found == row["sha256"] == self.assessments.get(row["id"]):
                yield Fault(f"assessment {row['id']}", "changed since it was made")
        there = {
            (row["case_id"], row["reader"]): [row["score"], row["version"]]
            for row in store.all("SELECT * FROM standings")
        }
        for case, reader in sorted(there.keys() | self.standings.keys(), key=str):
            if there.get((case, reader)) != self.standings.get((case, reader)):
                yield Fault(f"case {case}", f"the rating of reader {reader} is not the logged one")

    def _cases(self, store: Store) -> Iterator[Fault]:
        rows = store.all("SELECT * FROM cases")
        for gone in sorted(self.cases.keys() - {row["id"] for row in rows}):
            yield Fault(f"case {gone}", "removed")
        for row in rows:
            case = row["id"]
            if self.cases.get(case) != (row["infant"], row["age_weeks"]):
                yield Fault(f"case {case}", "infant code or age is not what was entered")
            if self.sources.get(case) not in (None, row["sha256"]):
                yield Fault(f"case {case}", "the recording is said to be another")
            if bool(row["simulated"]) != (case in self.simulated):
                yield Fault(f"case {case}", "simulated or not is not what was entered")
            if (row["film"] == "deleted") != (case in self.deleted):
                yield Fault(f"case {case}", "the film was deleted, or brought back, unlogged")
            if row["assessment"] != self.latest.get(case):
                yield Fault(f"case {case}", "it shows another assessment than the latest")
            if case in self.poses and not row["folder"]:
                yield Fault(f"case {case}", "the pose is missing or was changed")
            if row["folder"] and row["id"] in self.poses:
                path = store.files(row["id"], row["folder"]) / "pose.parquet"
                if not path.is_file() or file_sha256(path) != self.poses[row["id"]]:
                    yield Fault(f"case {row['id']}", "the pose is missing or was changed")


def file_sha256(path: Any) -> str:
    """SHA-256 of a file, read in blocks."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _sealed(row: sqlite3.Row, entry: tuple[Any, ...]) -> bool:
    try:
        return bool(row["hash"] == _seal(row["previous"], entry))
    except (TypeError, ValueError):  # a value that no entry of ours has
        return False


def _seal(previous: str, entry: tuple[Any, ...]) -> str:
    return hashlib.sha256(f"{previous}\n{_canonical(list(entry))}".encode()).hexdigest()


def _canonical(content: Any) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
