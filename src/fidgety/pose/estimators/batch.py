"""Many films: one Parquet file a recording; resumed; one bad film never stops the others."""

from __future__ import annotations

import logging
import multiprocessing
import os
import queue
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fidgety.engines import Engine, Lost, engine_of, spread
from fidgety.errors import FidgetyError, FidgetyWarning, VideoError
from fidgety.files import entries, make_folder
from fidgety.pose.estimators.run import estimate, fingerprint, settings_of
from fidgety.pose.optional import library
from fidgety.pose.pose import Pose
from fidgety.pose.stored import read_native
from fidgety.pose.video import VIDEO_SUFFIXES, Part, probe

__all__ = ["BatchProgress", "Outcome", "estimate_many", "find_videos"]

_log = logging.getLogger(__name__)
BatchProgress = Callable[[float, float, "Outcome | None"], None]
_TELL_S = 1.0  # film time between two messages of a worker


@dataclass(frozen=True)
class Outcome:
    """What became of one film.

    Parameters
    ----------
    video, pose : Path
        The film, and the Parquet file written for it.
    seconds : float
        Length of the film by its last frame; NaN if it failed.
    resumed : bool
        The file was there already, from the same film and settings.
    error : FidgetyError or None
        Why there is no file.
    warnings : tuple of str
        What went on anyway, with codes.
    """

    video: Path
    pose: Path
    seconds: float = float("nan")
    resumed: bool = False
    error: FidgetyError | None = None
    warnings: tuple[str, ...] = ()


def estimate_many(
    videos: Iterable[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    backend: str = "blazepose",
    *,
    workers: int | Engine | None = None,
    resume: bool = True,
    progress: BatchProgress | None = None,
    **options: Any,
) -> list[Outcome]:
    """Estimate the poses of many films into ``out/<name of the film>.parquet``.

    Parameters
    ----------
    videos : iterable of path-like
        Films, or folders of films.
    out : path-like
        Folder for the pose files.
    backend : str
        As in `estimate`.
    workers : int or Engine, optional
        Processes; one a core by default, but no more than films. With 1 all is done here. An
        engine with a cluster works there.
    resume : bool
        Leave out films whose pose file was made from the same content with the same settings.
    progress : callable (seconds done, seconds in all, outcome), optional
        Called often with ``None``, and once a film with its outcome. Seconds are of film; those of
        films that are left out or fail count as done.
    **options
        More arguments of `estimate`.

    Returns
    -------
    list of Outcome
        In the order of the films.

    Raises
    ------
    VideoError
        E609 no films, or two films of one name.
    FileError
        E501 to E503 the folder cannot be made.
    ConfigError
        E702 unknown backend or impossible number of workers.
    """
    settings_of(backend, options)
    films = find_videos(videos)
    folder = make_folder(out)
    engine = engine_of((os.cpu_count() or 1) if workers is None else workers)
    count = min(engine.workers, len(films))
    tasks = [_Task(film, folder / f"{film.stem}.parquet", backend, options) for film in films]
    board = _Board([_length(film, options.get("part")) for film in films], progress)
    outcomes: dict[int, Outcome] = {}
    for row, task in enumerate(tasks):
        done = _resumed(task) if resume else None
        if done is not None:
            outcomes[row] = done
            board.finish(row, done)
    left = {row: task for row, task in enumerate(tasks) if row not in outcomes}
    if engine.kind != "loky":
        coming = _run_elsewhere(left, engine)
    else:
        coming = (_run_here if count == 1 else _run_apart)(left, count, board)
    for row, outcome in coming:
        outcomes[row] = outcome
        board.finish(row, outcome)
        _note(outcome)
    return [outcomes[row] for row in range(len(tasks))]


def find_videos(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Films among paths, folders replaced by the films in them, in order of name.

    Raises
    ------
    VideoError
        E609 there is none, or two would write the same pose file.
    FileError
        E502 a folder cannot be listed.
    """
    films: list[Path] = []
    for path in map(Path, paths):
        inside = entries(path) if path.is_dir() else [path]
        films += [f for f in inside if f == path or f.suffix.lower() in VIDEO_SUFFIXES]
    films = list(dict.fromkeys(films))
    if not films:
        raise VideoError(
            "E609",
            "There are no films",
            remedy=f"Known endings: {', '.join(VIDEO_SUFFIXES)}. Make a film of single pictures "
            "first, for example: ffmpeg -framerate 25 -i %04d.png film.mp4",
        )
    stems: dict[str, Path] = {}
    for film in films:
        twin = stems.setdefault(film.stem.casefold(), film)
        if twin is not film:
            raise VideoError(
                "E609",
                f"{twin} and {film} would both be written to {film.stem}.parquet",
                remedy="Rename one of them, or write them to different folders",
            )
    return films


@dataclass(frozen=True)
class _Task:
    video: Path
    pose: Path
    backend: str
    options: dict[str, Any]
    threads: int | None = None  # of the models

    def settings(self) -> dict[str, Any]:
        """What must agree for a pose file to be taken as done."""
        return {**settings_of(self.backend, self.options), "film": fingerprint(self.video)}


def _note(outcome: Outcome) -> None:
    fields = {"recording": outcome.pose.stem, "state": "failed" if outcome.error else "done"}
    fields |= {"code": outcome.error.code} if outcome.error is not None else {}
    _log.info("item", extra={"fields": fields})


class _Board:
    """Seconds of film done so far, told to the caller."""

    def __init__(self, lengths: list[float], progress: BatchProgress | None) -> None:
        self._lengths, self._done = lengths, [0.0] * len(lengths)
        self._progress = progress

    def tell(self, row: int, seconds: float, outcome: Outcome | None = None) -> None:
        self._done[row] = min(seconds, self._lengths[row])
        if self._progress is not None:
            self._progress(sum(self._done), sum(self._lengths), outcome)

    def finish(self, row: int, outcome: Outcome) -> None:
        self.tell(row, self._lengths[row], outcome)


def _run_here(
    tasks: dict[int, _Task], _workers: int, board: _Board
) -> Iterator[tuple[int, Outcome]]:
    for row, task in tasks.items():
        yield row, _estimated(task, lambda seconds, _total, row=row: board.tell(row, seconds))


def _run_elsewhere(tasks: dict[int, _Task], engine: Engine) -> Iterator[tuple[int, Outcome]]:
    """Each film on a cluster; how far one is cannot be told from there."""
    for (row, task), result in spread(_one, list(tasks.items()), engine):
        yield row, _failed(task, _crash(task, result.why)) if isinstance(result, Lost) else result


def _one(numbered: tuple[int, _Task]) -> Outcome:
    return _estimated(replace(numbered[1], threads=1), lambda *_: None)


def _run_apart(
    tasks: dict[int, _Task], workers: int, board: _Board
) -> Iterator[tuple[int, Outcome]]:
    """Each film in one of several processes, which share the cores between them."""
    threads = max(1, min(4, (os.cpu_count() or 1) // workers))
    tasks = {row: replace(task, threads=threads) for row, task in tasks.items()}
    broken: list[int] = []
    for row, outcome in _pooled(tasks, workers, board):
        if outcome is None:
            broken.append(row)
        else:
            yield row, outcome
    for row in broken:  # which film killed the process is not known: each gets one of its own
        for _, outcome in _pooled({row: tasks[row]}, 1, board):
            yield row, outcome or _failed(tasks[row], _crash(tasks[row], "its process died"))


def _pooled(
    tasks: dict[int, _Task], workers: int, board: _Board
) -> Iterator[tuple[int, Outcome | None]]:
    """Outcomes as they come; None where the process pool broke first."""
    context = multiprocessing.get_context("spawn")  # safe with threads, and the same everywhere
    line = context.Queue()
    with ProcessPoolExecutor(
        max_workers=workers, mp_context=context, initializer=_begin, initargs=(line,)
    ) as pool:
        rows = {pool.submit(_work, row, task): row for row, task in tasks.items()}
        waiting = set(rows)
        while waiting:
            done, waiting = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
            while True:
                try:
                    board.tell(*line.get_nowait())
                except queue.Empty:
                    break
            for future in done:
                try:
                    yield rows[future], future.result()
                except BrokenProcessPool:
                    yield rows[future], None


_line: Any = None  # of the worker process: where it tells how far it is


def _begin(line: Any) -> None:
    global _line
    _line = line
    library("cv2", extra="video").setNumThreads(1)


def _work(row: int, task: _Task) -> Outcome:
    told = -_TELL_S

    def tell(seconds: float, _total: float) -> None:
        nonlocal told
        if seconds - told >= _TELL_S:
            told = seconds
            _line.put((row, seconds))

    return _estimated(task, tell)


def _estimated(task: _Task, progress: Callable[[float, float], None]) -> Outcome:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            options = {"threads": task.threads, **task.options}
            pose = estimate(task.video, task.backend, progress=progress, **options)
            pose.then("film", arguments={"fingerprint": fingerprint(task.video)}).save(task.pose)
        except FidgetyError as error:
            return _failed(task, error)
        except Exception as error:  # a fault of ours in one film must not lose the others
            return _failed(task, _crash(task, f"{type(error).__name__}: {error}"))
    told = tuple(str(w.message) for w in caught if issubclass(w.category, FidgetyWarning))
    return Outcome(task.video, task.pose, pose.duration_s, warnings=told)


def _resumed(task: _Task) -> Outcome | None:
    """The outcome of an earlier run, if its file is sound and of the same film and settings."""
    if not task.pose.is_file():
        return None
    try:
        pose = read_native(task.pose)
        if _settings_in(pose) != task.settings():
            return None
    except (FidgetyError, OSError):
        return None
    return Outcome(task.video, task.pose, pose.duration_s, resumed=True)


def _settings_in(pose: Pose) -> dict[str, Any]:
    steps = {str(step.get("step")): step for step in pose.history}
    made = {key: value for key, value in steps.get("estimate", {}).items() if key != "step"}
    return {**made, "film": steps.get("film", {}).get("fingerprint")}


def _length(film: Path, part: Part | None) -> float:
    """Seconds of a film to look at, for the time left; 0 where it cannot be known."""
    try:
        seconds = probe(film).duration_s
    except FidgetyError:
        return 0.0
    start, end = part or (0.0, np.inf)
    return max(0.0, min(end, seconds) - start) if np.isfinite(seconds) else 0.0


def _failed(task: _Task, error: FidgetyError) -> Outcome:
    return Outcome(task.video, task.pose, error=error)


def _crash(task: _Task, why: str) -> VideoError:
    return VideoError(
        "E610",
        f"Estimation of {task.video.name} failed",
        why=why,
        remedy="The other films are not affected; please report this",
    )
