"""The review app as a fuzz target: scripts of requests, spoilt, straight into its ASGI callable.

A script is a list of requests in JSON. Names in braces in an address stand for what is in the store:
``{case}``, ``{upload}``, ``{job}``, ``{note}``, ``{model}``, and ``{once}`` in a body for a number of its own. No socket is opened: what a server would make of the
bytes on the line (the decoded path, the headers) is made here. An answer of 500 and more, an
exception, an answer without the headers that protect a browser, a refusal without a code, a job that
ends as a fault of ours (E999) or a log that no longer holds is a finding.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import multiprocessing.util
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch
from urllib.parse import quote, unquote

import mutations as m

TESTS = Path(__file__).parents[1]
HOST = "127.0.0.1:8765"
WAIT_S = 120.0
EVERY = 40  # cases between two looks at the whole log


def scripts() -> tuple[bytes, ...]:
    """Sound scripts: what the pages do."""
    case = "/api/cases/{case}"
    csv = (
        "frame,nose_x,nose_y,nose_confidence\n"
        + "".join(f"{k},1.0,2.0,1\n" for k in range(30))
        + "30,{once},2.0,1\n"
    )
    people = {"version": 1.3, "people": [{"pose_keypoints_2d": [1.0, 2.0, 0.9] * 18}]}
    frames = (json.dumps(people) + "\n") * 20 + '{"version": {once}, "people": []}\n'
    found: list[list[dict[str, Any]]] = []
    for kind, suffix, content, more in (
        ("pose", ".csv", csv, {"fps": 30.0}),
        ("frames", ".jsonl", frames, {"fps": 30.0, "skeleton": "openpose18"}),
        ("film", ".mp4", "\0\0\0\x18ftypmp42{once}" + "x" * 50, {}),
    ):
        wish = {"infant": "b07", "age_weeks": 13.0, "kind": kind, "suffix": suffix,
                "size": len(content), **more}  # fmt: skip
        found.append([
            _post("/api/uploads", wish),
            {"method": "PATCH", "path": "/api/uploads/{upload}", "query": "offset=0", "body": content},
            _get("/api/uploads/{upload}"),
            _post("/api/uploads/{upload}/finish", None),
            _get("/api/jobs"),
            _get("/api/events"),
            _post("/api/jobs/{job}/cancel", None),
        ])  # fmt: skip
    found.append([
        _get(f"{case}/player"), _get(f"{case}/joints", {"range": "bytes=0-9"}),
        {"method": "PUT", "path": f"{case}/draft", "json": {"score": "F-", "agreement": None, "comment": "x"}},
        _post(f"{case}/rating", {"score": "F+"}),
        _post(f"{case}/notes", {"time_s": 1.5, "text": "here"}),
        {"method": "DELETE", "path": f"{case}/notes/{{note}}"},
        _post(f"{case}/signature", {"score": "F+", "agreement": "agree", "comment": "", "reason": "again",
                                    "assessment": None, "passphrase": ""}),
        _get("/cases/{case}"), _get(f"{case}/case.json"), _get(f"{case}/pose.parquet"),
        _get(f"{case}/report.pdf"), _get("/api/cases.csv"), _get("/api/verify"),
    ])  # fmt: skip
    found.append([
        _get("/", query="show=all&page=1"), _get("/cases/{case}"), _get("/agreement"), _get("/library"),
        _get("/reader"), _get("/door"), _get("/static/case.js"), _post("/api/find", {"infant": "b"}),
        {"method": "PUT", "path": "/api/settings", "json": {"reveal": "at_once", "readings": 2}},
        _post("/api/models/{model}/choose", None),
        _post(f"{case}/correct", {"infant": "b70", "age_weeks": 12.5}), _post(f"{case}/assess", None),
        _get(f"{case}/film/film", {"range": "bytes=0-99"}), {"method": "DELETE", "path": f"{case}/film"},
    ])  # fmt: skip
    found.append([
        _post("/api/door", {"word": "not the token"}),
        _post("/api/reader", {"reader": None, "name": "Second Reader", "passphrase": "long enough 1"}),
        _post("/api/reader", {"reader": 1, "name": "", "passphrase": ""}),
        _get("/cases/{case}"),
    ])  # fmt: skip
    return tuple(json.dumps(script).encode() for script in found)


def _get(path: str, headers: dict[str, str] | None = None, query: str = "") -> dict[str, Any]:
    return {"method": "GET", "path": path, "query": query, "headers": headers or {}}


def _post(path: str, content: Any) -> dict[str, Any]:
    return {"method": "POST", "path": path, "json": content}


def change_script(raw: bytes, rng: Random) -> bytes:
    """Change a script's requests, mostly what they carry; or their order."""
    tree = json.loads(raw)
    act = rng.randrange(10)
    if act == 0:
        rng.shuffle(tree)
    elif act == 1:
        tree = [rng.choice(tree) for _ in range(rng.choice([1, 3, 8]))]
    elif act < 7:  # one body, query or header
        request = rng.choice(tree)
        key = rng.choice(
            [key for key in ("json", "query", "headers", "body", "path") if key in request]
        )
        part = request[key]
        if isinstance(part, str):
            request[key] = m.change_bytes(part.encode(), rng).decode("utf-8", "surrogateescape")
        else:
            request[key] = m.changed_tree(part, rng)
        return m.json_bytes(tree, rng)
    return m.json_bytes(m.changed_tree(tree, rng), rng)


class Client:
    """One session at an app over a store of its own, in this process."""

    def __init__(self) -> None:
        for beside in ("app", "report", "study", "models", "pose"):
            sys.path.append(str(TESTS / beside))
        from review_store import assessed_case

        from fidgety.app.access import Door
        from fidgety.app.server import create_app
        from fidgety.app.store import Store

        folder = tempfile.mkdtemp(prefix="endpoints-")
        away = multiprocessing.util.Finalize(None, shutil.rmtree, (folder, True), exitpriority=1)
        atexit.register(away)
        self.store, self.door = Store(Path(folder) / "store"), Door()
        self.app = create_app(self.store, self.door, {HOST}, work=False)
        self.loop = asyncio.new_event_loop()
        self.ids = {"case": assessed_case(self.store), "upload": "0" * 16, "job": "0" * 16,
                    "note": "0" * 16, "model": "0" * 16}  # fmt: skip
        self.cookie = self.csrf = ""
        self.cases = 0
        self._come_in()

    def _come_in(self) -> None:
        status, headers, _ = self.ask(_post("/api/door", {"word": self.door.token}))
        assert status == 200
        self.cookie = headers["set-cookie"].split(";")[0]
        self.csrf = next(iter(self.door._sessions.values())).csrf
        assert self.ask(_post("/api/reader", {"name": "First Reader"}))[0] == 200

    def close(self) -> None:
        """Close the loop that the app ran in."""
        self.loop.close()

    def ask(self, request: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        """The answer to one request; events come at once, and no browser prints."""
        from fidgety.app import api

        with (
            patch.object(api, "_TICK_S", 0.005),
            patch.object(api, "print_pdf", lambda _: b"%PDF"),
        ):
            return self.loop.run_until_complete(asyncio.wait_for(self._ask(request), WAIT_S))

    async def _ask(self, request: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        scope, body = self._scope(request)
        answer: dict[str, Any] = {}
        pieces: list[bytes] = []
        gone, sent = asyncio.Event(), [False]

        async def receive() -> dict[str, Any]:
            if not sent[0]:
                sent[0] = True
                return {"type": "http.request", "body": body, "more_body": False}
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                answer.update(message)
            else:
                pieces.append(message.get("body", b""))
                if scope["path"] == "/api/events" and len(pieces) > 1:
                    gone.set()  # the reader closes the page

        await self.app(scope, receive, send)
        headers = {
            key.decode("latin-1").lower(): value.decode("latin-1")
            for key, value in answer["headers"]
        }
        return answer["status"], headers, b"".join(pieces)

    def _scope(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        path = str(request.get("path", "/"))
        for name, value in self.ids.items():
            path = path.replace(f"{{{name}}}", value)
        raw = quote(_raw(path), safe="/%!$&'()*+,;=:@-._~") or "/"
        body = b""
        headers = {"host": HOST, "cookie": self.cookie, "x-csrf-token": self.csrf}
        if "json" in request:
            body = _text(request["json"])
            headers["content-type"] = "application/json"
        elif "body" in request:
            once = f"{self.cases:06}"  # so that no two recordings are the same
            body = _raw(str(request["body"]).replace("{once}", once))
        headers["content-length"] = str(len(body))
        given = request.get("headers")
        headers |= (
            {str(key).lower(): str(value) for key, value in given.items()}
            if isinstance(given, dict)
            else {}
        )
        lines = [(_line(key), _line(value)) for key, value in headers.items() if _line(key)]
        query = _raw(str(request.get("query", "")))
        scope = {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1",
            "method": str(request.get("method", "GET"))[:40].upper(), "scheme": "http", "path": unquote(raw),
            "raw_path": raw.encode(), "query_string": query, "root_path": "", "headers": lines,
            "client": ("127.0.0.1", 50000), "server": ("127.0.0.1", 8765), "state": {},
        }  # fmt: skip
        return scope, body

    def learn(self, request: dict[str, Any], body: bytes) -> None:
        """Keep the ids that an answer gives."""
        try:
            content = json.loads(body)
        except ValueError:
            return
        if not isinstance(content, dict):
            return
        if request.get("path") == "/api/uploads" and isinstance(content.get("id"), str):
            self.ids["upload"] = content["id"]
        if isinstance(content.get("job"), str):
            self.ids["job"] = content["job"]
        if str(request.get("path", "")).endswith("/notes") and isinstance(content.get("id"), str):
            self.ids["note"] = content["id"]


def _text(content: Any) -> bytes:
    """JSON, also of what is nested deeper than the writer of it can go."""
    try:
        return json.dumps(content).encode("utf-8", "surrogatepass")
    except RecursionError:
        return b"[" * 3000 + b"]" * 3000


def _raw(text: str) -> bytes:
    """The bytes that a text stands for, those that are no UTF-8 included."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _line(text: str) -> bytes:
    """A header's name or value as a server lets it through."""
    raw = text.encode("latin-1", "replace")
    return bytes(byte for byte in raw if byte not in b"\r\n\0").strip()[:8000]


@cache
def client() -> Client:
    """The one of this process."""
    return Client()


def use(path: Path) -> object:
    """Play a script; raise `AppError` with the last code that refused a request."""
    from fidgety.app import audit
    from fidgety.app.work import run_next
    from fidgety.errors import AppError

    here = client()
    try:
        script = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None
    refused = None
    for request in script if isinstance(script, list) else [script]:
        if not isinstance(request, dict):
            continue
        status, headers, body = here.ask(request)
        assert status < 500 or status in (501, 507), (status, request, body[:500])
        assert headers.get("x-content-type-options") == "nosniff", (request, headers)
        assert "default-src 'none'" in headers.get("content-security-policy", ""), (
            request,
            headers,
        )
        here.learn(request, body)
        if status >= 400 and headers.get("content-type", "").startswith("application/json"):
            refused = json.loads(body)["code"]
    run_next(here.store, {}, _see)
    fault = here.store.one("SELECT code, message FROM jobs WHERE code IN ('E999', 'E823')")
    assert fault is None, fault
    here.cases += 1
    if here.cases % EVERY == 0:
        assert audit.verify(here.store) == []
    if refused is not None:
        raise AppError(refused, "refused")
    return None


def _see(film: Path, progress: Callable[..., Any] | None = None, **_: Any) -> Any:
    """Stands for an estimator: takes the film apart and finds nobody."""
    from fidgety.errors import VideoError
    from fidgety.pose.video import frames

    count = sum(1 for _ in frames(film))
    raise VideoError("E101", f"No infant found in {count} frames", remedy="Film the whole body")
