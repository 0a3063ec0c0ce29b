"""Frequency features: sines of known power and frequency, an oracle, gaps."""

from __future__ import annotations

import numpy as np
import pytest
from known_movement import FPS, SKELETON, mirrored, moved, restless, still, times
from scipy import signal

from fidgety.models.features import SETS
from fidgety.models.features.rahmati import power_spectrum

RAHMATI = SETS["rahmati"]


def named(values, fps=FPS) -> dict[str, float]:
    return dict(zip(RAHMATI.names, RAHMATI.of(values, fps), strict=True))


@pytest.mark.parametrize("f", [1.0, 2.0, 3.5])
@pytest.mark.parametrize("fps", [30.0, 60.0])
def test_a_sine_gives_its_power_and_frequency(f, fps):
    time = times(20, fps)
    found = named(moved(time, fps, left_wrist=still(0.1 * np.sin(2 * np.pi * f * time))), fps)
    at = "rahmati_left_wrist_"
    assert found[at + "level"] == pytest.approx(10 * np.log10(0.1**2 / 2), abs=0.1)
    assert found[at + "centroid"] == pytest.approx(f, abs=0.05)
    assert found[at + "bandwidth"] < 0.3
    shares = {name: value for name, value in found.items() if name.startswith(at + "share")}
    best = max(shares, key=lambda name: shares[name])
    low, high = (float(p.replace("p", ".")) for p in best[len(at + "share_") : -3].split("_"))
    assert low <= f < high
    assert sum(shares.values()) == pytest.approx(1)


def test_white_noise_is_flat():
    rng = np.random.default_rng(0)
    found = named(moved(times(60), right_ankle=0.02 * rng.normal(size=(1800, 2))))
    assert found["rahmati_right_ankle_entropy"] > 0.97
    assert found["rahmati_right_ankle_centroid"] == pytest.approx((0.25 + 6) / 2, abs=0.3)


def test_against_scipys_welch():
    track = np.random.default_rng(1).normal(size=(600, 3))
    frequency, power = power_spectrum(track, FPS)
    wanted = signal.welch(track, FPS, nperseg=120, noverlap=60, detrend="constant", axis=0)
    np.testing.assert_allclose(frequency, wanted[0])
    np.testing.assert_allclose(power, wanted[1], rtol=1e-9, atol=1e-15)


def test_a_window_with_a_long_gap_is_left_out():
    track = np.random.default_rng(2).normal(size=(600, 1))
    gappy = track.copy()
    gappy[0:60] = np.nan  # spoils the first window only
    _, power = power_spectrum(gappy, FPS)
    _, rest = power_spectrum(track[60:], FPS)
    np.testing.assert_allclose(power, rest)
    assert np.isnan(power_spectrum(np.full((600, 1), np.nan), FPS)[1]).all()


def test_a_mirror_swaps_the_sides():
    values = restless(4)
    one, other = named(values), named(mirrored(values))
    for name, value in one.items():
        partner = name.replace("left", "?").replace("right", "left").replace("?", "right")
        assert other[partner] == pytest.approx(value, rel=1e-6), name


def test_a_trunk_that_is_never_whole_is_missing():
    values = restless(5)
    values[:, :, SKELETON.index["left_hip"]] = np.nan
    found = named(values)
    assert {name for name, value in found.items() if np.isnan(value)} == {
        name for name in found if "trunk" in name
    }
