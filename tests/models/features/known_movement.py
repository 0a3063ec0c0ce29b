"""Bodies whose features are known: a resting body in trunk lengths, and what moves of it."""

from __future__ import annotations

import numpy as np

from fidgety.motion.features import compute
from fidgety.motion.preprocess import FidgetyProfile
from fidgety.pose.pose import Pose
from fidgety.pose.skeleton import load_skeleton

SKELETON = load_skeleton("openpose18")
FPS = 30.0
# Trunk lengths from the middle of the shoulders, x to the infant's left, y to its feet; arms
# bent by a right angle, legs straight. Nose, neck, right and left arm, right and left leg, face.
REST = np.array(
    [
        *((0.0, -0.4), (0.0, 0.0), (-0.3, 0.0), (-0.7, 0.0), (-0.7, 0.4), (0.3, 0.0), (0.7, 0.0)),
        *((0.7, 0.4), (-0.2, 1.0), (-0.2, 1.5), (-0.2, 2.0), (0.2, 1.0), (0.2, 1.5), (0.2, 2.0)),
        *((-0.1, -0.5), (0.1, -0.5), (-0.2, -0.4), (0.2, -0.4)),
    ]
)


def row(joint: str) -> int:
    return SKELETON.index[joint]


def times(seconds: float = 20.0, fps: float = FPS) -> np.ndarray:
    return np.arange(round(seconds * fps)) / fps


def values_of(xy: np.ndarray, fps: float = FPS) -> np.ndarray:
    """The seven features (7, T, V) of positions (T, V, 2), as the fidgety profile makes them."""
    pose = Pose.at_fps(xy, np.ones(xy.shape[:2]), fps, SKELETON, (640, 480), "test")
    cleaned = pose.then("clean", xy=xy, unit="trunk")
    return compute(cleaned, FidgetyProfile(fps=fps))[0]


def moved(time: np.ndarray, fps: float = FPS, **tracks: np.ndarray) -> np.ndarray:
    """Features of the resting body with (T, 2) added to the joints named."""
    xy = np.repeat(REST[None], len(time), axis=0)
    for joint, track in tracks.items():
        xy[:, row(joint)] += track
    return values_of(xy, fps)


def restless(seed: int = 0, seconds: float = 20.0) -> np.ndarray:
    """Features of a body every joint of which swings in its own way below 3 Hz."""
    rng = np.random.default_rng(seed)
    time = times(seconds)[:, None, None]
    xy = np.repeat(REST[None], len(time), axis=0)
    for _ in range(4):
        frequency, phase = rng.uniform(0.2, 3.0, (18, 2)), rng.uniform(0, 6.3, (18, 2))
        xy = xy + rng.uniform(0.005, 0.03, (18, 2)) * np.sin(2 * np.pi * frequency * time + phase)
    return values_of(xy)


def mirrored(values: np.ndarray) -> np.ndarray:
    """The same infant in a mirror: x changes its sign, left and right change places."""
    other = values[..., SKELETON.mirror_order].copy()
    other[0:6:2] *= -1
    return other


def still(column: np.ndarray) -> np.ndarray:
    """A track (T, 2) along y."""
    return np.stack([np.zeros_like(column), column], axis=1)
