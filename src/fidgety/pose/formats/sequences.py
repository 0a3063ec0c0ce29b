"""Feature arrays made elsewhere: ``raw_skel.npy`` of 7 channels, or of more by an explicit map."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from fidgety.errors import PoseError
from fidgety.files import existing, file_error

__all__ = ["CHANNELS", "CHANNEL_MAPS", "map_sequence", "read_sequence"]

CHANNELS = (
    "x",
    "y",
    "velocity_x",
    "velocity_y",
    "acceleration_x",
    "acceleration_y",
    "displacement",
)
MAX_HEADER = 1 << 16  # bytes; a few hundred as a rule
MAX_VALUES = 512 << 20  # of one array, so at most 4 GiB as float64
# Channel of ours -> row of theirs. In the toy set of the STAM paper's code the smoothed velocity y
# and its successors are overwritten by x, so the raw ones stand in for both axes.
CHANNEL_MAPS: dict[str, dict[str, int]] = {
    "stam7": {channel: row for row, channel in enumerate(CHANNELS)},
    "stam-toy19": {
        "x": 0,
        "y": 1,
        "velocity_x": 4,
        "velocity_y": 5,
        "acceleration_x": 10,
        "acceleration_y": 11,
        "displacement": 16,
    },
}


def read_sequence(
    path: str | os.PathLike[str], channels: str | Mapping[str, int] | None = None
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Read a feature array ``.npy`` (C, T, V) as the seven channels.

    Parameters
    ----------
    path : path-like
        The ``.npy`` file; never unpickled.
    channels : str or mapping of str to int, optional
        A name of `CHANNEL_MAPS`, or each of `CHANNELS` with its row in the file. May be left out
        for files of exactly 7 channels.

    Returns
    -------
    values : ndarray (7, T, V), float64
        NaN = missing.
    names : tuple of str
        `CHANNELS`.

    Raises
    ------
    PoseError
        E350 not a .npy of numbers, E351 other than 7 channels without a map, E352 wrong shape, E353
        too large, E354 infinite values, E355 an unknown map or one that does not fit.
    """
    source = existing(path, "sequence file")
    values = _load(source)
    chosen = _map_of(channels, len(values), source.name)
    picked = values[[chosen[channel] for channel in CHANNELS]].astype(np.float64)  # (7, T, V)
    _refuse_infinite(picked, source)
    return picked, CHANNELS


def map_sequence(path: str | os.PathLike[str]) -> NDArray[np.float32] | None:
    """The seven channels (7, T, V) of a file in float32 as they lie on the disk, mapped, not read.

    The system brings in what is looked at and may drop it again, and processes share it. A file
    that is replaced, as `fidgety.files.whole_file` does, leaves the mapping as it was.

    Returns
    -------
    ndarray (7, T, V), float32, read-only
        None if the file holds other numbers, which must be read.

    Raises
    ------
    PoseError
        As `read_sequence`.
    """
    source = existing(path, "sequence file")
    try:
        values = _load(source, mapped=True)
    except OSError:  # a file system that maps nothing, or more maps than the system allows
        return None
    if values.dtype != np.float32 or not values.flags.c_contiguous or len(values) != len(CHANNELS):
        return None
    for channel in values:
        _refuse_infinite(channel, source)
    return values  # type: ignore[return-value]


def _refuse_infinite(values: NDArray[np.generic], source: Path) -> None:
    if np.isinf(values).any():
        raise PoseError(
            "E354",
            "The sequence holds infinite values",
            where=source.name,
            remedy="Write what was not seen as NaN",
        )


def _map_of(channels: str | Mapping[str, int] | None, rows: int, where: str) -> Mapping[str, int]:
    if channels is None:
        if rows != len(CHANNELS):
            raise PoseError(
                "E351",
                f"{rows} channels, not 7, and nobody said which is which",
                where=where,
                remedy=f"Name a channel map ({', '.join(CHANNEL_MAPS)}) or give your own",
            )
        return CHANNEL_MAPS["stam7"]
    chosen = CHANNEL_MAPS.get(channels, {}) if isinstance(channels, str) else channels
    if set(chosen) != set(CHANNELS) or not all(0 <= row < rows for row in chosen.values()):
        needed = max(chosen.values(), default=0) + 1
        raise PoseError(
            "E355",
            f"Channel map {channels!r} does not fit"
            if chosen
            else f"No channel map named {channels!r}",
            where=where,
            why=f"the file has {rows} channels, the map needs {needed}" if chosen else None,
            remedy=f"Use {', '.join(CHANNEL_MAPS)}, or a row for each of {', '.join(CHANNELS)}",
        )
    return chosen


def _load(source: Path, mapped: bool = False) -> NDArray[np.generic]:
    """The array (C, T, V), its header checked before anything is allocated."""
    try:
        with source.open("rb") as handle:
            shape, _, dtype = _header(handle)
            present = source.stat().st_size - handle.tell()
    except OSError as error:
        raise file_error(error, source) from error
    except Exception as error:  # numpy evaluates the header as a literal: anything may come of it
        raise _not_npy(source, "it has no .npy header") from error
    if dtype.kind not in "iuf":
        raise _not_npy(source, "it holds objects or text, not numbers")
    if math.prod(shape) > MAX_VALUES:
        raise PoseError(
            "E353",
            f"An array of shape {shape} is too large",
            where=source.name,
            remedy="Divide the recording into shorter ones",
        )
    if len(shape) != 3 or min(shape) == 0:
        raise PoseError(
            "E352",
            f"An array of shape {shape}, not (channels, frames, joints)",
            where=source.name,
            remedy="Bring the axes into this order: channels, frames, joints",
        )
    if present != math.prod(shape) * dtype.itemsize:
        raise _not_npy(source, "its length does not match its header (copy cut off?)")
    return np.asarray(np.load(source, "r" if mapped else None, allow_pickle=False))


def _header(handle: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    version = npy.read_magic(handle)
    start = handle.tell()
    if int.from_bytes(handle.read(2 if version == (1, 0) else 4), "little") > MAX_HEADER:
        raise ValueError("header")  # numpy would set aside what it announces
    handle.seek(start)
    if version == (1, 0):
        return npy.read_array_header_1_0(handle)
    if version == (2, 0):
        return npy.read_array_header_2_0(handle)
    raise ValueError("version")


def _not_npy(source: Path, why: str) -> PoseError:
    return PoseError(
        "E350",
        "Not an array file of numbers",
        where=source.name,
        why=why,
        remedy="Write it with numpy.save, as numbers of shape (channels, frames, joints)",
    )
