"""Bodies with planted movement, for tests of preprocessing and features."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fidgety.pose.pose import Pose
from fidgety.pose.skeleton import load_skeleton

JOINTS = load_skeleton("openpose18").joints
SIZE = (1280, 720)
TRUNK_PX = 160.0
# A lying infant in pixels; the infant's right is on the image's left.
AT_REST = {
    "nose": (640, 210),
    "neck": (640, 260),
    "right_shoulder": (596, 260),
    "right_elbow": (560, 320),
    "right_wrist": (540, 380),
    "left_shoulder": (684, 260),
    "left_elbow": (722, 318),
    "left_wrist": (744, 372),
    "right_hip": (614, 420),
    "right_knee": (580, 490),
    "right_ankle": (600, 560),
    "left_hip": (666, 420),
    "left_knee": (702, 494),
    "left_ankle": (676, 562),
    "right_eye": (630, 200),
    "left_eye": (650, 200),
    "right_ear": (618, 206),
    "left_ear": (662, 206),
}
REST = np.array([AT_REST[joint] for joint in JOINTS], dtype=float)  # (18, 2)


def row(joint: str) -> int:
    return JOINTS.index(joint)


def times(seconds: float, fps: float) -> np.ndarray:
    return np.arange(round(seconds * fps) + 1) / fps


def posed(
    time: np.ndarray,
    moved: Mapping[str, np.ndarray] | None = None,
    confidence: np.ndarray | None = None,
) -> Pose:
    """The resting body; `moved` adds (T, 2) in trunk lengths to joints, `all` to every joint."""
    xy = np.repeat(REST[None], len(time), axis=0)
    for joint, offset in (moved or {}).items():
        rows = slice(None) if joint == "all" else [row(joint)]
        xy[:, rows] += TRUNK_PX * np.asarray(offset)[:, None]
    seen = np.ones(xy.shape[:2]) if confidence is None else confidence
    return Pose(xy, seen, time, SIZE, load_skeleton("openpose18"))


def restless(time: np.ndarray, seed: int = 0, noise_px: float = 0.0) -> Pose:
    """Every joint on its own sum of sinusoids, below 3 Hz, as a function of time alone."""
    rng = np.random.default_rng(seed)
    xy = np.repeat(REST[None], len(time), axis=0)
    for _ in range(4):
        frequency, phase = rng.uniform(0.1, 3.0, (18, 2)), rng.uniform(0, 2 * np.pi, (18, 2))
        xy += rng.uniform(1, 5, (18, 2)) * np.sin(
            2 * np.pi * frequency * time[:, None, None] + phase
        )
    xy += noise_px * rng.normal(size=xy.shape)
    return Pose(xy, np.ones(xy.shape[:2]), time, SIZE, load_skeleton("openpose18"))


def amplitude(signal: np.ndarray, time: np.ndarray, frequency: float) -> float:
    """Amplitude of a sinusoid of known frequency, by least squares beside a slow trend."""
    turn = 2 * np.pi * frequency * time
    table = np.stack([np.cos(turn), np.sin(turn), np.ones_like(time), time - time.mean()], axis=1)
    fitted = np.linalg.lstsq(table, signal, rcond=None)[0]
    return float(np.hypot(fitted[0], fitted[1]))
