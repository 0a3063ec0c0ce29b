"""Numbers that hold: arrays in, numbers out, every one with its interval.

Arguments come in one order: scores (or risks), labels (1 = abnormal), infants. Give the infants
wherever an infant may have several recordings: intervals and tests then count infants,
not recordings.
"""

from fidgety.statistics.abstention import (
    AbstentionRates,
    AbstentionRule,
    abstention_from_dict,
    abstention_rates,
    fit_abstention,
)
from fidgety.statistics.arrays import (
    Estimate,
    plain,
)
from fidgety.statistics.auc import (
    AUC,
    CHANCE,
    auc_interval,
    roc_auc,
)
from fidgety.statistics.averaging import (
    Averaged,
    as_of_mean,
)
from fidgety.statistics.calibration import (
    Calibration,
    ReliabilityBin,
    calibration,
    reliability_curve,
)
from fidgety.statistics.calibrators import (
    BetaCalibrator,
    Calibrator,
    IsotonicCalibrator,
    LogisticCalibrator,
    calibrator_from_dict,
    fit_calibrator,
)
from fidgety.statistics.compare import (
    AUCDifference,
    PermutationTest,
    compare_all_auc,
    compare_auc,
    equal_auc_test,
    permutation_test,
)
from fidgety.statistics.curves import (
    AveragePrecision,
    Curve,
    average_precision,
    precision_recall_curve,
    roc_curve,
)
from fidgety.statistics.decision import (
    DecisionCurve,
    decision_curve,
)
from fidgety.statistics.planning import (
    SampleSize,
    auc_half_width,
    auc_standard_error,
    infants_for_auc,
    infants_for_difference,
    infants_for_sensitivity,
    infants_for_specificity,
)
from fidgety.statistics.rates import (
    OperatingPoint,
    PredictiveValues,
    Proportion,
    Rates,
    choose_threshold,
    predictive_values,
    rates,
    wilson,
)
from fidgety.statistics.scope import (
    ScopeCheck,
    ScopeRule,
    fit_scope,
    scope_from_dict,
)
from fidgety.statistics.subgroups import (
    Subgroup,
    SubgroupTable,
    subgroups,
)

__all__ = [
    "AUC",
    "CHANCE",
    "AUCDifference",
    "AbstentionRates",
    "AbstentionRule",
    "AveragePrecision",
    "Averaged",
    "BetaCalibrator",
    "Calibration",
    "Calibrator",
    "Curve",
    "DecisionCurve",
    "Estimate",
    "IsotonicCalibrator",
    "LogisticCalibrator",
    "OperatingPoint",
    "PermutationTest",
    "PredictiveValues",
    "Proportion",
    "Rates",
    "ReliabilityBin",
    "SampleSize",
    "ScopeCheck",
    "ScopeRule",
    "Subgroup",
    "SubgroupTable",
    "abstention_from_dict",
    "abstention_rates",
    "as_of_mean",
    "auc_half_width",
    "auc_interval",
    "auc_standard_error",
    "average_precision",
    "calibration",
    "calibrator_from_dict",
    "choose_threshold",
    "compare_all_auc",
    "compare_auc",
    "decision_curve",
    "equal_auc_test",
    "fit_abstention",
    "fit_calibrator",
    "fit_scope",
    "infants_for_auc",
    "infants_for_difference",
    "infants_for_sensitivity",
    "infants_for_specificity",
    "permutation_test",
    "plain",
    "precision_recall_curve",
    "predictive_values",
    "rates",
    "reliability_curve",
    "roc_auc",
    "roc_curve",
    "scope_from_dict",
    "subgroups",
    "wilson",
]
