"""Settings that refuse what they do not know."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, get_type_hints

from fidgety.errors import ConfigError

__all__ = ["check_between", "check_range", "from_mapping"]

Settings = TypeVar("Settings")


def from_mapping(kind: type[Settings], given: Mapping[str, Any]) -> Settings:
    """Build the frozen settings `kind` from a mapping, as read from JSON or TOML.

    Nested settings are mappings themselves; lists become tuples; what is left out keeps its default.

    Raises
    ------
    ConfigError
        E701 a key that `kind` does not have; E702 a value that makes no sense.
    """
    known = {item.name for item in fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(given) - known)
    if unknown:
        raise ConfigError(
            "E701",
            f"Unknown setting {', '.join(unknown)}",
            where=kind.__name__,
            remedy=f"Known are: {', '.join(sorted(known))}",
        )
    hints = get_type_hints(kind)
    values: dict[str, Any] = {}
    for name, value in given.items():
        if is_dataclass(hints[name]) and isinstance(value, Mapping):
            value = from_mapping(hints[name], value)  # type: ignore[arg-type]
        values[name] = _tupled(value)
    try:
        return kind(**values)
    except TypeError as error:
        raise ConfigError("E702", "A setting is of the wrong kind", why=str(error)) from error


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


def _tupled(value: Any) -> Any:
    return tuple(_tupled(item) for item in value) if isinstance(value, list | tuple) else value
