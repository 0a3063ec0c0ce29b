"""Seven features a joint: position, velocity, acceleration, displacement."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import PoseError
from fidgety.motion.preprocess import Profile, StamProfile
from fidgety.motion.smoothing import rolling_mean, whole_frames
from fidgety.pose.pose import Pose

__all__ = ["CHANNELS", "compute"]

_BLOCK = 1024  # frames at a time

CHANNELS = (
    "x",
    "y",
    "velocity_x",
    "velocity_y",
    "acceleration_x",
    "acceleration_y",
    "displacement",
)


def compute(
    pose: Pose, profile: Profile, dtype: type[np.floating] = np.float64
) -> tuple[NDArray[np.floating], float]:
    """Features of a cleaned pose.

    Parameters
    ----------
    pose : Pose
        Cleaned by `fidgety.motion.preprocess.clean` with the same profile: trunk lengths, even
        times.
    profile : Profile
        `stam`: velocity is the frame difference times fps, averaged over a trailing window, and
        displacement is a length per frame, as published. `fidgety`: central differences of fourth
        order, zero phase, NaN in the two frames at either end and around a gap; displacement is
        the path length per second.
    dtype : type
        Of the features; what they are computed in is float64.

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
        if len(pose) < 3:
            raise _too_short(len(pose), 3)
        features, start_s = _published(pose, whole_frames(profile.derivative_s, fps))
        return features.astype(dtype, copy=False), start_s
    if len(pose) < 5:
        raise _too_short(len(pose), 5)
    features = np.empty((len(CHANNELS), len(pose), pose.xy.shape[1]), dtype)
    features[2:, :2] = features[2:, -2:] = np.nan
    for start in range(0, len(pose), _BLOCK):  # parts that stay in cache
        part = pose.xy[max(start - 2, 0) : start + _BLOCK + 2]
        xy = part.transpose(2, 0, 1)  # (2, frames, V)
        features[:2, start : start + _BLOCK] = xy[:, min(start, 2) :][:, :_BLOCK]
        if len(part) < 5:
            continue
        exact = np.empty((5, len(part) - 4, xy.shape[2]))
        _central(xy, fps, exact[:2], exact[2:4])
        np.hypot(exact[0], exact[1], out=exact[4])
        first = max(start - 2, 0) + 2
        features[2:, first : first + exact.shape[1]] = exact
    return features, float(pose.time[0])


def _published(pose: Pose, window: int) -> tuple[NDArray[np.float64], float]:
    fps, lost = pose.fps, max(window - 1, 0)
    if len(pose) < 2 * lost + 3:
        raise _too_short(len(pose), 2 * lost + 3)
    xy = np.ascontiguousarray(pose.xy.transpose(0, 2, 1))  # (T, 2, V)
    step = np.diff(xy, axis=0)  # (T - 1, 2, V)
    velocity, _ = rolling_mean(step * fps, window)
    acceleration, _ = rolling_mean(np.diff(velocity, axis=0) * fps, window)
    kept = len(acceleration)
    features = np.empty((len(CHANNELS), kept, xy.shape[2]))
    for channel, part in ((0, xy), (2, velocity), (4, acceleration)):
        features[channel : channel + 2] = part[-kept:].transpose(1, 0, 2)
    np.hypot(step[-kept:, 0], step[-kept:, 1], out=features[6])
    return features, float(pose.time[-kept])


def _central(
    xy: NDArray[np.float64],
    fps: float,
    velocity: NDArray[np.float64],
    acceleration: NDArray[np.float64],
) -> None:
    """First and second derivative (2, T - 4, V) of positions (2, T, V), exact for cubics.

    Both need two frames on either side: they are missing at the two ends and around a gap.
    """
    left, right, outer_left, outer_right = xy[:, 1:-3], xy[:, 3:-1], xy[:, :-4], xy[:, 4:]
    np.subtract(right, left, out=velocity)
    velocity *= 8
    velocity -= outer_right
    velocity += outer_left
    velocity *= fps / 12
    np.add(right, left, out=acceleration)
    acceleration *= 16
    acceleration -= outer_right
    acceleration -= outer_left
    acceleration -= 30 * xy[:, 2:-2]
    acceleration *= fps * fps / 12


def _too_short(frames: int, needed: int) -> PoseError:
    return PoseError(
        "E108",
        f"The recording is too short: {frames} usable frames, {needed} needed",
        remedy="Filming guides ask for 60 s or more",
    )
