"""The app on a port of its own, and chromium before it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn

from fidgety.app.access import Door
from fidgety.app.server import create_app
from fidgety.app.store import Store

QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
         "--disable-component-update", "--disable-sync"]  # fmt: skip


@dataclass
class Live:
    """A running app."""

    address: str
    token: str

    @property
    def link(self) -> str:
        """What is printed at the start."""
        return f"{self.address}/door#{self.token}"


@contextmanager
def running(store: Store, work: bool = False) -> Iterator[Live]:
    """Serve a store until the block ends."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    host = f"127.0.0.1:{listening.getsockname()[1]}"
    door = Door()
    config = uvicorn.Config(
        create_app(store, door, {host}, work=work), log_level="error", access_log=False,
        timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the app did not start"
        time.sleep(0.02)
    try:
        yield Live(f"http://{host}", door.token)
    finally:
        server.should_exit = True
        thread.join(timeout=300)
        listening.close()
        assert not thread.is_alive(), "the app did not end"


def come_in(page: Any, live: Live, name: str = "Anna One") -> None:
    """Open the link and say who reads."""
    page.goto(live.link)
    page.wait_for_url("**/reader")
    if page.locator("#reader option", has_text=name).count():
        page.select_option("#reader", label=name)
        page.click("#known button[type=submit]")
    else:
        page.fill("#name", name)
        page.click("#new button[type=submit]")
    page.wait_for_selector(".inbox")
    page.wait_for_load_state()  # its script is there
