"""What a reader is handed: a file or folder, opened within limits, and what the user said of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from fidgety.errors import PoseError
from fidgety.files import file_error, regular
from fidgety.pose.pose import Pose
from fidgety.pose.skeleton import Skeleton

__all__ = [
    "HEAD_BYTES",
    "MAX_FILE_BYTES",
    "MAX_FRAMES",
    "MAX_JSON_BYTES",
    "MAX_PEOPLE",
    "Format",
    "Given",
    "Source",
    "check_bytes",
    "choose_recording",
    "frame_number",
    "load_json",
    "malformed",
    "number_array",
    "read_bytes",
    "too_many_frames",
]

# Far beyond any recording of an infant, far below what would exhaust a small machine's memory.
MAX_FRAMES = 1_000_000  # 9 h at 30 frames/s
MAX_PEOPLE = 100  # in one frame
MAX_JSON_BYTES = 256 << 20  # parsed JSON takes about ten times its size in memory
MAX_FILE_BYTES = 1 << 30
HEAD_BYTES = 1 << 16
JSON_SUFFIXES = (".json",)


@dataclass(frozen=True)
class Given:
    """What the user says of a file that may not say it itself; None where nothing was said."""

    skeleton: Skeleton | None = None
    fps: float | None = None
    size: tuple[int, int] | None = None
    individual: str | None = None


@dataclass(frozen=True)
class Format:
    """One outside format: how it is recognised by content, read, and (where sensible) written.

    Parameters
    ----------
    title : str
        What people call it.
    recognise : callable (Source) -> bool
        Looks at the content, never at the name alone; False for what it cannot make sense of.
    read : callable (Source, Given) -> Pose
        Raises `PoseError` for everything it cannot read.
    write : callable (Pose, Path) -> Path, optional
        Writes a file or folder, whole or not at all.
    is_frame : callable (parsed JSON) -> bool, optional
        For formats that may keep one file a frame: True for such a file's content.
    is_recording : callable (Path) -> bool, optional
        For formats whose recording is a folder of another kind: True for such a folder.
    recordings : callable (Source) -> list of str, optional
        For formats of which one file or folder may hold several recordings: their names.
    """

    title: str
    recognise: Callable[[Source], bool]
    read: Callable[[Source, Given], Pose]
    write: Callable[[Pose, Path], Path] | None = None
    is_frame: Callable[[Any], bool] | None = None
    is_recording: Callable[[Path], bool] | None = None
    recordings: Callable[[Source], list[str]] | None = None


class Source:
    """A file, or a folder with one file a frame, whose content is looked at once.

    Parameters
    ----------
    path : Path
        An existing file or folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def name(self) -> str:
        """The last part of the path, for messages."""
        return self.path.name or str(self.path)

    @cached_property
    def is_folder(self) -> bool:
        """True if the path is a folder."""
        return self.path.is_dir()

    @cached_property
    def members(self) -> list[Path]:
        """The JSON files of a folder, sorted by name; empty for a file."""
        if not self.is_folder:
            return []
        try:
            found = sorted(
                member
                for member in self.path.iterdir()
                if member.suffix.lower() in JSON_SUFFIXES and not member.name.startswith(".")
            )
        except OSError as error:
            raise file_error(error, self.path) from error
        if len(found) > MAX_FRAMES:
            too_many_frames(len(found), self.name)
        return found

    @cached_property
    def head(self) -> bytes:
        """The first 64 KiB of a file; empty for a folder."""
        return b"" if self.is_folder else read_bytes(self.path, HEAD_BYTES, whole=False)

    @cached_property
    def looks_like_json(self) -> bool:
        """True if the file opens like a JSON object or array."""
        return self.head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")

    @cached_property
    def json(self) -> Any:
        """The parsed JSON file; raises `PoseError` E331 where it is none, E337 where it is huge."""
        return load_json(self.path)

    @cached_property
    def sample(self) -> Any:
        """Parsed JSON to recognise a format by: the file, or a folder's first; None if none."""
        if self.is_folder:
            return load_json(self.members[0]) if self.members else None
        return self.json if self.looks_like_json else None


def load_json(path: Path) -> Any:
    """Parse a JSON file within `MAX_JSON_BYTES`.

    NaN is let through (it means missing); infinities are refused by the readers.

    Raises
    ------
    PoseError
        E331 if it is not JSON, cut off, or nested beyond reason; E337 if it is too large.
    """
    raw = read_bytes(path, MAX_JSON_BYTES)
    try:
        return json.loads(raw.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        cut_off = not error.doc[error.pos :].strip() or error.msg.startswith("Unterminated")
        if not error.doc.strip():
            why, remedy = "the file is empty", "Write it again"
        elif cut_off:
            why = "it ends in the middle (copy or run cut off?)"
            remedy = (
                "Copy it again; a frame's file may be deleted, that frame then counts as missing"
            )
        else:
            why = f"{error.msg[0].lower()}{error.msg[1:]} at line {error.lineno}"
            remedy = "Check that this is the pose tool's own output"
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        why = (
            "nested too deeply" if isinstance(error, RecursionError) else "it is not readable text"
        )
        remedy = "Check that this is the pose tool's own output"
    raise PoseError("E331", "Not a JSON file", where=path.name, why=why, remedy=remedy)


def read_bytes(path: Path, limit: int, *, whole: bool = True) -> bytes:
    """At most `limit` bytes of a file; with `whole`, a longer file raises `PoseError` E337."""
    try:
        regular(path)
        if whole:
            check_bytes(path, limit)
        with path.open("rb") as handle:
            return handle.read(limit)
    except OSError as error:
        raise file_error(error, path) from error


def check_bytes(path: Path, limit: int = MAX_FILE_BYTES) -> None:
    """Raise `PoseError` E337 if a file is larger than `limit` bytes."""
    size = path.stat().st_size
    if size > limit:
        raise PoseError(
            "E337",
            f"{size / 2**20:.0f} MiB, more than the {limit / 2**20:.0f} MiB read at once",
            where=path.name,
            remedy="Divide the recording into shorter ones",
        )


def frame_number(name: str) -> tuple[str, int | None]:
    """Split a file name into what stays the same from frame to frame, and the frame's number.

    ``clip_000000000012_keypoints.json`` gives (``clip_``, 12), ``cam01.0007.json`` (``cam01.``, 7).
    The number is the last run of digits before the suffix; None if there is none.
    """
    stem = Path(name.replace("\\", "/")).name
    stem = re.sub(r"\.(json|png|jpe?g|bmp|tiff?|webp)$", "", stem, flags=re.IGNORECASE)
    found = re.match(r"(.*?)(\d{1,18})(\D*)$", stem, flags=re.DOTALL)
    return (found[1], int(found[2])) if found else (stem, None)


def choose_recording(names: Sequence[str], wanted: str | None, where: str) -> str:
    """The one recording or individual of a file, or the one asked for; else `PoseError` E338."""
    found = sorted(set(names))
    shown = ", ".join(found[:5]) + (", ..." if len(found) > 5 else "")
    if wanted is not None and wanted in found:
        return wanted
    if wanted is None and len(found) == 1:
        return found[0]
    what = (
        f"{len(found)} individuals or recordings in one file"
        if wanted is None
        else f"No {wanted!r}"
    )
    raise PoseError(
        "E338",
        what,
        where=where,
        why=f"it holds {shown}" if found else "it holds none",
        remedy="Name one of them: --individual NAME",
    )


def too_many_frames(count: int, where: str) -> NoReturn:
    """Raise `PoseError` E337 for a recording longer than `MAX_FRAMES`."""
    raise PoseError(
        "E337",
        f"{count} frames, more than the {MAX_FRAMES} a recording may have",
        where=where,
        remedy="Divide the recording into shorter ones",
    )


def malformed(where: str, why: str, remedy: str | None = None) -> NoReturn:
    """Raise `PoseError` E334: readable, but not what the format promises."""
    raise PoseError(
        "E334",
        "Not laid out as its format says",
        where=where,
        why=why,
        remedy=remedy or "Check that this is the pose tool's own output, unedited",
    )


def number_array(values: Any, where: str) -> np.ndarray:
    """Nested lists of numbers (None = NaN) as float64; E334 if ragged or text, E340 if infinite."""
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        malformed(where, "a list of numbers holds something else, or its rows differ in length")
    if np.isinf(array).any():
        raise PoseError(
            "E340",
            "Infinite coordinates",
            where=where,
            remedy="Write joints that were not seen as 0 with confidence 0, or as NaN",
        )
    return array
