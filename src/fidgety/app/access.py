"""Who may come in: hosts, sessions, forged requests, and what a page may load.

One layer around the whole app, so that no page can forget it. Without a session nothing is served
but the door. A browser gets a session for the token in the link that is printed at the start, or
for the password if the app is open to a network; a session is a random word in a cookie that no
script can read and no other site can send.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fidgety.errors import AppError

__all__ = ["COOKIE", "Door", "Guard", "Session", "check_passphrase", "hash_passphrase"]

COOKIE = "fidgety_session"
LASTS_S = 12 * 3600.0
SMALL = 1 << 20  # bytes of a request that is no upload
ATTEMPTS, WINDOW_S = 8, 60.0
_SCRYPT: dict[str, Any] = {"n": 2**14, "r": 8, "p": 1, "maxmem": 1 << 26}

# Forms are sent by the pages' scripts alone: before these are loaded a browser would put what was
# typed, words to come in by among it, into an address.
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "media-src 'self'; font-src 'self'; connect-src 'self'; form-action 'none'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), interest-cohort=()",
}
_OPEN = ("/static/", "/door", "/api/door")  # served without a session


@dataclass
class Session:
    """One browser.

    Parameters
    ----------
    csrf : str
        The word that requests which change something must carry.
    reader : int or None
        Who reads in it.
    began : float
        Monotonic seconds.
    """

    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    reader: int | None = None
    began: float = field(default_factory=time.monotonic)


class Attempts:
    """Wrong words counted by whom they are for, so that nobody can try them all."""

    def __init__(self) -> None:
        self._at: dict[object, list[float]] = {}
        self._lock = threading.Lock()

    def begin(self, whose: object) -> None:
        """Count one that is about to be made; raises `AppError` E821 after too many."""
        with self._lock:
            moment = time.monotonic()
            recent = [at for at in self._at.get(whose, []) if moment - at < WINDOW_S]
            if len(recent) >= ATTEMPTS:
                raise AppError("E821", "Too many wrong attempts", remedy="Wait a minute")
            self._at[whose] = [*recent, moment]

    def right(self, whose: object) -> None:
        """It was the right word: forget those before."""
        with self._lock:
            self._at.pop(whose, None)


class Door:
    """Token, password and sessions of one run of the app; all end with it.

    Parameters
    ----------
    password : str, optional
        Asked for instead of the token, where the app is open to a network.
    """

    def __init__(self, password: str | None = None) -> None:
        self.token = secrets.token_urlsafe(32)
        self._password = None if password is None else hash_passphrase(password)
        self._sessions: dict[str, Session] = {}
        self.attempts = Attempts()
        self._lock = threading.Lock()

    @property
    def asks_password(self) -> bool:
        """Whether a password opens it."""
        return self._password is not None

    def open(self, given: str) -> str:
        """A new session's word for a token or password.

        Raises
        ------
        AppError
            E822 if it is not the right one; E821 after too many wrong ones.
        """
        # Nobody guesses the token; so wrong words of others do not keep its owner out.
        if not hmac.compare_digest(given.encode(), self.token.encode()):
            self.attempts.begin("door")
            if self._password is None or not check_passphrase(given, self._password):
                raise AppError(
                    "E822",
                    "Not the right password" if self.asks_password else "This link is not valid",
                    remedy="Use the link that was printed when the app was started",
                )
            self.attempts.right("door")
        word = secrets.token_urlsafe(32)
        with self._lock:
            self._sessions[_digest(word)] = Session()
        return word

    def session(self, word: str | None) -> Session | None:
        """The session of a cookie, or None."""
        found = self._sessions.get(_digest(word)) if word else None
        if found is not None and time.monotonic() - found.began > LASTS_S:
            self.close(word)
            return None
        return found

    def close(self, word: str | None) -> None:
        """End a session."""
        with self._lock:
            self._sessions.pop(_digest(word or ""), None)


class Guard:
    """The layer around the app.

    Parameters
    ----------
    app : ASGI app
    door : Door
    hosts : set of str
        Values of the Host header that are served; any other is refused, so that no foreign site
        can reach the app under a name of its own.
    secure : bool
        Whether it is served over TLS.
    """

    def __init__(self, app: ASGIApp, door: Door, hosts: set[str], secure: bool = False) -> None:
        self.app, self.door, self.hosts, self.secure = app, door, hosts, secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, or refuse, one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        session = self.door.session(_cookie(headers))
        refusal = self._refusal(scope, headers, session)
        scope.setdefault("state", {})["session"] = session
        page = scope["path"]

        async def armed(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    given.setdefault(name, value)
                given.setdefault(
                    "cache-control", "no-cache" if page.startswith("/static/") else "no-store"
                )
            await send(message)

        await (refusal or self.app)(scope, receive, armed)

    def _refusal(self, scope: Scope, headers: Headers, session: Session | None) -> Response | None:
        """The answer to a request that may not pass, or None."""
        if headers.get("host", "").lower() not in self.hosts:
            return _refused(400, "E822", "The app does not answer to this host name")
        path, reads = scope["path"], scope["method"] in ("GET", "HEAD", "OPTIONS")
        if not reads and not self._from_here(headers):
            return _refused(403, "E818", "The request comes from another site")
        is_piece = path.startswith("/api/uploads/") and scope["method"] == "PATCH"
        length = headers.get("content-length", "0")
        if not is_piece and (not length.isdecimal() or int(length) > SMALL):
            return _refused(413, "E811", "The request is too large")
        if not reads and not is_piece and "transfer-encoding" in headers:
            return _refused(411, "E811", "The request does not say its length")
        if path.startswith(_OPEN) and scope["method"] != "DELETE":
            return None
        if session is None:
            if path.startswith("/api/") or not reads:
                return _refused(401, "E822", "Open the link that was printed at the start")
            return RedirectResponse("/door", status_code=303)
        if not reads and not hmac.compare_digest(
            headers.get("x-csrf-token", "").encode(), session.csrf.encode()
        ):
            return _refused(403, "E818", "The request does not carry this page's word")
        return None

    def _from_here(self, headers: Headers) -> bool:
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if site is not None and site not in ("same-origin", "none"):
            return False
        return origin is None or urlsplit(origin).netloc.lower() in self.hosts


def set_cookie(response: Response, word: str, secure: bool) -> None:
    """Give a browser its session."""
    response.set_cookie(
        COOKIE, word, max_age=int(LASTS_S), httponly=True, samesite="strict", secure=secure,
        path="/",
    )  # fmt: skip


def hash_passphrase(phrase: str) -> str:
    """A salted scrypt hash of a passphrase."""
    salt = secrets.token_bytes(16)
    return f"{salt.hex()}${hashlib.scrypt(phrase.encode(), salt=salt, **_SCRYPT).hex()}"


def check_passphrase(phrase: str, known: str) -> bool:
    """Whether a passphrase is the one that was hashed."""
    salt, _, digest = known.partition("$")
    found = hashlib.scrypt(phrase.encode(), salt=bytes.fromhex(salt), **_SCRYPT)
    return hmac.compare_digest(found.hex(), digest)


def _cookie(headers: Headers) -> str | None:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return found.value if found else None


def _digest(word: str) -> str:
    return hashlib.sha256(word.encode()).hexdigest()


def _refused(status: int, code: str, message: str) -> Response:
    return JSONResponse({"code": code, "message": f"{code} {message}."}, status_code=status)
