"""The still charts of a comparison, one small plot a model: each in front of all the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from fidgety.report.plots import Axis, Layer, Row, band, forest, line, plot, points, rug
from fidgety.report.words import fixed
from fidgety.study.findings import Findings, Performance

__all__ = [
    "deletion_plots",
    "draw_forest",
    "draw_robustness",
    "draw_self_test",
    "grid_of_models",
    "learning_plots",
    "p_words",
    "perturbation_words",
]

Drawn = tuple[str, Markup, str]  # model, plot, what stands below it


def draw_forest(found: Findings) -> Markup:
    """AUC of every model with its interval, and its difference from the reference."""
    rows = []
    for model, own in found.performance.items():
        apart = found.differences.get(model)
        texts = (
            f"{fixed(own.auc.value, 3)} ({fixed(own.auc.low, 3)}–{fixed(own.auc.high, 3)})",
            "reference" if apart is None else
            f"{fixed(apart.value, 3)} ({fixed(apart.low, 3)}, {fixed(apart.high, 3)})",
            "" if apart is None else p_words(apart.p_adjusted),
        )  # fmt: skip
        rows.append(Row(model, own.auc.value, own.auc.low, own.auc.high, texts, apart is None))
    lowest = min((row.low for row in rows if row.low == row.low), default=0.5)
    start = max(min(np.floor(lowest * 10) / 10, 0.4), 0.0)
    ticks = tuple(round(float(t), 1) for t in np.arange(start, 1.01, 0.1))
    told = (
        f"{rows[0].name} has the highest AUC, {rows[0].texts[0]}. The table below has every value."
    )
    return forest(
        "forest", "AUC of each model with its interval", told, rows,
        Axis("area under the ROC curve", start, 1.0, ticks),
        marks=((0.5, "guessing"),),
        heads=("AUC (95 % interval)" if found.settings.level == 0.95 else "AUC (interval)",
               f"less {found.reference}", "p, Holm"),
        columns=(262.0, 66.0, 0.0),
    )  # fmt: skip


def p_words(p: float | None) -> str:
    """A p value for the eye; a dash where there is no test."""
    if p is None or p != p:
        return "–"
    return "< 0.001" if p < 0.001 else fixed(p, 3)


def perturbation_words(row: dict[str, Any]) -> str:
    """A perturbation in words: ``frame rate: 15 per second``, or its name."""
    if row.get("group") and row.get("setting"):
        return f"{row['group']}: {row['setting']}"
    return str(row["perturbation"])


def grid_of_models(found: Findings, kind: str) -> list[Drawn]:
    """One plot a model.

    Parameters
    ----------
    found : Findings
    kind : {"roc", "precision_recall", "reliability", "decision"}
        Which curve.
    """
    make = {"roc": _roc, "precision_recall": _recall, "reliability": _reliability,
            "decision": _decision}[kind]  # fmt: skip
    drawn = []
    for place, (model, own) in enumerate(found.performance.items()):
        others = [p for name, p in found.performance.items() if name != model]
        x, y, layers, told = make(found, model, own, others)
        drawn.append((model, plot(f"{kind.replace('_', '-')}-{place}", f"{TITLES[kind]} of {model}",
                                  told, x, y, layers), told))  # fmt: skip
    return drawn


TITLES = {
    "roc": "ROC curve",
    "precision_recall": "Precision-recall curve",
    "reliability": "Reliability",
    "decision": "Decision curve",
}
Made = tuple[Axis, Axis, list[Layer], str]


def _roc(found: Findings, model: str, own: Performance, others: list[Performance]) -> Made:
    layers = [line((0, 1), (0, 1), "chance"), *(line(o.roc.x, o.roc.y, "other") for o in others)]
    layers += [band(own.roc.grid, own.roc.low, own.roc.high), line(own.roc.x, own.roc.y, "own")]
    told = f"AUC {_ci(own.auc)}"
    return Axis("false positive rate"), Axis("sensitivity"), layers, told


def _recall(found: Findings, model: str, own: Performance, others: list[Performance]) -> Made:
    share, curve = own.average_precision.prevalence, own.precision_recall
    layers = [line((0, 1), (share, share), "chance")]
    layers += [
        line(o.precision_recall.grid, o.precision_recall.middle, "other") for o in others
    ]  # fmt: skip
    layers += [band(curve.grid, curve.low, curve.high), line(curve.grid, curve.middle, "own")]
    told = f"average precision {_ci(own.average_precision)}; prevalence {fixed(share, 2)}"
    return Axis("recall"), Axis("precision"), layers, told


def _reliability(found: Findings, model: str, own: Performance, others: list[Performance]) -> Made:
    risks = found.tested.risks[model]
    counts = np.histogram(risks, bins=20, range=(0, 1))[0]
    spots = [
        (b.predicted, b.value, b.low, b.high,
         f"mean risk {fixed(b.predicted)}, observed {fixed(b.value)} of {b.count}")
        for b in own.reliability
    ]  # fmt: skip
    layers = [line((0, 1), (0, 1), "chance"), rug([float(c) for c in counts]), points(spots)]
    c = own.calibration
    told = f"slope {_ci(c.slope, 2)}; expected calibration error {fixed(c.ece, 3)}, "
    told += f"{fixed(c.ece_if_perfect, 3)} if perfect"
    return Axis("calibrated risk"), Axis("share abnormal"), layers, told


def _decision(found: Findings, model: str, own: Performance, others: list[Performance]) -> Made:
    d, top = own.decision, _round_up(max(found.prevalence * 1.1, 0.02))
    low = -0.2 * top
    layers = [
        line(d.threshold, d.treat_all, "all"),
        line(d.threshold, d.treat_none, "chance"),
        *(line(o.decision.threshold, o.decision.model, "other") for o in others),
        band(d.threshold, d.low, d.high),
        line(d.threshold, d.model, "own"),
    ]
    better = np.maximum(d.treat_all, d.treat_none)
    wins = d.threshold[d.model > better]
    told = "nowhere above both refer-all and refer-none" if not len(wins) else (
        f"above refer-all and refer-none at {len(wins)} of {len(d.threshold)} thresholds"
    )  # fmt: skip
    digits = 1 if top >= 0.2 else 2 if top >= 0.02 else 3
    y = Axis("net benefit an infant", low, top, (0.0, top), digits)
    return Axis("risk threshold", 0.0, 0.5, (0.0, 0.25, 0.5), 2), y, layers, told


def draw_self_test(test: dict[str, Any]) -> Markup:
    """The same model by a split over infants and over recordings, and with shuffled labels."""
    rows = [
        _interval("infants kept apart", test["infant_wise"], True),
        _interval("recordings dealt freely", test["record_wise"]),
    ]
    for name, key in (("labels shuffled", "permuted"),
                      ("labels shuffled, dealt freely", "permuted_record_wise")):  # fmt: skip
        if test.get(key):
            part = test[key]
            rows.append(_interval(name, {**part, "auc": part.get("mean")}))
    told = "; ".join(f"{row.name}: {row.texts[0]}" for row in rows)
    return forest("self-test", "AUC by the way of dividing", told + ".", rows,
                  Axis("area under the ROC curve", 0.3, 1.0, (0.3, 0.5, 0.7, 0.9)),
                  marks=((0.5, "guessing"),), heads=("AUC (interval)",), columns=(0.0,),
                  left=232.0)  # fmt: skip


def draw_robustness(found: Findings, model: str) -> Markup | None:
    """The change of one model's AUC under each perturbation; None if it was not measured."""
    rows = [r for r in (found.evidence.robustness or {}).get("rows", []) if r["model"] == model]
    lines = []
    for r in rows:
        if r["perturbation"] == "none":
            continue
        change, base = _number(r["difference"]), _number(r.get("baseline_auc"))
        refused = int(r.get("refused") or 0)
        lines.append(Row(
            perturbation_words(r), change, _number(r.get("auc_low")) - base,
            _number(r.get("auc_high")) - base,
            (fixed(change, 3) if change == change else "all refused", str(refused or "–")),
            r.get("holds") is False,
        ))  # fmt: skip
    if not lines:
        return None
    worst = [row.name for row in lines if row.strong]
    low = min([row.low for row in lines if row.low == row.low], default=-0.1)
    start = -0.1 * np.ceil(min(max(-low, 0.1), 0.5) * 10)
    ticks = tuple(round(float(t), 1) + 0.0 for t in np.arange(start, 0.11, 0.1))
    return forest(
        "robust", f"Change of the AUC of {model} under perturbations",
        f"More than 0.05 AUC lost: {', '.join(worst) or 'nowhere'}.", lines,
        Axis("change of the AUC", start, 0.1, ticks),
        marks=((0.0, "0"), (-0.05, "−0.05")), heads=("change", "refused"),
        columns=(76.0, 0.0), left=236.0,
    )  # fmt: skip


def deletion_plots(found: Findings) -> Iterator[Drawn]:
    """For each model, how far the risk moves as clips are taken out, by the order they go in."""
    curves = (found.evidence.explanations or {}).get("curves", [])
    for place, model in enumerate(found.performance):
        own = [c for c in curves if c["model"] == model and c["kind"] == "deletion"]
        if not own:
            continue
        most = max((abs(v) for c in own for v in c["change"] if v is not None), default=0.0)
        top = _round_up(most or 0.1)
        layers = [
            line(c["fraction"], [_number(v) for v in c["change"]], f"order-{c['order']}")
            for c in own
        ]
        told = "; ".join(
            f"{c['order']} {fixed(_number(c['change'][_at(c['fraction'], 0.2)]), 3)}" for c in own
        )
        told = f"change with a fifth taken out: {told}"
        yield model, plot(
            f"deletion-{place}", f"Deletion curves of {model}", told,
            Axis("share of clips taken out"),
            Axis("change of the risk", 0.0, top, (0.0, top), 1 if top >= 0.1 else 2), layers,
        ), told  # fmt: skip


def learning_plots(found: Findings) -> Iterator[Drawn]:
    """For each model, its AUC by the number of infants."""
    rows = (found.evidence.learning_curve or {}).get("rows", [])
    means = {model: _means(rows, model) for model in found.performance}
    means = {model: steps for model, steps in means.items() if steps}
    most = max((size for steps in means.values() for size, _ in steps), default=1)
    for place, (model, steps) in enumerate(means.items()):
        others = [o for name, o in means.items() if name != model]
        layers: list[Layer] = [line((0, most), (0.5, 0.5), "chance")]
        layers += [line(*zip(*o, strict=True), "other") for o in others]
        layers += [
            line(*zip(*steps, strict=True), "own"),
            points([(n, auc, None, None, f"{n} infants: {fixed(auc, 3)}") for n, auc in steps]),
        ]
        told = (
            f"{fixed(steps[0][1], 3)} at {steps[0][0]}, {fixed(steps[-1][1], 3)} at {steps[-1][0]}"
        )
        x = Axis("infants", 0.0, float(most), (0.0, most / 2, float(most)), 0)
        y = Axis("AUC", 0.4, 1.0, (0.4, 0.6, 0.8, 1.0))
        yield (
            model,
            plot(f"learning-{place}", f"AUC of {model} by number of infants", told, x, y, layers),
            told,
        )


def _means(rows: Sequence[dict[str, Any]], model: str) -> list[tuple[int, float]]:
    sizes = sorted({int(r["infants"]) for r in rows if r["model"] == model})
    of: Callable[[int], list[float]] = lambda n: [  # noqa: E731
        r["auc"] for r in rows
        if r["model"] == model and int(r["infants"]) == n and r["auc"] is not None
    ]  # fmt: skip
    return [(n, float(np.mean(of(n)))) for n in sizes if of(n)]


def _interval(name: str, part: dict[str, Any], strong: bool = False) -> Row:
    value, low, high = (_number(part.get(key)) for key in ("auc", "low", "high"))
    text = f"{fixed(value, 3)} ({fixed(low, 3)}–{fixed(high, 3)})"
    return Row(name, value, low, high, (text,), strong)


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)


def _at(fractions: Sequence[float], wanted: float) -> int:
    return int(np.argmin(np.abs(np.asarray(fractions) - wanted)))


def _round_up(value: float) -> float:
    step = 10 ** np.floor(np.log10(value))
    return float(next(m * step for m in (1, 2, 4, 5, 8, 10) if m * step >= value - 1e-12))


def _ci(estimate: Any, digits: int = 3) -> str:
    if estimate.value != estimate.value:
        return "not defined"
    return (
        f"{fixed(estimate.value, digits)} ({fixed(estimate.low, digits)}–"
        f"{fixed(estimate.high, digits)})"
    )
