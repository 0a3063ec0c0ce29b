"""Clean and normalise a pose, by one of two profiles.

`stam` repeats the published steps (Nguyen-Thai et al. 2021, after Chambers et al. 2020): rolling
median and mean of 0.5 s, upper and lower body each centred and rotated. It removes movement above
1 Hz.

`fidgety` keeps the band of fidgety movements: it smooths by confidence-weighted local parabolas
(gain 0.95 at 3 Hz), fills short gaps only, and follows the body's slow drift, so that trunk motion
stays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fidgety.errors import ConfigError, PoseError
from fidgety.motion.smoothing import (
    add_lost_frames,
    bridge_gaps,
    local_parabola,
    resample,
    rolling_mean,
    rolling_median,
    whole_frames,
)
from fidgety.pose.pose import Pose
from fidgety.settings import from_plain, to_plain

__all__ = ["PROFILES", "FidgetyProfile", "Profile", "StamProfile", "clean", "profile_from"]

SHOULDERS = ("right_shoulder", "left_shoulder")
HIPS = ("right_hip", "left_hip")
FloatArray = NDArray[np.float64]
_BLOCK = 8192  # frames looked at together
_LARGEST = 1000.0  # frames per second, seconds, trunk lengths per second squared: all lie far below


@dataclass(frozen=True)
class StamProfile:
    """The published preprocessing.

    Parameters
    ----------
    fps : float or None
        Frame rate to bring recordings to, by their timestamps; None keeps a recording's own.
    smooth_s : float
        Seconds of the rolling median and of the rolling mean; 0.5 as published.
    derivative_s : float
        Seconds of the trailing mean over velocity and acceleration; 0.25 as published.
    """

    name: ClassVar[str] = "stam"
    fps: float | None = 30.0
    smooth_s: float = 0.5
    derivative_s: float = 0.25

    def __post_init__(self) -> None:
        optional = {} if self.fps is None else {"fps": self.fps}
        _check_positive(self, smooth_s=self.smooth_s, derivative_s=self.derivative_s, **optional)


@dataclass(frozen=True)
class FidgetyProfile:
    """Our preprocessing, made to keep 0.5 to 3 Hz.

    Parameters
    ----------
    fps : float
        Frame rate that recordings are brought to, by their timestamps.
    min_confidence : float
        Keypoints below are taken as not seen, 0 to 1.
    jump_trunk, jump_acceleration : float
        A keypoint that leaves its track and returns within `jump_s` by more than ``jump_trunk +
        jump_acceleration / 2 * dt**2`` (trunk lengths, and trunk lengths per second squared) is an
        error of the tracker, dt being half the time away. The default acceleration is that of a
        kick of half a trunk length at 3 Hz.
    jump_s : float
        Longest dt, that is, half of the longest excursion taken for a tracker's error.
    max_gap_s : float
        Longest time between two sightings that is bridged; in longer gaps a joint stays missing.
    smooth_s : float
        Standard deviation of the weights of the local parabola. Position gain at frequency f is
        ``(1 + u) exp(-u)``, u = (2 pi f smooth_s)^2 / 2: 0.95 at 3 Hz, 0.71 at 5.4 Hz for 0.044 s.
    body_s : float
        Width of each of three running means that make the slow body frame. Movement of the trunk
        passes by 0.99 at 0.5 Hz; drifts slower than 0.1 Hz are followed.
    """

    name: ClassVar[str] = "fidgety"
    fps: float = 30.0
    min_confidence: float = 0.2
    jump_trunk: float = 0.1
    jump_acceleration: float = 180.0
    jump_s: float = 0.1
    max_gap_s: float = 0.3
    smooth_s: float = 0.044
    body_s: float = 2.0

    def __post_init__(self) -> None:
        positive = {k: v for k, v in to_plain(self).items() if k != "min_confidence"}
        _check_positive(self, **positive)
        if not (_is_number(self.min_confidence) and 0 <= self.min_confidence < 1):
            raise ConfigError("E702", f"min_confidence is {self.min_confidence}, not within 0 to 1")


Profile = StamProfile | FidgetyProfile
PROFILES: dict[str, type[StamProfile] | type[FidgetyProfile]] = {
    "stam": StamProfile,
    "fidgety": FidgetyProfile,
}


def profile_from(profile: str | Profile, settings: dict[str, Any] | None = None) -> Profile:
    """A profile from its name and, if wanted, its settings; a profile is returned as it is.

    Raises
    ------
    ConfigError
        E704 for an unknown profile, E701 and E702 for its settings.
    """
    if isinstance(profile, StamProfile | FidgetyProfile):
        return profile
    if not isinstance(profile, str) or profile not in PROFILES:
        raise ConfigError(
            "E704", f"No profile named {profile!r}", remedy=f"Choose one of {', '.join(PROFILES)}"
        )
    return from_plain(PROFILES[profile], settings or {})


def clean(pose: Pose, profile: str | Profile = "fidgety") -> Pose:
    """Clean and normalise a pose.

    Parameters
    ----------
    pose : Pose
        Any layout with shoulders and hips, in pixels.
    profile : {"fidgety", "stam"} or Profile
        How; see the profiles.

    Returns
    -------
    Pose
        openpose18 in trunk lengths, evenly spaced in time. NaN marks what was not seen.

    Raises
    ------
    PoseError
        E131 if shoulders and hips are never seen together, E108 if the recording is shorter than
        the profile's windows, E109 if the pose is not in pixels.
    """
    chosen = profile_from(profile)
    if pose.unit != "px":
        raise PoseError("E109", "The pose is normalised already", remedy="Give the pose as read")
    body = pose.to_skeleton("openpose18")
    steps = _clean_stam if isinstance(chosen, StamProfile) else _clean_fidgety
    xy, confidence, time = steps(body, chosen)  # type: ignore[arg-type]
    for array in (xy, confidence):
        array.setflags(write=False)  # so that the new pose takes them as they are
    return body.then(
        "clean",
        arguments={"profile": chosen.name, **to_plain(chosen)},
        xy=xy,
        confidence=confidence,
        time=time,
        unit="trunk",
        film={},
    )


def _clean_stam(pose: Pose, profile: StamProfile) -> tuple[FloatArray, FloatArray, FloatArray]:
    if len(pose) < 2:
        raise _too_short(pose, "one frame shows no movement")
    fps = pose.fps if profile.fps is None else profile.fps
    xy, time = resample(pose.xy, pose.time, fps)  # (T, V, 2), (T,)
    xy = bridge_gaps(xy, time, limit_s=np.inf, hold_last=True)
    window = whole_frames(profile.smooth_s, fps)
    xy, lost = rolling_median(xy, window)
    xy, more = rolling_mean(xy, window)
    if len(xy) == 0:
        raise _too_short(pose, f"the {profile.name} profile's windows do not fit")
    time = time[lost + more : lost + more + len(xy)]
    halves = _halves(pose)
    trunk = _trunk_ends(pose, xy)
    scale = np.linalg.norm(trunk[0] - trunk[1], axis=-1)  # (T,)
    scale[scale == 0] = np.nan
    # A joint stays missing until it is first seen; nothing can be measured before the trunk is.
    known = np.flatnonzero(~np.isnan(scale))
    if len(known) == 0:
        raise _no_trunk(pose)
    result = np.empty_like(xy)
    for half, ends, origin in zip(halves, (SHOULDERS, HIPS), trunk, strict=True):
        right, left = (xy[:, pose.skeleton.index[joint]] for joint in ends)
        result[:, half] = _levelled(xy[:, half] - origin[:, None], right - left)
    result /= scale[:, None, None]
    result[:, halves[1], 1] += 1.0
    result = result[known[0] :]
    return result, np.where(np.isnan(result[..., 0]), 0.0, 1.0), time[known[0] :]


def _clean_fidgety(
    pose: Pose, profile: FidgetyProfile
) -> tuple[FloatArray, FloatArray, FloatArray]:
    frames = whole_frames(float(pose.time[-1] - pose.time[0]), profile.fps) + 1
    if frames < 2:
        raise _too_short(pose, "one frame shows no movement")
    xy, confidence = pose.xy.copy(), pose.confidence.copy()
    unsure = confidence < profile.min_confidence
    xy[unsure], confidence[unsure] = np.nan, 0.0
    shoulders, hips = _trunk_ends(pose, xy)
    length = np.linalg.norm(shoulders - hips, axis=-1)
    if np.isnan(length).all() or not np.nanmedian(length) > 0:
        raise _no_trunk(pose)
    jumps = _excursions(xy, pose.time, profile, float(np.nanmedian(length)))  # (T, V)
    xy[jumps] = np.nan
    confidence[jumps] = 0.0
    grid = pose.time[0] + np.arange(frames) / profile.fps
    xy, confidence, time = add_lost_frames(xy, confidence, pose.time, limit_s=profile.max_gap_s)
    xy, confidence = local_parabola(xy, confidence, time, grid, profile.smooth_s, profile.max_gap_s)
    center, direction, scale = _slow_body(pose, xy, profile)
    direction = direction / scale[:, None]
    xy -= center[:, None]
    cos, sin = direction[:, :1], direction[:, 1:]  # (T, 1) turns hips -> shoulders upwards (-y)
    x, y = xy[..., 0], xy[..., 1]
    turned = cos * x
    turned += sin * y
    y *= cos
    y -= sin * x
    x[:] = turned
    return xy, confidence, grid


def _slow_body(
    pose: Pose, xy: FloatArray, profile: FidgetyProfile
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Slowly followed trunk: centre (T, 2), direction from right to left (T, 2), length (T,)."""
    shoulders, hips = _trunk_ends(pose, xy)
    trunk = shoulders - hips
    length = np.linalg.norm(trunk, axis=-1, keepdims=True)
    track = np.concatenate([(shoulders + hips) / 2, trunk, length], axis=1)  # (T, 5)
    if np.isnan(track).any(axis=1).all():
        raise _no_trunk(pose)
    frames = np.arange(len(track), dtype=float)
    good = ~np.isnan(track).any(axis=1)
    slow = np.stack([np.interp(frames, frames[good], column[good]) for column in track.T], axis=1)
    width = max(1, min(round(profile.body_s * profile.fps), 2 * len(track) - 1))
    for _ in range(3):
        slow = ndimage.uniform_filter1d(slow, width, axis=0, mode="nearest")
    up = slow[:, 2:4] / np.maximum(np.linalg.norm(slow[:, 2:4], axis=1, keepdims=True), 1e-12)
    across = np.stack([-up[:, 1], up[:, 0]], axis=1)  # (T, 2): `up` turned by a quarter
    return slow[:, :2], across, np.maximum(slow[:, 4], 1e-12)


def _excursions(
    xy: FloatArray, time: FloatArray, profile: FidgetyProfile, trunk: float
) -> NDArray[np.bool_]:
    """Keypoints (T, V) that leave their track and return to it faster than a limb can."""
    wrong = np.zeros(xy.shape[:2], dtype=bool)
    if len(time) < 3:
        return wrong
    longest = whole_frames(profile.jump_s, 1 / float(np.median(np.diff(time))))
    for start in range(0, len(time), _BLOCK):  # so that memory does not grow with the recording
        part = slice(max(start - 2 * longest, 0), start + _BLOCK + 2 * longest)
        wrong[part] |= _left_and_returned(xy[part], time[part], profile, trunk, longest)
    return wrong


def _left_and_returned(
    xy: FloatArray, time: FloatArray, profile: FidgetyProfile, trunk: float, longest: int
) -> NDArray[np.bool_]:
    wrong = np.zeros(xy.shape[:2], dtype=bool)
    for k in range(1, min(longest, (len(time) - 1) // 2) + 1):
        here, before, after = xy[k:-k], xy[: -2 * k], xy[2 * k :]
        apart = time[2 * k :] - time[: -2 * k]  # (T - 2k,)
        limit = trunk * (profile.jump_trunk + profile.jump_acceleration / 2 * (apart / 2) ** 2)
        limit = np.square(limit)[:, None]
        away = np.minimum(_squared(here - before), _squared(here - after))
        middle, joint = np.nonzero((away > limit) & (4 * _squared(after - before) < away))
        wrong[middle + k, joint] = True
        for row in (middle + k + shift for shift in range(1 - k, k)):  # the rest of the excursion
            to_track = np.minimum(
                _squared(xy[row, joint] - before[middle, joint]),
                _squared(xy[row, joint] - after[middle, joint]),
            )
            wrong[row, joint] |= to_track > limit[middle, 0]
    return wrong


def _squared(vectors: FloatArray) -> FloatArray:
    return np.square(vectors[..., 0]) + np.square(vectors[..., 1])


def _trunk_ends(pose: Pose, xy: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Midpoints of shoulders and hips, each (T, 2)."""
    a, b = (xy[:, pose.skeleton.rows(*ends)] for ends in (SHOULDERS, HIPS))
    return (a[:, 0] + a[:, 1]) / 2, (b[:, 0] + b[:, 1]) / 2


def _halves(pose: Pose) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows of the upper body (head, neck, arms) and of the lower (hips, legs)."""
    parts = pose.skeleton.parts
    lower = pose.skeleton.rows(*parts["right_leg"], *parts["left_leg"])
    return np.setdiff1d(np.arange(len(pose.skeleton)), lower), lower


def _levelled(points: FloatArray, axis: FloatArray) -> FloatArray:
    """Rotate points (T, V, 2) by the published angle of the right-minus-left vector (T, 2)."""
    angle = np.arctan2(axis[:, 1], axis[:, 0])
    angle = np.where(angle < 0, angle + 2 * np.pi, angle)
    angle = np.where(angle < np.pi, np.pi - angle, 3 * np.pi - angle)[:, None]
    cos, sin = np.cos(angle), np.sin(angle)
    x, y = points[..., 0], points[..., 1]
    return np.stack([cos * x - sin * y, sin * x + cos * y], axis=-1)


def _check_positive(settings: Any, **values: float) -> None:
    for name, value in values.items():
        if not (_is_number(value) and 0 < value <= _LARGEST):
            raise ConfigError(
                "E702",
                f"{name} of profile {settings.name} is {value!r}",
                remedy=f"Use a number above 0, at most {_LARGEST:g}",
            )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _no_trunk(pose: Pose) -> PoseError:
    return PoseError(
        "E131",
        "Shoulders and hips are never seen together",
        where=pose.source or None,
        why="every position is measured in trunk lengths",
        remedy="Film the whole body from above, and check the joint order (--skeleton)",
    )


def _too_short(pose: Pose, why: str) -> PoseError:
    return PoseError(
        "E108",
        f"The recording is too short: {len(pose)} frames, {pose.duration_s:.2f} s",
        why=why,
        remedy="Filming guides ask for 60 s or more",
    )
