from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from fidgety.statistics.agreement import cohen_kappa

RATINGS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=60)


def from_table(table: list[list[int]]) -> tuple[list[int], list[int]]:
    pairs = [(a, b) for a, row in enumerate(table) for b, n in enumerate(row) for _ in range(n)]
    return [a for a, _ in pairs], [b for _, b in pairs]


def test_the_worked_example_of_fleiss_cohen_and_everitt() -> None:
    # Their table 1 (doi 10.1037/h0028106), shares of 200: kappa 0.429, standard error 0.054.
    table = [[106, 10, 4], [22, 28, 10], [2, 12, 6]]
    found = cohen_kappa(*from_table(table), (0, 1, 2))
    assert found.kappa == pytest.approx(0.429, abs=5e-4)
    assert (found.high - found.low) / 2 / 1.959964 == pytest.approx(0.054, abs=5e-4)
    assert found.n == 200
    assert found.table.tolist() == table


@given(RATINGS)
def test_kappa_is_that_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    first, second = zip(*pairs, strict=True)
    for weights, theirs in (("equal", None), ("linear", "linear")):
        found = cohen_kappa(first, second, range(4), weights=weights)
        if math.isnan(found.kappa):
            assert len(set(first) | set(second)) == 1
            continue
        known = cohen_kappa_score(first, second, labels=[0, 1, 2, 3], weights=theirs)
        assert found.kappa == pytest.approx(known, abs=1e-9)
        assert found.low <= found.kappa + 1e-12
        assert found.kappa <= found.high + 1e-12


@given(RATINGS)
def test_it_does_not_matter_who_is_first(pairs: list[tuple[int, int]]) -> None:
    first, second = zip(*pairs, strict=True)
    one, other = cohen_kappa(first, second, range(4)), cohen_kappa(second, first, range(4))
    np.testing.assert_allclose(
        [one.kappa, one.low, one.high], [other.kappa, other.low, other.high], atol=1e-12
    )


def test_the_interval_covers() -> None:
    rng = np.random.default_rng(0)
    shares = np.array([[0.4, 0.1], [0.15, 0.35]])
    truth = (0.75 - (0.5 * 0.55 + 0.5 * 0.45)) / (1 - (0.5 * 0.55 + 0.5 * 0.45))
    held = 0
    for _ in range(400):
        table = rng.multinomial(150, shares.ravel()).reshape(2, 2)
        found = cohen_kappa(*from_table(table.tolist()), (0, 1))
        held += found.low <= truth <= found.high
    assert 0.92 <= held / 400 <= 0.98


def test_what_is_not_defined_is_nan() -> None:
    assert math.isnan(cohen_kappa([], [], (0, 1)).agreed)
    assert math.isnan(cohen_kappa([1], [1], (0, 1)).kappa)
    same = cohen_kappa([1, 1, 1], [1, 1, 1], (0, 1))
    assert same.agreed == 1.0
    assert math.isnan(same.kappa)
    for first, second in (([0], [0, 1]), ([0, 2], [0, 1])):
        with pytest.raises(ValueError, match="ratings"):
            cohen_kappa(first, second, (0, 1))
