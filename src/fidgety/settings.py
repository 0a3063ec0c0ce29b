"""Frozen settings to plain dictionaries and back; a name that nobody reads is refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from fidgety.errors import ConfigError

__all__ = ["from_plain", "to_plain"]

Settings = TypeVar("Settings")


def from_plain(kind: type[Settings], content: Mapping[str, Any]) -> Settings:
    """Build a frozen settings dataclass from a plain mapping.

    Lists become tuples; the class itself checks the values.

    Raises
    ------
    ConfigError
        E701 for an unknown name, E702 for a value of the wrong kind or no mapping at all.
    """
    known = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if not isinstance(content, Mapping):
        raise ConfigError(
            "E702",
            "Settings are not names with values",
            where=kind.__name__,
            why=repr(content)[:80],
        )
    unknown = sorted(map(str, set(content) - set(known)))
    if unknown:
        raise ConfigError(
            "E701",
            f"Unknown setting {', '.join(map(repr, unknown))}",
            where=kind.__name__,
            remedy=f"Known are: {', '.join(known)}",
        )
    values = {
        key: tuple(value) if isinstance(value, list) else value for key, value in content.items()
    }
    try:
        return kind(**values)
    except (TypeError, ValueError, ArithmeticError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(
            "E702", "A setting has an impossible value", where=kind.__name__, why=str(error)
        ) from error


def to_plain(settings: Any) -> dict[str, Any]:
    """A settings dataclass as a JSON-ready dictionary (tuples become lists)."""
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in dataclasses.asdict(settings).items()
    }
