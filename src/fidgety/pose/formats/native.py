"""The native Parquet file, as one of the formats."""

from __future__ import annotations

from pathlib import Path

from fidgety.pose.formats.source import Given, Source, check_bytes
from fidgety.pose.pose import Pose
from fidgety.pose.stored import read_native

__all__ = ["read", "recognise", "write"]


def recognise(source: Source) -> bool:
    """True for a Parquet file; `read_native` says what is wrong with a foreign one."""
    return source.head.startswith(b"PAR1")


def read(source: Source, given: Given) -> Pose:
    """Read a native file: it says everything itself. Raises as `read_native`."""
    check_bytes(source.path)
    return read_native(source.path)


def write(pose: Pose, path: Path) -> Path:
    """Write a native file, whole or not at all."""
    return pose.save(path)
