"""What the pages ask of the app in the background: JSON in, JSON out, errors with their codes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from fastapi import Path as InPath
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse

from fidgety.app import audit, export, intake, jobs, reading, shelf
from fidgety.app.access import COOKIE, Door, Session, check_passphrase, hash_passphrase, set_cookie
from fidgety.app.panels import blinded, print_pdf
from fidgety.app.store import Store
from fidgety.app.wishes import (
    Correction,
    Draft,
    Entry,
    NoteWish,
    Rating,
    ReaderWish,
    Signature,
    UploadWish,
    Wanted,
)
from fidgety.errors import AppError
from fidgety.files import existing

__all__ = ["router"]

router = APIRouter(prefix="/api")
_TICK_S = 0.5

Id = Annotated[str, InPath(pattern="^[0-9a-f]{16}$")]


def store_of(request: Request) -> Store:
    """The store of this app."""
    return request.app.state.store


def reader_of(request: Request) -> int:
    """Who reads in this session; raises `AppError` E818 if nobody was chosen."""
    session: Session | None = request.state.session
    if session is None or session.reader is None:
        raise AppError("E818", "Say first who reads", remedy="Choose a reader")
    return session.reader


S = Annotated[Store, Depends(store_of)]
Reader = Annotated[int, Depends(reader_of)]


@router.post("/door")
def enter(entry: Entry, request: Request) -> Response:
    """Open a session for the token of the link, or the password."""
    door: Door = request.app.state.door
    answer = JSONResponse({"ok": True})
    set_cookie(answer, door.open(entry.word), request.app.state.secure)
    return answer


@router.delete("/door")
def go(request: Request) -> Response:
    """End this session; the browser forgets it."""
    door: Door = request.app.state.door
    door.close(request.cookies.get(COOKIE))
    answer = JSONResponse({"ok": True})
    answer.delete_cookie(COOKIE, path="/")
    return answer


@router.post("/reader")
def choose_reader(wish: ReaderWish, request: Request, store: S) -> dict[str, Any]:
    """Say who reads in this session; a new name is added."""
    if wish.reader is None:
        secret = hash_passphrase(wish.passphrase) if wish.passphrase else None
        reader = reading.add_reader(store, wish.name, secret)
    else:
        reader = wish.reader
        _check_reader(request, store, reader, wish.passphrase)
    request.state.session.reader = reader
    return {"reader": reader}


@router.post("/uploads")
def begin_upload(wish: UploadWish, store: S, reader: Reader) -> dict[str, Any]:
    """Announce a recording."""
    said = {"skeleton": wish.skeleton, "fps": wish.fps}
    return intake.begin(store, {**wish.model_dump(), "said": said})


@router.get("/uploads/{upload}")
def upload_offset(upload: Id, store: S, reader: Reader) -> dict[str, Any]:
    """Where an upload goes on."""
    return intake.offset(store, upload)


@router.patch("/uploads/{upload}")
async def receive_upload(
    upload: Id, request: Request, store: S, reader: Reader, offset: int = 0
) -> dict[str, Any]:
    """A piece of a recording, as it is; `offset` is the number of bytes before it."""
    return await intake.receive(store, upload, offset, request.stream())


@router.post("/uploads/{upload}/finish")
def finish_upload(upload: Id, store: S, reader: Reader) -> dict[str, Any]:
    """All is there: make it a case."""
    return intake.finish(store, upload, reader)


@router.delete("/uploads/{upload}")
def abandon_upload(upload: Id, store: S, reader: Reader) -> dict[str, Any]:
    """Forget an upload."""
    intake.abandon(store, upload)
    return {"ok": True}


@router.get("/jobs")
def job_list(store: S) -> list[dict[str, Any]]:
    """Jobs that wait, run, or ended lately."""
    return jobs.overview(store)


@router.post("/jobs/{job}/cancel")
def cancel_job(job: Id, store: S, reader: Reader) -> dict[str, Any]:
    """Stop a job."""
    jobs.cancel(store, job)
    return {"ok": True}


@router.get("/events", include_in_schema=False)
async def events(request: Request, store: S) -> StreamingResponse:
    """The list of jobs, each time it changes, as server-sent events."""

    async def told() -> AsyncIterator[str]:
        last = ""
        while not await request.is_disconnected() and not request.app.state.closing:
            text = await asyncio.to_thread(lambda: json.dumps(jobs.overview(store)))
            if text != last:
                last = text
                yield f"event: jobs\ndata: {text}\n\n"
            else:
                yield ": \n\n"  # shows that the line is alive, and that it is not
            await asyncio.sleep(_TICK_S)

    return StreamingResponse(told(), media_type="text/event-stream")


@router.post("/find")
def find(wanted: Wanted, store: S, reader: Reader) -> list[dict[str, Any]]:
    """Cases whose infant code begins so; asked this way so that no code stands in an address."""
    code = wanted.infant.strip().lower()
    if not code:
        return []
    return store.all(
        "SELECT id, infant, created FROM cases WHERE substr(lower(infant), 1, ?) = ? "
        "ORDER BY infant, created LIMIT 30",
        len(code), code,
    )  # fmt: skip


@router.post("/cases/{case}/assess")
def assess_again(case: Id, store: S, reader: Reader) -> dict[str, Any]:
    """Put a case into the queue again, for the model now chosen."""
    return {"job": jobs.retry(store, case)}


@router.get("/cases/{case}/player")
def player(case: Id, store: S, reader: Reader) -> dict[str, Any]:
    """What the player and the timeline show; without the model's side until it is revealed."""
    row = _ready(store, case)
    folder = store.files(case, row["folder"])
    content = json.loads((folder / "player.json").read_text("utf-8"))
    if row["film"] == "deleted":
        content["views"] = []
    assessment = store.assessment(row["assessment"]) or {}
    own = reading.readings_of(store, case).get(reader)
    if not reading.is_revealed(store, own):
        assessment = blinded(assessment, store.settings()["attention_first"])
    for key in ("clips", "joints", "movement", "quality"):
        content["assessed" if key == "joints" else key] = assessment.get(key)
    content["duration_s"] = row["duration_s"]
    return content


@router.get("/cases/{case}/joints")
def joints(case: Id, store: S, reader: Reader) -> Response:
    """Joints of each picture; see `fidgety.app.playback.write_joints`."""
    row = _ready(store, case)
    path = existing(store.files(case, row["folder"]) / "joints.bin", "joints")
    return FileResponse(path, media_type="application/octet-stream")


@router.get("/cases/{case}/film/{view}", include_in_schema=False)
def film(case: Id, view: Literal["film", "blurred"], store: S, reader: Reader) -> Response:
    """The copy of the film, any range of it."""
    row = _ready(store, case)
    path = store.files(case, row["folder"]) / f"{view}.mp4"
    if row["film"] == "deleted" or not path.is_file():
        raise AppError("E815", "There is no such film", remedy="Choose another view")
    return FileResponse(path, media_type="video/mp4")


@router.delete("/cases/{case}/film")
def delete_film(case: Id, store: S, reader: Reader) -> dict[str, Any]:
    """Delete the film and its copies for good; the pose stays."""
    intake.delete_film(store, case, reader)
    return {"ok": True}


@router.post("/cases/{case}/correct")
def correct(case: Id, wish: Correction, store: S, reader: Reader) -> dict[str, Any]:
    """Correct infant code and age."""
    intake.correct(store, case, wish.infant, wish.age_weeks, reader)
    return {"ok": True}


@router.put("/cases/{case}/draft")
def keep_draft(case: Id, draft: Draft, store: S, reader: Reader) -> dict[str, Any]:
    """Keep what is filled in."""
    reading.save_draft(store, case, reader, draft.model_dump())
    return {"ok": True}


@router.post("/cases/{case}/rating")
def rate(case: Id, rating: Rating, store: S, reader: Reader) -> dict[str, Any]:
    """Give the first score."""
    reading.rate(store, case, reader, rating.score)
    return {"ok": True}


@router.post("/cases/{case}/notes")
def add_note(case: Id, note: NoteWish, store: S, reader: Reader) -> dict[str, Any]:
    """Write a note at a moment."""
    return reading.note(store, case, reader, note.time_s, note.text)


@router.delete("/cases/{case}/notes/{note}")
def withdraw_note(case: Id, note: Id, store: S, reader: Reader) -> dict[str, Any]:
    """Take a note back."""
    reading.withdraw(store, case, reader, note)
    return {"ok": True}


@router.post("/cases/{case}/signature")
def sign(
    case: Id, signature: Signature, request: Request, store: S, reader: Reader
) -> dict[str, Any]:
    """Sign, or amend with a reason."""
    _check_reader(request, store, reader, signature.passphrase)
    wish = signature.model_dump(exclude={"passphrase"})
    return {"seal": reading.sign(store, case, reader, **wish)}


@router.get("/cases/{case}/case.json")
def case_json(case: Id, store: S, reader: Reader) -> Response:
    """A case as JSON."""
    text = json.dumps(export.case_content(store, case, reader), indent=2, ensure_ascii=False)
    return Response(text, media_type="application/json", headers=_attached(f"case-{case}.json"))


@router.get("/cases/{case}/pose.parquet")
def pose_parquet(case: Id, store: S, reader: Reader) -> Response:
    """The pose of a case."""
    row = _ready(store, case)
    return FileResponse(
        store.files(case, row["folder"]) / "pose.parquet",
        media_type="application/vnd.apache.parquet",
        headers=_attached(f"pose-{case}.parquet"),
    )


@router.get("/cases/{case}/report.pdf", include_in_schema=False)
def report_pdf(case: Id, store: S, reader: Reader) -> Response:
    """The report of a case as PDF, once the risk is revealed to the reader."""
    row = _ready(store, case)
    own = reading.readings_of(store, case).get(reader)
    assessment = store.assessment(row["assessment"])
    if assessment is None or not reading.is_revealed(store, own):
        raise AppError("E818", "The report tells the risk", remedy="Rate the case first")
    assessment["input"]["name"] = row["infant"]
    pdf = print_pdf(assessment)
    return Response(pdf, media_type="application/pdf", headers=_attached(f"report-{case}.pdf"))


@router.get("/cases.csv")
def cases_csv(store: S, reader: Reader) -> Response:
    """All cases as CSV."""
    return Response(
        export.store_csv(store, reader), media_type="text/csv", headers=_attached("cases.csv")
    )


@router.post("/models/{model}/choose")
def choose_model(model: Id, store: S, reader: Reader) -> dict[str, Any]:
    """Assess new recordings with this model."""
    shelf.choose_model(store, model, reader)
    return {"ok": True}


@router.put("/settings")
def change_settings(wish: dict[str, str | int | bool], store: S, reader: Reader) -> dict[str, Any]:
    """Change what the readers have agreed on."""
    return shelf.change_settings(store, wish, reader)


@router.get("/verify")
def verify(store: S, reader: Reader) -> dict[str, Any]:
    """Whether the log holds."""
    faults = audit.verify(store)
    length, seal = audit.head(store.reading())
    return {"entries": length, "hash": seal, "faults": [str(fault) for fault in faults]}


def _ready(store: Store, case: str) -> dict[str, Any]:
    row = store.case(case)
    if row["folder"] is None:
        raise AppError("E815", "This case is not ready yet", remedy="Wait until it is")
    return row


def _check_reader(request: Request, store: Store, reader: int, passphrase: str) -> None:
    row = store.one("SELECT secret FROM readers WHERE id = ?", reader)
    if row is not None and not row["secret"]:
        return
    attempts = request.app.state.door.attempts
    attempts.begin(reader if row else None)
    if row is None or not check_passphrase(passphrase, row["secret"]):
        raise AppError("E819", "Not this reader's passphrase", remedy="Try again")
    attempts.right(reader)


def _attached(name: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="{name}"'}
