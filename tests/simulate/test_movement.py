import numpy as np
import pytest
from scipy.signal import welch

from fidgety.errors import ConfigError
from fidgety.simulate.body import ANGLES
from fidgety.simulate.movement import MovementConfig, move
from fidgety.simulate.signals import band_process, colored_noise, episode, minimum_jerk, windows

FPS = 60.0
TIME = np.arange(0, 60, 1 / FPS)
# Nothing but the small movement: no strokes reach anywhere, nobody kicks or cries.
STILL = {"reach": 0.0, "kicking_probability": 0.0, "crying_probability": 0.0}
# Nor does the posture drift, because nothing stands in for fidgety movement.
ALONE = STILL | {"substitute": 0.0, "disguise": 0.0}
SPARSE = np.arange(0, 60, 1 / 15)


def moved(pattern, seed=0, time=TIME, **config):
    settings = MovementConfig(**config)
    return move(time, pattern, settings, np.random.default_rng(seed), np.random.default_rng(seed))


def share_in(band, signal):
    """Share of the power of columns of `signal` that lies within `band`."""
    frequency, power = welch(signal - signal.mean(axis=0), FPS, nperseg=1024, axis=0)
    inside = (frequency >= band[0]) & (frequency <= band[1])
    return power[inside].sum() / power.sum()


def test_band_process_keeps_to_its_band_and_moments():
    rng = np.random.default_rng(0)
    time = np.arange(0, 200, 1 / FPS)
    signal, speed, jerk = band_process(time, (0.8, 3.0), 1.8, 40, rng)
    assert share_in((0.7, 3.1), signal) > 0.99
    assert signal.var() == pytest.approx(1.0, rel=0.1)
    velocity = np.gradient(signal, time, axis=0)
    assert velocity.var() == pytest.approx(speed, rel=0.1)
    assert np.gradient(velocity, time, axis=0).var() == pytest.approx(jerk, rel=0.1)


def test_colored_noise_has_its_memory():
    noise = colored_noise(20000, 30.0, 0.5, (4,), np.random.default_rng(0))
    assert noise.std() == pytest.approx(1.0, rel=0.05)
    lagged = (noise[15:] * noise[:-15]).mean() / noise.var()
    assert lagged == pytest.approx(np.exp(-1), abs=0.08)


def test_windows_and_minimum_jerk():
    time = np.linspace(0, 10, 1001)
    inside = windows(time, np.array([2.0, 6.0]), np.array([4.0, 9.0]))
    assert inside[time < 2].max() == 0
    assert inside[(time > 7) & (time < 8)].min() == 1
    assert inside[(time > 4) & (time < 6)].max() == 0
    assert minimum_jerk(np.array([0.0, 0.5, 1.0])) == pytest.approx([0, 0.5, 1])
    course = minimum_jerk(np.linspace(0, 1, 1001))
    assert np.diff(course)[[0, -1]] == pytest.approx(0, abs=1e-7)
    assert np.diff(course).max() * 1000 == pytest.approx(1.875, rel=1e-3)  # peak speed, 15/8


def test_an_episode_lasts_as_long_as_told():
    time = np.arange(0, 100, 0.01)
    envelopes = [episode(time, 1.0, (5.0, 5.0), np.random.default_rng(s)) for s in range(20)]
    assert max(envelope.sum() * 0.01 for envelope in envelopes) < 5.0
    assert np.median([envelope.sum() * 0.01 for envelope in envelopes]) > 4.0
    assert episode(time, 0.0, (5.0, 5.0), np.random.default_rng(0)).max() == 0


@pytest.mark.parametrize("band", [(0.8, 3.0), (1.5, 2.5)])
def test_fidgety_movement_lies_in_its_band(band):
    small = moved("continual", band_hz=band, center_hz=(2.0, 2.0), **ALONE).angles
    used = [column for column, angle in enumerate(ANGLES) if angle.fidgety > 0]
    assert share_in((band[0] - 0.3, band[1] + 0.3), small[:, used]) > 0.97


def test_what_stands_in_its_place_lies_beside_the_band():
    small = moved("absent", disguise=1.0, disguise_spread=0.0, **STILL).angles
    used = [column for column, angle in enumerate(ANGLES) if angle.fidgety > 0]
    assert share_in((1.1, 3.0), small[:, used]) < 0.06


def test_the_substitute_is_as_fast_and_as_abrupt():
    ratio = {"speed": [], "acceleration": []}
    time = np.arange(0, 30, 1 / 120)
    for seed in range(10):
        kept = {"amplitude_spread": 0.0, "center_hz": (1.8, 1.8), "intermittent_share": 0.0}
        kept |= {"disguise": 1.0, "disguise_spread": 0.0, "substitute": 1.0} | STILL
        speeds, pushes = [], []
        for pattern in ("continual", "absent"):
            velocity = np.gradient(moved(pattern, seed, time, **kept).angles, time, axis=0)
            speeds.append(velocity.var())
            pushes.append(np.gradient(velocity, time, axis=0).var())
        ratio["speed"].append(speeds[1] / speeds[0])
        ratio["acceleration"].append(pushes[1] / pushes[0])
    assert np.mean(ratio["speed"]) == pytest.approx(1.0, abs=0.1)
    assert np.mean(ratio["acceleration"]) == pytest.approx(1.05, abs=0.15)  # restless adds a little


def test_the_drift_gives_the_same_reach():
    kept = {"amplitude_spread": 0.0, "intermittent_share": 0.0, "disguise_spread": 0.0} | STILL
    spreads = [
        np.mean([moved(p, seed, SPARSE, **kept).angles.var(axis=0).mean() for seed in range(6)])
        for p in ("continual", "absent")
    ]
    assert spreads[1] == pytest.approx(spreads[0], rel=0.25)


@pytest.mark.parametrize(
    ("pattern", "least", "most"),
    [
        ("continual", 0.75, 1.0),
        ("exaggerated", 0.75, 1.0),
        ("intermittent", 0.4, 0.85),
        ("sporadic", 0.03, 0.3),
        ("absent", 0.0, 0.0),
    ],
)
def test_patterns_fill_their_share_of_the_time(pattern, least, most):
    shares = [
        (moved(pattern, seed, SPARSE, crying_probability=0.0).fidgety.max(axis=1) > 0.2).mean()
        for seed in range(10)
    ]
    assert least <= np.mean(shares) <= most


def test_truth_follows_the_movement():
    movement = moved("intermittent", 3, **ALONE)
    wrist_like = [c for c, a in enumerate(ANGLES) if a.part == "left_arm"]
    speed = np.abs(np.gradient(movement.angles[:, wrist_like], TIME, axis=0)).mean(axis=1)
    amount = movement.fidgety[:, 7]  # left wrist
    assert amount.min() >= 0
    assert amount.max() <= 1
    assert speed[amount > 0.5].mean() > 10 * speed[amount < 0.01].mean()


def test_exaggerated_is_larger():
    kept = {"amplitude_spread": 0.0} | ALONE
    usual = moved("continual", 5, **kept).angles.std(axis=0).mean()
    assert moved("exaggerated", 5, **kept).angles.std(axis=0).mean() > 1.5 * usual


def test_no_fidgety_movement_while_crying():
    movement = moved("continual", 1, crying_probability=1.0, episode_s=(20.0, 20.0))
    assert movement.crying.max() == 1
    assert movement.fidgety[movement.crying == 1].max() == 0


def test_strokes_and_confounders_are_the_same_for_both_classes():
    # The very same draws: only the small movement differs.
    silent = {"amplitude_deg": 0.0}
    assert np.array_equal(
        moved("continual", 4, **silent).angles, moved("absent", 4, **silent).angles
    )


def test_one_infant_at_two_frame_rates():
    slow = moved("continual", 6, time=np.arange(0, 10, 1 / 15))
    fast = moved("continual", 6, time=np.arange(0, 10 - 1 / 15 + 1e-9, 1 / 60))
    assert fast.angles[::4] == pytest.approx(slow.angles, abs=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [
        {"band_hz": (3.0, 0.8)},
        {"band_hz": (0.0, 3.0)},
        {"band_hz": 2.0},
        {"amplitude_deg": -1.0},
        {"amplitude_deg": float("nan")},
        {"crying_probability": 1.5},
        {"pause_s": ("a", "b")},
        {"reach": True},
        {"sporadic_share": 0.7, "exaggerated_share": 0.7},
    ],
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ConfigError, match="E702"):
        MovementConfig(**wrong)


@pytest.mark.parametrize("pattern", ["continual", "absent"])
def test_every_infant_has_a_background_of_its_own(pattern):
    def low_power(background):
        kept = {"disguise_spread": 0.0, "restless_background": background} | STILL
        angles = moved(pattern, **kept).angles
        used = [column for column, angle in enumerate(ANGLES) if angle.fidgety > 0]
        return share_in((0.3, 0.75), angles[:, used]) * angles[:, used].var(axis=0).sum()

    assert low_power((5.0, 5.0)) > 2 * low_power((0.001, 0.001))
