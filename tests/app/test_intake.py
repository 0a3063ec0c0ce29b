"""Recordings come in whole, once, and only of the kinds that can be read."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from review_store import (
    counting_film,
    pieces,
    pose_of_counter,
    readers,
    states,
    upload,
)
from small_models import trained
from small_studies import a_pose

from fidgety.app import audit, intake, jobs
from fidgety.app.shelf import add_model, add_sample
from fidgety.app.store import Store
from fidgety.app.work import run_next
from fidgety.assess import Assessor
from fidgety.errors import AppError
from fidgety.models.checkpoint import Cohort, save_checkpoint
from fidgety.pose.formats import write
from fidgety.pose.stored import read_native

WISH = {"infant": "b07", "age_weeks": None, "kind": "film", "suffix": ".mp4", "size": 100}


def refused(code: str):
    return pytest.raises(AppError, match=code)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"suffix": ".exe"}, "E810"),
        ({"suffix": ""}, "E810"),
        ({"suffix": ".parquet"}, "E810"),
        ({"suffix": "/../../x.mp4"}, "E810"),
        ({"kind": "pose", "suffix": ".pkl"}, "E810"),
        ({"size": 0}, "E811"),
        ({"size": intake.LARGEST["film"] + 1}, "E811"),
        ({"infant": ""}, "E812"),
        ({"infant": "../b07"}, "E812"),
        ({"infant": "Anna Maier"}, "E812"),
        ({"infant": "x" * 41}, "E812"),
        ({"age_weeks": 400.0}, "E812"),
        ({"age_weeks": float("nan")}, "E812"),
    ],
)
def test_what_cannot_come_is_refused_at_once(store: Store, change: dict, code: str) -> None:
    with refused(code):
        intake.begin(store, WISH | change)
    assert store.all("SELECT * FROM uploads") == []
    assert list((store.folder / "sources").iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "suffix", "content"),
    [
        ("film", ".mp4", b"MZ\x90\x00 no film at all"),
        ("film", ".mov", b"<html>not a film</html>"),
        ("pose", ".parquet", b"PK\x03\x04 a zip"),
        ("pose", ".json", b"import os"),
        ("pose", ".csv", b"a,b\x00\n"),
        ("pose", ".h5", b"\x00" * 64),
        ("frames", ".jsonl", b"\x80\x04 pickle"),
    ],
)
def test_content_that_is_not_what_its_name_says(
    store: Store, kind: str, suffix: str, content: bytes
) -> None:
    with refused("E810"):
        upload(store, content, kind=kind, suffix=suffix)
    assert list((store.folder / "sources").iterdir()) == []
    assert states(store) == []


def test_an_upload_goes_on_where_it_broke_off(store: Store, tmp_path: Path) -> None:
    content = a_pose(1, 60).save(tmp_path / "p.parquet").read_bytes()
    half = len(content) // 2
    wish = WISH | {"kind": "pose", "suffix": ".parquet", "size": len(content)}
    begun = intake.begin(store, wish)["id"]
    asyncio.run(intake.receive(store, begun, 0, pieces(content[:half], 777)))
    again = Store(store.folder)  # as after a restart
    assert again.sweep() == 0
    assert intake.offset(again, begun)["offset"] == half
    with refused("E820"):
        intake.finish(again, begun, None)
    with refused("E813"):
        asyncio.run(intake.receive(again, begun, 0, pieces(content)))
    with refused("E811"):
        asyncio.run(intake.receive(again, begun, half, pieces(content)))
    end = intake.offset(again, begun)["offset"]
    assert end <= len(content)
    asyncio.run(intake.receive(again, begun, end, pieces(content[end:])))
    case = intake.finish(again, begun, None)["case"]
    assert again.source(case, ".parquet").read_bytes() == content
    with refused("E815"):
        intake.finish(again, begun, None)
    again.close()


def test_an_upload_is_never_held_in_memory(store: Store) -> None:
    size = 48 << 20
    begun = intake.begin(store, WISH | {"size": size})["id"]

    async def body():
        for _ in range(size >> 16):
            yield bytes(1 << 16)

    tracemalloc.start()
    asyncio.run(intake.receive(store, begun, 0, body()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert intake.offset(store, begun)["offset"] == size
    assert peak < 8 << 20


def test_the_same_recording_twice(store: Store, tmp_path: Path) -> None:
    content = a_pose(1, 60).save(tmp_path / "p.parquet").read_bytes()
    upload(store, content, "b07", "pose", ".parquet")
    with refused("E814"):
        upload(store, content, "b07", "pose", ".parquet")
    with pytest.raises(AppError, match=r"E203 Identical to a recording of infant b07 \(infant b09"):
        upload(store, content, "b09", "pose", ".parquet")
    assert len(store.all("SELECT * FROM cases")) == 1
    assert len(list((store.folder / "sources").iterdir())) == 1


def test_a_film_from_upload_to_case(store: Store, tmp_path: Path) -> None:
    film = counting_film(tmp_path / "f.mp4")
    model = tmp_path / "small.fidgety"
    made = trained().checkpoint
    cohort = Cohort(4, 2, simulated=True)
    save_checkpoint(model, replace(made, cohort=cohort))
    add_model(store, model)
    assert add_model(store, model) == store.chosen_model()  # found again, not added twice
    case = upload(store, film.read_bytes())["case"]
    assessors: dict[str, Assessor] = {}
    assert run_next(store, assessors, pose_of_counter)
    assert not run_next(store, assessors, pose_of_counter)
    row = store.case(case)
    folder = store.files(case, row["folder"])
    assert states(store) == ["done"]
    assert {p.name for p in folder.iterdir() if "panels" not in p.name} == {
        "film.mp4", "blurred.mp4", "pose.parquet", "player.json", "joints.bin",
    }  # fmt: skip
    assert json.loads((folder / "player.json").read_text())["views"] == ["film", "blurred"]
    content = store.assessment(row["assessment"])
    assert content is not None
    assert content["model"]["trained"]["simulated"]
    assert audit.verify(store) == []
    assert "f.mp4" not in (store.folder / "review.sqlite").read_bytes().decode("latin-1")
    # Again, with another age: the pose is not looked for anew.
    intake.correct(store, case, "b08", 12.0, None)
    assert run_next(store, assessors, lambda *_, **__: pytest.fail("looked again"))
    assert store.case(case)["folder"] == row["folder"]
    assert store.case(case)["assessment"] != row["assessment"]
    assert audit.verify(store) == []
    # The film goes, the pose stays, and the film is still known.
    (reader,) = readers(store, "Anna One")
    intake.delete_film(store, case, reader)
    assert {p.name for p in folder.iterdir() if "panels" not in p.name} == {
        "pose.parquet",
        "player.json",
        "joints.bin",
    }
    assert list((store.folder / "sources").iterdir()) == []
    assert read_native(folder / "pose.parquet").source == "test"
    with refused("E203"):
        upload(store, film.read_bytes(), "b99")
    with refused("E816"):
        intake.delete_film(store, case, reader)
    assert audit.verify(store) == []


def test_frames_of_openpose_come_as_lines(store: Store, tmp_path: Path) -> None:
    pose = a_pose(1, 90)
    write(pose, tmp_path / "frames", format="openpose")
    files = sorted((tmp_path / "frames").iterdir())
    assert len(files) == 90
    lines = b"".join(json.dumps(json.loads(f.read_text())).encode() + b"\n" for f in files)
    case = upload(store, lines, kind="frames", suffix=".jsonl", fps=30.0)["case"]
    run_next(store)
    row = store.case(case)
    assert states(store) == ["done"], store.all("SELECT message FROM jobs")
    found = read_native(store.files(case, row["folder"]) / "pose.parquet")
    np.testing.assert_allclose(found.xy, pose.xy, atol=1e-3)


def test_what_cannot_be_read_fails_alone_with_words(store: Store, tmp_path: Path) -> None:
    good = a_pose(1, 60).save(tmp_path / "p.parquet").read_bytes()
    bad = upload(store, b"PAR1" + b"\x00" * 40, "b01", "pose", ".parquet")["case"]
    upload(store, good, "b02", "pose", ".parquet")
    while run_next(store):
        pass
    assert states(store) == ["failed", "done"]
    row = store.one("SELECT code, message FROM jobs WHERE case_id = ?", bad)
    assert row is not None
    assert row["code"] == "E320"
    assert row["message"].startswith("E320")
    assert str(tmp_path) not in row["message"]
    assert list((store.folder / "cases" / bad).iterdir()) == []
    jobs.retry(store, bad)
    assert states(store) == ["failed", "done", "queued"]


def test_a_fault_of_ours_fails_one_job(store: Store, tmp_path: Path) -> None:
    film = counting_film(tmp_path / "f.mp4", 10)
    upload(store, film.read_bytes())

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oops")

    run_next(store, {}, broken)  # type: ignore[arg-type]
    row = store.one("SELECT state, code FROM jobs")
    assert row == {"state": "failed", "code": "E999"}


def test_cancelling_stops_a_running_job_and_leaves_nothing(store: Store, tmp_path: Path) -> None:
    film = counting_film(tmp_path / "f.mp4", 10)
    case = upload(store, film.read_bytes())

    def looking(video: Path, progress) -> None:
        progress(0.0, 1.0)
        jobs.cancel(store, case["job"])
        import time

        time.sleep(jobs._TELL_S + 0.05)
        progress(0.1, 1.0)
        pytest.fail("went on")

    run_next(store, {}, looking)  # type: ignore[arg-type]
    assert states(store) == ["cancelled"]
    assert store.case(case["case"])["folder"] is None
    assert list((store.folder / "cases" / case["case"]).iterdir()) == []
    with refused("E815"):
        jobs.cancel(store, case["job"])


def test_a_dead_workers_job_is_done_anew_and_its_ghost_finishes_nothing(
    store: Store, tmp_path: Path
) -> None:
    content = a_pose(1, 60).save(tmp_path / "p.parquet").read_bytes()
    upload(store, content, "b07", "pose", ".parquet")
    ghost = jobs.claim(store)
    assert ghost is not None
    assert jobs.claim(store) is None
    assert jobs.release(store) == 1
    assert states(store) == ["queued"]
    assert run_next(store)
    assert states(store) == ["done"]
    with pytest.raises(jobs.StoppedError), store.writing() as db:
        ghost.finish(db)
    ghost.fail("E999", "late")
    assert states(store) == ["done"]


def test_the_time_left_is_that_of_the_work_alone(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = a_pose(1, 60).save(tmp_path / "p.parquet").read_bytes()
    upload(store, content, "b07", "pose", ".parquet")
    job = jobs.claim(store)
    assert job is not None
    moment = 1000.0
    monkeypatch.setattr(jobs.time, "monotonic", lambda: moment)
    left = []
    for later, share in ((30.0, 0.0), (5.0, 0.01), (5.0, 0.2), (0.1, 0.9), (10.0, 0.4)):
        moment += later  # half a minute before the first word: a model was loaded
        job.tell("Finding the body", share)
        left.append(jobs.overview(store)[0]["left_s"])
    # Not known at first; 10 s for a fifth; told too soon after; 20 s (and 0.1) for two fifths.
    assert left == [None, None, pytest.approx(40), pytest.approx(40), pytest.approx(30.15)]


def test_a_job_that_kills_its_process_is_not_tried_for_ever(store: Store, tmp_path: Path) -> None:
    content = a_pose(1, 60).save(tmp_path / "p.parquet").read_bytes()
    upload(store, content, "b07", "pose", ".parquet")
    for _ in range(jobs.ATTEMPTS):
        assert jobs.claim(store) is not None
        jobs.release(store)
    row = store.one("SELECT state, code, message FROM jobs")
    assert row is not None
    assert (row["state"], row["code"]) == ("failed", "E823")


def test_the_sweep_takes_what_no_row_names_and_nothing_else(store: Store, tmp_path: Path) -> None:
    content = a_pose(1, 60).save(tmp_path / "p.parquet").read_bytes()
    case = upload(store, content, "b07", "pose", ".parquet")["case"]
    run_next(store)
    waiting = intake.begin(store, WISH)["id"]
    (store.folder / "sources" / "ffffffffffffffff.mp4").write_bytes(b"left by a killed process")
    half = store.files(case, "0123456789abcdef")
    half.mkdir()
    (half / "film.mp4").write_bytes(b"half")
    assert store.sweep() == 2
    assert store.sweep() == 0
    assert not half.exists()
    assert store.source(waiting, ".mp4").exists()
    assert audit.verify(store) == []


def test_the_sample_comes_into_an_empty_store_only(store: Store, tmp_path: Path) -> None:
    case = add_sample(store)
    assert case is not None
    row = store.case(case)
    assert row["simulated"]
    assert "simulated" in row["infant"]
    assert add_sample(store) is None
    assert audit.verify(store) == []


def test_giving_up_an_upload_that_just_became_a_case_leaves_its_film(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = counting_film(tmp_path / "film.mp4", 10).read_bytes()
    case = upload(store, film)["case"]
    late = {"id": case, "suffix": ".mp4"}  # read just before the upload was finished
    monkeypatch.setattr(store, "one", lambda *_: late)
    intake.abandon(store, case)
    assert store.source(case, ".mp4").read_bytes() == film


def test_a_new_store_is_for_its_owner_alone(tmp_path: Path) -> None:
    made = Store(tmp_path / "new")
    made.close()
    assert made.folder.stat().st_mode & 0o077 == 0


def test_a_transaction_that_cannot_be_written_leaves_the_connection_free(store: Store) -> None:
    def refused_at_the_end() -> None:
        with store.writing() as db:
            db.execute("PRAGMA defer_foreign_keys = ON")
            jobs.enqueue(db, "no such case", None)

    with pytest.raises(sqlite3.IntegrityError):
        refused_at_the_end()
    with store.writing() as db:
        assert db.execute("SELECT count(*) FROM jobs").fetchone()[0] == 0


def test_the_film_of_a_recording_that_failed_can_be_deleted(store: Store, tmp_path: Path) -> None:
    film = counting_film(tmp_path / "film.mp4", 10).read_bytes()
    case = upload(store, film)["case"]
    with refused("E816"):  # it waits
        intake.delete_film(store, case, None)
    jobs.cancel(store, store.all("SELECT id FROM jobs")[0]["id"])
    left = store.files(case, "0" * 16)  # of a process that was killed
    left.mkdir(parents=True)
    (left / "blurred.mp4").write_bytes(film)
    intake.delete_film(store, case, None)
    assert not list(store.folder.rglob("*.mp4"))
    assert audit.verify(store) == []
    with refused("E816"):
        jobs.retry(store, case)
    assert upload(store, film)["case"] != case  # the right one may still come


def test_an_age_corrected_in_the_middle_of_the_work_is_looked_at_again(
    store: Store, tmp_path: Path
) -> None:
    case = upload(store, counting_film(tmp_path / "film.mp4", 30).read_bytes())["case"]

    def see(film: Path, progress: object = None):
        intake.correct(store, case, "b07", 30.0, None)
        return pose_of_counter(film)

    assert run_next(store, see=see)
    assert states(store) == ["done", "queued"]


def test_a_bundle_of_endless_frames_is_refused(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fidgety.app.work.MOST_FRAMES", 100)
    case = upload(store, b"{}\n" * 101, kind="frames", suffix=".jsonl")["case"]
    assert run_next(store)
    assert store.all("SELECT code FROM jobs")[0]["code"] == "E811"
    assert not list((store.folder / "cases" / case).iterdir())


def test_two_requests_at_once_cannot_mix_a_file(store: Store) -> None:
    begun = intake.begin(store, WISH | {"size": 6})["id"]

    async def late_and_early() -> None:
        async def late():
            yield b"xxx"
            await intake.receive(store, begun, 0, pieces(b"abcdef"))  # the browser tried again
            yield b"xxx"

        with refused("E813"):
            await intake.receive(store, begun, 0, late())

    asyncio.run(late_and_early())
    assert store.source(begun, ".mp4").read_bytes() == b"abcdef"


def test_an_upload_nobody_finished_is_forgotten_after_a_week(store: Store) -> None:
    old, new = (intake.begin(store, WISH)["id"] for _ in range(2))
    with store.writing() as db:
        db.execute("UPDATE uploads SET created = '2026-01-01T00:00:00.000Z' WHERE id = ?", (old,))
    store.sweep()
    assert [row["id"] for row in store.all("SELECT id FROM uploads")] == [new]
    assert [path.stem for path in (store.folder / "sources").iterdir()] == [new]
