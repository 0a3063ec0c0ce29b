"""What may go wrong with a recording between the infant and the model, done to poses on purpose.

Each perturbation takes a pose as an estimator gave it and returns one as it might have come
otherwise. None looks at a label.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from fidgety.pose.pose import Pose

__all__ = ["PERTURBATIONS", "Perturbation", "noise_level", "perturbed"]

Change = Callable[[Pose, np.random.Generator], Pose]
WHITE_SHARE = 0.3  # share of an estimator's error variance that is new in every frame
MEMORY_S = 0.35  # correlation time of the rest; both as in the simulated tracker


@dataclass(frozen=True)
class Perturbation:
    """One line of the robustness bench.

    Parameters
    ----------
    name : str
        Unique name.
    group : str
        What kind of trouble it is.
    setting : str
        How much of it, in words.
    change : callable
        From a pose and a generator to the changed pose.
    """

    name: str
    group: str
    setting: str
    change: Change


def perturbed(pose: Pose, how: Perturbation, seed: int) -> Pose:
    """The perturbed pose; the same seed gives the same."""
    changed = how.change(pose, np.random.default_rng([seed, 4]))
    return changed.then("perturbed", arguments={"by": how.name})


def noise_level(pose: Pose) -> NDArray[np.float64]:
    """Standard deviation (V,) of each joint's error, in the pose's unit, both parts of it.

    From the part that is new in every frame: the median absolute third difference, in which
    movement of a few hertz leaves little; scaled up by the share that this part is assumed to have.
    At frame rates below about 25 per second movement is taken for error in part.
    """
    third = np.diff(pose.xy, n=3, axis=0)  # (T - 3, V, 2)
    white = np.nanmedian(np.abs(third), axis=(0, 2)) / 0.6745 / np.sqrt(20.0)
    return np.nan_to_num(white) / np.sqrt(WHITE_SHARE)


def _as_is(pose: Pose, rng: np.random.Generator) -> Pose:
    return pose


def _frame_rate(fps: float, pose: Pose, rng: np.random.Generator) -> Pose:
    """As if filmed at another frame rate: linear between frames, missing where either was."""
    time = np.arange(pose.time[0], pose.time[-1] + 1e-9, 1 / fps)
    at = np.searchsorted(pose.time, time, side="right").clip(1, len(pose) - 1)
    step = pose.time[at] - pose.time[at - 1]
    share = ((time - pose.time[at - 1]) / step)[:, None, None]
    xy = (1 - share) * pose.xy[at - 1] + share * pose.xy[at]
    confidence = np.minimum(pose.confidence[at - 1], pose.confidence[at])
    film = {name: measure[at - 1] for name, measure in pose.film.items()}
    return pose.then("frame_rate", xy=xy, confidence=confidence, time=time, film=film)


def _noisier(factor: float, pose: Pose, rng: np.random.Generator) -> Pose:
    """More error of the same colours: `factor` times its standard deviation in all."""
    level = noise_level(pose) * np.sqrt(factor**2 - 1)
    return _with_error(pose, level, WHITE_SHARE, MEMORY_S, rng)


def _with_error(
    pose: Pose, level: NDArray[np.float64], white_share: float, memory_s: float,
    rng: np.random.Generator,
) -> Pose:  # fmt: skip
    white = rng.standard_normal(pose.xy.shape)
    fresh = rng.standard_normal(pose.xy.shape)
    kept = float(np.exp(-1.0 / (pose.fps * memory_s)))
    fresh[1:] *= np.sqrt(1 - kept**2)
    slow = np.asarray(lfilter([1.0], [1.0, -kept], fresh, axis=0))
    error = np.sqrt(white_share) * white + np.sqrt(1 - white_share) * slow
    return pose.then("error", xy=pose.xy + level[:, None] * error)


def _lost(share: float, pose: Pose, rng: np.random.Generator) -> Pose:
    """Joints missing in stretches of 0.1 to 0.8 s until `share` of them is gone."""
    frames, joints = pose.xy.shape[:2]
    gone = np.zeros((frames, joints), dtype=bool)
    while gone.mean() < share:
        length = max(1, round(rng.uniform(0.1, 0.8) * pose.fps))
        start = int(rng.integers(1 - length, frames))
        gone[max(start, 0) : start + length, int(rng.integers(joints))] = True
    return pose.then(
        "lost", xy=np.where(gone[:, :, None], np.nan, pose.xy),
        confidence=np.where(gone, 0.0, pose.confidence),
    )  # fmt: skip


def _swapped(per_minute: float, pose: Pose, rng: np.random.Generator) -> Pose:
    """Left and right of an arm or a leg exchanged for 0.05 to 0.3 s."""
    xy, confidence = pose.xy.copy(), pose.confidence.copy()
    limbs = [pose.skeleton.parts[part] for part in ("right_arm", "right_leg")]
    for _ in range(rng.poisson(per_minute * pose.duration_s / 60)):
        start = rng.uniform(pose.time[0], pose.time[-1])
        now = (pose.time >= start) & (pose.time <= start + rng.uniform(0.05, 0.3))
        right = pose.skeleton.rows(*limbs[int(rng.integers(2))])
        left = pose.skeleton.mirror_order[right]
        both, other = np.r_[right, left], np.r_[left, right]
        rows = np.flatnonzero(now)[:, None]
        xy[rows, both], confidence[rows, both] = xy[rows, other], confidence[rows, other]
    return pose.then("swapped", xy=xy, confidence=confidence)


def _mirrored(pose: Pose, rng: np.random.Generator) -> Pose:
    return pose.mirrored()


def _rotated(degrees: float, pose: Pose, rng: np.random.Generator) -> Pose:
    """The image turned about its middle, and made large enough to hold all of it."""
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    width, height = pose.size or _extent(pose)
    grown = np.abs(turn) @ (width, height)
    xy = (pose.xy - (width / 2, height / 2)) @ turn.T + grown / 2
    size = None if pose.size is None else (round(grown[0]), round(grown[1]))
    return pose.then("rotated", xy=xy, size=size)


def _scaled(factor: float, pose: Pose, rng: np.random.Generator) -> Pose:
    """Another resolution; positions rounded to a tenth of a pixel, as estimators write them."""
    size = pose.size and (round(pose.size[0] * factor), round(pose.size[1] * factor))
    return pose.then("scaled", xy=(pose.xy * factor).round(1), size=size)


def _swaying(trunks: float, pose: Pose, rng: np.random.Generator) -> Pose:
    """A hand-held camera: slow sway of so many trunk lengths, zoom and turn with it."""
    time = pose.time - pose.time[0]
    waves = np.zeros((len(pose), 4))
    for frequency in rng.uniform(0.05, 1.5, 24):
        phase = 2 * np.pi * frequency * time[:, None] + rng.uniform(0, 2 * np.pi, 4)
        waves += np.sin(phase) * np.sqrt(2 / 24)
    middle = np.array(pose.size or _extent(pose)) / 2
    zoom = np.exp(0.5 * trunks * waves[:, 2])
    angle = np.radians(75 * trunks) * waves[:, 3]
    cosine, sine = zoom * np.cos(angle), zoom * np.sin(angle)
    turn = np.stack([cosine, -sine, sine, cosine], axis=1).reshape(-1, 1, 2, 2)
    xy = (turn @ (pose.xy - middle)[..., None])[..., 0] + middle
    return pose.then("swaying", xy=xy + trunks * _trunk(pose) * waves[:, None, :2])


def _first(seconds: float, pose: Pose, rng: np.random.Generator) -> Pose:
    start = float(pose.time[0])
    return pose.between(start, start + seconds)


def _other_estimator(pose: Pose, rng: np.random.Generator) -> Pose:
    """Another estimator's errors: whiter, with outliers, whole pixels, and joints set elsewhere.

    Every joint stands 3 % of the trunk off in a direction that is the same for all recordings, as
    two estimators differ in where a hip or an ear is.
    """
    trunk = _trunk(pose)
    level = np.full(len(pose.skeleton), 0.006 * trunk)
    changed = _with_error(pose, level, 0.7, 0.1, rng)
    fixed = np.random.default_rng(18).standard_normal((len(pose.skeleton), 2))
    fixed /= np.linalg.norm(fixed, axis=1, keepdims=True)
    xy = changed.xy + 0.03 * trunk * fixed
    frames, joints = pose.xy.shape[:2]
    struck = rng.random((frames, joints)) < 0.05 / pose.fps
    xy[struck] += 0.25 * trunk * rng.standard_normal((int(struck.sum()), 2))
    return changed.then("other_estimator", xy=xy.round(0))


def _trunk(pose: Pose) -> float:
    """Median distance of shoulder and hip midpoints, in the pose's unit."""
    ends = [
        pose.xy[:, pose.skeleton.rows(f"right_{joint}", f"left_{joint}")].mean(axis=1)
        for joint in ("shoulder", "hip")
    ]
    return float(np.nanmedian(np.linalg.norm(ends[0] - ends[1], axis=1)))


def _extent(pose: Pose) -> tuple[float, float]:
    return float(np.nanmax(pose.xy[..., 0])), float(np.nanmax(pose.xy[..., 1]))


PERTURBATIONS: dict[str, Perturbation] = {
    it.name: it
    for it in (
        Perturbation("none", "none", "as recorded", _as_is),
        *(
            Perturbation(f"fps-{fps}", "frame rate", f"{fps} per second", partial(_frame_rate, fps))
            for fps in (15, 20, 25, 30, 50, 60)
        ),
        Perturbation("noise-x2", "noise", "error twice as large", partial(_noisier, 2.0)),
        Perturbation("lost-20", "lost joints", "20 % of joints and frames", partial(_lost, 0.2)),
        Perturbation("swaps-10", "swaps", "10 a minute on top", partial(_swapped, 10.0)),
        Perturbation("mirror", "view", "mirrored", _mirrored),
        Perturbation("turn-37", "view", "turned by 37 degrees", partial(_rotated, 37.0)),
        Perturbation("turn-90", "view", "turned by 90 degrees", partial(_rotated, 90.0)),
        Perturbation("turn-180", "view", "turned by 180 degrees", partial(_rotated, 180.0)),
        Perturbation("scale-half", "view", "half the resolution", partial(_scaled, 0.5)),
        Perturbation("scale-double", "view", "twice the resolution", partial(_scaled, 2.0)),
        Perturbation("sway-2", "camera", "sway of 2 % of the trunk", partial(_swaying, 0.02)),
        Perturbation("sway-4", "camera", "sway of 4 % of the trunk", partial(_swaying, 0.04)),
        Perturbation("first-10", "length", "first 10 s", partial(_first, 10.0)),
        Perturbation("first-20", "length", "first 20 s", partial(_first, 20.0)),
        Perturbation("estimator", "estimator", "another's error profile", _other_estimator),
    )
}
