"""A film's file, opened, and the stream of its pictures; else an error that says why."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType
from typing import Any

from fidgety.errors import VideoError
from fidgety.files import existing, file_error

__all__ = ["VIDEO_SUFFIXES", "checked", "nothing_decoded", "opened", "pictures_of", "still_picture"]

VIDEO_SUFFIXES = (
    *(".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".3gp", ".mts", ".m2ts", ".mpg"),
    *(".mpeg", ".wmv", ".gif"),
)
_STILL_FORMATS = ("image2", "_pipe", "tty", "apng", "ico")  # pictures, and text taken for a picture


def checked(path: str | os.PathLike[str]) -> Path:
    """The path of a file that is there and not empty; `FileError`, or `VideoError` E601, E602."""
    source = existing(path, "video")
    try:
        if source.is_dir():
            raise VideoError("E601", "A folder is not a video", where=source.name)
        with source.open("rb") as handle:
            empty = not handle.read(1)
    except OSError as error:
        raise file_error(error, source) from error
    if empty:
        raise VideoError(
            "E602", "The file is empty", where=source.name, remedy="Copy the film again"
        )
    return source


def opened(av: ModuleType, source: Path) -> Any:
    """PyAV's container of a film, to be closed; `VideoError` E104, E601, E604 if it is none."""
    try:
        # File names are data: without the scheme, "concat:a|b" or a URL would be opened as such.
        container = av.open(f"file:{source}", metadata_errors="replace")
    except (OSError, ValueError, av.error.FFmpegError) as error:
        if _index_missing(source):
            raise VideoError(
                "E104",
                f"Cannot read {source.name}",
                why="the index is missing (upload cut off?)",
                remedy="Copy the file again",
            ) from error
        raise _not_a_video(source) from error
    kinds = container.format.name.split(",")
    if any(kind in _STILL_FORMATS or kind.endswith("_pipe") for kind in kinds):
        container.close()
        raise still_picture(source) if "tty" not in kinds else _not_a_video(source)
    return container


def pictures_of(container: Any, source: Path) -> Any:
    """The stream of moving pictures in a container; `VideoError` E603 if there is none."""
    streams = [s for s in container.streams.video if not _is_cover(s)]
    if not streams:
        raise VideoError(
            "E603",
            "No video stream",
            where=source.name,
            why="the file holds sound or data only",
            remedy="Give the film itself",
        )
    stream = streams[0]
    stream.thread_type = "AUTO"
    return stream


def _is_cover(stream: Any) -> bool:
    """Whether a stream is the still cover picture of a sound file."""
    return "attached_pic" in str(getattr(stream, "disposition", "")) or stream.codec_context is None


def _index_missing(source: Path) -> bool:
    """Whether the file is MP4 or QuickTime but lacks its index (the ``moov`` box)."""
    try:
        with source.open("rb") as handle:
            length, position, found = source.stat().st_size, 0, False
            while position + 8 <= length:
                handle.seek(position)
                head = handle.read(16)
                size, kind = int.from_bytes(head[:4], "big"), head[4:8]
                if kind == b"moov":
                    return position + size > length
                found = found or kind in (b"ftyp", b"mdat", b"wide")
                if not found:
                    return False
                size = int.from_bytes(head[8:16], "big") if size == 1 else size
                if size < 8:
                    return True
                position += size
    except OSError:
        return False
    return found


def _not_a_video(source: Path) -> VideoError:
    return VideoError(
        "E601",
        f"{source.name} is not a video",
        why="no known film format was recognised in its content",
        remedy=f"Give a film, for example {', '.join(VIDEO_SUFFIXES[:4])}",
    )


def still_picture(source: Path) -> VideoError:
    """E604."""
    return VideoError(
        "E604",
        f"{source.name} is a single picture",
        why="movement needs a film",
        remedy="Give the film itself",
    )


def nothing_decoded(source: Path) -> VideoError:
    """E605."""
    return VideoError(
        "E605",
        f"Not one picture of {source.name} could be decoded",
        why="the film is damaged, or its codec is not known here",
        remedy="Copy the file again, or convert it to H.264",
    )
