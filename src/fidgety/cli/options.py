"""Options that several commands share, and how their values are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

__all__ = ["SIZE", "engine_given", "engine_options", "pose_options"]


class _Size(click.ParamType):
    name = "WIDTHxHEIGHT"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        width, _, height = str(value).lower().partition("x")
        if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
            self.fail(f"{value!r} is not a size such as 1280x720", param, ctx)
        return int(width), int(height)


SIZE = _Size()


def pose_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what pose files of other tools may not say themselves."""
    for option in (
        click.option("--format", default="auto", show_default=True, help="Format of the poses."),
        click.option("--skeleton", help="Joint layout: a built-in name or a TOML file."),
        click.option("--fps", type=float, help="Frames per second, where the files do not say."),
        click.option("--size", type=SIZE, help="Image size in pixels, where the files do not say."),
        click.option("--individual", help="Which individual or track, where a file names several."),
    ):
        command = option(command)
    return command


def engine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add where the work is done: processes here, or a cluster."""
    for option in (
        click.option(
            "--cluster",
            metavar="ADDRESS",
            help="Ray or Dask cluster, or Slurm partition; started here if not given.",
        ),
        click.option(
            "--engine",
            type=click.Choice(["loky", "ray", "dask", "slurm"]),
            default="loky",
            show_default=True,
            help="Who works: processes of this machine, or a cluster.",
        ),
        click.option("--workers", type=int, help="Processes, or Slurm jobs at once."),
    ):
        command = option(command)
    return command


def engine_given(engine: str, workers: int | None, cluster: str | None, default: int = 1) -> Any:
    """The engine that these options name."""
    from fidgety.engines import Engine

    return Engine(engine, default if workers is None else workers, cluster)  # type: ignore[arg-type]
