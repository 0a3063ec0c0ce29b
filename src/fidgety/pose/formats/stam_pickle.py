"""Poses as the public code of the STAM paper keeps them: a pickled pandas frame of peaks, people.

Columns ``video``, ``frame``, ``peaks`` (for each of 18 joints a list of (x, y, confidence, id)) and
``limbs_subset`` (people, 20): the id of each joint's peak or -1, the total score, the joint count.
Read without pandas, and without running anything (`fidgety.pose.formats.inert_pickle`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import PoseError
from fidgety.pose.formats.bodies import BodyFrames, pose_of
from fidgety.pose.formats.inert_pickle import MAX_PICKLE_BYTES, Record, as_array, load_inert
from fidgety.pose.formats.inert_table import columns_of
from fidgety.pose.formats.source import (
    MAX_FRAMES,
    Given,
    Source,
    choose_recording,
    malformed,
    read_bytes,
    too_many_frames,
)
from fidgety.pose.pose import Pose
from fidgety.pose.skeleton import load_skeleton

__all__ = ["read", "recognise", "recordings"]

COLUMNS = ("video", "frame", "peaks", "limbs_subset")
JOINTS = 18
MAX_PEAKS = 1000  # of one joint in one frame


def recognise(source: Source) -> bool:
    """True for any binary pickle: what is not a frame of poses is then refused, not guessed at."""
    return source.head[:1] == b"\x80" and source.head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")


def recordings(source: Source) -> list[str]:
    """Names of the videos in the frame, sorted; raises as `read`."""
    content = load_inert(read_bytes(source.path, MAX_PICKLE_BYTES), source.name)
    videos = columns_of(content, COLUMNS, source.name)["video"]
    return sorted({str(_plain(video)) for video in videos})


def read(source: Source, given: Given) -> Pose:
    """Read one recording of a pickled frame.

    In each frame the person with most joints (the last column of ``limbs_subset``) is taken, as
    published. ``individual`` names the video where the table holds several.

    Raises
    ------
    PoseError
        E301 anything but such a table, E334 columns that are not laid out so, E338 several videos.
    """
    content = load_inert(read_bytes(source.path, MAX_PICKLE_BYTES), source.name)
    table = columns_of(content, COLUMNS, source.name)
    videos = [str(_plain(video)) for video in table["video"]]
    if len(videos) > MAX_FRAMES:
        too_many_frames(len(videos), source.name)
    wanted = choose_recording(videos, given.individual, source.name)
    rows = [row for row, video in enumerate(videos) if video == wanted]
    numbers = _frame_numbers([table["frame"][row] for row in rows], source.name)
    order = np.argsort(numbers, kind="stable")
    bodies, people = [], []
    for row in (rows[place] for place in order):
        limbs = _limbs(table["limbs_subset"][row], source.name)  # (people, 20)
        people.append(len(limbs))
        bodies.append(_body(limbs, table["peaks"][row], source.name))
    frames = BodyFrames(
        numbers[order],
        bodies,
        skeleton=load_skeleton("openpose18"),
        people=np.array(people, dtype=np.float64),
    )
    return pose_of(frames, given, "stam-pickle", source.name)


def _body(limbs: NDArray[np.float64], peaks: Any, where: str) -> NDArray[np.float64]:
    """x, y, confidence (1, 18, 3) of the person with most joints; (0, 18, 3) if there is nobody."""
    if not len(limbs):
        return np.zeros((0, JOINTS, 3))
    if not isinstance(peaks, list | tuple) or len(peaks) != JOINTS:
        malformed(where, f"the peaks of a frame are not {JOINTS} lists")
    body = np.full((1, JOINTS, 3), np.nan)
    person = limbs[int(np.argmax(limbs[:, -1]))]
    for joint, (found, wanted) in enumerate(zip(peaks, person, strict=False)):
        if wanted < 0:
            continue
        if not isinstance(found, list | tuple) or len(found) > MAX_PEAKS:
            malformed(where, "the peaks of a joint are not a list")
        for peak in found:
            if not isinstance(peak, list | tuple) or len(peak) != 4:
                malformed(where, "a peak is not (x, y, confidence, id)")
            if _number(peak[3], where) == wanted:
                body[0, joint] = [_number(value, where) for value in peak[:3]]
    return body


def _limbs(value: Any, where: str) -> NDArray[np.float64]:
    try:
        limbs = np.asarray(as_array(value) if isinstance(value, Record) else value)
    except (ValueError, TypeError, OverflowError):  # lists of several lengths
        malformed(where, "limbs_subset is no table of numbers")
    if limbs.size == 0:
        return np.zeros((0, JOINTS + 2))
    if limbs.ndim != 2 or limbs.shape[1] != JOINTS + 2 or limbs.dtype.kind not in "iuf":
        malformed(where, f"limbs_subset is {limbs.shape}, not (people, {JOINTS + 2})")
    return limbs.astype(np.float64)


def _frame_numbers(values: list[Any], where: str) -> NDArray[np.int64]:
    numbers = np.array([_number(value, where) for value in values])
    if not np.isfinite(numbers).all() or (numbers != np.round(numbers)).any():
        malformed(where, "a frame number is not a whole number")
    return numbers.astype(np.int64)


def _number(value: Any, where: str) -> float:
    plain = value if type(value) in (float, int) else _plain(value)
    if not isinstance(plain, int | float | np.number):
        malformed(where, "a number was expected")
    try:
        number = float(plain)
    except OverflowError:
        number = math.inf
    if math.isinf(number):
        raise PoseError("E340", "Infinite coordinates", where=where, remedy="Write them as NaN")
    return number


def _plain(value: Any) -> Any:
    return as_array(value)[()] if isinstance(value, Record) else value
