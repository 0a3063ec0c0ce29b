"""Slurm, through submitit."""

from __future__ import annotations

import importlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

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
from fidgety.files import file_error

__all__ = ["on_slurm"]

JOBS_PER_WORKER = 4  # Slurm jobs, each of many items
JOB_MINUTES = 24 * 60


def on_slurm(
    work: Callable[[Item], Result], items: Sequence[Item], engine: Engine
) -> Iterator[tuple[Item, Result | Lost]]:
    """Slurm jobs of many items each; a job that dies is handed in again.

    Raises
    ------
    FidgetyError
        E520 not installed, E521 it takes no job, E523 it takes none any more; `FileError` if the
        current folder, where the jobs' files lie, cannot be written.
    """
    submitit = library("submitit")
    helpers = importlib.import_module("submitit.helpers")
    local = engine.cluster == "local"
    scratch = _scratch()
    size = max(1, -(-len(items) // (engine.workers * (1 if local else JOBS_PER_WORKER))))
    parts = [(list(items[at : at + size]), 0) for at in range(0, len(items), size)]
    jobs: list[Any] = []
    try:
        executor = _executor(submitit, scratch, engine)
        while parts:
            jobs = _handed_in(executor, work, parts, engine)
            known = {id(job): part for job, part in zip(jobs, parts, strict=True)}
            parts = []
            for job in helpers.as_completed(jobs, poll_frequency=0.2 if local else 10.0):
                part, tries = known[id(job)]
                try:
                    results = job.result()
                except Exception as error:  # submitit raises kinds of its own for a job that died
                    if tries < engine.retries:
                        parts.append((part, tries + 1))
                        continue
                    results = [Lost(first_line(error))] * len(part)
                yield from zip(part, results, strict=True)
            jobs = []
    finally:
        for job in jobs:  # whoever asked does not wait for them any more
            with suppress(Exception):
                job.cancel()
        shutil.rmtree(scratch, ignore_errors=True)


def _executor(submitit: ModuleType, scratch: Path, engine: Engine) -> Any:
    local = engine.cluster == "local"
    try:
        executor = submitit.AutoExecutor(folder=scratch, cluster="local" if local else "slurm")
    except RuntimeError as error:
        raise unreachable(engine, error) from error
    executor.update_parameters(timeout_min=JOB_MINUTES, cpus_per_task=1)
    if not local:
        executor.update_parameters(slurm_array_parallelism=engine.workers)
        if engine.cluster:
            executor.update_parameters(slurm_partition=engine.cluster)
    return executor


def _scratch() -> Path:
    """A folder for the jobs' files, where all machines see it; `FileError` if it is refused."""
    here = Path.cwd()
    try:
        return Path(tempfile.mkdtemp(prefix=".fidgety-jobs-", dir=here))
    except OSError as error:
        raise file_error(error, here) from error


def _handed_in(
    executor: Any,
    work: Callable[[Item], Result],
    parts: list[tuple[list[Item], int]],
    engine: Engine,
) -> list[Any]:
    """A job for each part and its tries; E521, or later E523, where Slurm takes none."""
    items = [part for part, _ in parts]
    try:
        return executor.map_array(_all_of, [work] * len(items), items)
    except Exception as error:  # sbatch is not there, or refuses: submitit's own kinds
        if any(tries for _, tries in parts):
            raise gone(engine, sum(map(len, items)), first_line(error)) from error
        raise unreachable(engine, error) from error


def _all_of(work: Callable[[Item], Result], items: list[Item]) -> list[Result]:
    return [work(item) for item in items]
