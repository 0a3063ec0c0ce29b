"""Overlapping clips of a pose sequence, and windows over clips. Views, not copies."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import ConfigError, PoseError
from fidgety.motion.sequence import PoseSequence

__all__ = ["ClipConfig", "Clips", "WindowConfig", "split", "windows"]

_ROUNDING_S = 1e-6  # times nearer than this are the same time


@dataclass(frozen=True)
class ClipConfig:
    """How a sequence is cut into clips.

    Parameters
    ----------
    length_s, stride_s : float
        Seconds of a clip, and from the start of one to the start of the next. The published 30 and
        20 frames at 30 fps by default.
    min_observed : float
        A clip is usable if at least this share of its joints and frames was observed.
    """

    length_s: float = 1.0
    stride_s: float = 2 / 3
    min_observed: float = 0.6

    def __post_init__(self) -> None:
        if not (math.isfinite(self.length_s) and self.length_s > 0):
            raise ConfigError("E702", f"Clips of {self.length_s} s", remedy="Use seconds above 0")
        if not 0 < self.stride_s <= self.length_s:
            raise ConfigError(
                "E702",
                f"Stride {self.stride_s} s with clips of {self.length_s} s",
                why="movement between clips would never be looked at",
                remedy="Make the stride at most the clip's length",
            )
        if not 0 <= self.min_observed <= 1:
            raise ConfigError("E702", f"min_observed is {self.min_observed}, not within 0 to 1")

    def frames(self, fps: float) -> tuple[int, int]:
        """Length and stride in whole frames, at least one each."""
        return max(1, round(self.length_s * fps)), max(1, round(self.stride_s * fps))


@dataclass(frozen=True)
class WindowConfig:
    """Windows over clips, in place of the published copied sub-sequences.

    Parameters
    ----------
    length_s, overlap_s : float
        Seconds of a window and of the overlap of consecutive ones; the published 1000 and 200
        frames at 30 fps by default.
    """

    length_s: float = 1000 / 30
    overlap_s: float = 200 / 30

    def __post_init__(self) -> None:
        if not (math.isfinite(self.length_s) and 0 <= self.overlap_s < self.length_s):
            raise ConfigError(
                "E702",
                f"Windows of {self.length_s} s with {self.overlap_s} s of overlap",
                remedy="Make the overlap shorter than the window",
            )


@dataclass(frozen=True, eq=False)
class Clips:
    """The clips of one recording.

    Parameters
    ----------
    every : ndarray (T - length + 1, C, length, V)
        Read-only view on the sequence: a clip from every frame; NaN where a joint was not observed.
    first : ndarray (K,)
        First frame of each clip, a row of `every`.
    start_s : ndarray (K,)
        Start of each clip in the recording's time, seconds.
    length_s : float
        Seconds of a clip.
    usable : ndarray (K,) bool
        False where too little was observed; such clips are masked, not dropped.
    """

    every: NDArray[np.floating]
    first: NDArray[np.intp]
    start_s: NDArray[np.float64]
    length_s: float
    usable: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.start_s)

    def values(self, which: slice | NDArray[np.intp] | None = None) -> NDArray[np.floating]:
        """The clips (K, C, T, V), or some of them, copied out of the view."""
        return self.every[self.first if which is None else self.first[which]]

    def frames(self, which: NDArray[np.intp]) -> tuple[NDArray[np.floating], NDArray[np.intp]]:
        """What some clips are made of: frames (F, C, V), each once, and which ones make each clip.

        With rows (K, T) of frames, the clips are ``frames[rows].transpose(0, 2, 1, 3)``. What lies
        between clips that are not neighbours is left out.
        """
        length = self.every.shape[2]
        taken, rows = np.unique(self.first[which][:, None] + np.arange(length), return_inverse=True)
        start = np.minimum(taken, len(self.every) - 1)  # a clip of `every` that holds the frame
        return self.every[start, :, taken - start], rows.reshape(-1, length)


def split(sequence: PoseSequence, config: ClipConfig | None = None) -> Clips:
    """Cut a sequence into overlapping clips.

    The last clip ends with the last frame even if that makes its stride shorter, so that no frame
    is left out.

    Raises
    ------
    PoseError
        E108 if the sequence is shorter than one clip.
    """
    config = config or ClipConfig()
    length, stride = config.frames(sequence.fps)
    frames = sequence.values.shape[1]
    if frames < length:
        raise PoseError(
            "E108",
            f"The recording is too short: {frames / sequence.fps:.2f} s usable, "
            f"one clip needs {length / sequence.fps:.2f} s",
            remedy="Filming guides ask for 60 s or more",
        )
    starts = np.arange(0, frames - length + 1, stride)
    if starts[-1] != frames - length:
        starts = np.append(starts, frames - length)
    every = np.lib.stride_tricks.sliding_window_view(sequence.values, length, axis=1)
    return Clips(
        every=every.transpose(1, 0, 3, 2),
        first=starts,
        start_s=sequence.start_s + starts / sequence.fps,
        length_s=length / sequence.fps,
        usable=_observed_share(sequence, starts, length) >= config.min_observed,
    )


def windows(clips: Clips, config: WindowConfig | None = None) -> list[slice]:
    """Windows over clips: each a slice of consecutive clips; together they hold every clip.

    A window holds the clips that lie wholly within it; the last one ends with the last clip. A
    window starts early where the overlap asked for would leave out the clips across its border.
    """
    config = config or WindowConfig()
    room = config.length_s - clips.length_s
    if room < -_ROUNDING_S:
        raise ConfigError(
            "E702",
            f"Windows of {config.length_s} s hold no clip of {clips.length_s:.2f} s",
            remedy="Lengthen the window or shorten the clip",
        )
    starts = clips.start_s - clips.start_s[0]
    final = max(0.0, starts[-1] - room)  # the last window ends with the last clip
    begin, found = 0.0, []
    while begin < final:
        first = int(np.searchsorted(starts, begin - _ROUNDING_S))
        after = int(np.searchsorted(starts, begin + room + _ROUNDING_S, side="right"))
        found.append(slice(first, after))
        if after == len(starts):
            return found
        wanted = begin + config.length_s - config.overlap_s
        begin = min(max(wanted, starts[first + 1]), starts[after])
    last = slice(int(np.searchsorted(starts, final - _ROUNDING_S)), len(starts))
    if found and found[-1].start == last.start:
        found.pop()  # it lies within the last
    return [*found, last]


def _observed_share(
    sequence: PoseSequence, starts: NDArray[np.intp], length: int
) -> NDArray[np.float64]:
    """Share of observed joints and frames of each clip (K,)."""
    seen = np.isfinite(sequence.values).all(axis=0)  # (T, V)
    total = np.concatenate([[0], np.cumsum(np.count_nonzero(seen, axis=1))])  # exact: whole numbers
    return (total[starts + length] - total[starts]) / (length * sequence.values.shape[2])
