"""Still charts of a comparison: small plots of lines, bands and points; forests of intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from fidgety.report.svg import drawing, el, linear, short
from fidgety.report.words import fixed

__all__ = ["Axis", "Row", "Values", "band", "forest", "line", "plot", "points", "rug"]

Scale = Callable[[float], float]
Values = Sequence[float] | NDArray[np.floating]
Layer = Callable[[Scale, Scale], Markup]
SIZE = (226.0, 214.0)
LEFT, RIGHT, TOP, BOTTOM = 50.0, 9.0, 8.0, 42.0


@dataclass(frozen=True)
class Axis:
    """One axis of a plot.

    Parameters
    ----------
    label : str
    low, high : float
        Ends; what lies beyond is drawn at the end.
    ticks : tuple of float
        Values that are named.
    digits : int
        Decimals of the names.
    """

    label: str
    low: float = 0.0
    high: float = 1.0
    ticks: tuple[float, ...] = (0.0, 0.5, 1.0)
    digits: int = 1


def plot(
    key: str,
    title: str,
    told: str,
    x: Axis,
    y: Axis,
    layers: Iterable[Layer],
    size: tuple[float, float] = SIZE,
) -> Markup:
    """A plot with its axes.

    Parameters
    ----------
    key, title, told : str
        As in `fidgety.report.svg.drawing`.
    x, y : Axis
    layers : iterable of layers
        What is drawn, from the back to the front: `line`, `band`, `points`, `rug`.
    size : (float, float)
        Width and height.
    """
    across = linear((x.low, x.high), (LEFT, size[0] - RIGHT))
    up = linear((y.low, y.high), (size[1] - BOTTOM, TOP))
    frame = [*_across(x, across, size), *_up(y, up, size)]
    return drawing(key, title, told, size, *frame, *(layer(across, up) for layer in layers))


def line(x: Values, y: Values, kind: str) -> Layer:
    """A line through points (x, y); it breaks where y is no finite number."""

    def draw(across: Scale, up: Scale) -> Markup:
        path, open_ = [], False
        for a, b in zip(x, y, strict=True):
            if not math.isfinite(b):
                open_ = False
                continue
            path.append(f"{'L' if open_ else 'M'}{short(across(a))} {short(up(b))}")
            open_ = True
        return el("path", class_=f"line {kind}", d="".join(path))

    return draw


def band(x: Values, low: Values, high: Values) -> Layer:
    """The area between two lines."""

    def draw(across: Scale, up: Scale) -> Markup:
        there = [(a, b, c) for a, b, c in zip(x, low, high, strict=True) if _all_finite(b, c)]
        ahead = [f"{short(across(a))} {short(up(c))}" for a, _, c in there]
        back = [f"{short(across(a))} {short(up(b))}" for a, b, _ in reversed(there)]
        return el("path", class_="band", d=f"M{'L'.join(ahead + back)}Z" if there else "")

    return draw


def points(rows: Sequence[tuple[float, float, float | None, float | None, str]]) -> Layer:
    """Points (x, y, low, high, what a pointer is told) with their intervals."""

    def draw(across: Scale, up: Scale) -> Markup:
        marks = []
        for a, b, low, high, told in rows:
            if not math.isfinite(b):
                continue
            at = across(a)
            if low is not None and high is not None and _all_finite(low, high):
                marks.append(el("line", class_="span", x1=at, x2=at, y1=up(low), y2=up(high)))
            marks.append(el("circle", el("title", told), class_="spot", cx=at, cy=up(b), r=3.6))
        return el("g", *marks)

    return draw


def rug(shares: Sequence[float], height: float = 26.0) -> Layer:
    """How often each stretch of x occurs: bars from the bottom, the highest `height` units high."""

    def draw(across: Scale, up: Scale) -> Markup:
        most, width = max(shares, default=0) or 1.0, 1 / max(len(shares), 1)
        floor = SIZE[1] - BOTTOM
        bars = [
            el("rect", class_="rug", x=across(i * width) + 0.5, y=floor - height * share / most,
               width=max(across((i + 1) * width) - across(i * width) - 1, 0.5),
               height=height * share / most)
            for i, share in enumerate(shares) if share
        ]  # fmt: skip
        return el("g", *bars)

    return draw


@dataclass(frozen=True)
class Row:
    """One line of a forest: a name, an estimate with its interval, and texts in columns."""

    name: str
    value: float
    low: float
    high: float
    texts: tuple[str, ...] = ()
    strong: bool = False


def forest(
    key: str,
    title: str,
    told: str,
    rows: Sequence[Row],
    x: Axis,
    *,
    marks: Sequence[tuple[float, str]] = (),
    heads: Sequence[str] = (),
    columns: Sequence[float] = (),
    left: float = 168.0,
    width: float = 860.0,
) -> Markup:
    """Estimates with intervals, one below the other.

    Parameters
    ----------
    key, title, told : str
        As in `fidgety.report.svg.drawing`.
    rows : sequence of Row
    x : Axis
        What lies beyond its ends is cut there.
    marks : sequence of (float, str)
        Dashed lines over all rows, and their names.
    heads, columns : sequence
        Heads of the texts, and where each column ends from the right edge.
    left, width : float
        Where the plot begins; width of the whole.
    """
    end = width - max(columns, default=0.0) - 118 * bool(columns) - 14
    across, top, step = linear((x.low, x.high), (left, end)), 34.0, 31.0
    bottom = top + step * len(rows)
    shapes = [
        el("text", head, class_="tick", x=width - at, y=14.0, text_anchor="end")
        for head, at in zip(heads, columns, strict=True)
    ]
    shapes += [
        el("g",
           el("line", class_="even", x1=across(at), x2=across(at), y1=top - 8, y2=bottom),
           el("text", name, class_="tick", x=across(at), y=top - 14, text_anchor="middle"))
        for at, name in marks
    ]  # fmt: skip
    for place, row in enumerate(rows):
        shapes.append(_forest_row(row, across, top + step * (place + 0.5), columns, width))
    shapes.append(el("line", class_="axis", x1=left, x2=end, y1=bottom, y2=bottom))
    shapes += [
        el("text", fixed(tick, x.digits), class_="tick", x=across(tick), y=bottom + 19,
           text_anchor="middle")
        for tick in x.ticks
    ]  # fmt: skip
    shapes.append(el("text", x.label, class_="end", x=(left + end) / 2, y=bottom + 40,
                     text_anchor="middle"))  # fmt: skip
    return drawing(key, title, told, (width, bottom + 48), *shapes)


def _forest_row(
    row: Row, across: Scale, y: float, columns: Sequence[float], width: float
) -> Markup:
    kind = " strong" if row.strong else ""
    shapes = [el("text", row.name, class_=f"row-label{kind}", x=0.0, y=y + 5)]
    if _all_finite(row.low, row.high):
        low, high = across(row.low), across(row.high)
        shapes.append(el("line", class_=f"span{kind}", x1=low, x2=high, y1=y, y2=y))
        shapes += [
            el("line", class_=f"span{kind}", x1=at, x2=at, y1=y - 5, y2=y + 5)
            for at in (low, high)
        ]  # fmt: skip
    if _all_finite(row.value):
        shapes.append(el("rect", class_=f"spot{kind}", x=across(row.value) - 5, y=y - 5,
                         width=10.0, height=10.0, rx=1.5))  # fmt: skip
    shapes += [
        el("text", text, class_=f"label{kind}", x=width - at, y=y + 5, text_anchor="end")
        for text, at in zip(row.texts, columns, strict=True)
    ]
    return el("g", *shapes)


def _across(x: Axis, scale: Scale, size: tuple[float, float]) -> list[Markup]:
    floor = size[1] - BOTTOM
    shapes = [el("line", class_="axis", x1=LEFT, x2=size[0] - RIGHT, y1=floor, y2=floor)]
    for tick in x.ticks:
        shapes.append(el("text", fixed(tick, x.digits), class_="tick", x=scale(tick), y=floor + 17,
                         text_anchor="middle"))  # fmt: skip
    shapes.append(el("text", x.label, class_="end", x=(LEFT + size[0] - RIGHT) / 2, y=size[1] - 6,
                     text_anchor="middle"))  # fmt: skip
    return shapes


def _up(y: Axis, scale: Scale, size: tuple[float, float]) -> list[Markup]:
    shapes = []
    for tick in y.ticks:
        at = scale(tick)
        shapes.append(el("line", class_="guide", x1=LEFT, x2=size[0] - RIGHT, y1=at, y2=at))
        shapes.append(el("text", fixed(tick, y.digits), class_="tick", x=LEFT - 7, y=at + 4.5,
                         text_anchor="end"))  # fmt: skip
    middle = (TOP + size[1] - BOTTOM) / 2
    shapes.append(el("text", y.label, class_="end", x=9.0, y=middle, text_anchor="middle",
                     transform=f"rotate(-90 9 {short(middle)})"))  # fmt: skip
    return shapes


def _all_finite(*values: float) -> bool:
    return all(math.isfinite(value) for value in values)
