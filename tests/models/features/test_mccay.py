"""McCay's histograms: known shares, a slow oracle, mirrored sides, gaps."""

from __future__ import annotations

import numpy as np
import pytest
from known_movement import FPS, SKELETON, mirrored, moved, restless, still, times

from fidgety.models.features import SETS
from fidgety.models.features.mccay import (
    BINS,
    DISPLACEMENT_BIN,
    displacement_histogram,
    frequency_histogram,
    orientation_histogram,
)

MCCAY = SETS["mccay"]


def table(values, name: str, joint: str) -> np.ndarray:
    found = dict(zip(MCCAY.names, MCCAY.of(values, FPS), strict=True))
    return np.array([found[f"mccay_{name}_{joint}_{k + 1}"] for k in range(BINS)])


def test_a_still_body_points_one_way_and_does_not_move():
    values = moved(times(5))
    np.testing.assert_allclose(table(values, "hojo", "left_elbow"), np.eye(8)[0], atol=1e-12)
    np.testing.assert_allclose(table(values, "hojo", "right_elbow"), np.eye(8)[4], atol=1e-12)
    np.testing.assert_allclose(table(values, "hojo", "left_wrist"), np.eye(8)[2], atol=1e-12)
    np.testing.assert_allclose(table(values, "hojd", "left_wrist"), np.eye(8)[0])
    assert np.isnan(table(values, "fftjd", "left_wrist")).all()  # no movement, no spectrum
    np.testing.assert_allclose(table(values, "fftjo", "left_wrist"), np.eye(8)[0], atol=1e-12)


def test_a_direction_between_two_bins_is_shared():
    angle = np.radians(22.5)
    between = orientation_histogram(np.array([[[np.cos(angle), np.sin(angle)]]]))[0]
    np.testing.assert_allclose(between, [0.5, 0.5, 0, 0, 0, 0, 0, 0], atol=1e-12)
    angle = np.radians(90 + 10)
    near, far = 1 - np.cos(np.radians(10)), 1 - np.cos(np.radians(35))
    found = orientation_histogram(np.array([[[np.cos(angle), np.sin(angle)]]]))[0]
    assert found[2] == pytest.approx(far / (near + far))
    assert found[3] == pytest.approx(near / (near + far))


def test_displacement_falls_in_its_bin():
    time = times(5)
    speed = 2.5 * DISPLACEMENT_BIN * 6  # two and a half bins in 1/6 s
    values = moved(time, right_ankle=still(speed * time))
    np.testing.assert_allclose(table(values, "hojd", "right_ankle"), np.eye(8)[2])
    fast = displacement_histogram(still(100 * time)[:, None], FPS)
    np.testing.assert_allclose(fast[0], np.eye(8)[7])


@pytest.mark.parametrize("fps", [15.0, 30.0, 60.0])
def test_displacement_does_not_depend_on_the_frame_rate(fps):
    time = np.arange(round(6 * fps)) / fps
    found = displacement_histogram(still(0.3 * time)[:, None], fps)
    np.testing.assert_allclose(found[0], np.eye(8)[2])


def test_a_swinging_angle_gives_its_mean_and_its_frequency():
    time = times(20)
    angle = 90 + 10 * np.sin(2 * np.pi * 2.0 * time)
    found = frequency_histogram(angle[:, None], FPS)[0]
    # 2 Hz of 15 lies between (2/8)^2 and (3/8)^2: the third bin; amplitudes 90 and 10.
    np.testing.assert_allclose(found, [0.9, 0, 0.1, 0, 0, 0, 0, 0], atol=1e-9)


def test_against_plain_loops():
    values = restless(5, seconds=6)
    values[:, 50:55, SKELETON.index["left_knee"]] = np.nan
    joint, parent = SKELETON.index["left_knee"], SKELETON.index["left_hip"]
    x, y = values[0].astype(float), values[1].astype(float)
    hojo, hojd = np.zeros(8), np.zeros(8)
    for t in range(len(x)):
        bone = np.array([x[t, joint] - x[t, parent], y[t, joint] - y[t, parent]])
        if np.isfinite(bone).all():
            away = []
            for k in range(8):
                centre = np.array([np.cos(np.pi / 4 * k), np.sin(np.pi / 4 * k)])
                away.append((1 - bone @ centre / np.linalg.norm(bone), k))
            (near, first), (far, second) = sorted(away)[:2]
            hojo[first] += far / (near + far)
            hojo[second] += near / (near + far)
    for t in range(5, len(x), 5):
        step = np.hypot(x[t, joint] - x[t - 5, joint], y[t, joint] - y[t - 5, joint])
        if np.isfinite(step):
            hojd[min(int(step / 0.02), 7)] += 1
    np.testing.assert_allclose(table(values, "hojo", "left_knee"), hojo / hojo.sum(), atol=1e-9)
    np.testing.assert_allclose(table(values, "hojd", "left_knee"), hojd / hojd.sum(), atol=1e-9)


def test_histograms_sum_to_one():
    found = MCCAY.of(restless(6), FPS).reshape(4, 8, 8)
    np.testing.assert_allclose(found.sum(axis=-1), 1.0)


def test_a_mirror_swaps_the_sides():
    values = restless(7)
    for name in ("hojo", "hojd", "fftjd"):
        for joint in ("wrist", "elbow", "knee", "ankle"):
            one = table(values, name, f"left_{joint}")
            other = table(mirrored(values), name, f"right_{joint}")
            wanted = one[(4 - np.arange(8)) % 8] if name == "hojo" else one
            np.testing.assert_allclose(other, wanted, atol=1e-6)


def test_gaps():
    values = restless(8)
    wrist = SKELETON.index["left_wrist"]
    values[:, : round(0.6 * values.shape[1]), wrist] = np.nan  # more than half
    assert np.isfinite(table(values, "hojo", "left_wrist")).all()
    assert np.isnan(table(values, "fftjo", "left_wrist")).all()
    assert np.isfinite(table(values, "fftjo", "left_elbow")).all()
