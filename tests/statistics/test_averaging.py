"""Scores of single members brought to those of their mean: planted scatter comes back."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from fidgety.errors import ConfigError, StudyError
from fidgety.statistics import (
    as_of_mean,
    calibration,
    fit_abstention,
    fit_calibrator,
)

SHARED, SCATTER, APART = 1.0, 0.8, 3.0  # variances within a class; distance of the classes


def members_of(infants: int, members: int, seed: int):
    """Logits (members, infants) of which each infant has a shared part and each member its own."""
    rng = np.random.default_rng(seed)
    labels = np.arange(infants) % 2
    shared = APART * (labels - 0.5) + rng.normal(0, SHARED**0.5, infants)
    return shared + rng.normal(0, SCATTER**0.5, (members, infants)), labels


def left_out(table: np.ndarray, twice: float, seed: int = 0) -> np.ndarray:
    """One member's logit of each infant, and a second one's of a share of them."""
    rng = np.random.default_rng([seed, 7])
    held = np.full((3, table.shape[1]), np.nan)
    columns = np.arange(table.shape[1])
    held[columns % 2, columns] = table[columns % 2, columns]
    again = columns[rng.random(table.shape[1]) < twice]
    held[2, again] = table[2, again]
    return held


def test_planted_variances_come_back_and_class_means_stay():
    table, labels = members_of(40_000, 4, 1)
    held = left_out(table, 0.3)
    found = as_of_mean(held, labels, members=4)
    assert found.scatter == pytest.approx(SCATTER, rel=0.05)
    assert found.shared == pytest.approx(SHARED, rel=0.05)
    assert found.gain == pytest.approx((SHARED + SCATTER) / (SHARED + SCATTER / 4), rel=0.05)
    plain = np.nanmean(held, axis=0)
    for label in (0, 1):
        own = labels == label
        assert found.scores[own].mean() == pytest.approx(plain[own].mean(), abs=0.02)
        wanted = table.mean(axis=0)[own].var()
        assert found.scores[own].var() == pytest.approx(wanted, rel=0.05)
        assert plain[own].var() > 1.3 * wanted


def test_rules_fitted_to_them_hold_for_the_mean_and_others_do_not():
    slopes, errors = [], []
    for seed in range(40):
        table, labels = members_of(160, 4, seed)
        fresh, truth = members_of(4000, 4, 1000 + seed)
        held = left_out(table, 1 / 3, seed)
        pair = []
        for scores in (as_of_mean(held, labels, members=4).scores, np.nanmean(held, axis=0)):
            risk = fit_calibrator(scores, labels).probability(fresh.mean(axis=0))
            pair.append(calibration(risk, truth, draws=2).slope.value)
            rule = fit_abstention(scores, labels, error=0.1)
            assert rule.abnormal_from is not None
            pair.append(float((fresh.mean(axis=0)[truth == 1] < rule.abnormal_from).mean()))
        slopes.append((pair[0], pair[2]))
        errors.append((pair[1], pair[3]))
    corrected, plain = np.median(slopes, axis=0)
    assert 0.9 < corrected < 1.15
    assert plain > 1.35
    right, timid = np.mean(errors, axis=0)
    assert 0.08 < right < 0.12
    assert timid < 0.08


def test_nothing_changes_where_nothing_is_averaged_or_known():
    table, labels = members_of(40, 3, 2)
    held = left_out(table, 0.0)
    np.testing.assert_allclose(as_of_mean(held, labels, members=4).scores, np.nanmean(held, axis=0))
    held = left_out(table, 0.5)
    alone = as_of_mean(held, labels, members=1)
    np.testing.assert_allclose(alone.scores, np.nanmean(held, axis=0))
    assert np.isnan(alone.scatter)
    assert alone.gain == 1.0
    one = as_of_mean(table[0], labels, members=3)
    np.testing.assert_allclose(one.scores, table[0])


def test_scores_that_are_all_scatter_shrink_like_a_mean():
    rng = np.random.default_rng(3)
    labels = np.arange(4000) % 2
    found = as_of_mean(rng.normal(size=(2, 4000)), labels, members=8)
    assert found.shared == pytest.approx(0.0, abs=0.05)
    assert found.scores.var() == pytest.approx(1 / 8, abs=0.06)


def test_each_infant_counts_once():
    table, labels = members_of(60, 2, 4)
    infants = np.arange(60)
    once = as_of_mean(table, labels, infants, members=3)
    doubled = as_of_mean(np.tile(table, 2), np.tile(labels, 2), np.tile(infants, 2), members=3)
    np.testing.assert_allclose(doubled.scores[:60], once.scores)
    assert doubled.scatter == pytest.approx(once.scatter)


def test_what_cannot_be_brought_to_a_mean_is_refused():
    table, labels = members_of(10, 2, 5)
    with pytest.raises(ConfigError, match="E247"):
        as_of_mean(table, labels, members=0)
    with pytest.raises(StudyError, match="E240"):
        as_of_mean(table[:, :5], labels, members=2)
    table[:, 3] = np.nan
    with pytest.raises(StudyError, match=r"E243 1 recordings have no score"):
        as_of_mean(table, labels, members=2)
    assert np.isfinite(expit(as_of_mean(table[:, :3], labels[:3], members=2).scores)).all()
