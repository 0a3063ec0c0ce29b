"""ROC, precision-recall and decision curves against scikit-learn and hand counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    average_precision_score,
    roc_auc_score,
)
from sklearn.metrics import (
    precision_recall_curve as sklearn_pr,
)
from sklearn.metrics import roc_curve as sklearn_roc

from fidgety.errors import ConfigError, FidgetyError, StudyError
from fidgety.statistics import (
    average_precision,
    decision_curve,
    plain,
    precision_recall_curve,
    roc_curve,
)

RELAXED = settings(max_examples=50)


@st.composite
def scored(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    n1, n0 = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    scores = draw(st.lists(st.integers(-8, 8), min_size=n1 + n0, max_size=n1 + n0))
    return np.array(scores, float), np.repeat((1, 0), (n1, n0))


def cohort_of(n: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = (np.arange(n) < n // 5).astype(int)
    return rng.normal(size=n) + 1.2 * labels, labels


@RELAXED
@given(scored())
def test_roc_points_are_scikit_learns(data):
    scores, labels = data
    found = roc_curve(scores, labels, draws=5)
    fpr, tpr, threshold = sklearn_roc(labels, scores, drop_intermediate=False)
    assert found.x == pytest.approx(fpr)
    assert found.y == pytest.approx(tpr)
    assert (found.threshold == threshold).all()
    assert np.trapezoid(found.y, found.x) == pytest.approx(roc_auc_score(labels, scores))


@RELAXED
@given(scored())
def test_precision_recall_points_are_scikit_learns(data):
    scores, labels = data
    found = precision_recall_curve(scores, labels, draws=5)
    precision, recall, threshold = sklearn_pr(labels, scores)
    assert found.x == pytest.approx(recall[-2::-1])
    assert found.y == pytest.approx(precision[-2::-1])
    assert (found.threshold == threshold[::-1]).all()
    for grid, middle in zip(found.grid, found.middle, strict=True):
        reached = found.y[found.x >= grid - 1e-12]
        assert middle == pytest.approx(reached[0])


@RELAXED
@given(scored())
def test_average_precision_is_scikit_learns(data):
    scores, labels = data
    found = average_precision(scores, labels, draws=5)
    assert found.value == pytest.approx(average_precision_score(labels, scores))
    assert found.prevalence == labels.mean()


def test_bands_hold_the_curve_and_narrow_with_more_infants():
    small, large = (roc_curve(*cohort_of(n), draws=500) for n in (60, 1000))
    inside = (small.low <= small.middle) & (small.middle <= small.high)
    assert inside.mean() > 0.95
    assert (large.high - large.low).mean() < 0.5 * (small.high - small.low).mean()
    curve = precision_recall_curve(*cohort_of(), draws=500)
    assert ((curve.low <= curve.middle) & (curve.middle <= curve.high)).mean() > 0.95
    assert curve.grid[0] > 0
    assert curve.grid[-1] == 1
    assert curve.middle[-1] >= 0.2 - 1e-9  # everyone flagged: the prevalence at least


def test_bands_resample_infants_whole():
    scores, labels = cohort_of(50)
    thrice = np.repeat(scores, 3), np.repeat(labels, 3)
    infants = np.repeat(np.arange(50), 3)
    naive = roc_curve(*thrice, draws=300)
    honest = roc_curve(*thrice, infants, draws=300)
    single = roc_curve(scores, labels, draws=300)
    assert honest.low == pytest.approx(single.low)
    assert (naive.high - naive.low).mean() < 0.8 * (honest.high - honest.low).mean()


def test_average_precision_interval_holds_the_truth():
    rng = np.random.default_rng(1)
    labels = np.repeat((1, 0), (60, 240))
    big = np.repeat((1, 0), (40_000, 160_000))
    truth = average_precision_score(big, rng.normal(size=200_000) + 1.2 * big)
    hits = 0
    for k in range(150):
        found = average_precision(rng.normal(size=300) + 1.2 * labels, labels, draws=300, seed=k)
        hits += found.low <= truth <= found.high
    assert hits / 150 > 0.88


def test_perfect_precision_gets_no_interval_of_width_zero():
    found = average_precision([1, 2, 3, 4], [0, 0, 1, 1])
    assert found.value == 1
    assert np.isnan(found.low)
    assert "none" in found.method
    assert plain(found)["low"] is None


def test_curves_are_reproducible_by_seed():
    first, again, other = (roc_curve(*cohort_of(), draws=100, seed=s).low for s in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


# --- decision curve -----------------------------------------------------------------------------


def test_net_benefit_by_hand():
    # 10 infants, 3 abnormal. At 0.25: called 4, of them 2 abnormal: 2/10 - 2/10 * 1/3.
    risks = [0.9, 0.4, 0.1, 0.3, 0.25, 0.2, 0.1, 0.1, 0.05, 0.0]
    labels = [1, 1, 1, 0, 0, 0, 0, 0, 0, 0]
    found = decision_curve(risks, labels, thresholds=[0.25, 0.5], draws=50)
    assert found.model == pytest.approx([2 / 10 - 2 / 10 / 3, 1 / 10])
    assert found.treat_all == pytest.approx([3 / 10 - 7 / 10 / 3, 3 / 10 - 7 / 10])
    assert (found.treat_none == 0).all()


def test_net_benefit_of_constant_risks_is_that_of_all_or_none():
    labels = np.arange(50) < 10
    found = decision_curve(np.full(50, 0.2), labels, draws=20)
    called = found.threshold <= 0.2
    assert found.model[called] == pytest.approx(found.treat_all[called])
    assert (found.model[~called] == 0).all()


def test_calibrated_risks_never_lose_to_all_or_none():
    rng = np.random.default_rng(0)
    risks = rng.beta(1, 4, 200_000)
    labels = rng.random(200_000) < risks
    found = decision_curve(risks, labels, draws=2)
    best = np.maximum(found.treat_all, 0)
    assert (found.model > best - 0.002).all()


def test_another_prevalence_reweights_the_classes():
    scores, labels = cohort_of(300)
    risks = 1 / (1 + np.exp(-scores))
    at = decision_curve(risks, labels, thresholds=[0.3], prevalence=0.02, draws=20)
    sens, alarm = (risks[labels == 1] >= 0.3).mean(), (risks[labels == 0] >= 0.3).mean()
    assert at.model[0] == pytest.approx(sens * 0.02 - alarm * 0.98 * 0.3 / 0.7)
    assert at.treat_all[0] == pytest.approx(0.02 - 0.98 * 0.3 / 0.7)


# --- rejections ---------------------------------------------------------------------------------

CURVES = (roc_curve, precision_recall_curve, average_precision, decision_curve)


@pytest.mark.parametrize("call", CURVES)
@pytest.mark.parametrize(
    ("scores", "labels", "code"),
    [
        ([0.1, 0.2], [0, 1, 1], "E240"),
        ([0.1, 0.2], [0, 2], "E241"),
        ([0.1, 0.2], [1, 1], "E242"),
        ([0.1, np.nan], [0, 1], "E243"),
    ],
)
def test_bad_arrays_are_refused(call, scores, labels, code):
    with pytest.raises(StudyError) as caught:
        call(scores, labels)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda s, y: roc_curve(s, y, points=1), "E247"),
        (lambda s, y: precision_recall_curve(s, y, points=2.5), "E247"),
        (lambda s, y: roc_curve(s, y, level=2), "E246"),
        (lambda s, y: average_precision(s, y, draws=0), "E247"),
        (lambda s, y: decision_curve([-0.1, 0.2], [0, 1]), "E244"),
        (lambda s, y: decision_curve([0.1, 1.2], [0, 1]), "E244"),
        (lambda s, y: decision_curve([0.1, 0.2], [0, 1], thresholds=[0, 0.5]), "E246"),
        (lambda s, y: decision_curve([0.1, 0.2], [0, 1], thresholds=[]), "E246"),
        (lambda s, y: decision_curve([0.1, 0.2], [0, 1], prevalence=1), "E246"),
    ],
)
def test_bad_settings_are_refused(call, code):
    with pytest.raises(FidgetyError) as caught:
        call(*cohort_of(20))
    assert isinstance(caught.value, (StudyError, ConfigError))
    assert caught.value.code == code
