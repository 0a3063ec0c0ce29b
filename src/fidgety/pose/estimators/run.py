"""One film in, one pose out: frames, estimator, film measures, and the checks on the whole."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import ConfigError, warn
from fidgety.pose.estimators.crops import box_of
from fidgety.pose.estimators.film import FilmMeter
from fidgety.pose.estimators.follow import infant_frames
from fidgety.pose.estimators.plausible import doubt
from fidgety.pose.estimators.protocol import PoseEstimator, Region, Sight
from fidgety.pose.pose import Pose
from fidgety.pose.video import Frame, VideoInfo, ahead, frames, probe

__all__ = ["Progress", "check_region", "estimate_with"]

Progress = Callable[[float, float], None]  # seconds of film done, seconds in all (NaN: not known)
IN_FLIGHT = 4  # frames whose film measures may wait
DARK = 4.0  # mean luma of a film in which nothing is to be seen
SLOW_FPS = 10.0


def estimate_with(
    estimator: PoseEstimator,
    video: str | os.PathLike[str],
    *,
    progress: Progress | None = None,
    arguments: dict[str, Any] | None = None,
) -> Pose:
    """Run an estimator over a film; see `fidgety.pose.estimators.estimate`."""
    info = probe(video)
    log = _Log()
    # Three things at once: decoding, the estimator (here), and measuring the film.
    with ThreadPoolExecutor(max_workers=1) as measuring:
        meter, waiting = FilmMeter(), deque[Future[dict[str, float]]]()
        size = info.size
        for frame in ahead(frames(video)):
            if frame.image.shape[1::-1] != size:
                frame = _resized(frame, size)
            sight = estimator(frame.image, frame.time_s)
            log.add(frame.time_s, sight)
            box = box_of(sight.xy) if sight.subject >= 0 else None
            waiting.append(measuring.submit(meter, frame.image, box))
            while len(waiting) > IN_FLIGHT:
                log.film.append(waiting.popleft().result())
            if progress is not None:
                progress(frame.time_s, info.duration_s)
        log.film += [measure.result() for measure in waiting]
    pose = log.pose(estimator, info, arguments or {})
    _comment(pose, info, os.path.basename(video))
    return pose


def check_region(region: Region | None, size: tuple[int, int]) -> None:
    """Raise `ConfigError` E702 unless a region lies, at least partly, within the image."""
    if region is None:
        return
    left, top, width, height = region
    sound = bool(np.isfinite(region).all()) and min(width, height) > 0
    if not sound or left >= size[0] or top >= size[1] or left + width <= 0 or top + height <= 0:
        raise ConfigError(
            "E702",
            f"Region {','.join(f'{value:g}' for value in region)} lies outside the image",
            why=f"the film is {size[0]}x{size[1]} pixels",
            remedy="Give X,Y,WIDTH,HEIGHT in pixels, counted from the top left corner",
        )


class _Log:
    """What was seen, frame by frame, kept small."""

    def __init__(self) -> None:
        self.time: list[float] = []
        self.xy: list[NDArray[np.float32]] = []
        self.confidence: list[NDArray[np.float32]] = []
        self.rest: list[tuple[float, float, float, float]] = []
        self.film: list[dict[str, float]] = []

    def add(self, time_s: float, sight: Sight) -> None:
        self.time.append(time_s)
        self.xy.append(sight.xy.astype(np.float32))
        self.confidence.append(sight.confidence.astype(np.float32))
        self.rest.append((sight.subject, sight.size, sight.people, sight.covered))

    def pose(self, estimator: PoseEstimator, info: VideoInfo, arguments: dict[str, Any]) -> Pose:
        """The pose of the infant, other bodies dropped and impossible joints doubted."""
        time, xy = np.array(self.time), np.array(self.xy, dtype=np.float64)
        confidence = np.array(self.confidence, dtype=np.float64)
        subject, size, people, covered = np.array(self.rest, dtype=np.float64).T
        hips = xy[:, estimator.skeleton.rows("left_hip", "right_hip")].mean(axis=1)
        infant = infant_frames(subject.astype(int), size, hips)
        xy[~infant], size[~infant], covered[~infant] = np.nan, np.nan, 0
        confidence[~infant] = 0
        film = {name: np.array([frame[name] for frame in self.film]) for name in self.film[0]}
        return Pose(
            xy=xy,
            confidence=doubt(xy, confidence, time, size, info.size, estimator.skeleton),
            time=time,
            size=info.size,
            skeleton=estimator.skeleton,
            source=estimator.source,
            history=({"step": "estimate", **arguments},),
            film={**film, "people": people, "covered": covered},
        )


def _resized(frame: Frame, size: tuple[int, int]) -> Frame:
    """The frame at the size of the film's first one, which a stream may change midway."""
    from fidgety.pose.video import library

    return Frame(frame.time_s, library("cv2", extra="video").resize(frame.image, size))


def _comment(pose: Pose, info: VideoInfo, name: str) -> None:
    """Tell of what will matter when the pose is judged."""
    steps = np.diff(pose.time)
    if np.quantile(steps, 0.95) > 1.5 * np.quantile(steps, 0.05):
        average = 1 / steps.mean()
        warn(
            "W102",
            f"The file says {info.fps:.3g} fps, its timestamps average {average:.3g} (variable)",
            where=name,
            remedy="Times are kept as they are; everything is resampled by them",
        )
    if pose.fps < SLOW_FPS:
        warn(
            "W603",
            f"{pose.fps:.3g} frames a second",
            where=name,
            why="fidgety movements are faster than that can show",
            remedy="Film at 25 frames a second or more",
        )
    seen = np.isfinite(pose.xy[..., 0]).any(axis=1)
    if np.quantile(pose.film["brightness"], 0.9) < DARK:
        warn("W604", "The film is black", where=name, remedy="Film again with the lens uncovered")
    elif seen.mean() < 0.5:
        warn(
            "W605",
            f"No infant found in {100 * (1 - seen.mean()):.0f} % of the frames",
            where=name,
            remedy="The whole body should be visible from above; or give the region it lies in",
        )
