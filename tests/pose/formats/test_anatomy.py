"""The layout check: 600 jointed figures in random poses, read in their own layout and in others."""

from __future__ import annotations

import numpy as np
import pytest
from posed_bodies import joints_of, points_of

from fidgety.pose.formats.anatomy import FITS, FITS_NOT, MARGIN, fit, layout_of
from fidgety.pose.skeleton import BUILT_IN_SKELETONS, load_skeleton

SEEDS = range(25)


@pytest.mark.parametrize("layout", BUILT_IN_SKELETONS)
@pytest.mark.parametrize("infant", [True, False])
def test_every_layout_is_known_in_any_pose(layout, infant):
    skeleton = load_skeleton(layout)
    for seed in SEEDS:
        points = points_of(layout, seed, 20, infant)
        assert fit(points, skeleton).share > FITS
        assert layout_of(points, None, "film").name == layout


@pytest.mark.parametrize(("own", "other"), [("body25", "body25b"), ("body25b", "body25")])
def test_twins_in_number_are_told_apart_clearly(own, other):
    for seed in SEEDS:
        points = points_of(own, seed, 20)
        mine, theirs = fit(points, load_skeleton(own)), fit(points, load_skeleton(other))
        assert mine.share - theirs.share > 2 * MARGIN
        assert theirs.share < FITS_NOT + 0.1
        assert "too far from" in theirs.worst


def test_scale_place_turn_and_mirror_do_not_matter():
    points = points_of("body25", 3)
    skeleton = load_skeleton("body25")
    share = fit(points, skeleton).share
    turned = points[..., 1::-1] * (-7.0, 7.0) + (1e4, -300.0)
    assert fit(turned, skeleton).share == pytest.approx(share)
    assert fit(points[..., :2] * (-1, 1), skeleton).share == pytest.approx(share)


def test_noise_and_lost_joints_are_borne():
    rng = np.random.default_rng(0)
    for seed in SEEDS:
        points = points_of("body25", seed, 40)
        points[rng.random(points.shape[:2]) < 0.3] = np.nan
        points[..., :2] += rng.normal(0, 6, points[..., :2].shape)
        assert layout_of(points, None, "film").name == "body25"


def test_another_17_point_order_is_mostly_refused_as_coco():
    """Human3.6M's order has 17 points, too; nothing known here has it."""
    order = "mid_hip right_hip right_knee right_ankle left_hip left_knee left_ankle spine neck nose"
    order += " head_top left_shoulder left_elbow left_wrist right_shoulder right_elbow right_wrist"
    shares = []
    for seed in SEEDS:
        joints = joints_of(np.random.default_rng(seed), 20)
        joints["spine"] = (joints["neck"] + joints["mid_hip"]) / 2
        xy = np.stack([joints[name] for name in order.split()], axis=1)
        shares.append(fit(xy, load_skeleton("coco17")).share)
    assert np.mean(np.array(shares) < FITS_NOT) > 0.8
    assert max(shares) < FITS


def test_too_little_says_nothing():
    points = points_of("coco17")
    points[:, 4:] = np.nan
    assert np.isnan(fit(points, load_skeleton("coco17")).share)
    assert np.isnan(fit(points[:1], load_skeleton("coco17")).share)
