"""Figures of what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fidgety.files import whole_file
from fidgety.pose.optional import library

__all__ = ["new_figure", "saved"]


def new_figure(width: float, height: float) -> Any:
    """An empty figure, in inches.

    Raises
    ------
    VideoError
        E607 if matplotlib is not installed.
    """
    plots = library("matplotlib.figure", "plots")
    return plots.Figure(figsize=(width, height), layout="constrained")


def saved(figure: Any, path: str | Path) -> Path:
    """Write a figure whole, as its suffix says (.svg without one); return the path.

    Raises
    ------
    FileError
        E501 to E503 if the system refuses.
    """
    with whole_file(path) as draft:
        figure.savefig(draft, format=Path(path).suffix.lstrip(".") or "svg")
    return Path(path)
