"""Where work is done: here, in several processes, or on a cluster of machines; nothing is lost.

Existing engines only: joblib's loky, Ray, Dask, and Slurm through submitit. Work is a function of
one item that may be done twice without harm (it writes its results whole, under the item's name).
An item whose process or machine dies is done again elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from fidgety.engines.dask_tasks import on_dask
from fidgety.engines.engine import ENGINES, Engine, Item, Kind, Lost, Result, engine_of
from fidgety.engines.processes import in_processes
from fidgety.engines.ray_tasks import on_ray
from fidgety.engines.slurm_jobs import on_slurm

__all__ = ["ENGINES", "Engine", "Kind", "Lost", "engine_of", "spread"]

WAYS = {"loky": in_processes, "ray": on_ray, "dask": on_dask, "slurm": on_slurm}


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
        E520 the engine is not installed, E521 its cluster cannot be reached, E523 it was lost on
        the way, and did not come back.
    """
    if engine.here or (engine.kind == "loky" and len(items) < 2):
        return ((item, work(item)) for item in items)
    return WAYS[engine.kind](work, items, engine)
