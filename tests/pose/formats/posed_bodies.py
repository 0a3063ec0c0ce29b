"""Bodies of known joints for the format tests: a jointed figure in many poses, by joint name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from fidgety.pose.pose import Pose
from fidgety.pose.skeleton import load_skeleton

SIZE = (1280, 720)


def joints_of(rng: np.random.Generator, frames: int, infant: bool = True) -> dict[str, np.ndarray]:
    """Every joint of every built-in layout, (T, 2) px: limbs in any pose, body in any direction."""
    head = 0.75 if infant else 0.5
    limb = 0.75 if infant else 1.0

    def angle(spread: float) -> np.ndarray:
        drift = np.cumsum(rng.normal(0, 0.02, frames))
        return rng.uniform(-spread, spread) + drift

    def along(start, direction, length):
        seen = length * rng.uniform(0.4, 1.0)  # foreshortened
        return start + seen * np.stack([np.cos(direction), np.sin(direction)], axis=-1)

    down = np.pi / 2
    hip = np.zeros((frames, 2))
    neck = along(hip, np.full(frames, -down), 1.0 / 0.7)
    j: dict[str, np.ndarray] = {"mid_hip": hip, "neck": neck, "upper_neck": neck - [0, 0.05]}
    tilt = -down + angle(0.5)
    j["nose"] = along(neck, tilt, head * 0.6)
    j["head_top"] = along(neck, tilt, head * 1.4)
    for side, sign in (
        ("left", 1.0),
        ("right", -1.0),
    ):  # seen from above: the left side on the right
        out = np.array([sign, 0.0])
        j[f"{side}_eye"] = j["nose"] + 0.12 * head * out - [0, 0.1 * head]
        j[f"{side}_eye_inner"] = j["nose"] + 0.08 * head * out - [0, 0.1 * head]
        j[f"{side}_eye_outer"] = j["nose"] + 0.18 * head * out - [0, 0.1 * head]
        j[f"{side}_ear"] = j["nose"] + 0.32 * head * out
        j[f"{side}_mouth"] = j["nose"] + 0.08 * head * out + [0, 0.12 * head]
        j[f"{side}_shoulder"] = neck + 0.35 * out
        j[f"{side}_hip"] = hip + 0.22 * out
        bend = angle(1.6)
        j[f"{side}_elbow"] = along(j[f"{side}_shoulder"], down - sign * bend, 0.55 * limb)
        j[f"{side}_wrist"] = along(
            j[f"{side}_elbow"], down - sign * (bend + angle(1.2)), 0.5 * limb
        )
        for finger in ("index", "pinky", "thumb"):
            j[f"{side}_{finger}"] = j[f"{side}_wrist"] + rng.normal(0, 0.06, 2)
        bend = angle(0.9)
        j[f"{side}_knee"] = along(j[f"{side}_hip"], down - sign * bend, 0.8 * limb)
        j[f"{side}_ankle"] = along(j[f"{side}_knee"], down + sign * angle(0.9), 0.75 * limb)
        j[f"{side}_heel"] = j[f"{side}_ankle"] + [0, 0.06]
        j[f"{side}_big_toe"] = j[f"{side}_ankle"] + [0.1 * sign, 0.14]
        j[f"{side}_small_toe"] = j[f"{side}_ankle"] + [0.14 * sign, 0.1]
        j[f"{side}_foot_index"] = j[f"{side}_big_toe"]
    turn = rng.uniform(0, 2 * np.pi)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return {
        name: 110 * (xy @ rotation.T) + (640, 360) + rng.normal(0, 1.0, (frames, 2))
        for name, xy in j.items()
    }


def points_of(layout: str, seed: int = 0, frames: int = 30, infant: bool = True) -> np.ndarray:
    """x, y, confidence (T, V, 3) of such a body in the order of a layout."""
    rng = np.random.default_rng(seed)
    joints = joints_of(rng, frames, infant)
    xy = np.stack([joints[name] for name in load_skeleton(layout).joints], axis=1)
    confidence = np.round(rng.uniform(0.3, 0.95, xy.shape[:2]), 3)
    return np.concatenate([np.round(xy, 3), confidence[..., None]], axis=-1)


def pose_in(layout: str, seed: int = 0, frames: int = 30, missing: float = 0.0) -> Pose:
    """The same as a `Pose` at 25 frames/s, some joints missing."""
    points = points_of(layout, seed, frames)
    lost = np.random.default_rng(seed + 1).random(points.shape[:2]) < missing
    points[lost] = (np.nan, np.nan, 0.0)
    return Pose.at_fps(points[..., :2], points[..., 2], 25.0, layout, SIZE, "test")


def write_openpose(
    folder: Path,
    people: list[list[np.ndarray]],
    key: str = "pose_keypoints_2d",
    name: str = "film_{:012d}_keypoints.json",
    numbers: list[int] | None = None,
) -> Path:
    """One file a frame; each frame a list of bodies (V, 3)."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, bodies in zip(numbers or range(len(people)), people, strict=True):
        listed = [{key: np.nan_to_num(body).ravel().tolist()} for body in bodies]
        text = json.dumps({"version": 1.3, "people": listed})
        (folder / name.format(number)).write_text(text)
    return folder


def write_json(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path
