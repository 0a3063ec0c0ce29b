"""Arrays out of a file written by ``torch.save``, without running any of it.

Such a file is a pickle and the bytes of its arrays. `PickleReader` tells what the pickle describes;
arrays are rebuilt from that by this module, every size checked first. So whole pickled modules can
be read whose classes do not exist any more.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import CheckpointError
from fidgety.files import existing, file_error
from fidgety.models.pickled import Call, Name, PickleReader

__all__ = ["read_state"]

MAX_BYTES = 1 << 28  # of a file, and of all its arrays together
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
        raise _damaged(source, (str(error) or type(error).__name__)[:200]) from error
    if not state:
        raise CheckpointError(
            "E422",
            "No model parameters found",
            where=source.name,
            remedy="Give a saved model or its state_dict, not an optimiser or a prediction file",
        )
    return state


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

    return PickleReader(io.BytesIO(member("data.pkl"))).run(), storage


def _read_stream(handle: IO[bytes]) -> tuple[Any, Storages]:
    if PickleReader(handle).run() != LEGACY_MAGIC:
        raise ValueError("a pickle, but not of torch.save")
    PickleReader(handle).run()  # protocol version
    system = PickleReader(handle).run()
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise ValueError("written on a big-endian machine")
    reader = PickleReader(handle)
    tree = reader.run()
    keys = PickleReader(handle).run()
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
