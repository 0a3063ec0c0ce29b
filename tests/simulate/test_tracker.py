import numpy as np
import pytest

from fidgety.errors import ConfigError
from fidgety.simulate.body import SKELETON
from fidgety.simulate.tracker import TrackerConfig, track

FPS, SCALE, SIZE = 30.0, 100.0, (1000, 1000)
CALM = {
    "jumps_per_s": 0.0,
    "gaps_per_s": 0.0,
    "swaps_per_minute": 0.0,
    "hand_probability": 0.0,
}


def tracked(frames=1800, seed=0, xy=None, **config):
    places = np.random.default_rng(9).uniform(300, 700, (1, len(SKELETON), 2))
    truth = np.repeat(places, frames, axis=0) if xy is None else xy
    hidden = np.zeros(truth.shape[:2])
    rng = np.random.default_rng(seed)
    return truth, *track(truth, hidden, FPS, SIZE, SCALE, TrackerConfig(**config), rng)


def test_error_has_the_stated_size_and_color():
    truth, found, _ = tracked(9000, noise=(0.01, 0.01), **CALM)
    error = (found - truth)[:, SKELETON.index["right_wrist"]] / SCALE
    assert error.std() == pytest.approx(0.01, rel=0.25)
    frequency = np.fft.rfftfreq(len(error), 1 / FPS)
    power = (np.abs(np.fft.rfft(error, axis=0)) ** 2).mean(axis=1)
    low, high = power[(frequency > 0.05) & (frequency < 0.4)], power[frequency > 8]
    assert low.mean() > 10 * high.mean()  # coloured
    assert high.min() > 0  # with a white floor


def test_errors_of_two_joints_are_unrelated():
    truth, found, _ = tracked(9000, noise=(0.01, 0.01), **CALM)
    error = (found - truth).reshape(len(found), -1)
    apart = np.corrcoef(error.T)[~np.eye(error.shape[1], dtype=bool)]
    assert np.abs(apart).max() < 0.3


def test_low_confidence_goes_with_large_error():
    truth, found, confidence = tracked(9000, noise=(0.01, 0.01), **CALM)
    error = np.linalg.norm(found - truth, axis=2)
    bad = confidence < np.quantile(confidence, 0.2)
    assert error[bad].mean() > 1.1 * error[~bad].mean()


def test_gaps_are_nan_with_no_confidence():
    _, found, confidence = tracked(noise=(0.01, 0.01), **(CALM | {"gaps_per_s": 0.2}))
    missing = np.isnan(found).any(axis=2)
    assert 0.02 < missing.mean() < 0.2
    assert np.array_equal(missing, confidence == 0)


def test_jumps_are_rare_and_large():
    truth, found, _ = tracked(noise=(0.001, 0.001), **(CALM | {"jumps_per_s": 0.1}))
    away = np.linalg.norm(found - truth, axis=2) > 0.05 * SCALE
    assert 0.001 < away.mean() < 0.02


def test_swaps_exchange_left_and_right():
    truth, found, _ = tracked(noise=(0.0001, 0.0001), **(CALM | {"swaps_per_minute": 30.0}))
    mirrored = np.linalg.norm(found - truth[:, SKELETON.mirror_order], axis=2) < 1
    wrong = np.linalg.norm(found - truth, axis=2) > 1
    assert wrong.any()
    assert mirrored[wrong].all()


def test_a_hand_covers_a_region_for_a_while():
    _, found, confidence = tracked(
        noise=(0.01, 0.01), **(CALM | {"hand_probability": 1.0, "hand_s": (3.0, 3.0)})
    )
    covered = (confidence < 0.6).any(axis=1)
    assert 1.0 < covered.sum() / FPS < 3.5
    assert np.isnan(found).mean() < 0.1


def test_joints_outside_the_image_are_not_found():
    xy = np.full((100, len(SKELETON), 2), 500.0)
    xy[:, 3] = (1100.0, 500.0)
    _, found, confidence = tracked(xy=xy, **CALM)
    assert np.isnan(found[:, 3]).all()
    assert confidence[:, 3].max() == 0
    assert not np.isnan(found[:, 4]).any()


@pytest.mark.parametrize(
    "wrong", [{"noise": (0.02, 0.01)}, {"white_share": 2.0}, {"gap_s": (0.0, 1.0)}, {"jump": -1}]
)
def test_impossible_trackers_are_refused(wrong):
    with pytest.raises(ConfigError, match="E702"):
        TrackerConfig(**wrong)
