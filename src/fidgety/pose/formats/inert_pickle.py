"""Look into a pickle without running any of it.

Every name a pickle may mention is answered with a record that only remembers what it was given;
nothing is imported, called or computed while loading. Arrays are rebuilt from the records
afterwards, with every length checked against the bytes that are really there.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import re
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import PoseError

__all__ = ["Record", "as_array", "as_bytes", "load_inert"]

MAX_PICKLE_BYTES = 512 << 20
_NUMPY = ("numpy.core.multiarray", "numpy._core.multiarray")
_BUFFERS = ("numpy.core.numeric", "numpy._core.numeric")
_INDEXES = ("pandas.core.indexes.base", "pandas.core.indexes.numeric", "pandas.core.indexes.range")
# The names that frames of numbers and lists need, of pandas 0.25 to 3 and numpy 1 and 2.
ADMITTED: dict[tuple[str, str], str] = {
    **{(module, "_reconstruct"): "array" for module in _NUMPY},
    **{(module, "scalar"): "scalar" for module in _NUMPY},
    **{(module, "_frombuffer"): "buffer" for module in _BUFFERS},
    ("numpy", "ndarray"): "type",
    ("numpy", "dtype"): "dtype",
    ("_codecs", "encode"): "bytes",
    **{(module, "slice"): "slice" for module in ("builtins", "__builtin__")},
    **{(m, b): "bytes" for m in ("builtins", "__builtin__") for b in ("bytes", "bytearray")},
    **{(module, "DataFrame"): "frame" for module in ("pandas", "pandas.core.frame")},
    ("pandas.core.internals.managers", "BlockManager"): "blocks",
    ("pandas.core.internals", "BlockManager"): "blocks",
    ("pandas._libs.internals", "_unpickle_block"): "block",
    ("pandas.core.internals.blocks", "new_block"): "block",
    ("pandas.core.indexes.base", "_new_Index"): "index",
    **{(module, name): "type" for module in _INDEXES for name in ("Index", "Int64Index")},
    **{(module, "RangeIndex"): "type" for module in ("pandas", "pandas.core.indexes.range")},
    ("pandas", "Index"): "type",
    **{(m, "StringDtype"): "string" for m in ("pandas", "pandas.core.arrays.string_")},
    ("pandas.arrays", "ArrowStringArray"): "arrow",
    ("pandas.core.arrays.string_arrow", "ArrowStringArray"): "arrow",
    **{("pyarrow.lib", f): f"arrow {f}" for f in ("_restore_array", "py_buffer", "type_for_alias")},
    ("pyarrow.lib", "chunked_array"): "arrow chunked_array",
}
# How the stream of opcodes is walked: runs of those with arguments of fixed length by one regular
# expression; a length or a line ahead of the others. Codes in none of the three are refused.
_OUTSIDE = (b".", b"r", b"P", b"Q", b"\x82", b"\x83", b"\x84", b"\x97")
_CODES = {one.code.encode("latin1"): one.arg for one in pickletools.opcodes}
_LENGTH_BYTES = {
    code: {-2: 1, -3: 4, -4: 4, -5: 8}[arg.n] for code, arg in _CODES.items() if arg and arg.n < -1
}
_LINES = {code for code, arg in _CODES.items() if arg and arg.n == -1} - {b"P"}
_FIXED: dict[int, bytes] = {}  # number of argument bytes -> the codes that have so many
for _code, _arg in _CODES.items():
    if _code not in _OUTSIDE and (_arg is None or _arg.n >= 0):
        _size = _arg.n if _arg else 0
        _FIXED[_size] = _FIXED.get(_size, b"") + re.escape(_code)
_RUN = re.compile(
    b"(?:"
    + b"|".join(b"[" + codes + b"]" + b"." * size for size, codes in sorted(_FIXED.items()))
    + b"|r...\\x00)*+",  # places in the memo up to 16 million
    re.DOTALL,
)
_DTYPE = re.compile(r"[<>|=]?([biuf][1248]|O8?)")


class Record:
    """What a pickle asked for: the kind of thing, its arguments, and its state. It does nothing."""

    kind = ""
    args: tuple[Any, ...]
    state: Any

    def __new__(cls, *args: Any) -> Record:  # noqa: D102 - not __init__, which a pickle may leave out
        record = object.__new__(cls)
        record.args, record.state = args, None
        return record

    def __setstate__(self, state: Any) -> None:
        # Called by the unpickler in place of setting attributes: the state is kept, not obeyed.
        self.state = state


_RECORDS = {kind: type("Record", (Record,), {"kind": kind}) for kind in set(ADMITTED.values())}


class _InertUnpickler(pickle.Unpickler):
    """An unpickler for which every admitted name is a `Record`, and every other a refusal."""

    def find_class(self, module: str, name: str) -> Any:
        kind = ADMITTED.get((module, name))
        if kind is None:
            raise _refused(f"it asks for {module}.{name}, which is no array of numbers")
        return _RECORDS[kind]


def load_inert(raw: bytes, where: str) -> Any:
    """Load a pickle as plain values and `Record` objects; nothing of it runs.

    Raises
    ------
    PoseError
        E301 if it mentions anything but arrays of numbers, or is damaged.
    """
    try:
        _check_stream(raw)
        return _InertUnpickler(io.BytesIO(raw)).load()
    except PoseError as error:
        refuse(where, error.why or "")
    except Exception:  # a hostile or damaged stream can raise anything at all
        refuse(where, "it is damaged, or no pickle")


def refuse(where: str, why: str) -> NoReturn:
    """Raise `PoseError` E301."""
    raise PoseError(
        "E301",
        "Refused: a .pkl can run code, so only arrays of numbers are read and nothing of this one "
        "was run",
        where=where,
        why=why,
        remedy="If it is yours, write the poses as CSV or JSON; those of the STAM paper's code are "
        "read with --format stam-pickle",
    )


def as_bytes(value: Any) -> bytes:
    """Bytes, also where an old protocol spelt them as text or a newer as bytearray."""
    for _ in range(2):  # bytearray(encode(text))
        if isinstance(value, Record) and value.kind == "bytes":
            value = value.args[0] if value.args else b""
    if isinstance(value, str):
        return value.encode("latin1")
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    raise _refused("an array without its bytes")


def as_array(value: Any) -> NDArray[Any]:
    """The array, scalar or list that a record stands for; objects stay as they are.

    Raises
    ------
    PoseError
        E301 where lengths and shapes disagree or the numbers are of another kind.
    """
    if not isinstance(value, Record):
        raise _refused("a table whose columns are not arrays")
    try:
        if value.kind == "scalar":
            dtype, raw = _dtype(value.args[0]), as_bytes(value.args[1])
            return _numbers(raw, dtype, (), "C")
        if value.kind == "buffer":
            raw, dtype, shape, order = value.args
            return _numbers(as_bytes(raw), _dtype(dtype), shape, order)
        if value.kind == "array":
            _, shape, dtype, fortran, content = value.state
            return _numbers(content, _dtype(dtype), shape, "F" if fortran else "C")
    except (TypeError, ValueError, IndexError, UnicodeError) as error:
        raise _refused("an array that contradicts itself") from error
    raise _refused(f"an array was expected, not {value.kind}")


def _numbers(content: Any, dtype: np.dtype[Any], shape: Any, order: str) -> NDArray[Any]:
    if not all(isinstance(side, int) and side >= 0 for side in shape) or len(shape) > 4:
        raise ValueError("shape")
    count = math.prod(shape)
    if dtype.hasobject:
        if not isinstance(content, list) or len(content) != count:
            raise ValueError("objects")
        flat = np.empty(count, dtype=object)
        flat[:] = content if count else []
        return flat.reshape(shape, order="F" if order == "F" else "C")
    raw = as_bytes(content)
    if len(raw) != count * dtype.itemsize:
        raise ValueError("bytes")
    return np.frombuffer(raw, dtype).reshape(shape, order="F" if order == "F" else "C")


def _dtype(value: Any) -> np.dtype[Any]:
    if not isinstance(value, Record) or value.kind != "dtype":
        raise ValueError("dtype")
    code = value.args[0]
    if not isinstance(code, str) or not _DTYPE.fullmatch(code):
        raise _refused(f"an array of {str(code)[:20]!r}, not of numbers")
    order = value.state[1] if isinstance(value.state, tuple) and len(value.state) > 1 else "="
    dtype = np.dtype(code.replace("O8", "O"))
    return dtype.newbyteorder(">") if order == ">" else dtype


def _check_stream(raw: bytes) -> None:
    """Walk over the opcodes before loading them: a few bytes can ask for gigabytes of memory."""
    at = 0
    while at < len(raw):
        run = _RUN.match(raw, at)
        at = run.end() if run else at
        code, at = raw[at : at + 1], at + 1
        if code == b".":
            return
        if code in _LENGTH_BYTES:
            start = at + _LENGTH_BYTES[code]
            at = start + int.from_bytes(raw[at:start], "little")
        elif code in _LINES:
            end = raw.index(b"\n", at)
            if code == b"p" and int(raw[at:end]) > len(raw):
                raise _refused("it asks for more memory than any table needs")
            at = end + 1 if code not in b"ci" else raw.index(b"\n", end + 1) + 1
        elif code == b"r" and int.from_bytes(raw[at : at + 4], "little") <= len(raw):
            at += 4
        else:
            raise _refused("it asks for more memory than any table needs, or for things outside")
    raise _refused("it is cut off")


def _refused(why: str) -> PoseError:
    return PoseError("E301", "Refused", why=why)
