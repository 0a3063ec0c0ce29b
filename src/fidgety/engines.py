"""Where work is done: here, in several processes, or on a cluster of machines; nothing is lost.

Existing engines only: joblib's loky, Ray, Dask, and Slurm through submitit. Work is a function of
one item that may be done twice without harm (it writes its results whole, under the item's name).
An item whose process or machine dies is done again elsewhere.
"""

from __future__ import annotations

import importlib
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeVar, get_args

from fidgety.errors import ConfigError, FidgetyError

__all__ = ["ENGINES", "Engine", "Kind", "Lost", "engine_of", "spread"]

Kind = Literal["loky", "ray", "dask", "slurm"]
ENGINES: tuple[Kind, ...] = get_args(Kind)
EXTRAS = {
    "ray": "ray",
    "distributed": "dask",
    "submitit": "slurm",
}  # module -> extra that brings it
AHEAD = 4  # items handed to a cluster for each of its cores, so that none waits for the next
JOBS_PER_WORKER = 4  # Slurm jobs, each of many items
JOB_MINUTES = 24 * 60

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Engine:
    """Who does the work.

    Parameters
    ----------
    kind : {"loky", "ray", "dask", "slurm"}
        Processes of this machine; a Ray or Dask cluster; Slurm jobs.
    workers : int
        Processes to start here, or Slurm jobs that may run at once. A cluster that runs already has
        its own number.
    cluster : str, optional
        Address of a Ray (``HOST:PORT``, ``auto``) or Dask (``tcp://HOST:PORT``) cluster; for Slurm
        the partition, or ``local`` for jobs as processes of this machine. Left out, a cluster of
        `workers` processes is started here (ray, dask), or the default partition is used (slurm).
    retries : int
        How often an item is done again after the process that worked on it died.

    Raises
    ------
    ConfigError
        E702 for an unknown kind, an impossible number, or a cluster for loky.
    """

    kind: Kind = "loky"
    workers: int = 1
    cluster: str | None = None
    retries: int = 3

    def __post_init__(self) -> None:
        if self.kind not in ENGINES:
            raise ConfigError(
                "E702", f"No engine named {self.kind!r}", remedy=f"Use {', '.join(ENGINES)}"
            )
        if not isinstance(self.workers, int) or self.workers < 1 or self.retries < 0:
            raise ConfigError(
                "E702", f"{self.workers} workers", remedy="Give a whole number from 1"
            )
        if self.kind == "loky" and self.cluster is not None:
            raise ConfigError(
                "E702",
                f"A cluster ({self.cluster}) without an engine that reaches it",
                remedy="Add --engine ray, --engine dask or --engine slurm",
            )

    @property
    def here(self) -> bool:
        """Whether the work is done one item after another in this process."""
        return self.kind == "loky" and self.workers == 1


@dataclass(frozen=True)
class Lost:
    """What stands for the result of an item whose process died every time."""

    why: str


def engine_of(workers: int | Engine) -> Engine:
    """An engine, also from a mere number of processes; `ConfigError` E702 if impossible."""
    return workers if isinstance(workers, Engine) else Engine(workers=workers)


def spread(
    work: Callable[[Item], Result], items: Sequence[Item], engine: Engine
) -> Iterator[tuple[Item, Result | Lost]]:
    """Do `work` for each item; give items with their results as they come.

    Parameters
    ----------
    work : callable (item) -> result
        Raises nothing; picklable and, on a cluster, importable on every machine under the same
        paths. May be called more than once for an item.
    items : sequence
        What to work on.
    engine : Engine
        Who works.

    Raises
    ------
    FidgetyError
        E520 the engine is not installed, E521 its cluster cannot be reached.
    """
    if engine.here or (engine.kind == "loky" and len(items) < 2):
        return ((item, work(item)) for item in items)
    return {"loky": _loky, "ray": _ray, "dask": _dask, "slurm": _slurm}[engine.kind](
        work, items, engine
    )


def _loky(
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


def _ray(
    work: Callable[[Item], Result], items: Sequence[Item], engine: Engine
) -> Iterator[tuple[Item, Result | Lost]]:
    """Ray tasks, which Ray itself starts again when their worker or machine dies."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is ever reported
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    ray = _library("ray")
    begun = not ray.is_initialized()
    if begun:
        where = {"address": engine.cluster} if engine.cluster else {
            "address": "local", "num_cpus": engine.workers, "include_dashboard": False,
        }  # fmt: skip
        try:
            ray.init(**where, log_to_driver=False, logging_level="ERROR")
        except (ConnectionError, OSError, RuntimeError, ValueError) as error:
            raise _unreachable(engine, error) from error
    try:
        task = ray.remote(num_cpus=1, max_retries=engine.retries)(_call)
        shared = ray.put(work)
        room = AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
        waiting: dict[Any, Item] = {}
        queue = iter(items)
        for item in queue:
            waiting[task.remote(shared, item)] = item
            if len(waiting) >= room:
                break
        while waiting:
            (done,), _ = ray.wait(list(waiting), num_returns=1)
            item = waiting.pop(done)
            for more in queue:
                waiting[task.remote(shared, more)] = more
                break
            try:
                result = ray.get(done)
            except ray.exceptions.RayError as error:
                result = Lost(_first_line(error))
            yield item, result
    finally:
        if begun:
            ray.shutdown()


def _call(work: Callable[[Item], Result], item: Item) -> Result:
    return work(item)


def _dask(
    work: Callable[[Item], Result], items: Sequence[Item], engine: Engine
) -> Iterator[tuple[Item, Result | Lost]]:
    """Dask tasks, which its scheduler gives to another worker when one dies."""
    distributed = _library("distributed")
    try:
        if engine.cluster:
            client = distributed.Client(engine.cluster, timeout="20s")
        else:
            client = distributed.Client(
                n_workers=engine.workers, threads_per_worker=1, dashboard_address=None
            )
    except (OSError, ValueError, TimeoutError) as error:
        raise _unreachable(engine, error) from error
    with client:
        room = AHEAD * max(1, sum(client.nthreads().values()))
        queue = iter(enumerate(items))
        waiting: dict[str, int] = {}

        def submit(row: int, item: Item) -> Any:
            future = client.submit(work, item, pure=False, retries=engine.retries)
            waiting[future.key] = row
            return future

        first = [submit(row, item) for row, item in islice(queue, room)]
        coming = distributed.as_completed(first)
        for future in coming:
            for row, more in queue:
                coming.add(submit(row, more))
                break
            try:
                result: Any = future.result()
            except Exception as error:  # the work itself raises nothing: its worker died
                result = Lost(_first_line(error))
            yield items[waiting.pop(future.key)], result


def _slurm(
    work: Callable[[Item], Result], items: Sequence[Item], engine: Engine
) -> Iterator[tuple[Item, Result | Lost]]:
    """Slurm jobs of many items each; a job that dies is handed in again."""
    submitit = _library("submitit")
    helpers = importlib.import_module("submitit.helpers")
    local = engine.cluster == "local"
    scratch = Path(tempfile.mkdtemp(prefix=".fidgety-jobs-", dir=Path.cwd()))
    try:
        executor = submitit.AutoExecutor(folder=scratch, cluster="local" if local else "slurm")
    except RuntimeError as error:
        scratch.rmdir()
        raise _unreachable(engine, error) from error
    executor.update_parameters(timeout_min=JOB_MINUTES, cpus_per_task=1)
    if not local:
        executor.update_parameters(slurm_array_parallelism=engine.workers)
        if engine.cluster:
            executor.update_parameters(slurm_partition=engine.cluster)
    size = max(1, -(-len(items) // (engine.workers * (1 if local else JOBS_PER_WORKER))))
    parts = [(list(items[at : at + size]), 0) for at in range(0, len(items), size)]
    poll = 0.2 if local else 10.0
    while parts:
        jobs = executor.map_array(_all_of, [work] * len(parts), [part for part, _ in parts])
        known = {id(job): part for job, part in zip(jobs, parts, strict=True)}
        parts = []
        for job in helpers.as_completed(jobs, poll_frequency=poll):
            part, tries = known[id(job)]
            try:
                yield from zip(part, job.result(), strict=True)
            except Exception as error:  # submitit raises kinds of its own for a job that died
                if tries < engine.retries:
                    parts.append((part, tries + 1))
                else:
                    yield from ((item, Lost(_first_line(error))) for item in part)
    _removed(scratch)


def _all_of(work: Callable[[Item], Result], items: list[Item]) -> list[Result]:
    return [work(item) for item in items]


def _removed(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def _library(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        extra = EXTRAS[name]
        raise FidgetyError(
            "E520",
            f"The engine {extra} is not installed",
            remedy=f"pip install 'fidgety[{extra}]', on every machine of the cluster",
        ) from error


def _unreachable(engine: Engine, error: Exception) -> FidgetyError:
    return FidgetyError(
        "E521",
        f"The {engine.kind} cluster cannot be reached",
        where=engine.cluster,
        why=_first_line(error),
        remedy="Check its address and that it runs; without --cluster one is started here",
    )


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:200]}" if text else type(error).__name__
