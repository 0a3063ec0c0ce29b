"""What a paper needs of a comparison: figures as PDF and SVG, a LaTeX table, its methods."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fidgety.errors import FileError
from fidgety.files import make_folder, whole_file, write_text
from fidgety.report.comparison_plots import perturbation_words
from fidgety.report.paper_text import latex_table, methods_paragraph
from fidgety.study.findings import Findings

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["need_matplotlib", "write_paper"]

WIDTH = 6.9  # inches: two columns of a usual page
ACCENT, INK, SOFT, RULE = "#1b56a0", "#18212f", "#7b8390", "#d5d9df"
STYLE: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8,
    "axes.edgecolor": SOFT,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "pdf.fonttype": 42,  # letters stay letters
    "svg.fonttype": "none",
    "svg.hashsalt": "fidgety",  # the same comparison gives the same file
}


def write_paper(found: Findings, folder: str | os.PathLike[str]) -> Path:
    """Write figures, ``table.tex``, ``methods.tex`` and ``methods.md`` into a folder.

    Parameters
    ----------
    found : Findings
        From `fidgety.study.findings.find`.
    folder : path-like
        Made if missing.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    FileError
        E514 if matplotlib is missing; E501 to E503 if a file cannot be written.
    """
    need_matplotlib()
    import matplotlib
    from matplotlib.figure import Figure

    home = make_folder(folder)
    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        for name, figure in _figures(found, Figure):
            _save(figure, home, name)
    write_text(home / "table.tex", latex_table(found))
    write_text(home / "methods.md", methods_paragraph(found) + "\n")
    write_text(home / "methods.tex", methods_paragraph(found, latex=True) + "\n")
    return home


def need_matplotlib() -> None:
    """Raise E514 where there is no matplotlib, before much was worked out for its figures."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise FileError(
            "E514",
            "Figures for a paper need matplotlib",
            why=str(error),
            remedy="pip install 'fidgety[plots]'",
        ) from error


def _figures(found: Findings, figure: type[Figure]) -> Iterator[tuple[str, Figure]]:
    yield "figure1_auc", _auc(found, figure)
    for name, draw, square in (
        ("figure2_roc", _roc, True),
        ("figure3_precision_recall", _recall, True),
        ("figure4_reliability", _reliability, True),
        ("figure5_decision", _decision, False),
    ):
        made, panels = _panels(found, figure, square)
        for (model, _), axes in zip(found.performance.items(), panels, strict=True):
            draw(found, model, axes)
        yield name, made
    if (robust := _robustness(found, figure)) is not None:
        yield "figure6_robustness", robust
    if (deletion := _deletion(found, figure)) is not None:
        yield "figure7_deletion", deletion


def _save(figure: Figure, home: Path, name: str) -> None:
    for kind, more in (("pdf", {"CreationDate": None}), ("svg", {"Date": None})):
        with whole_file(home / f"{name}.{kind}") as draft:
            figure.savefig(draft, format=kind, bbox_inches="tight", metadata=more)


def _panels(found: Findings, figure: type[Figure], square: bool) -> tuple[Figure, list[Axes]]:
    count = len(found.performance)
    columns = min(count, 4)
    rows = -(-count // columns)
    made = figure(figsize=(WIDTH, rows * WIDTH / 4 * 1.12), layout="constrained")
    grid = made.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for axes in grid[count:]:
        axes.set_axis_off()
    for model, axes in zip(found.performance, grid, strict=False):
        axes.set_title(model)
        if square:
            axes.set(xlim=(0, 1), ylim=(0, 1.02), aspect="equal", xticks=(0, 0.5, 1))
            axes.set_yticks((0, 0.5, 1))
    return made, list(grid[:count])


def _auc(found: Findings, figure: type[Figure]) -> Figure:
    own = list(found.performance.items())
    made = figure(figsize=(WIDTH, 0.7 + 0.27 * len(own)), layout="constrained")
    axes = made.subplots()
    for place, (model, p) in enumerate(own):
        colour = ACCENT if model == found.reference else INK
        axes.plot((p.auc.low, p.auc.high), (place, place), color=colour, lw=1.2)
        axes.plot(p.auc.value, place, "s", color=colour, ms=4.5)
        text = f"{p.auc.value:.3f} ({p.auc.low:.3f}-{p.auc.high:.3f})"
        axes.annotate(text, (1.02, place), xycoords=("axes fraction", "data"), va="center")
    axes.axvline(0.5, color=SOFT, lw=0.8, ls=(0, (3, 3)))
    axes.set_yticks(range(len(own)), [model for model, _ in own])
    axes.set(xlabel="area under the ROC curve", ylim=(len(own) - 0.4, -0.6))
    axes.set_xlim(min(0.45, *(p.auc.low for _, p in own if p.auc.low == p.auc.low)) - 0.02, 1.0)
    return made


def _roc(found: Findings, model: str, axes: Axes) -> None:
    axes.plot((0, 1), (0, 1), color=SOFT, lw=0.7, ls=(0, (3, 3)))
    for name, other in found.performance.items():
        if name != model:
            axes.plot(other.roc.x, other.roc.y, color=RULE, lw=0.6)
    own = found.performance[model]
    axes.fill_between(own.roc.grid, own.roc.low, own.roc.high, color=ACCENT, alpha=0.18, lw=0)
    axes.plot(own.roc.x, own.roc.y, color=ACCENT, lw=1.4)
    axes.text(0.97, 0.05, f"{own.auc.value:.3f}", ha="right")
    _outer(axes, "false positive rate", "sensitivity")


def _recall(found: Findings, model: str, axes: Axes) -> None:
    own = found.performance[model]
    share, curve = own.average_precision.prevalence, own.precision_recall
    axes.axhline(share, color=SOFT, lw=0.7, ls=(0, (3, 3)))
    axes.fill_between(curve.grid, curve.low, curve.high, color=ACCENT, alpha=0.18, lw=0)
    axes.plot(curve.grid, curve.middle, color=ACCENT, lw=1.4)
    axes.text(0.03, 0.05, f"{own.average_precision.value:.3f}")
    _outer(axes, "recall", "precision")


def _reliability(found: Findings, model: str, axes: Axes) -> None:
    own = found.performance[model]
    axes.plot((0, 1), (0, 1), color=SOFT, lw=0.7, ls=(0, (3, 3)))
    for b in own.reliability:
        axes.plot((b.predicted, b.predicted), (b.low, b.high), color=INK, lw=0.8)
        axes.plot(b.predicted, b.value, "o", color=ACCENT, ms=3)
    slope = own.calibration.slope.value
    axes.text(0.03, 0.93, "slope undefined" if slope != slope else f"slope {slope:.2f}")
    _outer(axes, "calibrated risk", "share abnormal")


def _decision(found: Findings, model: str, axes: Axes) -> None:
    d = found.performance[model].decision
    axes.axhline(0, color=SOFT, lw=0.7, ls=(0, (3, 3)))
    axes.plot(d.threshold, d.treat_all, color=INK, lw=0.8, ls=(0, (7, 3)))
    axes.fill_between(d.threshold, d.low, d.high, color=ACCENT, alpha=0.18, lw=0)
    axes.plot(d.threshold, d.model, color=ACCENT, lw=1.4)
    axes.set_ylim(-0.2 * found.prevalence, 1.15 * found.prevalence)
    _outer(axes, "risk threshold", "net benefit")


def _robustness(found: Findings, figure: type[Figure]) -> Figure | None:
    rows = (found.evidence.robustness or {}).get("rows", [])
    models = [m for m in found.performance if any(r["model"] == m for r in rows)]
    rows = [r for r in rows if r["perturbation"] != "none"]
    names = list(dict.fromkeys(perturbation_words(r) for r in rows))
    if not models or not names:
        return None
    made = figure(figsize=(WIDTH, 0.8 + 0.21 * len(names)), layout="constrained")
    axes = made.subplots()
    for place, model in enumerate(models[:4]):
        change = {perturbation_words(r): r["difference"] for r in rows if r["model"] == model}
        y = np.arange(len(names)) + 0.16 * (place - (min(len(models), 4) - 1) / 2)
        x = [np.nan if change.get(name) is None else change[name] for name in names]
        axes.plot(x, y, "osD^"[place], ms=3.5, color=ACCENT if place == 0 else SOFT,
                  mfc=ACCENT if place == 0 else "white", label=model)  # fmt: skip
    for at in (0.0, -0.05):
        axes.axvline(at, color=SOFT, lw=0.8, ls="-" if at == 0 else (0, (3, 3)))
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="change of the AUC", ylim=(len(names) - 0.4, -0.6))
    axes.legend(frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1.01, 0.5))
    return made


def _deletion(found: Findings, figure: type[Figure]) -> Figure | None:
    curves = (found.evidence.explanations or {}).get("curves", [])
    models = [m for m in found.performance if any(c["model"] == m for c in curves)]
    if not models:
        return None
    made = figure(figsize=(WIDTH, 2.1), layout="constrained")
    looks = {"contribution": (ACCENT, "-"), "attention": (INK, (0, (7, 3))),
             "random": (SOFT, (0, (2, 2)))}  # fmt: skip
    for model, axes in zip(models, made.subplots(1, len(models), squeeze=False)[0], strict=True):
        for c in curves:
            if c["model"] == model and c["kind"] == "deletion" and c["order"] in looks:
                colour, dash = looks[c["order"]]
                change = [np.nan if v is None else v for v in c["change"]]
                axes.plot(c["fraction"], change, color=colour, ls=dash, lw=1.3, label=c["order"])
        axes.set_title(model)
        _outer(axes, "share of clips taken out", "change of the risk")
        axes.legend(frameon=False, fontsize=7)
    return made


def _outer(axes: Axes, x: str, y: str) -> None:
    """Labels at the outer panels alone."""
    place = axes.get_subplotspec()
    if place is None or place.is_last_row():
        axes.set_xlabel(x)
    if place is None or place.is_first_col():
        axes.set_ylabel(y)
