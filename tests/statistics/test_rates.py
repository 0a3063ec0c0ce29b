"""Operating points and rates against published intervals, scipy and hand counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import roc_curve as sklearn_roc_curve

from fidgety.errors import ConfigError, FidgetyError, StudyError
from fidgety.statistics import choose_threshold, predictive_values, rates, wilson

RELAXED = settings(max_examples=50)

SCORES = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
LABELS = np.array([0, 0, 0, 1, 0, 0, 1, 1, 1])

score_lists = st.lists(st.integers(-6, 6).map(float), min_size=2, max_size=30)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        # Newcombe 1998, Stat Med 17:857, Table I, method 3 (Wilson without continuity correction).
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_published(successes, trials, low, high):
    found = wilson(successes, trials)
    assert (found.low, found.high) == pytest.approx((low, high), abs=6e-5)


@RELAXED
@given(st.integers(1, 60), st.data(), st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_is_scipys(trials, data, level):
    successes = data.draw(st.integers(0, trials))
    found = wilson(successes, trials, level=level)
    wanted = binomtest(successes, trials).proportion_ci(level, method="wilson")
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=1e-9)
    mirrored = wilson(trials - successes, trials, level=level)
    assert (mirrored.low, mirrored.high) == pytest.approx((1 - found.high, 1 - found.low))


def test_nothing_of_nothing_may_be_anything():
    found = wilson(0, 0)
    assert np.isnan(found.value)
    assert (found.low, found.high) == (0, 1)


# --- choosing a threshold -----------------------------------------------------------------------


def test_threshold_by_hand():
    at = choose_threshold(SCORES, LABELS, "sensitivity", at=0.9)
    assert at.threshold == pytest.approx(0.35)
    assert (at.sensitivity, at.specificity) == (1, 0.6)
    at = choose_threshold(SCORES, LABELS, "specificity", at=0.8)
    assert at.threshold == pytest.approx(0.55)
    assert (at.sensitivity, at.specificity) == (0.75, 0.8)
    at = choose_threshold(SCORES, LABELS)
    assert at.threshold == pytest.approx(0.65)
    assert (at.sensitivity, at.specificity) == (0.75, 1)
    assert choose_threshold(SCORES, LABELS, "sensitivity", at=0.75).rule == (
        "sensitivity of at least 0.75"
    )


def test_a_specificity_out_of_reach_flags_nobody():
    at = choose_threshold([1, 2, 3], [1, 1, 0], "specificity", at=0.9)
    assert (at.sensitivity, at.specificity) == (0, 1)
    assert np.isfinite(at.threshold)
    assert at.threshold > 3


@RELAXED
@given(score_lists, st.data(), st.floats(0.01, 0.99))
def test_thresholds_keep_their_promise_and_are_the_best_that_do(values, data, goal):
    scores = np.array(values)
    labels = np.array(
        data.draw(st.lists(st.integers(0, 1), min_size=len(scores), max_size=len(scores)))
    )
    labels[:2] = 0, 1
    fpr, tpr, _ = sklearn_roc_curve(labels, scores, drop_intermediate=False)
    for rule in ("sensitivity", "specificity"):
        at = choose_threshold(scores, labels, rule, at=goal)
        found = rates(scores, labels, at.threshold)
        assert found.sensitivity.value == pytest.approx(at.sensitivity)
        assert found.specificity.value == pytest.approx(at.specificity)
        if rule == "sensitivity":
            assert at.sensitivity >= goal - 1e-9
            assert at.specificity == pytest.approx((1 - fpr[tpr >= goal]).max())
        else:
            assert at.specificity >= goal - 1e-9
            assert at.sensitivity == pytest.approx(tpr[1 - fpr >= goal].max())
    best = choose_threshold(scores, labels)
    assert best.sensitivity + best.specificity - 1 == pytest.approx((tpr - fpr).max())


# --- rates --------------------------------------------------------------------------------------


def test_rates_by_hand():
    found = rates(SCORES, LABELS, 0.45)
    counts = (
        found.true_positives,
        found.false_negatives,
        found.true_negatives,
        found.false_positives,
    )
    assert counts == (3, 1, 3, 2)
    assert found.sensitivity.value == 0.75
    assert found.specificity.value == 0.6
    assert found.ppv.value == 0.6
    assert found.npv.value == 0.75
    assert found.prevalence.value == pytest.approx(4 / 9)
    wanted = wilson(3, 4)
    assert (found.sensitivity.low, found.sensitivity.high) == (wanted.low, wanted.high)


def test_a_score_at_the_threshold_counts_as_abnormal():
    assert rates(SCORES, LABELS, 0.4).sensitivity.value == 1


def test_one_class_gives_its_rate_alone():
    found = rates([0.1, 0.9], [1, 1], 0.5)
    assert found.sensitivity.value == 0.5
    assert np.isnan(found.specificity.value)
    with pytest.raises(ConfigError, match="E242"):
        predictive_values(found, 0.1)


def test_recordings_of_one_infant_count_for_less():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(40) % 4 == 0, 5).astype(int)
    level = np.repeat(rng.normal(size=40), 5)
    infants = np.repeat(np.arange(40), 5)
    same = level + labels  # all recordings of an infant agree: 40 infants, whatever their number
    honest, naive = rates(same, labels, 0.5, infants), rates(same, labels, 0.5)
    assert honest.specificity.value == naive.specificity.value
    assert honest.specificity.effective == pytest.approx(29, abs=0.5)  # of 30 normal infants
    assert honest.infants == 40
    alone = rng.normal(size=200)  # recordings of an infant no more alike than others
    assert rates(alone, labels, 0.0, infants).specificity.effective > 75
    perfect = rates(labels * 1.0, labels, 0.5, infants)
    assert perfect.sensitivity.effective == 10


def test_wilson_interval_with_clusters_covers():
    rng = np.random.default_rng(1)
    infants = np.repeat(np.arange(60), 4)
    hits = {"honest": 0, "naive": 0}
    for _ in range(400):
        chance = np.repeat(rng.beta(1.5, 0.5, 60), 4)  # mean 0.75, infants differ much
        scores = (rng.random(240) < chance).astype(float)
        labels = np.ones(240, int)
        honest = rates(scores, labels, 0.5, infants).sensitivity
        naive = rates(scores, labels, 0.5).sensitivity
        hits["honest"] += honest.low <= 0.75 <= honest.high
        hits["naive"] += naive.low <= 0.75 <= naive.high
    assert hits["honest"] / 400 > 0.92
    assert hits["naive"] / 400 < 0.90


# --- predictive values --------------------------------------------------------------------------


def test_bayes_by_hand_and_at_the_own_prevalence():
    found = rates(SCORES, LABELS, 0.45)
    other = predictive_values(found, 0.1)
    assert other.ppv.value == pytest.approx(0.75 * 0.1 / (0.75 * 0.1 + 0.4 * 0.9))
    assert other.npv.value == pytest.approx(0.6 * 0.9 / (0.6 * 0.9 + 0.25 * 0.1))
    own = predictive_values(found, 4 / 9)
    assert own.ppv.value == pytest.approx(found.ppv.value)
    assert own.npv.value == pytest.approx(found.npv.value)


def test_predictive_values_of_a_multicentre_study():
    # Sensitivity 76 %, specificity 82 %, PPV 33 % (Stoen 2019): a prevalence near 10 % follows.
    scores = np.repeat([1.0, 0.0, 1.0, 0.0], [76, 24, 18, 82])
    labels = np.repeat([1, 0], [100, 100])
    found = predictive_values(rates(scores, labels, 0.5), 0.105)
    assert found.ppv.value == pytest.approx(0.33, abs=0.005)


@RELAXED
@given(st.integers(1, 30), st.integers(1, 30), st.data(), st.floats(0.01, 0.9))
def test_limits_hold_the_predictive_values(n1, n0, data, prevalence):
    a, d = data.draw(st.integers(0, n1)), data.draw(st.integers(0, n0))
    scores = np.repeat([1.0, 0.0, 0.0, 1.0], [a, n1 - a, d, n0 - d])
    found = predictive_values(rates(scores, np.repeat([1, 0], [n1, n0]), 0.5), prevalence)
    for value in (found.ppv, found.npv):
        assert 0 <= value.low <= value.high <= 1
        if np.isfinite(value.value):
            assert value.low - 1e-12 <= value.value <= value.high + 1e-12


def test_predictive_value_intervals_cover():
    rng = np.random.default_rng(2)
    sens, spec, prevalence, n1, n0 = 0.8, 0.9, 0.1, 40, 160
    ppv = sens * prevalence / (sens * prevalence + (1 - spec) * (1 - prevalence))
    npv = spec * (1 - prevalence) / (spec * (1 - prevalence) + (1 - sens) * prevalence)
    labels, hits = np.repeat([1, 0], [n1, n0]), np.zeros(2)
    for _ in range(500):
        scores = (rng.random(200) < np.where(labels, sens, 1 - spec)).astype(float)
        found = predictive_values(rates(scores, labels, 0.5), prevalence)
        hits += [found.ppv.low <= ppv <= found.ppv.high, found.npv.low <= npv <= found.npv.high]
    assert (hits / 500 > 0.93).all()


# --- rejections ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "kind", "code"),
    [
        (lambda: wilson(5, 4), ConfigError, "E247"),
        (lambda: wilson(-1, 4), ConfigError, "E247"),
        (lambda: wilson(1, 4, level=0), ConfigError, "E246"),
        (lambda: choose_threshold(SCORES, LABELS, "sensitivity"), ConfigError, "E246"),
        (lambda: choose_threshold(SCORES, LABELS, "sensitivity", at=90), ConfigError, "E246"),
        (lambda: choose_threshold(SCORES, LABELS, "youden", at=0.9), ConfigError, "E246"),
        (lambda: choose_threshold(SCORES, LABELS, "closest"), ConfigError, "E248"),
        (lambda: choose_threshold(SCORES, LABELS * 0), StudyError, "E242"),
        (lambda: choose_threshold(SCORES[1:], LABELS), StudyError, "E240"),
        (lambda: rates(SCORES, LABELS, np.nan), ConfigError, "E246"),
        (lambda: rates(SCORES, LABELS + 1, 0.5), StudyError, "E241"),
        (lambda: rates(SCORES * np.nan, LABELS, 0.5), StudyError, "E243"),
        (lambda: rates(SCORES, LABELS, 0.5, [1]), StudyError, "E240"),
        (lambda: predictive_values(rates(SCORES, LABELS, 0.5), 0), ConfigError, "E246"),
        (lambda: predictive_values(rates(SCORES, LABELS, 0.5), 1.0), ConfigError, "E246"),
    ],
)
def test_bad_input_is_refused(call, kind, code):
    with pytest.raises(FidgetyError) as caught:
        call()
    assert isinstance(caught.value, kind)
    assert caught.value.code == code
