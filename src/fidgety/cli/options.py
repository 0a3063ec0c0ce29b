"""Options that several commands share, and how their values are read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

__all__ = [
    "PLACE",
    "SIZE",
    "engine_given",
    "engine_options",
    "part_options",
    "pose_options",
    "precision_option",
    "refuse_cluster",
]


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


class _Clock(click.ParamType):
    """Seconds, or H:MM:SS, as seconds."""

    name = "[[H:]MM:]SS"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, float):
            return value
        *whole, last = str(value).split(":")
        try:
            seconds = float(last)
        except ValueError:
            seconds = -1.0
        sound = len(whole) <= 2 and all(part.isdecimal() for part in whole)
        if not (sound and 0 <= seconds < (60 if whole else 1e6)):
            self.fail(f"{value!r} is no time such as 90, 1:30 or 0:01:30", param, ctx)
        for power, part in enumerate(reversed(whole), 1):
            seconds += int(part) * 60**power
        return seconds


PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")  # `fidgety.study.training`, without torch
SIZE = _Size()
CLOCK = _Clock()
precision_option = click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default="32-true",
    show_default=True,
    help="Of products in training. bf16-mixed: quicker for larger networks where the processor "
    "has it.",
)


def part_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add which part of a film to look at."""
    for option in (
        click.option("--to", "end", type=CLOCK, help="Where in the film to stop looking."),
        click.option("--from", "start", type=CLOCK, help="Where in the film to begin."),
    ):
        command = option(command)
    return command


class _Place(click.ParamType):
    """A path of this machine, or an address such as ``s3://bucket/folder``."""

    name = "PATH or URL"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path | str:
        from fidgety.remote import is_remote

        return value if isinstance(value, Path) or is_remote(value) else Path(value)


PLACE = _Place()


def refuse_cluster(engine: Any, *places: Path | str) -> None:
    """Raise E541 if machines of a cluster would have to reach what only this one has fetched."""
    from fidgety.errors import FileError
    from fidgety.remote import is_remote, shown

    remote = [shown(place) for place in places if is_remote(place)]
    if remote and engine.kind != "loky":
        raise FileError(
            "E541",
            f"A cluster ({engine.kind}) cannot work on an address",
            where=remote[0],
            why="what is fetched lies on this machine alone",
            remedy="Mount it on every machine, or use --workers N of this one",
        )


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
