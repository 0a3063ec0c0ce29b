"""What a batch says of its items: once, however many it is said of."""

from __future__ import annotations

from collections.abc import Iterable

import click

__all__ = ["tell_each"]


def tell_each(said: Iterable[tuple[str, str]]) -> None:
    """Print names with what is said of them on standard error, those of the same words together."""
    from fidgety.study.names import listing

    names: dict[str, list[str]] = {}
    for name, text in said:
        names.setdefault(text, []).append(name)
    for text, those in names.items():
        click.echo(f"{listing(those)}: {text}", err=True)
