"""Many recordings, one after another or side by side: a bad one never stops the others."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Literal

from fidgety.engines import Engine, Lost, engine_of, spread
from fidgety.errors import FidgetyError

__all__ = [
    "BatchReport",
    "Outcome",
    "Progress",
    "State",
    "lost",
    "one_thread",
    "our_fault",
    "run_batch",
]

_log = logging.getLogger(__name__)

State = Literal["done", "kept", "left", "failed"]
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Outcome:
    """What became of one recording.

    Parameters
    ----------
    name : str
        The recording.
    state : {"done", "kept", "left", "failed"}
        Made now; made before and still valid; not ours to replace; impossible.
    error : FidgetyError or None
        Why it failed.
    warnings : tuple of str
        What went on anyway.
    seconds : float
        How long it took; 0 if that is not known.
    """

    name: str
    state: State
    error: FidgetyError | None = None
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class BatchReport:
    """What became of every recording, in order of name.

    Parameters
    ----------
    outcomes : tuple of Outcome
        One for each recording.
    """

    outcomes: tuple[Outcome, ...]

    def named(self, state: State) -> tuple[str, ...]:
        """Names of the recordings in one state."""
        return tuple(outcome.name for outcome in self.outcomes if outcome.state == state)

    @property
    def errors(self) -> tuple[FidgetyError, ...]:
        """Every failure."""
        return tuple(outcome.error for outcome in self.outcomes if outcome.error is not None)

    @property
    def exit_status(self) -> int:
        """0 if all went well; 1 if a fault of fidgety stopped one; else 2."""
        return min((1 if error.code == "E229" else 2 for error in self.errors), default=0)


def run_batch(
    work: Callable[[str], State],
    names: Sequence[str],
    progress: Progress | None = None,
    workers: int | Engine = 1,
) -> tuple[Outcome, ...]:
    """Do `work` for each name; collect failures and warnings.

    Parameters
    ----------
    work : callable (name) -> state
        Raises `FidgetyError` where it fails. Must be picklable if `workers` is more than 1, and may
        be called again for a name whose process died: it writes whole files, or none.
    names : sequence of str
        What to work on.
    progress : callable (done, total, name), optional
        Called after each.
    workers : int or Engine
        Processes, or a cluster.

    Raises
    ------
    FidgetyError
        E520, E521, E523 as `fidgety.engines.spread`.
    FileError
        E501, at once: once the disk is full, nothing else can be written either.
    """
    guarded = partial(_guarded, work)
    outcomes: list[Outcome] = []
    for name, result in spread(guarded, names, engine_of(workers)):
        outcome = (
            Outcome(name, "failed", lost(name, result)) if isinstance(result, Lost) else result
        )
        outcomes.append(outcome)
        _note(outcome)
        if outcome.error is not None and outcome.error.code == "E501":
            raise outcome.error
        if progress is not None:
            progress(len(outcomes), len(names), outcome.name)
    return tuple(sorted(outcomes, key=lambda outcome: outcome.name))


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread, so that the number of processes changes no rounding."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _note(outcome: Outcome) -> None:
    fields = {"recording": outcome.name, "state": outcome.state, "seconds": outcome.seconds}
    fields |= {"code": outcome.error.code} if outcome.error is not None else {}
    _log.info("item", extra={"fields": fields})


def _guarded(work: Callable[[str], State], name: str) -> Outcome:
    began = time.monotonic()
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            state, error = work(name), None
        except FidgetyError as failure:
            state, error = "failed", failure
        except Exception as fault:
            # A thousand recordings must not wait for one that meets a mistake of ours.
            state, error = "failed", our_fault(name, fault)
    told = tuple(str(warning.message) for warning in heard)
    return Outcome(name, state, error, told, round(time.monotonic() - began, 3))


def our_fault(name: str, fault: Exception) -> FidgetyError:
    """A mistake of ours as an error of one recording (E229)."""
    return FidgetyError(
        "E229",
        "A fault of fidgety itself",
        where=name,
        why=f"{type(fault).__name__}: {fault}",
        remedy="Please report it with this line; the other recordings went on",
    )


def lost(name: str, result: Lost) -> FidgetyError:
    """What is said of an item whose process died every time it was tried (E522)."""
    return FidgetyError(
        "E522",
        "The process that worked on it died, every time",
        where=name,
        why=result.why,
        remedy="Is there memory enough? Run the same command again, with fewer workers",
    )
