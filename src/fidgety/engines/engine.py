"""Who does the work, and what is said where they cannot."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import ModuleType
from typing import Literal, TypeVar, get_args

from fidgety.errors import ConfigError, FidgetyError

__all__ = [
    "ENGINES",
    "Engine",
    "Item",
    "Kind",
    "Lost",
    "Result",
    "engine_of",
    "first_line",
    "gone",
    "library",
    "unreachable",
]

Kind = Literal["loky", "ray", "dask", "slurm"]
ENGINES: tuple[Kind, ...] = get_args(Kind)
EXTRAS = {"ray": "ray", "distributed": "dask", "submitit": "slurm"}  # module -> what brings it

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
        for name, least in (("workers", 1), ("retries", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise ConfigError(
                    "E702", f"{value} {name}", remedy=f"Give a whole number from {least}"
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


def library(name: str) -> ModuleType:
    """An engine's library; `FidgetyError` E520 if it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        extra = EXTRAS[name]
        raise FidgetyError(
            "E520",
            f"The engine {extra} is not installed",
            remedy=f"pip install 'fidgety[{extra}]', on every machine of the cluster",
        ) from error


def unreachable(engine: Engine, error: BaseException) -> FidgetyError:
    """What is said of a cluster that does not answer at the start."""
    remedy = "Check its address and that it runs; without --cluster one is started here"
    if engine.kind == "slurm":
        remedy = "Check that sbatch works here, and the partition; --cluster local does without"
    return FidgetyError(
        "E521",
        f"The {engine.kind} cluster cannot be reached",
        where=engine.cluster,
        why=first_line(error),
        remedy=remedy,
    )


def gone(engine: Engine, left: int, why: str) -> FidgetyError:
    """What is said of a cluster that is lost while items are left."""
    return FidgetyError(
        "E523",
        f"The {engine.kind} cluster was lost with {left} items left",
        where=engine.cluster,
        why=why,
        remedy="What was finished is kept; the same command does the rest once the cluster runs",
    )


def first_line(error: BaseException) -> str:
    """Kind and first line of an error, for people."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:200]}" if text else type(error).__name__
