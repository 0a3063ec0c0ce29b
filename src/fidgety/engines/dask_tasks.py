"""Tasks of a Dask cluster, which its scheduler gives to another worker when one dies.

What the scheduler cannot mend is its own loss: then its client forgets every task. Here the client
is made anew, a bounded number of times, and what is left is handed out again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, nullcontext, suppress
from queue import Empty, SimpleQueue
from types import ModuleType
from typing import Any

from fidgety.engines.cluster import LOOK_S, Workers, handed_out
from fidgety.engines.engine import (
    Engine,
    Item,
    Lost,
    Result,
    first_line,
    gone,
    library,
    unreachable,
)

__all__ = ["on_dask"]

CONNECT_S = 20.0
CLOSE_S = 2.0  # a client whose scheduler is gone waits for it in vain
LOSS = (OSError, TimeoutError, CancelledError, RuntimeError)  # of the connection, by the client


def on_dask(
    work: Callable[[Item], Result], items: Sequence[Item], engine: Engine
) -> Iterator[tuple[Item, Result | Lost]]:
    """Dask tasks, handed out again where the scheduler was lost and is back.

    Raises
    ------
    FidgetyError
        E520 not installed, E521 not reached, E523 lost on the way and not back.
    """
    distributed = library("distributed")
    left = dict(enumerate(items))
    with _cluster(distributed, engine) as address:
        in_vain, why = 0, ""
        while left:
            begun = len(left)
            try:
                for row, result in _connected(distributed, address, work, left, engine):
                    yield left.pop(row), result
            except LOSS as error:
                why = first_line(error)
            in_vain = 0 if len(left) < begun else in_vain + 1
            if left and in_vain > engine.retries:
                raise gone(engine, len(left), why)


@contextmanager
def _cluster(distributed: ModuleType, engine: Engine) -> Iterator[Any]:
    """Address of the cluster, having seen that it answers; or one started here."""
    try:
        if engine.cluster:
            with _client(distributed, engine.cluster):
                pass
            cluster = nullcontext(engine.cluster)
        else:
            cluster = distributed.LocalCluster(
                n_workers=engine.workers, threads_per_worker=1, dashboard_address=None
            )
    except (*LOSS, ValueError) as error:
        raise unreachable(engine, error) from error
    with cluster as address:
        yield address


@contextmanager
def _client(distributed: ModuleType, address: Any) -> Iterator[Any]:
    client = distributed.Client(address, timeout=CONNECT_S, set_as_default=False)
    log = logging.getLogger("distributed.client")
    level = log.level
    log.setLevel(logging.CRITICAL)  # it tells of every lost connection, with a traceback
    try:
        yield client
    finally:
        with suppress(*LOSS):
            client.close(timeout=CLOSE_S)
        log.setLevel(level)


def _connected(
    distributed: ModuleType,
    address: Any,
    work: Callable[[Item], Result],
    left: dict[int, Item],
    engine: Engine,
) -> Iterator[tuple[int, Result | Lost]]:
    """Rows with results as they come; raises one of `LOSS` when the scheduler is lost."""
    with _client(distributed, address) as client:
        watch = _Watch(client, Workers(engine, left))
        ended: SimpleQueue[int] = SimpleQueue()

        def submit(row: int) -> Any:
            future = client.submit(work, left[row], pure=False, retries=engine.retries)
            future.add_done_callback(lambda _: ended.put(row))
            return future

        tasks = handed_out(
            left,
            cores=lambda: sum(_cores(client).values()),
            submit=submit,
            ended=lambda _: watch.until(ended.get, Empty),
        )
        for row, future in tasks:
            yield row, _result(future, watch)


class _Watch:
    """Looks after a scheduler while something is waited for; raises when there is no hope."""

    def __init__(self, client: Any, workers: Workers) -> None:
        self.client, self.workers = client, workers

    def until(self, wait: Callable[..., Any], not_yet: type[Exception]) -> Any:
        """What `wait` gives, which says by `not_yet` that there is nothing after so long."""
        while True:
            try:
                return wait(timeout=LOOK_S)
            except not_yet:
                self.look()

    def look(self) -> None:
        """Raise one of `LOSS`, or what is said where no worker is left for a long time."""
        if self.client.status != "running":
            raise ConnectionError(f"the client is {self.client.status}")
        self.workers.seen(bool(_cores(self.client)))


def _cores(client: Any) -> dict[str, int]:
    """Threads of each worker; TimeoutError if the scheduler does not answer."""
    return client.sync(client.scheduler.ncores, callback_timeout=3 * LOOK_S)


def _result(future: Any, watch: _Watch) -> Any:
    """What the work gave; raises one of `LOSS` if that cannot be told.

    It lies on the worker: if that is gone meanwhile, the scheduler has the work done again.
    """
    if future.status == "error":  # the work itself raises nothing: its worker died
        error = future.exception()
        return Lost(first_line(error) if error is not None else "its worker died")
    return watch.until(future.result, TimeoutError)
