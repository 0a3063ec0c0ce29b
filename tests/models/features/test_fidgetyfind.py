"""FidgetyFind: directions, band, large motion, missing frames, and the published loop."""

from __future__ import annotations

import numpy as np
import pytest
from known_movement import FPS, SKELETON, mirrored, restless, times, values_of
from known_movement import REST as BODY

from fidgety.models.features import SETS
from fidgety.models.features.fidgetyfind import window_scores

FIND = SETS["fidgetyfind"]
HIP, KNEE = np.array([0.2, 1.0]), np.array([0.2, 1.5])  # a thigh of half a trunk length


def scores(track: np.ndarray, fps: float = FPS) -> np.ndarray:
    """Of a knee that moves so (T, 2) about its place."""
    parent = np.repeat(HIP[None, None], len(track), axis=0)
    return window_scores((KNEE + track)[:, None], parent, fps)[:, 0]


def circle(percent: float, fps: float = FPS, seconds: float = 20.0) -> np.ndarray:
    """Moves by so many % of the thigh from frame to frame at 30 frames per second."""
    radius = 0.05
    speed = percent / 100 * 0.5 * 30  # trunk lengths per second
    turn = speed / radius * np.arange(round(seconds * fps)) / fps
    return radius * np.stack([np.cos(turn), np.sin(turn)], axis=1)


def test_all_directions_score_one_and_a_line_a_third():
    assert scores(circle(6.0)).mean() > 0.9
    steps = 0.03 * 0.5 * 2 * (np.arange(600) % 2)  # 3 % of a trunk length: 6 % of the thigh
    line = np.stack([steps, np.zeros(600)], axis=1)
    np.testing.assert_allclose(scores(line), np.log(2) / np.log(8), atol=1e-3)


def test_too_little_scores_nothing_and_too_much_is_not_scored():
    np.testing.assert_array_equal(scores(circle(3.0)), 0.0)
    np.testing.assert_array_equal(scores(circle(9.4)), 0.0)  # neither in the band nor large
    assert np.isnan(scores(circle(14.0))).all()


def test_windows_keep_their_seconds_at_other_frame_rates():
    assert len(scores(circle(6.0, 60.0), 60.0)) == len(scores(circle(6.0)))


def published(track: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """The source's loop over windows at 30 frames per second, written anew."""
    found = []
    for start in range(0, len(track) - 1 - 50 + 1, 20):
        angles, large, lost, inside = [], 0, 0, 0
        for t in range(start, start + 50):
            if not (seen[t] and seen[t + 1]):
                lost += 1
                continue
            v = track[t + 1] - track[t]
            size = 100 * np.linalg.norm(v) / np.linalg.norm(KNEE + track[t] - HIP)
            limb = KNEE + track[t + 1] - HIP
            large += size > 10
            if 4.5 <= size <= 8:
                inside += 1
                angles.append(np.arctan2(limb[0] * v[1] - limb[1] * v[0], limb @ v))
        if lost > 5 or large > 10:
            found.append(np.nan)
        elif inside < 10:
            found.append(0.0)
        else:
            count, _ = np.histogram(angles, bins=8, range=(-np.pi, np.pi))
            p = count[count > 0] / count.sum()
            found.append(-(p * np.log(p)).sum() / np.log(8))
    return np.array(found)


def test_against_the_published_rule():
    rng = np.random.default_rng(0)
    pace = np.repeat(rng.uniform(0.005, 0.045, 12), 60)[:, None]
    track = np.cumsum(pace * rng.normal(size=(720, 2)), axis=0)
    track -= track.mean(axis=0)
    track *= 0.3 / np.abs(track).max()
    track += pace * rng.normal(size=(720, 2)) * 0.5
    seen = np.ones(720, dtype=bool)
    seen[200:230] = False
    wanted = published(track, seen)
    assert np.isnan(wanted).any()
    assert (wanted == 0).any()
    assert (wanted > 0.5).any()
    gappy = np.where(seen[:, None], track, np.nan)
    np.testing.assert_allclose(scores(gappy), wanted, atol=1e-9)


def test_numbers_of_a_recording():
    time = times(20)
    xy = np.repeat(BODY[None], len(time), axis=0)
    xy[:, SKELETON.index["left_knee"]] += circle(6.0)
    found = dict(zip(FIND.names, FIND.of(values_of(xy), FPS), strict=True))
    assert found["fidgetyfind_left_knee_mean"] > 0.9
    assert found["fidgetyfind_left_knee_moving"] == 1
    assert found["fidgetyfind_left_knee_scored"] == 1
    assert found["fidgetyfind_right_knee_mean"] == 0
    assert found["fidgetyfind_right_knee_moving"] == 0


def test_a_mirror_swaps_the_sides():
    values = restless(4)
    one, other = (
        dict(zip(FIND.names, FIND.of(v, FPS), strict=True)) for v in (values, mirrored(values))
    )
    for name, value in one.items():
        partner = name.replace("left", "?").replace("right", "left").replace("?", "right")
        assert other[partner] == pytest.approx(value, abs=1e-6, nan_ok=True), name
