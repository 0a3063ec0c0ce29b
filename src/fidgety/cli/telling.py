"""What commands say on standard error beside their results."""

from __future__ import annotations

import os
from collections.abc import Iterable

import click

__all__ = ["tell_cores", "tell_each"]


def tell_each(said: Iterable[tuple[str, str]]) -> None:
    """Print names with what is said of them on standard error, those of the same words together."""
    from fidgety.study.names import listing

    names: dict[str, list[str]] = {}
    for name, text in said:
        names.setdefault(text, []).append(name)
    for text, those in names.items():
        click.echo(f"{listing(those)}: {text}", err=True)


def tell_cores(workers: int | None) -> None:
    """Say that more processes would be quicker, where nobody chose their number."""
    cores = os.cpu_count() or 1
    if workers is None and cores > 1:
        import torch

        if not torch.cuda.is_available():  # of which each process would take a part
            click.echo(f"One process works; --workers {cores} uses every core", err=True)
