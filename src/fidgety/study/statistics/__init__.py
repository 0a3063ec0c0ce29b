"""Numbers that hold: arrays in, numbers out, every one with its interval."""

from fidgety.study.statistics.arrays import Estimate, plain
from fidgety.study.statistics.auc import AUC, auc_interval, roc_auc
from fidgety.study.statistics.compare import (
    AUCDifference,
    PermutationTest,
    compare_all_auc,
    compare_auc,
    equal_auc_test,
    permutation_test,
)

__all__ = [
    "AUC",
    "AUCDifference",
    "Estimate",
    "PermutationTest",
    "auc_interval",
    "compare_all_auc",
    "compare_auc",
    "equal_auc_test",
    "permutation_test",
    "plain",
    "roc_auc",
]
