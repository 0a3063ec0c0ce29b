"""The pages and what they ask for, without a browser; and what a machine thinks of asking."""

from __future__ import annotations

import csv
import gc
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from review_store import a_pose, assessed_case, counting_film, pose_of_counter
from starlette.testclient import TestClient

from fidgety.app.store import Store
from fidgety.app.work import run_next
from fidgety.pose.pose import Pose
from fidgety.pose.skeleton import load_skeleton
from fidgety.pose.stored import read_native
from fidgety.report.pdf import find_browser


def send(client: TestClient, content: bytes, **wish: object) -> dict:
    about = {"infant": "b07", "age_weeks": 13, "kind": "film", "suffix": ".mp4",
             "size": len(content)} | wish  # fmt: skip
    begun = client.post("/api/uploads", json=about)
    if not begun.is_success:
        return begun.json()
    upload = begun.json()["id"]
    for start in range(0, len(content), 20_000):
        piece = content[start : start + 20_000]
        assert client.patch(f"/api/uploads/{upload}?offset={start}", content=piece).is_success
    assert client.get(f"/api/uploads/{upload}").json()["offset"] == len(content)
    return client.post(f"/api/uploads/{upload}/finish").json()


def test_a_whole_review(client: TestClient, store: Store, tmp_path: Path) -> None:
    film = counting_film(tmp_path / "f.mp4").read_bytes()
    made = send(client, film)
    case = made["case"]
    assert "In work" in client.get(f"/cases/{case}").text
    assert client.get(f"/api/cases/{case}/player").json()["code"] == "E815"
    assert client.get("/api/jobs").json()[0]["state"] == "queued"
    run_next(store, {}, pose_of_counter)
    assert client.get("/api/jobs").json()[0]["state"] == "done"
    player = client.get(f"/api/cases/{case}/player").json()
    assert player["views"] == ["film", "blurred"]
    joints = client.get(f"/api/cases/{case}/joints").content
    assert len(joints) == player["pictures"] * len(player["joints"]) * 5
    part = client.get(f"/api/cases/{case}/film/blurred", headers={"range": "bytes=10-19"})
    assert part.status_code == 206
    assert len(part.content) == 10
    assert send(client, film)["code"] == "E814"
    assert send(client, film, infant="b08")["code"] == "E203"
    page = client.get(f"/cases/{case}").text
    assert "Give this rating" in page
    draft = {"score": "F-", "agreement": None, "comment": ""}
    assert client.put(f"/api/cases/{case}/draft", json=draft).is_success
    assert 'value="F-" required checked' in client.get(f"/cases/{case}").text
    assert client.post(f"/api/cases/{case}/rating", json={"score": "F-"}).is_success
    note = client.post(f"/api/cases/{case}/notes", json={"time_s": 1.0, "text": "here"}).json()
    assert "here" in client.get(f"/cases/{case}").text
    assert client.delete(f"/api/cases/{case}/notes/{note['id']}").is_success
    seal = client.post(f"/api/cases/{case}/signature", json={"score": "F-"}).json()["seal"]
    assert seal in client.get(f"/cases/{case}").text
    amended = {"score": "F+", "reason": "seen again"}
    assert client.post(f"/api/cases/{case}/signature", json=amended).is_success
    page = client.get(f"/cases/{case}").text
    assert "version 2" in page
    assert "Earlier versions" in page
    content = client.get(f"/api/cases/{case}/case.json").json()
    assert [v["score"] for v in content["readings"][0]["versions"]] == ["F-", "F+"]
    assert content["log"]["hash"] == client.get("/api/verify").json()["hash"]
    (tmp_path / "pose.parquet").write_bytes(client.get(f"/api/cases/{case}/pose.parquet").content)
    assert read_native(tmp_path / "pose.parquet").source == "test"
    (row,) = csv.DictReader(io.StringIO(client.get("/api/cases.csv").text))
    assert (row["infant"], row["score"], row["version"]) == ("b07", "F+", "2")
    fix = {"infant": "b70", "age_weeks": 12.5}
    assert client.post(f"/api/cases/{case}/correct", json=fix).is_success
    assert "b70" in client.get("/").text
    assert client.delete(f"/api/cases/{case}/film").is_success
    assert client.get(f"/api/cases/{case}/film/film").status_code == 404
    assert client.get(f"/api/cases/{case}/player").json()["views"] == []
    assert client.get("/api/verify").json()["faults"] == []


def test_the_risk_reaches_the_browser_only_after_the_rating(
    client: TestClient, store: Store
) -> None:
    case = assessed_case(store)
    places = (f"/cases/{case}", f"/api/cases/{case}/player", f"/api/cases/{case}/case.json",
              "/api/cases.csv", "/")  # fmt: skip
    for place in places:
        text = client.get(place).text
        assert not any(number in text for number in ("0.3128", "0.3541", "0.2031", "0.4467"))
        assert ">0.31<" not in text
        assert "present fidgety" not in text
        assert '"normal"' not in text
    assert client.get(f"/api/cases/{case}/report.pdf").json()["code"] == "E818"
    client.post(f"/api/cases/{case}/rating", json={"score": "F+"})
    page = client.get(f"/cases/{case}").text
    assert "0.31" in page
    assert "present fidgety" in page


def test_attention_can_wait_for_the_rating_too(client: TestClient, store: Store) -> None:
    case = assessed_case(store)
    player = client.get(f"/api/cases/{case}/player").json()
    assert any(clip["attention"] for clip in player["clips"])
    assert client.put("/api/settings", json={"attention_first": False}).is_success
    player = client.get(f"/api/cases/{case}/player").json()
    assert not any(clip["attention"] for clip in player["clips"])
    assert player["movement"]["parts"]  # what was measured is no hint
    client.post(f"/api/cases/{case}/rating", json={"score": "F+"})
    player = client.get(f"/api/cases/{case}/player").json()
    assert any(clip["attention"] for clip in player["clips"])


def in_layout(pose: Pose, name: str) -> Pose:
    """The joints that both layouts have, in the other one; the rest unseen."""
    skeleton = load_skeleton(name)
    xy = np.full((len(pose), len(skeleton.joints), 2), np.nan)
    seen = np.zeros(xy.shape[:2])
    for joint, row in skeleton.index.items():
        if joint in pose.skeleton.index:
            xy[:, row], seen[:, row] = pose.xy[:, pose.skeleton.index[joint]], 1.0
    return Pose(xy, seen, pose.time, pose.size, skeleton, source="test")


@pytest.mark.parametrize("layout", ["openpose18", "blazepose33"])
def test_movement_is_shown_where_no_model_looked(
    client: TestClient, store: Store, tmp_path: Path, layout: str
) -> None:
    still = a_pose(3, 300)
    xy = np.repeat(still.xy[:1], 300, axis=0)
    xy[:, still.skeleton.index["left_ankle"], 0] += 12 * np.sin(2 * np.pi * still.time)
    kicks = Pose(xy, still.confidence, still.time, still.size, still.skeleton, source="test")
    kicks = in_layout(kicks, layout)
    content = kicks.save(tmp_path / "kicks.parquet").read_bytes()
    case = send(client, content, kind="pose", suffix=".parquet")["case"]
    assert run_next(store)
    parts = client.get(f"/api/cases/{case}/player").json()["movement"]["parts"]
    most = {name: max(value or 0.0 for value in values) for name, values in parts.items()}
    assert max(most, key=lambda name: most[name]) == "left_leg"
    assert most["left_leg"] > 5 * most["right_arm"]


def test_lists_filters_and_pages(client: TestClient, store: Store) -> None:
    cases = [assessed_case(store, f"b{k:02}", seed=1, seconds=4.0) for k in range(43)]
    client.post(f"/api/cases/{cases[0]}/rating", json={"score": "F+"})
    assert client.get("/").text.count('<th scope="row">') == 40
    assert client.get("/?page=2").text.count('<th scope="row">') == 3
    assert client.get("/?show=to_sign").text.count('<th scope="row">') == 1
    assert client.get("/?show=to_rate&page=2").text.count('<th scope="row">') == 2
    assert client.get("/?show=nonsense").status_code == 200
    assert client.get("/?page=0").status_code == 422
    assert f"/cases/{cases[1]}" in client.get(f"/cases/{cases[0]}").text  # next to rate


def test_errors_are_pages_for_people_and_json_for_scripts(client: TestClient) -> None:
    assert "E815" in client.get("/nowhere").text
    assert client.get("/nowhere").headers["content-type"].startswith("text/html")
    assert client.get("/api/nowhere").json()["code"] == "E815"
    assert client.post("/api/uploads", json={"infant": 3}).json()["code"] == "E812"
    assert client.post("/api/uploads", content=b"{").status_code == 422
    assert client.put("/api/settings", json={"reveal": "never"}).status_code == 422
    assert client.post(f"/api/models/{'0' * 16}/choose").status_code == 404


def test_a_case_is_found_by_the_beginning_of_its_code(client: TestClient, store: Store) -> None:
    for infant in ("b07", "B071", "c07", "b%"):
        assessed_case(store, infant, seed=1, seconds=4.0)
    found = client.post("/api/find", json={"infant": "b07"}).json()
    assert [item["infant"] for item in found] == ["B071", "b07"]
    assert [i["infant"] for i in client.post("/api/find", json={"infant": "b%"}).json()] == ["b%"]
    assert client.post("/api/find", json={"infant": " "}).json() == []


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.skipif(find_browser() is None, reason="chromium is not installed")
def test_the_report_as_pdf(client: TestClient, store: Store) -> None:
    case = assessed_case(store)
    client.post(f"/api/cases/{case}/rating", json={"score": "F+"})
    answer = client.get(f"/api/cases/{case}/report.pdf")
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF")
    assert len(answer.content) > 20_000


@pytest.mark.slow
def test_no_request_that_fits_the_schema_ends_in_a_fault(client: TestClient, store: Store) -> None:
    known = assessed_case(store)
    document = client.get("/api/openapi.json").json()
    assert len(document["paths"]) > 20
    schema = schemathesis.openapi.from_dict(document)
    seen: Counter[int] = Counter()
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path != "/api/door":  # wrong words lock it, leaving ends all: test_access.py
            fuzz(operation, client, known, seen)
    assert seen.total() > 150
    assert seen[200] > 20
    assert client.get("/api/verify").json()["faults"] == []


def fuzz(operation: Any, client: TestClient, known: str, seen: Counter[int]) -> None:
    """Ask one operation what schemathesis makes up for it, half of it of a case that is there."""

    @settings(max_examples=8, database=None, suppress_health_check=HealthCheck)
    @given(made=operation.as_strategy(), real=st.booleans())
    def ask(made: Any, real: bool) -> None:
        path = operation.path
        for name, value in (made.path_parameters or {}).items():
            chosen = known if real and name == "case" else quote(str(value), safe="") or "x"
            path = path.replace("{" + name + "}", chosen)
        body = made.body if isinstance(made.body, dict | list | str | int | float) else None
        answer = client.request(
            operation.method.upper(),
            path,
            params={key: str(value) for key, value in (made.query or {}).items()},
            content=None if body is None else json.dumps(body),
            headers={"content-type": "application/json"},
        )
        seen[answer.status_code] += 1
        assert answer.status_code < 500, (operation.method, path, answer.text)

    ask()


def test_a_page_leaves_no_macros_behind(client: TestClient, store: Store) -> None:
    """They would hold all that the page shows until the next collection of cycles."""
    from jinja2.runtime import Macro

    case = assessed_case(store)
    pages = (f"/cases/{case}", "/agreement", "/", "/library")
    for page in pages:
        client.get(page)  # what is made once stays
    gc.collect()
    before = sum(type(thing) is Macro for thing in gc.get_objects())
    gc.disable()
    try:
        for page in pages:
            assert client.get(page).is_success
        assert sum(type(thing) is Macro for thing in gc.get_objects()) == before
    finally:
        gc.enable()
