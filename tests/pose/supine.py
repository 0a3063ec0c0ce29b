"""A small supine infant with known joints, for tests of what a recording shows."""

from __future__ import annotations

from typing import Any

import numpy as np

from fidgety.pose.pose import Pose
from fidgety.pose.skeleton import load_skeleton

SIZE = (1280, 720)


def wander(time: np.ndarray, bands: list[tuple[float, float, float]], rng: Any) -> np.ndarray:
    """Sum of three sinusoids per (low Hz, high Hz, amplitude): an angle (T,) in radians."""
    return sum(
        amplitude * np.sin(2 * np.pi * rng.uniform(low, high) * time + rng.uniform(0, 2 * np.pi))
        for low, high, amplitude in bands
        for _ in range(3)
    )


def infant(
    seconds: float = 90.0,
    fps: float = 30.0,
    *,
    trunk_px: float = 120.0,
    turn: float = 0.0,
    leg: float = 1.25,
    ears: float = 0.6,
    straight: bool = False,
    size: tuple[int, int] | None = SIZE,
    seed: int = 0,
) -> Pose:
    """Keypoints (openpose18) of a lying infant seen from above, its film at rest and well lit.

    Slow gross movement and a fidgety 0.8 to 2 Hz in every limb angle. Lengths in trunk lengths;
    `turn` turns the image about its centre, in radians; `straight` keeps both legs in line.
    """
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * fps)) / fps
    bands = [(0.05, 0.4, 0.08), (0.8, 2.0, 0.03)]
    at: dict[str, np.ndarray] = {}
    sway = 0.03 * wander(time, [(0.05, 0.3, 1.0)], rng)
    for side, s in (("right", -1), ("left", 1)):  # the infant's right is on the image's left
        angle = [wander(time, bands, rng) for _ in range(4)]
        at[f"{side}_shoulder"] = s * 0.35 + 1j * 0.0 + sway
        at[f"{side}_hip"] = s * 0.22 + 1j * 1.0 + 0.5 * sway
        bent = np.zeros(2) if straight else np.array([0.7, -0.9])
        still = 0.1 if straight else 1.0
        thigh, shank = bent[0] + still * angle[0], bent.sum() + still * (angle[0] + angle[1])
        arm, forearm = 1.1 + angle[2], 2.2 + angle[2] + angle[3]
        for joint, parent, length, bend in (
            ("knee", "hip", leg / 2, thigh),
            ("ankle", "knee", leg / 2, shank),
            ("elbow", "shoulder", 0.5, arm),
            ("wrist", "elbow", 0.45, forearm),
        ):
            direction = s * np.sin(bend) + 1j * np.cos(bend)
            at[f"{side}_{joint}"] = at[f"{side}_{parent}"] + length * direction
        at[f"{side}_eye"] = s * ears * 0.2 - 0.52j + sway
        at[f"{side}_ear"] = s * ears * 0.5 - 0.45j + sway
    at["neck"] = (at["right_shoulder"] + at["left_shoulder"]) / 2
    at["nose"] = -0.42j + 1.2 * sway
    skeleton = load_skeleton("openpose18")
    body = np.stack([at[joint] for joint in skeleton.joints], axis=1) - 0.4j  # (T, V)
    seen = body * trunk_px * np.exp(1j * turn) + complex(*SIZE) / 2
    ones = np.ones(len(time))
    film = {"brightness": 120 * ones, "sharpness": 200 * ones, "people": ones, "covered": 0 * ones}
    film |= {"camera_dx": 0 * ones, "camera_dy": 0 * ones}
    film |= {"camera_scale": ones, "camera_rotation": 0 * ones}
    return Pose(
        np.stack([seen.real, seen.imag], axis=-1),
        np.full(seen.shape, 0.9),
        time,
        size,
        skeleton,
        film=film,
    )


def during(pose: Pose, start_s: float, end_s: float) -> np.ndarray:
    """Frames (T,) from start_s until before end_s."""
    return (pose.time >= start_s - 1e-9) & (pose.time < end_s - 1e-9)


def changed(pose: Pose, frames: np.ndarray, joints: tuple[str, ...], value: Any) -> Pose:
    """The pose with positions of some joints in some frames set, by value or function."""
    xy = pose.xy.copy()
    at = np.ix_(frames, pose.skeleton.rows(*joints))
    xy[at] = value(xy[at]) if callable(value) else value
    return pose.then("changed", xy=xy)


def filmed(pose: Pose, **measures: Any) -> Pose:
    """The pose with measures of its film replaced."""
    return pose.then("filmed", film={**pose.film, **measures})
