"""The words and the table of a paper, made from a comparison's own settings and numbers."""

from __future__ import annotations

from importlib.metadata import version

from fidgety.statistics import Estimate
from fidgety.study.findings import Findings
from fidgety.study.methods import METHODS

__all__ = ["latex_table", "methods_paragraph"]

SPECIAL = {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
           "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
           "\\": r"\textbackslash{}"}  # fmt: skip


def latex_table(found: Findings) -> str:
    """All models in one table for the package booktabs."""
    level = f"{100 * found.settings.level:g}"
    head = "Model & AUC & AP & Slope & Brier & Sensitivity & Specificity & Difference & $p$"
    lines = [
        f"% Made by fidgety {version('fidgety')}; needs \\usepackage{{booktabs}}",
        r"\begin{table}", r"\centering\small",
        rf"\caption{{{_tex(_caption(found, level))}}}", r"\label{tab:fidgety-comparison}",
        r"\begin{tabular}{lcccccccc}", r"\toprule", rf"{head} \\", r"\midrule",
    ]  # fmt: skip
    for model, own in found.performance.items():
        apart = found.differences.get(model)
        cells = [
            _tex(model), _cell(own.auc), _cell(own.average_precision),
            _cell(own.calibration.slope, 2), _cell(own.calibration.brier),
            _cell(own.rates.sensitivity, 2), _cell(own.rates.specificity, 2),
            "reference" if apart is None else _cell(apart),
            "" if apart is None else _p(apart.p_adjusted),
        ]  # fmt: skip
        lines.append(" & ".join(cells) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def methods_paragraph(found: Findings, *, latex: bool = False) -> str:
    """How the comparison was made, in sentences that each rest on a setting or a number.

    Parameters
    ----------
    found : Findings
    latex : bool
        Escape what LaTeX reads as its own.
    """
    sentences = [*_of_the_data(found), *_of_the_models(found), *_of_the_statistics(found)]
    sentences += _of_the_results(found)
    text = " ".join(sentences)
    return _tex(text) if latex else text


def _of_the_data(found: Findings) -> list[str]:
    tested = found.tested
    text = (
        f"We compared {len(found.performance)} model{'s' if len(found.performance) > 1 else ''} on "
        f"{len(tested.recordings)} recordings of {tested.n_infants} {tested.kind}, "
        f"{tested.n_abnormal} of them with absent or abnormal fidgety movements."
    )
    seed = tested.about.get("seed")
    split = (
        f"Infants were divided into {tested.folds} folds, stratified by class, so that no infant "
        "stood on both sides of a split"
    )
    split += f", and the division was repeated {tested.repeats} times" if tested.repeats > 1 else ""
    split += f" (seed {seed})." if seed is not None else "."
    rest = "Every prediction is for an infant on which neither the model nor its calibration was "
    rest += "fitted."
    if tested.repeats > 1:
        rest += " Predictions of a recording were averaged over the divisions."
    unreal = ["The infants were simulated; the results say nothing about clinical accuracy."]
    return [text, *(unreal if tested.simulated else []), split, rest]


def _of_the_models(found: Findings) -> list[str]:
    told = [
        f"{model} ({METHODS[model].about[0].lower() + METHODS[model].about[1:]})"
        if model in METHODS and METHODS[model].about[1:2].islower()
        else f"{model} ({METHODS[model].about})" if model in METHODS else model
        for model in found.performance
    ]  # fmt: skip
    return [f"The models were {'; '.join(told)}."]


def _of_the_statistics(found: Findings) -> list[str]:
    s, best = found.settings, found.performance[found.best]
    level = f"{100 * s.level:g} %"
    return [
        f"Areas under the ROC curve (AUC) have {level} intervals by {best.auc.method}; paired "
        "differences were tested by DeLong's method (Obuchowski's where infants had several "
        f"recordings) against {found.reference}, with Holm's correction.",
        f"Bands of curves are pointwise, from {s.draws} bootstrap draws over infants (seed "
        f"{s.seed}).",
        f"Sensitivity and specificity have Wilson intervals at a threshold {best.rule}; "
        f"predictive values and net benefit refer to a prevalence of {100 * found.prevalence:.1f} "
        "%.",
        f"Analyses were made with fidgety {version('fidgety')}.",
    ]


def _of_the_results(found: Findings) -> list[str]:
    best = found.performance[found.best]
    c = best.calibration
    said = [
        f"{found.best} reached the highest AUC, {_words(best.auc)}, average precision "
        f"{_words(best.average_precision)}, a calibration slope of {_words(c.slope, 2)} and a "
        f"Brier score of {_words(c.brier)} (always the prevalence: {c.brier_prevalence:.3f})."
    ]
    test = found.evidence.self_test
    if test and test["record_wise"].get("auc") is not None:
        said.append(
            f"Dealing recordings instead of infants would have shown an AUC of "
            f"{test['record_wise']['auc']:.3f} where infants kept apart gave "
            f"{test['infant_wise']['auc']:.3f}."
        )
        mean = (test.get("permuted") or {}).get("mean")
        said += [] if mean is None else [f"With shuffled labels the AUC was {mean:.3f}."]
    return said


def _caption(found: Findings, level: str) -> str:
    tested = found.tested
    return (
        f"{tested.n_infants} {tested.kind}, {tested.n_abnormal} abnormal, {tested.folds}-fold "
        f"cross-validation by infant; {level} % intervals in brackets. AP: average precision. "
        f"Difference of the AUC from {found.reference}, p by DeLong's paired test with Holm's "
        "correction."
    )


def _cell(estimate: Estimate, digits: int = 3) -> str:
    if estimate.value != estimate.value:
        return "--"
    value = f"{estimate.value:.{digits}f}".replace("-", "$-$")
    if estimate.low != estimate.low:
        return value
    ends = (f"{end:.{digits}f}".replace("-", "$-$") for end in (estimate.low, estimate.high))
    return f"{value} [{', '.join(ends)}]"


def _words(estimate: Estimate, digits: int = 3) -> str:
    if estimate.value != estimate.value:
        return "that is not defined here"
    if estimate.low != estimate.low:
        return f"{estimate.value:.{digits}f}"
    low, high = estimate.low, estimate.high
    return f"{estimate.value:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def _p(p: float) -> str:
    return "--" if p != p else "$<$0.001" if p < 0.001 else f"{p:.3f}"


def _tex(text: str) -> str:
    return "".join(SPECIAL.get(letter, letter) for letter in text)
