"""The comparison's charts to zoom into: all models in one, each to be shown or hidden."""

from __future__ import annotations

from typing import Any

from fidgety.report.charts import axis, layout
from fidgety.report.plots import Values
from fidgety.study.findings import Findings, Performance

__all__ = ["curve_figure"]

Figure = dict[str, Any]
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
AXES = {
    "roc": ("false positive rate", "sensitivity"),
    "precision_recall": ("recall", "precision"),
    "reliability": ("calibrated risk", "share abnormal"),
    "decision": ("risk threshold", "net benefit an infant"),
}


def curve_figure(found: Findings, kind: str) -> Figure:
    """All models' curves of one kind in one chart.

    Parameters
    ----------
    found : Findings
    kind : {"roc", "precision_recall", "reliability", "decision"}
    """
    traces = [
        trace
        for place, (model, own) in enumerate(found.performance.items())
        for trace in _model(model, own, kind, place)
    ]
    x, y = AXES[kind]
    return {
        "data": [*_references(found, kind), *traces],
        "layout": layout(
            560,
            showlegend=True,
            legend={"font": {"size": 13}, "groupclick": "togglegroup"},
            margin={"l": 64, "r": 18, "t": 24, "b": 52},
            xaxis=axis(title={"text": x}, range=[0, 0.5 if kind == "decision" else 1]),
            yaxis=axis(title={"text": y}, **({} if kind == "decision" else {"range": [0, 1.02]})),
        ),
    }


def _model(model: str, own: Performance, kind: str, place: int) -> list[Figure]:
    colour = "var(--accent)" if place == 0 else "var(--ink)" if place < 4 else "var(--soft)"
    look = {"color": colour, "width": 3 if place == 0 else 1.6, "dash": DASHES[place % len(DASHES)]}
    shown: bool | str = True if place < 3 else "legendonly"
    if kind == "reliability":
        bins = own.reliability
        spread = {
            "type": "data",
            "symmetric": False,
            "array": [_round(b.high - b.value) for b in bins],
            "arrayminus": [_round(b.value - b.low) for b in bins],
            "color": colour,
            "thickness": 1,
        }
        xy = ([b.predicted for b in bins], [b.value for b in bins])
        return [_trace(model, *xy, look, shown) | {"mode": "lines+markers", "error_y": spread}]
    if kind == "decision":
        d = own.decision
        x, y, low, high = d.threshold, d.model, d.low, d.high
    else:
        curve = getattr(own, kind)
        x, y, low, high = curve.grid, curve.middle, curve.low, curve.high
    edge = _trace(model, x, low, {"width": 0, "color": colour}, shown)
    edge |= {"showlegend": False, "hoverinfo": "skip", "hovertemplate": None}
    fill = edge | {"y": _all(high), "fill": "tonexty", "fillcolor": "var(--tint)", "opacity": 0.5}
    return [*([edge, fill] if place == 0 else []), _trace(model, x, y, look, shown)]


def _trace(model: str, x: Values, y: Values, look: Figure, shown: bool | str) -> Figure:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": model,
        "legendgroup": model,
        "x": _all(x),
        "y": _all(y),
        "line": look,
        "visible": shown,
        "hovertemplate": f"{model}: %{{y:.3f}} at %{{x:.2f}}<extra></extra>",
    }


def _references(found: Findings, kind: str) -> list[Figure]:
    first = found.performance[found.best]
    grey = {"color": "var(--edge)", "width": 1.2, "dash": "dot"}
    if kind == "decision":
        d = first.decision
        return [
            _trace("refer all", d.threshold, d.treat_all, grey, True),
            _trace("refer none", d.threshold, d.treat_none, grey, True),
        ]
    share = first.average_precision.prevalence
    names = {"roc": "guessing", "precision_recall": "prevalence", "reliability": "perfect"}
    ends = (share, share) if kind == "precision_recall" else (0, 1)
    return [_trace(names[kind], (0, 1), ends, grey, True)]


def _all(values: Values) -> list[float | None]:
    return [_round(value) for value in values]


def _round(value: float) -> float | None:
    return None if value != value else round(float(value), 4)
