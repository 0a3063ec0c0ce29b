"""Calibration figures and calibrators against scikit-learn, numerical curvature, planted truths."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from fidgety.errors import CheckpointError, ConfigError, FidgetyError
from fidgety.statistics import (
    BetaCalibrator,
    IsotonicCalibrator,
    LogisticCalibrator,
    calibration,
    calibrator_from_dict,
    fit_calibrator,
    reliability_curve,
)
from fidgety.statistics.logistic import fit_logistic, separated

RELAXED = settings(max_examples=50)

METHODS = ("platt", "anchored", "firth", "logistic", "beta", "isotonic")


def risks_and_labels(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Calibrated risks, and labels drawn from them."""
    rng = np.random.default_rng(seed)
    risks = expit(rng.normal(-1.5, 1.5, n))
    return risks, (rng.random(n) < risks).astype(int)


# --- figures ------------------------------------------------------------------------------------


def test_true_risks_are_calibrated():
    risks, labels = risks_and_labels(20_000, 7)
    found = calibration(risks, labels, draws=50)
    assert found.slope.value == pytest.approx(1, abs=0.05)
    assert found.slope.low < 1 < found.slope.high
    assert found.intercept.value == pytest.approx(0, abs=0.08)
    assert found.in_the_large.low < 0 < found.in_the_large.high
    assert found.expected == pytest.approx(found.observed, abs=0.01)
    assert found.ece < found.ece_if_perfect_high
    assert found.spiegelhalter_p > 0.01
    assert found.brier.value < found.brier_prevalence
    assert found.brier_scaled.value == pytest.approx(1 - found.brier.value / found.brier_prevalence)


def test_planted_slope_and_intercept_come_back():
    risks, labels = risks_and_labels(20_000, 1)
    wrong = expit(2 * logit(risks) + 0.7)  # the true logit is (logit(wrong) - 0.7) / 2
    found = calibration(wrong, labels, draws=20)
    assert found.slope.value == pytest.approx(0.5, abs=0.03)
    assert found.intercept.value == pytest.approx(-0.35, abs=0.05)
    assert found.ece > found.ece_if_perfect_high
    assert found.spiegelhalter_p < 1e-6


def test_slope_and_intercept_are_scikit_learns():
    risks, labels = risks_and_labels(300, 2)
    x = logit(risks)[:, None]
    wanted = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(x, labels)
    found = calibration(risks, labels, draws=20)
    assert found.slope.value == pytest.approx(wanted.coef_[0, 0], abs=1e-4)
    assert found.intercept.value == pytest.approx(wanted.intercept_[0], abs=1e-4)


def test_in_the_large_makes_the_mean_risk_right():
    risks, labels = risks_and_labels(200, 3)
    shift = calibration(risks * 0.5, labels, draws=20).in_the_large.value
    assert shift > 0
    assert expit(logit(risks * 0.5) + shift).mean() == pytest.approx(labels.mean())


def test_standard_errors_are_those_of_the_curvature():
    risks, labels = risks_and_labels(300, 4)
    x = logit(risks)

    def loss(b: np.ndarray) -> float:
        eta = b[0] + b[1] * x
        return float(np.logaddexp(0, eta).sum() - labels @ eta)

    found = calibration(risks, labels, draws=20)
    at, h = np.array([found.intercept.value, found.slope.value]), 1e-4
    steps = np.eye(2) * h
    hessian = np.array(
        [
            [
                (loss(at + i + j) - loss(at + i - j) - loss(at - i + j) + loss(at - i - j))
                / (4 * h * h)
                for j in steps
            ]
            for i in steps
        ]
    )
    errors = 1.959964 * np.sqrt(np.diag(np.linalg.inv(hessian)))
    assert found.intercept.high - found.intercept.value == pytest.approx(errors[0], rel=1e-3)
    assert found.slope.high - found.slope.value == pytest.approx(errors[1], rel=1e-3)


def test_recordings_doubled_do_not_narrow_the_interval():
    risks, labels = risks_and_labels(200, 5)
    twice, infants = np.repeat(np.arange(200), 2), np.repeat(np.arange(200), 2)
    single = calibration(risks, labels, draws=200).slope
    honest = calibration(risks[twice], labels[twice], infants, draws=200).slope
    naive = calibration(risks[twice], labels[twice], draws=200).slope
    assert honest.high - honest.low > 1.3 * (naive.high - naive.low)
    assert honest.high - honest.low == pytest.approx(single.high - single.low, rel=0.2)
    assert "robust" in honest.method


def test_brier_by_hand_and_the_prevalence_as_yardstick():
    found = calibration([0.1, 0.4, 0.8, 0.6], [0, 0, 1, 1], draws=20)
    assert found.brier.value == pytest.approx((0.01 + 0.16 + 0.04 + 0.16) / 4)
    assert found.brier_prevalence == 0.25
    flat = calibration([0.25] * 8, [1, 1, 0, 0, 0, 0, 0, 0], draws=20)
    assert flat.brier_scaled.value == pytest.approx(0)
    assert np.isnan(flat.slope.value)  # constant risks have no slope


def test_parted_classes_have_no_slope_but_the_rest():
    found = calibration([0.1, 0.2, 0.7, 0.9], [0, 0, 1, 1], draws=20)
    assert np.isnan(found.slope.value)
    assert "none" in found.slope.method
    assert np.isfinite(found.in_the_large.value)


def test_risks_of_0_and_1_are_borne():
    found = calibration([0.0, 0.3, 0.0, 1.0, 0.6, 0.2, 1.0], [0, 0, 1, 1, 1, 0, 0], draws=20)
    assert np.isfinite(found.slope.value)


def test_ece_by_hand():
    # Two bins of two: |0.2 - 0.5| and |0.8 - 0.5|, each of weight a half.
    found = calibration([0.1, 0.3, 0.7, 0.9], [1, 0, 0, 1], bins=2, draws=20)
    assert found.ece == pytest.approx(0.3)
    assert found.bins == 2


def test_ece_if_perfect_is_what_perfect_risks_show():
    values = []
    for seed in range(150):
        risks, labels = risks_and_labels(100, seed)
        if 0 < labels.sum() < 100:
            found = calibration(risks, labels, draws=5)
            values.append((found.ece, found.ece_if_perfect, found.ece > found.ece_if_perfect_high))
    ece, expected, beyond = np.mean(values, axis=0)
    assert ece == pytest.approx(expected, rel=0.05)
    assert ece > 0.05  # far above 0, though the risks are right
    assert beyond == pytest.approx(0.05, abs=0.04)


@RELAXED
@given(st.lists(st.integers(0, 10).map(lambda v: v / 10), min_size=2, max_size=60), st.data())
def test_reliability_bins_part_the_recordings_and_keep_ties_together(risks, data):
    n = len(risks)
    labels = data.draw(st.lists(st.integers(0, 1), min_size=n, max_size=n))
    bins = data.draw(st.integers(1, 12))
    curve = reliability_curve(risks, labels, bins=bins)
    assert sum(b.count for b in curve) == n
    assert 1 <= len(curve) <= bins
    assert all(one.highest < two.lowest for one, two in pairwise(curve))
    assert sum(b.count * b.value for b in curve) == pytest.approx(sum(labels))
    assert all(b.low <= b.value <= b.high for b in curve)
    assert all(b.lowest <= b.predicted + 1e-12 and b.predicted <= b.highest + 1e-12 for b in curve)


def test_bins_are_of_equal_count_without_ties():
    curve = reliability_curve(np.linspace(0, 1, 100), np.arange(100) % 2, bins=10)
    assert [b.count for b in curve] == [10] * 10


# --- calibrators --------------------------------------------------------------------------------


def logits(n: int, seed: int = 0, slope: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """Logits `slope` times too large, and labels."""
    rng = np.random.default_rng(seed)
    true = rng.normal(-1.5, 1.5, n)
    return slope * true, (rng.random(n) < expit(true)).astype(int)


@pytest.mark.parametrize("method", METHODS)
def test_calibrators_mend_overconfident_logits(method):
    scores, labels = logits(3000)
    fresh, truth = logits(8000, 1)
    calibrator = fit_calibrator(scores, labels, method=method)
    found = calibration(calibrator.probability(fresh), truth, draws=5)
    low, high = (0.7, 1.3) if method == "isotonic" else (0.85, 1.15)
    assert low < found.slope.value < high
    assert found.ece < 0.03
    assert found.brier.value < calibration(expit(fresh), truth, draws=5).brier.value


@pytest.mark.parametrize("method", METHODS)
@RELAXED
@given(data=st.data())
def test_calibrators_give_probabilities_that_travel(method, data):
    n = data.draw(st.integers(6, 40))
    scores = np.array(data.draw(st.lists(st.floats(-30, 30), min_size=n, max_size=n)))
    labels = np.arange(n) % 3 == 0
    assume(method != "logistic" or not separated(scores, labels))
    calibrator = fit_calibrator(scores, labels, method=method)
    p = calibrator.probability(np.linspace(-50, 50, 101))
    assert ((p >= 0) & (p <= 1)).all()
    again = calibrator_from_dict(json.loads(json.dumps(calibrator.to_dict())))
    assert again == calibrator
    assert (again.probability(scores) == calibrator.probability(scores)).all()


def test_platt_is_logistic_regression_on_smoothed_targets():
    scores, labels = logits(40, 2)
    n1, n0 = labels.sum(), 40 - labels.sum()
    target = np.where(labels, (n1 + 1) / (n1 + 2), 1 / (n0 + 2))
    # The same targets as weighted copies of both labels, for an independent fit.
    x = np.r_[scores, scores][:, None]
    y = np.repeat((1, 0), 40)
    wanted = LogisticRegression(C=np.inf, tol=1e-10, max_iter=5000).fit(
        x, y, sample_weight=np.r_[target, 1 - target]
    )
    found = fit_calibrator(scores, labels)
    assert isinstance(found, LogisticCalibrator)
    assert found.slope == pytest.approx(wanted.coef_[0, 0], abs=1e-4)
    assert found.intercept == pytest.approx(wanted.intercept_[0], abs=1e-4)
    assert found.infants == 40


def test_firth_on_a_two_by_two_table_adds_a_half_to_each_cell():
    # Known for Jeffreys' prior in a saturated model: log odds with 1/2 added to every cell.
    x = np.repeat([0.0, 0.0, 1.0, 1.0], [7, 3, 2, 6])
    y = np.repeat([0, 1, 0, 1], [7, 3, 2, 6])
    found = fit_calibrator(x, y, method="firth")
    assert isinstance(found, LogisticCalibrator)
    low, high = np.log(3.5 / 7.5), np.log(6.5 / 2.5)
    assert (found.intercept, found.slope) == pytest.approx((low, high - low), abs=1e-6)


@pytest.mark.parametrize("method", ["platt", "firth", "beta", "isotonic"])
def test_parted_classes_still_give_finite_modest_risks(method):
    scores, labels = np.arange(-6.0, 6.0), np.arange(12) >= 8
    p = fit_calibrator(scores, labels, method=method).probability([-6.0, 5.0])
    assert p[0] < 0.2
    assert p[1] > 0.7
    if method != "isotonic":
        assert p[0] > 0
        assert p[1] < 1
    with pytest.raises(FidgetyError, match="E250"):
        fit_calibrator(scores, labels, method="logistic")


def test_isotonic_is_scikit_learns():
    scores, labels = logits(200, 3)
    wanted = IsotonicRegression(out_of_bounds="clip").fit(scores, labels)
    found = fit_calibrator(scores, labels, method="isotonic")
    at = np.linspace(-15, 10, 300)
    assert found.probability(at) == pytest.approx(wanted.predict(at), abs=1e-6)


def test_beta_keeps_risks_rising():
    scores, labels = logits(60, 4)
    found = fit_calibrator(scores, labels, method="beta")
    assert isinstance(found, BetaCalibrator)
    assert found.a >= 0
    assert found.b >= 0
    assert (np.diff(found.probability(np.linspace(-20, 20, 200))) >= 0).all()


@pytest.mark.parametrize("method", ["platt", "firth", "isotonic"])
def test_units_of_the_score_do_not_matter(method):
    scores, labels = logits(80, 5)
    one = fit_calibrator(scores, labels, method=method).probability(scores)
    two = fit_calibrator(1000 * scores + 5e4, labels, method=method).probability(
        1000 * scores + 5e4
    )
    assert one == pytest.approx(two, abs=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_each_infant_counts_once(method):
    scores, labels = logits(60, 6)
    each = np.arange(60) % 4 + 1
    infants = np.repeat(np.arange(60), each)
    single = fit_calibrator(scores, labels, method=method)
    several = fit_calibrator(
        np.repeat(scores, each), np.repeat(labels, each), infants, method=method
    )
    assert several.probability(scores) == pytest.approx(single.probability(scores), abs=1e-6)


def test_constant_scores_give_about_the_prevalence():
    found = fit_calibrator([2.0] * 20, [1] * 5 + [0] * 15)
    assert found.probability(2.0) == pytest.approx(0.25, abs=0.05)


def test_missing_scores_stay_missing():
    for method in METHODS:
        assert np.isnan(fit_calibrator(*logits(200, 7), method=method).probability(np.nan))


@pytest.mark.slow
def test_the_default_is_best_for_few_infants():
    """Excess log loss over the true risk at 40 infants; benchmarks/statistics_simulations.py."""
    loss = dict.fromkeys(("platt", "firth", "beta", "isotonic"), 0.0)
    for seed in range(60):
        scores, labels = logits(40, seed)
        if not 2 <= labels.sum() <= 38:
            continue
        fresh, _ = logits(2000, 1000 + seed)
        risk = expit(fresh / 3)
        for method in loss:
            p = np.clip(
                fit_calibrator(scores, labels, method=method).probability(fresh), 1e-6, 1 - 1e-6
            )
            loss[method] += float((-risk * np.log(p) - (1 - risk) * np.log1p(-p)).mean())
    assert min(loss, key=loss.__getitem__) == "platt"
    assert loss["isotonic"] > 1.2 * loss["platt"]


def test_weighted_fit_equals_repeated_rows():
    rng = np.random.default_rng(0)
    x = np.column_stack([np.ones(30), rng.normal(size=30)])
    y = (rng.random(30) < 0.4).astype(float)
    w = rng.integers(1, 4, 30)
    for firth in (False, True):
        one = fit_logistic(x, y, weights=w.astype(float), firth=firth)
        two = fit_logistic(np.repeat(x, w, axis=0), np.repeat(y, w), firth=firth)
        assert one == pytest.approx(two, abs=1e-7)


# --- rejections ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("risks", "labels", "code"),
    [
        ([0.1, 0.2, 0.3], [0, 1], "E240"),
        ([0.1, 0.2], [0, 3], "E241"),
        ([0.1, 0.2], [1, 1], "E242"),
        ([0.1, np.nan], [0, 1], "E243"),
        ([0.1, -0.01], [0, 1], "E244"),
        ([0.1, 1.01], [0, 1], "E244"),
    ],
)
@pytest.mark.parametrize("call", [calibration, reliability_curve])
def test_bad_risks_are_refused(call, risks, labels, code):
    if code == "E242" and call is reliability_curve:
        assert call(risks, labels)[0].value == 1
        return
    with pytest.raises(FidgetyError) as caught:
        call(risks, labels)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: calibration([0.1, 0.2], [0, 1], bins=0), "E247"),
        (lambda: calibration([0.1, 0.2], [0, 1], level=1.5), "E246"),
        (lambda: reliability_curve([0.1, 0.2], [0, 1], bins=-1), "E247"),
        (lambda: fit_calibrator([1, 2], [0, 1], method="magic"), "E248"),
        (lambda: fit_calibrator([1, 2], [0, 0]), "E242"),
        (lambda: fit_calibrator([1, np.nan], [0, 1]), "E243"),
        (lambda: fit_calibrator([1, 2], [0, 1], ["a"]), "E240"),
    ],
)
def test_bad_settings_are_refused(call, code):
    with pytest.raises(FidgetyError) as caught:
        call()
    assert caught.value.code == code


@pytest.mark.parametrize(
    "content",
    [
        None,
        {},
        {"kind": "spline"},
        {"kind": "logistic", "slope": 1.0, "infants": 3},
        {"kind": "logistic", "slope": "1", "intercept": 0.0, "infants": 3},
        {"kind": "logistic", "slope": float("nan"), "intercept": 0.0, "infants": 3},
        {"kind": "logistic", "slope": True, "intercept": 0.0, "infants": 3},
        {"kind": "logistic", "slope": -0.1, "intercept": 0.0, "infants": 3},
        {"kind": "beta", "a": 1.0, "b": -1.0, "c": 0.0, "infants": 3},
        {"kind": "isotonic", "scores": [0.1, 0.2], "risks": [0.5, 0.4], "infants": 3},
        {"kind": "beta", "a": 1.0, "b": 1.0, "infants": 3},
        {"kind": "isotonic", "scores": [0, 1], "risks": [0.1], "infants": 3},
        {"kind": "isotonic", "scores": [1, 0], "risks": [0.1, 0.2], "infants": 3},
        {"kind": "isotonic", "scores": [], "risks": [], "infants": 3},
        {"kind": "isotonic", "scores": ["a"], "risks": [0.1], "infants": 3},
    ],
)
def test_damaged_calibrations_are_refused(content):
    with pytest.raises(CheckpointError, match="E260"):
        calibrator_from_dict(content)


def test_isotonic_travels():
    found = fit_calibrator(*logits(30, 8), method="isotonic")
    assert isinstance(found, IsotonicCalibrator)
    assert calibrator_from_dict(json.loads(json.dumps(found.to_dict()))) == found


# --- never a falling risk, and an anchor --------------------------------------------------------


@pytest.mark.parametrize("method", ["platt", "anchored", "firth", "logistic"])
def test_scores_that_fall_as_the_risk_rises_tell_the_prevalence(method):
    rng = np.random.default_rng(0)
    labels = (np.arange(80) % 4 == 0).astype(int)
    scores = rng.normal(size=80) - 1.5 * labels
    found = fit_calibrator(scores, labels, method=method)
    assert isinstance(found, LogisticCalibrator)
    assert found.slope == 0
    assert found.probability(3.0) == found.probability(-3.0) == pytest.approx(0.25, abs=0.03)
    rising = fit_calibrator(-scores, labels, method=method)
    assert isinstance(rising, LogisticCalibrator)
    assert rising.slope > 0.5


def test_an_anchored_calibration_leaves_few_infants_near_the_logits_as_they_are():
    slopes = {"platt": [], "anchored": []}
    for seed in range(60):
        rng = np.random.default_rng(seed)
        labels = np.arange(32) % 2
        true = 7 * (labels - 0.5) + rng.normal(0, 7**0.5, 32)  # right as they are; AUC 0.97
        for method, kept in slopes.items():
            found = fit_calibrator(true, labels, method=method)  # type: ignore[arg-type]
            assert isinstance(found, LogisticCalibrator)
            kept.append(found.slope)
    assert np.median(slopes["platt"]) < 0.75  # so that risks come out too timid
    assert 0.8 < np.median(slopes["anchored"]) < 1.25


def test_an_anchored_calibration_is_the_mode_of_likelihood_and_prior():
    scores, labels = logits(60, seed=3)
    found = fit_calibrator(scores, labels, method="anchored", anchor=0.5)
    assert isinstance(found, LogisticCalibrator)

    def objective(at):
        eta = at[0] + np.exp(at[1]) * scores
        likelihood = np.sum(labels * eta - np.logaddexp(0, eta))
        return -(likelihood - at[0] ** 2 / 2 - ((at[1] - np.log(0.5)) / 0.5) ** 2 / 2)

    from scipy.optimize import minimize

    wanted = minimize(objective, [0.0, 0.0]).x
    assert found.intercept == pytest.approx(wanted[0], abs=1e-3)
    assert found.slope == pytest.approx(np.exp(wanted[1]), rel=1e-3)


@pytest.mark.parametrize("anchor", [0.0, -1.0, np.nan])
def test_an_impossible_anchor_is_refused(anchor):
    with pytest.raises(ConfigError, match="E246"):
        fit_calibrator([0.1, 0.2, 0.3], [0, 1, 0], method="anchored", anchor=anchor)


def test_many_infants_outweigh_the_anchor():
    scores, labels = logits(5000, slope=3.0)
    found = fit_calibrator(scores, labels, method="anchored")
    assert isinstance(found, LogisticCalibrator)
    assert found.slope == pytest.approx(1 / 3, abs=0.03)
