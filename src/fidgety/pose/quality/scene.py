"""What every rule looks at: the body in one layout, which joints are seen, and the clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fidgety.pose.pose import Pose
from fidgety.pose.quality.config import QualityConfig
from fidgety.pose.quality.reasons import Range, Reason, Severity

__all__ = ["Finding", "Scene", "any_joint", "masked_by_gaps", "runs", "trunk_length"]

_JOIN_S = 0.5  # ranges nearer than this are told as one


@dataclass(frozen=True)
class Finding:
    """What one rule found: measures for the record, reasons for the reader."""

    measures: dict[str, float | None]
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, eq=False)
class Scene:
    """A pose prepared for the rules.

    Parameters
    ----------
    pose : Pose
        In pixels, layout ``openpose18``, exchanged sides put back.
    swapped : ndarray (T, V) of bool
        Where sides were exchanged.
    config : QualityConfig
        Thresholds.
    age_weeks : float or None
        Corrected age, if given.
    minimum_s : float
        Usable seconds below which nothing is assessed.
    """

    pose: Pose
    swapped: NDArray[np.bool_]
    config: QualityConfig
    age_weeks: float | None
    minimum_s: float

    @cached_property
    def frame_s(self) -> float:
        """Median time step in seconds; 0 for a single frame."""
        return 0.0 if len(self.pose) < 2 else 1.0 / self.pose.fps

    @cached_property
    def step(self) -> NDArray[np.float64]:
        """Seconds (T,) that each frame stands for; a hole in the times counts for one frame."""
        ahead = np.append(np.diff(self.pose.time), self.frame_s)
        return np.where(ahead > self.frame_s + self.config.gap_s, self.frame_s, ahead)

    @cached_property
    def total_s(self) -> float:
        """Seconds from the first frame to the end of the last, holes included."""
        return self.pose.duration_s

    @cached_property
    def whole(self) -> tuple[Range, ...]:
        """The recording as one range."""
        start = float(self.pose.time[0])
        return ((start, start + self.total_s),)

    @cached_property
    def seen(self) -> NDArray[np.bool_]:
        """Joints (T, V) seen well enough to count."""
        return self.pose.confidence >= max(self.config.confidence, np.finfo(float).tiny)

    @cached_property
    def xy(self) -> NDArray[np.float64]:
        """Positions (T, V, 2) in pixels, NaN where not seen."""
        return np.where(self.seen[..., None], self.pose.xy, np.nan)

    @cached_property
    def needed(self) -> NDArray[np.intp]:
        """Rows of the joints that a usable frame must show."""
        return self.pose.skeleton.rows(*self.config.needed_joints)

    @cached_property
    def trunk_px(self) -> float:
        """Median trunk length in pixels; NaN if shoulders and hips are never seen together."""
        return trunk_length(self.pose, self.config.confidence)

    @cached_property
    def masked(self) -> NDArray[np.bool_]:
        """Joints (T, V) missing in gaps too long to fill."""
        return masked_by_gaps(self.pose.time, self.seen, self.config.gap_s)

    @cached_property
    def absent(self) -> NDArray[np.bool_]:
        """Frames (T,) without a body: most needed joints are lost in long gaps."""
        return self.masked[:, self.needed].mean(axis=1) > 0.5

    @cached_property
    def usable(self) -> NDArray[np.bool_]:
        """Frames (T,) with all needed joints, bare of hands, in long enough stretches."""
        whole_body = ~any_joint(self.masked[:, self.needed])
        covered = self.pose.film.get("covered")
        if covered is not None:
            whole_body &= ~(covered > 0.5)
        first, last = runs(whole_body, self._unbroken)
        keep = np.zeros(len(self.pose), dtype=bool)
        ends = self.pose.time[last] + self.step[last]
        for i in np.flatnonzero(ends - self.pose.time[first] >= self.config.shortest_run_s - 1e-6):
            keep[first[i] : last[i] + 1] = True
        return keep

    @cached_property
    def usable_s(self) -> float:
        """Usable seconds."""
        return self.seconds(self.usable)

    @cached_property
    def _unbroken(self) -> NDArray[np.bool_]:
        """Frames (T,) that follow their predecessor without a hole in the times."""
        return np.append(False, np.diff(self.pose.time) <= self.frame_s + self.config.gap_s)

    def row(self, *names: str) -> NDArray[np.intp]:
        """Rows of named joints."""
        return self.pose.skeleton.rows(*names)

    def joints(self, rows: NDArray[np.intp] | Sequence[int]) -> list[str]:
        """Names of rows."""
        return [self.pose.skeleton.joints[row] for row in rows]

    def seconds(self, frames: NDArray[np.bool_]) -> float:
        """Seconds that the chosen frames (T,) stand for."""
        return float(self.step[frames].sum())

    def share(self, frames: NDArray[np.bool_]) -> float:
        """Share of the recording's seconds that the chosen frames (T,) stand for."""
        return self.seconds(frames) / self.total_s if self.total_s else float(frames.any())

    def ranges(self, frames: NDArray[np.bool_]) -> tuple[Range, ...]:
        """Start and end in seconds of the stretches of chosen frames, near ones joined."""
        first, last = runs(frames)
        if not len(first):
            return ()
        start, end = self.pose.time[first], self.pose.time[last] + self.step[last]
        apart = np.flatnonzero(start[1:] - end[:-1] > _JOIN_S)
        start, end = start[np.append(0, apart + 1)], end[np.append(apart, len(end) - 1)]
        return tuple(zip(start.tolist(), end.tolist(), strict=True))

    def severity(self, frames: NDArray[np.bool_]) -> Severity:
        """Caution, or a note where the chosen frames (T,) are few."""
        return "caution" if self.share(frames) > self.config.tolerated_share else "note"

    def smoothed(self, signal: NDArray[np.float64], seconds: float) -> NDArray[np.float64]:
        """Centred moving mean (T,) of the finite values; NaN where there are none."""
        half = round(seconds / self.frame_s / 2) if self.frame_s else 0
        known = np.isfinite(signal)
        total = np.cumsum(np.append(0.0, np.where(known, signal, 0.0)))
        count = np.cumsum(np.append(0, known))
        at = np.arange(len(signal))
        low, high = np.maximum(at - half, 0), np.minimum(at + half + 1, len(signal))
        number = count[high] - count[low]
        mean = (total[high] - total[low]) / np.maximum(number, 1)
        return np.where(number > 0, mean, np.nan)


def any_joint(chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Frames (T,) in which any joint is chosen (T, J)."""
    return np.asarray(chosen.any(axis=1))


def runs(
    chosen: NDArray[np.bool_], unbroken: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First and last frame of each stretch of chosen frames (T,).

    Where `unbroken` (T,) is false a stretch ends before that frame.
    """
    before = np.append(False, chosen[:-1])
    if unbroken is not None:
        before &= unbroken
    starts = chosen & ~before
    follows = np.append(chosen[1:], False)
    if unbroken is not None:
        follows &= np.append(unbroken[1:], False)
    return np.flatnonzero(starts), np.flatnonzero(chosen & ~follows)


def masked_by_gaps(
    time: NDArray[np.float64], seen: NDArray[np.bool_], limit_s: float
) -> NDArray[np.bool_]:
    """Where (T, V) a joint is missing in a gap longer than `limit_s` seconds."""
    step = float(np.median(np.diff(time))) if len(time) > 1 else 0.0
    clock = np.broadcast_to(time[:, None], seen.shape)
    last = np.maximum.accumulate(np.where(seen, clock, time[0] - step), axis=0)
    following = np.minimum.accumulate(np.where(seen, clock, time[-1] + step)[::-1], axis=0)[::-1]
    return ~seen & (following - last - step > limit_s + 1e-6)


def trunk_length(pose: Pose, confidence: float = 0.0) -> float:
    """Median distance from the shoulders' to the hips' middle; NaN if never seen together."""
    ends = pose.skeleton.rows("right_shoulder", "left_shoulder", "right_hip", "left_hip")
    both = (pose.confidence[:, ends] >= max(confidence, np.finfo(float).tiny)).all(axis=1)
    if not both.any():
        return float("nan")
    at = pose.xy[both][:, ends]  # (T', 4, 2)
    return float(np.median(np.linalg.norm(at[:, :2].mean(axis=1) - at[:, 2:].mean(axis=1), axis=1)))
