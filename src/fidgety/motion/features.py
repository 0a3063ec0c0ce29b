"""Seven features a joint: position, velocity, acceleration, displacement."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import PoseError
from fidgety.motion.preprocess import Profile, StamProfile
from fidgety.motion.smoothing import rolling_mean
from fidgety.pose.pose import Pose

__all__ = ["CHANNELS", "compute"]

CHANNELS = (
    "x",
    "y",
    "velocity_x",
    "velocity_y",
    "acceleration_x",
    "acceleration_y",
    "displacement",
)


def compute(pose: Pose, profile: Profile) -> tuple[NDArray[np.float64], float]:
    """Features of a cleaned pose.

    Parameters
    ----------
    pose : Pose
        Cleaned by `fidgety.motion.preprocess.clean` with the same profile: trunk lengths, even times.
    profile : Profile
        `stam`: velocity is the frame difference times fps, averaged over a trailing window, and
        displacement is a length per frame, as published. `fidgety`: central differences of fourth
        order, zero phase, and displacement is the path length per second.

    Returns
    -------
    features : ndarray (7, T, V)
        In the order of `CHANNELS`; trunk lengths, per second and per second squared. NaN = missing.
    start_s : float
        Time of the first frame. The `stam` profile loses its trailing windows at the start.

    Raises
    ------
    PoseError
        E109 if the pose was not cleaned, E108 if it is shorter than the windows.
    """
    if pose.unit != "trunk":
        raise PoseError("E109", "The pose is not normalised", remedy="Clean it first")
    fps = pose.fps
    if isinstance(profile, StamProfile):
        return _published(pose, int(profile.derivative_s * fps))
    if len(pose) < 5:
        raise _too_short(len(pose), 5)
    velocity, acceleration = _central(pose.xy, fps)
    speed = np.linalg.norm(velocity, axis=-1, keepdims=True)
    return _stacked(pose.xy, velocity, acceleration, speed), float(pose.time[0])


def _published(pose: Pose, window: int) -> tuple[NDArray[np.float64], float]:
    fps, lost = pose.fps, max(window - 1, 0)
    if len(pose) < 2 * lost + 3:
        raise _too_short(len(pose), 2 * lost + 3)
    step = np.diff(pose.xy, axis=0)  # (T - 1, V, 2)
    velocity, _ = rolling_mean(step * fps, window)
    acceleration, _ = rolling_mean(np.diff(velocity, axis=0) * fps, window)
    kept = len(acceleration)
    displacement = np.linalg.norm(step[-kept:], axis=-1, keepdims=True)
    features = _stacked(pose.xy[-kept:], velocity[-kept:], acceleration, displacement)
    return features, float(pose.time[-kept])


def _central(
    xy: NDArray[np.float64], fps: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """First and second derivative (T, V, 2), exact for cubics; NaN two frames around a gap."""
    velocity = np.full_like(xy, np.nan)
    acceleration = np.full_like(xy, np.nan)
    near, far = xy[3:-1] - xy[1:-3], xy[4:] - xy[:-4]
    velocity[2:-2] = (8 * near - far) * (fps / 12)
    near, far = xy[3:-1] + xy[1:-3], xy[4:] + xy[:-4]
    acceleration[2:-2] = (16 * near - far - 30 * xy[2:-2]) * (fps * fps / 12)
    # One frame at either end: differences of second order reach there, except for acceleration.
    velocity[1], velocity[-2] = (xy[2] - xy[0]) * (fps / 2), (xy[-1] - xy[-3]) * (fps / 2)
    velocity[0], velocity[-1] = velocity[1], velocity[-2]
    for edge, inner in ((slice(0, 2), 2), (slice(-2, None), -3)):
        acceleration[edge] = acceleration[inner]
    return velocity, acceleration


def _stacked(*parts: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.ascontiguousarray(np.concatenate(parts, axis=-1).transpose(2, 0, 1))  # (7, T, V)


def _too_short(frames: int, needed: int) -> PoseError:
    return PoseError(
        "E108",
        f"The recording is too short: {frames} usable frames, {needed} needed",
        remedy="Filming guides ask for 60 s or more",
    )
