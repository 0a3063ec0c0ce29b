"""Frames made once say what clips made one by one say, whatever the network's settings."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_models import CLIP, WINDOW, sequence

from fidgety.models import STAM, STAMConfig
from fidgety.models.clipwise import STGCN
from fidgety.models.fast import OnArrays
from fidgety.models.inference import encode, infer
from fidgety.models.shared_frames import SharedFrames, runner_of
from fidgety.motion import PoseSequence, split

SETTINGS = {
    "as published": {},
    "all that is ours": {
        "masking": True, "compress": True, "pool": "mean_std", "edge_importance": True,
        "gated_attention": True,
    },
    "three partitions": {"strategy": "spatial", "masking": True},
    "what comes in is added as it is": {"widths": (7, 5), "z_dim": 5},
    "one channel wide": {"widths": (1,), "z_dim": 3},
}  # fmt: skip


def random_network(**settings) -> STAM:
    """Every weight and statistic a value of its own, as training would."""
    torch.manual_seed(3)
    model = STAM(STAMConfig(**{"widths": (4, 6), "z_dim": 8, "beta_dim": 4, **settings}))
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 2.0)
            elif value.is_floating_point():
                value.add_(torch.randn(value.shape), alpha=0.3)
    return model.eval()


def with_gaps(frames: int = 137) -> PoseSequence:
    """A hidden joint, a hidden channel, a while in which nothing was seen; an odd last clip."""
    values = sequence(2, frames).values
    values[:, 8:30, 3] = np.nan
    values[2:4, 40:44, 7] = np.nan
    values[:, 70:90] = np.nan
    return PoseSequence(values, 10.0)


@pytest.mark.parametrize("name", SETTINGS)
def test_equals_encoding_each_clip_alone(name):
    model, clips = random_network(**SETTINGS[name]), split(with_gaps(), CLIP)
    which = np.flatnonzero(clips.usable)
    assert 3 < len(which) < len(clips)
    one_by_one = encode(OnArrays(model), clips, which)
    at_once = encode(runner_of(model), clips, which)
    for ours, theirs in zip(at_once, one_by_one, strict=True):
        assert ours is not None
        assert theirs is not None
        assert ours.std() > 1e-4
        np.testing.assert_allclose(ours, theirs, atol=2e-6, rtol=2e-5)


def test_the_parts_do_not_show(monkeypatch):
    monkeypatch.setattr("fidgety.models.shared_frames.TOGETHER", 2)
    model, clips = random_network(masking=True), split(with_gaps(), CLIP)
    runner = runner_of(model)
    runner.clips_at_a_time = 5
    found, plain = infer(runner, clips, WINDOW), infer(OnArrays(model), clips, WINDOW)
    assert found.risk == pytest.approx(plain.risk, abs=1e-6)
    np.testing.assert_allclose(found.joint_attention, plain.joint_attention, atol=1e-6)


def test_a_frame_is_made_once(monkeypatch):
    runner, clips = runner_of(random_network()), split(sequence(1), CLIP)
    assert isinstance(runner, SharedFrames)
    seen, make = [], runner._encode
    monkeypatch.setattr(runner, "_encode", lambda x, *more: seen.append(len(x)) or make(x, *more))
    infer(runner, clips, WINDOW)
    assert seen == [100]
    assert len(clips) * 10 > 150


def test_the_network_is_left_as_it_was():
    model = random_network(edge_importance=True)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    encode(runner_of(model), split(sequence(1), CLIP), np.arange(3))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_other_networks_get_their_clips_whole():
    runner = runner_of(STGCN().eval())
    assert not isinstance(runner, SharedFrames)
    assert len(encode(runner, split(sequence(1), CLIP), np.arange(4))[0]) == 4
