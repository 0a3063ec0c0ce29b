"""Which side of the body faces the camera, frame by frame, as shoulders and hips tell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fidgety.pose.pose import Pose
from fidgety.pose.quality.scene import complex_positions, trunk_vector

__all__ = ["TRUNK_PAIRS", "Sides", "sides_of"]

TRUNK_PAIRS = ("shoulder", "hip")
_FACE = ("nose", "right_eye", "left_eye")
_FRONT = 0.2  # share of the frames that must show a front, for it to be the side meant
_SQUARE = 0.7  # usual breadths: turned by less than 45 degrees
_SHOWN = 0.5  # of its usual confidence: a face that is there


@dataclass(frozen=True, eq=False)
class Sides:
    """What shoulders and hips show.

    Parameters
    ----------
    told : dict of str to ndarray (T,), int8
        For each of `TRUNK_PAIRS` 1 where it shows the body's other side, -1 where the one it
        usually shows, else 0.
    twisted : ndarray (T,), bool
        One pair faces one way and the other the other way, both squarely: no trunk turns so far.
    face : ndarray (T,), bool
        A face is seen, as surely as where the usual side is: this is no body on its belly.
    """

    told: dict[str, NDArray[np.int8]]
    twisted: NDArray[np.bool_]
    face: NDArray[np.bool_]


def sides_of(pose: Pose, trunk: float, facing: float) -> Sides:
    """What shoulders and hips show.

    The breadth of a pair across the trunk has a sign: positive where left lies where it lies in a
    body seen from the front, whatever the camera's turn. The usual sign is that of the front,
    if a fifth of the frames show one, for no camera mirrors a part of a film; else the commoner.

    Parameters
    ----------
    pose : Pose
        T frames, in pixels.
    trunk : float
        Length of the trunk in pixels.
    facing : float
        Breadth in trunk lengths from which a side is told.
    """
    at = complex_positions(pose)
    axis = trunk_vector(at, pose.skeleton) / trunk
    breadth = {}
    for part in TRUNK_PAIRS:
        right, left = at[:, pose.skeleton.rows(f"right_{part}", f"left_{part}")].T / trunk
        with np.errstate(invalid="ignore", divide="ignore"):
            breadth[part] = np.nan_to_num((np.conj(left - right) * axis).imag / np.abs(axis))
    usual = _usual(breadth, facing)
    breadth = {part: usual * width for part, width in breadth.items()}
    told = {part: _told(width, facing) for part, width in breadth.items()}
    square = {part: np.where(_square(width), told[part], 0) for part, width in breadth.items()}
    twisted = square["shoulder"] * square["hip"] < 0
    return Sides(told, twisted, _face(pose, (told["shoulder"] < 0) & (told["hip"] < 0)))


def _usual(breadth: dict[str, NDArray[np.float64]], facing: float) -> float:
    """1 where the front is the side meant, else -1."""
    shoulders, hips = (_told(breadth[part], facing) for part in TRUNK_PAIRS)
    sure = shoulders[shoulders == hips]  # -1 seen from the front
    if not sure.any():
        sure = np.concatenate([shoulders, hips])
    front, back = (sure < 0).sum(), (sure > 0).sum()
    return 1.0 if front >= _FRONT * (front + back) else -1.0


def _told(breadth: NDArray[np.float64], facing: float) -> NDArray[np.int8]:
    return (breadth < -facing).astype(np.int8) - (breadth > facing).astype(np.int8)


def _square(breadth: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Frames (T,) in which a breadth is about as large as it usually is."""
    size = np.abs(breadth)
    known = size[size > 0]
    return size > _SQUARE * np.median(known) if len(known) else np.zeros(len(size), dtype=bool)


def _face(pose: Pose, usual: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Frames (T,) in which nose and an eye are seen about as surely as in the `usual` ones."""
    rows = [pose.skeleton.index[name] for name in _FACE if name in pose.skeleton.index]
    if len(rows) < len(_FACE) or not usual.any():
        return np.zeros(len(pose), dtype=bool)
    sure = np.where(np.isfinite(pose.xy[:, rows, 0]), pose.confidence[:, rows], 0.0)
    least = np.minimum(sure[:, 0], sure[:, 1:].max(axis=1))
    ordinary = float(np.median(least[usual]))
    return (least > 0) & (least >= _SHOWN * ordinary) if ordinary > 0 else np.zeros_like(usual)
