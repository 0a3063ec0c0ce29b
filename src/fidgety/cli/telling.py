"""What commands say on standard error beside their results."""

from __future__ import annotations

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


def tell_cores(pieces: int) -> None:
    """Say that more processes would be quicker at so many pieces of work, if nobody chose one.

    Not where a command is repeated by another, nor where a GPU is at hand, which they would share.
    """
    chosen = click.get_current_context().get_parameter_source("workers")
    if chosen is not click.core.ParameterSource.DEFAULT:
        return
    import joblib
    import torch

    several = min(joblib.cpu_count(), pieces)
    if several > 1 and not torch.cuda.is_available():
        click.echo(f"One process works; --workers {several} is quicker", err=True)
