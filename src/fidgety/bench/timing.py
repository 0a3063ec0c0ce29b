"""Medians of processor time of several forms taken in turns, and floating-point operations."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
from torch.utils.flop_counter import FlopCounterMode

__all__ = ["counted", "timed"]


def counted(work: Callable[[], object]) -> float:
    """Floating-point operations of matrix products and convolutions in some work."""
    with FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops())


def timed(forms: Sequence[Callable[[], object]], runs: int) -> list[dict[str, float]]:
    """Median wall and processor seconds of each form, taken in turns after one run for nothing."""
    for form in forms:
        form()
    taken: list[list[tuple[float, float]]] = [[] for _ in forms]
    for _ in range(runs):
        for form, times in zip(forms, taken, strict=True):
            wall, processor = time.perf_counter(), time.process_time()
            form()
            times.append((time.perf_counter() - wall, time.process_time() - processor))
    medians = [np.median(times, axis=0) for times in taken]
    return [{"wall_s": float(wall), "processor_s": float(cpu)} for wall, cpu in medians]
