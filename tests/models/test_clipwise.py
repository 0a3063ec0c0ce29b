"""The small networks from the literature: what their clips sum to, counts, gaps, rejections."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fidgety.errors import ConfigError, PoseError
from fidgety.models.catalogue import MODELS, build_network, settings_from
from fidgety.models.clip_transformer import ClipTransformerConfig
from fidgety.models.clipwise import (
    STGCN,
    STGCNConfig,
    TemporalCNNConfig,
    TopClips,
    TopClipsConfig,
)

KINDS = {
    "st-gcn": STGCNConfig(width=8, first_width=4),
    "temporal-cnn": TemporalCNNConfig(width=8),
    "top-clips": TopClipsConfig(width=8, first_width=4, kappa=3),
    "clip-transformer": ClipTransformerConfig(width=8, heads=2),
}


def made(name: str, seed: int = 0):
    """An untrained network whose batch norms know some clips."""
    torch.manual_seed(seed)
    model = build_network(KINDS[name])
    for _ in range(3):
        model(torch.randn(4, 5, 7, 30, 18))
    return model.eval()


@pytest.mark.parametrize("name", KINDS)
def test_a_clip_counted_twice_is_a_clip_given_twice(name):
    model = made(name)
    vectors = model.encode(torch.randn(6, 7, 30, 18)).vectors
    count = torch.tensor([[2.0, 0.0, 1.0, 3.0, 1.0, 2.0]])
    rows = torch.repeat_interleave(torch.arange(6), count[0].long())
    with torch.no_grad():
        counted, weights = model.attend(vectors[None], count)
        repeated, single = model.attend(vectors[rows][None])
    torch.testing.assert_close(counted, repeated)
    summed = torch.zeros(6).index_add(0, rows, single[0])
    torch.testing.assert_close(weights[0], summed)
    torch.testing.assert_close(weights.sum(), torch.tensor(1.0))


@pytest.mark.parametrize("name", KINDS)
def test_padding_is_never_looked_at(name):
    model = made(name)
    clips = torch.randn(2, 4, 7, 30, 18)
    mask = torch.tensor([[True, True, False, False], [True, True, True, True]])
    spoilt = clips.clone()
    spoilt[0, 2:] = float("nan")
    with torch.no_grad():
        one, other = model(clips, mask), model(spoilt, mask)
        alone = model(clips[:1, :2])
    torch.testing.assert_close(one.logit, other.logit, rtol=0, atol=0)
    torch.testing.assert_close(one.logit[:1], alone.logit)
    assert not one.clip_attention[0, 2:].any()


@pytest.mark.parametrize("name", KINDS)
def test_missing_joints_count_for_nothing_and_a_blind_recording_is_finite(name):
    model = made(name)
    clips = torch.randn(1, 3, 7, 30, 18)
    clips[0, 1, :, :, 4] = float("nan")
    clips[0, 2] = float("nan")
    with torch.no_grad():
        found = model(clips)
        blind = model(torch.full((1, 2, 7, 30, 18), float("nan")))
    assert found.logit.isfinite().all()
    assert found.joint_attention[0, 1, 4] == 0
    assert found.clip_attention[0, 2] == 0
    assert blind.logit.isfinite().all()
    assert not blind.clip_attention.any()


@pytest.mark.parametrize("name", KINDS)
def test_gradients_reach_every_weight(name):
    torch.manual_seed(1)
    model = build_network(KINDS[name])
    model(torch.randn(3, 4, 7, 30, 18)).logit.sum().backward()
    for label, weight in model.named_parameters():
        assert weight.grad is not None, label
        assert weight.grad.isfinite().all(), label


def test_stgcn_is_a_mean_over_all_that_was_seen():
    """The logit in plain loops over clips, frames and joints."""
    model = made("st-gcn")
    assert isinstance(model, STGCN)
    clips = torch.randn(3, 7, 30, 18)
    clips[:, :, :, 5] = float("nan")
    with torch.no_grad():
        x, seen = model.input_norm(clips)
        for block in model.blocks:
            x, seen = block(x, seen)
        total = []
        for m in range(3):
            values = [
                x[m, :, t, v].numpy() for t in range(x.shape[2]) for v in range(18) if seen[m, t, v]
            ]
            total.append(np.mean(values, axis=0))
        wanted = float(model.output.bias[0]) + np.mean(total, axis=0) @ (
            model.output.weight[0].numpy()
        )
        assert float(model(clips[None]).logit[0]) == pytest.approx(wanted, abs=1e-5)
        encoded = model.encode(clips)
    assert encoded.joint_evidence is not None
    assert not encoded.joint_evidence[:, 5].any()


@pytest.mark.parametrize("clips", [1, 3, 7, 10])
def test_top_clips_are_the_best_ones_and_risk_is_one_minus_their_mean(clips):
    model = made("top-clips")
    assert isinstance(model, TopClips)
    vectors = torch.randn(1, clips, 8)
    with torch.no_grad():
        logit, weight = model.attend(vectors)
        fidgety = model.output(vectors[0]).squeeze(-1).sigmoid().numpy()
    best = int(np.ceil(clips / 3))
    wanted = 1 - np.sort(fidgety)[::-1][:best].mean()
    assert float(logit.sigmoid()[0]) == pytest.approx(wanted, abs=1e-6)
    assert (weight[0] > 0).sum() == best
    assert set(np.flatnonzero(weight[0].numpy())) == set(np.argsort(-fidgety)[:best])


def test_a_transformer_reads_clips_of_any_length_it_has_room_for():
    model = made("clip-transformer")
    with torch.no_grad():
        for frames in (1, 29, 31, 60):
            assert model(torch.randn(1, 2, 7, frames, 18)).logit.isfinite().all()
        with pytest.raises(ConfigError, match=r"E702.*tokens"):
            model(torch.randn(1, 2, 7, 300, 18))


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"width": 0}, "E702"),
        ({"width": 2.5}, "E702"),
        ({"dropout": 1.0}, "E702"),
        ({"channels": 5}, "E702"),
        ({"depth": 3}, "E701"),
        ({"skeleton": "octopus"}, "E30"),
    ],
)
def test_impossible_settings(name, change, code):
    with pytest.raises((ConfigError, PoseError), match=code):
        settings_from({"name": name, **change})


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("st-gcn", {"temporal_kernel": 8}),
        ("st-gcn", {"strategy": "random"}),
        ("st-gcn", {"blocks": 0}),
        ("temporal-cnn", {"kernel": 4}),
        ("top-clips", {"kappa": 0}),
        ("clip-transformer", {"heads": 5}),
    ],
)
def test_impossible_settings_of_one(name, change):
    with pytest.raises(ConfigError, match=r"E70[23]"):
        settings_from({"name": name, **change})
    assert name in MODELS
