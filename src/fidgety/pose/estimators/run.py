"""One film in, one pose out: frames, estimator, film measures, and checks on the whole."""

from __future__ import annotations

import hashlib
import json
import os
from array import array
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from fidgety.errors import ConfigError, VideoError, warn
from fidgety.files import existing, file_error
from fidgety.pose.estimators.blazepose import BlazePose
from fidgety.pose.estimators.crops import box_of
from fidgety.pose.estimators.film import FilmMeter
from fidgety.pose.estimators.follow import infant_frames
from fidgety.pose.estimators.onnx_topdown import OnnxTopDown
from fidgety.pose.estimators.plausible import doubt
from fidgety.pose.estimators.protocol import PoseEstimator, Region, Sight
from fidgety.pose.optional import library
from fidgety.pose.pose import Pose
from fidgety.pose.video import Frame, Part, VideoInfo, ahead, frames, probe

__all__ = ["ESTIMATORS", "Progress", "estimate", "fingerprint", "settings_of"]

ESTIMATORS: dict[str, Callable[..., PoseEstimator]] = {
    "blazepose": BlazePose,
    "onnx": OnnxTopDown,
}

Progress = Callable[[float, float], None]  # seconds of film done, seconds in all (NaN: not known)
IN_FLIGHT = 4  # frames whose film measures may wait
DARK = 4.0  # mean luma of a film in which nothing is to be seen
SLOW_FPS = 10.0
LONGEST_S = 3600.0  # of one pose; movements are judged over minutes
FOREVER_S = 1e9
_BLOCK = 1 << 20  # bytes


def estimate(
    video: str | os.PathLike[str],
    backend: str = "blazepose",
    *,
    region: Region | None = None,
    part: Part | None = None,
    progress: Progress | None = None,
    threads: int | None = None,
    **options: Any,
) -> Pose:
    """Estimate the pose of the infant in a film.

    Parameters
    ----------
    video : path-like
        The film; read as `fidgety.pose.video.frames` does.
    backend : str
        A key of `ESTIMATORS`.
    region : (x, y, width, height), optional
        Where the infant lies, in pixels; needed only where another is taken for it.
    part : (from, to), optional
        Seconds of the film to look at; all of it by default, if that is no more than an hour.
    progress : callable (seconds done, seconds in all), optional
        Called after each frame.
    threads : int, optional
        Threads of the models; by default one a core, 4 at most; the film is decoded and measured
        beside them. Give 1 where several films are looked at side by side.
    **options
        Of the backend: `OnnxTopDown` needs ``weights``.

    Returns
    -------
    Pose
        In pixels at the film's own times. `film` holds, for each frame: ``brightness`` (mean luma,
        0 to 255), ``sharpness`` (variance of the Laplacian of the grey image, 640 pixels on its
        longer side), ``people``, ``covered`` (0 or 1), and the background's motion since the frame
        before: ``camera_dx``, ``camera_dy`` (px, of the image centre), ``camera_scale``,
        ``camera_rotation`` (rad).

    Raises
    ------
    VideoError
        E104, E601 to E605 the film; E611 more than an hour; E607 an extra is missing; E620, E621
        the BlazePose weights; E630 to E632 the ONNX model.
    ConfigError
        E701 unknown option; E702 unknown backend, impossible region or part.
    FileError
        E502, E504.

    Warns
    -----
    FidgetyWarning
        W102 variable frame rate; W601 cut off; W602 pictures left out; W603 few frames a second;
        W604 black film; W605 no infant in most frames.
    """
    settings = settings_of(backend, {"region": region, "part": part, **options})
    info = probe(video)
    _check_region(region, info.size)
    part = _checked_part(part, info.duration_s, Path(video).name)
    try:
        estimator = ESTIMATORS[backend](
            region=region, threads=threads or _model_threads(), **options
        )
    except TypeError as error:
        raise ConfigError("E701", f"The options of {backend} do not fit", why=str(error)) from error
    log = _watched(estimator, video, info, part, progress)
    pose = log.pose(estimator, info, settings)
    _comment(pose, info, Path(video).name)
    return pose


def _model_threads() -> int:
    return min(4, os.cpu_count() or 1)


def settings_of(backend: str, options: dict[str, Any]) -> dict[str, Any]:
    """What a pose depends on beside the film, JSON-ready; `ConfigError` E702 if not a backend."""
    if backend not in ESTIMATORS:
        raise ConfigError(
            "E702",
            f"No estimator named {backend!r}",
            remedy=f"Choose one of {', '.join(ESTIMATORS)}",
        )
    plain = {k: v for k, v in options.items() if v is not None and k != "threads"}
    if "part" in plain:  # JSON knows no infinity
        plain["part"] = [min(float(second), FOREVER_S) for second in plain["part"]]
    if "weights" in plain:
        plain["weights"] = fingerprint(plain["weights"])
    return json.loads(json.dumps({"backend": backend, **plain}))


def fingerprint(path: str | os.PathLike[str]) -> str:
    """A short hash of a file's length and of the bytes at both its ends, to know it again."""
    source = existing(path)
    try:
        with source.open("rb") as handle:
            length = handle.seek(0, os.SEEK_END)
            handle.seek(0)
            digest = hashlib.sha256(length.to_bytes(8, "big") + handle.read(_BLOCK))
            handle.seek(max(0, length - _BLOCK))
            digest.update(handle.read(_BLOCK))
    except OSError as error:
        raise file_error(error, source) from error
    return digest.hexdigest()[:24]


def _watched(
    estimator: PoseEstimator,
    video: str | os.PathLike[str],
    info: VideoInfo,
    part: Part,
    progress: Progress | None,
) -> _Log:
    """What the estimator and the film's measures say of each frame."""
    log, size = _Log(), info.size
    length_s = min(part[1], info.duration_s) - part[0]  # NaN where it is not known
    # Three things at once: decoding, the estimator (here), and measuring the film.
    with ThreadPoolExecutor(max_workers=1) as measuring:
        meter, waiting = FilmMeter(), deque[Future[dict[str, float]]]()
        for frame in ahead(frames(video, part)):
            if frame.image.shape[1::-1] != size:
                frame = _resized(frame, size)
            if frame.time_s > part[0] + LONGEST_S:
                raise _too_long(Path(video).name, frame.time_s)
            sight = estimator(frame.image, frame.time_s)
            log.add(frame.time_s, sight)
            box = box_of(sight.xy) if sight.subject >= 0 else None
            waiting.append(measuring.submit(meter, frame.image, box))
            while len(waiting) > IN_FLIGHT:
                log.measure(waiting.popleft().result())
            if progress is not None:
                progress(frame.time_s - part[0], length_s)
        for measured in waiting:
            log.measure(measured.result())
    if not log.time:
        raise _no_such_part(part, Path(video).name)
    return log


def _check_region(region: Region | None, size: tuple[int, int]) -> None:
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


def _checked_part(part: Part | None, duration_s: float, name: str) -> Part:
    """The seconds to look at; `ConfigError` E702 if there are none, `VideoError` E611 too many."""
    start, end = (0.0, np.inf) if part is None else part
    if not 0 <= start < end or start >= duration_s:
        raise _no_such_part((start, end), name)
    seconds = min(end, duration_s) - start  # NaN where it is not known
    if seconds > LONGEST_S:
        raise _too_long(name, seconds)
    return start, end


def _no_such_part(part: Part, name: str) -> ConfigError:
    return ConfigError(
        "E702",
        f"Nothing to look at from {part[0]:g} "
        + (f"to {part[1]:g} s" if part[1] < FOREVER_S else "s on"),
        where=name,
        why="the film ends before, or the part ends before it begins",
        remedy="Give seconds of the film, such as --from 60 --to 240",
    )


def _too_long(name: str, seconds: float) -> VideoError:
    return VideoError(
        "E611",
        f"{seconds / 60:.0f} min of film are too long for one pose",
        where=name,
        why="movements are judged over some minutes; an hour at most is looked at",
        remedy="Choose the minutes, for example --from 10:00 --to 15:00, or cut the film",
    )


class _Log:
    """What was seen, frame by frame, kept small."""

    def __init__(self) -> None:
        self.time, self.rest = array("d"), array("d")
        self.xy, self.confidence = array("f"), array("f")
        self.film: dict[str, array[float]] = {}

    def add(self, time_s: float, sight: Sight) -> None:
        self.time.append(time_s)
        self.xy.frombytes(sight.xy.astype(np.float32).tobytes())
        self.confidence.frombytes(sight.confidence.astype(np.float32).tobytes())
        self.rest.extend((sight.subject, sight.size, sight.people, sight.covered))

    def measure(self, measures: dict[str, float]) -> None:
        for name, value in measures.items():
            self.film.setdefault(name, array("d")).append(value)

    def pose(self, estimator: PoseEstimator, info: VideoInfo, arguments: dict[str, Any]) -> Pose:
        """The pose of the infant, other bodies dropped and impossible joints doubted."""
        time = np.array(self.time)
        xy = np.array(self.xy, dtype=np.float64).reshape(len(time), -1, 2)  # (T, V, 2)
        confidence = np.array(self.confidence, dtype=np.float64).reshape(xy.shape[:2])
        subject, size, people, covered = np.array(self.rest).reshape(-1, 4).T.copy()
        hips = xy[:, estimator.skeleton.rows("left_hip", "right_hip")].mean(axis=1)
        infant = infant_frames(subject.astype(int), size, hips)
        xy[~infant], size[~infant], covered[~infant] = np.nan, np.nan, 0
        confidence[~infant] = 0
        film = {name: np.array(values) for name, values in self.film.items()}
        return Pose(
            xy=xy,
            confidence=doubt(xy, confidence, time, size, info.size, estimator.skeleton),
            time=time,
            size=info.size,
            skeleton=estimator.skeleton,
            source=f"simulated, drawn; {estimator.source}" if info.simulated else estimator.source,
            history=({"step": "estimate", **arguments},),
            film={**film, "people": people, "covered": covered},
        )


def _resized(frame: Frame, size: tuple[int, int]) -> Frame:
    """The frame at the size of the film's first one, which a stream may change midway."""
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
