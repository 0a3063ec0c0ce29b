"""Who may come in, and what no request can do."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from review_store import HOST, assessed_case, pose_case
from starlette.testclient import TestClient

from fidgety.app.access import COOKIE, LASTS_S, Door, check_passphrase, hash_passphrase
from fidgety.app.server import Network, create_app
from fidgety.app.store import Store
from fidgety.cli import main
from fidgety.errors import AppError


def test_without_a_session_there_is_only_the_door(stranger: TestClient, store: Store) -> None:
    case = assessed_case(store)
    for path in ("/", f"/cases/{case}", "/library", "/agreement", "/reader"):
        answer = stranger.get(path)
        assert answer.status_code == 303
        assert answer.headers["location"] == "/door"
    for path in ("/api/jobs", f"/api/cases/{case}/player", "/api/cases.csv", "/api/openapi.json",
                 f"/api/cases/{case}/film/film", "/api/events", "/api/verify"):  # fmt: skip
        assert stranger.get(path).status_code == 401
    for method, path in (("POST", "/api/uploads"), ("PUT", "/api/settings"), ("POST", "/"),
                         ("DELETE", f"/api/cases/{case}/film")):  # fmt: skip
        assert stranger.request(method, path).status_code == 401
    assert stranger.get("/door").status_code == 200
    assert stranger.get("/static/app.css").status_code == 200
    assert stranger.get("/static/../store.py").status_code in (303, 404)


def test_the_token_opens_and_nothing_else_does(stranger: TestClient, door: Door) -> None:
    assert stranger.post("/api/door", json={"word": "x" * 43}).json()["code"] == "E822"
    answer = stranger.post("/api/door", json={"word": door.token})
    cookie = answer.headers["set-cookie"].lower()
    for part in ("httponly", "samesite=strict", "path=/"):
        assert part in cookie
    assert stranger.get("/").headers["location"] == "/reader"  # in, but nobody reads yet
    assert stranger.get("/api/jobs").status_code == 200
    assert door.token not in stranger.get("/reader").text
    other = TestClient(stranger.app, base_url=f"http://{HOST}", follow_redirects=False)
    assert other.get("/", headers={"cookie": "fidgety_session=forged"}).status_code == 303
    assert other.get("/", headers={"cookie": "\x01=;;="}).status_code == 303


def test_too_many_wrong_words_have_to_wait(stranger: TestClient, door: Door) -> None:
    codes = [stranger.post("/api/door", json={"word": "x"}).json()["code"] for _ in range(9)]
    assert codes == ["E822"] * 8 + ["E821"]
    # ... but whoever has the link is not kept out by the wrong words of others.
    assert stranger.post("/api/door", json={"word": door.token}).status_code == 200


def test_a_session_ends(door: Door) -> None:
    word = door.open(door.token)
    session = door.session(word)
    assert session is not None
    session.began = time.monotonic() - LASTS_S - 1
    assert door.session(word) is None
    assert door.session(None) is None


def test_who_leaves_is_out(client: TestClient, door: Door) -> None:
    word = client.cookies[COOKIE]
    assert client.delete("/api/door", headers={"x-csrf-token": "forged"}).status_code == 403
    assert door.session(word) is not None
    assert client.delete("/api/door").status_code == 200
    assert door.session(word) is None
    assert COOKIE not in client.cookies
    assert client.get("/").headers["location"] == "/door"
    assert client.delete("/api/door").status_code == 401


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:80", "localhost:9999", ""]
)
def test_only_known_host_names_are_answered(client: TestClient, host: str) -> None:
    answer = client.get("/", headers={"host": host})
    assert answer.status_code == 400
    assert "fidgety_session" not in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"x-csrf-token": "guess"},
        {"x-csrf-token": ""},
    ],
)
def test_forged_requests_change_nothing(
    client: TestClient, store: Store, headers: dict[str, str]
) -> None:
    case = assessed_case(store)
    answer = client.post(f"/api/cases/{case}/rating", json={"score": "F+"}, headers=headers)
    assert answer.status_code == 403
    assert store.all("SELECT * FROM standings") == []
    good = {"origin": f"http://{HOST}", "sec-fetch-site": "same-origin"}
    assert client.post(f"/api/cases/{case}/rating", json={"score": "F+"}, headers=good).is_success


def test_what_every_answer_says_to_the_browser(client: TestClient, store: Store) -> None:
    case = assessed_case(store)
    for path in ("/", f"/cases/{case}", "/api/jobs", "/api/none", "/none", "/static/app.js"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "form-action 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cache-control"] == ("no-cache" if "/static" in path else "no-store")


def test_no_page_needs_anything_inline_or_from_elsewhere(client: TestClient, store: Store) -> None:
    case = assessed_case(store)
    client.post(f"/api/cases/{case}/rating", json={"score": "F+"})
    for path in ("/", f"/cases/{case}", "/library", "/agreement", "/reader", "/door"):
        text = client.get(path).text
        assert " style=" not in text
        assert "<style" not in text
        assert "javascript:" not in text
        assert " onclick" not in text
        for piece in text.split("<script")[1:]:
            assert 'src="/static/' in piece.split(">")[0]
        for place in ("src=", "href="):
            for piece in text.split(f' {place}"')[1:]:
                assert piece.split('"')[0][:1] in ("/", "#", "d"), piece[:60]


def test_a_name_is_never_markup(client: TestClient, store: Store) -> None:
    assert client.post("/api/reader", json={"name": "<img src=x> & Co"}).is_success
    text = client.get("/").text
    assert "<img" not in text
    assert "&lt;img src=x&gt; &amp; Co" in text


@pytest.mark.parametrize("case", ["0" * 15, "0" * 17, "G" * 16, "0" * 16, "a b"])
def test_ids_are_ids(client: TestClient, case: str) -> None:
    for path in (f"/cases/{case}", f"/api/cases/{case}/player", f"/api/cases/{case}/joints",
                 f"/api/cases/{case}/film/film", f"/api/cases/{case}/pose.parquet"):  # fmt: skip
        assert client.get(path).status_code in (404, 422)
    assert client.get(f"/api/cases/{'0' * 16}/film/..%2f..%2freview.sqlite").status_code in (
        404,
        422,
    )


def test_large_requests_are_refused_before_they_are_read(client: TestClient) -> None:
    headers = {"content-length": str(3 << 20)}
    assert client.post("/api/uploads", content=b"{}", headers=headers).status_code == 413
    chunked = client.post("/api/uploads", content=iter([b"{}"]))
    assert chunked.status_code == 411


def test_the_passphrase_of_a_reader(client: TestClient, store: Store) -> None:
    case = assessed_case(store)
    new = {"name": "Guarded Reader", "passphrase": "open sesame"}
    reader = client.post("/api/reader", json=new).json()["reader"]
    assert client.post("/api/reader", json={"reader": 1}).is_success
    wrong = client.post("/api/reader", json={"reader": reader, "passphrase": "no"})
    assert wrong.json()["code"] == "E819"
    assert client.post("/api/reader", json={"reader": 99}).json()["code"] == "E819"
    assert client.post(
        "/api/reader", json={"reader": reader, "passphrase": "open sesame"}
    ).is_success
    client.post(f"/api/cases/{case}/rating", json={"score": "F+"})
    sign = f"/api/cases/{case}/signature"
    assert client.post(sign, json={"score": "F+"}).json()["code"] == "E819"
    assert client.post(sign, json={"score": "F+", "passphrase": "open sesame"}).is_success
    assert "open sesame" not in (store.folder / "review.sqlite").read_bytes().decode("latin-1")
    tried = [client.post(sign, json={"score": "F+", "passphrase": "x"}) for _ in range(9)]
    assert [answer.json()["code"] for answer in tried] == ["E819"] * 8 + ["E821"]
    known = hash_passphrase("a")
    assert check_passphrase("a", known)
    assert not check_passphrase("b", known)
    assert hash_passphrase("a") != known


def test_a_network_needs_a_password(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for host in ("0.0.0.0", "192.0.2.7", "::", "ward-pc"):
        with pytest.raises(AppError, match="E803"):
            Network(host)
        with pytest.raises(AppError, match="E803"):
            Network(host, password="short")
        assert not Network(host, password="long enough, this").local
    for host in ("127.0.0.1", "::1", "localhost", "127.0.0.7"):
        assert Network(host).local
        for short in ("", "short"):  # an empty file must not become a door without a lock
            with pytest.raises(AppError, match="E803"):
                Network(host, password=short)
    assert Network("::1").hosts(80) >= {"[::1]:80", "[::1]", "localhost:80"}
    assert Network("0.0.0.0", names=("Ward-PC",), password="x" * 12).hosts(9) == {
        "0.0.0.0:9", "ward-pc:9", "127.0.0.1:9", "localhost:9", "[::1]:9",
    }  # fmt: skip
    assert Network("10.0.0.7", password="x" * 12).hosts(9) == {"10.0.0.7:9"}
    with pytest.raises(SystemExit) as left:
        main(["app", "--store", str(tmp_path / "s"), "--host", "0.0.0.0"])
    assert left.value.code == 2
    assert "E803" in capsys.readouterr().err


def test_the_password_of_a_network(store: Store) -> None:
    door = Door("a long password")
    with TestClient(create_app(store, door, {HOST}, secure=True, work=False),
                    base_url=f"https://{HOST}") as client:  # fmt: skip
        assert 'type="password"' in client.get("/door").text
        assert client.post("/api/door", json={"word": "wrong"}).status_code == 401
        answer = client.post("/api/door", json={"word": "a long password"})
        assert "secure" in answer.headers["set-cookie"].lower()


def test_a_port_that_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with pytest.raises(SystemExit) as left:
            main(["app", "--store", str(tmp_path / "s"), "--port", port])
    assert left.value.code == 2
    assert "E806" in capsys.readouterr().err


def test_what_serves_the_app_may_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(SystemExit) as left:
        main(["app", "--store", str(tmp_path / "s")])
    assert left.value.code == 2
    assert "E804" in capsys.readouterr().err


def test_nothing_of_a_case_is_logged(
    client: TestClient, store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="fidgety"):
        case = pose_case(store, tmp_path, "secret-code")
        client.get(f"/cases/{case}")
        client.post(f"/api/cases/{case}/notes", json={"time_s": 1.0, "text": "secret words"})
    assert "secret" not in caplog.text


def test_what_opens_the_browser_shows_the_link_to_nobody_else(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched: list[str] = []
    monkeypatch.setattr("click.launch", launched.append)
    link = "http://127.0.0.1:1/door#secret"

    def serve(_: Store, __: Network, say: Callable[[str], None], **___: object) -> None:
        say(link)
        page = Path(launched[0])
        assert page.stat().st_mode & 0o077 == 0
        assert link in page.read_text()

    monkeypatch.setattr("fidgety.app.server.serve", serve)
    monkeypatch.setattr("fidgety.app.shelf.add_shipped", lambda _: None)
    with pytest.raises(SystemExit) as left:
        main(["app", "--store", str(store.folder), "--open"])
    assert not left.value.code
    assert "secret" not in launched[0]
    assert not Path(launched[0]).exists()
