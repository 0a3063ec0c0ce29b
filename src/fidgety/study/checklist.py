"""TRIPOD+AI, filled as far as a run can fill it.

Items after Collins et al. (2024) BMJ 385:e078378, in our own words. What a run cannot know is named
as still to be written, and nothing is called done that no number or setting backs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from fidgety.study.findings import Findings

__all__ = ["Item", "checklist"]

State = Literal["done", "not applicable", "to be written by the authors"]
AUTHORS: State = "to be written by the authors"


@dataclass(frozen=True)
class Item:
    """One item of the checklist.

    Parameters
    ----------
    number, topic, wanted : str
        Its number, where it belongs, what it asks for.
    state : {"done", "not applicable", "to be written by the authors"}
        Whether this run answers it.
    answer : str
        What answers it, why it does not apply, or what the authors have to say.
    """

    number: str
    topic: str
    wanted: str
    state: State
    answer: str


Answer = tuple[State, str]
ITEMS: tuple[tuple[str, str, str], ...] = (
    ("1", "Title", "Says that a prediction model is developed or evaluated, for whom, of what"),
    ("2", "Abstract", "Structured summary by the list for abstracts"),
    ("3a", "Background", "Clinical context, why the model, models that exist"),
    ("3b", "Background", "For which infants, at which point of care, used by whom"),
    ("3c", "Background", "Known inequalities between groups of infants"),
    ("4", "Objectives", "Development, evaluation, or both"),
    ("5a", "Data", "Sources of the data, why these, how representative"),
    ("5b", "Data", "Dates of recruitment and of follow-up"),
    ("6a", "Participants", "Setting, number and place of centres"),
    ("6b", "Participants", "Who could take part"),
    ("6c", "Participants", "Treatments, and how they were dealt with"),
    ("7", "Data preparation", "Cleaning and checks, alike in all groups"),
    ("8a", "Outcome", "What was predicted, when, how it was assessed"),
    ("8b", "Outcome", "Training and agreement of those who assessed it"),
    ("8c", "Outcome", "Whether they were blinded"),
    ("9a", "Predictors", "How predictors were chosen"),
    ("9b", "Predictors", "What each predictor is, when and how it was measured"),
    ("9c", "Predictors", "Training of those who measured them"),
    ("10", "Sample size", "How the size came about, and whether it is enough"),
    ("11", "Missing data", "How missing data were handled"),
    ("12a", "Analysis", "Which data served for training, tuning and testing"),
    ("12b", "Analysis", "How predictors entered the model"),
    ("12c", "Analysis", "Type of model, how it was built and tuned, internal validation"),
    ("12d", "Analysis", "Differences between sites or other clusters"),
    ("12e", "Analysis", "Measures of performance, and why these"),
    ("12f", "Analysis", "Updating of the model after evaluation"),
    ("12g", "Analysis", "How predictions were computed"),
    ("13", "Class imbalance", "How classes were balanced, and what that did to the risks"),
    ("14", "Fairness", "What was done about fairness, and why"),
    ("15", "Model output", "What the model gives out; thresholds and how they were chosen"),
    ("16", "Training and evaluation", "How the tested data differ from the training data"),
    ("17", "Ethics", "Approval and consent"),
    ("18a", "Open science", "Funding"),
    ("18b", "Open science", "Conflicts of interest"),
    ("18c", "Open science", "Protocol"),
    ("18d", "Open science", "Registration"),
    ("18e", "Open science", "Availability of the data"),
    ("18f", "Open science", "Availability of the code"),
    ("19", "Involvement", "Patients and public"),
    ("20a", "Participants", "Flow, with and without the outcome"),
    ("20b", "Participants", "Characteristics of the infants"),
    ("20c", "Participants", "Beside those the model was developed with"),
    ("21", "Development", "Infants and events in each analysis"),
    ("22", "Specification", "The whole model, so that others can use it"),
    ("23a", "Performance", "Estimates with intervals, in subgroups too"),
    ("23b", "Performance", "Differences between clusters"),
    ("24", "Updating", "Results of updating"),
    ("25", "Interpretation", "Overall, with fairness in view"),
    ("26", "Limitations", "Of this study"),
    ("27a", "Usability", "Poor or missing input, when the model is used"),
    ("27b", "Usability", "What users must do and know"),
    ("27c", "Usability", "Next steps"),
)  # fmt: skip


def checklist(found: Findings) -> list[Item]:
    """The items in their order, each with what this run says of it."""
    return [
        Item(number, topic, wanted, *ANSWERS.get(number, _by_authors)(found))
        for number, topic, wanted in ITEMS
    ]


def _by_authors(found: Findings) -> Answer:
    return AUTHORS, "Not known to a run"


def _nobody(found: Findings, what: str) -> Answer:
    """Answer of an item that asks about people, where there were none."""
    if found.tested.simulated:
        return "not applicable", f"All infants are simulated: {what}"
    return AUTHORS, "Not known to a run"


def _size(found: Findings) -> str:
    tested = found.tested
    return f"{tested.n_infants} {tested.kind}, {tested.n_abnormal} abnormal"


def _data(found: Findings) -> Answer:
    if found.tested.simulated:
        return "done", f"{_size(found)}, made by fidgety simulate; they represent nobody"
    return AUTHORS, f"{_size(found)}; their source and choice are not known to a run"


def _objectives(found: Findings) -> Answer:
    return "done", "Development with internal validation; no external evaluation"


def _sample(found: Findings) -> Answer:
    auc = found.performance[found.best].auc
    half = (auc.high - auc.low) / 2
    text = f"{_size(found)}; the AUC of {found.best} is known to ±{half:.3f}"
    return AUTHORS, f"{text}. Why this size: fidgety.statistics.infants_for_auc helps"


def _missing(found: Findings) -> Answer:
    text = (
        "Short gaps of a joint interpolated, longer ones masked; recordings that fail are refused"
    )
    return "done", f"{text} ({len(found.tested.recordings)} were tested)"


def _analysis(found: Findings) -> Answer:
    tested = found.tested
    seed = tested.about.get("seed")
    divisions = "one division" if tested.repeats == 1 else f"{tested.repeats} divisions"
    text = f"{tested.folds} folds, {divisions} of the infants"
    text += "" if seed is None else f", seed {seed}"
    return "done", f"{text}; every prediction is for an infant not trained on"


def _models(found: Findings) -> Answer:
    return "done", f"{', '.join(found.performance)}: settings in experiment.json and on the page"


def _clusters(found: Findings) -> Answer:
    groups = found.performance[found.best].subgroups
    if not groups:
        return AUTHORS, "Nothing is known of sites or ages: give the study with --study"
    told = [f"{name}: {len(table.groups)} groups, p = {table.p:.2g}" if table.p == table.p else
            f"{name}: no test possible" for name, table in groups.items()]  # fmt: skip
    return "done", f"AUC by group, Cochran's test of {found.best}; {'; '.join(told)}"


def _measures(found: Findings) -> Answer:
    level = f"{100 * found.settings.level:g} %"
    return "done", (
        f"AUC (DeLong, {level} interval), average precision, calibration slope, intercept, Brier, "
        "ECE, net benefit, sensitivity and specificity (Wilson), PPV and NPV"
    )


def _balance(found: Findings) -> Answer:
    best = found.performance[found.best].calibration
    text = f"{_size(found)}; risks recalibrated within the training part"
    return "done", f"{text}: mean risk {best.expected:.3f}, share abnormal {best.observed:.3f}"


def _output(found: Findings) -> Answer:
    best = found.performance[found.best]
    return "done", f"Calibrated risk from 0 to 1; threshold {best.threshold}, {best.rule}"


def _characteristics(found: Findings) -> Answer:
    if not found.traits:
        return AUTHORS, "Nothing is known of sites or ages: give the study with --study"
    return "done", f"Cohort table: {', '.join(trait.name for trait in found.traits)}"


def _flow(found: Findings) -> Answer:
    return "done", f"{len(found.tested.recordings)} recordings of {_size(found)} were tested"


def _performance(found: Findings) -> Answer:
    auc = found.performance[found.best].auc
    return (
        "done",
        f"{found.best}: AUC {auc.value:.3f} ({auc.low:.3f} to {auc.high:.3f}); all tables",
    )


def _limits(found: Findings) -> Answer:
    known = []
    test = found.evidence.self_test
    if test:
        gap = test["gap"]["value"]
        known.append(f"a record-wise split would have shown {gap:+.3f} AUC")
    if found.evidence.robustness:
        rows = [r for r in found.evidence.robustness["rows"] if r.get("holds") is False]
        known.append(f"{len(rows)} line(s) of the robustness bench cost more than 0.05 AUC")
    said = f". Known from the run: {'; '.join(known)}" if known else ""
    return AUTHORS, f"Internal validation only{said}"


ANSWERS: dict[str, Callable[[Findings], Any]] = {
    "4": _objectives,
    "5a": _data,
    "5b": lambda f: _nobody(f, "no dates"),
    "6a": lambda f: _nobody(f, "no centre"),
    "6b": lambda f: _nobody(f, "nobody was recruited"),
    "6c": lambda f: _nobody(f, "no treatment"),
    "7": lambda f: ("done", "Quality gate and preprocessing profile, one for all recordings"),
    "8a": lambda f: ("done", "Fidgety movements absent or abnormal (1) against present (0), "
                     + ("known from the simulator" if f.tested.simulated else "from the labels")),
    "8b": lambda f: _nobody(f, "the simulator knows the label"),
    "8c": lambda f: _nobody(f, "the simulator knows the label"),
    "9a": lambda f: ("done", "All joints of the skeleton; nothing was selected on the outcome"),
    "9b": lambda f: ("done", "Place, velocity, acceleration and displacement of each joint, or "
                     "features computed from them, as the methods say"),
    "9c": lambda f: ("not applicable", "Predictors are computed, nobody assessed them"),
    "10": _sample,
    "11": _missing,
    "12a": _analysis,
    "12b": lambda f: ("done", "By the profile and method of each model, listed on the page"),
    "12c": _models,
    "12d": _clusters,
    "12e": _measures,
    "12f": lambda f: ("not applicable", "No model was updated after testing"),
    "12g": lambda f: ("done", "By the model trained without the infant; predictions.csv has each"),
    "13": _balance,
    "15": _output,
    "16": lambda f: ("done", "One study, divided by infant: same sites, cameras and labels"),
    "17": lambda f: _nobody(f, "no approval is needed"),
    "18f": lambda f: ("done", "This software, BSD-3-Clause; command and versions on the page"),
    "19": lambda f: _nobody(f, "no patients"),
    "20a": _flow,
    "20b": _characteristics,
    "20c": lambda f: ("not applicable", "No external evaluation"),
    "21": lambda f: ("done", f"{_size(f)}, in each analysis"),
    "22": lambda f: ("done", "Each fold's model file holds weights, preprocessing and calibration"),
    "23a": _performance,
    "23b": _clusters,
    "24": lambda f: ("not applicable", "No model was updated after testing"),
    "26": _limits,
    "27a": lambda f: ("done", "The quality gate refuses poor recordings, with its reasons"),
}  # fmt: skip
