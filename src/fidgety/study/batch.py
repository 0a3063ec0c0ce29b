"""Many recordings, one after another or side by side: a bad one never stops the others."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from joblib import Parallel, delayed

from fidgety.errors import FidgetyError

__all__ = ["BatchReport", "Outcome", "Progress", "State", "our_fault", "run_batch"]

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
    """

    name: str
    state: State
    error: FidgetyError | None = None
    warnings: tuple[str, ...] = ()


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
    workers: int = 1,
) -> tuple[Outcome, ...]:
    """Do `work` for each name; collect failures and warnings.

    Parameters
    ----------
    work : callable (name) -> state
        Raises `FidgetyError` where it fails. Must be picklable if `workers` is more than 1.
    names : sequence of str
        What to work on.
    progress : callable (done, total, name), optional
        Called after each.
    workers : int
        Processes.

    Raises
    ------
    FileError
        E501, at once: once the disk is full, nothing else can be written either.
    """
    guarded = partial(_guarded, work)
    outcomes: list[Outcome] = []
    for outcome in _ran(guarded, names, workers):
        outcomes.append(outcome)
        if outcome.error is not None and outcome.error.code == "E501":
            raise outcome.error
        if progress is not None:
            progress(len(outcomes), len(names), outcome.name)
    return tuple(sorted(outcomes, key=lambda outcome: outcome.name))


def _ran(
    guarded: Callable[[str], Outcome], names: Sequence[str], workers: int
) -> Iterator[Outcome]:
    if workers == 1 or len(names) < 2:
        return map(guarded, names)
    parallel = Parallel(n_jobs=workers, return_as="generator_unordered")
    found: Iterable[Outcome] = parallel(delayed(guarded)(name) for name in names)  # type: ignore
    return iter(found)


def _guarded(work: Callable[[str], State], name: str) -> Outcome:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            state, error = work(name), None
        except FidgetyError as failure:
            state, error = "failed", failure
        except Exception as fault:
            # A thousand recordings must not wait for one that meets a mistake of ours.
            state, error = "failed", our_fault(name, fault)
    return Outcome(name, state, error, tuple(str(warning.message) for warning in heard))


def our_fault(name: str, fault: Exception) -> FidgetyError:
    """A mistake of ours as an error of one recording (E229)."""
    return FidgetyError(
        "E229",
        "A fault of fidgety itself",
        where=name,
        why=f"{type(fault).__name__}: {fault}",
        remedy="Please report it with this line; the other recordings went on",
    )
