"""Where in time the network put its weight, over the movement that was measured there."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from statistics import median
from typing import Any

from markupsafe import Markup

from fidgety.report.svg import cividis, drawing, el, linear, short, ticks
from fidgety.report.words import clock, fixed, joint_words, span

__all__ = [
    "SALIENT",
    "binned",
    "draw_timeline",
    "duration",
    "even_share",
    "in_part",
    "mean_between",
    "moments",
]

WIDTH, LEFT, RIGHT = 860.0, 112.0, 18.0
MARKS_TOP, MARK_HEIGHT = 4.0, 18.0
ATTENTION_HEIGHT, SIGNED_HEIGHT, ROW_HEIGHT, GAP = 112.0, 60.0, 38.0, 9.0
SALIENT = 2.5  # times the even share that a scale reaches at least
COLUMNS = 372  # one per two units of width: more would not be seen, and the file would grow
Scale = Callable[[float], float]


def even_share(clips: Sequence[dict[str, Any]]) -> float | None:
    """The attention each clip would have if the network weighted all it could use alike."""
    weighted = [clip for clip in clips if clip["attention"] is not None and _usable(clip)]
    total = sum(clip["attention"] for clip in weighted)
    return total / len(weighted) if total > 0 else None


def moments(clips: Sequence[dict[str, Any]], most: int = 3, apart_s: float = 5.0) -> list[int]:
    """Rows of the clips with the highest attention, each at least `apart_s` from the others.

    Neighbouring clips overlap and rise together; without the distance all would name one moment.
    Only clips above the even share count.
    """
    share = even_share(clips)
    if share is None:
        return []
    chosen: list[int] = []
    ranked = sorted(
        (row for row, clip in enumerate(clips) if clip["start_s"] is not None and _usable(clip)),
        key=lambda row: clips[row]["attention"] or 0.0,
        reverse=True,
    )
    for row in ranked:
        if len(chosen) == most or (clips[row]["attention"] or 0.0) <= share:
            break
        if all(abs(clips[row]["start_s"] - clips[c]["start_s"]) >= apart_s for c in chosen):
            chosen.append(row)
    return chosen


def draw_timeline(whole: dict[str, Any]) -> Markup:
    """Attention of each clip, movement of each body part and the marks of quality on one time axis.

    Parameters
    ----------
    whole : dict
        A complete assessment with at least one clip.
    """
    clips, end = whole["clips"], duration(whole)
    rows = binned(whole["movement"], end)
    x = linear((0, end), (LEFT, WIDTH - RIGHT))
    marked = in_part(whole["quality"]["reasons"], end)
    top = MARKS_TOP + 14 + (MARK_HEIGHT + 6 if marked else 0)
    signed = _contributions(clips, x, top + ATTENTION_HEIGHT + GAP)
    below = top + ATTENTION_HEIGHT + GAP + (SIGNED_HEIGHT + GAP if signed else 0)
    bottom = below + len(rows) * (ROW_HEIGHT + GAP) - GAP + 4
    shapes = [_marks(marked, x, bottom)] if marked else []
    shapes.append(_attention(clips, x, top))
    shapes += [signed] if signed else []
    shapes += _movement(rows, end, below)
    shapes += _moments(clips, x, top, bottom)
    shapes += _time_axis(end, x, bottom)
    # Moved by the page's script; x = LEFT + (WIDTH - RIGHT - LEFT) * time / end.
    shapes.append(el("line", class_="cursor", x1=LEFT, x2=LEFT, y1=top, y2=bottom, data_end=end,
                     data_left=LEFT, data_right=WIDTH - RIGHT))  # fmt: skip
    title, size = "Attention and movement over time", (WIDTH, bottom + 44)
    return drawing("timeline", title, _told(clips), size, *shapes)


def binned(
    movement: dict[str, Any], end: float, columns: int = COLUMNS
) -> dict[str, list[float | None]]:
    """Mean movement of each body part in at most `columns` equal stretches of 0..`end` seconds.

    A stretch without a measured value is None.
    """
    columns = max(1, min(columns, len(movement["time_s"])))  # no column between two values
    edges = [end * column / columns for column in range(columns)] + [math.inf]
    return mean_between(movement, list(pairwise(edges)))


def mean_between(
    movement: dict[str, Any], stretches: Sequence[tuple[float, float]]
) -> dict[str, list[float | None]]:
    """Mean of the measured movement of each body part in each (start, end) in seconds, or None.

    A value belongs to a stretch that starts at or before it and ends after it.
    """
    means: dict[str, list[float | None]] = {}
    for part, series in movement["parts"].items():
        pairs = zip(movement["time_s"], series, strict=False)
        measured = sorted((t, v) for t, v in pairs if t is not None and v is not None)
        times = [t for t, _ in measured]
        sums = [0.0, *accumulate(v for _, v in measured)]
        means[part] = []
        for start, end in stretches:
            low, high = bisect_left(times, start), bisect_left(times, end)
            means[part].append((sums[high] - sums[low]) / (high - low) if high > low else None)
    return means


def in_part(reasons: Sequence[dict[str, Any]], end: float) -> list[dict[str, Any]]:
    """Reasons that hold for a part of the recording; one that holds throughout marks nothing."""
    kept = []
    for reason in reasons:
        ranges = [r for r in reason["ranges"] if r and r[1] - r[0] < 0.95 * end]
        if ranges:
            kept.append({**reason, "ranges": ranges})
    return kept


def _usable(clip: dict[str, Any]) -> bool:
    return clip["usable"] is not False


def duration(whole: dict[str, Any]) -> float:
    """Seconds that the time axis covers: the recording, and whatever is said to lie beyond it."""
    ends = [clip["end_s"] for clip in whole["clips"] if clip["end_s"] is not None]
    times = [t for t in whole["movement"]["time_s"] if t is not None]
    return max([whole["input"]["duration_s"] or 0, *ends, *times, 1e-6])


def _told(clips: Sequence[dict[str, Any]]) -> str:
    share = even_share(clips)
    if share is None:
        return "No attention was recorded."
    named = [
        f"{clock(clips[row]['start_s'], 1)} ({fixed(clips[row]['attention'] / share, 1)})"
        for row in moments(clips)
    ]
    return (
        f"{len(clips)} clips. Most weight, in multiples of the even share: "
        f"{', '.join(named) or 'all alike'}. The table below has every value."
    )


def _attention(clips: Sequence[dict[str, Any]], x: Scale, top: float) -> Markup:
    share, floor = even_share(clips), top + ATTENTION_HEIGHT
    known = [clip for clip in clips if None not in (clip["start_s"], clip["end_s"])]
    if share is None or not known:
        return el("g", _row_label("attention", floor - ATTENTION_HEIGHT / 2))
    most = max(clip["attention"] or 0 for clip in known)
    tallest = max(most / share, SALIENT)  # nearly even weights look nearly even
    y = linear((0, tallest), (floor, top + 8))
    half = _stride(known) / 2
    bars = []
    for clip in known:
        middle = (clip["start_s"] + clip["end_s"]) / 2
        left, right = x(max(middle - half, 0)), x(middle + half)
        when = span(clip["start_s"], clip["end_s"], 1)
        if not _usable(clip) or clip["attention"] is None:
            bars.append(el("rect", el("title", f"{when}: not usable"), fill="url(#hatch)", x=left,
                           y=floor - 10, width=right - left, height=10.0))  # fmt: skip
            continue
        times = clip["attention"] / share
        bars.append(el("rect", el("title", f"{when}: {fixed(times, 1)} \N{MULTIPLICATION SIGN}"),
                       fill=cividis(times / tallest), x=left, y=y(times),
                       width=max(right - left, 0.6), height=floor - y(times)))  # fmt: skip
    guides = [_guide(value, x, y) for value in _multiples(most / share)]
    return el("g", _row_label("attention", top + 20), *guides[1:], el("g", *bars, class_="bars"),
              guides[0])  # fmt: skip


def _contributions(clips: Sequence[dict[str, Any]], x: Scale, top: float) -> Markup | None:
    """What each clip added to the score: up and filled for abnormal, down and hollow for normal."""
    known = [
        clip for clip in clips if None not in (clip["start_s"], clip["end_s"], clip["contribution"])
    ]
    most = max((abs(clip["contribution"]) for clip in known), default=0.0)
    if not 0 < most < math.inf:
        return None
    middle, half = top + SIGNED_HEIGHT / 2, _stride(known) / 2
    height = linear((0, most), (0, SIGNED_HEIGHT / 2 - 2))
    bars = []
    for clip in known:
        value, at = clip["contribution"], (clip["start_s"] + clip["end_s"]) / 2
        left, tall = x(max(at - half, 0)), max(height(abs(value)), 0.4)
        bars.append(el("rect", el("title", f"{span(clip['start_s'], clip['end_s'], 1)}: "
                                  f"{fixed(value, 3)}"),
                       class_="for" if value > 0 else "against", x=left,
                       y=middle - tall if value > 0 else middle,
                       width=max(x(at + half) - left, 0.6), height=tall))  # fmt: skip
    return el(
        "g",
        _row_label("contribution", middle + 4),
        el("text", "absent \N{UPWARDS ARROW}", class_="tick", x=LEFT - 8, y=top + 11,
           text_anchor="end"),
        el("text", "present \N{DOWNWARDS ARROW}", class_="tick", x=LEFT - 8,
           y=top + SIGNED_HEIGHT - 2, text_anchor="end"),
        el("line", class_="base", x1=LEFT, x2=WIDTH - RIGHT, y1=middle, y2=middle),
        *bars,
    )  # fmt: skip


def _moments(clips: Sequence[dict[str, Any]], x: Scale, top: float, bottom: float) -> list[Markup]:
    """A number above each of the `moments`, and a line through the rows below it."""
    drawn = []
    for number, row in enumerate(moments(clips), start=1):
        clip = clips[row]
        at = x((clip["start_s"] + (clip["end_s"] or clip["start_s"])) / 2)
        drawn += [
            el("line", class_="moment", x1=at, x2=at, y1=top + ATTENTION_HEIGHT, y2=bottom),
            el("text", number, class_="moment-name", x=at, y=top, text_anchor="middle"),
        ]
    return drawn


def _multiples(most: float) -> list[int]:
    """1 (the even share) and, where there is room, one round multiple above it."""
    higher = [value for value in (2, 3, 4, 5, 8, 10, 15, 20, 50, 100) if 1.6 < value <= most]
    return [1, higher[-1]] if higher else [1]


def _guide(times: float, x: Scale, y: Scale) -> Markup:
    even = times == 1
    return el(
        "g",
        el("line", class_="even" if even else "guide", x1=LEFT, x2=WIDTH - RIGHT, y1=y(times),
           y2=y(times)),
        el("text", f"{times} \N{MULTIPLICATION SIGN}{' even' if even else ''}", class_="tick",
           x=LEFT - 8, y=y(times) + 4, text_anchor="end"),
    )  # fmt: skip


def _stride(clips: Sequence[dict[str, Any]]) -> float:
    """Usual time from one clip to the next; a lone clip is as wide as it lasts."""
    starts = sorted(clip["start_s"] for clip in clips)
    steps = [later - earlier for earlier, later in pairwise(starts) if later > earlier]
    return median(steps) if steps else clips[0]["end_s"] - clips[0]["start_s"]


def _movement(rows: dict[str, list[float | None]], end: float, top: float) -> list[Markup]:
    """One row for each part, all to one scale, so that limbs can be compared."""
    most = max((v for row in rows.values() for v in row if v is not None), default=0.0) or 1.0
    columns = max(map(len, rows.values()), default=1)
    x = linear((0, columns), (LEFT, WIDTH - RIGHT))
    drawn = []
    for index, (part, row) in enumerate(rows.items()):
        floor = top + index * (ROW_HEIGHT + GAP) + ROW_HEIGHT
        y = linear((0, most), (floor, floor - ROW_HEIGHT))
        drawn.append(
            el(
                "g",
                _row_label(joint_words(part), floor - 12),
                el("line", class_="base", x1=LEFT, x2=WIDTH - RIGHT, y1=floor, y2=floor),
                el("path", class_="energy", d=_area(row, x, y)),
            )
        )
    return drawn


def _area(row: Sequence[float | None], x: Scale, y: Scale) -> str:
    """Filled outline of the stretches with values; a gap stays open."""
    path, run = [], []
    for column, value in enumerate([*row, None]):
        if value is not None:
            run.append(f"{short(x(column + 0.5))} {short(y(value))}")
        elif run:
            first, last = run[0].split()[0], run[-1].split()[0]
            path.append(f"M{first} {short(y(0))}L{'L'.join(run)}L{last} {short(y(0))}Z")
            run = []
    return "".join(path)


def _row_label(text: str, y: float) -> Markup:
    return el("text", text, class_="row-label", x=0.0, y=y)


def _marks(reasons: Sequence[dict[str, Any]], x: Scale, bottom: float) -> Markup:
    """Hatched stretches over all rows, each named by its code above."""
    shapes: list[Markup] = [_row_label("quality", MARKS_TOP + 13)]
    free_from = 0.0
    for reason in reasons:
        for start, end in reason["ranges"]:
            left, width = x(start), max(x(end) - x(start), 2.0)
            shapes.append(el("rect", el("title", f"{span(start, end)}: {reason['text'] or ''}"),
                             fill="url(#hatch)", class_="mark", x=left, y=MARKS_TOP + MARK_HEIGHT,
                             width=width, height=bottom - MARKS_TOP - MARK_HEIGHT))  # fmt: skip
        first = x(reason["ranges"][0][0])  # one name for each reason, where it begins
        if first >= free_from:
            free_from = first + 44
            near_end = first > WIDTH - RIGHT - 40
            shapes.append(el("text", reason["code"] or "", class_="tick", y=MARKS_TOP + 13,
                             x=WIDTH - RIGHT if near_end else first,
                             text_anchor="end" if near_end else None))  # fmt: skip
    return el("g", *shapes)


def _time_axis(end: float, x: Scale, bottom: float) -> list[Markup]:
    steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
    drawn = [el("line", class_="axis", x1=LEFT, x2=WIDTH - RIGHT, y1=bottom, y2=bottom)]
    for second in ticks(end, 9, steps):
        at = x(second)
        drawn.append(el("line", class_="axis", x1=at, x2=at, y1=bottom, y2=bottom + 6))
        drawn.append(
            el("text", clock(second), class_="tick", x=at, y=bottom + 21, text_anchor="middle")
        )
    note = "minutes:seconds of the recording"
    return [*drawn, el("text", note, class_="tick", x=LEFT, y=bottom + 40)]
