"""The contract of a network: counts, contributions, names; for sums over clips and for others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from scipy.special import expit
from small_models import WINDOW, clips, network
from torch import nn

from fidgety.errors import CheckpointError, ConfigError
from fidgety.models import MODELS, STAM, STAMConfig
from fidgety.models.catalogue import build_network, name_of, settings_from, settings_to_plain
from fidgety.models.inference import infer
from fidgety.models.network import Encoded, Network, softmax_over
from fidgety.motion import windows
from fidgety.pose.skeleton import Skeleton, load_skeleton
from fidgety.study.training import NetworkConfig


@dataclass(frozen=True)
class CrossedConfig:
    """Settings of `Crossed`."""

    width: int = 4

    @property
    def layout(self) -> Skeleton:
        return load_skeleton("openpose18")

    def to_dict(self) -> dict[str, Any]:
        return {"width": self.width}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> CrossedConfig:
        return cls(**content)


class Crossed(Network):
    """A network whose logit is no sum over clips: each clip asks all the others first."""

    config_type: ClassVar = CrossedConfig

    def __init__(self, config: CrossedConfig | None = None) -> None:
        super().__init__(config)
        self.embed = nn.Linear(18, self.config.width)
        self.ask = nn.Linear(self.config.width, self.config.width)
        self.output = nn.Linear(self.config.width, 1)

    def encode(self, clips: torch.Tensor) -> Encoded:
        joints = clips.nan_to_num().square().mean(dim=(1, 2))  # (M, V)
        return Encoded(self.embed(joints), joints / joints.sum(-1, keepdim=True))

    def attend(self, vectors, count=None):
        count = vectors.new_ones(vectors.shape[:2]) if count is None else count
        scores = self.ask(vectors) @ vectors.transpose(1, 2)  # (N, K, K)
        mixed = softmax_over(scores, count[:, None].expand_as(scores)) @ vectors
        weights = softmax_over(mixed.mean(dim=-1), count)
        return self.output(torch.einsum("nk,nkd->nd", weights, mixed)).squeeze(-1), weights


def crossed(seed: int = 0) -> Crossed:
    torch.manual_seed(seed)
    return Crossed().eval()


@pytest.mark.parametrize("model", [network(), network(masking=True), crossed()])
def test_counting_a_clip_twice_equals_having_it_twice(model):
    torch.manual_seed(0)
    vectors = model.encode(torch.randn(5, 7, 10, 18)).vectors
    count = torch.tensor([[1.0, 2.0, 0.0, 1.0, 3.0]])
    rows = torch.tensor([0, 1, 1, 3, 4, 4, 4])
    with torch.no_grad():
        logit, weights = model.attend(vectors[None], count)
        repeated, single = model.attend(vectors[rows][None])
    torch.testing.assert_close(logit, repeated)
    assert weights[0, 2] == 0
    torch.testing.assert_close(weights[0, 1], single[0, 1] + single[0, 2])
    torch.testing.assert_close(weights.sum(), torch.tensor(1.0))


@pytest.mark.parametrize("model", [network(), network(masking=True), crossed()])
def test_a_mask_is_a_count_of_zero_and_one(model):
    torch.manual_seed(1)
    vectors = model.encode(torch.randn(4, 7, 10, 18)).vectors[None]
    mask = torch.tensor([[True, False, True, True]])
    with torch.no_grad():
        for one, other in zip(
            model.attend(vectors, mask), model.attend(vectors, mask.float()), strict=True
        ):
            torch.testing.assert_close(one, other, rtol=0, atol=0)


@pytest.mark.parametrize("rule", ["mean", "max"])
def test_inference_of_a_network_that_is_no_sum_over_clips(rule):
    """Risk, leaving out and contributions are those of its own forward."""
    model, recording = crossed(), clips(1)
    found = infer(model, recording, WINDOW, rule)
    counts = np.random.default_rng(0).integers(0, 3, (70, len(recording))).astype(float)
    counts[0] = 1
    risks = []
    for part in windows(recording, WINDOW):
        rows = np.arange(len(recording))[part]
        for_draws = []
        for count in counts:
            chosen = np.repeat(rows, count[rows].astype(int))
            if len(chosen) == 0:
                for_draws.append(np.nan)
                continue
            with torch.no_grad():
                out = model(torch.from_numpy(recording.values(chosen))[None])
            for_draws.append(float(expit(out.logit[0].item())))
        risks.append(for_draws)
    expected = np.nanmean(risks, axis=0) if rule == "mean" else np.nanmax(risks, axis=0)
    np.testing.assert_allclose(found.risk_with(counts), expected, atol=1e-5)
    assert found.risk == pytest.approx(expected[0], abs=1e-5)
    assert not found.exact
    assert found.bias is None
    assert found.joint_contribution is None
    without = found.windows[0].logit() - found.windows[0].logit(
        np.eye(len(found.windows[0].rows))[0] == 0
    )
    assert found.windows[0].contribution[0] == pytest.approx(float(without), abs=1e-6)
    assert found.clip_contribution.any()


def test_a_single_clip_contributes_the_whole_logit():
    model = crossed()
    window = infer(model, clips(1, frames=10), WINDOW).windows[0]
    np.testing.assert_allclose(window.contribution, window.logit())


@pytest.mark.parametrize("rule", ["mean", "max"])
@pytest.mark.parametrize("options", [{}, {"masking": True, "pool": "mean_std"}])
def test_joint_contributions_of_stam_sum_to_the_logit(rule, options):
    recording = clips(3)
    found = infer(network(**options), recording, WINDOW, rule)
    assert found.exact
    assert found.joint_contribution is not None
    np.testing.assert_allclose(
        found.joint_contribution.sum(axis=1), found.clip_contribution, atol=1e-5
    )
    logits = [float(window.logit()) for window in found.windows]
    whole = np.mean(logits) if rule == "mean" else max(logits)
    assert found.joint_contribution.sum() + found.bias == pytest.approx(whole, abs=1e-5)


def test_softmax_over_counts():
    scores = torch.tensor([[0.3, -1.0, 2.0], [1.0, 1.0, 1.0]])
    count = torch.tensor([[2.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    weights = softmax_over(scores, count)
    parts = 2 * np.exp(0.3), np.exp(-1.0)
    expected = [parts[0] / sum(parts), parts[1] / sum(parts), 0.0]
    np.testing.assert_allclose(weights[0], expected, rtol=1e-6)
    assert not weights[1].any()
    torch.testing.assert_close(softmax_over(scores), scores.softmax(-1))


@pytest.mark.parametrize("name", MODELS)
def test_every_network_keeps_the_contract(name):
    """Settings there and back; shapes; a joint evidence that is the pull's."""
    kind = MODELS[name]
    settings = kind.config_type()
    plain = settings_to_plain(settings)
    assert plain["name"] == name == name_of(settings)
    assert settings_from(plain) == settings
    assert settings_from(settings.to_dict(), name) == settings
    torch.manual_seed(0)
    model = build_network(settings).eval()
    assert type(model) is kind
    x = torch.randn(3, settings.channels, 30, len(settings.layout))
    with torch.no_grad():
        vectors, joints, evidence = model.encode(x)
        logit, weights = model.attend(vectors[None])
        found = model.evidence(vectors)
        output = model(x[None], torch.tensor([[True, True, True]]))
    assert joints.shape == (3, len(settings.layout))
    torch.testing.assert_close(joints.sum(-1), torch.ones(3))
    torch.testing.assert_close(output.logit, logit)
    torch.testing.assert_close(weights.sum(-1), torch.ones(1))
    if found is not None:
        torch.testing.assert_close((weights[0] * found.pull).sum() + found.bias, logit[0])
        if evidence is not None:
            torch.testing.assert_close(evidence.sum(-1), found.pull, atol=1e-5, rtol=1e-5)


def test_settings_of_before_names_are_those_of_stam():
    assert settings_from(STAMConfig(z_dim=8).to_dict()) == STAMConfig(z_dim=8)
    assert NetworkConfig().to_dict()["model"]["name"] == "stam"


def test_an_unknown_network_is_refused():
    with pytest.raises(CheckpointError, match=r"E408 No model named 'other'.*stam"):
        settings_from({"name": "other"})
    with pytest.raises(CheckpointError, match="E408"):
        build_network(CrossedConfig())
    with pytest.raises(ConfigError, match="E701"):
        settings_from({"name": "stam", "depth": 3})
    assert isinstance(build_network(STAMConfig()), STAM)
