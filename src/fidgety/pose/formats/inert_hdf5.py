"""Look into an HDF5 file without following it elsewhere, and read DeepLabCut's tables from it.

DeepLabCut writes pandas frames through PyTables, which keeps the names of the columns as pickles
and loads every attribute that looks like one. Here the numbers are read as they lie, and the names
by the reader that runs nothing.
"""

from __future__ import annotations

from math import prod
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fidgety.pose.formats.inert_pickle import load_inert
from fidgety.pose.formats.source import malformed

__all__ = ["check_tree", "read_frame"]

MAX_OBJECTS = 20_000
MAX_VALUES_BYTES = 1 << 30  # of all arrays together, as they would lie in memory
MIN_VALUES_BYTES = 64 << 20  # that a file of any size may announce
MAX_PACKED = 1100  # bytes of numbers a byte of the file: no more than deflate can pack
MAX_DEPTH = 32
FRAMES = ("df_with_missing", "keypoints")


def check_tree(h5py: ModuleType, path: Path) -> int:
    """Refuse a file that leads to other files, or that announces more than it may hold.

    Returns
    -------
    int
        Bytes of all its arrays together, and at least those of its largest piece.

    Raises
    ------
    PoseError
        E334 if it does, or is damaged.
    """
    seen = total = largest = 0
    try:
        with h5py.File(path, "r") as file:
            left: list[tuple[Any, int]] = [(file, 0)]
            while left:
                group, depth = left.pop()
                for name in group:
                    link = group.get(name, getlink=True)
                    seen += 1
                    if isinstance(link, h5py.ExternalLink):
                        malformed(path.name, "it leads to another file")
                    if seen > MAX_OBJECTS or depth > MAX_DEPTH:
                        malformed(path.name, "it holds more objects than any pose file")
                    if isinstance(link, h5py.SoftLink):
                        continue  # within the file: looked at where it leads
                    item = group[name]
                    if isinstance(item, h5py.Group):
                        left.append((item, depth + 1))
                    elif isinstance(item, h5py.Dataset):
                        if item.external or item.is_virtual:
                            malformed(path.name, "its numbers lie in another file")
                        total += int(item.size or 0) * item.dtype.itemsize
                        largest = max(largest, prod(item.chunks or ()) * item.dtype.itemsize)
        _check_announced(path, max(total, largest))
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError) as error:
        if hasattr(error, "code"):
            raise
        malformed(path.name, str(error).splitlines()[0][:200] if str(error) else "it is damaged")
    return max(total, largest)


def _check_announced(path: Path, announced: int) -> None:
    """Refuse more bytes than a pose file has, or than can lie in this one however packed."""
    size = path.stat().st_size
    if announced > MAX_VALUES_BYTES or announced > max(MIN_VALUES_BYTES, MAX_PACKED * size):
        malformed(
            path.name,
            f"it announces {announced / 2**30:.1f} GiB of numbers in {size / 2**20:.1f} MiB",
        )


def read_frame(
    h5py: ModuleType, path: Path
) -> tuple[list[tuple[str, ...]], NDArray[np.float64], NDArray[np.int64] | None]:
    """A pandas frame of numbers as PyTables lays it out, in its table or fixed form.

    Returns
    -------
    labels : list of tuple of str
        Of each column: scorer, (individual,) body part, coordinate.
    values : ndarray (T, columns)
    index : ndarray (T,) or None
        Frame numbers, where the rows are named by whole numbers.

    Raises
    ------
    PoseError
        E334 if it is laid out otherwise, E301 if its names are no plain names.
    """
    try:
        with h5py.File(path, "r") as file:
            group = next(file[name] for name in FRAMES if name in file)
            labels, values, index = _table(group, path.name) if "table" in group else _fixed(group)
    except StopIteration:
        malformed(path.name, f"it holds none of {', '.join(FRAMES)}")
    except (
        OSError,
        RuntimeError,
        KeyError,
        ValueError,
        TypeError,
        IndexError,
        AttributeError,
    ) as error:
        if hasattr(error, "code"):
            raise
        malformed(path.name, f"{type(error).__name__}: {error}"[:200])
    if values.ndim != 2 or values.shape[1] != len(labels) or not 0 < len(labels) <= MAX_OBJECTS:
        malformed(path.name, f"{len(labels)} column names for an array of shape {values.shape}")
    if index is not None and (index.shape != values.shape[:1] or index.dtype.kind not in "iu"):
        index = None
    return labels, values, None if index is None else index.astype(np.int64)


def _table(group: Any, where: str) -> tuple[list[tuple[str, ...]], NDArray[Any], Any]:
    table = group["table"]
    raw = table.attrs["values_block_0_kind"]  # a pickled list of the labels of its columns
    labels = load_inert(bytes(raw), where)
    if not isinstance(labels, list) or "values_block_1" in (table.dtype.names or ()):
        malformed(where, "its columns are of several kinds")
    values = np.asarray(table["values_block_0"], dtype=np.float64)
    return [_label(one, where) for one in labels], values, np.asarray(table["index"])


def _fixed(group: Any) -> tuple[list[tuple[str, ...]], NDArray[Any], Any]:
    levels = int(group.attrs["block0_items_nlevels"])
    names = [[_text(one) for one in group[f"block0_items_level{k}"][:]] for k in range(levels)]
    codes = [group[f"block0_items_label{k}"][:] for k in range(levels)]
    labels = [
        tuple(names[k][int(codes[k][column])] for k in range(levels))
        for column in range(len(codes[0]))
    ]
    return labels, np.asarray(group["block0_values"], dtype=np.float64), np.asarray(group["axis1"])


def _label(label: Any, where: str) -> tuple[str, ...]:
    if not isinstance(label, tuple) or not all(isinstance(part, str) for part in label):
        malformed(where, "a column is not named by texts")
    return label


def _text(raw: Any) -> str:
    return raw.decode("utf-8") if isinstance(raw, bytes) else str(raw)
