"""A process of its own for the work, so that pages stay quick, and one that is replaced if it dies.

The worker ends when the process that started it is gone, however that ended.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import threading
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

from fidgety.app import jobs
from fidgety.app.store import Store

__all__ = ["Supervisor"]

_PAUSE_S = 0.4


class Supervisor:
    """Keeps one worker at work on a store.

    Parameters
    ----------
    store : Store
        Whose jobs are done.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._stop = threading.Event()
        self._context = multiprocessing.get_context("spawn")
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def start(self) -> None:
        """Put back what a killed process left, then begin."""
        jobs.release(self._store)
        self._store.sweep()
        self._thread.start()

    def stop(self) -> None:
        """End the worker; what it was doing goes back to the queue."""
        self._stop.set()
        self._thread.join(timeout=10)
        jobs.release(self._store)

    def _watch(self) -> None:
        worker = self._begin()
        while not self._stop.wait(_PAUSE_S):
            if not worker.is_alive():
                jobs.release(self._store)
                worker = self._begin()
        worker.terminate()
        worker.join(timeout=5)
        if worker.is_alive():
            worker.kill()
        self._store.close()

    def _begin(self) -> BaseProcess:
        worker = self._context.Process(
            target=work, args=(str(self._store.folder), os.getpid()), daemon=True, name="fidgety"
        )
        worker.start()
        return worker


def work(folder: str, parent: int) -> None:
    """Do the jobs of a store until the parent process is gone. Runs in a process of its own."""
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    with contextlib.suppress(OSError):
        os.nice(5)
    with contextlib.suppress(OSError):  # where memory ends, this ends first, and not the app
        Path("/proc/self/oom_score_adj").write_text("800")
    store, assessors = Store(Path(folder), create=False), {}
    while True:
        if store.one("SELECT 1 FROM jobs WHERE state = 'queued' LIMIT 1") is None:
            time.sleep(_PAUSE_S)
            continue
        from fidgety.app.work import run_next  # only now: it loads the network library

        run_next(store, assessors)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_PAUSE_S)
    os._exit(0)
