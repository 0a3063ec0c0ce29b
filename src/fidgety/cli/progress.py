"""Progress with the time left: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

__all__ = ["Report", "progress"]


class Report(Protocol):
    """Called with what is done, the total, and the name of the item."""

    def __call__(self, done: float, total: int, name: str = "") -> None:
        """Show it."""
        ...


@contextmanager
def progress(what: str) -> Iterator[Report]:
    """Show progress of `what` on standard error until the block ends."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[item]}"),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(what, total=None, item="")

            def show(done: float, total: int, name: str = "") -> None:
                bar.update(task, completed=done, total=total, item=name)

            yield show
        return
    started, shown, over = time.monotonic(), 0.0, False

    def tell(done: float, total: int, name: str = "") -> None:
        nonlocal shown, over
        now = time.monotonic() - started
        if over or (done < total and now - shown < 10):  # a line every ten seconds, and the last
            return
        shown, over = now, done >= total
        tail = f", {now:.0f} s"
        if done < total:
            tail = f", about {now / done * (total - done):.0f} s left" if done else ""
        print(f"{what}: {round(done, 2):.12g} of {total}{tail}", file=sys.stderr)

    yield tell
