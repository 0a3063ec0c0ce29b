"""Augmentation: each change is what the features of the changed body would be."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_studies import a_pose

from fidgety.errors import ConfigError
from fidgety.motion import CHANNELS, FidgetyProfile, clean, features, pose_sequence
from fidgety.pose.pose import Pose
from fidgety.pose.skeleton import load_skeleton
from fidgety.study.augment import Augmentation, augmented

SKELETON = load_skeleton("openpose18")


class Fixed:
    """Draws that are given: the angle, the scale and whether to mirror."""

    def __init__(self, low: float = 0.0, mirror: bool = True, values: dict | None = None) -> None:
        self.mirror = mirror
        self.values = values or {}

    def random(self, shape):
        return np.zeros(shape) if self.mirror else np.ones(shape)

    def uniform(self, low, high, size):
        return np.full(size, high)  # always the largest turn and the largest scale


def clips_of(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.float32))[None, None]  # (1, 1, 7, T, V)


def mirrored_pose(pose: Pose) -> Pose:
    """What a camera behind a mirror would have seen."""
    order = SKELETON.mirror_order
    xy = pose.xy[:, order] * [-1, 1] + [pose.size[0], 0]
    return Pose.at_fps(xy, pose.confidence[:, order], pose.fps, SKELETON, pose.size, "mirror")


def test_channels_are_x_and_y_in_turn():
    assert [name[-1] for name in CHANNELS[:6]] == list("xyxyxy")


def test_mirrored_twice_is_the_same():
    clips = torch.randn(3, 2, 7, 10, 18)
    once = augmented(clips, Augmentation(mirror=True), SKELETON, Fixed())  # type: ignore[arg-type]
    twice = augmented(once, Augmentation(mirror=True), SKELETON, Fixed())  # type: ignore[arg-type]
    assert not torch.equal(once, clips)
    assert torch.equal(twice, clips)


@pytest.mark.parametrize("profile", ["fidgety", "stam"])
def test_mirroring_equals_the_features_of_the_mirrored_body(profile):
    pose = a_pose(3, frames=120)
    clips = clips_of(pose_sequence(pose, profile).values)
    expected = clips_of(pose_sequence(mirrored_pose(pose), profile).values)
    found = augmented(clips, Augmentation(mirror=True), SKELETON, Fixed())  # type: ignore[arg-type]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4, equal_nan=True)


@pytest.mark.parametrize(("angle", "scale"), [(30.0, 0.0), (0.0, 0.2), (15.0, 0.1)])
def test_turning_and_scaling_equal_the_features_of_the_turned_body(angle, scale):
    profile = FidgetyProfile()
    body = clean(a_pose(4), profile)
    turn = np.deg2rad(angle)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    turned = body.then("turned", xy=np.exp(scale) * body.xy @ matrix.T)
    before, after = (clips_of(features.compute(pose, profile)[0]) for pose in (body, turned))
    found = augmented(
        before, Augmentation(rotate_deg=angle, scale=scale), SKELETON, Fixed()  # type: ignore[arg-type]
    )  # fmt: skip
    torch.testing.assert_close(found, after, rtol=1e-4, atol=1e-4, equal_nan=True)


@given(seed=st.integers(0, 1000), degrees=st.floats(0, 180))
@settings(max_examples=20)
def test_turning_keeps_every_length(seed, degrees):
    rng = np.random.default_rng(seed)
    clips = torch.from_numpy(rng.normal(size=(2, 2, 7, 4, 18)).astype(np.float32))
    found = augmented(clips, Augmentation(rotate_deg=degrees), SKELETON, rng)
    for x in (0, 2, 4):
        torch.testing.assert_close(
            found[:, :, x].hypot(found[:, :, x + 1]), clips[:, :, x].hypot(clips[:, :, x + 1])
        )
    torch.testing.assert_close(found[:, :, 6], clips[:, :, 6])


def test_a_window_changes_as_a_whole_and_the_given_clips_stay():
    clips = torch.ones(20, 3, 7, 4, 18)
    rng = np.random.default_rng(0)
    settings_ = Augmentation(mirror=True, rotate_deg=20, scale=0.1, joint_dropout=0.3)
    found = augmented(clips, settings_, SKELETON, rng)
    assert torch.equal(clips, torch.ones(20, 3, 7, 4, 18))
    torch.testing.assert_close(found[:, 0], found[:, 2], equal_nan=True)
    assert not torch.equal(found[0].nan_to_num(), found[1].nan_to_num())


def test_half_of_the_windows_are_mirrored():
    clips = torch.randn(400, 1, 7, 1, 18)
    found = augmented(clips, Augmentation(mirror=True), SKELETON, np.random.default_rng(0))
    changed = (found != clips).flatten(1).any(dim=1).float().mean()
    assert 0.42 < float(changed) < 0.58


def test_hidden_joints_are_hidden_in_every_channel_and_frame():
    clips = torch.randn(200, 2, 7, 3, 18)
    found = augmented(clips, Augmentation(joint_dropout=0.25), SKELETON, np.random.default_rng(0))
    hidden = found.isnan()
    assert torch.equal(hidden.flatten(1, 3).any(dim=1), hidden.flatten(1, 3).all(dim=1))
    assert 0.2 < float(hidden.float().mean()) < 0.3


def test_noise_has_its_deviation_and_missing_stays_missing():
    clips = torch.zeros(50, 2, 7, 5, 18)
    clips[0, 0, :, :, 3] = torch.nan
    found = augmented(clips, Augmentation(noise=0.2), SKELETON, np.random.default_rng(0))
    assert torch.equal(found.isnan(), clips.isnan())
    assert float(found[1:].std()) == pytest.approx(0.2, rel=0.02)


def test_nothing_asked_nothing_changed():
    clips = torch.randn(2, 2, 7, 5, 18)
    assert augmented(clips, Augmentation(), SKELETON, np.random.default_rng(0)) is clips


@pytest.mark.parametrize("wrong", [{"noise": -1}, {"scale": np.nan}, {"rotate_deg": np.inf}])
def test_impossible_augmentation(wrong):
    with pytest.raises(ConfigError, match="E702"):
        Augmentation(**wrong)
