"""Small tools for inline SVG: elements, scales and the one colour map of the page.

Colours are given as attributes or classes, never as ``style``: the page's security policy refuses
inline styles.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from markupsafe import Markup, escape

__all__ = ["cividis", "drawing", "el", "linear", "short", "ticks"]

# cividis (Nunez, Anderton, Renslow 2018, doi 10.1371/journal.pone.0199239) at 33 even steps.
_CIVIDIS = [
    0x00224E, 0x00285B, 0x002E6A, 0x053371, 0x1A386F, 0x273E6E, 0x32436D, 0x3B496C,
    0x434E6C, 0x4B546C, 0x535A6D, 0x5A5F6E, 0x61656F, 0x686A71, 0x6F7073, 0x767676,
    0x7D7C78, 0x848279, 0x8C8878, 0x938E78, 0x9B9476, 0xA39A74, 0xABA072, 0xB4A76F,
    0xBCAE6C, 0xC4B468, 0xCDBB63, 0xD5C25E, 0xDEC958, 0xE7D150, 0xF0D846, 0xF9E03A,
    0xFEE838,
]  # fmt: skip


def cividis(value: float) -> str:
    """Hex colour of `value` in 0..1 (clipped) on the cividis map."""
    place = min(max(value, 0.0), 1.0) * (len(_CIVIDIS) - 1)
    step = min(int(place), len(_CIVIDIS) - 2)
    channels = (
        round(a + (place - step) * (b - a))
        for a, b in zip(_CIVIDIS[step].to_bytes(3), _CIVIDIS[step + 1].to_bytes(3), strict=True)
    )
    return "#" + bytes(channels).hex()


def short(value: float) -> str:
    """A coordinate with at most one decimal."""
    return f"{round(value, 1) + 0.0:.1f}".removesuffix(".0")  # adding zero turns -0.0 into 0.0


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
    return Markup(f"<{name}{''.join(parts)}>") + inner + Markup(f"</{name}>")  # nosec B704


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


def linear(domain: tuple[float, float], target: tuple[float, float]) -> Callable[[float], float]:
    """The straight line from `domain` to `target`; values outside the domain go to its ends."""
    low, extent = domain[0], domain[1] - domain[0]

    def place(value: float) -> float:
        share = min(max((value - low) / extent, 0.0), 1.0) if extent else 0.0
        return target[0] + share * (target[1] - target[0])

    return place


def ticks(end: float, most: int, steps: Sequence[float]) -> list[float]:
    """Round values from 0 to `end`: the smallest of `steps` that needs at most `most` of them.

    Where even the largest step needs more, `most` values that are even but not round.
    """
    step = next((step for step in steps if end / step <= most), end / most)
    return [index * step for index in range(math.floor(end / step + 1e-9) + 1)]


def _attribute(value: object) -> object:
    return short(value) if isinstance(value, float) else value
