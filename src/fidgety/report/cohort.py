"""This infant's score among those of the training cohort, and the check of the explanation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from fidgety.report.svg import drawing, el, linear, short
from fidgety.report.words import fixed

__all__ = ["draw_check", "draw_cohort", "share_below", "table_of_tenths"]

WIDTH, LEFT = 860.0, 104.0
LANE, BINS = 96.0, 50


def share_below(scores: Sequence[dict[str, Any]], label: int, value: float) -> tuple[int, int]:
    """How many infants of the cohort with this label score below `value`, and how many there are."""
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
    middle, x = LANE + 30, linear((0, 1), (LEFT, WIDTH - 24))
    lanes = [
        _lane(scores, 1, x, middle - 10, -1.0),
        _lane(scores, 0, x, middle + 10, 1.0),
    ]
    shapes = [
        el("line", class_="axis", x1=LEFT, x2=WIDTH - 24, y1=middle, y2=middle),
        el("text", "abnormal", class_="row-label", x=0, y=middle - 14),
        el("text", "normal", class_="row-label", x=0, y=middle + 24),
        *lanes,
    ]
    bottom = middle + LANE + 12
    for tenth in range(0, 11, 2):
        shapes.append(el("text", fixed(tenth / 10, 1), class_="tick", x=x(tenth / 10), y=bottom + 16,
                         text_anchor="middle"))  # fmt: skip
    if risk is not None:
        shapes.append(el("line", class_="stem", x1=x(risk), x2=x(risk), y1=20, y2=bottom))
        shapes.append(el("text", "this infant", class_="label strong", x=x(risk), y=14,
                         text_anchor="start" if risk < 0.1 else "end" if risk > 0.9 else "middle"))  # fmt: skip
    counts = [sum(s["label"] == label for s in scores) for label in (0, 1)]
    told = f"{counts[0]} normal and {counts[1]} abnormal infants of the training cohort by score"
    told += f"; this infant is at {fixed(risk)}." if risk is not None else "."
    return drawing("cohort", "This infant beside the training cohort", told, (WIDTH, bottom + 24),
                   *shapes)  # fmt: skip


def _lane(
    scores: Sequence[dict[str, Any]], label: int, x: Any, start: float, direction: float
) -> Markup:
    """Dots piled up from `start`; the pile is pressed together where it would leave the lane."""
    piles: dict[int, int] = {}
    for s in scores:
        if s["label"] == label and s["score"] is not None:
            place = min(max(int(s["score"] * BINS), 0), BINS - 1)
            piles[place] = piles.get(place, 0) + 1
    step = min(9.0, (LANE - 8) / max(piles.values(), default=1))
    # A line of no length with a round cap is a dot: one path holds thousands of them.
    path = "".join(
        f"M{short(x((place + 0.5) / BINS))} {short(start + direction * (index * step + 2))}h0"
        for place, count in sorted(piles.items())
        for index in range(count)
    )
    return el("path", class_="infants abnormal" if label else "infants normal", d=path)


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
    x = linear((0, most), (132, WIDTH - 90))
    shapes = []
    for row, (name, value, kind) in enumerate(bars):
        top = 6 + 40 * row
        shapes += [
            el("text", name, class_="row-label", x=0, y=top + 19),
            el("rect", class_=f"bar {kind}", x=132, y=top, width=max(x(abs(value)) - 132, 1.0),
               height=28, rx=3),
            el("text", fixed(value, 3), class_="label strong", x=x(abs(value)) + 8, y=top + 19),
        ]  # fmt: skip
    told = f"Most weighted: {fixed(bars[0][1], 3)}. At random: {fixed(bars[1][1], 3)}."
    return drawing("check", "Change of the risk when parts are taken out", told, (WIDTH, 84), *shapes)
