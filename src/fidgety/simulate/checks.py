"""Checks of settings that are numbers and ranges of numbers."""

from __future__ import annotations

import math

from fidgety.errors import ConfigError

__all__ = ["check_between", "check_range"]


def check_between(settings: object, low: float, high: float, *names: str) -> None:
    """Raise `ConfigError` E702 unless each named number lies within low to high."""
    for name in names:
        value = getattr(settings, name)
        if not _is_number(value) or not low <= value <= high:
            raise ConfigError(
                "E702",
                f"{name} is {value!r}",
                where=type(settings).__name__,
                remedy=f"Choose a number from {low:g} to {high:g}",
            )


def check_range(settings: object, low: float, high: float, *names: str) -> None:
    """Raise `ConfigError` E702 unless each named pair is (a, b) with low <= a <= b <= high."""
    for name in names:
        pair = getattr(settings, name)
        good = (
            isinstance(pair, tuple)
            and len(pair) == 2
            and all(_is_number(value) for value in pair)
            and low <= pair[0] <= pair[1] <= high
        )
        if not good:
            raise ConfigError(
                "E702",
                f"{name} is {pair!r}",
                where=type(settings).__name__,
                remedy=f"Choose two numbers from {low:g} to {high:g}, the smaller first",
            )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
