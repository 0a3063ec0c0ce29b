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
from fidgety.pose.skeleton import Skeleton

__all__ = [
    "Finding",
    "Scene",
    "any_joint",
    "complex_positions",
    "masked_by_gaps",
    "runs",
    "trunk_length",
    "trunk_vector",
]

_TINY = float(np.finfo(float).tiny)
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
        In pixels, layout ``openpose18``.
    swapped : ndarray (T, V) of bool
        Where its sides are exchanged; the scene shows them put back.
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
    def at(self) -> NDArray[np.complex128]:
        """Positions (T, V) in pixels as x + iy, sides put back; NaN where not seen.

        Complex numbers make lengths, angles and the camera's turns one operation each. A joint's
        frames lie together in memory (Fortran order), for rules follow joints through time.
        """
        order = self.pose.skeleton.mirror_order
        at, sure = complex_positions(self.pose), self.pose.confidence
        if self.swapped.any():
            at = np.where(self.swapped, at[:, order], at)
            sure = np.where(self.swapped, sure[:, order], sure)
        at = np.where(sure >= max(self.config.confidence, _TINY), at, complex(np.nan, np.nan))
        return np.asfortranarray(at)

    @cached_property
    def seen(self) -> NDArray[np.bool_]:
        """Joints (T, V) seen well enough to count."""
        return np.isfinite(self.at)

    @cached_property
    def needed(self) -> NDArray[np.intp]:
        """Rows of the joints that a usable frame must show."""
        return self.pose.skeleton.rows(*self.config.needed_joints)

    @cached_property
    def trunk_px(self) -> float:
        """Median trunk length in pixels; NaN if shoulders and hips are never seen together."""
        return trunk_length(self.at, self.pose.skeleton)

    @cached_property
    def masked(self) -> NDArray[np.bool_]:
        """Joints (T, V) missing in gaps too long to fill."""
        return masked_by_gaps(self.pose.time, self.seen, self.config.gap_s)

    @cached_property
    def lost_at_edge(self) -> NDArray[np.bool_]:
        """Needed joints (T, J) beyond the image, or in long gaps that begin or end at its edge."""
        lost = np.zeros((len(self.pose), len(self.needed)), dtype=bool)
        if self.pose.size is None:
            return lost
        margin = self.config.edge * min(self.pose.size)
        for column, row in enumerate(self.needed):
            at = self.at[:, row]
            near = self._beyond(at, margin)
            if not near.any():
                continue
            lost[:, column] = self._beyond(at, 0.0)
            first, last = runs(self.masked[:, row])
            before = near[np.maximum(first - 1, 0)] & (first > 0)
            after = near[np.minimum(last + 1, len(near) - 1)] & (last < len(near) - 1)
            for i in np.flatnonzero(before | after):
                lost[first[i] : last[i] + 1, column] = True
        return lost

    def _beyond(self, at: NDArray[np.complex128], margin: float) -> NDArray[np.bool_]:
        """Frames (T,) in which a joint is within `margin` of an edge or outside."""
        width, height = self.pose.size or (np.inf, np.inf)
        x, y = at.real, at.imag
        low, high = (x < margin) | (y < margin), (x > width - margin) | (y > height - margin)
        return low | high

    @cached_property
    def absent(self) -> NDArray[np.bool_]:
        """Frames (T,) without a body: most needed joints are lost in long gaps."""
        return self.masked[:, self.needed].mean(axis=1) > 0.5

    @cached_property
    def usable(self) -> NDArray[np.bool_]:
        """Frames (T,) with all needed joints in the image, uncovered, in long enough stretches."""
        whole_body = ~any_joint(self.masked[:, self.needed] | self.lost_at_edge)
        covered = self.film("covered")
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

    def film(self, name: str) -> NDArray[np.float64] | None:
        """A measure of the film (T,), or None if it is not known for most frames."""
        values = self.pose.film.get(name)
        return None if values is None or np.isfinite(values).mean() < 0.5 else values

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
    return np.logical_or.reduce(chosen, axis=1)


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


def complex_positions(pose: Pose) -> NDArray[np.complex128]:
    """Positions (T, V) as x + iy."""
    return np.ascontiguousarray(pose.xy).view(np.complex128)[..., 0]


def trunk_vector(at: NDArray[np.complex128], skeleton: Skeleton) -> NDArray[np.complex128]:
    """From the middle of the shoulders to the middle of the hips (T,)."""
    a, b, c, d = skeleton.rows("right_hip", "left_hip", "right_shoulder", "left_shoulder")
    return (at[:, a] + at[:, b] - at[:, c] - at[:, d]) / 2


def trunk_length(at: NDArray[np.complex128], skeleton: Skeleton) -> float:
    """Median trunk length; NaN if shoulders and hips are never seen together, or in one place."""
    length = np.abs(trunk_vector(at, skeleton))
    known = length[length > 0]
    return float(np.median(known)) if len(known) else float("nan")
