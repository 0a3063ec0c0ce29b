"""A simulated cohort as a study folder."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fidgety.errors import StudyError
from fidgety.files import make_folder, whole_file, write_json, write_text
from fidgety.pose.optional import library
from fidgety.pose.pose import Pose
from fidgety.simulate.body import SKELETON
from fidgety.simulate.cohort import (
    DIFFICULTIES,
    Difficulty,
    SimulatedRecording,
    SimulationConfig,
    simulate_cohort,
)
from fidgety.simulate.film import check_longest, write_film

__all__ = ["simulate_study"]


def simulate_study(
    out: str | os.PathLike[str],
    *,
    infants: int = 40,
    abnormal_fraction: float = 0.5,
    seconds: float = 60.0,
    fps: float | None = None,
    seed: int = 0,
    difficulty: Difficulty | SimulationConfig = "medium",
    recordings_per_infant: int = 1,
    openpose_json: bool = False,
    films: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a study folder of simulated infants.

    Writes ``labels.csv``, ``estimated_poses/<recording>.parquet``, ``truth/<recording>.parquet``
    (``time_s`` and the amount of fidgety movement of each joint, 0 to 1), ``truth/patterns.csv``
    and ``study.json``, which says that all of it is simulated, and from what.

    Parameters
    ----------
    out : path-like
        A folder that is new, empty, or holds this very study, which is then written again.
    infants : int
        Number of infants.
    abnormal_fraction : float
        Share of them whose fidgety movements are absent or abnormal.
    seconds : float
        Length of each recording.
    fps : float, optional
        Frame rate; drawn from 15 to 60 for each recording if not given.
    seed : int
        The same seed gives the same study.
    difficulty : {"easy", "medium", "hard"} or SimulationConfig
        What infants, cameras and errors are drawn from.
    recordings_per_infant : int
        Recordings of each infant.
    openpose_json : bool
        Also write ``openpose_json/<recording>/<recording>_<frame>_keypoints.json``.
    films : int, optional
        Also draw each recording as a film whose longer side has so many pixels, as
        ``films/<recording>.mp4``. Needs the extra `video`.
    progress : callable, optional
        Called with the recordings written so far and their total.

    Returns
    -------
    pathlib.Path
        The study folder.

    Raises
    ------
    StudyError
        E230 to E236 as `simulate_cohort`; E238 the folder holds something else; E239
        films too small or too large.
    VideoError
        E607 the extra `video` is missing.
    FileError
        E501 to E503 the system refused to write.
    """
    _check_films(films)
    cohort = simulate_cohort(
        infants,
        abnormal_fraction=abnormal_fraction,
        seconds=seconds,
        fps=fps,
        seed=seed,
        difficulty=difficulty,
        recordings_per_infant=recordings_per_infant,
    )
    first = next(cohort)  # refuses impossible wishes before anything is written
    arguments = {
        "infants": infants,
        "abnormal_fraction": abnormal_fraction,
        "seconds": seconds,
        "fps": fps,
        "seed": seed,
        "difficulty": difficulty if isinstance(difficulty, str) else "custom",
        "recordings_per_infant": recordings_per_infant,
    }
    folder = _described_folder(out, arguments, _config(difficulty))
    labels, patterns = [], []
    total = infants * recordings_per_infant
    for done, made in enumerate(_chained(first, cohort), start=1):
        _write_recording(folder, made, openpose_json)
        if films is not None:
            write_film(made, folder / "films" / f"{made.name}.mp4", longest=films, seed=seed)
        labels.append((made.infant_id, made.label, made.name, made.age_weeks, made.site))
        patterns.append((made.infant_id, made.name, made.pattern))
        if progress is not None:
            progress(done, total)
    _write_csv(folder / "truth" / "patterns.csv", ("infant_id", "recording", "pattern"), patterns)
    _write_csv(
        folder / "labels.csv", ("infant_id", "label", "recording", "age_weeks", "site"), labels
    )
    return folder


def _check_films(longest: int | None) -> None:
    """Refuse films that could not be drawn, before anything is written."""
    if longest is not None:
        check_longest(longest)
        library("av", extra="video")
        library("cv2", extra="video")


def _config(difficulty: Difficulty | SimulationConfig) -> SimulationConfig:
    return DIFFICULTIES[difficulty] if isinstance(difficulty, str) else difficulty


def _described_folder(
    out: str | os.PathLike[str], arguments: dict[str, Any], config: SimulationConfig
) -> Path:
    """The study's folder with its ``study.json``; the same study may be written over itself."""
    content = {
        "schema_version": 1,
        "simulated": True,
        "skeleton": SKELETON.name,
        "arguments": arguments,
        "settings": asdict(config),
    }
    folder = make_folder(out)
    about = folder / "study.json"
    known = about.read_text(encoding="utf-8") if about.is_file() else ""
    write_again = known == json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    if any(folder.iterdir()) and not write_again:
        raise StudyError(
            "E238",
            "The folder is not empty",
            where=out,
            why="recordings of two studies must not mix",
            remedy="Choose a new folder, or delete this one first",
        )
    write_json(about, content)
    return folder


def _chained(
    first: SimulatedRecording, others: Iterable[SimulatedRecording]
) -> Iterable[SimulatedRecording]:
    yield first
    yield from others


def _write_recording(folder: Path, recording: SimulatedRecording, openpose_json: bool) -> None:
    recording.pose.save(folder / "estimated_poses" / f"{recording.name}.parquet")
    truth = {"time_s": recording.pose.time} | {
        joint: recording.fidgety[:, row].round(4) for row, joint in enumerate(SKELETON.joints)
    }
    with whole_file(folder / "truth" / f"{recording.name}.parquet") as draft:
        pq.write_table(pa.table(truth), draft, compression="zstd")
    if openpose_json:
        _write_openpose(folder / "openpose_json" / recording.name, recording.name, recording.pose)


def _write_openpose(folder: Path, name: str, pose: Pose) -> None:
    """One JSON file a frame, as OpenPose 1.3 writes them for its 18-point model."""
    points = np.concatenate([np.nan_to_num(pose.xy), pose.confidence[..., np.newaxis]], axis=2)
    for frame, joints in enumerate(points.reshape(len(pose), -1)):
        numbers = ",".join(f"{number:.6g}" for number in joints)
        write_text(
            folder / f"{name}_{frame:012d}_keypoints.json",
            '{"version":1.3,"people":[{"person_id":[-1],"pose_keypoints_2d":[' + numbers + "]}]}\n",
        )


def _write_csv(path: Path, header: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text(path, text.getvalue())
