"""What Ray and Dask share: tasks handed out a few ahead, and a cluster without workers given up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from fidgety.engines.engine import Engine, gone

__all__ = ["LOOK_S", "Workers", "handed_out"]

AHEAD = 4  # items handed to a cluster for each of its cores, so that none waits for the next
LOOK_S = 10.0  # without a result, after which a cluster is asked whether it is still there
PATIENCE_S = 300.0  # with a cluster of which no worker is left


def handed_out(
    left: Mapping[int, Any],
    cores: Callable[[], float],
    submit: Callable[[int], Any],
    ended: Callable[[dict[int, Any]], int],
) -> Iterator[tuple[int, Any]]:
    """Hand items out, so many a core at a time; give their tasks as they end.

    Parameters
    ----------
    left : mapping
        Items by number; whoever asks may take those away whose tasks were given.
    cores : callable () -> float
        Cores that the cluster has now: it may grow. Asked again every `LOOK_S` at most.
    submit : callable (number) -> task
        Hands an item out.
    ended : callable ({number: task}) -> number
        Waits until one of the tasks ended; says whose.

    Yields
    ------
    number, task
    """
    under_way: dict[int, Any] = {}
    queue = iter(list(left))
    room, asked = 0, float("-inf")
    while True:
        if time.monotonic() - asked >= LOOK_S:
            room, asked = AHEAD * max(1, int(cores())), time.monotonic()
        for number in islice(queue, max(0, room - len(under_way))):
            under_way[number] = submit(number)
        if not under_way:
            return
        number = ended(under_way)
        yield number, under_way.pop(number)


class Workers:
    """Whether a cluster has workers; it is given up when it had none for `PATIENCE_S`.

    Parameters
    ----------
    engine : Engine
        The cluster.
    left : mapping
        Items that are not done.
    """

    def __init__(self, engine: Engine, left: Mapping[int, Any]) -> None:
        self._engine, self._left = engine, left
        self._none_since: float | None = None

    def seen(self, some: bool) -> None:
        """Note whether there are some now; `FidgetyError` E523 where the patience has ended."""
        now = time.monotonic()
        if some:
            self._none_since = None
        elif self._none_since is None:
            self._none_since = now
        elif now - self._none_since > PATIENCE_S:
            raise gone(self._engine, len(self._left), "no worker is left")
