"""Charts to zoom into, as figures of plotly: plain dictionaries that the page's script draws.

Colours are written as ``var(--ink)`` and become those of the page, light or dark.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from fidgety.report.svg import cividis
from fidgety.report.timeline import SALIENT, binned, duration, even_share, in_part
from fidgety.report.words import joint_words, span

__all__ = ["axis", "cohort_figure", "layout", "timeline_figure"]

Figure = dict[str, Any]
COLUMNS = 900  # more points than the still chart: this one can be zoomed into


def layout(height: int, **more: Any) -> Figure:
    """What all charts share: the page's type and colours, no frame, room for the labels."""
    return {
        "height": height,
        "autosize": True,
        "margin": {"l": 96, "r": 18, "t": 28, "b": 48},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "'Source Sans 3', system-ui, sans-serif", "size": 14,
                 "color": "var(--ink)"},
        "hoverlabel": {"bgcolor": "var(--panel)", "bordercolor": "var(--edge)",
                       "font": {"color": "var(--ink)", "size": 14}},
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": "var(--soft)",
                    "activecolor": "var(--accent)"},
        "dragmode": "zoom",
        "showlegend": False,
        **more,
    }  # fmt: skip


def axis(**more: Any) -> Figure:
    """An axis in the page's colours."""
    return {
        "gridcolor": "var(--rule)",
        "linecolor": "var(--edge)",
        "zerolinecolor": "var(--edge)",
        "zeroline": False,
        "tickfont": {"color": "var(--soft)", "size": 13},
        **more,
    }


def timeline_figure(whole: dict[str, Any]) -> Figure:
    """Weight, contribution and movement of each part over time, one axis for all.

    Parameters
    ----------
    whole : dict
        A complete assessment with at least one clip.
    """
    clips, end = whole["clips"], duration(whole)
    known = [clip for clip in clips if None not in (clip["start_s"], clip["end_s"])]
    rows = [_weights(known, even_share(clips))]
    if any(clip["contribution"] is not None for clip in known):
        rows.append(_contributions(known))
    rows += [_part(name, row, end) for name, row in binned(whole["movement"], end, COLUMNS).items()]
    shares = [3.0, *([1.6] if rows[1:] and rows[1]["type"] == "bar" else [])]
    shares += [1.0] * (len(rows) - len(shares))
    unit, top = 1 / (sum(shares) + 0.25 * (len(rows) - 1)), 1.0
    most = max((v for row in rows if row["type"] == "scatter" for v in row["y"] if v), default=1.0)
    figure = layout(
        int(150 + 62 * sum(shares)),
        xaxis=axis(
            title={"text": "seconds"},
            range=[0, end],
            anchor=f"y{len(rows)}",
            spikecolor="var(--ink)",
            spikethickness=1,
            spikedash="solid",
        ),
        shapes=_marks(whole, end),
        bargap=0,
        hovermode="x unified",
        hoversubplots="axis",
    )
    for place, (row, share) in enumerate(zip(rows, shares, strict=True), start=1):
        name = "y" if place == 1 else f"y{place}"
        row |= {"xaxis": "x", "yaxis": name}
        bottom = max(top - share * unit, 0.0)
        figure[name.replace("y", "yaxis")] = axis(
            domain=[bottom, top],
            title={"text": row["name"], "font": {"size": 13}},
            nticks=4,
            **({"range": [0, most]} if row["type"] == "scatter" else {}),
        )
        top = bottom - 0.25 * unit
    return {"data": rows, "layout": figure}


def _weights(clips: Sequence[dict[str, Any]], share: float | None) -> Figure:
    heights = [
        None if clip["attention"] is None or not share else round(clip["attention"] / share, 4)
        for clip in clips
    ]
    most = max((height for height in heights if height), default=1.0)
    most = max(most, SALIENT)
    return _bars(clips, heights, "weight", "%{y:.1f} times the even share") | {
        "marker": {
            "color": [cividis((height or 0) / most) for height in heights],
            "line": {"color": "var(--edge)", "width": 0.5},
        }
    }


def _contributions(clips: Sequence[dict[str, Any]]) -> Figure:
    given = [clip["contribution"] for clip in clips]
    return _bars(clips, given, "contribution", "%{y:+.3f} to the score") | {
        "marker": {
            "color": ["var(--accent)" if (v or 0) > 0 else "var(--panel)" for v in given],
            "line": {"color": "var(--ink)", "width": 0.8},
        }
    }


def _bars(
    clips: Sequence[dict[str, Any]], heights: list[float | None], name: str, told: str
) -> Figure:
    starts = sorted({clip["start_s"] for clip in clips})
    apart = min((b - a for a, b in pairwise(starts)), default=1.0)
    return {
        "type": "bar",
        "name": name,
        "x": [round((clip["start_s"] + clip["end_s"]) / 2, 3) for clip in clips],
        "y": heights,
        "width": round(apart, 4),
        "text": [span(clip["start_s"], clip["end_s"], 1) for clip in clips],
        "textposition": "none",
        "hovertemplate": f"%{{text}}: {told}<extra></extra>",
    }


def _part(name: str, row: Sequence[float | None], end: float) -> Figure:
    step = end / max(len(row), 1)
    return {
        "type": "scatter",
        "mode": "lines",
        "name": joint_words(name),
        "x": [round((column + 0.5) * step, 3) for column in range(len(row))],
        "y": [round(value or 0.0, 4) for value in row],  # a gap would be filled with a slope
        "text": ["not measured" if value is None else f"{value:.2f}" for value in row],
        "fill": "tozeroy",
        "line": {"color": "var(--energy)", "width": 1},
        "fillcolor": "var(--energy)",
        "hovertemplate": f"{joint_words(name)} %{{text}}<extra></extra>",
    }


def _marks(whole: dict[str, Any], end: float) -> list[Figure]:
    """Stretches that the quality check marked, over all rows."""
    return [
        {
            "type": "rect", "xref": "x", "yref": "paper", "x0": start, "x1": stop, "y0": 0, "y1": 1,
            "fillcolor": "var(--edge)", "opacity": 0.22, "line": {"width": 0}, "layer": "below",
            "label": {"text": reason["code"] or "", "textposition": "top left",
                      "font": {"size": 12, "color": "var(--soft)"}},
        }
        for reason in in_part(whole["quality"]["reasons"], end)
        for start, stop in reason["ranges"]
    ]  # fmt: skip


def cohort_figure(scores: Sequence[dict[str, Any]], risk: float | None) -> Figure:
    """How many infants of each label score where, and where this infant stands."""
    traces = [
        {
            "type": "histogram",
            "name": name,
            "x": [s["score"] for s in scores if s["label"] == label and s["score"] is not None],
            "xbins": {"start": 0, "end": 1, "size": 0.05},
            "marker": {"color": colour, "line": {"color": "var(--ink)", "width": 1.2}},
            "hovertemplate": f"%{{y}} {name} from %{{x}}<extra></extra>",
        }
        for label, name, colour in ((1, "abnormal", "var(--ink)"), (0, "normal", "var(--panel)"))
    ]
    return {
        "data": traces,
        "layout": layout(
            360,
            barmode="group",
            showlegend=True,
            legend={"orientation": "h", "y": 1.14, "x": 0},
            xaxis=axis(title={"text": "score"}, range=[0, 1]),
            yaxis=axis(title={"text": "infants"}, rangemode="tozero"),
            shapes=[] if risk is None else [
                {"type": "line", "x0": risk, "x1": risk, "yref": "paper", "y0": 0, "y1": 1,
                 "line": {"color": "var(--accent)", "width": 3},
                 "label": {"text": "this infant", "textposition": "end", "textangle": 0,
                           "font": {"color": "var(--accent)", "size": 13}}}
            ],
        ),
    }  # fmt: skip
