"""A store, and the app over it as a browser meets it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
for beside in ("app", "report", "study", "models", "pose"):
    sys.path.append(str(TESTS / beside))

from review_store import HOST  # noqa: E402
from starlette.testclient import TestClient  # noqa: E402

from fidgety.app.access import Door  # noqa: E402
from fidgety.app.server import create_app  # noqa: E402
from fidgety.app.store import Store  # noqa: E402


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    made = Store(tmp_path / "store")
    yield made
    made.close()


@pytest.fixture
def door() -> Door:
    """The door of one run."""
    return Door()


@pytest.fixture
def stranger(store: Store, door: Door) -> Iterator[TestClient]:
    """A browser without a session."""
    app = create_app(store, door, {HOST}, work=False)
    with TestClient(app, base_url=f"http://{HOST}", follow_redirects=False) as client:
        yield client


@pytest.fixture
def client(stranger: TestClient, door: Door) -> TestClient:
    """A browser with a session in which 'First Reader' reads."""
    word = stranger.post("/api/door", json={"word": door.token})
    assert word.status_code == 200
    session = next(iter(door._sessions.values()))
    stranger.headers["x-csrf-token"] = session.csrf
    assert stranger.post("/api/reader", json={"name": "First Reader"}).status_code == 200
    return stranger
