"""Areas under the ROC curve against published examples, slow definitions and scikit-learn."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap as scipy_bootstrap
from scipy.stats import norm, rankdata
from sklearn.metrics import roc_auc_score

from fidgety.errors import ConfigError, FidgetyError, StudyError
from fidgety.statistics import (
    auc_interval,
    compare_all_auc,
    compare_auc,
    equal_auc_test,
    permutation_test,
    roc_auc,
)
from fidgety.statistics.arrays import cohort
from fidgety.statistics.auc import midranks, newcombe_limits, weighted_auc
from fidgety.statistics.bootstrap import bootstrap
from fidgety.statistics.compare import holm

RELAXED = settings(max_examples=50)

# Ovarian cancer, 43 complete records of DeLong et al. 1988, as printed in the SAS/STAT User's Guide
# (LOGISTIC procedure, example "Comparing Receiver Operating Characteristic Curves"):
# albumin, total protein, K-G score (10 minus it is used), popind.
OVARIAN_TEXT = """
3.0 5.8 10 0  3.2 6.3 5 1  3.9 6.8 3 1  2.8 4.8 6 0  3.2 5.8 3 1  0.9 4.0 5 0  2.5 5.7 8 0
1.6 5.6 5 1  3.8 5.7 5 1  3.7 6.7 6 1  3.2 5.4 4 1  3.8 6.6 6 1  4.1 6.6 5 1  3.6 5.7 5 1
4.3 7.0 4 1  3.6 6.7 4 0  2.3 4.4 6 1  4.2 7.6 4 0  4.0 6.6 6 0  3.5 5.8 6 1  3.8 6.8 7 1
3.0 4.7 8 0  4.5 7.4 5 1  3.7 7.4 5 1  3.1 6.6 6 1  4.1 8.2 6 1  4.3 7.0 5 1  4.3 6.5 4 1
3.2 5.1 5 1  2.6 4.7 6 1  3.3 6.8 6 0  1.7 4.0 7 0  3.7 6.1 5 1  3.3 6.3 7 1  4.2 7.7 6 1
3.5 6.2 5 1  2.9 5.7 9 0  2.1 4.8 7 1  2.8 6.2 8 0  4.0 7.0 7 1  3.3 5.7 6 1  3.7 6.9 5 1
3.6 6.6 5 1
"""
OVARIAN = np.array(OVARIAN_TEXT.split(), dtype=float).reshape(-1, 4)
OUTCOME = OVARIAN[:, 3]
TESTS = {"K-G": 10 - OVARIAN[:, 2], "albumin": OVARIAN[:, 0], "protein": OVARIAN[:, 1]}


@st.composite
def scored(draw: st.DrawFn, least: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Scores with ties, and labels with both classes."""
    n1 = draw(st.integers(least, 12))
    n0 = draw(st.integers(least, 12))
    values = st.integers(-8, 8).map(lambda v: v / 4)
    scores = draw(st.lists(values, min_size=n1 + n0, max_size=n1 + n0))
    return np.array(scores), np.r_[np.ones(n1, int), np.zeros(n0, int)]


def several_an_infant(seed: int, infants: int = 60, each: int = 3) -> tuple[np.ndarray, ...]:
    """Scores that depend on the infant far more than on the recording."""
    rng = np.random.default_rng(seed)
    label = (np.arange(infants) < infants // 3).astype(int)
    of = np.repeat(np.arange(infants), each)
    level = rng.normal(size=infants) + label
    return level[of] + 0.3 * rng.normal(size=of.size), label[of], of


# --- published examples -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("test", "area", "error", "low", "high"),
    [
        ("albumin", 0.7366, 0.0927, 0.5549, 0.9182),
        ("K-G", 0.7258, 0.1028, 0.5243, 0.9273),
        ("protein", 0.6478, 0.1000, 0.4518, 0.8439),
    ],
)
def test_delong_1988_areas(test, area, error, low, high):
    found = auc_interval(TESTS[test], OUTCOME, method="linear")
    assert (found.value, found.standard_error) == pytest.approx((area, error), abs=6e-5)
    assert (found.low, found.high) == pytest.approx((low, high), abs=6e-5)
    assert (found.positives, found.negatives) == (31, 12)


def test_delong_1988_comparisons():
    statistic, freedom, p = equal_auc_test(TESTS, OUTCOME)
    assert (statistic, freedom, p) == pytest.approx((2.5340, 2, 0.2817), abs=6e-5)
    albumin, protein = compare_all_auc(TESTS, OUTCOME, reference="K-G")
    assert albumin.names == ("albumin", "K-G")
    assert (albumin.value, albumin.standard_error, albumin.z**2, albumin.p) == pytest.approx(
        (0.0108, 0.0953, 0.0127, 0.9102), abs=6e-5
    )
    assert (protein.value, protein.low, protein.high, protein.p) == pytest.approx(
        (-0.0780, -0.2830, 0.1271, 0.4561), abs=6e-5
    )


def test_hanley_mcneil_1982_ratings():
    # Radiology 143:29, Table I: ratings 1 to 5 of 58 normal and 51 abnormal scans; area 0.893.
    normal, abnormal = (33, 6, 6, 11, 2), (3, 2, 2, 11, 33)
    scores = np.repeat(np.tile(np.arange(1, 6), 2), normal + abnormal)
    labels = np.repeat((0, 1), (58, 51))
    assert roc_auc(scores, labels) == pytest.approx(0.893, abs=5e-4)


# --- definitions --------------------------------------------------------------------------------


@RELAXED
@given(scored())
def test_area_is_scikit_learns(data):
    scores, labels = data
    assert roc_auc(scores, labels) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


@RELAXED
@given(scored())
def test_midranks_are_scipys(data):
    assert (midranks(data[0]) == rankdata(data[0])).all()


@RELAXED
@given(scored(least=2))
def test_variance_is_the_double_sum_of_the_definition(data):
    scores, labels = data
    x, y = scores[labels == 1], scores[labels == 0]
    better = (x[:, None] > y) + 0.5 * (x[:, None] == y)
    variance = better.mean(1).var(ddof=1) / len(x) + better.mean(0).var(ddof=1) / len(y)
    assert auc_interval(scores, labels).standard_error == pytest.approx(variance**0.5, abs=1e-7)


@RELAXED
@given(scored(least=2), st.randoms(use_true_random=False))
def test_clustered_variance_is_obuchowskis_sum(data, random):
    scores, labels = data
    infants = np.array([random.randrange(5) for _ in labels])
    ones, zeros = infants[labels == 1], infants[labels == 0]
    assume(len(set(ones)) > 1 and len(set(zeros)) > 1)
    x, y = scores[labels == 1], scores[labels == 0]
    better = (x[:, None] > y) + 0.5 * (x[:, None] == y)
    area = better.mean()
    s10 = s01 = s11 = 0.0
    for infant in set(infants):
        a = (better.mean(1)[ones == infant] - area).sum()
        b = (better.mean(0)[zeros == infant] - area).sum()
        s10, s01, s11 = s10 + a * a, s01 + b * b, s11 + a * b
    i10, i01, i = len(set(ones)), len(set(zeros)), len(set(infants))
    s10 *= i10 / ((i10 - 1) * len(x))
    s01 *= i01 / ((i01 - 1) * len(y))
    s11 *= i / (i - 1)
    variance = s10 / len(x) + s01 / len(y) + 2 * s11 / (len(x) * len(y))
    found = auc_interval(scores, labels, infants).standard_error
    assert found**2 == pytest.approx(max(variance, 0), abs=1e-10)


@RELAXED
@given(scored(), st.floats(0.1, 5), st.floats(-3, 3))
def test_monotone_maps_change_nothing(data, slope, shift):
    scores, labels = data
    mapped = np.exp(slope * scores) + shift
    assume(len(set(mapped)) == len(set(scores)))
    assert str(auc_interval(mapped, labels)) == str(auc_interval(scores, labels))
    assert roc_auc(mapped, labels) == roc_auc(scores, labels)


@RELAXED
@given(scored())
def test_flipped_labels_give_the_complement(data):
    scores, labels = data
    found, flipped = auc_interval(scores, labels), auc_interval(scores, 1 - labels)
    assert flipped.value == pytest.approx(1 - found.value)
    assert (flipped.low, flipped.high) == pytest.approx((1 - found.high, 1 - found.low), abs=1e-6)


@RELAXED
@given(scored(), st.sampled_from(["logit", "linear", "newcombe", "bootstrap"]))
def test_limits_hold_the_area_and_stay_within_0_and_1(data, method):
    found = auc_interval(*data, method=method, draws=200)
    assert 0 <= found.low <= found.value + 1e-9
    assert found.value - 1e-9 <= found.high <= 1


@RELAXED
@given(scored(least=2))
def test_order_of_recordings_does_not_matter(data):
    scores, labels = data
    order = np.random.default_rng(1).permutation(len(scores))
    before, after = auc_interval(scores, labels), auc_interval(scores[order], labels[order])
    assert (after.low, after.high) == pytest.approx((before.low, before.high))


# --- honest at the edges ------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["logit", "linear", "newcombe", "bootstrap"])
def test_perfect_separation_has_no_interval_of_width_zero(method):
    few = auc_interval(np.arange(20.0), np.arange(20) >= 14, method=method)
    many = auc_interval(np.arange(200.0), np.arange(200) >= 140, method=method)
    assert few.value == many.value == few.high == many.high == 1
    assert few.low < 0.85 < many.low < 0.99
    assert "Newcombe" in few.method
    assert few.standard_error == 0


def test_one_abnormal_infant_is_answered_widely():
    found = auc_interval([0.1, 0.2, 0.3, 0.4, 0.35], [0, 0, 0, 0, 1])
    assert np.isnan(found.standard_error)
    assert "Newcombe" in found.method
    assert found.low < 0.3
    assert found.high > 0.95


def test_newcombe_limits_solve_their_equation():
    low, high = newcombe_limits(0.8, 10, 30, 1.96)
    for theta in (low, high):
        q = (1 - theta) / (2 - theta) + theta / (1 + theta)
        variance = theta * (1 - theta) * (1 + 19 * q) / 300
        assert abs(0.8 - theta) == pytest.approx(1.96 * variance**0.5)


def test_models_without_spread_are_not_given_a_p_value():
    labels = [0, 0, 0, 1, 1]
    found = compare_auc([1, 2, 3, 4, 5], [1, 1, 1, 1, 1], labels)
    assert found.value == 0.5
    assert np.isnan(found.p)
    same = compare_auc([1, 2, 3, 4, 5], [2, 4, 6, 8, 10], labels)
    assert (same.value, same.p) == (0, 1)


# --- bootstrap ----------------------------------------------------------------------------------


def test_bootstrap_agrees_with_scipy():
    rng = np.random.default_rng(3)
    x, y = rng.normal(1, 1, 30), rng.normal(0, 1, 70)

    def area(x, y, axis=-1):
        return (np.expand_dims(x, -1) > np.expand_dims(y, -2)).mean((-1, -2))

    wanted = scipy_bootstrap(
        (x, y), area, vectorized=True, method="percentile", n_resamples=3000, batch=300, rng=rng
    ).confidence_interval
    found = auc_interval(np.r_[x, y], np.repeat((1, 0), (30, 70)), method="bootstrap")
    assert (found.low, found.high) == pytest.approx(wanted, abs=0.01)


def test_weighted_area_counts_recordings_several_times():
    rng = np.random.default_rng(0)
    scores, labels = rng.integers(0, 9, 40).astype(float), np.arange(40) % 3 == 0
    weights = rng.integers(0, 4, (40, 6)).astype(float)
    found = weighted_auc(cohort(scores, labels), weights)
    wanted = [roc_auc_score(labels, scores, sample_weight=w) for w in weights.T]
    assert found == pytest.approx(wanted)


def test_bootstrap_draws_infants_whole_and_keeps_class_sizes():
    scores, labels, infants = several_an_infant(0)
    data = cohort(scores, labels, infants)
    weights = bootstrap(lambda w: w, data, draws=50, seed=1)  # (n, draws)
    for infant in range(60):
        assert (np.ptp(weights[infants == infant], axis=0) == 0).all()
    assert (weights[labels == 1].sum(0) == 60).all()
    assert (weights[labels == 0].sum(0) == 120).all()


def test_bootstrap_is_reproducible_by_seed():
    scores, labels, infants = several_an_infant(1)
    first, again, other = (
        auc_interval(scores, labels, infants, method="bootstrap", seed=s) for s in (5, 5, 6)
    )
    assert first == again
    assert first.low != other.low


def test_intervals_widen_when_recordings_share_infants():
    scores, labels, infants = several_an_infant(2)
    for method in ("logit", "bootstrap", "newcombe"):
        naive = auc_interval(scores, labels, method=method)
        honest = auc_interval(scores, labels, infants, method=method)
        assert (honest.high - honest.low) > 1.3 * (naive.high - naive.low)


def test_bootstrap_of_200_infants_is_quick():
    rng = np.random.default_rng(0)
    labels = np.arange(200) < 40
    scores = rng.normal(size=200) + labels
    times = []
    for _ in range(3):
        start = time.process_time()
        auc_interval(scores, labels, method="bootstrap", draws=5000)
        times.append(time.process_time() - start)
    assert min(times) < 0.5  # processor time; about 0.045 s


@pytest.mark.slow
def test_logit_interval_covers_where_the_linear_one_does_not():
    rng = np.random.default_rng(11)
    area, labels = 0.9, np.repeat((1, 0), (8, 40))
    shift = norm.ppf(area) * 2**0.5
    hits = {"logit": 0, "linear": 0, "newcombe": 0}
    for _ in range(600):
        scores = rng.normal(size=48) + shift * labels
        for method in hits:
            found = auc_interval(scores, labels, method=method)
            hits[method] += found.low <= area <= found.high
    assert hits["logit"] / 600 > 0.90
    assert hits["newcombe"] / 600 > 0.93
    assert hits["linear"] < hits["logit"]


# --- comparisons --------------------------------------------------------------------------------


def test_clustered_comparison_is_more_careful_than_one_that_ignores_infants():
    scores, labels, infants = several_an_infant(4)
    rng = np.random.default_rng(9)
    worse = scores + np.repeat(rng.normal(size=60), 3)
    naive, honest = compare_auc(scores, worse, labels), compare_auc(scores, worse, labels, infants)
    assert honest.value == naive.value
    assert honest.standard_error > 1.3 * naive.standard_error
    assert "Obuchowski" in honest.method
    assert "DeLong" in naive.method


def test_paired_test_keeps_its_level_for_equal_models():
    rng = np.random.default_rng(0)
    labels = np.arange(100) < 30
    signal = rng.normal(size=(400, 100)) + labels
    p = [compare_auc(s + rng.normal(size=100), s + rng.normal(size=100), labels).p for s in signal]
    assert 0.02 < np.mean(np.array(p) < 0.05) < 0.09


def test_swapping_models_swaps_the_sign():
    one = compare_auc(TESTS["K-G"], TESTS["protein"], OUTCOME)
    two = compare_auc(TESTS["protein"], TESTS["K-G"], OUTCOME)
    assert (two.value, two.z, two.p) == pytest.approx((-one.value, -one.z, one.p))


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1, 1]
    rows = compare_all_auc(TESTS, OUTCOME)
    assert len(rows) == 3
    assert min(r.p_adjusted for r in rows) == pytest.approx(3 * min(r.p for r in rows))


# --- permuted labels ----------------------------------------------------------------------------


def test_permuted_labels_come_out_at_one_half():
    scores, labels, infants = several_an_infant(5)
    found = permutation_test(scores, labels, infants, seed=2)
    assert found.null_mean == pytest.approx(0.5, abs=0.005)
    assert found.null_low < 0.5 < found.null_high < found.value
    assert found.p < 0.01


def test_p_of_a_scoreless_model_is_uniform():
    rng = np.random.default_rng(0)
    labels = np.arange(40) < 12
    p = [permutation_test(rng.normal(size=40), labels, draws=199, seed=k).p for k in range(300)]
    assert 0.02 < np.mean(np.array(p) <= 0.05) < 0.09
    assert np.mean(p) == pytest.approx(0.5, abs=0.05)


def test_intervals_of_shuffled_labels_cover_one_half():
    scores, labels, infants = several_an_infant(6)
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        shuffled = rng.permutation(labels[::3])[infants]
        found = auc_interval(scores, shuffled, infants)
        covered += found.low <= 0.5 <= found.high
    assert covered / 200 > 0.9


# --- rejections ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scores", "labels", "code"),
    [
        ([1, 2, 3], [0, 1], "E240"),
        ([], [], "E240"),
        ([[1, 2], [3, 4]], [[0, 1], [0, 1]], "E240"),
        (0.5, 1, "E240"),
        ([1, 2, 3], [0, 1, 2], "E241"),
        ([1, 2, 3], [0, 1, -1], "E241"),
        ([1, 2, 3], [0.3, 1, 0], "E241"),
        ([1, 2, 3], [0, 1, np.nan], "E241"),
        ([1, 2, 3], ["0", "1", "0"], "E241"),
        ([1, 2, 3], [None, 1, 0], "E241"),
        ([1, 2, 3], [1, 1, 1], "E242"),
        ([1, 2, 3], [0, 0, 0], "E242"),
        ([1, np.nan, 3], [0, 1, 0], "E243"),
        ([1, np.inf, 3], [0, 1, 0], "E243"),
        (["a", "b", "c"], [0, 1, 0], "E243"),
        ([None, 1, 2], [0, 1, 0], "E243"),
    ],
)
@pytest.mark.parametrize(
    "call",
    [
        roc_auc,
        auc_interval,
        permutation_test,
        lambda s, y: compare_auc(s, s, y),
        lambda s, y: equal_auc_test({"a": s, "b": s}, y),
    ],
)
def test_bad_arrays_are_refused(call, scores, labels, code):
    with pytest.raises(StudyError) as caught:
        call(scores, labels)
    assert caught.value.code == code


def test_bad_settings_are_refused():
    scores, labels = [1.0, 2, 3, 4], [0, 1, 0, 1]
    cases = [
        (lambda: auc_interval(scores, labels, [1, 2]), StudyError, "E240"),
        (lambda: auc_interval(scores, labels, level=95), ConfigError, "E246"),
        (lambda: auc_interval(scores, labels, level=1.0), ConfigError, "E246"),
        (lambda: auc_interval(scores, labels, draws=0, method="bootstrap"), ConfigError, "E247"),
        (lambda: auc_interval(scores, labels, draws=2.5, method="bootstrap"), ConfigError, "E247"),
        (lambda: auc_interval(scores, labels, method="jackknife"), ConfigError, "E248"),
        (lambda: compare_all_auc({"a": scores}, labels), StudyError, "E249"),
        (lambda: compare_auc(scores, scores, labels, [1, 2, 1, 2]), StudyError, "E249"),
        (
            lambda: compare_all_auc({"a": scores, "b": scores}, labels, reference="c"),
            ConfigError,
            "E248",
        ),
        (lambda: permutation_test(scores, labels, [1, 1, 2, 2]), StudyError, "E245"),
        (lambda: permutation_test(scores, labels, draws=-1), ConfigError, "E247"),
    ]
    for call, kind, code in cases:
        with pytest.raises(FidgetyError) as caught:
            call()
        assert isinstance(caught.value, kind)
        assert caught.value.code == code
