"""The columns of a pickled pandas frame, rebuilt from inert records without pandas."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import PoseError
from fidgety.pose.formats.inert_pickle import Record, as_array, as_bytes, refuse

__all__ = ["columns_of", "names_of"]


def columns_of(content: Any, wanted: tuple[str, ...], where: str) -> dict[str, NDArray[Any]]:
    """Columns of a frame that `load_inert` gave, each an array (rows,).

    Understands the block layouts of pandas 0.25 to 3: blocks and axes as arguments, or as a
    ``0.14.1`` state; strings as objects or as Arrow buffers.

    Parameters
    ----------
    content : object
        The loaded pickle.
    wanted : tuple of str
        Columns that must be there; others are left alone.
    where : str
        Place, for messages.

    Raises
    ------
    PoseError
        E301 if it is no frame or contradicts itself, E334 if a column is missing.
    """
    try:
        blocks, axes = _blocks_of(content)
        names = [str(name) for name in _index(axes[0])]
        missing = [name for name in wanted if name not in names]
        if missing:
            raise PoseError(
                "E334",
                f"The table has no column {missing[0]!r}",
                where=where,
                remedy=f"Tables read here have {', '.join(wanted)}",
            )
        found: dict[str, NDArray[Any]] = {}
        for values, places in blocks:
            rows = _rows(values)  # (columns of this block, rows)
            for place, row in zip(_positions(places, len(names)), rows, strict=True):
                if names[place] in wanted:
                    found[names[place]] = row
        if set(wanted) - set(found) or len({len(column) for column in found.values()}) != 1:
            raise ValueError("columns")
    except PoseError as error:
        if error.code == "E301":
            refuse(where, error.why or "")
        raise
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        refuse(where, "it is no pandas frame, or contradicts itself")
    return found


def names_of(content: Any, where: str) -> list[str]:
    """Names of a frame's columns, in order; raises `PoseError` E301 if it is no frame."""
    try:
        return [str(name) for name in _index(_blocks_of(content)[1][0])]
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        refuse(where, "it is no pandas frame, or contradicts itself")


def _blocks_of(content: Any) -> tuple[list[tuple[Any, Any]], Any]:
    """(values, places) of each block, and the axes, of either generation of pandas."""
    manager = content.state.get("_mgr", content.state.get("_data"))
    if content.kind != "frame" or manager.kind != "blocks":
        raise ValueError("frame")
    if manager.args:
        blocks, axes = manager.args[:2]
        return [(block.args[0], block.args[1]) for block in blocks], axes
    extra = manager.state[3]["0.14.1"]
    return [(block["values"], block["mgr_locs"]) for block in extra["blocks"]], extra["axes"]


def _index(record: Record) -> list[Any]:
    data = record.args[1]["data"]
    return list(_rows(data)[0])


def _rows(values: Any) -> NDArray[Any]:
    """Values of a block as (columns, rows); a single column may come without its axis."""
    if isinstance(values, Record) and values.kind == "arrow":
        return np.array([_strings(values.state["_pa_array"])], dtype=object)
    array = as_array(values)
    return array[None] if array.ndim == 1 else array


def _positions(places: Any, count: int) -> list[int]:
    if isinstance(places, Record) and places.kind == "slice":
        return list(range(count))[slice(*places.args)]
    return [int(place) for place in as_array(places)]


def _strings(record: Record) -> list[str | None]:
    """Texts of an Arrow string array: offsets into one buffer of UTF-8."""
    if record.kind == "arrow chunked_array":
        return [text for chunk in record.args[0] for text in _strings(chunk)]
    kind, length, _, offset, buffers = record.args[0][:5]
    width = {"large_string": np.int64, "string": np.int32}[kind.args[0]]
    ends = np.frombuffer(as_bytes(buffers[1].args[0]), width)[offset : offset + length + 1]
    text = as_bytes(buffers[2].args[0]) if buffers[2] is not None else b""
    if len(ends) != length + 1 or (np.diff(ends) < 0).any() or not 0 <= ends[-1] <= len(text):
        raise ValueError("text")
    return [text[a:b].decode("utf-8") for a, b in pairwise(ends)]
