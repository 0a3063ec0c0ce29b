"""Several processes of this machine, by joblib's loky."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence

from fidgety.engines.engine import Engine, Item, Lost, Result

__all__ = ["in_processes"]


def in_processes(
    work: Callable[[Item], Result], items: Sequence[Item], engine: Engine
) -> Iterator[tuple[Item, Result | Lost]]:
    """Processes of this machine. When one dies, the items under way are done again one by one."""
    left = dict(enumerate(items))
    while left:
        broke = False
        for row, result in _pooled(work, left, engine.workers):
            if row is None:
                broke = True
                break
            yield left.pop(row), result  # type: ignore[misc]
        if not broke:
            return
        # joblib hands out at most three items a worker ahead: among these is the one that kills.
        for row in list(left)[: 3 * engine.workers]:
            yield left[row], _alone(work, left[row], engine.retries)
            del left[row]


def _alone(work: Callable[[Item], Result], item: Item, retries: int) -> Result | Lost:
    """The result of one item in a process of its own, tried again while that dies."""
    for _ in range(retries + 1):
        for row, result in _pooled(work, {0: item}, 2):
            if row is not None:
                return result  # type: ignore[return-value]
    return Lost("its process died")


def _pooled(
    work: Callable[[Item], Result], left: dict[int, Item], workers: int
) -> Iterator[tuple[int | None, Result | None]]:
    """Rows with results; a row of None, and no more, where a process died."""
    from joblib import Parallel, delayed
    from joblib.externals.loky.process_executor import BrokenProcessPool

    parallel = Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1)  # type: ignore[arg-type]
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="A worker stopped while some jobs")
            yield from parallel(
                delayed(_numbered)(work, row, item) for row, item in list(left.items())
            )  # type: ignore[misc]
    except BrokenProcessPool:
        yield None, None


def _numbered(work: Callable[[Item], Result], row: int, item: Item) -> tuple[int, Result]:
    return row, work(item)
