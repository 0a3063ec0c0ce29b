"""Classifiers on engineered features: what they learn, what they cannot, what is missing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from fidgety.models.features import SETS
from fidgety.models.rivals import Surprise, discovered, features_of
from fidgety.statistics import roc_auc
from fidgety.study.methods import METHODS

NAMES = [name for name, method in METHODS.items() if method.classifier is not None]
FRAMES = 150


def infant(seed: int, label: int) -> np.ndarray:
    """A restless recording of 5 s; limbs of label 1 move a third as much, at lower frequencies."""
    rng = np.random.default_rng(seed)
    time = np.arange(FRAMES)[:, None, None] / 30
    size = rng.uniform(0.02, 0.03, (18, 2)) * (0.33 if label else 1.0)
    f = rng.uniform(0.5, 1.5 if label else 3.0, (18, 2))
    turn = 2 * np.pi * f * time + rng.uniform(0, 6.3, (18, 2))
    place = np.random.default_rng(0).uniform(-1, 1, (18, 2)) + 0.05 * rng.normal(size=(18, 2))
    xy = place + size * np.sin(turn)
    velocity = size * 2 * np.pi * f * np.cos(turn)
    acceleration = -size * (2 * np.pi * f) ** 2 * np.sin(turn)
    speed = np.linalg.norm(velocity, axis=-1, keepdims=True)
    return np.concatenate([xy, velocity, acceleration, speed], axis=-1).transpose(2, 0, 1)


def cohort(first: int, count: int) -> tuple[list[np.ndarray], np.ndarray]:
    labels = np.arange(count) % 2
    return [infant(first + n, int(label)) for n, label in enumerate(labels)], labels


def area(labels, risk) -> float:
    return roc_auc(risk, labels)


@pytest.fixture(scope="module")
def known():
    return cohort(0, 40)


@pytest.fixture(scope="module")
def new():
    return cohort(1000, 40)


def unfitted(name: str):
    make = METHODS[name].classifier
    assert make is not None
    return make()


@pytest.mark.parametrize("name", NAMES)
def test_learns_a_planted_difference_and_repeats_itself(name, known, new):
    risk = unfitted(name).fit(*known).risk(new[0])
    assert risk.shape == (40,)
    assert ((risk >= 0) & (risk <= 1)).all()
    assert area(new[1], risk) > 0.85
    np.testing.assert_array_equal(risk, unfitted(name).fit(*known).risk(new[0]))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "chambers-bayes"])
def test_permuted_labels_teach_nothing(name, known, new):
    found = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        risk = unfitted(name).fit(known[0], rng.permutation(known[1])).risk(new[0])
        found.append(area(rng.permutation(new[1]), risk))
    assert np.mean(found) == pytest.approx(0.5, abs=0.12)  # 0.038 is its standard deviation


@pytest.mark.parametrize("name", NAMES)
def test_missing_joints_and_blind_recordings_get_a_risk(name, known):
    gappy = [values.copy() for values in known[0]]
    for n, values in enumerate(gappy):
        values[:, :, n % 18] = np.nan
        values[:, 20 : 20 + n, :] = np.nan
    model = unfitted(name).fit(gappy, known[1])
    risk = model.risk([*gappy, np.full((7, FRAMES, 18), np.nan)])
    assert np.isfinite(risk).all()
    assert ((risk >= 0) & (risk <= 1)).all()


def test_surprise_is_the_published_sum_over_normal_infants(known, new):
    model = Surprise().fit(*known)
    train = features_of(SETS["chambers"], known[0], 30.0)[known[1] == 0]
    test = features_of(SETS["chambers"], new[0], 30.0)
    total = np.zeros(len(test))
    for column in range(train.shape[1]):
        mean, sd = norm.fit(train[:, column])
        total += 0.5 * np.log(2 * np.pi * sd**2) + (test[:, column] - mean) ** 2 / (2 * sd**2)
    assert (np.argsort(total) == np.argsort(model.risk(new[0]), kind="stable")).all()


def test_surprise_never_looks_at_abnormal_infants(known, new):
    changed = [v if label == 0 else 10 * v for v, label in zip(*known, strict=True)]
    one, other = Surprise().fit(*known), Surprise().fit(changed, known[1])
    np.testing.assert_array_equal(one.risk(new[0]), other.risk(new[0]))


def test_selection_keeps_what_is_there_and_something_where_nothing_is():
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    noise = rng.normal(size=(60, 50))
    line = discovered().fit(noise, labels)
    assert line[0].get_support().sum() == 5
    noise[:, 7] += 3 * labels
    line = discovered().fit(noise, labels)
    assert line[0].get_support()[7]
    assert line[0].get_support().sum() < 6


def test_features_are_those_of_the_recording_as_it_is_now():
    values = infant(3, 0)
    once = features_of(SETS["rahmati"], [values, values.astype(np.float32)], 30.0)
    np.testing.assert_array_equal(once[0], SETS["rahmati"].of(values, 30.0))
    values *= 2
    np.testing.assert_array_equal(
        features_of(SETS["rahmati"], [values], 30.0)[0], SETS["rahmati"].of(values, 30.0)
    )
    again = features_of(SETS["rahmati"], [values], 15.0)[0]
    np.testing.assert_array_equal(again, SETS["rahmati"].of(values, 15.0))
