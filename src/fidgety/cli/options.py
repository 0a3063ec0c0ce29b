"""Options that several commands share, and how their values are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

__all__ = ["SIZE", "pose_options"]


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
