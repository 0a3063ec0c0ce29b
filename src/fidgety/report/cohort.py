"""One infant's score among those of the training cohort, and the check of the explanation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from fidgety.report.svg import drawing, el, linear, short
from fidgety.report.words import fixed

__all__ = ["draw_check", "draw_cohort", "share_below", "table_of_tenths"]

WIDTH, LEFT, BAR_LEFT = 860.0, 104.0, 140.0
LANE, BINS = 110.0, 50  # a lane is at most so high; taller piles are pressed together


def share_below(scores: Sequence[dict[str, Any]], label: int, value: float) -> tuple[int, int]:
    """How many infants with this label score below `value`, and how many there are."""
    own = [s["score"] for s in scores if s["label"] == label and s["score"] is not None]
    return sum(score < value for score in own), len(own)


def table_of_tenths(scores: Sequence[dict[str, Any]]) -> list[tuple[float, int, int]]:
    """Rows (lower edge, normal infants, abnormal infants) for each tenth of the scale."""
    rows = []
    for tenth in range(10):
        inside = [
            s["label"] for s in scores
            if s["score"] is not None and min(int(s["score"] * 10), 9) == tenth
        ]  # fmt: skip
        rows.append((tenth / 10, inside.count(0), inside.count(1)))
    return rows


def draw_cohort(scores: Sequence[dict[str, Any]], risk: float | None) -> Markup:
    """One dot for each infant of the cohort, normal below the line and abnormal above it.

    Parameters
    ----------
    scores : sequence of dict
        ``score`` in 0..1 and ``label`` 0 or 1.
    risk : float or None
        This infant's risk, drawn as a line through both lanes.
    """
    x = linear((0, 1), (LEFT, WIDTH - 24))
    above, below = (_piles(scores, label) for label in (1, 0))
    step = min(9.0, (LANE - 8) / max(*above.values(), *below.values(), 1))
    middle = 34 + step * max(above.values(), default=0) + 10
    bottom = middle + step * max(below.values(), default=0) + 22
    shapes = [
        el("line", class_="axis", x1=LEFT, x2=WIDTH - 24, y1=middle, y2=middle),
        el("text", "abnormal", class_="row-label", x=0, y=middle - 8),
        el("text", "normal", class_="row-label", x=0, y=middle + 18),
    ]
    if risk is not None:
        shapes.append(el("line", class_="stem", x1=x(risk), x2=x(risk), y1=20, y2=bottom))
        shapes.append(
                      el("text", "this infant", class_="label strong", x=x(risk), y=13,
                         text_anchor="start" if risk < 0.1 else "end" if risk > 0.9 else "middle")
        )  # fmt: skip
    shapes.append(el("path", class_="infants", d=_dots(above, x, middle - 9, -step)))
    normal = _dots(below, x, middle + 9, step)
    # Hollow dots: the same path again, thinner and in the colour of the page.
    shapes.append(el("path", class_="infants normal", d=normal))
    shapes.append(el("path", class_="infants hollow", d=normal))
    for tenth in range(0, 11, 2):
        shapes.append(el("text", fixed(tenth / 10, 1), class_="tick", x=x(tenth / 10),
                         y=bottom + 16, text_anchor="middle"))  # fmt: skip
    counts = [sum(s["label"] == label for s in scores) for label in (0, 1)]
    told = f"{counts[0]} normal and {counts[1]} abnormal infants of the training cohort by score"
    told += f"; this infant is at {fixed(risk)}." if risk is not None else "."
    return drawing("cohort-dots", "This infant beside the training cohort", told,
                   (WIDTH, bottom + 24), *shapes)  # fmt: skip


def _piles(scores: Sequence[dict[str, Any]], label: int) -> Counter[int]:
    """How many infants of this label fall into each of `BINS` stretches of the scale."""
    own = [s["score"] for s in scores if s["label"] == label and s["score"] is not None]
    return Counter(min(max(int(score * BINS), 0), BINS - 1) for score in own)


def _dots(piles: Counter[int], x: Any, start: float, step: float) -> str:
    """Dots piled up from `start`: lines of no length with round caps, thousands in one path."""
    return "".join(
        f"M{short(x((place + 0.5) / BINS))} {short(start + index * step)}h0"
        for place, count in sorted(piles.items())
        for index in range(count)
    )


def draw_check(check: dict[str, Any]) -> Markup | None:
    """Two bars: how far the risk moved when the top joints and seconds were taken out, and when as
    many at random were; None if either is not given.
    """
    bars = (
        ("most weighted", check["risk_change_top"], "is-top"),
        ("at random", check["risk_change_random"], "is-random"),
    )
    if any(value is None for _, value, _ in bars):
        return None
    most = max(abs(value) for _, value, _ in bars) or 1.0
    x = linear((0, most), (BAR_LEFT, WIDTH - 90))
    shapes = []
    for row, (name, value, kind) in enumerate(bars):
        top = 6 + 40 * row
        shapes += [
            el("text", name, class_="row-label", x=0, y=top + 19),
            el("rect", class_=f"bar {kind}", x=BAR_LEFT, y=top,
               width=max(x(abs(value)) - BAR_LEFT, 1.0),
               height=28, rx=3),
            el("text", fixed(value, 3), class_="label strong", x=x(abs(value)) + 8, y=top + 19),
        ]  # fmt: skip
    told = f"Most weighted: {fixed(bars[0][1], 3)}. At random: {fixed(bars[1][1], 3)}."
    return drawing(
        "check-bars", "Change of the risk when parts are taken out", told, (WIDTH, 84), *shapes
    )
