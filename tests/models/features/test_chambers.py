"""Chambers 2020: known movements, a slow oracle, sides, gaps."""

from __future__ import annotations

import numpy as np
import pytest
from known_movement import FPS, SKELETON, mirrored, moved, restless, still, times

from fidgety.models.features import SETS

BOTH, SIDES = SETS["chambers"], SETS["chambers-sides"]


def named(values, features=SIDES, fps=FPS) -> dict[str, float]:
    return dict(zip(features.names, features.of(values, fps), strict=True))


def test_there_are_42_features_and_38_a_side():
    assert len(BOTH.features) == 42
    assert len(SIDES.features) == 76
    assert len(set(BOTH.names)) == 42


def test_a_wrist_that_swings_as_a_sine():
    time, reach, f = times(60), 0.1, 0.4137  # no whole number of frames, so every phase is met
    found = named(moved(time, left_wrist=still(reach * np.sin(2 * np.pi * f * time))))
    at = "chambers_left_wrist_"
    assert found[at + "median_x"] == pytest.approx(0.7)
    assert found[at + "median_y"] == pytest.approx(0.4, abs=2e-3)
    assert found[at + "iqr_x"] == 0
    assert found[at + "iqr_y"] == pytest.approx(reach * np.sqrt(2), rel=0.02)
    top = 2 * np.pi * f * reach
    assert found[at + "median_velocity_y"] == pytest.approx(top / np.sqrt(2), rel=0.02)
    assert found[at + "median_velocity_x"] == pytest.approx(0, abs=1e-9)
    assert found[at + "iqr_velocity_y"] == pytest.approx(top * np.sqrt(2), rel=0.02)
    acceleration = top * 2 * np.pi * f
    assert found[at + "iqr_acceleration_y"] == pytest.approx(acceleration * np.sqrt(2), rel=0.02)
    assert found["chambers_right_wrist_iqr_y"] == 0
    assert found["chambers_right_wrist_entropy"] == 0


def test_constant_speed_is_that_speed():
    time = times(10)
    found = named(moved(time, right_ankle=np.stack([0.03 * time, -0.04 * time], axis=1)))
    assert found["chambers_right_ankle_median_speed"] == pytest.approx(0.05)
    assert found["chambers_right_ankle_iqr_speed"] == pytest.approx(0, abs=1e-9)
    assert found["chambers_right_ankle_median_velocity_x"] == pytest.approx(0.03)


def test_angles_of_a_turning_forearm():
    """The left forearm turns from 90 degrees by 10 degrees a second about the elbow."""
    time = times(6)
    turn = np.radians(10 * time)
    start = np.array([0.7, 0.4]) - np.array([0.7, 0.0])  # elbow to wrist
    now = np.stack([-np.sin(turn) * start[1], np.cos(turn) * start[1]], axis=1)
    found = named(moved(time, left_wrist=now - start))
    at = "chambers_left_elbow_"
    assert found[at + "median_velocity"] == pytest.approx(10)
    assert found[at + "iqr_velocity"] == pytest.approx(0, abs=1e-6)
    assert found[at + "iqr_acceleration"] == pytest.approx(0, abs=1e-6)
    turned = np.degrees(turn)
    assert abs(found[at + "mean_angle"] - 90) == pytest.approx(turned.mean(), abs=1e-6)
    assert found["chambers_right_elbow_mean_angle"] == pytest.approx(90)
    assert found["chambers_right_elbow_sd_angle"] == pytest.approx(0, abs=1e-3)
    assert found["chambers_right_knee_mean_angle"] == pytest.approx(180)


def test_symmetry_of_sides_that_move_alike_and_against_each_other():
    time = times()
    swing = still(0.05 * np.sin(2 * np.pi * 0.4 * time))
    alike = named(moved(time, left_ankle=swing, right_ankle=swing), BOTH)
    against = named(moved(time, left_ankle=swing, right_ankle=-swing), BOTH)
    assert alike["chambers_ankle_symmetry"] == pytest.approx(1)
    assert against["chambers_ankle_symmetry"] == pytest.approx(-1, abs=0.01)
    assert np.isnan(alike["chambers_wrist_symmetry"])  # what does not move correlates with nothing


def oracle(values, side: str, part: str) -> dict[str, float]:
    """The features of one limb or angle in plain loops."""
    x, y = values[0].astype(float), values[1].astype(float)

    def spread(numbers):
        kept = [n for n in numbers if np.isfinite(n)]
        return np.percentile(kept, 75) - np.percentile(kept, 25)

    def entropy(numbers, step):
        counts: dict[float, int] = {}
        for number in numbers:
            if np.isfinite(number):
                counts[round(number / step)] = counts.get(round(number / step), 0) + 1
        total = sum(counts.values())
        return -sum(c / total * np.log(c / total) for c in counts.values())

    def smoothed(numbers, window=7):
        return [
            np.mean(numbers[t - window + 1 : t + 1]) if t >= window - 1 else np.nan
            for t in range(len(numbers))
        ]

    at = f"chambers_{side}_{part}_"
    if part in ("wrist", "ankle"):
        j = SKELETON.index[f"{side}_{part}"]
        speed = [np.nan] + [
            float(np.hypot(x[t, j] - x[t - 1, j], y[t, j] - y[t - 1, j])) * FPS
            for t in range(1, len(x))
        ]
        speed = smoothed(speed)
        return {
            at + "median_x": np.nanmedian(x[:, j]),
            at + "iqr_y": spread(y[:, j]),
            at + "median_speed": np.nanmedian(speed),
            at + "iqr_speed": spread(speed),
            at + "median_velocity_x": np.nanmedian(np.abs(values[2, :, j])),
            at + "iqr_velocity_y": spread(values[3, :, j]),
            at + "iqr_acceleration_x": spread(values[4, :, j]),
            at + "entropy": (entropy(x[:, j], 0.01) + entropy(y[:, j], 0.01)) / 2,
        }
    ends = {"elbow": ("shoulder", "elbow", "wrist"), "knee": ("hip", "knee", "ankle")}[part]
    a, b, c = (SKELETON.index[f"{side}_{joint}"] for joint in ends)
    angle = []
    for t in range(len(x)):
        one = np.array([x[t, a] - x[t, b], y[t, a] - y[t, b]])
        two = np.array([x[t, c] - x[t, b], y[t, c] - y[t, b]])
        cosine = one @ two / np.linalg.norm(one) / np.linalg.norm(two)
        angle.append(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
    speed = smoothed([np.nan] + [(angle[t] - angle[t - 1]) * FPS for t in range(1, len(angle))])
    change = [np.nan] + [(speed[t] - speed[t - 1]) * FPS for t in range(1, len(speed))]
    radians = np.radians([number for number in angle if np.isfinite(number)])
    length = np.hypot(np.cos(radians).mean(), np.sin(radians).mean())
    return {
        at + "mean_angle": np.degrees(np.arctan2(np.sin(radians).mean(), np.cos(radians).mean())),
        at + "sd_angle": np.degrees(np.sqrt(-2 * np.log(length))),
        at + "median_velocity": np.nanmedian(np.abs(speed)),
        at + "iqr_velocity": spread(speed),
        at + "iqr_acceleration": spread(smoothed(change)),
        at + "entropy": entropy(angle, 1.0),
    }


@pytest.mark.parametrize("part", ["wrist", "ankle", "elbow", "knee"])
@pytest.mark.parametrize("gap", [False, True])
def test_against_plain_loops(part, gap):
    values = restless(3, seconds=8)
    if gap:
        values[:, 40:60, SKELETON.index["right_wrist"]] = np.nan
        values[:, 100:107, SKELETON.index["right_ankle"]] = np.nan
    found = named(values)
    for name, wanted in oracle(values, "right", part).items():
        assert found[name] == pytest.approx(wanted, rel=1e-6, abs=1e-6), name


def test_a_mirror_swaps_the_sides():
    values = restless(1)
    one, other = named(values), named(mirrored(values))
    for name, value in one.items():
        side = "left" if "left" in name else "right"
        partner = name.replace(side, "right" if side == "left" else "left")
        sign = -1 if name.endswith("median_x") else 1
        assert other[partner] == pytest.approx(sign * value, rel=1e-6, abs=1e-9), name
    both, again = named(values, BOTH), named(mirrored(values), BOTH)
    for name, value in both.items():
        if not name.endswith("median_x"):
            assert again[name] == pytest.approx(value, rel=1e-6, abs=1e-9), name


def test_a_limb_never_seen_leaves_its_side_empty_and_the_mean_to_the_other():
    values = restless(2)
    values[:, :, SKELETON.index["left_wrist"]] = np.nan
    sides, both = named(values), named(values, BOTH)
    empty = {name for name, value in sides.items() if np.isnan(value)}
    assert empty == {name for name in sides if "left_wrist" in name or "left_elbow" in name}
    assert both["chambers_wrist_median_speed"] == sides["chambers_right_wrist_median_speed"]
    assert {name for name, value in both.items() if np.isnan(value)} == {
        "chambers_wrist_symmetry", "chambers_elbow_symmetry",
    }  # fmt: skip
