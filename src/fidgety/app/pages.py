"""The pages: what each template is given. Numbers come from the store, words from the templates."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined

from fidgety import __version__
from fidgety.app import agreeing, audit, reading, shelf
from fidgety.app.access import Session
from fidgety.app.api import Id, Reader, S
from fidgety.app.panels import Panels, seen_as
from fidgety.app.store import Store
from fidgety.report import words
from fidgety.report.assets import font_faces
from fidgety.report.svg import cividis
from fidgety.report.timeline import even_share

__all__ = ["error_page", "router", "static_files"]

router = APIRouter(include_in_schema=False)
PER_PAGE = 40
FILTERS = {
    "all": "1",
    "to_rate": "cases.folder IS NOT NULL AND mine.rated IS NULL",
    "to_sign": "mine.rated IS NOT NULL AND mine.version = 0",
    "signed": "mine.version > 0",
    "failed": "cases.folder IS NULL",
}
_LIST = (
    "FROM cases LEFT JOIN standings AS mine ON mine.case_id = cases.id AND mine.reader = ? "
    "WHERE {where}"
)
_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".woff2": "font/woff2",
}


@cache
def environment() -> Environment:
    """Templates, with the words and forms of the report."""
    made = Environment(
        loader=PackageLoader("fidgety.app"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "clock": lambda value: "–" if value is None else words.clock(value),
        "clock1": lambda value: "–" if value is None else words.clock(value, 1),
        "day": lambda moment: "" if moment is None else moment[:10],
        "minute": lambda moment: "" if moment is None else f"{moment[:10]} {moment[11:16]} UTC",
        "words": words.joint_words,
        "percent": lambda value: words.percent(value, 0),
        "told": _told,
        "chance": lambda value: "–" if value is None else words.chance(value),
        "two": lambda value: "–" if value is None else words.fixed(value, 2),
    }
    made.globals |= {
        "scores": reading.SCORES,
        "agreements": reading.AGREEMENTS,
        "version": __version__,
        "ramp": [cividis(step / 11) for step in range(12)],
    }
    return made


@cache
def static_files() -> dict[str, tuple[bytes, str]]:
    """Scripts and styles by name: those of the app, and those of the report it shows."""
    found = {"fonts.css": (font_faces("/static").encode(), "text/css; charset=utf-8")}
    for package, folder in (
        ("fidgety.report", "templates"),
        ("fidgety.report", "templates/fonts"),
        ("fidgety.app", "static"),
    ):
        for item in resources.files(package).joinpath(folder).iterdir():
            kind = _TYPES.get("." + item.name.rpartition(".")[2])
            if kind is not None:
                found[item.name] = (item.read_bytes(), kind)
    return found


def show(request: Request, template: str, status: int = 200, **given: Any) -> HTMLResponse:
    """A template with what every page needs."""
    session: Session | None = request.state.session
    reader = None
    if session is not None and session.reader is not None:
        store: Store = request.app.state.store
        reader = store.one("SELECT id, name, secret IS NOT NULL AS guarded FROM readers "
                           "WHERE id = ?", session.reader)  # fmt: skip
    page = environment().get_template(template)
    context = {
        "csrf": session.csrf if session else "",
        "reader": reader,
        "here": template.removesuffix(".html"),
        **given,
    }
    return HTMLResponse(page.render(context), status_code=status)


def error_page(request: Request, status: int, message: str) -> Response:
    """An error as a page."""
    return show(request, "error.html", status=status, message=message)


def some_reader(request: Request) -> None:
    """Send a browser that has not said who reads to the page that asks."""
    session: Session | None = request.state.session
    if session is None or session.reader is None:
        raise NoReaderError


class NoReaderError(Exception):
    """Nobody was chosen in this session."""


Chosen = [Depends(some_reader)]


@router.get("/door")
def door(request: Request) -> Response:
    """Where a browser is let in."""
    return show(request, "door.html", password=request.app.state.door.asks_password)


@router.get("/static/{name}")
def static(name: str, request: Request) -> Response:
    """A script or style."""
    found = static_files().get(name)
    if found is None:
        return error_page(request, 404, "E815 There is no such file.")
    return Response(found[0], media_type=found[1])


@router.get("/reader")
def readers(request: Request, store: S) -> Response:
    """Who reads?"""
    known = store.all("SELECT id, name, secret IS NOT NULL AS guarded FROM readers ORDER BY name")
    asks = request.app.state.door.asks_password
    return show(request, "reader.html", readers=known, password=asks)


@router.get("/", dependencies=Chosen)
def inbox(
    request: Request,
    store: S,
    reader: Reader,
    which: Annotated[str, Query(alias="show", max_length=20)] = "all",
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
) -> Response:
    """Cases, and what is being worked on."""
    which = which if which in FILTERS else "all"
    counts = {
        name: (store.one(f"SELECT count(*) AS n {_LIST.format(where=where)}", reader) or {})["n"]
        for name, where in FILTERS.items()
    }
    rows = store.all(
        "SELECT cases.id, infant, age_weeks, created, kind, simulated, film, folder, duration_s, "
        "verdict, mine.score, mine.rated, coalesce(mine.version, 0) AS version, "
        "(SELECT count(*) FROM standings s WHERE s.case_id = cases.id AND s.version > 0) AS signed,"
        " (SELECT state FROM jobs WHERE case_id = cases.id ORDER BY jobs.created DESC, jobs.rowid "
        f"DESC LIMIT 1) AS job {_LIST.format(where=FILTERS[which])} "  # nosec B608 - constants
        "ORDER BY cases.created DESC, cases.id LIMIT ? OFFSET ?",
        reader, PER_PAGE, (page - 1) * PER_PAGE,
    )  # fmt: skip
    return show(
        request, "inbox.html", cases=rows, counts=counts, which=which, page=page,
        pages=max(1, -(-counts[which] // PER_PAGE)), settings=store.settings(),
        model=store.chosen_model(),
    )  # fmt: skip


@router.get("/cases/{case}", dependencies=Chosen)
def case_page(case: Id, request: Request, store: S, reader: Reader) -> Response:
    """One case."""
    row, settings = store.case(case), store.settings()
    job = store.one("SELECT * FROM jobs WHERE case_id = ? ORDER BY created DESC, rowid DESC "
                    "LIMIT 1", case)  # fmt: skip
    readings = reading.readings_of(store, case)
    own = readings.get(reader)
    revealed = reading.is_revealed(store, own)
    assessment = store.assessment(row["assessment"])
    panels: dict[str, Any] = {}
    if assessment is not None:
        view = "attention" if settings["attention_first"] else "measured"
        view = "whole" if revealed else view
        assessment = seen_as(assessment, view)
        kept: Panels = request.app.state.panels
        panels = kept.of(row, assessment, view)
    seen = reading.visible(readings, reader)
    return show(
        request, "case.html", case=row, job=job, settings=settings, own=own, revealed=revealed,
        assessment=assessment, panels=panels, clips=_clips(assessment or {}),
        others=[other for other in seen if other.reader != reader],
        signed=sum(bool(other.version) for other in readings.values()),
        draft=reading.draft(store, case, reader),
        history=_history(store, case, reader, own),
        next=_next(store, reader, case),
    )  # fmt: skip


@router.get("/agreement", dependencies=Chosen)
def agreement(request: Request, store: S, reader: Reader) -> Response:
    """How far the readers agree, with each other and with the model."""
    return show(request, "agreement.html", **agreeing.summary(store, reader))


@router.get("/library", dependencies=Chosen)
def models_page(request: Request, store: S, reader: Reader) -> Response:
    """Models, settings, the log."""
    length, seal = audit.head(store.reading())
    totals = store.one("SELECT count(*) AS cases, coalesce(sum(simulated), 0) AS simulated, "
                       "coalesce(sum(film = 'deleted'), 0) AS deleted FROM cases")  # fmt: skip
    return show(
        request, "library.html", models=shelf.models(store), settings=store.settings(),
        entries=length, seal=seal, totals=totals,
    )  # fmt: skip


def _clips(assessment: dict[str, Any]) -> list[dict[str, Any]]:
    """The timeline as rows of a table: clips, with attention in multiples of the even share."""
    clips = assessment.get("clips") or []
    share = even_share(clips) if clips and clips[0].get("attention") is not None else None
    return [
        {**clip, "times": clip["attention"] / share if share and clip["usable"] else None}
        for clip in clips
    ]


def _history(
    store: Store, case: str, reader: int, own: reading.Reading | None
) -> list[dict[str, Any]]:
    """What the log says of a case, without what other readers keep to themselves yet."""
    open_to_all = own is not None and own.version > 0
    private = ("rated", "noted", "note_withdrawn", "signed")
    return [
        entry
        for entry in audit.history(store, case)
        if entry["kind"] not in private or entry["reader"] == reader
        or (open_to_all and entry["kind"] == "signed")
    ]  # fmt: skip


_KINDS: dict[str, str] = {
    "case_added": "recording added",
    "rated": "first rating {score}",
    "noted": "note",
    "note_withdrawn": "note withdrawn",
    "film_deleted": "film deleted",
}


def _told(entry: dict[str, Any]) -> str:
    """An entry of the log in words."""
    kind, content = entry["kind"], entry["content"]
    if kind == "assessed":
        return "assessed" if content.get("model") else "quality looked at"
    if kind == "signed":
        return f"{'signed' if content['version'] == 1 else 'amended'} {content['score']}"
    if kind == "case_corrected":
        return f"code or age corrected; the code was {content['before'][0]}"
    return str(_KINDS.get(kind) or kind.replace("_", " ")).format_map(content)


def _next(store: Store, reader: int, case: str) -> str | None:
    """The case to rate next, oldest first."""
    row = store.one(
        f"SELECT cases.id {_LIST.format(where=FILTERS['to_rate'])} AND cases.id != ? "
        "ORDER BY cases.created, cases.id LIMIT 1",
        reader, case,
    )  # fmt: skip
    return row["id"] if row else None


def leave(request: Request) -> Response:
    """To the page that asks who reads."""
    return RedirectResponse("/reader", status_code=303)
