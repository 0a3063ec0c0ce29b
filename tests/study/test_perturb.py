"""Perturbations do what they say, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from small_studies import a_pose

from fidgety.pose.pose import Pose
from fidgety.pose.quality import assess_quality
from fidgety.simulate import simulate_infant
from fidgety.study.perturb import PERTURBATIONS, noise_level, perturbed


def changed(name: str, pose: Pose, seed: int = 0) -> Pose:
    return perturbed(pose, PERTURBATIONS[name], seed)


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_every_line_gives_a_pose_that_is_the_same_for_the_same_seed(name):
    pose = a_pose(1, frames=400)
    one, again = changed(name, pose, 3), changed(name, pose, 3)
    np.testing.assert_array_equal(one.xy, again.xy)
    assert one.history[-1] == {"step": "perturbed", "by": name}
    assert np.isfinite(one.xy).mean() > 0.5


@pytest.mark.parametrize("fps", [15, 20, 25, 30, 50, 60])
def test_frame_rates_keep_time_and_place(fps):
    pose = a_pose(1, frames=300, fps=30.0)
    found = changed(f"fps-{fps}", pose)
    assert found.fps == pytest.approx(fps)
    assert found.time[-1] == pytest.approx(pose.time[-1], abs=1 / fps)
    at = np.interp(found.time, pose.time, pose.xy[:, 4, 0])
    np.testing.assert_allclose(found.xy[:, 4, 0], at, atol=1e-9)


def test_noise_is_twice_what_it_was():
    """Still joints with known error: its level is found, and doubled."""
    rng = np.random.default_rng(0)
    still = np.broadcast_to(a_pose(0, frames=1).xy[0], (3000, 18, 2))
    pose = Pose.at_fps(
        still + rng.normal(0, 2.0, still.shape), np.ones((3000, 18)), 30.0, "openpose18", (640, 480)
    )
    np.testing.assert_allclose(noise_level(pose) * np.sqrt(0.3), 2.0, rtol=0.15)
    more = changed("noise-x2", pose).xy - pose.xy
    total = 2.0 / np.sqrt(0.3)
    assert more.std() == pytest.approx(np.sqrt(3) * total, rel=0.1)


def test_lost_joints_are_a_fifth():
    found = changed("lost-20", a_pose(2, frames=900))
    assert np.isnan(found.xy[..., 0]).mean() == pytest.approx(0.2, abs=0.02)
    assert (found.confidence[np.isnan(found.xy[..., 0])] == 0).all()


def test_swaps_exchange_sides_and_nothing_else():
    pose = a_pose(3, frames=1800)
    found = changed("swaps-10", pose)
    moved = np.abs(found.xy - pose.xy).max(axis=2) > 0
    assert 0 < moved.mean() < 0.2
    order = pose.skeleton.mirror_order
    np.testing.assert_array_equal(found.xy[moved], pose.xy[:, order][moved])


def test_turns_and_scales_keep_distances():
    pose = a_pose(4)
    lengths = np.linalg.norm(pose.xy[:, 3] - pose.xy[:, 4], axis=1)
    for name, factor, atol in (
        ("turn-37", 1, 1e-9),
        ("turn-180", 1, 1e-9),
        ("scale-half", 0.5, 0.2),
    ):
        found = changed(name, pose)
        now = np.linalg.norm(found.xy[:, 3] - found.xy[:, 4], axis=1)
        np.testing.assert_allclose(now, factor * lengths, atol=atol)
    assert changed("turn-90", pose).size == (480, 640)
    twice = changed("mirror", changed("mirror", pose))
    np.testing.assert_allclose(twice.xy, pose.xy)


def test_sway_moves_all_joints_together():
    pose = a_pose(5, frames=600)
    shift = changed("sway-2", pose).xy - pose.xy
    common = shift.mean(axis=1)
    assert common.std() > 1.0  # pixels
    assert (shift - common[:, None]).std() < common.std()


def test_lengths_are_cut():
    assert changed("first-10", a_pose(6, frames=900)).duration_s == pytest.approx(10.0)


def test_another_estimator_is_as_wrong_for_everybody():
    one, two = (
        simulate_infant(seed, seconds=22, fps=25, difficulty="easy")[0].pose for seed in (1, 2)
    )
    offsets = []
    for pose in (one, two):
        trunk = np.linalg.norm(np.nanmedian(pose.xy[:, 1] - pose.xy[:, 8], axis=0))
        offsets.append(np.nanmedian(changed("estimator", pose).xy - pose.xy, axis=0) / trunk)
    assert np.corrcoef(offsets[0].ravel(), offsets[1].ravel())[0, 1] > 0.9
    assert assess_quality(changed("estimator", one)).verdict != "refused"
