"""Small tools for inline SVG: elements, scales and the one colour map of the page.

Colours are given as attributes or classes, never as ``style``: the page's security policy refuses
inline styles.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from markupsafe import Markup, escape

__all__ = ["cividis", "drawing", "el", "linear", "short", "ticks"]

# cividis (Nunez, Anderton, Renslow 2018, doi 10.1371/journal.pone.0199239) at 17 even steps.
_CIVIDIS = (
    "00224e 002e6a 1a386f 32436d 434e6c 535a6d 61656f 6f7073 7d7c78 8c8878 9b9476 aba072 bcae6c "
    "cdbb63 dec958 f0d846 fee838"
).split()


def cividis(value: float) -> str:
    """Hex colour of `value` in 0..1 (clipped) on the cividis map."""
    place = min(max(value, 0.0), 1.0) * (len(_CIVIDIS) - 1)
    low = min(int(place), len(_CIVIDIS) - 2)
    channels = (
        round(int(a, 16) + (place - low) * (int(b, 16) - int(a, 16)))
        for a, b in (
            (_CIVIDIS[low][i : i + 2], _CIVIDIS[low + 1][i : i + 2]) for i in (0, 2, 4)
        )
    )
    return "#" + "".join(f"{channel:02x}" for channel in channels)


def short(value: float) -> str:
    """A coordinate with at most one decimal."""
    text = f"{value:.1f}"
    return text.removesuffix(".0").replace("-0", "0") if text in ("-0.0", "0.0") else (
        text.removesuffix(".0")
    )


def el(name: str, *children: object, **attributes: object) -> Markup:
    """One SVG element; text children and attribute values are escaped, None attributes left out.

    Parameters
    ----------
    name : str
        Element name.
    *children : object
        Elements (`Markup`) or texts.
    **attributes : object
        Underscores become hyphens (``stroke_width``); a trailing one is dropped (``class_``).
    """
    parts = [
        f' {key.rstrip("_").replace("_", "-")}="{escape(_attribute(value))}"'
        for key, value in attributes.items()
        if value is not None
    ]
    inner = Markup("").join(escape(child) for child in children)
    return Markup(f"<{name}{''.join(parts)}>") + inner + Markup(f"</{name}>")


def drawing(
    key: str, title: str, description: str, size: tuple[float, float], *children: object
) -> Markup:
    """An ``<svg>`` that a screen reader announces by its title and description.

    Parameters
    ----------
    key : str
        Stem of the ids of this drawing; unique on the page.
    title, description : str
        What it is, and what it shows in a sentence or two.
    size : (float, float)
        Width and height in its own units; it scales with the page.
    *children : object
        Elements.
    """
    return el(
        "svg",
        el("title", title, id=f"{key}-title"),
        el("desc", description, id=f"{key}-desc"),
        *children,
        class_=f"drawing {key}",
        viewBox=f"0 0 {short(size[0])} {short(size[1])}",
        role="img",
        aria_labelledby=f"{key}-title {key}-desc",
    )


def linear(
    domain: tuple[float, float], target: tuple[float, float]
) -> Callable[[float], float]:
    """The straight line that takes `domain` to `target`; a domain without extent goes to its start."""
    extent = domain[1] - domain[0]
    slope = (target[1] - target[0]) / extent if extent else 0.0
    return lambda value: target[0] + (value - domain[0]) * slope


def ticks(end: float, most: int, steps: Sequence[float]) -> list[float]:
    """Round values from 0 to `end`: the smallest of `steps` that needs at most `most` of them."""
    step = next((step for step in steps if end / step <= most), steps[-1])
    return [index * step for index in range(math.floor(end / step + 1e-9) + 1)]


def _attribute(value: object) -> object:
    return short(value) if isinstance(value, float) else value
