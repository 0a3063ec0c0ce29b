"""The abstention and scope rules keep their stated rates on fresh data, and travel as JSON."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import ledoit_wolf

from fidgety.errors import CheckpointError, ConfigError, FidgetyError, FidgetyWarning, StudyError
from fidgety.statistics import (
    AbstentionRule,
    abstention_from_dict,
    abstention_rates,
    fit_abstention,
    fit_scope,
    plain,
    scope_from_dict,
)
from fidgety.statistics.scope import _ledoit_wolf

RARE = settings(max_examples=12)


def scored(rng: np.random.Generator, n1: int, n0: int) -> tuple[np.ndarray, np.ndarray]:
    labels = np.repeat((1, 0), (n1, n0))
    return rng.normal(size=n1 + n0) + 1.5 * labels, labels


# --- abstention ---------------------------------------------------------------------------------


def test_rule_by_hand():
    # 9 infants a class at 10 %: one of ten ranks may be lost, which is none of the nine scores.
    scores = np.r_[np.arange(5.0, 14.0), np.arange(0.0, 9.0)]
    labels = np.repeat((1, 0), 9)
    rule = fit_abstention(scores, labels, error=0.1)
    assert (rule.abnormal_from, rule.normal_to) == (5, 8)
    assert rule.decide([4.9, 5, 8, 8.1]).tolist() == [
        "normal",
        "cannot_say",
        "cannot_say",
        "abnormal",
    ]
    # At 20 % the lowest abnormal and the highest normal score may be lost.
    rule = fit_abstention(scores, labels, error=0.2)
    assert (rule.abnormal_from, rule.normal_to) == (6, 7)
    assert (rule.abnormal, rule.normal) == (9, 9)


def test_limits_are_those_of_the_p_values():
    rng = np.random.default_rng(0)
    scores, labels = scored(rng, 23, 57)
    for error in (0.05, 0.1, 0.17, 0.3):
        rule = fit_abstention(scores, labels, error=error)
        for s in np.r_[scores, rng.normal(size=50)]:
            p1 = (1 + (scores[labels == 1] <= s).sum()) / 24
            p0 = (1 + (scores[labels == 0] >= s).sum()) / 58
            wanted = {
                (True, False): "abnormal",
                (False, True): "normal",
            }.get((p1 > error, p0 > error), "cannot_say")
            assert rule.decide(s) == wanted


@RARE
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.1, 0.2]), st.sampled_from([15, 40]))
def test_fresh_infants_of_each_class_keep_the_error_rate(seed, error, n1):
    rng = np.random.default_rng(seed)
    missed, alarms = [], []
    for _ in range(150):
        rule = fit_abstention(*scored(rng, n1, 60), error=error)
        found = abstention_rates(rule, *scored(rng, 200, 200))
        missed.append(found.missed.value)
        alarms.append(found.false_alarms.value)
    # The mean of 150 cohorts, with four standard errors of room.
    for rates in (missed, alarms):
        assert np.mean(rates) <= error + 4 * np.std(rates) / 150**0.5


def test_rate_holds_for_scores_with_ties_and_without_skill():
    rng = np.random.default_rng(3)
    wrong = []
    for _ in range(300):
        labels = np.repeat((1, 0), (20, 40))
        rule = fit_abstention(rng.integers(0, 4, 60), labels, error=0.2)
        found = abstention_rates(rule, rng.integers(0, 4, 300), np.repeat((1, 0), 150))
        wrong.append((found.missed.value, found.false_alarms.value))
    assert (np.mean(wrong, axis=0) <= 0.21).all()


def test_rate_holds_when_infants_have_several_recordings():
    rng = np.random.default_rng(4)
    missed = []
    for _ in range(300):
        label = np.repeat((1, 0), (20, 40))
        level = rng.normal(size=60) + 1.5 * label
        of = np.repeat(np.arange(60), rng.integers(1, 6, 60))
        rule = fit_abstention(level[of] + 0.5 * rng.normal(size=of.size), label[of], of, error=0.1)
        fresh = rng.normal(size=300) + 1.5 + 0.5 * rng.normal(size=300)
        missed.append((rule.decide(fresh) == "normal").mean())
    assert np.mean(missed) <= 0.105
    assert np.mean(missed) > 0.05


def test_too_few_infants_never_rule_their_class_out():
    scores, labels = scored(np.random.default_rng(0), 5, 50)
    with pytest.warns(FidgetyWarning, match=r"W262 With 5 abnormal infants.*9 infants"):
        rule = fit_abstention(scores, labels, error=0.1)
    assert rule.abnormal_from is None
    assert set(rule.decide(np.linspace(-9, 9, 50))) == {"cannot_say", "abnormal"}
    assert abstention_from_dict(json.loads(json.dumps(rule.to_dict()))) == rule


def test_a_better_model_answers_more():
    rng = np.random.default_rng(1)
    labels = np.repeat((1, 0), (40, 160))
    noise = rng.normal(size=200)
    answered = []
    for gap in (0.5, 1.5, 3.0):
        scores = noise + gap * labels
        found = abstention_rates(fit_abstention(scores, labels, error=0.1), scores, labels)
        answered.append(found.answered.value)
    assert answered[0] < answered[1] < answered[2]


def test_missing_scores_cannot_be_answered_and_shapes_stay():
    rule = AbstentionRule(0.4, 0.3, 0.1, 20, 80)
    said = rule.decide([[np.nan, 0.9], [0.1, 0.35]])
    assert said.tolist() == [["cannot_say", "abnormal"], ["normal", "cannot_say"]]
    assert rule.decide(0.9).shape == ()


def test_rates_by_hand():
    rule = AbstentionRule(0.4, 0.6, 0.1, 20, 80)
    found = abstention_rates(rule, [0.1, 0.5, 0.9, 0.1, 0.2, 0.9], [1, 1, 1, 0, 0, 0])
    assert found.answered.value == pytest.approx(5 / 6)
    assert found.missed.value == pytest.approx(1 / 3)
    assert found.false_alarms.value == pytest.approx(1 / 3)
    assert found.wrong_among_answered.value == pytest.approx(2 / 5)


def test_rule_survives_json():
    rule = fit_abstention(*scored(np.random.default_rng(0), 20, 60))
    again = abstention_from_dict(json.loads(json.dumps(rule.to_dict(), allow_nan=False)))
    assert again == rule


# --- scope --------------------------------------------------------------------------------------

NAMES = tuple("abcdef")
MIX = np.random.default_rng(7).normal(size=(6, 6)) + 2 * np.eye(6)


def features(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.normal(size=(n, 6)) @ MIX + 100


def test_scope_keeps_its_false_alarm_rate():
    rng = np.random.default_rng(0)
    alarms = []
    for _ in range(60):
        rule = fit_scope(features(rng, 60), NAMES, false_alarm=0.1, seed=rng)
        alarms.append((rule.distance(features(rng, 200)) > rule.limit).mean())
    assert 0.06 < np.mean(alarms) < 0.12


def test_scope_finds_what_is_unlike_and_says_why():
    rng = np.random.default_rng(1)
    rule = fit_scope(features(rng, 150), NAMES)
    row = dict(zip(NAMES, features(rng, 1)[0], strict=True))
    assert rule.check(row | {"other": 1.0}).in_scope
    found = rule.check(row | {"c": 200.0})
    assert not found.in_scope
    assert found.distance > found.limit
    assert found.strangest[0][0] == "c"
    assert found.strangest[0][1] > 10


def test_scope_sees_broken_correlations_that_no_single_feature_shows():
    rng = np.random.default_rng(2)
    base = rng.normal(size=(200, 1))
    table = np.hstack([base, base]) + 0.1 * rng.normal(size=(200, 2))
    rule = fit_scope(table, ["left", "right"])
    assert rule.check({"left": 1.0, "right": 1.0}).in_scope
    assert not rule.check({"left": 1.0, "right": -1.0}).in_scope


def test_a_missing_feature_is_out_of_scope():
    rule = fit_scope(features(np.random.default_rng(3), 50), NAMES)
    for row in ({}, dict.fromkeys(NAMES, np.nan), dict.fromkeys(NAMES[:-1], 100.0)):
        found = rule.check(row)
        assert not found.in_scope
        assert found.distance == np.inf
    assert plain(found)["distance"] is None


def test_scope_is_robust_to_a_few_spoilt_rows():
    rng = np.random.default_rng(4)
    clean = features(rng, 200)
    spoilt = clean.copy()
    spoilt[:8] += 1000
    odd = features(rng, 300) + np.array([0, 0, 12, 0, 0, 0])
    found = [
        (rule.distance(odd) > rule.limit).mean()
        for rule in (fit_scope(t, NAMES, false_alarm=0.1) for t in (clean, spoilt))
    ]
    assert found[1] > 0.9 * found[0] > 0.5


def two_kinds(rng, first: int, second: int) -> np.ndarray:
    """Recordings of two kinds, far apart in half of the features."""
    return np.vstack(
        [features(rng, first), features(rng, second) + np.array([20, 0, 20, 0, 20, 0])]
    )


@pytest.mark.parametrize(("first", "second"), [(200, 60), (60, 200), (100, 100)])
def test_each_kind_of_recordings_has_its_own_scope(first, second):
    rng = np.random.default_rng(7)
    rule = fit_scope(two_kinds(rng, first, second), NAMES)
    assert [one.infants for one in (rule, *rule.others)] == sorted((first, second), reverse=True)
    new = two_kinds(rng, 400, 400)
    inside = np.array([rule.check(dict(zip(NAMES, row, strict=True))).in_scope for row in new])
    assert (inside[:400].mean() > 0.85, inside[400:].mean() > 0.85) == (True, True)
    between = features(rng, 200) + np.array([10, 0, 10, 0, 10, 0])
    inside = [rule.check(dict(zip(NAMES, row, strict=True))).in_scope for row in between]
    assert np.mean(inside) < 0.1
    again = scope_from_dict(json.loads(json.dumps(rule.to_dict())))
    checks = [rule.check(dict(zip(NAMES, row, strict=True))) for row in new[::50]]
    assert [again.check(dict(zip(NAMES, row, strict=True))) for row in new[::50]] == checks


def test_few_infants_of_another_kind_are_no_kind():
    rng = np.random.default_rng(8)
    assert fit_scope(two_kinds(rng, 200, 10), NAMES).others == ()
    assert fit_scope(features(rng, 300), NAMES).others == ()
    # Forty recordings of four infants are four infants.
    infants = [f"a{k}" for k in range(200)] + [f"b{k % 4}" for k in range(40)]
    assert fit_scope(two_kinds(rng, 200, 40), NAMES, infants).others == ()


def test_all_recordings_of_an_infant_are_of_one_kind():
    rng = np.random.default_rng(9)
    infants = [f"a{k // 2}" for k in range(200)] + [f"b{k // 2}" for k in range(60)]
    rule = fit_scope(two_kinds(rng, 200, 60), NAMES, infants)
    assert [one.infants for one in (rule, *rule.others)] == [100, 30]


def test_a_feature_in_which_most_nearly_agree_does_not_drown_the_others():
    rng = np.random.default_rng(10)
    table = features(rng, 200)
    table[:, 0] = 1e-6 * rng.normal(size=200)
    table[:30, 0] = rng.uniform(0, 1, 30)  # more than the false alarm rate leaves out
    rule = fit_scope(table, NAMES)
    assert rule.limit < 15
    odd = dict(zip(NAMES, [0, 12, -12, 12, -12, 12], strict=True))
    assert not rule.check(odd).in_scope


def test_units_of_features_do_not_matter():
    rng = np.random.default_rng(5)
    table, new = features(rng, 80), features(rng, 20)
    scale, shift = np.array([1e-3, 1, 1e3, 5, 0.2, 9]), np.arange(6)
    one, two = fit_scope(table, NAMES), fit_scope(table * scale + shift, NAMES)
    assert one.limit == pytest.approx(two.limit)
    assert one.distance(new) == pytest.approx(two.distance(new * scale + shift))


def test_features_that_do_not_vary_are_left_out():
    table = features(np.random.default_rng(6), 40)
    table[:, 2] = 30.0
    rule = fit_scope(table, NAMES)
    assert rule.names == ("a", "b", "d", "e", "f")


def test_scope_is_reproducible_and_survives_json():
    table = features(np.random.default_rng(8), 60)
    infants = [f"b{k // 2}" for k in range(60)]
    rule, same = (fit_scope(table, NAMES, infants, seed=3) for _ in range(2))
    assert rule.to_dict() == same.to_dict()
    assert rule.infants == 30
    again = scope_from_dict(json.loads(json.dumps(rule.to_dict(), allow_nan=False)))
    assert again.to_dict() == rule.to_dict()
    assert (again.distance(table) == rule.distance(table)).all()


def test_shrinkage_is_scikit_learns():
    rng = np.random.default_rng(9)
    for n in (8, 40, 300):
        z = features(rng, n)
        z = z - z.mean(axis=0)
        assert _ledoit_wolf(z) == pytest.approx(ledoit_wolf(z, assume_centered=True)[0])


# --- rejections ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "kind", "code"),
    [
        (lambda: fit_abstention([1, 2], [0, 1], error=0), ConfigError, "E246"),
        (lambda: fit_abstention([1, 2], [0, 1], error=10), ConfigError, "E246"),
        (lambda: fit_abstention([1, 2], [1, 1]), StudyError, "E242"),
        (lambda: fit_abstention([1, np.nan], [1, 0]), StudyError, "E243"),
        (lambda: fit_abstention([1, 2, 3], [1, 0, 0], ["a", "a", "b"]), StudyError, "E245"),
        (lambda: fit_scope(np.ones((20, 6)), NAMES), StudyError, "E261"),
        (lambda: fit_scope(np.ones(20), NAMES), StudyError, "E261"),
        (lambda: fit_scope(np.ones((20, 5)), NAMES), StudyError, "E261"),
        (lambda: fit_scope([["a"] * 6] * 20, NAMES), StudyError, "E261"),
        (lambda: fit_scope(np.eye(20)[:, :2], ["a", "a"]), StudyError, "E261"),
        (lambda: fit_scope(np.full((20, 1), np.nan), ["a"]), StudyError, "E261"),
        (lambda: fit_scope(np.eye(20)[:, :1], ["a"], ["x"]), StudyError, "E261"),
        (lambda: fit_scope(np.arange(18.0)[:, None], ["a"]), StudyError, "E263"),
        (lambda: fit_scope(np.arange(9.0)[:, None], ["a"], false_alarm=0.5), StudyError, "E263"),
        (lambda: fit_scope(np.arange(40.0)[:, None], ["a"], false_alarm=5), ConfigError, "E246"),
    ],
)
def test_bad_input_is_refused(call, kind, code):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FidgetyWarning)
        with pytest.raises(FidgetyError) as caught:
            call()
    assert isinstance(caught.value, kind)
    assert caught.value.code == code


def damaged(content: dict, **changes: object) -> dict:
    return {k: v for k, v in (content | changes).items() if v != "gone"}


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "knn"},
        {"names": "gone"},
        {"names": ["a"]},
        {"centre": [1.0, None, 2.0, 3.0, 4.0, 5.0]},
        {"scale": [1.0, 1.0, 0.0, 1.0, 1.0, 1.0]},
        {"precision": [[1.0]]},
        {"precision": "words"},
        {"limit": None},
        {"limit": float("inf")},
        {"infants": "gone"},
        {"others": 5},
        {"others": [5]},
        {"others": [{}]},
        {"others": [{}, {}, {}]},
        {"others": [{"others": []}]},
    ],
)
def test_damaged_scope_rules_are_refused(changes):
    content = fit_scope(features(np.random.default_rng(0), 40), NAMES).to_dict()
    with pytest.raises(CheckpointError, match="E260"):
        scope_from_dict(damaged(content, **changes))


@pytest.mark.parametrize(
    "changes",
    [{"kind": "gone"}, {"error": "gone"}, {"abnormal_from": "0.3"}, {"normal_to": float("nan")}],
)
def test_damaged_abstention_rules_are_refused(changes):
    content = AbstentionRule(0.4, 0.3, 0.1, 20, 80).to_dict()
    with pytest.raises(CheckpointError, match="E260"):
        abstention_from_dict(damaged(content, **changes))


def test_content_that_is_no_mapping_is_refused():
    for read in (scope_from_dict, abstention_from_dict):
        with pytest.raises(CheckpointError, match="E260"):
            read(None)
