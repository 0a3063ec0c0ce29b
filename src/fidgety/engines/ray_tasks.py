"""Tasks of a Ray cluster, which Ray itself starts again when their worker or machine dies.

Ray cannot go on without its head, and ends the process that works with it about a minute after
that is lost; it is asked for meanwhile, so that this can be told.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
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

__all__ = ["on_ray"]

ASK_S = 2.0
ASKED = 3  # times without an answer, after which the head counts as lost


def on_ray(
    work: Callable[[Item], Result], items: Sequence[Item], engine: Engine
) -> Iterator[tuple[Item, Result | Lost]]:
    """Ray tasks.

    Raises
    ------
    FidgetyError
        E520 not installed, E521 not reached, E523 its head was lost on the way.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is ever reported
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    ray = library("ray")
    with _joined(ray, engine):
        task = ray.remote(num_cpus=1, max_retries=engine.retries)(_call)
        shared = ray.put(work)
        left = dict(enumerate(items))
        workers = Workers(engine, left)
        tasks = handed_out(
            left,
            cores=lambda: ray.cluster_resources().get("CPU", 1),
            submit=lambda row: task.remote(shared, left[row]),
            ended=lambda waiting: _next(ray, waiting, engine, workers, len(left)),
        )
        for row, done in tasks:
            try:
                result = ray.get(done)
            except ray.exceptions.RayError as error:
                result = Lost(first_line(error))
            yield left.pop(row), result


@contextmanager
def _joined(ray: ModuleType, engine: Engine) -> Iterator[None]:
    """A connection to the cluster, or one started here; the one that stands already is kept."""
    begun = not ray.is_initialized()
    if begun:
        where = {"address": engine.cluster} if engine.cluster else {
            "address": "local", "num_cpus": engine.workers, "include_dashboard": False,
        }  # fmt: skip
        try:
            ray.init(**where, log_to_driver=False, logging_level="ERROR")
        except (ConnectionError, OSError, RuntimeError, ValueError) as error:
            raise unreachable(engine, error) from error
    try:
        yield
    finally:
        if begun:
            ray.shutdown()


def _next(
    ray: ModuleType, waiting: dict[int, Any], engine: Engine, workers: Workers, left: int
) -> int:
    """Whose task ended next; meanwhile the head is asked for, and whether it has workers."""
    silent = 0
    while True:
        done, _ = ray.wait(list(waiting.values()), num_returns=1, timeout=LOOK_S)
        if done:
            return next(row for row, task in waiting.items() if task == done[0])
        silent = 0 if _answers(ray.get_runtime_context().gcs_address) else silent + 1
        if silent >= ASKED:
            raise gone(engine, left, "its head does not answer")
        if not silent:
            workers.seen(any(n["Alive"] and n["Resources"].get("CPU") for n in ray.nodes()))


def _answers(address: str) -> bool:
    """Whether somebody listens at an address."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), ASK_S):
            return True
    except (OSError, ValueError):
        return False


def _call(work: Callable[[Item], Result], item: Item) -> Result:
    return work(item)
