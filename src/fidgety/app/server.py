"""The app put together, and served on this machine alone unless it is asked otherwise."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from fidgety import __version__
from fidgety.app import api, pages, shelf
from fidgety.app.access import Door, Guard
from fidgety.app.panels import Panels
from fidgety.app.store import Store
from fidgety.app.worker import Supervisor
from fidgety.claims import claimed
from fidgety.errors import AppError, FidgetyError

__all__ = ["Network", "create_app", "serve"]

STATUS = {
    "E203": 409, "E501": 507, "E513": 501, "E810": 415, "E811": 413, "E812": 422, "E813": 409,
    "E814": 409, "E815": 404, "E816": 409, "E818": 403, "E819": 403, "E820": 409, "E821": 429,
    "E822": 401, "E504": 404,
}  # fmt: skip


@dataclass(frozen=True)
class Network:
    """Where the app is reached.

    Parameters
    ----------
    host, port : str, int
        Address to listen on; port 0 takes any that is free.
    names : tuple of str
        Further host names by which browsers may call it.
    password : str, optional
        Needed for any address but loopback.
    certificate, key : Path, optional
        For TLS.

    Raises
    ------
    AppError
        E803 if others could reach the app and there is no password of 12 characters or more; also
        if there is a shorter one, such as the empty line of a file.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    names: tuple[str, ...] = ()
    password: str | None = None
    certificate: Path | None = None
    key: Path | None = None

    def __post_init__(self) -> None:
        if self.local and self.password is None:
            return
        if len(self.password or "") < 12:
            raise AppError(
                "E803",
                "The password keeps nobody out"
                if self.local
                else f"Others could reach the app at {self.host}",
                why="there is no password, or it has fewer than 12 characters",
                remedy="Give --password-file FILE with 12 characters or more, or neither "
                "--host nor a password",
            )

    @property
    def local(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def every(self) -> bool:
        """Whether it listens on every address of this machine, loopback among them."""
        try:
            return ipaddress.ip_address(self.host).is_unspecified
        except ValueError:
            return False

    def hosts(self, port: int) -> set[str]:
        """Host headers that are served."""
        loopback = ("127.0.0.1", "localhost", "[::1]") if self.local or self.every else ()
        names = {self.host, *self.names, *loopback}
        names = {f"[{name}]" if ":" in name and name[0] != "[" else name for name in names}
        usual = 443 if self.certificate else 80
        return {f"{name}:{port}".lower() for name in names} | (
            {name.lower() for name in names} if port == usual else set()
        )


def create_app(
    store: Store, door: Door, hosts: set[str], *, secure: bool = False, work: bool = True
) -> ASGIApp:
    """The app as an ASGI callable, its guard around it.

    Parameters
    ----------
    store : Store
    door : Door
    hosts : set of str
        Host headers that are served.
    secure : bool
        Whether cookies are for TLS only.
    work : bool
        Whether jobs are done, by a process of its own.
    """

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        supervisor = Supervisor(store) if work else None
        if supervisor is not None:
            supervisor.start()
        yield
        app.state.closing = True
        if supervisor is not None:
            supervisor.stop()

    app = FastAPI(
        title="fidgety review app", version=__version__, lifespan=life, docs_url=None,
        redoc_url=None, openapi_url="/api/openapi.json",
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )  # fmt: skip
    app.state.store, app.state.door, app.state.secure = store, door, secure
    app.state.panels, app.state.closing = Panels(store), False
    app.include_router(api.router)
    app.include_router(pages.router)

    @app.exception_handler(FidgetyError)
    def refused(request: Request, error: FidgetyError) -> Response:
        return _answer(request, STATUS.get(error.code, 400), error.code, str(error))

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> Response:
        places = {".".join(map(str, item["loc"][1:])) or "body" for item in error.errors()}
        text = f"E812 Not what is expected: {', '.join(sorted(places))}."
        return _answer(request, 422, "E812", text)

    @app.exception_handler(HTTPException)
    def unknown(request: Request, error: HTTPException) -> Response:
        return _answer(request, error.status_code, "E815", f"E815 {error.detail}.")

    @app.exception_handler(pages.NoReaderError)
    def nobody(request: Request, _: Exception) -> Response:
        return pages.leave(request)

    return Guard(app, door, hosts, secure)


def serve(
    store: Store, network: Network, say: Callable[[str], None] = print, sample: bool = True
) -> None:
    """Serve a store until the process is interrupted.

    Parameters
    ----------
    store : Store
    network : Network
    say : callable
        Told the link to open.
    sample : bool
        Put the simulated sample case into an empty store.

    Raises
    ------
    AppError
        E806 the address cannot be had.
    FileError
        E505 another app has this store.
    """
    with claimed(store.folder):
        listening = _listen(network)
        port = listening.getsockname()[1]
        if sample:
            shelf.add_sample(store)
        door = Door(network.password)
        secure = network.certificate is not None
        app = create_app(store, door, network.hosts(port), secure=secure)
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False, proxy_headers=False,
            timeout_graceful_shutdown=2,
            ssl_certfile=network.certificate and str(network.certificate),
            ssl_keyfile=network.key and str(network.key),
        )  # fmt: skip
        name = "127.0.0.1" if network.local else (network.names or (network.host,))[0]
        name = "127.0.0.1" if name == network.host and network.every else name
        address = f"{'https' if secure else 'http'}://{name}:{port}/door"
        say(address if door.asks_password else f"{address}#{door.token}")
        uvicorn.Server(config).run(sockets=[listening])


def _listen(network: Network) -> socket.socket:
    family = socket.AF_INET6 if ":" in network.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((network.host, network.port))
        listening.listen(256)
    except OSError as error:
        listening.close()
        raise AppError(
            "E806",
            f"Cannot listen on {network.host}, port {network.port}",
            why=(error.strerror or str(error)).lower(),
            remedy="Choose another port with --port, or 0 for any",
        ) from error
    return listening


def _answer(request: Request, status: int, code: str, message: str) -> Response:
    # The path alone: the whole address cannot be had where its query is no text.
    if request.scope["path"].startswith("/api/") or request.method != "GET":
        return JSONResponse({"code": code, "message": message}, status_code=status)
    return pages.error_page(request, status, message)
