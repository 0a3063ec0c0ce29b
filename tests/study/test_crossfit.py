"""Inner folds: infants whole, classes even, every infant scored by a member that left it out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from learning import examples, network, sequence

from fidgety.errors import ConfigError, StudyError
from fidgety.study import crossfit
from fidgety.study.crossfit import cross_fit, deal_infants, fitted_classifiers, infants_needed
from fidgety.study.examples import Example
from fidgety.study.methods import METHODS, Method

NETWORK = Method("a small network", "fidgety", network=network(max_epoch=2))


def several(counts: list[int]) -> list[Example]:
    """Infants with so many recordings each; every other one abnormal."""
    one = sequence(0)
    return [
        Example(f"i{k:02}", f"i{k:02}_v{n}", k % 2, one)
        for k, count in enumerate(counts)
        for n in range(count)
    ]


@settings(max_examples=40)
@given(st.lists(st.integers(1, 3), min_size=10, max_size=24), st.integers(2, 4), st.integers(0, 9))
def test_infants_go_whole_to_one_part_and_classes_are_even(counts, parts, seed):
    rows = several(counts)
    held = deal_infants(rows, parts, seed)
    assert sorted(np.concatenate(held).tolist()) == list(range(len(rows)))
    infants = [{rows[i].infant_id for i in part} for part in held]
    assert sum(map(len, infants)) == len(set.union(*infants)) == len(counts)
    for label in (0, 1):
        sizes = [len({rows[i].infant_id for i in part if rows[i].label == label}) for part in held]
        assert max(sizes) - min(sizes) <= 1


def test_one_part_holds_out_a_fifth_of_each_class():
    rows = several([1] * 20)
    (held,) = deal_infants(rows, 1, 0)
    assert sorted(rows[i].label for i in held) == [0, 0, 1, 1]


def test_the_seed_decides_the_dealing():
    rows = several([1] * 20)
    first, again, other = (
        [part.tolist() for part in deal_infants(rows, 3, seed)] for seed in (0, 0, 1)
    )
    assert first == again != other


def test_a_class_smaller_than_the_parts_is_refused():
    with pytest.raises(StudyError, match=r"E213 .*5 infants of label 1, 6 inner folds need 6"):
        deal_infants(several([1] * 10), 6, 0)
    with pytest.raises(ConfigError, match="E702"):
        cross_fit(NETWORK, several([1] * 10), inner=-1)


@pytest.mark.parametrize(("folds", "inner"), [(2, 1), (5, 3), (5, 5), (10, 2), (3, 4)])
def test_infants_needed_are_enough_and_not_too_many(folds, inner):
    needed = infants_needed(folds, inner)
    left = [needed - len(part) for part in np.array_split(np.arange(needed), folds)]
    assert min(left) >= max(inner, 2)
    fewer = [needed - 1 - len(part) for part in np.array_split(np.arange(needed - 1), folds)]
    assert needed == folds or min(fewer) < max(inner, 2)


def test_an_ensemble_scores_every_training_infant_out_of_fold():
    train, test = examples(range(12)), examples(range(20, 24))
    found = cross_fit(NETWORK, train, inner=3)
    assert len(found.networks) == 4  # one a part, and one that leaves some out a second time
    assert np.isfinite(found.held).all()
    assert np.isfinite(found.held_risk).all()
    alone = [member.output.weight.detach().numpy() for member in found.networks]
    assert not np.array_equal(alone[0], alone[1])
    scores = found.scores(test)
    assert ((scores > 0) & (scores < 1)).all()
    assert found.rules.calibrator is not None
    assert found.rules.scope is None  # twelve infants are too few
    again = cross_fit(NETWORK, train, inner=3)
    np.testing.assert_array_equal(again.held, found.held)
    np.testing.assert_array_equal(again.scores(test), scores)


def test_the_seed_moves_the_weights_too(monkeypatch):
    """The same dealing twice, so that nothing else can differ."""
    monkeypatch.setattr(
        crossfit, "deal_infants", lambda rows, parts, _: deal_infants(rows, parts, 0)
    )
    train, test = examples(range(12)), examples(range(20, 24))
    first, other = (cross_fit(NETWORK, train, inner=2, seed=seed) for seed in (0, 1))
    assert not np.array_equal(first.scores(test), other.scores(test))
    whole, another = (cross_fit(NETWORK, train, inner=0, seed=seed) for seed in (0, 1))
    assert not np.array_equal(whole.scores(test), another.scores(test))


def test_rules_are_fitted_to_what_is_used(monkeypatch):
    """Scores that calibrate are those of the mean of all members, not of single ones."""
    asked = []
    brought = crossfit.as_of_mean

    def spy(table, labels, infants, *, members):
        asked.append((table.copy(), members))
        return brought(table, labels, infants, members=members)

    monkeypatch.setattr(crossfit, "as_of_mean", spy)
    train = examples(range(16))
    for method, inner, members in ((NETWORK, 3, 4), (NETWORK, 1, 1), (METHODS["quantiles"], 3, 10)):
        found = cross_fit(method, train, inner=inner)
        table, told = asked.pop()
        assert told == members == len(found.networks or found.classifiers) == len(table)
        twice = np.isfinite(table).sum(axis=0)
        if members > 1:
            assert twice.min() == 1 if method is NETWORK else 2
            assert twice.max() == 2


def test_a_classifier_is_made_again_as_it_was():
    train, test = examples(range(16)), examples(range(20, 26))
    method = METHODS["quantiles"]
    found = cross_fit(method, train, inner=2, seed=5)
    again = replace(found, classifiers=fitted_classifiers(method, train, inner=2, seed=5))
    np.testing.assert_array_equal(again.scores(test), found.scores(test))


def test_a_single_member_leaves_a_fifth_out_and_none_leaves_nobody():
    train = examples(range(12))
    one, whole = (cross_fit(NETWORK, train, inner=inner) for inner in (1, 0))
    assert len(one.networks) == len(whole.networks) == 1
    assert np.isfinite(one.held).sum() == 4  # two thirds of a fifth, rounded up a class
    assert not np.isfinite(whole.held).any()
    assert whole.rules.calibrator is None


@dataclass
class Counting:
    """A classifier that knows what it was fitted to."""

    fitted: list = field(default_factory=list)

    def fit(self, sequences, labels):
        self.fitted = [float(np.nansum(s)) for s in sequences]
        return self

    def risk(self, sequences):
        assert not {float(np.nansum(s)) for s in sequences} & set(self.fitted)
        return np.array([1 / (1 + np.exp(np.nanstd(s) - 0.8)) for s in sequences])


def test_members_of_a_classifier_leave_each_infant_out_twice():
    train = examples(range(16))
    found = cross_fit(replace(METHODS["quantiles"], classifier=Counting), train, inner=1)
    assert len(found.classifiers) == 10
    assert sum(len(member.fitted) for member in found.classifiers) == 10 * 16 - 2 * 16  # type: ignore[attr-defined]
    assert found.networks == ()
    assert np.isfinite(found.held).all()
    labels = np.array([e.label for e in train])
    assert found.held_risk[labels == 1].mean() > 0.7
    assert found.held_risk[labels == 0].mean() < 0.3
