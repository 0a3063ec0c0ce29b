"""How recordings come in: streamed to disk in pieces, checked, recognised when they come twice.

An upload is a row and a growing file named by the upload's id; the name it had on the sender's
machine is never sent. When it is complete, one transaction turns the row into a case with a job.
Killed before that, the browser goes on from where the file ends.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from anyio import to_thread

from fidgety.app import audit, jobs
from fidgety.app.store import Store, new_id, now
from fidgety.errors import AppError
from fidgety.files import file_error
from fidgety.pose.video import VIDEO_SUFFIXES

__all__ = ["KINDS", "LARGEST", "abandon", "begin", "correct", "finish", "receive"]

# What may come, with the endings it may have. "frames" is one OpenPose JSON document a line.
KINDS: dict[str, tuple[str, ...]] = {
    "film": VIDEO_SUFFIXES,
    "pose": (".parquet", ".json", ".csv", ".h5"),
    "frames": (".jsonl",),
}
LARGEST = {"film": 8 << 30, "pose": 512 << 20, "frames": 512 << 20}  # bytes
INFANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_PIECE = 1 << 20  # bytes gathered before they are written
_turns: dict[str, object] = {}  # the request that writes each upload: the latest one

# How films begin: (offset, bytes). MP4 and QuickTime, Matroska and WebM, AVI, MPEG streams.
_FILM_MARKS = [
    *((4, mark) for mark in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")),
    (0, b"\x1a\x45\xdf\xa3"), (8, b"AVI "), (0, b"\x00\x00\x01\xba"), (0, b"\x00\x00\x01\xb3"),
    (0, b"\x47"), (4, b"\x47"),
]  # fmt: skip


def begin(store: Store, wish: dict[str, Any]) -> dict[str, Any]:
    """Note an upload that is about to come; return its id.

    Parameters
    ----------
    store : Store
    wish : dict
        ``infant``, ``age_weeks``, ``kind`` (a key of `KINDS`), ``suffix``, ``size`` in bytes, and
        ``said``: what a pose file does not say itself (``skeleton``, ``fps``).

    Raises
    ------
    AppError
        E810 not an accepted kind of file; E811 too large; E812 infant code or age impossible.
    """
    kind, suffix = wish["kind"], str(wish["suffix"]).lower()
    if kind not in KINDS or suffix not in KINDS[kind]:
        raise AppError(
            "E810",
            "Not an accepted kind of file",
            why=f"its name ends in {suffix!r}" if suffix else "its name has no ending",
            remedy=f"Films: {', '.join(KINDS['film'])}. Poses: {', '.join(KINDS['pose'])}",
        )
    if not 0 < wish["size"] <= LARGEST[kind]:
        raise AppError(
            "E811",
            "The file is empty" if wish["size"] <= 0 else "The file is too large",
            why=None if wish["size"] <= 0 else f"at most {LARGEST[kind] >> 20:,} MB are taken",
            remedy="Copy the file again" if wish["size"] <= 0 else "Cut the film to a few minutes",
        )
    infant, age = checked(wish["infant"], wish["age_weeks"])
    said = {key: value for key, value in (wish.get("said") or {}).items() if value is not None}
    upload = new_id()
    with store.writing() as db:
        db.execute(
            "INSERT INTO uploads VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (upload, infant, age, kind, suffix, wish["size"], json.dumps(said), now()),
        )
    try:
        store.source(upload, suffix).touch()
    except OSError as error:
        raise file_error(error, "the store") from error
    return {"id": upload, "offset": 0}


def checked(infant: str, age_weeks: float | None) -> tuple[str, float | None]:
    """An infant code and a corrected age; raises `AppError` E812 if they cannot be."""
    code = infant.strip()
    if not INFANT.fullmatch(code):
        raise AppError(
            "E812",
            "Not an infant code",
            why="a code has 1 to 40 letters, digits, - and _, and no spaces",
            remedy="Use the study's code, never a name",
        )
    if age_weeks is not None and not (math.isfinite(age_weeks) and -20 <= age_weeks <= 104):
        raise AppError(
            "E812",
            "Not a corrected age",
            why="it is counted in weeks after term, from -20 to 104",
            remedy="Correct it, or leave it out",
        )
    return code, None if age_weeks is None else float(age_weeks)


def offset(store: Store, upload_id: str) -> dict[str, Any]:
    """How many bytes of an upload are on disk, from where it goes on."""
    upload = _upload(store, upload_id)
    return {"id": upload_id, "offset": _length(store, upload), "size": upload["size"]}


async def receive(
    store: Store, upload_id: str, start: int, pieces: AsyncIterator[bytes]
) -> dict[str, Any]:
    """Write a piece of an upload behind what is there; memory does not grow with its length.

    Raises
    ------
    AppError
        E813 if `start` is not where the file ends, or a later request took over; E811 if more comes
        than was announced.
    """
    upload = _upload(store, upload_id)
    path, length = store.source(upload_id, upload["suffix"]), _length(store, upload)
    if start != length:
        raise AppError(
            "E813", f"The file goes on at byte {length}, not {start}", remedy="Ask where, and go on"
        )
    waiting = bytearray()
    turn = _turns[upload_id] = object()
    try:
        path.touch()
        with path.open("r+b") as handle:
            handle.seek(start)
            async for piece in pieces:
                if _turns.get(upload_id) is not turn:
                    raise AppError("E813", "Another request sends this file", remedy="Ask where")
                length += len(piece)
                if length > upload["size"]:
                    raise AppError("E811", "More came than was announced", remedy="Begin again")
                waiting += piece
                if len(waiting) >= _PIECE:
                    await to_thread.run_sync(handle.write, bytes(waiting))
                    waiting.clear()
            await to_thread.run_sync(handle.write, bytes(waiting))
            await to_thread.run_sync(handle.flush)
            await to_thread.run_sync(os.fsync, handle.fileno())
    except OSError as error:
        raise file_error(error, "the store") from error
    finally:
        if _turns.get(upload_id) is turn:
            del _turns[upload_id]
    return {"id": upload_id, "offset": length, "size": upload["size"]}


def finish(store: Store, upload_id: str, reader: int | None) -> dict[str, Any]:
    """Turn a complete upload into a case with a job that waits.

    Raises
    ------
    AppError
        E820 incomplete; E810 the content is not what its name says; E814 the same recording is here
        already; E203 it is here under another infant.
    """
    upload = _upload(store, upload_id)
    path = store.source(upload_id, upload["suffix"])
    _turns.pop(upload_id, None)
    if _length(store, upload) != upload["size"]:
        raise AppError("E820", "Bytes are missing", remedy="Go on with the upload")
    try:
        _check_content(path, upload["kind"], upload["suffix"])
        digest = audit.file_sha256(path)
        return _become_case(store, upload, digest, reader)
    except AppError as error:
        if error.code in ("E203", "E810", "E814"):
            abandon(store, upload_id)
        raise


def _become_case(
    store: Store, upload: dict[str, Any], digest: str, reader: int | None
) -> dict[str, Any]:
    upload_id = upload["id"]
    added = {"infant": upload["infant"], "age_weeks": upload["age_weeks"], "kind": upload["kind"],
             "sha256": digest, "size": upload["size"]}  # fmt: skip
    with store.writing() as db:
        if not db.execute("DELETE FROM uploads WHERE id = ?", (upload_id,)).rowcount:
            raise _unknown()
        _refuse_twin(store, digest, upload["infant"])
        db.execute(
            "INSERT INTO cases (id, infant, age_weeks, kind, suffix, sha256, size, said, created,"
            " film) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (upload_id, upload["infant"], upload["age_weeks"], upload["kind"], upload["suffix"],
             digest, upload["size"], upload["said"], now(),
             "kept" if upload["kind"] == "film" else "none"),
        )  # fmt: skip
        audit.append(db, "case_added", added, reader=reader, case_id=upload_id)
        job = jobs.enqueue(db, upload_id, store.chosen_model())
    return {"case": upload_id, "job": job}


def abandon(store: Store, upload_id: str) -> None:
    """Forget an upload and what came of it; nothing happens if there is none."""
    upload = store.one("SELECT * FROM uploads WHERE id = ?", upload_id)
    if upload is None:
        return
    with store.writing() as db:
        ours = db.execute("DELETE FROM uploads WHERE id = ?", (upload_id,)).rowcount
    if ours:  # else it has become a case meanwhile, and the file is that case's
        store.source(upload_id, upload["suffix"]).unlink(missing_ok=True)


def correct(
    store: Store, case_id: str, infant: str, age_weeks: float | None, reader: int | None
) -> None:
    """Correct the infant code and age of a case; what stood before stays in the log."""
    case = store.case(case_id)
    code, age = checked(infant, age_weeks)
    if (code, age) == (case["infant"], case["age_weeks"]):
        return
    with store.writing() as db:
        db.execute("UPDATE cases SET infant = ?, age_weeks = ? WHERE id = ?", (code, age, case_id))
        audit.append(
            db,
            "case_corrected",
            {"infant": code, "age_weeks": age, "before": [case["infant"], case["age_weeks"]]},
            reader=reader,
            case_id=case_id,
        )
        if age != case["age_weeks"] and case["folder"]:  # the quality gate looks at the age
            jobs.enqueue(db, case_id, store.chosen_model())


def _refuse_twin(store: Store, digest: str, infant: str) -> None:
    twin = store.one("SELECT id, infant FROM cases WHERE sha256 = ? AND NOT (film = 'deleted' AND "
                     "folder IS NULL) LIMIT 1", digest)  # fmt: skip
    if twin is None:
        return
    if twin["infant"] == infant:
        raise AppError(
            "E814",
            "This recording is here already",
            where=f"infant {infant}",
            remedy="Nothing was added",
        )
    raise AppError(
        "E203",
        f"Identical to a recording of infant {twin['infant']}",
        where=f"infant {infant}",
        remedy="Nothing was added. If that code is wrong, correct it on the page of that case",
    )


def _check_content(path: Path, kind: str, suffix: str) -> None:
    """Raise `AppError` E810 unless a file begins like one of its kind."""
    with path.open("rb") as handle:
        first = handle.read(4096)
    if kind == "film":
        fits = any(first[at : at + len(mark)] == mark for at, mark in _FILM_MARKS)
    elif suffix == ".parquet":
        fits = first[:4] == b"PAR1"
    elif suffix == ".h5":
        fits = first[:8] == b"\x89HDF\r\n\x1a\n"
    else:
        text = first.removeprefix(b"\xef\xbb\xbf").lstrip()
        fits = b"\x00" not in first and (suffix == ".csv" or text[:1] in (b"{", b"["))
    if not fits:
        raise AppError(
            "E810",
            "Not an accepted kind of file",
            why=f"its content is not that of a {suffix} file",
            remedy="Give the film or pose file itself",
        )


def _upload(store: Store, upload_id: str) -> dict[str, Any]:
    row = store.one("SELECT * FROM uploads WHERE id = ?", upload_id)
    if row is None:
        raise _unknown()
    return row


def _length(store: Store, upload: dict[str, Any]) -> int:
    try:
        return store.source(upload["id"], upload["suffix"]).stat().st_size
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise file_error(error, "the store") from error


def _unknown() -> AppError:
    return AppError("E815", "There is no such upload", remedy="Begin again")


def delete_film(store: Store, case_id: str, reader: int | None) -> None:
    """Delete a case's film and all copies of it; the pose and everything said of it stay.

    Raises
    ------
    AppError
        E816 if there is no film, or it is being worked on.
    """
    with store.writing() as db:
        case = store.case(case_id)
        if case["film"] != "kept":
            raise AppError("E816", "There is no film to delete", remedy="Look at the case again")
        busy = db.execute(
            "SELECT 1 FROM jobs WHERE case_id = ? AND (state = 'running' OR (state = 'queued' "
            "AND ?))",
            (case_id, case["folder"] is None),
        ).fetchone()
        if busy:
            raise AppError("E816", "The film is being worked on", remedy="Wait, or cancel that")
        db.execute("UPDATE cases SET film = 'deleted' WHERE id = ?", (case_id,))
        audit.append(db, "film_deleted", {}, reader=reader, case_id=case_id)
    made = store.folder / "cases" / case_id
    films = [path for name in ("film.mp4", "blurred.mp4") for path in made.glob(f"*/{name}")]
    try:
        for path in (store.source(case_id, case["suffix"]), *films):
            path.unlink(missing_ok=True)
    except OSError as error:
        raise file_error(error, "the store") from error
