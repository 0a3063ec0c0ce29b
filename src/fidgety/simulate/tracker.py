"""What a pose estimator would make of it: noise, confidence, losses, swaps, a carer's hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fidgety.simulate.body import SKELETON
from fidgety.simulate.checks import check_between, check_range
from fidgety.simulate.signals import colored_noise, episode

__all__ = ["TrackerConfig", "track"]

# How hard a joint is to place against a wrist: hips and ears have no sharp landmark.
DIFFICULTY = {
    "nose": 0.7,
    "neck": 0.8,
    "shoulder": 1.0,
    "elbow": 1.0,
    "wrist": 1.0,
    "hip": 1.4,
    "knee": 1.0,
    "ankle": 1.0,
    "eye": 0.7,
    "ear": 1.1,
}
SWAPPED = (
    ("wrist", "elbow"),
    ("ankle", "knee"),
    ("ankle",),
)  # what an estimator confuses together


@dataclass(frozen=True)
class TrackerConfig:
    """How a pose estimator errs.

    Parameters
    ----------
    noise : (float, float)
        Standard deviation of the error of a wrist, trunk lengths; each recording has its own.
    white_share : float
        Share of the error's variance that is new in every frame; the rest is coloured.
    memory_s : float
        Correlation time of the coloured part.
    jumps_per_s, gaps_per_s : float
        Outliers of one to three frames, and stretches without a joint, per joint.
    jump : float
        Size of an outlier, trunk lengths.
    gap_s : (float, float)
        Seconds of a stretch without a joint.
    swaps_per_minute : float
        Left-right confusions of arms or legs.
    hand_probability : float
        Of a carer's hand covering a region once in a recording.
    hand_s : (float, float)
        Seconds for which it does.
    """

    noise: tuple[float, float] = (0.004, 0.010)
    white_share: float = 0.3
    memory_s: float = 0.35
    jumps_per_s: float = 0.02
    jump: float = 0.3
    gaps_per_s: float = 0.01
    gap_s: tuple[float, float] = (0.1, 0.8)
    swaps_per_minute: float = 1.0
    hand_probability: float = 0.15
    hand_s: tuple[float, float] = (1.0, 4.0)

    def __post_init__(self) -> None:
        check_range(self, 0.0, 0.5, "noise")
        check_range(self, 0.01, 60.0, "gap_s", "hand_s")
        check_between(self, 0.0, 1.0, "white_share", "hand_probability")
        check_between(self, 0.001, 60.0, "memory_s")
        check_between(self, 0.0, 60.0, "jumps_per_s", "jump", "gaps_per_s", "swaps_per_minute")


def track(
    xy: NDArray[np.float64],
    hidden: NDArray[np.float64],
    fps: float,
    size: tuple[int, int],
    px_per_trunk: float,
    config: TrackerConfig,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The estimator's view of true image positions.

    Parameters
    ----------
    xy : ndarray (T, V, 2)
        True image positions in pixels.
    hidden : ndarray (T, V)
        0 where a joint is in plain sight to 1 where the body itself hides it.
    fps, size, px_per_trunk
        Frame rate, image size and scale.
    config : TrackerConfig
        How the estimator errs.
    rng : numpy.random.Generator
        Source of all randomness.

    Returns
    -------
    xy : ndarray (T, V, 2)
        NaN where the joint was not found.
    confidence : ndarray (T, V)
        0 there. Low confidence goes with larger error.
    """
    frames, joints = xy.shape[:2]
    time = np.arange(frames) / fps
    level = float(np.exp(rng.uniform(*np.log(np.maximum(config.noise, 1e-9)))))
    covered = _hand(xy, time, px_per_trunk, config, rng)  # (T, V)
    doubt = 0.5 * np.abs(colored_noise(frames, fps, 0.5, (joints,), rng))
    visible = (1 - 0.75 * covered) * (1 - 0.5 * hidden)
    confidence = np.clip((0.95 - 0.12 * doubt - 4.0 * level) * visible, 0.05, 1.0)

    hard = np.array([DIFFICULTY[joint.rpartition("_")[2]] for joint in SKELETON.joints])
    spread = level * hard * (0.6 + 0.4 * doubt + 4.0 * covered + 1.0 * hidden)  # (T, V)
    white = rng.standard_normal((frames, joints, 2))
    slow = colored_noise(frames, fps, config.memory_s, (joints, 2), rng)
    error = np.sqrt(config.white_share) * white + np.sqrt(1 - config.white_share) * slow
    found = xy + px_per_trunk * spread[..., np.newaxis] * error

    jumped = _stretches(time, joints, config.jumps_per_s, (0.0, 2.5 / fps), rng)
    leap = rng.standard_normal((frames, joints, 2)) * config.jump * px_per_trunk
    found[jumped] += leap[jumped]
    confidence[jumped] *= 0.5
    found, confidence = _swapped(found, confidence, time, config, rng)
    lost = _stretches(time, joints, config.gaps_per_s, config.gap_s, rng)
    lost |= (covered > 0.5) & (rng.random((1, joints)) < 0.5)
    lost |= ((found < 0) | (found >= size)).any(axis=2)
    found[lost] = np.nan
    confidence[lost] = 0.0
    return found.round(2), confidence.round(4)  # as estimators write them


def _stretches(
    time: NDArray[np.float64],
    joints: int,
    per_s: float,
    seconds: tuple[float, float],
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    """Where any of randomly many stretches lies, joint by joint (T, V)."""
    inside = np.zeros((len(time), joints), dtype=bool)
    end = float(time[-1])
    for joint, count in enumerate(rng.poisson(per_s * end, joints)):
        starts, lengths = rng.uniform(0, end, count), rng.uniform(*seconds, count)
        first = np.searchsorted(time, starts)
        last = np.maximum(np.searchsorted(time, starts + lengths), first + 1)
        for a, b in zip(first, last, strict=True):
            inside[a:b, joint] = True
    return inside


def _swapped(
    xy: NDArray[np.float64],
    confidence: NDArray[np.float64],
    time: NDArray[np.float64],
    config: TrackerConfig,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Exchange left and right of an arm or leg for a fraction of a second, now and then."""
    count = int(rng.poisson(config.swaps_per_minute * time[-1] / 60))
    for start, length, kind in zip(
        rng.uniform(0, time[-1], count),
        rng.uniform(0.05, 0.3, count),
        rng.integers(len(SWAPPED), size=count),
        strict=True,
    ):
        now = np.flatnonzero((time >= start) & (time <= start + length))[:, np.newaxis]
        right = SKELETON.rows(*(f"right_{joint}" for joint in SWAPPED[kind]))
        left = SKELETON.mirror_order[right]
        both, other = np.r_[right, left], np.r_[left, right]
        xy[now, both], confidence[now, both] = xy[now, other], 0.9 * confidence[now, other]
    return xy, confidence


def _hand(
    xy: NDArray[np.float64],
    time: NDArray[np.float64],
    px_per_trunk: float,
    config: TrackerConfig,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """How far a carer's hand covers each joint (T, V), 0 to 1, around a place on the body."""
    when = episode(time, config.hand_probability, config.hand_s, rng)  # (T,)
    place = np.median(xy[:, int(rng.integers(xy.shape[1]))], axis=0)  # (2,)
    far = np.linalg.norm(xy - place, axis=2) / px_per_trunk  # (T, V)
    return when[:, np.newaxis] * np.clip((0.45 - far) / 0.15, 0, 1)
