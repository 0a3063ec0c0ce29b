"""Explanations with known answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit
from small_models import WINDOW, clips, network, sequence

from fidgety.models.explain import deletion_check, joint_movement, movement_of_parts, spread
from fidgety.models.inference import Inference, SummedWindow, infer
from fidgety.motion import CHANNELS
from fidgety.pose.skeleton import load_skeleton


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def inference(attention: list[float], pull: list[float], bias: float = 0.0) -> Inference:
    """One window over all clips."""
    weights = np.array(attention) / np.sum(attention)
    window = SummedWindow(np.arange(len(weights)), weights, np.array(pull), bias)
    return Inference((window,), np.full((len(weights), 18), 1 / 18), "mean")


def test_deletion_check_passes_where_attention_decides():
    found = inference([10, 1, 1, 1, 1, 1, 1, 1, 1, 1], [5.0] + [0.0] * 9)
    check = deletion_check(found, rng(), fraction=0.1)
    assert check is not None
    whole = expit(10 / 19 * 5.0)
    assert check["risk_change_top"] == pytest.approx(whole - 0.5)
    assert check["passed"]
    assert check["ratio"] > 2


def test_deletion_check_fails_where_attention_misleads():
    """All of the pull is in a clip with little attention; the favoured clip pulls as the mean."""
    pull = np.zeros(10)
    pull[1] = 40.0
    attention = np.ones(10)
    attention[0] = 2.0
    found = inference(list(attention), list(pull))
    mean = float(found.clip_contribution.sum())
    pull[0] = mean * 11 / 10 / (1 + 0.1 * 2 / 11)  # close to the mean logit: leaving it out is idle
    found = inference(list(attention), list(pull))
    check = deletion_check(found, rng(), fraction=0.1)
    assert check is not None
    assert check["risk_change_top"] < check["risk_change_random"]
    assert not check["passed"]


def test_deletion_check_of_clips_that_all_say_the_same():
    check = deletion_check(inference([1] * 8, [1.0] * 8), rng())
    assert check is not None
    assert check["risk_change_top"] == pytest.approx(0, abs=1e-12)
    assert check["ratio"] is None or check["risk_change_random"] < 1e-12


def test_deletion_check_needs_five_clips():
    assert deletion_check(inference([1] * 4, [1.0] * 4), rng()) is None
    assert deletion_check(inference([1] * 5, [1.0] * 5), rng()) is not None


def test_deletion_check_deletes_what_it_says():
    """The top fifth by attention, against the model without those clips."""
    model, recording = network(), clips(1)
    found = infer(model, recording, WINDOW)
    check = deletion_check(found, rng(), fraction=0.2)
    assert check is not None
    top = np.argsort(found.clip_attention)[-4:]  # a fifth of 19
    kept = np.ones(19)
    kept[top] = 0
    assert check["risk_change_top"] == pytest.approx(abs(float(found.risk_with(kept)) - found.risk))
    assert check == deletion_check(found, rng(), fraction=0.2)


@pytest.mark.parametrize("rule", ["mean", "max"])
def test_spread_is_wide_only_where_clips_differ(rule):
    alike = replace(inference([1] * 10, [0.7] * 10), aggregation=rule)
    np.testing.assert_allclose(spread(alike, rng()), expit(0.7), atol=1e-12)
    apart = replace(inference([1] * 10, [-3.0] * 5 + [3.0] * 5), aggregation=rule)
    low, high = spread(apart, rng())
    assert low < 0.25 < 0.75 < high
    assert tuple(spread(apart, rng())) == (low, high)


def test_spread_equals_the_bootstrap_of_a_mean():
    """Equal attention in one window: the logit is the mean of the pulls drawn anew."""
    pull = rng(3).normal(size=30)
    low, high = spread(inference([1] * 30, list(pull)), rng(), draws=20_000)
    means = rng(4).choice(pull, (20_000, 30)).mean(axis=1)
    np.testing.assert_allclose([low, high], expit(np.quantile(means, [0.025, 0.975])), atol=0.01)


def test_spread_draws_only_usable_clips():
    found = infer(network(), clips(2, blind=slice(20, 60)), WINDOW)
    low, high = spread(found, rng())
    assert 0 < low <= found.risk <= high < 1


def test_movement_of_uniform_motion():
    values = np.zeros((7, 30, 18), dtype=np.float32)
    values[CHANNELS.index("velocity_x")] = 3.0
    values[CHANNELS.index("velocity_y")] = 4.0
    values[CHANNELS.index("x")] = 0.5
    values[:, :, 2] = np.nan
    speed, position = joint_movement(replace(sequence(frames=30), values=values))
    assert np.isnan(speed[2])
    assert np.isnan(position[2]).all()
    np.testing.assert_allclose(np.delete(speed, 2), 5.0)
    np.testing.assert_allclose(np.delete(position, 2, axis=0), np.tile([0.5, 0.0], (17, 1)))


def test_movement_of_parts_in_steps():
    skeleton = load_skeleton("openpose18")
    values = np.zeros((7, 25, 18), dtype=np.float32)
    part, joints = next(iter(skeleton.parts.items()))
    values[CHANNELS.index("velocity_x"), 10:20, skeleton.rows(*joints)] = 2.0
    other = list(skeleton.parts)[1]
    values[:, :5, skeleton.rows(*skeleton.parts[other])] = np.nan
    said = movement_of_parts(replace(sequence(frames=25), values=values, start_s=2.0), skeleton)
    assert said["time_s"] == [2.25, 2.75, 3.25, 3.75, 4.25]
    assert said["parts"][part] == [0.0, 0.0, 2.0, 2.0, 0.0]
    assert said["parts"][other][0] is None
    assert set(said["parts"]) == set(skeleton.parts)
