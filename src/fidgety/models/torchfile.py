"""Arrays out of a file written by ``torch.save``, without running any of it.

A pickle is a small program, and loading it runs whatever it names. Here it is only read: `_Reader`
follows the opcodes, and what the program would import becomes a `Name`, what it would call a `Call`
with its arguments. It holds nothing that could be called, so that nothing can be run. Arrays are
rebuilt afterwards by this module from the storages, with every size checked first. That also lets
whole pickled modules be read whose classes do not exist any more.
"""

from __future__ import annotations

import io
import math
import pickletools
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import CheckpointError
from fidgety.files import existing, file_error

__all__ = ["read_state"]

MAX_BYTES = 1 << 28  # of a file, and of all its arrays together
MAX_STEPS = 1_000_000  # opcodes; a whole pickled STAM has about 10,000
MAX_MODULES = 10_000
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C  # first pickle of a file from torch before 1.6
DTYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}
Storages = Callable[[str, np.dtype, int], NDArray[Any]]  # key, dtype, count -> flat array


def read_state(path: str | Path) -> dict[str, NDArray[Any]]:
    """Parameters and buffers of a torch file by their dotted names; nothing in the file is run.

    Parameters
    ----------
    path : path-like
        A state dict, a dictionary that holds one, or a whole pickled module; written by
        ``torch.save`` in its zip format (torch 1.6 and later) or as a stream (before).

    Returns
    -------
    dict of str to ndarray

    Raises
    ------
    FileError
        E504 if there is no such file.
    CheckpointError
        E420 not a torch file, E421 damaged, or larger than it may be, E422 no parameters in it.
    """
    source = existing(path, "model file")
    try:
        if source.stat().st_size > MAX_BYTES:
            raise _damaged(source, f"it is larger than {MAX_BYTES >> 20} MiB")
        content = source.read_bytes()
    except OSError as error:
        raise file_error(error, source) from error
    if content[:2] != b"PK" and content[:1] != b"\x80":
        raise CheckpointError(
            "E420",
            "Not a file written by torch.save",
            where=source.name,
            remedy="Give the model file (.pth, .pt) that the training run wrote",
        )
    read = _read_zip if content[:2] == b"PK" else _read_stream
    try:
        tree, storages = read(io.BytesIO(content))
        storages = _metered(storages)
        state = {name: _array(node, storages) for name, node in _tensors(tree)}
    except _UNREADABLE as error:
        raise _damaged(
            source, str(error).splitlines()[0] if str(error) else "unreadable"
        ) from error
    if not state:
        raise CheckpointError(
            "E422",
            "No model parameters found",
            where=source.name,
            remedy="Give a saved model or its state_dict, not an optimiser or a prediction file",
        )
    return state


# --- what the pickle describes ---


@dataclass(frozen=True, slots=True, eq=False)
class Name:
    """What the pickle would have imported."""

    module: str
    name: str


@dataclass(slots=True, eq=False)
class Call:
    """What the pickle would have called or built, and what it would have put into it."""

    what: Any
    args: Any
    state: Any = None
    items: list[Any] = field(default_factory=list)  # pairs, or single values, in order of arrival

    def is_a(self, *names: str) -> bool:
        """Whether the called thing has one of these full names."""
        return isinstance(self.what, Name) and f"{self.what.module}.{self.what.name}" in names


def _entries(node: Any) -> dict[str, Any]:
    """The string-keyed entries of a described dictionary; empty for anything else."""
    pairs: Any = ()
    if isinstance(node, dict):
        pairs = node.items()
    elif isinstance(node, Call) and node.is_a("collections.OrderedDict"):
        given = node.args[0] if isinstance(node.args, tuple) and node.args else []
        pairs = [*(given if isinstance(given, list) else []), *node.items]
    return {
        pair[0]: pair[1]
        for pair in pairs
        if isinstance(pair, tuple | list) and len(pair) == 2 and isinstance(pair[0], str)
    }


def _tensors(tree: Any) -> Iterator[tuple[str, Any]]:
    """Dotted names and described tensors of a module, a state dict, or a dictionary with either."""
    if isinstance(tree, Call) and "_modules" in _entries(tree.state):
        return _module_tensors(tree)
    entries = _entries(tree)
    for name in ("state_dict", "model_state_dict", "model", "net"):
        if name in entries and not _is_tensor(entries[name]):
            return _tensors(entries[name])
    return ((name, node) for name, node in entries.items() if _is_tensor(node))


def _module_tensors(root: Any) -> Iterator[tuple[str, Any]]:
    waiting = [("", root)]
    for _ in range(MAX_MODULES):
        if not waiting:
            return
        prefix, module = waiting.pop()
        state = _entries(module.state if isinstance(module, Call) else None)
        for kind in ("_parameters", "_buffers"):
            for name, node in _entries(state.get(kind)).items():
                if _is_tensor(node):
                    yield prefix + name, node
        children = _entries(state.get("_modules"))
        waiting += [(f"{prefix}{name}.", child) for name, child in children.items()]
        if len(prefix) > 1000 or len(waiting) > MAX_MODULES:
            break
    raise ValueError("its modules have no end")


def _is_tensor(node: Any) -> bool:
    return isinstance(node, Call) and node.is_a(*_REBUILD, *_WRAP)


_REBUILD = ("torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor")
_WRAP = ("torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state")


def _array(node: Any, storages: Storages) -> NDArray[Any]:
    """Rebuild one described tensor, every size checked before anything is allocated."""
    if isinstance(node, Call) and node.is_a(*_WRAP):
        node = node.args[0]
    if not (isinstance(node, Call) and node.is_a(*_REBUILD)):
        raise ValueError("a parameter is not a plain tensor")
    stored, offset, size, stride = node.args[:4]
    dtype, key, count = _storage(stored)
    numbers = (offset, count, *size, *stride)
    if not all(type(n) is int and n >= 0 for n in numbers) or len(size) != len(stride):
        raise ValueError("a tensor whose sizes are not whole numbers")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if len(size) > 8 or math.prod(size) > count or (math.prod(size) and last >= count):
        raise ValueError("a tensor larger than its storage")
    flat = storages(key, dtype, count)
    steps = [step * dtype.itemsize for step in stride]
    if not math.prod(size):
        return np.zeros(size, dtype)
    return np.lib.stride_tricks.as_strided(flat[offset:], size, steps, writeable=False).copy()


def _storage(identity: Any) -> tuple[np.dtype, str, int]:
    """Dtype, key and number of items of a storage's persistent id."""
    if not (isinstance(identity, tuple) and len(identity) >= 5 and identity[0] == "storage"):
        raise ValueError("a tensor without a storage")
    kind, key, count = identity[1], identity[2], identity[4]
    if not (isinstance(kind, Name) and kind.module in ("torch", "torch.cuda")):
        raise ValueError("a storage of unknown kind")
    if kind.name not in DTYPES:
        raise ValueError(f"{kind.name} is not supported")
    if type(count) is not int or count < 0 or not isinstance(key, str | int):
        raise ValueError("a storage of unknown size")
    return np.dtype(DTYPES[kind.name]), str(key), count


def _metered(storages: Storages) -> Storages:
    """Refuse to read more than `MAX_BYTES` altogether, however often a storage is named."""
    left = MAX_BYTES

    def metered(key: str, dtype: np.dtype, count: int) -> NDArray[Any]:
        nonlocal left
        left -= count * dtype.itemsize
        if left < 0:
            raise ValueError(f"its arrays are larger than {MAX_BYTES >> 20} MiB")
        return storages(key, dtype, count)

    return metered


# --- the two file formats ---


def _read_zip(handle: IO[bytes]) -> tuple[Any, Storages]:
    archive = zipfile.ZipFile(handle)
    pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise ValueError("a zip file, but not of torch.save: it has no data.pkl")
    folder = pickles[0].removesuffix("data.pkl")

    def member(name: str) -> bytes:
        info = archive.getinfo(folder + name)
        if info.compress_type != zipfile.ZIP_STORED or info.file_size > MAX_BYTES:
            raise ValueError(f"{name} is compressed, which torch.save does not do")
        return archive.read(info)

    if f"{folder}byteorder" in archive.namelist() and member("byteorder") != b"little":
        raise ValueError("written on a big-endian machine")

    def storage(key: str, dtype: np.dtype, count: int) -> NDArray[Any]:
        return np.frombuffer(member(f"data/{key}"), dtype, count)  # raises if too few bytes

    return _Reader(io.BytesIO(member("data.pkl"))).run(), storage


def _read_stream(handle: IO[bytes]) -> tuple[Any, Storages]:
    if _Reader(handle).run() != LEGACY_MAGIC:
        raise ValueError("a pickle, but not of torch.save")
    _Reader(handle).run()  # protocol version
    system = _Reader(handle).run()
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise ValueError("written on a big-endian machine")
    reader = _Reader(handle)
    tree = reader.run()
    keys = _Reader(handle).run()
    if not isinstance(keys, list):
        raise ValueError("the list of storages is missing")
    # The storages follow in the order of `keys`, each its count (8 bytes) and its bytes.
    sizes = {str(key): count * dtype.itemsize for dtype, key, count in map(_storage, reader.stored)}
    places, place = {}, handle.tell()
    for key in map(str, keys):
        places[key] = place + 8
        place += 8 + sizes[key]

    def storage(key: str, dtype: np.dtype, count: int) -> NDArray[Any]:
        handle.seek(places[key])
        return np.frombuffer(handle.read(count * dtype.itemsize), dtype, count)

    return tree, storage


# --- the pickle, followed without running it ---


class _Reader:
    """Follows one pickle from the current place of a file to its STOP.

    Lists and dictionaries become themselves, sets become lists; dictionary keys other than plain
    ones are left out, since nothing here needs them and hashing deep nests could overrun the stack.
    """

    def __init__(self, handle: IO[bytes]) -> None:
        self.handle = handle
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.stored: list[Any] = []  # persistent ids of storages, for the stream format

    def run(self) -> Any:
        """Give what the pickle describes."""
        for step, (opcode, argument, _) in enumerate(pickletools.genops(self.handle)):
            if opcode.name == "STOP":
                return self.stack.pop()
            if step >= MAX_STEPS:
                break
            if opcode.name in _LITERALS:
                self.stack.append(argument)
            elif not (self._contain(opcode.name) or self._describe(opcode.name, argument)):
                raise ValueError(f"{opcode.name} has no place in a model file")
        raise ValueError("the pickle does not end")

    def _contain(self, name: str) -> bool:
        """Follow the opcodes that stack, unstack and fill containers."""
        stack = self.stack
        match name:
            case "MARK":
                self.marks.append(len(stack))
            case "POP":
                stack.pop()
            case "POP_MARK":
                self._since_mark()
            case "DUP":
                stack.append(stack[-1])
            case "NONE" | "EMPTY_TUPLE" | "EMPTY_LIST" | "EMPTY_SET" | "EMPTY_DICT":
                stack.append({"NONE": None, "EMPTY_TUPLE": (), "EMPTY_DICT": {}}.get(name, []))
            case "NEWTRUE" | "NEWFALSE":
                stack.append(name == "NEWTRUE")
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = int(name[-1])
                stack[-count:] = [tuple(stack[-count:])]
            case "TUPLE":
                stack.append(tuple(self._since_mark()))
            case "LIST" | "FROZENSET":
                stack.append(self._since_mark())
            case "DICT":
                self._put_pairs({}, self._since_mark())
            case "APPEND":
                self._extend([stack.pop()])
            case "APPENDS" | "ADDITEMS":
                self._extend(self._since_mark())
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                self._put_pairs(stack.pop(), [key, value])
            case "SETITEMS":
                values = self._since_mark()
                self._put_pairs(stack.pop(), values)
            case _:
                return False
        return True

    def _describe(self, name: str, argument: Any) -> bool:
        """Follow the opcodes that would import, call, build, or remember."""
        stack = self.stack
        match name:
            case "PROTO" | "FRAME":
                pass
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                self.memo[argument] = stack[-1]
            case "MEMOIZE":
                self.memo[len(self.memo)] = stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(self.memo[argument])
            case "GLOBAL":
                stack.append(Name(*argument.split(" ", 1)))
            case "STACK_GLOBAL":
                attribute, module = stack.pop(), stack.pop()
                stack.append(Name(str(module), str(attribute)))
            case "INST":
                stack.append(Call(Name(*argument.split(" ", 1)), tuple(self._since_mark())))
            case "OBJ":
                what, *arguments = self._since_mark()
                stack.append(Call(what, tuple(arguments)))
            case "REDUCE" | "NEWOBJ":
                arguments = stack.pop()
                stack.append(Call(stack.pop(), arguments))
            case "NEWOBJ_EX":
                _, arguments = stack.pop(), stack.pop()
                stack.append(Call(stack.pop(), arguments))
            case "BUILD":
                state = stack.pop()
                if isinstance(stack[-1], Call):
                    stack[-1].state = state
            case "BINPERSID":
                stack.append(self._outside(stack.pop()))
            case _:
                return False
        return True

    def _since_mark(self) -> list[Any]:
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def _extend(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, Call):
            target.items += values
        elif isinstance(target, list):
            target += values
        else:
            raise ValueError("values are added to what cannot hold them")

    def _put_pairs(self, target: Any, values: list[Any]) -> None:
        """Put keys and values, in turn, into `target`, and `target` on the stack."""
        pairs = list(zip(values[::2], values[1::2], strict=True))
        if isinstance(target, Call):
            target.items += pairs
        elif isinstance(target, dict):
            target.update((key, value) for key, value in pairs if isinstance(key, _PLAIN))
        else:
            raise ValueError("pairs are put into what cannot hold them")
        self.stack.append(target)

    def _outside(self, identity: Any) -> Any:
        """What a persistent id stands for: a storage, or in old files a class with its source."""
        if isinstance(identity, tuple) and len(identity) >= 2 and identity[0] == "module":
            return identity[1]
        self.stored.append(identity)
        return identity


_PLAIN = (str, int, float, bytes, type(None))
_LITERALS = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
    *("BYTEARRAY8", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
}
_UNREADABLE = (
    *(ValueError, LookupError, TypeError, ArithmeticError, RuntimeError, MemoryError, EOFError),
    zipfile.BadZipFile,
)


def _damaged(source: Path, why: str) -> CheckpointError:
    return CheckpointError(
        "E421",
        "Cannot read this model file",
        where=source.name,
        why=why,
        remedy="Copy it again, or save the model's state_dict with torch.save",
    )
