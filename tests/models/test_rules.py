"""What scores mean: calibrated, abstained from, in scope; and the same after a file."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit
from small_models import sequence

from fidgety.errors import CheckpointError
from fidgety.models.rules import Rules, fit_rules
from fidgety.models.scope import scope_features, scope_table
from fidgety.statistics import abstention_rates, calibration


def drawn(infants: int, seed: int, steep: float = 3.0):
    """Scores that are far too sure of themselves, and labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(infants) % 2
    x = rng.normal(size=infants) + (2 * labels - 1)
    return expit(steep * x), labels, [f"i{k}" for k in range(infants)]


def test_risks_are_calibrated_and_errors_as_stated_on_fresh_infants():
    scores, labels, infants = drawn(400, 0)
    rules = fit_rules(scores, labels, infants, error=0.1)
    fresh, truth, _ = drawn(4000, 1)
    found = calibration(rules.risk(fresh), truth, draws=5)
    assert 0.8 < found.slope.value < 1.2
    assert found.ece < 0.05
    assert found.brier.value < found.brier_prevalence
    assert rules.abstention is not None
    rates = abstention_rates(rules.abstention, np.log(fresh / (1 - fresh)), truth)
    assert rates.missed.value < 0.13
    assert rates.false_alarms.value < 0.13
    said = rules.decide(fresh)
    assert set(said) <= {"abnormal", "normal", "cannot_say"}
    assert rules.threshold == pytest.approx(0.5, abs=0.25)


def test_the_cut_is_the_threshold_or_a_half():
    scores, labels, infants = drawn(60, 5)
    assert Rules().cut == 0.5
    assert Rules(threshold=0.3).cut == 0.3
    rules = fit_rules(scores, labels, infants)
    assert rules.cut == rules.threshold


def test_scores_that_fall_give_everyone_the_prevalence():
    scores, labels, infants = drawn(60, 6)
    rules = fit_rules(1 - scores, labels, infants)
    assert np.ptp(rules.risk([0.01, 0.5, 0.99])) == 0
    assert rules.risk([0.5])[0] == pytest.approx(0.5, abs=0.01)


def test_scores_of_zero_and_one_are_borne():
    scores = np.array([0.0, 0.1, 0.3, 0.2, 0.7, 0.4, 0.9, 1.0])
    rules = fit_rules(scores, [0, 0, 0, 1, 0, 1, 1, 1], list("abcdefgh"))
    assert np.isfinite(rules.risk(scores)).all()
    assert rules.abstention is None  # four infants of a class support no error rate of 10 %
    assert rules.scope is None
    assert rules.decide(scores) is None


def test_the_same_after_json():
    scores, labels, infants = drawn(60, 2)
    rng = np.random.default_rng(3)
    table = rng.normal(size=(60, 4))
    table[7, 2] = np.nan  # a recording of which a part was never seen is left out
    rules = fit_rules(
        scores, labels, infants, features=table, feature_names="wxyz", feature_infants=infants
    )
    assert rules.scope is not None
    assert rules.scope.infants == 59
    again = Rules.from_dict(json.loads(json.dumps(rules.to_dict())))
    np.testing.assert_allclose(again.risk(scores), rules.risk(scores))
    assert again.to_dict() == rules.to_dict()
    assert Rules.from_dict({}).risk([0.3]) == pytest.approx([0.3])
    with pytest.raises(CheckpointError, match="E260"):
        Rules.from_dict({"abstention": {"kind": "magic"}})
    for bad in ("half", float("nan"), [1]):
        with pytest.raises(CheckpointError, match="E260"):
            Rules.from_dict({"threshold": bad})


def test_scope_knows_a_faster_or_larger_body_but_not_a_longer_film():
    recordings = [sequence(seed) for seed in range(40)]
    names, table = scope_table(recordings)
    assert np.isfinite(table[:, [n != "trunk_bones" for n in names]]).all()
    scores, labels, infants = drawn(40, 4)
    rules = fit_rules(
        scores, labels, infants, features=table, feature_names=names, feature_infants=infants
    )
    own = rules.scope_of(sequence(99))
    longer = rules.scope_of(sequence(99, frames=400))
    assert own is not None
    assert longer is not None
    assert own.in_scope
    assert longer.in_scope
    faster = sequence(99)
    faster = replace(faster, values=faster.values * np.array([1, 1, 9, 9, 9, 9, 9])[:, None, None])
    found = rules.scope_of(faster)
    assert found is not None
    assert not found.in_scope
    assert "speed" in found.strangest[0][0] or "fast" in found.strangest[0][0]


def test_features_do_not_tell_left_from_right():
    one = sequence(5)
    from fidgety.pose.skeleton import load_skeleton

    other = replace(one, values=one.values[:, :, load_skeleton("openpose18").mirror_order])
    assert scope_features(other) == pytest.approx(scope_features(one), nan_ok=True)
