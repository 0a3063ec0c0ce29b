"""The plain rivals: quantiles against numpy, planted differences, joints never seen."""

from __future__ import annotations

import numpy as np
import pytest

from fidgety.models.features import SETS
from fidgety.models.quantiles import (
    LEVELS,
    MeanSpeed,
    QuantileRegression,
    joint_quantiles,
    observed_quantiles,
    quantile_features,
)
from fidgety.motion import CHANNELS

VX, VY = CHANNELS.index("velocity_x"), CHANNELS.index("velocity_y")


def recording(seed: int, speed: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(7, 80, 18)) * speed


def cohort(start: int, count: int = 20):
    labels = np.arange(count) % 2
    return [
        np.abs(recording(start + n, 1.0 - 0.4 * label)) for n, label in enumerate(labels)
    ], labels


def test_features_are_quantiles_of_each_joint():
    values = recording(0)
    table = quantile_features(values).reshape(2, len(LEVELS), 18)
    speed = np.hypot(values[VX, :, 4], values[VY, :, 4])
    np.testing.assert_allclose(table[0, :, 4], np.log(1e-3 + np.quantile(speed, LEVELS)))
    acceleration = np.hypot(values[4, :, 7], values[5, :, 7])
    np.testing.assert_allclose(table[1, :, 7], np.log(1e-3 + np.quantile(acceleration, LEVELS)))


def test_missing_frames_are_left_out_and_unseen_joints_take_the_median():
    values = recording(1)
    values[:, 10:30, 4] = np.nan
    values[:, :, 5] = np.nan
    table = quantile_features(values).reshape(2, len(LEVELS), 18)
    speed = np.delete(np.hypot(values[VX, :, 4], values[VY, :, 4]), np.s_[10:30])
    np.testing.assert_allclose(table[0, :, 4], np.log(1e-3 + np.quantile(speed, LEVELS)))
    others = np.exp(np.delete(table[0], 5, axis=1)) - 1e-3
    np.testing.assert_allclose(np.exp(table[0, :, 5]) - 1e-3, np.median(others, axis=1))


def test_a_recording_with_nothing_seen_gives_finite_numbers():
    blind = np.full((7, 20, 18), np.nan)
    assert np.isfinite(quantile_features(blind)).all()
    sequences, labels = cohort(0)
    for kind in (QuantileRegression, MeanSpeed):
        assert np.isfinite(kind().fit(sequences, labels).risk([blind])).all()


@pytest.mark.parametrize("kind", [QuantileRegression, MeanSpeed])
def test_learns_a_planted_difference(kind):
    model = kind().fit(*cohort(0))
    sequences, labels = cohort(100)
    risk = model.risk(sequences)
    assert risk.shape == (20,)
    assert risk[labels == 1].min() > risk[labels == 0].max()
    np.testing.assert_array_equal(risk, kind().fit(*cohort(0)).risk(sequences))


def test_quantiles_of_columns_with_gaps_are_numpys():
    columns = np.random.default_rng(0).normal(size=(50, 6))
    columns[np.random.default_rng(1).random((50, 6)) < 0.3] = np.nan
    np.testing.assert_allclose(
        observed_quantiles(columns, LEVELS), np.nanquantile(columns, LEVELS, axis=0)
    )
    assert np.isnan(observed_quantiles(np.full((5, 2), np.nan), LEVELS)).all()
    assert np.isnan(observed_quantiles(np.zeros((0, 2)), LEVELS)).all()


def test_the_feature_set_holds_the_same_quantiles_and_leaves_the_unseen_empty():
    values = recording(3)
    values[:, 20:40, 4] = np.nan
    values[:, :, 9] = np.nan
    found = SETS["quantiles"].of(values, 30.0).reshape(2, len(LEVELS), 18)
    np.testing.assert_array_equal(found, joint_quantiles(values))
    assert np.isnan(found[:, :, 9]).all()
    np.testing.assert_allclose(
        np.log(1e-3 + found[:, :, 4]), quantile_features(values).reshape(found.shape)[:, :, 4]
    )
