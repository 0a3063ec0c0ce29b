"""What a folder holds that could tell who an infant is: looked for in files, sent nowhere."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fidgety.errors import VideoError
from fidgety.files import existing
from fidgety.pose.optional import library
from fidgety.pose.video import VIDEO_SUFFIXES

__all__ = ["Sight", "look_over", "summary"]

PICTURES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".heic", ".bmp", ".gif")
PICKLES = (".pkl", ".pickle", ".joblib", ".pt", ".pth")
STATE = "last_state.pt"  # what fidgety train --resume goes on from
TABLES = (".csv", ".txt", ".tsv")
MAX_FILES = 200_000
HEAD = 1 << 16  # bytes of a table that are looked at
# Words that name a person, a birth or a place where a column or a file is named by them.
TELLING = re.compile(
    r"(?<![a-z])(name|surname|first_?name|last_?name|family_?name|vorname|nachname|nom|prenom|mother|father|mutter|"
    r"vater|parent|address|adresse|street|postcode|zip|phone|telephone|email|e-?mail|birth_?date|"
    r"date_?of_?birth|dob|geburt\w*|mrn|ssn|nhs|insurance|patient_?id|hospital_?number|case_?number)(?![a-z])",
    re.IGNORECASE,
)
DATE = re.compile(r"(?<!\d)(19|20)\d\d[-_. ]?(0[1-9]|1[0-2])[-_. ]?(0[1-9]|[12]\d|3[01])(?!\d)")
PERSON = re.compile(r"(?<![A-Za-z])[A-Z][a-z]{2,}[ _-][A-Z][a-z]{2,}(?![A-Za-z])")
EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[a-z]{2,}", re.IGNORECASE)
FILM_TAGS = (
    "location", "gps", "creation_time", "make", "model", "artist", "author", "title", "comment",
    "description", "software", "copyright",
)  # fmt: skip


@dataclass(frozen=True)
class Sight:
    """One thing that was seen.

    Parameters
    ----------
    where : str
        File, relative to the folder.
    what : str
        What it holds.
    grave : bool
        Whether it may name or show somebody; else it is only good to know.
    remedy : str
        What can be done.
    """

    where: str
    what: str
    grave: bool
    remedy: str = ""

    def __str__(self) -> str:
        mark = "!" if self.grave else " "
        return f"{mark} {self.where}: {self.what}" + (f". {self.remedy}" if self.remedy else "")


def look_over(folder: str | os.PathLike[str]) -> list[Sight]:
    """Look through a folder for what could tell who somebody is.

    Films (faces, sound, place and time in their tags), pictures (with EXIF), names of files and of
    table columns that read like persons or dates, files that can run code, links that lead out of
    the folder, drafts that a killed run left. What it does not see it does not vouch for: free text
    inside reports, faces, voices.

    Raises
    ------
    FileError
        E504 no such folder.
    """
    root = existing(folder, "folder")
    found: list[Sight] = []
    for number, path in enumerate(_files(root)):
        if number >= MAX_FILES:
            found.append(
                Sight(".", f"more than {MAX_FILES} files: the rest was not looked at", True)
            )
            break
        where = str(path.relative_to(root)) if path != root else path.name
        found += [Sight(where, *told) for told in _seen(path, root)]
    return found


def _files(root: Path) -> Iterator[Path]:
    if not root.is_dir():
        yield root
        return
    for place, folders, files in os.walk(root, followlinks=False):
        folders.sort()
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        for name in sorted((*files, *links)):
            yield Path(place) / name


def _seen(path: Path, root: Path) -> Iterator[tuple[str, bool, str]]:
    """What there is to say of one file: what, whether it is grave, what can be done."""
    if path.is_symlink():
        if not path.resolve().is_relative_to(root.resolve()):
            yield (
                "a link that leads out of the folder",
                True,
                "Copy what it points to, or remove it",
            )
        return
    if not (path.is_file() or path.is_dir()):  # reading it might never end
        yield "a pipe, a device or a socket", False, "Remove it"
        return
    name, suffix = path.name, path.suffix.lower()
    yield from _by_name(path.stem)
    if name.startswith(".") and ".tmp" in name:
        yield "a draft that a killed run left", False, "Remove it"
    elif suffix in VIDEO_SUFFIXES:
        yield from _film(path)
    elif suffix in PICTURES:
        yield from _picture(path)
    elif path.name == STATE and (path.parent / "metrics.jsonl").exists():
        return  # of a training of ours: numbers alone, read as such
    elif suffix in PICKLES:
        yield "a file that can run code where it is loaded", False, "Import it, then remove it"
    elif suffix in TABLES:
        yield from _table(path)


def _by_name(stem: str) -> Iterator[tuple[str, bool, str]]:
    for pattern, what in ((PERSON, "a person's name"), (DATE, "a date"), (EMAIL, "an address")):
        if pattern.search(stem):
            yield f"its name reads like {what}", True, "Rename it to a code"


def _film(path: Path) -> Iterator[tuple[str, bool, str]]:
    held, tags = _tags_of_film(path)
    privacy = path.stem.startswith(("overlay_skeleton", "overlay_blur"))
    yield (
        f"a film ({', '.join(held)})" if held else "a film that cannot be opened",
        not privacy,
        "" if privacy else "Remove it once its poses are made, if it need not be kept",
    )
    if "sound" in held:
        yield "voices can be heard", True, "fidgety doctor --strip FILM COPY leaves it out"
    if tags:
        yield f"tags: {', '.join(tags)}", True, "fidgety doctor --strip FILM COPY leaves them out"


def _tags_of_film(path: Path) -> tuple[list[str], list[str]]:
    """Kinds of streams, and names of tags that tell of place, time or maker; never their values."""
    try:
        av = library("av", extra="video")
    except VideoError:
        return ["not looked into: the extra video is missing"], []
    try:
        with av.open(f"file:{path}", metadata_errors="replace") as film:
            kinds = {"video": "pictures", "audio": "sound", "subtitle": "text", "data": "data"}
            held = sorted(
                {kinds.get(str(stream.type), str(stream.type)) for stream in film.streams}
            )
            named: dict[str, Any] = dict(film.metadata)
            for stream in film.streams:
                named |= dict(stream.metadata)
    except (OSError, ValueError, av.error.FFmpegError):
        return [], []
    return held, sorted({key for key in named if any(tag in key.lower() for tag in FILM_TAGS)
                         and not _harmless(key, named[key])})  # fmt: skip


def _harmless(key: str, value: Any) -> bool:
    """Tags that our own writer leaves: the name of the library that wrote the film."""
    return key.lower() in ("encoder", "handler_name") or str(value).startswith(("Lavf", "Lavc"))


def _picture(path: Path) -> Iterator[tuple[str, bool, str]]:
    yield "a picture", True, "Remove it if a face can be seen and it need not be kept"
    try:
        with path.open("rb") as handle:
            ends = handle.read(HEAD)
            handle.seek(max(HEAD, path.stat().st_size - HEAD))
            ends += handle.read(HEAD)  # WebP and HEIC may keep them there
    except OSError:
        return
    exif = (
        b"Exif\0\0" in ends or b"eXIf" in ends or ends[:4] in (b"II*\0", b"MM\0*")
        or (ends[8:12] == b"WEBP" and b"EXIF" in ends)
    )  # fmt: skip
    if exif or b"ns.adobe.com/xap" in ends:
        binary = exif and (b"\x88\x25" in ends or b"\x25\x88" in ends)
        gps = binary or b"GPSLatitude" in ends
        kind = "EXIF" if exif else "XMP"
        what = f"{kind} with a place (GPS)" if gps else f"{kind} (camera, time)"
        yield what, True, "Save it again without metadata"


def _table(path: Path) -> Iterator[tuple[str, bool, str]]:
    try:
        with path.open("rb") as handle:
            text = handle.read(HEAD).decode("utf-8", errors="replace")
    except OSError:
        return
    rows = list(csv.reader(io.StringIO(text.replace(";", ",").replace("\t", ",")[:HEAD])))[:200]
    if not rows:
        return
    telling = [cell for cell in rows[0] if TELLING.search(cell)]
    if telling:
        shown = ", ".join(cell.strip()[:30] for cell in telling[:5])
        yield f"columns that read like persons: {shown}", True, "Keep codes, age and label only"
    cells = [cell for row in rows[1:] for cell in row]
    for pattern, what in ((PERSON, "persons' names"), (EMAIL, "addresses"), (DATE, "dates")):
        count = sum(bool(pattern.search(cell)) for cell in cells)
        if count:
            yield f"{count} cells that read like {what}", True, "Replace them by codes or ages"


def summary(sights: list[Sight]) -> str:
    """One line for people."""
    grave = [sight for sight in sights if sight.grave]
    files = {sight.where for sight in grave}
    if not grave:
        return (
            "Nothing found that names or shows somebody. Free text and faces were not looked for."
        )
    return f"{len(grave)} things in {len(files)} files may name or show somebody (marked !)."
