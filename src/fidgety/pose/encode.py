"""Video out: constant-rate H.264 files that any viewer plays, whole or not there at all."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import VideoError
from fidgety.files import file_error, whole_file
from fidgety.pose.optional import library
from fidgety.pose.video import Frame, frames, probe, resized

__all__ = ["at_constant_rate", "pictures_only", "proxy", "write_video"]

_SUFFIXES = (".mp4", ".m4v", ".mov")


def write_video(
    path: str | os.PathLike[str],
    images: Iterable[NDArray[np.uint8]],
    fps: float,
    *,
    quality: int = 23,
    comment: str = "",
) -> Path:
    """Write RGB images as a constant-rate H.264 film (yuv420p, index first); return its path.

    Parameters
    ----------
    path : path-like
        Ends in .mp4, .m4v or .mov.
    images : iterable of ndarray (H, W, 3), uint8
        All of one size; an odd last row or column is left out, as the format wants even sizes.
    fps : float
        Frames per second.
    quality : int
        x264's constant rate factor: lower is better and larger.
    comment : str
        What the file says of itself; nothing by default.

    Raises
    ------
    VideoError
        E607 PyAV missing; E608 no images, images of several sizes, an impossible frame rate or
        an unknown suffix.
    FileError
        E501 to E503 the file cannot be written.
    """
    av = library("av", extra="video")
    target = Path(path)
    if target.suffix.lower() not in _SUFFIXES:
        raise _unwritable(target, f"a film is written as {', '.join(_SUFFIXES)}")
    if not (np.isfinite(fps) and 0 < fps <= 1000):
        raise _unwritable(target, f"{fps} frames per second is not possible")
    rate = Fraction(fps).limit_denominator(1001)
    size: tuple[int, int] | None = None
    with whole_file(target) as draft:
        try:
            with av.open(
                f"file:{draft}", "w", format="mp4", options={"movflags": "+faststart"}
            ) as out:
                stream = out.add_stream(
                    "libx264", rate=rate, options={"crf": str(quality), "preset": "veryfast"}
                )
                stream.pix_fmt = "yuv420p"
                out.metadata.update({"comment": comment} if comment else {})
                for count, image in enumerate(images):
                    if size is None:
                        size = (image.shape[1] // 2 * 2, image.shape[0] // 2 * 2)
                        if min(size) < 2:
                            raise _unwritable(target, f"images of {image.shape} are too small")
                        stream.width, stream.height = size
                    if (image.shape[1] // 2 * 2, image.shape[0] // 2 * 2) != size:
                        raise _unwritable(target, "its images differ in size")
                    even = np.ascontiguousarray(image[: size[1], : size[0]])
                    picture = av.VideoFrame.from_ndarray(even, format="rgb24")
                    picture.pts, picture.time_base = count, 1 / rate
                    out.mux(stream.encode(picture))
                if size is None:
                    raise _unwritable(target, "there are no images")
                out.mux(stream.encode(None))
        except av.error.FFmpegError as error:
            if isinstance(error, OSError) and error.errno:
                raise file_error(error, target) from error
            raise _unwritable(target, str(error)) from error
    return target


def at_constant_rate(film: Iterable[Frame], fps: float) -> Iterator[Frame]:
    """Show a film at a constant rate: at each k / fps the picture that was then on show.

    The images are those of `film`, repeated or left out; times become k / fps.
    """
    count, shown = 0, None
    for frame in film:
        # Half a step early, so that jitter of the times neither doubles nor drops pictures.
        while shown is not None and (count + 0.5) / fps <= frame.time_s:
            yield Frame(count / fps, shown.image)
            count += 1
        shown = frame
    if shown is not None:
        yield Frame(count / fps, shown.image)


def proxy(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    fps: float | None = None,
    height: int | None = None,
) -> Path:
    """Write a constant-rate, upright, silent H.264 copy of a video; return its path.

    Parameters
    ----------
    path : path-like
        The film.
    out : path-like
        The copy, .mp4, .m4v or .mov.
    fps : float, optional
        Frames per second; the film's average by default.
    height : int, optional
        Largest height in pixels; smaller films keep theirs.

    Raises
    ------
    VideoError, FileError
        As `frames` and `write_video`.
    """
    info = probe(path)
    if fps is None:
        fps = info.fps if np.isfinite(info.fps) else 30.0
    images = (frame.image for frame in at_constant_rate(frames(path), fps))
    if height is not None and height < info.size[1]:
        longest = round(max(info.size) * height / info.size[1])
        images = (resized(image, longest) for image in images)
    return write_video(out, images, fps)


def pictures_only(path: str | os.PathLike[str], out: str | os.PathLike[str]) -> Path:
    """Write a copy of a film that holds its pictures, their times and their turn, and nothing else.

    No sound, no subtitles, no tags: neither place nor camera nor time of day. The pictures are not
    encoded anew, so that an estimator sees the same ones.

    Raises
    ------
    VideoError
        As `probe`; E608 if the pictures do not fit into an MP4 file.
    FileError
        E501 to E504.
    """
    av = library("av", extra="video")
    probe(path)  # says what is wrong with it
    target = Path(out)
    if target.suffix.lower() not in _SUFFIXES:
        raise _unwritable(target, f"a film is written as {', '.join(_SUFFIXES)}")
    flags = {"movflags": "+faststart", "fflags": "+bitexact"}
    with whole_file(target) as draft:
        try:
            with (
                av.open(f"file:{path}", metadata_errors="replace") as film,
                av.open(f"file:{draft}", "w", format="mp4", options=flags) as copy,
            ):
                pictures = film.streams.video[0]
                stream = copy.add_stream_from_template(pictures)
                stream.metadata.clear()
                for packet in film.demux(pictures):
                    if packet.dts is not None:
                        packet.stream = stream
                        copy.mux(packet)
        except av.error.FFmpegError as error:
            if isinstance(error, OSError) and error.errno:
                raise file_error(error, target) from error
            raise _unwritable(target, str(error)) from error
    return target


def _unwritable(target: Path, why: str) -> VideoError:
    return VideoError(
        "E608",
        "The film cannot be written",
        where=target.name,
        why=why,
        remedy="Give .mp4 as the ending and images of one size",
    )
