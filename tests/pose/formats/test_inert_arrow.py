"""Arrow files are measured before they are unpacked, by our own reading of their heads."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fidgety.errors import PoseError
from fidgety.pose import formats
from fidgety.pose.formats import inert_arrow
from fidgety.pose.formats.inert_arrow import MAX_UNPACKED, _announced, read_arrow


def announced(path: Path) -> tuple[int, int]:
    messages = pa.py_buffer(path.read_bytes()).slice(8)
    found = list(_announced(messages))
    return sum(rows for rows, _ in found), sum(size for _, size in found)


def held(table: pa.Table) -> int:
    """Bytes of a table's buffers."""
    return sum(
        buffer.size
        for column in table.columns
        for chunk in column.chunks
        for buffer in chunk.buffers()
        if buffer is not None
    )


@pytest.mark.parametrize("compression", ["lz4", "zstd", "uncompressed"])
@pytest.mark.parametrize("rows", [0, 1, 3000, 140_000])
def test_what_is_announced_is_what_is_held(tmp_path, compression, rows):
    rng = np.random.default_rng(0)
    table = pa.table({"x": rng.random(rows), "zero": np.zeros(rows), "s": ["jva"] * rows})
    path = tmp_path / "a.feather"
    feather.write_feather(table, path, compression=compression)
    read = read_arrow(path)
    assert read.equals(table)
    length, size = announced(path)
    assert length == rows
    assert size <= held(read) + 64 * 3 * max(1, rows // 30_000)  # buffers are rounded up
    assert size >= rows * 19


def test_dictionaries_count(tmp_path):
    column = pa.array(["original", "mirrored"] * 500).dictionary_encode()
    path = tmp_path / "a.feather"
    feather.write_feather(pa.table({"s": column}), path, compression="zstd")
    assert read_arrow(path).column("s").to_pylist() == ["original", "mirrored"] * 500
    assert announced(path)[1] >= len("originalmirrored") + 4 * 1000


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_a_bomb_is_refused_before_it_unpacks(tmp_path, compression):
    path = tmp_path / "bomb.feather"
    zeros = pa.table({"nose_x": np.zeros((MAX_UNPACKED >> 3) + 1)})
    feather.write_feather(zeros, path, compression=compression, chunksize=1 << 26)
    del zeros
    assert path.stat().st_size < 4 << 20
    tracemalloc.start()
    before = pa.total_allocated_bytes()
    with pytest.raises(PoseError, match=r"E337.*bomb\.feather.*256 MiB"):
        read_arrow(path)
    assert pa.total_allocated_bytes() - before < 16 << 20
    assert tracemalloc.get_traced_memory()[1] < 16 << 20
    tracemalloc.stop()
    with pytest.raises(PoseError, match="E337"):
        formats.read(path, format="infant-kinetics", fps=30)


def test_rows_without_bytes_are_counted(tmp_path):
    path = tmp_path / "rows.feather"
    nothing = pa.table({"nose_x": pa.nulls(inert_arrow.MAX_ROWS + 1)})
    feather.write_feather(nothing, path, compression="uncompressed", chunksize=1 << 30)
    assert path.stat().st_size < 10_000
    with pytest.raises(PoseError, match="E337"):
        read_arrow(path)


@settings(max_examples=150, database=None)
@given(st.data())
def test_spoilt_heads_are_refused_in_words(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("arrow") / "a.feather"
    feather.write_feather(pa.table({"x": np.zeros(50), "s": ["j"] * 50}), path, compression="zstd")
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(8, len(raw) - 1))
        raw[at] = data.draw(st.integers(0, 255))
    path.write_bytes(raw)
    with pytest.raises(PoseError) as refused:  # it has no joints, so it is refused in any case
        formats.read(path, format="infant-kinetics", fps=30)
    assert refused.value.code in ("E334", "E337")
