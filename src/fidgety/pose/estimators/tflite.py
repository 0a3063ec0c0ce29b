"""TensorFlow Lite models, run with only what is wanted of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from fidgety.errors import VideoError
from fidgety.files import existing, file_error
from fidgety.pose.optional import library

__all__ = ["interpreter", "pruned"]

Shape = tuple[int, ...]


def interpreter(model: Path, threads: int, outputs: Sequence[Shape] | None = None) -> Any:
    """A ready interpreter of a model file.

    Parameters
    ----------
    model : Path
        A ``.tflite`` file.
    threads : int
        Threads it may use.
    outputs : sequence of shape, optional
        Those wanted; operations that serve no other are left out. All by default.

    Raises
    ------
    VideoError
        E607 the runtime is missing; E621 the model has no output of such a shape.
    FileError
        E502, E504.
    """
    runtime = library("ai_edge_litert.interpreter", extra="video")
    source = existing(model)
    try:
        content = source.read_bytes()
    except OSError as error:
        raise file_error(error, model) from error
    if outputs is not None:
        content = _pruned_once(content, tuple(outputs))
    with _silence():
        made = runtime.Interpreter(model_content=content, num_threads=threads)
        made.allocate_tensors()
    return made


def pruned(content: bytes, outputs: Sequence[Shape]) -> bytes:
    """A model without the operations that none of the wanted outputs needs.

    The runtime computes whatever stands in the file: BlazePose's landmark model would spend more
    than a third of its time on the outline of the body and on points in space, which nobody reads
    here. What remains is untouched, and so are its results.

    Raises
    ------
    VideoError
        E621 if an output is missing, or its shape is not of one alone.
    """
    schema = library("ai_edge_litert.schema_py_generated", extra="video")
    flatbuffers = library("flatbuffers", extra="video")
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    graph = model.subgraphs[0]
    of_shape: dict[Shape, list[int]] = {}
    for row in map(int, graph.outputs):
        of_shape.setdefault(tuple(map(int, graph.tensors[row].shape)), []).append(row)
    wanted = [rows[0] for shape in outputs if len(rows := of_shape.get(tuple(shape), [])) == 1]
    if len(wanted) < len(outputs):
        raise VideoError(
            "E621",
            "The model is not the one expected",
            why=f"its outputs are {', '.join(map(str, of_shape))}, not {list(outputs)}",
        )
    maker = {int(row): number for number, op in enumerate(graph.operators) for row in op.outputs}
    needed: set[int] = set()
    open_rows = list(wanted)
    while open_rows:
        number = maker.get(open_rows.pop())
        if number is not None and number not in needed:
            needed.add(number)
            open_rows += [int(row) for row in graph.operators[number].inputs if row >= 0]
    graph.operators = [graph.operators[number] for number in sorted(needed)]
    graph.outputs = np.array(wanted, dtype=np.int32)
    model.signatureDefs = None  # they name the outputs that are gone
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@lru_cache(maxsize=2)
def _pruned_once(content: bytes, outputs: tuple[Shape, ...]) -> bytes:
    return pruned(content, outputs)


@contextmanager
def _silence() -> Iterator[None]:
    """Keep the runtime's greeting off standard error; it has no setting for that."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
