"""PoseSequence: the seven features of one recording, ready to be cut into clips."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import PoseError
from fidgety.motion.features import CHANNELS, compute
from fidgety.motion.preprocess import Profile, clean, profile_from
from fidgety.pose.pose import Pose

__all__ = ["PoseSequence", "compute_features", "pose_sequence"]


@dataclass(frozen=True, eq=False)
class PoseSequence:
    """Features of one recording.

    Parameters
    ----------
    values : ndarray (7, T, V), float32 or float64
        In the order of `CHANNELS`; NaN where a joint was not observed.
    fps : float
        Frames per second.
    start_s : float
        Time of the first frame in the recording, seconds.
    skeleton : str
        Name of the layout of the V joints.
    profile : Profile or None
        The preprocessing that made it; None if it came from outside.

    Raises
    ------
    PoseError
        E310 wrong shape, E311 infinite values, E316 impossible frame rate.
    """

    values: NDArray[np.floating]
    fps: float
    start_s: float = 0.0
    skeleton: str = "openpose18"
    profile: Profile | None = None

    def __post_init__(self) -> None:
        if self.values.ndim != 3 or self.values.shape[0] != len(CHANNELS):
            raise PoseError("E310", f"A sequence is (7, frames, joints), not {self.values.shape}")
        if np.isinf(self.values).any():
            raise PoseError("E311", "The sequence holds infinite values")
        if not (np.isfinite(self.fps) and self.fps > 0):
            raise PoseError("E316", f"Impossible frame rate {self.fps}")

    @property
    def duration_s(self) -> float:
        """Seconds of the sequence."""
        return self.values.shape[1] / self.fps


def pose_sequence(
    pose: Pose, profile: str | Profile = "fidgety", dtype: type[np.floating] = np.float64
) -> PoseSequence:
    """Clean a pose and compute its features: pixels in, `PoseSequence` out.

    Whatever the `dtype` of the result, it is computed in float64.

    Raises
    ------
    PoseError
        As `fidgety.motion.preprocess.clean` and `fidgety.motion.features.compute`.
    """
    chosen = profile_from(profile)
    _hand_back()
    pose = clean(pose, chosen)  # lets go of the other, if nobody else holds it
    _hand_back()
    return sequence_of_clean(pose, chosen, dtype)


def sequence_of_clean(
    pose: Pose, profile: Profile, dtype: type[np.floating] = np.float64
) -> PoseSequence:
    """Features of a pose that `clean` made with the same profile."""
    values, start_s = compute(pose, profile, dtype)
    return PoseSequence(values, pose.fps, start_s, pose.skeleton.name, profile)


def _hand_back() -> None:
    """Give freed memory back to the system: glibc would keep 150 MB of it for an hour of poses."""
    with suppress(OSError, AttributeError, TypeError):  # other systems have no such call
        ctypes.CDLL(None).malloc_trim(0)


def compute_features(pose: Pose, profile: str | Profile = "fidgety") -> NDArray[np.floating]:
    """The (7, T, V) features of a pose; `pose_sequence` gives their times as well."""
    return pose_sequence(pose, profile).values
