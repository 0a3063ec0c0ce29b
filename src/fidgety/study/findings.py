"""Everything a comparison says of models tested on the same infants, as numbers with intervals."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fidgety.statistics import (
    AUC,
    AUCDifference,
    AveragePrecision,
    Calibration,
    Curve,
    DecisionCurve,
    PredictiveValues,
    Proportion,
    Rates,
    ReliabilityBin,
    SubgroupTable,
    auc_interval,
    average_precision,
    calibration,
    compare_all_auc,
    decision_curve,
    equal_auc_test,
    precision_recall_curve,
    predictive_values,
    rates,
    reliability_curve,
    roc_curve,
    subgroups,
    wilson,
)
from fidgety.statistics.arrays import choice, fraction
from fidgety.study.cohort_table import Trait, ordered, read_cohort, traits
from fidgety.study.evidence import Evidence, read_evidence
from fidgety.study.tested import Decisions, Tested, read_decided, read_tested

__all__ = ["Abstention", "Findings", "Performance", "Settings", "find"]

FIXED_THRESHOLD = 0.5  # of the calibrated risk, where no threshold was chosen in training


@dataclass(frozen=True)
class Settings:
    """How the numbers were made.

    Parameters
    ----------
    level : float
        Confidence level of every interval.
    draws : int
        Bootstrap draws of the curves' bands; twice as many for Brier scores, five times for average
        precision.
    seed : int
        Of every bootstrap.
    bins : int
        Bins of the reliability curve and of the expected calibration error.
    prevalence : float or None
        At which PPV, NPV and net benefit are given; None = that of the data.
    threshold : float or None
        On the calibrated risk; None = that chosen within the training part, else 0.5.
    """

    level: float = 0.95
    draws: int = 1000
    seed: int = 0
    bins: int = 10
    prevalence: float | None = None
    threshold: float | None = None


@dataclass(frozen=True)
class Abstention:
    """How often a model answered by its own rule, and how often such an answer was right.

    Parameters
    ----------
    answered : Proportion
        Share of recordings with an answer.
    right : Proportion
        Share of the answers that were right.
    stated : float or None
        Error rate that the rule was to keep.
    """

    answered: Proportion
    right: Proportion
    stated: float | None


@dataclass(frozen=True, eq=False)
class Performance:
    """One model on the tested recordings; each part is documented in `fidgety.statistics`.

    Parameters
    ----------
    auc : AUC
    average_precision : AveragePrecision
    roc, precision_recall : Curve
    calibration : Calibration
    reliability : tuple of ReliabilityBin
    decision : DecisionCurve
    rates : Rates
        At the operating point.
    predictive : PredictiveValues
        PPV and NPV at the chosen prevalence.
    threshold, rule : str
        The operating point, and how it was chosen, in words.
    abstention : Abstention or None
    subgroups : dict of str to SubgroupTable
        Trait to the figures of its groups.
    """

    auc: AUC
    average_precision: AveragePrecision
    roc: Curve
    precision_recall: Curve
    calibration: Calibration
    reliability: tuple[ReliabilityBin, ...]
    decision: DecisionCurve
    rates: Rates
    predictive: PredictiveValues
    threshold: str
    rule: str
    abstention: Abstention | None
    subgroups: dict[str, SubgroupTable]


@dataclass(frozen=True, eq=False)
class Findings:
    """A comparison of models.

    Parameters
    ----------
    tested : Tested
        What was predicted.
    settings : Settings
        How the numbers were made.
    prevalence : float
        At which PPV, NPV and net benefit are given.
    performance : dict of str to Performance
        Best AUC first.
    reference : str
        Model that all others are compared with.
    differences : dict of str to AUCDifference
        Model's AUC less the reference's; Holm's correction over these.
    pairs : tuple of AUCDifference
        Every pair; Holm's correction over all of them.
    equal : (float, int, float)
        Chi-square, degrees of freedom and p of all areas being equal; NaN for one model.
    traits : tuple of Trait
        Cohort table; empty if nothing is known of the infants.
    evidence : Evidence
        Further files of the folder.
    """

    tested: Tested
    settings: Settings
    prevalence: float
    performance: dict[str, Performance]
    reference: str
    differences: dict[str, AUCDifference]
    pairs: tuple[AUCDifference, ...]
    equal: tuple[float, int, float]
    traits: tuple[Trait, ...]
    evidence: Evidence

    @property
    def best(self) -> str:
        """The model with the highest AUC."""
        return next(iter(self.performance))


def find(
    folder: str | os.PathLike[str],
    settings: Settings | None = None,
    *,
    models: Sequence[str] | None = None,
    reference: str | None = None,
) -> Findings:
    """Measure and compare the models of a cross-validation.

    Parameters
    ----------
    folder : path-like
        Output of `fidgety.study.experiment.cross_validate`.
    settings : Settings, optional
        Level, bootstrap, prevalence, threshold.
    models : sequence of str, optional
        These alone.
    reference : str, optional
        Compare all others with this one; the best if left out, which flatters it a little.

    Raises
    ------
    StudyError
        E274, E279, E298 as `read_tested` and `read_evidence`.
    ConfigError
        E246 a setting that cannot be, E248 or E705 an unknown model.
    """
    settings = settings or Settings()
    tested = read_tested(folder, models)
    for name in ("prevalence", "threshold"):
        if getattr(settings, name) is not None:
            fraction(getattr(settings, name), name)
    prevalence = settings.prevalence or float(tested.labels.mean())
    decided, cohort = read_decided(tested), read_cohort(tested)
    found = {
        model: _performance(tested, model, settings, prevalence, decided.get(model), cohort)
        for model in tested.models
    }
    order = sorted(found, key=lambda model: (-found[model].auc.value, model))
    base = order[0] if reference is None else choice(reference, order, "model")
    scores = {model: tested.scores[model] for model in order}
    several = len(order) > 1
    arguments = {"labels": tested.labels, "infants": tested.infants}
    against = (
        compare_all_auc(scores, **arguments, level=settings.level, reference=base)
        if several
        else []
    )
    return Findings(
        tested=tested,
        settings=settings,
        prevalence=prevalence,
        performance={model: found[model] for model in order},
        reference=base,
        differences={difference.names[0]: difference for difference in against},
        pairs=tuple(compare_all_auc(scores, **arguments, level=settings.level)) if several else (),
        equal=equal_auc_test(scores, **arguments) if several else (np.nan, 0, np.nan),
        traits=tuple(traits(tested, cohort)),
        evidence=read_evidence(tested.root, tested.models),
    )


def _performance(
    tested: Tested,
    model: str,
    settings: Settings,
    prevalence: float,
    decided: Decisions | None,
    cohort: dict[str, tuple[str, ...]],
) -> Performance:
    score, risk, labels = tested.scores[model], tested.risks[model], tested.labels
    infants, level = tested.infants, settings.level
    drawn = {"level": level, "draws": settings.draws, "seed": settings.seed}
    called, threshold, rule = _operating_point(risk, settings, decided)
    at = rates(called.astype(float), labels, 0.5, infants, level=level)
    return Performance(
        auc=auc_interval(score, labels, infants, level=level),
        average_precision=average_precision(
            score, labels, infants, level=level, draws=5 * settings.draws, seed=settings.seed
        ),
        roc=roc_curve(score, labels, infants, **drawn),
        precision_recall=precision_recall_curve(score, labels, infants, **drawn),
        calibration=calibration(
            risk,
            labels,
            infants,
            bins=settings.bins,
            level=level,
            draws=2 * settings.draws,
            seed=settings.seed,
        ),
        reliability=tuple(reliability_curve(risk, labels, bins=settings.bins, level=level)),
        decision=decision_curve(risk, labels, infants, prevalence=prevalence, **drawn),
        rates=at,
        predictive=predictive_values(at, prevalence),
        threshold=threshold,
        rule=rule,
        abstention=_abstention(tested, decided, level),
        subgroups={
            name: _in_order(name, subgroups(score, labels, values, infants, level=level))
            for name, values in cohort.items()
            if name != "age_weeks" and len(set(values)) > 1
        },
    )


def _in_order(name: str, table: SubgroupTable) -> SubgroupTable:
    """Groups in the order of the cohort's table: bands of age by age, all else by name."""
    names = [group.name for group in table.groups]
    place = {value or "not recorded": at for at, value in enumerate(ordered(name, names))}
    return replace(table, groups=tuple(sorted(table.groups, key=lambda g: place[g.name])))


def _operating_point(
    risk: np.ndarray, settings: Settings, decided: Decisions | None
) -> tuple[np.ndarray, str, str]:
    """Which recordings are called abnormal, by which threshold, and how that was chosen."""
    if settings.threshold is None and decided is not None:
        low, high = decided.thresholds
        said = f"{low:.2f}" if high - low < 0.005 else f"{low:.2f} to {high:.2f}"
        return decided.called, said, "chosen in each training part"
    threshold = settings.threshold or FIXED_THRESHOLD
    return risk >= threshold, f"{threshold:g}", "fixed beforehand"


def _abstention(tested: Tested, decided: Decisions | None, level: float) -> Abstention | None:
    if decided is None or decided.answered is None:
        return None
    right = decided.said == (tested.labels == 1)
    given, n = decided.answered, len(tested.labels)
    return Abstention(
        answered=wilson(int(given.sum()), n, level=level),
        right=wilson(int((right & given).sum()), int(given.sum()), level=level),
        stated=tested.about.get("error"),
    )
