"""What a command did, as JSON lines: times, recordings, codes; never a name, a path or a text."""

from __future__ import annotations

import json
import logging
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fidgety import __version__
from fidgety.errors import FidgetyError
from fidgety.files import file_error, make_folder

__all__ = ["log_to"]


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """One event as one line."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "time": f"{moment}.{int(record.msecs):03}Z",
            "event": record.getMessage(),
            "pid": record.process,
            **getattr(record, "fields", {}),
        }
        return json.dumps(line, ensure_ascii=True)


class _WholeLines(logging.Handler):
    """Each event in one write at the end of the file, so that several processes may share it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def emit(self, record: logging.LogRecord) -> None:
        """Write one event; a full disk must not stop the work that is logged."""
        try:
            os.write(self._descriptor, (self.format(record) + "\n").encode())
        except OSError:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        """Say nothing: the work goes on."""

    def close(self) -> None:
        """Give the file back."""
        os.close(self._descriptor)
        super().close()


@contextmanager
def log_to(path: str | os.PathLike[str], command: str) -> Iterator[None]:
    """Log a command and its items to a file until the block ends.

    Events are ``begin`` (command, version, host), ``item`` (recording, state, seconds and, if it
    failed, the code), and ``end`` (seconds, and the code of the error that ended it).

    Raises
    ------
    FileError
        E501 to E503 if the file cannot be written.
    """
    target = Path(path)
    make_folder(target.parent)
    try:
        handler = _WholeLines(target)
    except OSError as error:
        raise file_error(error, target) from error
    handler.setFormatter(_JsonLines())
    logger = logging.getLogger("fidgety")
    level, began = logger.level, time.monotonic()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    about = {"command": command, "fidgety": __version__, "host": platform.node()}
    logger.info("begin", extra={"fields": about})
    code: str | None = None
    try:
        yield
    except BaseException as error:
        code = error.code if isinstance(error, FidgetyError) else type(error).__name__
        raise
    finally:
        fields = {"command": command, "seconds": round(time.monotonic() - began, 3)}
        fields |= {"code": code} if code is not None else {}
        logger.info("end", extra={"fields": fields})
        logger.removeHandler(handler)
        logger.setLevel(level)
        handler.close()
