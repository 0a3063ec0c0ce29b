"""Pose: one body followed through a recording; saved as the native Parquet file."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import ArrayLike, NDArray

from fidgety.errors import PoseError
from fidgety.files import whole_file
from fidgety.pose.skeleton import BUILT_IN_SKELETONS, MIDPOINTS, Skeleton, load_skeleton

__all__ = ["SCHEMA_VERSION", "Pose", "Unit", "check_fps", "is_size"]

SCHEMA_VERSION = 1
Unit = Literal["px", "trunk"]


@dataclass(frozen=True, eq=False)
class Pose:
    """Keypoints of one body over time.

    Parameters
    ----------
    xy : array_like (T, V, 2)
        Joint positions, x to the right and y down; NaN where a joint was not seen.
    confidence : array_like (T, V)
        0 (not seen) to 1; becomes 0 wherever the position is missing, and the position becomes NaN
        wherever it is 0.
    time : array_like (T,)
        Seconds, strictly increasing.
    size : (int, int) or None
        Width and height of the image in pixels, if known.
    skeleton : Skeleton
        Names of the V joints.
    unit : {"px", "trunk"}
        Pixels as read, or trunk lengths after preprocessing.
    source : str
        What made the pose (estimator, format), for the record; never a path or a name of a person.
    history : tuple of dict
        The steps that led here, each {"step": name, ...its arguments}.
    film : dict of str to ndarray (T,)
        What an estimator measured of each frame beside the pose (``brightness``, ``people`` ...);
        empty for poses that came without their video.

    Raises
    ------
    PoseError
        E310 wrong shapes, E311 infinite values, E312 times missing or not increasing, E313 no
        frames, E314 image size not positive, E315 confidence not within 0 to 1.
    """

    xy: NDArray[np.float64]
    confidence: NDArray[np.float64]
    time: NDArray[np.float64]
    size: tuple[int, int] | None
    skeleton: Skeleton
    unit: Unit = "px"
    source: str = ""
    history: tuple[dict[str, Any], ...] = field(default=())
    film: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        xy = _numbers(self.xy)  # (T, V, 2)
        confidence = _numbers(self.confidence)  # (T, V)
        time = _numbers(self.time)  # (T,)
        joints = len(self.skeleton)
        if xy.ndim != 3 or xy.shape[1:] != (joints, 2):
            raise _bad("E310", f"Positions are {xy.shape}, not (frames, {joints}, 2)")
        if confidence.shape != xy.shape[:2] or time.shape != xy.shape[:1]:
            raise _bad(
                "E310",
                f"Shapes disagree: positions {xy.shape}, confidence {confidence.shape}, "
                f"time {time.shape}",
            )
        if len(time) == 0:
            raise _bad("E313", "The pose has no frames")
        if np.isinf(xy).any() or np.isinf(confidence).any():
            raise _bad("E311", "The pose holds infinite values")
        if not np.isfinite(time).all() or (np.diff(time) <= 0).any():
            raise _bad("E312", "Times must be finite and strictly increasing")
        if self.size is not None and not is_size(self.size):
            raise _bad("E314", f"Impossible image size {self.size}")
        confidence = _with(confidence, np.isnan(confidence), 0.0)
        if confidence.min() < 0 or confidence.max() > 1:
            raise _bad("E315", "Confidence must lie between 0 and 1")
        unseen = np.isnan(xy).any(axis=2) | (confidence == 0)
        xy = _with(xy, unseen[..., None] & ~np.isnan(xy), np.nan)
        confidence = _with(confidence, unseen & (confidence != 0), 0.0)
        film = {name: _numbers(measure) for name, measure in self.film.items()}
        if any(measure.shape != time.shape for measure in film.values()):
            raise _bad("E310", "A measure of the film has not one value a frame")
        for array in (xy, confidence, time, *film.values()):
            array.setflags(write=False)
        object.__setattr__(self, "film", film)
        object.__setattr__(self, "xy", xy)
        object.__setattr__(self, "confidence", confidence)
        object.__setattr__(self, "time", time)
        if self.size is not None:
            object.__setattr__(self, "size", (int(self.size[0]), int(self.size[1])))

    def __len__(self) -> int:
        return len(self.time)

    @property
    def fps(self) -> float:
        """Frames per second by the median time step; NaN for a single frame."""
        return float(1.0 / np.median(np.diff(self.time))) if len(self) > 1 else float("nan")

    @property
    def duration_s(self) -> float:
        """Seconds from the first frame to the end of the last."""
        if len(self) < 2:
            return 0.0
        return float(self.time[-1] - self.time[0]) + 1.0 / self.fps

    def then(self, step: str, *, arguments: dict[str, Any] | None = None, **changes: Any) -> Pose:
        """A changed copy that remembers the step which changed it.

        Parameters
        ----------
        step : str
            Name of the step for `history`.
        arguments : dict, optional
            What the step was given, JSON-ready.
        **changes
            Fields of `Pose` to replace.
        """
        return replace(
            self, history=(*self.history, {"step": step, **(arguments or {})}), **changes
        )

    def to_skeleton(self, target: str | Skeleton) -> Pose:
        """The same body in another layout, matched by joint name.

        A neck or mid-hip that this layout lacks becomes the midpoint of shoulders or hips, with the
        lower of the two confidences. Joints that cannot be had are missing (NaN, confidence 0).
        """
        wanted = load_skeleton(target) if isinstance(target, str) else target
        if wanted == self.skeleton:
            return self
        xy = np.full((len(self), len(wanted), 2), np.nan)
        confidence = np.zeros((len(self), len(wanted)))
        for row, joint in enumerate(wanted.joints):
            if joint in self.skeleton.index:
                found = self.skeleton.index[joint]
                xy[:, row], confidence[:, row] = self.xy[:, found], self.confidence[:, found]
            elif joint in MIDPOINTS and set(MIDPOINTS[joint]) <= set(self.skeleton.joints):
                ends = self.skeleton.rows(*MIDPOINTS[joint])
                xy[:, row] = self.xy[:, ends].mean(axis=1)
                confidence[:, row] = self.confidence[:, ends].min(axis=1)
        return self.then(
            "to_skeleton",
            arguments={"from": self.skeleton.name, "to": wanted.name},
            xy=xy,
            confidence=confidence,
            skeleton=wanted,
        )

    def mirrored(self) -> Pose:
        """The body as a mirrored image would show it, left and right names exchanged.

        Raises
        ------
        PoseError
            E314 if the pose is in pixels and its image size is not known.
        """
        if self.unit == "px" and self.size is None:
            raise _bad("E314", "Mirroring needs the image size, which is not known")
        width = self.size[0] - 1 if self.unit == "px" and self.size else 0
        order = self.skeleton.mirror_order
        xy = self.xy[:, order] * (-1.0, 1.0) + (width, 0.0)
        return self.then("mirrored", xy=xy, confidence=self.confidence[:, order])

    def between(self, start_s: float, end_s: float) -> Pose:
        """Frames with start_s <= time < end_s; raises `PoseError` E313 if there are none."""
        keep = (self.time >= start_s) & (self.time < end_s)
        return self.then(
            "between",
            arguments={"start_s": start_s, "end_s": end_s},
            xy=self.xy[keep],
            confidence=self.confidence[keep],
            time=self.time[keep],
            film={name: measure[keep] for name, measure in self.film.items()},
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the native Parquet file, whole or not at all; return its path.

        Columns ``time_s``, then ``<joint>_x``, ``<joint>_y``, ``<joint>_confidence`` for each
        joint, then ``film_<measure>`` where there are any; the schema metadata key ``fidgety``
        holds the rest as JSON.

        Raises
        ------
        FileError
            E501 disk full, E502 not permitted, E503 refused otherwise.
        """
        columns: dict[str, NDArray[np.float64]] = {"time_s": self.time}
        for row, joint in enumerate(self.skeleton.joints):
            columns[f"{joint}_x"] = self.xy[:, row, 0]
            columns[f"{joint}_y"] = self.xy[:, row, 1]
            columns[f"{joint}_confidence"] = self.confidence[:, row]
        columns |= {f"film_{name}": measure for name, measure in self.film.items()}
        name = self.skeleton.name
        built_in = name in BUILT_IN_SKELETONS and self.skeleton == load_skeleton(name)
        meta = {
            "schema_version": SCHEMA_VERSION,
            "skeleton": name if built_in else self.skeleton.to_dict(),
            "size": None if self.size is None else list(self.size),
            "unit": self.unit,
            "source": self.source,
            "history": list(self.history),
        }
        table = pa.table(columns).replace_schema_metadata({"fidgety": json.dumps(meta)})
        with whole_file(path) as draft:
            pq.write_table(table, draft, compression="zstd")
        return Path(path)

    @classmethod
    def at_fps(
        cls,
        xy: ArrayLike,
        confidence: ArrayLike,
        fps: float,
        skeleton: str | Skeleton,
        size: Sequence[int] | None = None,
        source: str = "",
    ) -> Pose:
        """A pose whose frames are evenly spaced from 0 s at `fps` frames per second.

        Raises
        ------
        PoseError
            E316 if `fps` is missing, zero, negative or not finite; else as `Pose`.
        """
        checked = check_fps(fps)
        positions = _numbers(xy)
        return cls(
            xy=positions,
            confidence=_numbers(confidence),
            time=np.arange(positions.shape[0] if positions.ndim else 0) / checked,
            size=None if size is None else tuple(size),  # type: ignore[arg-type]
            skeleton=load_skeleton(skeleton) if isinstance(skeleton, str) else skeleton,
            source=source,
        )


def check_fps(fps: float | None) -> float:
    """Return `fps` as a float; raise `PoseError` E316 unless it is positive and at most 1000."""
    number = isinstance(fps, int | float | np.integer | np.floating)
    if not number or isinstance(fps, bool) or not 0 < fps <= 1000:
        raise PoseError(
            "E316",
            "The frame rate is missing" if fps is None else f"Impossible frame rate {fps!r}",
            why="these pose files do not carry their times",
            remedy="Give the video's frame rate, for example --fps 30",
        )
    return float(fps)


def _numbers(values: ArrayLike) -> NDArray[np.float64]:
    """A copy as floats, or the array itself if nobody can write to it, as those of another pose.

    Raises `PoseError` E310 where there is anything but numbers in a grid.
    """
    if isinstance(values, np.ndarray) and values.dtype == np.float64:
        fixed = values.base is None and not values.flags.writeable
        if fixed:
            return values
    try:
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise _bad("E310", "The pose is not a grid of numbers") from error


def _with(
    array: NDArray[np.float64], where: NDArray[np.bool_], value: float
) -> NDArray[np.float64]:
    """The array with a value in some places; a copy only if it must change and is not our own."""
    if where.any():
        array = array if array.flags.writeable else array.copy()
        array[where] = value
    return array


def is_size(size: Any) -> bool:
    """Whether a size is two whole, positive numbers."""
    if not isinstance(size, list | tuple) or len(size) != 2:
        return False
    numbers = all(isinstance(side, int | float | np.number) for side in size)
    return numbers and all(0 < side <= 1e9 and float(side).is_integer() for side in size)


def _bad(code: str, what: str) -> PoseError:
    remedy = {
        "E311": "Write missing joints as NaN or with confidence 0",
        "E312": "Check the time column, or give --fps instead",
        "E313": "Check that the recording is not empty",
        "E314": "Give the size as WIDTHxHEIGHT in pixels",
        "E315": "Scale the confidences to 0 to 1",
    }.get(code, "Check the file against its skeleton")
    return PoseError(code, what, remedy=remedy)
