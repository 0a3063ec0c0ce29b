"""Sample sizes against published figures and brute force; subgroups and their refusals."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from fidgety import statistics
from fidgety.errors import FidgetyError
from fidgety.statistics import (
    auc_half_width,
    auc_interval,
    auc_standard_error,
    compare_auc,
    infants_for_auc,
    infants_for_difference,
    infants_for_sensitivity,
    infants_for_specificity,
    plain,
    rates,
    subgroups,
)
from fidgety.statistics.rates import wilson

RELAXED = settings(max_examples=50)


# --- planning -----------------------------------------------------------------------------------


def test_hanley_mcneil_1982():
    # Radiology 143:29: area 0.893, 51 abnormal and 58 normal scans, standard error 0.032.
    assert auc_standard_error(0.893, 51, 58) == pytest.approx(0.032, abs=6e-4)


@pytest.mark.parametrize(
    ("abnormal", "infants", "half_width"), [(6, 38, 0.22), (40, 235, 0.083), (60, 235, 0.069)]
)
def test_widths_of_typical_studies(abnormal, infants, half_width):
    found = auc_half_width(0.82, abnormal, infants - abnormal)
    assert found == pytest.approx(half_width, abs=0.005 if abnormal == 6 else 5e-4)


def test_formula_is_near_delong_for_normal_scores():
    rng = np.random.default_rng(0)
    labels = np.repeat((1, 0), (40, 195))
    shift = norm.ppf(0.82) * 2**0.5
    errors = [
        auc_interval(rng.normal(size=235) + shift * labels, labels).standard_error
        for _ in range(200)
    ]
    assert np.mean(errors) == pytest.approx(auc_standard_error(0.82, 40, 195), rel=0.15)


@RELAXED
@given(st.floats(0.55, 0.98), st.floats(0.03, 0.2), st.floats(0.03, 0.6))
def test_number_for_an_area_is_the_smallest(auc, half_width, prevalence):
    found = infants_for_auc(auc, half_width, prevalence)
    assert found.abnormal + found.normal == found.total
    assert auc_half_width(auc, found.abnormal, found.normal) <= half_width
    one_less = round((found.total - 1) * prevalence)
    if (
        1 <= one_less < found.total - 1
        and found.total > max(1 / prevalence, 1 / (1 - prevalence)) + 1
    ):
        assert auc_half_width(auc, one_less, found.total - 1 - one_less) > half_width


def test_number_for_a_sensitivity():
    found = infants_for_sensitivity(0.9, 0.1, 0.15)
    by_hand = wilson(round(0.9 * found.abnormal), found.abnormal)
    assert (by_hand.high - by_hand.low) / 2 == pytest.approx(0.1, abs=0.006)
    assert found.total == -(-found.abnormal // 0.15)
    other = infants_for_specificity(0.9, 0.1, 0.85)
    assert (other.normal, other.total) == (found.abnormal, found.total)
    assert infants_for_sensitivity(0.9, 0.05, 0.15).abnormal > 3 * found.abnormal


def test_number_for_a_difference_gives_the_power():
    # Two scores that share half their noise, areas 0.75 and 0.85.
    prevalence, rng = 0.3, np.random.default_rng(1)
    shifts = norm.ppf([0.75, 0.85]) * 2**0.5

    def p_value(n1: int, n0: int) -> tuple[float, float, float]:
        labels = np.repeat((1, 0), (n1, n0))
        shared = rng.normal(size=n1 + n0)
        one, two = (np.sqrt(0.5) * (shared + rng.normal(size=n1 + n0)) + s * labels for s in shifts)
        found = compare_auc(one, two, labels)
        return found.p, found.first, found.second

    trial = np.array([p_value(60, 140) for _ in range(300)])
    correlation = float(np.corrcoef(trial[:, 1], trial[:, 2])[0, 1])
    size = infants_for_difference(0.75, 0.85, prevalence, correlation=correlation)
    power = np.mean([p_value(size.abnormal, size.normal)[0] < 0.05 for _ in range(300)])
    assert 0.7 < power < 0.92


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: auc_standard_error(1.0, 5, 5), "E246"),
        (lambda: auc_standard_error(0.8, 0, 5), "E247"),
        (lambda: auc_standard_error(0.8, 5, 2.5), "E247"),
        (lambda: auc_half_width(0.8, 5, 5, level=95), "E246"),
        (lambda: infants_for_auc(0.8, 0.0, 0.1), "E246"),
        (lambda: infants_for_auc(0.8, 0.05, 1.0), "E246"),
        (lambda: infants_for_auc(0.8, 1e-5, 0.1), "E246"),
        (lambda: infants_for_difference(0.8, 0.8, 0.1), "E246"),
        (lambda: infants_for_difference(0.8, 0.9, 0.1, correlation=1), "E246"),
        (lambda: infants_for_difference(0.8, 0.9, 0.1, power=80), "E246"),
        (lambda: infants_for_sensitivity(90, 0.05, 0.1), "E246"),
        (lambda: infants_for_specificity(0.9, 0.05, 0), "E246"),
    ],
)
def test_impossible_plans_are_refused(call, code):
    with pytest.raises(FidgetyError) as caught:
        call()
    assert caught.value.code == code


# --- subgroups ----------------------------------------------------------------------------------


def study_of_sites(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    sites = np.repeat(["north", "south", "west"], [120, 100, 12])
    labels = (rng.random(232) < 0.3).astype(int)
    gap = np.where(sites == "south", 0.2, 2.0)
    return rng.normal(size=232) + gap * labels, labels, sites


def test_subgroups_by_hand():
    scores, labels, sites = study_of_sites()
    table = subgroups(scores, labels, sites, threshold=0.8)
    north, south, west = table.groups
    inside = sites == "north"
    assert north.auc == auc_interval(scores[inside], labels[inside])
    assert north.rates == rates(scores[inside], labels[inside], 0.8)
    assert (north.recordings, north.infants) == (120, 120)
    assert north.abnormal + north.normal == 120
    assert south.auc is not None
    assert west.auc is None
    assert west.rates is None
    assert "10 of each" in west.refused


def test_different_sites_are_told_apart_and_equal_ones_are_not():
    scores, labels, sites = study_of_sites()
    found = subgroups(scores, labels, sites)
    assert found.freedom == 1
    assert found.p < 0.001
    low = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        labels = np.arange(200) % 4 == 0
        scores = rng.normal(size=200) + labels
        low += subgroups(scores, labels, rng.integers(0, 2, 200)).p < 0.05
    assert low <= 13


def test_small_groups_count_infants_not_recordings():
    scores = np.tile([0.1, 0.9], 60)
    labels = np.tile([0, 1], 60)
    infants = np.arange(120) % 8  # 4 normal, 4 abnormal
    found = subgroups(scores, labels, ["a"] * 120, infants)
    assert found.groups[0].recordings == 120
    assert found.groups[0].infants == 8
    assert found.groups[0].refused.startswith("4 abnormal and 4 normal infants")
    assert np.isnan(found.p)


def test_unrecorded_groups_are_named():
    scores, labels, sites = study_of_sites()
    names = [None if s == "west" else "" if s == "south" else s for s in sites]
    found = subgroups(scores, labels, names)
    assert [g.name for g in found.groups] == ["north", "not recorded"]


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: subgroups([1, 2], [0, 1], ["a"]), "E240"),
        (lambda: subgroups([1, 2], [0, 5], ["a", "b"]), "E241"),
        (lambda: subgroups([1, 2], [0, 0], ["a", "b"]), "E242"),
        (lambda: subgroups([1, np.nan], [0, 1], ["a", "b"]), "E243"),
        (lambda: subgroups([1, 2], [0, 1], ["a", "b"], minimum=0), "E247"),
    ],
)
def test_bad_subgroups_are_refused(call, code):
    with pytest.raises(FidgetyError) as caught:
        call()
    assert caught.value.code == code


# --- the face -----------------------------------------------------------------------------------


def test_results_become_plain_json():
    scores, labels, sites = study_of_sites()
    table = subgroups(scores, labels, sites, threshold=0.8)
    curve = statistics.roc_curve(scores, labels, draws=20)
    content = json.loads(json.dumps(plain({"table": table, "curve": curve}), allow_nan=False))
    assert content["table"]["groups"][0]["auc"]["value"] == table.groups[0].auc.value
    assert content["curve"]["threshold"][0] is None  # infinity
    assert len(content["curve"]["x"]) == len(curve.x)


def test_everything_promised_is_there():
    for name in statistics.__all__:
        assert hasattr(statistics, name)
