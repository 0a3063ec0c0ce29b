"""OpenPose JSON, versions 1.1 to 1.3: a folder with one file a frame, made by `--write_json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import PoseError
from fidgety.pose.formats.bodies import BodyFrames, pose_of
from fidgety.pose.formats.frames import even_frames, read_frames, whole_folder
from fidgety.pose.formats.source import Given, Source, malformed, number_array
from fidgety.pose.pose import Pose

__all__ = ["read", "recognise", "write"]

# Version 1.1 and before wrote pose_keypoints; AlphaPose's imitation of the older form, joints.
PEOPLE_KEYS = ("people", "bodies")
POINT_KEYS = ("pose_keypoints_2d", "pose_keypoints", "joints")
WRITTEN = ("openpose18", "body25", "body25b")


def recognise(source: Source) -> bool:
    """True for a JSON object (of a folder: its first) that lists people as OpenPose does."""
    return is_frame(source.sample)


def is_frame(content: Any) -> bool:
    """True for the parsed JSON of one frame."""
    return isinstance(content, dict) and any(
        isinstance(content.get(key), list) for key in PEOPLE_KEYS
    )


def read(source: Source, given: Given) -> Pose:
    """Read an OpenPose folder, or a single frame's file.

    Frame numbers come from the file names; holes in them are missing frames. Points with confidence
    0 or at (0, 0) are missing. Of several people one is followed (`fidgety.pose.formats.bodies`).

    Raises
    ------
    PoseError
        E331 to E336, E339, E345, E303 or E316; see ``docs/formats.md``.
    """
    numbers, bodies = read_frames(source, people_of, given.individual)
    return pose_of(BodyFrames(numbers, bodies), given, "openpose", source.name)


def people_of(content: Any, where: str) -> NDArray[np.float64]:
    """Points (people, V, 3) of one frame's parsed JSON."""
    if not is_frame(content):
        malformed(where, "it holds no list of people")
    people = next(content[key] for key in PEOPLE_KEYS if isinstance(content.get(key), list))
    rows = []
    for person in people:
        if not isinstance(person, dict):
            malformed(where, "a person is not an object")
        points = next((person[key] for key in POINT_KEYS if key in person), None)
        if points is None:
            malformed(where, "a person has no pose_keypoints_2d")
        if points:  # an empty list: only a face or hand was found
            rows.append(points)
    return triplets(rows, where)


def triplets(rows: list[Any], where: str) -> NDArray[np.float64]:
    """Flat lists x, y, c, x, y, c ... of several people as (people, V, 3)."""
    if not rows:
        return np.zeros((0, 0, 3))
    lengths = {len(row) if isinstance(row, list) else -1 for row in rows}
    if -1 in lengths:
        malformed(where, "the points are not a list")
    if len(lengths) > 1:
        a, b = sorted(lengths)[:2]
        raise PoseError(
            "E333",
            f"Two layouts in one frame: {a / 3:g} and {b / 3:g} points",
            where=where,
            remedy="Import the output of one pose model at a time",
        )
    length = lengths.pop()
    if length % 3:
        raise PoseError(
            "E335",
            f"{length} numbers a person are not x, y, confidence of whole points",
            where=where,
            remedy="Check that the file is complete and holds two-dimensional points",
        )
    points = number_array(rows, where)
    if points.ndim != 2:
        malformed(where, "the points are lists in lists, not x, y, confidence, x, y, ...")
    return points.reshape(len(rows), length // 3, 3)


def write(pose: Pose, path: Path) -> Path:
    """Write a folder with one OpenPose 1.3 file a frame.

    A layout OpenPose does not have becomes ``body25``, by joint name. Times become frame numbers.
    """
    laid_out = pose if pose.skeleton.name in WRITTEN else pose.to_skeleton("body25")
    points = np.concatenate([laid_out.xy, laid_out.confidence[..., None]], axis=-1)
    points = np.round(np.nan_to_num(points), 6)  # (T, V, 3)
    empty = {
        f"{part}_keypoints_{d}d": [] for d in (2, 3) for part in ("face", "hand_left", "hand_right")
    }
    with whole_folder(path) as draft:
        for number, frame in zip(even_frames(pose, path.name), points, strict=True):
            person = {
                "person_id": [-1],
                "pose_keypoints_2d": frame.ravel().tolist(),
                "pose_keypoints_3d": [],
                **empty,
            }
            people = [person] if frame[:, 2].any() else []
            text = json.dumps({"version": 1.3, "people": people}, separators=(",", ":"))
            name = f"{path.name}_{number:012d}_keypoints.json"
            (draft / name).write_text(text, encoding="utf-8")
    return path
