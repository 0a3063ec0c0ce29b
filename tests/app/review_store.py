"""Stores, films and readers for the tests of the review app."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from report_sample import sample_assessment
from small_studies import a_pose

from fidgety.app import audit, intake
from fidgety.app.reading import add_reader
from fidgety.app.store import Store, new_id, now
from fidgety.app.work import run_next
from fidgety.pose.encode import write_video
from fidgety.pose.pose import Pose
from fidgety.pose.skeleton import load_skeleton
from fidgety.pose.video import frames

HOST = "127.0.0.1:8765"  # what the app under test is called
BITS, BLOCK = 10, 24  # a frame's number as blocks of light and dark along the top
SIZE = (320, 240)


def counting_film(path: Path, count: int = 60, fps: float = 25.0) -> Path:
    """A film whose every picture says its number, in blocks that survive compression."""

    def picture(number: int) -> np.ndarray:
        image = np.full((SIZE[1], SIZE[0], 3), 90, dtype=np.uint8)
        for bit in range(BITS):
            light = 235 if number >> bit & 1 else 20
            image[4 : 4 + BLOCK, 4 + bit * 30 : 4 + bit * 30 + BLOCK] = light
        return image

    return write_video(path, (picture(number) for number in range(count)), fps, quality=12)


def pose_of_counter(film: Path, progress: Any = None, **_: Any) -> Pose:
    """Stands for an estimator: a body whose nose moves a known way from picture to picture."""
    times = [frame.time_s for frame in frames(film)]
    skeleton = load_skeleton("openpose18")
    base = a_pose(0, 1).xy[0] * 0.35 + (60, 60)  # (V, 2) within SIZE
    xy = np.repeat(base[None], len(times), axis=0)
    xy += np.random.default_rng(0).normal(0, 0.4, xy.shape)
    number = np.arange(len(times))
    xy[:, skeleton.index["nose"]] = np.stack([20 + 4.0 * (number % 70), 0 * number + 200.0], axis=1)
    if progress is not None:
        for second in times:
            progress(second, times[-1])
    return Pose(xy, np.ones(xy.shape[:2]), np.array(times), SIZE, skeleton, source="test")


def upload(
    store: Store, content: bytes, infant: str = "b07", kind: str = "film", suffix: str = ".mp4",
    age: float | None = 13.0, reader: int | None = None, **said: Any,
) -> dict[str, Any]:  # fmt: skip
    """Bring a recording in, as the pages do."""
    wish = {"infant": infant, "age_weeks": age, "kind": kind, "suffix": suffix,
            "size": len(content), "said": said}  # fmt: skip
    begun = intake.begin(store, wish)
    with ThreadPoolExecutor(1) as aside:  # a driver of browsers has a loop of its own here
        work = intake.receive(store, begun["id"], 0, pieces(content))
        aside.submit(asyncio.run, work).result()
    return intake.finish(store, begun["id"], reader)


async def pieces(content: bytes, size: int = 50_000) -> AsyncIterator[bytes]:
    """A body as it comes over the line."""
    for start in range(0, len(content), size):
        yield content[start : start + size]


def pose_case(store: Store, folder: Path, infant: str = "b07", seed: int = 1) -> str:
    """A case from a pose file, worked on; returns its id."""
    path = a_pose(seed, 240).save(folder / f"pose{seed}.parquet")
    case = upload(store, path.read_bytes(), infant, "pose", ".parquet")["case"]
    assert run_next(store)
    return case


def assessed_case(store: Store, infant: str = "b07", seed: int = 7, seconds: float = 20.0) -> str:
    """A case with a made-up assessment, without the work of making one; returns its id."""
    case, job, assessment = new_id(), new_id(), new_id()
    pose = a_pose(seed, int(seconds * 5), fps=5.0)
    folder = store.files(case, job)
    folder.mkdir(parents=True)
    from fidgety.app.playback import write_joints

    pose.save(folder / "pose.parquet")
    write_joints(pose, folder)
    content = sample_assessment(seconds=seconds, fps=5.0, seed=seed)
    text = json.dumps(content)
    digest = audit.hashlib.sha256(text.encode()).hexdigest()
    pose_sha256 = audit.file_sha256(folder / "pose.parquet")
    with store.writing() as db:
        db.execute(
            "INSERT INTO cases (id, infant, age_weeks, kind, suffix, sha256, size, said, created,"
            " film, folder, pose_sha256, duration_s, verdict, assessment) VALUES (?, ?, 13.0,"
            " 'pose', '.parquet', ?, 1, '{}', ?, 'none', ?, ?, ?, ?, ?)",
            (case, infant, case, now(), job, pose_sha256, seconds, content["quality"]["verdict"],
             assessment),
        )  # fmt: skip
        db.execute("INSERT INTO assessments VALUES (?, ?, NULL, ?, ?, ?)",
                   (assessment, case, now(), digest, text))  # fmt: skip
        audit.append(db, "case_added", {"infant": infant, "age_weeks": 13.0}, case_id=case)
        audit.append(
            db, "assessed",
            {"assessment": assessment, "sha256": digest, "pose_sha256": pose_sha256,
             "model": None}, case_id=case,
        )  # fmt: skip
    return case


def readers(store: Store, *names: str) -> list[int]:
    """Ids of new readers."""
    return [add_reader(store, name, None) for name in names]


def states(store: Store) -> list[str]:
    """States of all jobs, oldest first."""
    return [row["state"] for row in store.all("SELECT state FROM jobs ORDER BY created, rowid")]
