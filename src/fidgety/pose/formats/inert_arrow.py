"""Arrow files read within limits: what they would unpack to is known before anything is unpacked.

An Arrow file is a stream of messages between two marks. A message that holds columns says in its
head where each buffer lies, and a packed buffer begins with the length it unpacks to (Arrow
columnar format 1.5, "Compression" and "Encapsulated message format"). pyarrow tells neither before
it unpacks, so the heads are read here, and then exactly the messages that were looked at.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from fidgety.errors import PoseError
from fidgety.pose.formats.source import MAX_FRAMES, check_bytes

__all__ = ["MAX_UNPACKED", "read_arrow"]

MAX_UNPACKED = 256 << 20  # bytes; a segment of 20 s has about ten million
MAX_ROWS = 16 * MAX_FRAMES  # a segment has a row for each stream of each frame
MAX_BATCHES = 10_000
_MARK = b"ARROW1\0\0"
_COLUMNS = {"record batch": 3, "dictionary": 2}  # kind of message -> its number in a head


def read_arrow(path: Path) -> pa.Table:
    """The table of an Arrow file (Feather version 2).

    Raises
    ------
    PoseError
        E337 if it would unpack to more than 256 MiB, or has more rows than any recording.
    pyarrow.ArrowException, OSError, UnicodeDecodeError, ValueError
        If it cannot be read.
    """
    check_bytes(path)
    raw = path.read_bytes()
    if not raw.startswith(_MARK):
        raise ValueError("it does not begin like an Arrow file")
    batches = pa.ipc.open_file(pa.BufferReader(raw)).num_record_batches  # reads its end only
    messages = pa.py_buffer(raw).slice(len(_MARK))
    rows = unpacked = 0
    for count, (length, size) in enumerate(_announced(messages)):
        rows, unpacked = rows + length, unpacked + size
        if unpacked > MAX_UNPACKED or rows > MAX_ROWS or count >= MAX_BATCHES:
            raise PoseError(
                "E337",
                f"It would unpack to {rows:,} rows and {unpacked / 2**20:,.0f} MiB",
                where=path.name,
                why=f"more than {MAX_UNPACKED >> 20} MiB or {MAX_ROWS:,} rows are no recording",
                remedy="Divide the recording into shorter ones",
            )
    found = list(pa.ipc.open_stream(messages))
    if len(found) != batches:
        raise ValueError(f"its end tells of {batches} batches of rows, it holds {len(found)}")
    table = pa.Table.from_batches(found, None if found else pa.ipc.open_stream(messages).schema)
    table.validate(full=True)  # offsets that lie would be followed out of the file
    return table


def _announced(messages: pa.Buffer) -> Iterator[tuple[int, int]]:
    """Rows and bytes, unpacked, of each message with columns."""
    for message in pa.ipc.MessageReader.open_stream(pa.BufferReader(messages)):
        if message.type not in _COLUMNS:
            continue
        head, body = message.metadata.to_pybytes(), message.body
        try:
            yield _extent(head, _COLUMNS[message.type], body)
        except struct.error as error:
            raise ValueError("the head of a message leads out of it") from error


def _extent(head: bytes, kind: int, body: pa.Buffer | None) -> tuple[int, int]:
    """Rows and bytes that one message holds once it is unpacked."""
    table = _at(head, "<I", 0)
    if _at(head, "<B", _field(head, table, 1)) != kind:
        raise ValueError("a message is not of the kind its head says")
    batch = _follow(head, _field(head, table, 2))
    if kind == _COLUMNS["dictionary"]:
        batch = _follow(head, _field(head, batch, 1))
    place = _field(head, batch, 0)
    length = _at(head, "<q", place) if place else 0
    packed, place = _field(head, batch, 3), _field(head, batch, 2)
    if not place:
        return _whole(length), 0
    start = _follow(head, place)
    total = 0
    for row in range(_at(head, "<I", start)):
        offset, size = struct.unpack_from("<qq", head, start + 4 + 16 * row)
        if offset < 0 or size < 0 or offset + size > (0 if body is None else body.size):
            raise ValueError("a buffer lies outside its message")
        if packed and size and body is not None:
            if size < 8:
                raise ValueError("a packed buffer has no length")
            (said,) = struct.unpack("<q", body.slice(offset, 8).to_pybytes())
            size = size if said == -1 else _whole(said)
        total += size
    return _whole(length), total


def _field(head: bytes, table: int, number: int) -> int:
    """Where a field of a flatbuffer's table lies; 0 if the table leaves it out."""
    index = table - _at(head, "<i", table)
    if not 0 <= index < len(head):
        raise ValueError("the head of a message leads out of it")
    if 4 + 2 * number >= _at(head, "<H", index):
        return 0
    offset = _at(head, "<H", index + 4 + 2 * number)
    return table + offset if offset else 0


def _follow(head: bytes, place: int) -> int:
    """Where a reference at `place` leads."""
    if not place:
        raise ValueError("the head of a message is incomplete")
    return place + _at(head, "<I", place)


def _at(head: bytes, form: str, place: int) -> int:
    return int(struct.unpack_from(form, head, place)[0])


def _whole(count: int) -> int:
    if count < 0:
        raise ValueError("a length is negative")
    return count
