"""The risk on its scale from 0 to 1, and the hundred infants that say the same."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from fidgety.report.svg import drawing, el, linear
from fidgety.report.words import chance, fixed

__all__ = ["draw_hundred", "draw_risk_scale"]

WIDTH, HEIGHT = 860.0, 178.0
TRACK_TOP, TRACK_HEIGHT = 78.0, 30.0


def draw_risk_scale(whole: dict[str, Any]) -> Markup:
    """The scale with the risk, its interval, the *cannot say* zone and the threshold.

    Parameters
    ----------
    whole : dict
        A complete assessment whose ``risk`` is a number.
    """
    risk, interval = whole["risk"], whole["interval"]
    zone, threshold = whole["cannot_say_zone"], whole["model"]["threshold"]
    x = linear((0, 1), (24, WIDTH - 24))
    shapes = [_track(x)]
    if zone:
        shapes.append(_zone(x, zone))
    if threshold is not None:
        shapes.append(_threshold(x, threshold))
    if interval:
        shapes.append(_interval(x, interval))
    shapes.append(_marker(x, risk))
    told = f"The risk is {chance(risk)} on a scale from 0 to 1"
    told += f", interval {chance(interval[0])} to {chance(interval[1])}" if interval else ""
    told += f"; the cannot-say zone is {fixed(zone[0])} to {fixed(zone[1])}" if zone else ""
    told += f"; the threshold is {fixed(threshold)}" if threshold is not None else ""
    return drawing(
        "risk-scale", "Risk on a scale from 0 to 1", told + ".", (WIDTH, HEIGHT), *shapes
    )


def _track(x: Any) -> Markup:
    bottom = TRACK_TOP + TRACK_HEIGHT
    marks = []
    for tenth in range(11):
        at, long = x(tenth / 10), tenth % 5 == 0
        marks.append(
            el("line", class_="axis", x1=at, x2=at, y1=bottom + 2, y2=bottom + (10 if long else 6))
        )
        if tenth % 2 == 0 or long:
            marks.append(
                el(
                    "text",
                    fixed(tenth / 10, 1),
                    class_="tick",
                    x=at,
                    y=bottom + 26,
                    text_anchor="middle",
                )
            )
    ends = [
        el("text", "fidgety movements present", class_="end", x=x(0), y=bottom + 52),
        el("text", "absent or abnormal", class_="end", x=x(1), y=bottom + 52, text_anchor="end"),
    ]
    track = el("rect", class_="track", x=x(0), y=TRACK_TOP, width=x(1) - x(0),
               height=TRACK_HEIGHT, rx=4)  # fmt: skip
    return el("g", track, *marks, *ends)


def _zone(x: Any, zone: tuple[float, float]) -> Markup:
    left, right = x(zone[0]), x(zone[1])
    place = {"x": left, "y": TRACK_TOP, "width": right - left, "height": TRACK_HEIGHT}
    return el(
        "g",
        el("rect", fill="url(#hatch)", **place),
        el("rect", class_="zone-edge", **place),
        el("text", "cannot say", class_="label", x=(left + right) / 2,
           y=TRACK_TOP + TRACK_HEIGHT + 52, text_anchor="middle"),
    )  # fmt: skip


def _threshold(x: Any, threshold: float) -> Markup:
    at = x(threshold)
    return el("line", class_="threshold", x1=at, x2=at, y1=TRACK_TOP - 4,
              y2=TRACK_TOP + TRACK_HEIGHT + 4)  # fmt: skip


def _interval(x: Any, interval: tuple[float, float]) -> Markup:
    left, right = (x(end) for end in interval)
    middle = TRACK_TOP + TRACK_HEIGHT / 2
    whiskers = [
        el("line", class_="whisker", x1=at, x2=at, y1=middle - 9, y2=middle + 9)
        for at in (left, right)
    ]
    bar = el("rect", class_="interval", x=left, y=middle - 5, width=max(right - left, 1.0),
             height=10)  # fmt: skip
    return el("g", bar, *whiskers)


def _marker(x: Any, risk: float) -> Markup:
    at, middle = x(risk), TRACK_TOP + TRACK_HEIGHT / 2
    anchor = "start" if risk < 0.04 else "end" if risk > 0.96 else "middle"
    return el(
        "g",
        el("line", class_="stem", x1=at, x2=at, y1=48.0, y2=middle),
        el("circle", class_="marker", cx=at, cy=middle, r=10),
        el("text", chance(risk), class_="value", x=at, y=38.0, text_anchor=anchor),
    )


def draw_hundred(risk: float, interval: tuple[float, float] | None) -> Markup:
    """A hundred infants: as many filled as the risk says, those within the interval outlined.

    Parameters
    ----------
    risk : float
        Probability in 0..1.
    interval : (float, float) or None
        Its interval.
    """
    filled, top = round(100 * risk), round(100 * (interval[1] if interval else risk))
    low = round(100 * (interval[0] if interval else risk))
    dots = []
    for index in range(100):
        row, column = divmod(index, 20)
        kind = "dot" + (" is-filled" if index < filled else "")
        kind += " is-unsure" if low <= index < top else ""
        dots.append(el("circle", class_=kind, cx=12 + 24 * column, cy=12 + 24 * row, r=8))
    told = f"{filled} of 100 dots are filled; the interval runs from {low} to {top}."
    return drawing("hundred", "One hundred infants with this result", told, (480, 120), *dots)
