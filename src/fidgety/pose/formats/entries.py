"""Lists of detections, one entry a body: sorted into the frames of one recording."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import PoseError
from fidgety.pose.formats.frames import check_one_layout
from fidgety.pose.formats.source import MAX_FRAMES, choose_recording, frame_number, too_many_frames

__all__ = ["Entry", "frames_of", "image_number"]


@dataclass(frozen=True)
class Entry:
    """One detected body.

    Parameters
    ----------
    recording : str
        What names its recording: the image's name without the frame number.
    number : int
        Frame number.
    track : str or None
        The tracker's name of the body, if it gave one.
    points : ndarray (V, 3)
        x, y, confidence.
    """

    recording: str
    number: int
    track: str | None
    points: NDArray[np.float64]


def frames_of(
    entries: Iterable[Entry],
    frames: Iterable[tuple[str, int]],
    individual: str | None,
    where: str,
) -> tuple[NDArray[np.int64], list[NDArray[np.float64]]]:
    """Bodies frame by frame, of one recording and, if asked for, one track.

    Parameters
    ----------
    entries : iterable of Entry
    frames : iterable of (recording, number)
        Frames known to exist even where nobody was found.
    individual : str or None
        A recording or a track to keep.

    Returns
    -------
    numbers : ndarray (F,), int
    bodies : list of ndarray (people, V, 3)

    Raises
    ------
    PoseError
        E338 several recordings, or an unknown individual; E333 two layouts; E337 too many frames.
    """
    entries, frames = list(entries), list(frames)
    recordings = {entry.recording for entry in entries} | {name for name, _ in frames}
    tracks = {entry.track for entry in entries if entry.track is not None}
    if individual is not None and individual not in recordings:
        choose_recording(sorted(tracks), individual, where)
        entries = [entry for entry in entries if entry.track == individual]
        individual = None
    if recordings:
        wanted = choose_recording(sorted(recordings), individual, where)
        entries = [entry for entry in entries if entry.recording == wanted]
        frames = [(name, number) for name, number in frames if name == wanted]
    bodies: dict[int, list[NDArray[np.float64]]] = {number: [] for _, number in frames}
    for entry in entries:
        bodies.setdefault(entry.number, []).append(entry.points)
    if len(bodies) > MAX_FRAMES:
        too_many_frames(len(bodies), where)
    numbers = sorted(bodies)
    check_one_layout(
        [points[None] for number in numbers for points in bodies[number]],
        [f"frame {number}" for number in numbers for _ in bodies[number]],
    )
    empty = np.zeros((0, 0, 3))
    stacked = [np.stack(bodies[number]) if bodies[number] else empty for number in numbers]
    return np.array(numbers, dtype=np.int64), stacked


def image_number(image: Any, where: str) -> tuple[str, int]:
    """Recording and frame number of an image, given as a number or a file name.

    Raises
    ------
    PoseError
        E339 if there is no number in it.
    """
    if isinstance(image, int) and not isinstance(image, bool) and 0 <= image < 1 << 53:
        return "", image
    if isinstance(image, str):
        folder, _, _ = image.replace("\\", "/").rpartition("/")
        stem, number = frame_number(image)
        if number is not None:
            return f"{folder}/{stem}" if folder else stem, number
    raise PoseError(
        "E339",
        f"No frame number in image {str(image)[:60]!r}",
        where=where,
        remedy="Number the images in the order of the film before running the pose tool",
    )
