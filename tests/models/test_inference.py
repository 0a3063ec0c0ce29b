"""One recording through a network: encoded once, exact in its parts, exact without clips."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from small_models import WINDOW, clips, network

from fidgety.errors import PoseError
from fidgety.models.fast import OnArrays
from fidgety.models.inference import Inference, SummedWindow, infer
from fidgety.motion import WindowConfig, windows

MODELS = {
    "plain": network(),
    "full": network(
        masking=True, gated_attention=True, edge_importance=True, compress=True, pool="mean_std"
    ),
}


def directly(model, found, rows):
    """Logit, clip and joint attention of the model's own forward over some clips."""
    with torch.no_grad():
        output = model(torch.from_numpy(found.values(rows))[None])
    return output.logit[0].item(), output.clip_attention[0].numpy(), output.joint_attention[0]


@pytest.mark.parametrize("name", MODELS)
def test_equals_the_models_own_forward_on_each_window(name):
    model, recording = MODELS[name], clips(1)
    result = infer(model, recording, WINDOW)
    parts = windows(recording, WINDOW)
    assert len(result.windows) == len(parts) > 2
    risks = []
    for window, part in zip(result.windows, parts, strict=True):
        rows = np.arange(len(recording))[part]
        value, attention, joints = directly(model, recording, rows)
        np.testing.assert_array_equal(window.rows, rows)
        np.testing.assert_allclose(window.logit(), value, atol=1e-5)
        np.testing.assert_allclose(window.attention, attention, atol=1e-5)
        np.testing.assert_allclose(result.joint_attention[rows], joints, atol=1e-5)
        risks.append(expit(value))
    assert result.risk == pytest.approx(np.mean(risks), abs=1e-5)
    assert infer(model, recording, WINDOW, "max").risk == pytest.approx(max(risks), abs=1e-5)
    assert max(risks) - min(risks) > 1e-3  # else the rules could not be told apart


def test_each_clip_is_encoded_once(monkeypatch):
    model, recording = MODELS["plain"], clips(1)
    seen = []
    encode = model.encode
    monkeypatch.setattr(model, "encode", lambda x: seen.append(len(x)) or encode(x))
    infer(model, recording, WINDOW)
    assert sum(seen) == len(recording)


def test_long_recordings_are_encoded_in_parts(monkeypatch):
    runner, sizes = OnArrays(MODELS["plain"]), []
    recording, encode = clips(2), runner.encode
    whole = infer(runner, recording, WINDOW)
    monkeypatch.setattr(runner, "encode", lambda x: sizes.append(len(x)) or encode(x))
    runner.clips_at_a_time = 3
    parts = infer(runner, recording, WINDOW)
    assert max(sizes) == 3
    assert sum(sizes) == len(recording)
    np.testing.assert_allclose(parts.clip_attention, whole.clip_attention, atol=1e-6)
    assert parts.risk == pytest.approx(whole.risk, abs=1e-6)


@pytest.mark.parametrize("rule", ["mean", "max"])
@pytest.mark.parametrize("window", [WINDOW, WindowConfig(60.0, 0.0)])
def test_contributions_and_bias_sum_to_the_logit(rule, window):
    result = infer(MODELS["plain"], clips(3), window, rule)
    logits = [float(w.logit()) for w in result.windows]
    expected = np.mean(logits) if rule == "mean" else max(logits)
    total = result.clip_contribution.sum() + result.bias
    assert total == pytest.approx(expected, abs=1e-5)
    if rule == "max" or len(logits) == 1:
        assert expit(total) == pytest.approx(result.risk, abs=1e-5)


@pytest.mark.parametrize("rule", ["mean", "max"])
def test_attention_sums_to_one(rule):
    result = infer(MODELS["plain"], clips(4, blind=slice(30, 45)), WINDOW, rule)
    assert result.clip_attention.sum() == pytest.approx(1)
    assert (result.clip_attention @ result.joint_attention).sum() == pytest.approx(1, abs=1e-6)


def test_unusable_clips_get_no_attention():
    recording = clips(4, blind=slice(30, 45))
    assert not recording.usable.all()
    result = infer(MODELS["full"], recording, WINDOW)
    assert not result.clip_attention[~recording.usable].any()
    assert not result.joint_attention[~recording.usable].any()
    assert (result.clip_attention[recording.usable] > 0).all()


def test_nothing_usable_is_refused():
    with pytest.raises(PoseError, match=r"E105 None of the 19 clips is usable.*Film"):
        infer(MODELS["plain"], clips(5, blind=slice(None)), WINDOW)


@given(seed=st.integers(0, 10_000), rule=st.sampled_from(["mean", "max"]))
@settings(max_examples=25)
def test_leaving_clips_out_equals_attending_to_the_others(seed, rule):
    """Also where a whole window falls away."""
    model, recording = MODELS["plain"], clips(6)
    kept = np.random.default_rng(seed).random(len(recording)) < 0.25
    if not kept.any():
        return
    risks = []
    for part in windows(recording, WINDOW):
        rows = np.arange(len(recording))[part]
        if kept[rows].any():
            risks.append(expit(directly(model, recording, rows[kept[rows]])[0]))
    expected = np.mean(risks) if rule == "mean" else max(risks)
    found = infer(model, recording, WINDOW, rule).risk_with(kept.astype(float))
    assert float(found) == pytest.approx(expected, abs=1e-5)


def test_counting_a_clip_twice_is_having_it_twice():
    window = SummedWindow(np.arange(2), np.array([0.25, 0.75]), np.array([2.0, -1.0]), 0.5)
    doubled = (2 * 0.25 * 2.0 - 0.75 * 1.0) / (2 * 0.25 + 0.75) + 0.5
    assert window.logit(np.array([2.0, 1.0])) == pytest.approx(doubled)
    assert window.logit() == pytest.approx(0.25 * 2.0 - 0.75 + 0.5)


def test_many_draws_at_once_and_none_left():
    first = SummedWindow(np.array([0, 1]), np.array([0.5, 0.5]), np.array([1.0, 3.0]), 0.0)
    second = SummedWindow(np.array([2]), np.array([1.0]), np.array([-2.0]), 0.0)
    result = Inference((first, second), np.full((3, 18), 1 / 18), "mean")
    weights = np.array([[1.0, 0, 0], [0, 0, 1.0], [0, 0, 0], [1, 1, 1]])
    found = result.risk_with(weights)
    np.testing.assert_allclose(found[:2], expit([1.0, -2.0]))
    assert np.isnan(found[2])
    assert found[3] == pytest.approx((expit(2.0) + expit(-2.0)) / 2)
