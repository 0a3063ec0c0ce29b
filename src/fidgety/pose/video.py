"""Video in: upright RGB frames with their true presentation times, streamed one after the other."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import warn
from fidgety.pose.container import (
    VIDEO_SUFFIXES,
    checked,
    nothing_decoded,
    opened,
    pictures_of,
    still_picture,
)
from fidgety.pose.optional import library

__all__ = [
    "VIDEO_SUFFIXES",
    "Frame",
    "Part",
    "VideoInfo",
    "ahead",
    "frames",
    "halved",
    "probe",
    "resized",
]

Part = tuple[float, float]  # seconds of a film after its first picture: from, to
_SEEK_S = 10.0  # to a part that begins sooner the film is simply read
_BREAK_S = 0.5  # a film may end this much before its stated length without having been cut off
Item = TypeVar("Item")


@dataclass(frozen=True)
class VideoInfo:
    """What a video file says of itself.

    Parameters
    ----------
    size : (int, int)
        Width and height in pixels as a viewer shows them: upright, with square pixels.
    fps : float
        Average frames per second; NaN if the file does not say.
    duration_s : float
        Length in seconds; NaN if the file does not say.
    codec : str
        Name of the codec, such as ``"hevc"``.
    pixel_format : str
        Such as ``"yuv420p10le"``.
    rotation : int
        Degrees clockwise by which the stored picture is turned to stand upright: 0, 90, 180, 270.
    simulated : bool
        Whether the file says that it was drawn: `fidgety simulate --films` writes so.
    """

    size: tuple[int, int]
    fps: float
    duration_s: float
    codec: str
    pixel_format: str
    rotation: int
    simulated: bool = False


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a video.

    Parameters
    ----------
    time_s : float
        Presentation time in seconds after the first picture of the film.
    image : ndarray (H, W, 3), uint8
        Red, green, blue; upright.
    """

    time_s: float
    image: NDArray[np.uint8]


def probe(path: str | os.PathLike[str]) -> VideoInfo:
    """Read size, frame rate and length of a video from its header and first picture.

    Raises
    ------
    VideoError
        As `frames`.
    """
    av = library("av", extra="video")
    source = checked(path)
    with opened(av, source) as container:
        stream = pictures_of(container, source)
        first = next(_pictures(av, container, stream, _Tally()), None)
        if first is None:
            raise nothing_decoded(source)
        width, height = _square_pixels(first, _aspect(stream))
        if _clockwise(first) in (90, 270):
            width, height = height, width
        rate = stream.average_rate or stream.guessed_rate
        return VideoInfo(
            size=(width, height),
            fps=float(rate) if rate else float("nan"),
            duration_s=_stated_duration(container, stream),
            codec=stream.codec_context.name,
            pixel_format=first.format.name,
            rotation=_clockwise(first),
            simulated=container.metadata.get("comment", "").startswith("simulated"),
        )


def frames(path: str | os.PathLike[str], part: Part | None = None) -> Iterator[Frame]:
    """Frames of a video in order of presentation, one at a time.

    Times are those of the file (variable frame rate), counted from its first picture. Rotation
    metadata and non-square pixels are applied, sound is ignored, any bit depth becomes 8 bits.
    Pictures that cannot be decoded, and pictures not later than the one before, are left out.
    Memory does not grow with length.

    Parameters
    ----------
    path : path-like
        The film.
    part : (from, to), optional
        Seconds after its first picture; the rest is passed over, without being decoded where the
        file can be searched. Times are those of the whole film.

    Raises
    ------
    FileError
        E502 not permitted, E504 no such file.
    VideoError
        E104 index missing (upload cut off); E601 not a video; E602 empty file; E603 no video
        stream; E604 a still picture; E605 not one picture could be decoded; E607 PyAV missing.

    Warns
    -----
    FidgetyWarning
        W601 the film breaks off before its stated end; W602 pictures left out.
    """
    av = library("av", extra="video")
    source = checked(path)
    tally = _Tally()
    begin, end = part or (0.0, np.inf)
    with opened(av, source) as container:
        stream = pictures_of(container, source)
        stated, aspect = _stated_duration(container, stream), _aspect(stream)
        pictures = _timed(_pictures(av, container, stream, tally), tally)
        first = next(pictures, None)
        if first is None:
            raise nothing_decoded(source)
        start_s, last_s = first.time, 0.0
        if begin > _SEEK_S:
            first, pictures = _sought(av, container, stream, tally, start_s + begin) or (
                first,
                pictures,
            )
        for picture in chain([first], pictures):
            last_s = picture.time - start_s
            if last_s > end:
                break
            if last_s >= begin:
                yield Frame(last_s, _image(picture, aspect))
            else:
                tally.lost = 0  # what is missing before the part matters to nobody
    if last_s <= 0:
        raise still_picture(source)
    _report(source, tally, last_s, stated if last_s < end else last_s)


def ahead(items: Iterator[Item], depth: int = 4) -> Iterator[Item]:
    """The same items, made by a thread of their own up to `depth` ahead of their use."""
    line: queue.Queue[tuple[str, Any]] = queue.Queue(maxsize=depth)
    stop = threading.Event()

    def put(kind: str, value: Any) -> bool:
        while not stop.is_set():
            try:
                line.put((kind, value), timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def work() -> None:
        try:
            for item in items:
                if not put("item", item):
                    return
            put("end", None)
        except BaseException as error:  # handed over, raised where the items are used
            put("error", error)

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    try:
        while True:
            kind, value = line.get()
            if kind == "end":
                return
            if kind == "error":
                raise value
            yield value
    finally:
        stop.set()
        worker.join()


def halved(image: NDArray[np.uint8], times: int) -> NDArray[np.uint8]:
    """An image (H, W) or (H, W, 3) halved some `times`, each pixel the mean of four.

    Several times faster than one reduction by another factor. Odd last rows and columns are left
    out.
    """
    cv2 = library("cv2", extra="video")
    for _ in range(times):
        rows, columns = image.shape[0] // 2, image.shape[1] // 2
        part = image[: 2 * rows, : 2 * columns]
        image = cv2.resize(part, (columns, rows), interpolation=cv2.INTER_AREA)
    return image


def resized(image: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    """A copy of an image (H, W) or (H, W, 3) whose longer side is `longest` pixels.

    It is halved first, and interpolated for the rest, which does not alias.
    """
    cv2 = library("cv2", extra="video")
    height, width = image.shape[:2]
    scale = longest / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    times = min(int(np.log2(max(1.0, 1 / scale))), int(np.log2(min(height, width))))
    return cv2.resize(halved(image, times), size, interpolation=cv2.INTER_LINEAR)


@dataclass
class _Tally:
    """What went wrong while decoding."""

    lost: int = 0
    broken: bool = False


def _pictures(av: ModuleType, container: Any, stream: Any, tally: _Tally) -> Iterator[Any]:
    """Decoded frames; damaged packets are passed over, a broken container ends the film."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except (av.error.FFmpegError, OSError):
            tally.broken = True
            return
        try:
            decoded = packet.decode()
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            tally.lost += 1
            continue
        for picture in decoded:
            if picture.is_corrupt:
                tally.lost += 1
            else:
                yield picture


def _timed(pictures: Iterator[Any], tally: _Tally) -> Iterator[Any]:
    """Those pictures that have a time, and one later than the picture before."""
    last_s = -np.inf
    for picture in pictures:
        if picture.time is None or picture.time <= last_s:
            tally.lost += 1
            continue
        last_s = picture.time
        yield picture


def _sought(
    av: ModuleType, container: Any, stream: Any, tally: _Tally, time_s: float
) -> tuple[Any, Iterator[Any]] | None:
    """The first picture from a little before a time, and those after it; None if not found."""
    for margin in (1.0, 10.0, 60.0, time_s):  # an index may lead to a picture that is too late
        try:
            container.seek(int(max(0.0, time_s - margin) / stream.time_base), stream=stream)
        except (av.error.FFmpegError, OSError):
            return None
        pictures = _timed(_pictures(av, container, stream, tally), tally)
        first = next(pictures, None)
        if first is not None and first.time <= time_s:
            return first, pictures
    return None


def _image(picture: Any, aspect: Fraction) -> NDArray[np.uint8]:
    """RGB picture (H, W, 3), turned upright, with square pixels."""
    width, height = _square_pixels(picture, aspect)
    image = picture.to_ndarray(format="rgb24", width=width, height=height)
    turn = _clockwise(picture)
    if turn:
        cv2 = library("cv2", extra="video")
        image = cv2.rotate(image, {90: 0, 180: 1, 270: 2}[turn])
    return image


def _aspect(stream: Any) -> Fraction:
    """Width of a stored pixel over its height; 1 unless the file says something sensible."""
    aspect = stream.sample_aspect_ratio or Fraction(1)
    return aspect if Fraction(1, 4) <= aspect <= 4 else Fraction(1)


def _square_pixels(picture: Any, aspect: Fraction) -> tuple[int, int]:
    """Width and height with square pixels, before rotation."""
    return round(picture.width * aspect), picture.height


def _clockwise(picture: Any) -> int:
    """Clockwise quarter turns, in degrees, that make the picture stand as the camera was held."""
    return round(-picture.rotation / 90) % 4 * 90


def _stated_duration(container: Any, stream: Any) -> float:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if not container.duration:
        return float("nan")
    # Matroska counts from zero to the end, also where the first picture comes later.
    late = "matroska" in container.format.name and container.start_time
    return (container.duration - max(0, late or 0)) / 1e6


def _report(source: Path, tally: _Tally, last_s: float, stated_s: float) -> None:
    if tally.broken or stated_s - last_s > max(_BREAK_S, 0.01 * stated_s):
        length = f"of {stated_s:.1f} s" if np.isfinite(stated_s) else "(length unknown)"
        warn(
            "W601",
            f"The film breaks off at {last_s:.1f} s {length}",
            where=source.name,
            why="the file is damaged or was cut off",
            remedy="What came before is used; copy the file again for the rest",
        )
    if tally.lost:
        warn(
            "W602",
            f"{tally.lost} pictures were left out",
            where=source.name,
            why="they could not be decoded or carry no valid time",
        )
