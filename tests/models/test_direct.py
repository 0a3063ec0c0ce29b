"""The logit computed the long way agrees with what is taken apart, and tells where it does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_models import CLIP, network, sequence, trained

from fidgety.models.additive import Additive, AdditiveConfig
from fidgety.models.checkpoint import Checkpoint
from fidgety.models.direct import direct_logit
from fidgety.models.trained import TrainedModel
from fidgety.motion import WindowConfig
from fidgety.settings import to_plain


def model_of(networks, **more) -> TrainedModel:
    one = trained().checkpoint
    rest = {"fps": one.fps, "profile": one.profile, "profile_config": one.profile_config,
            "clip": one.clip, "window": one.window} | more  # fmt: skip
    return TrainedModel(Checkpoint.of_members(networks, **rest), tuple(networks))


def additive(seed: int) -> Additive:
    torch.manual_seed(seed)
    return Additive(AdditiveConfig(fps=trained().checkpoint.fps, width=4)).eval()


@pytest.mark.parametrize("rule", ["mean", "max"])
@pytest.mark.parametrize("kind", [network, additive])
def test_contributions_and_bias_sum_to_the_networks_own_logit(kind, rule):
    windows = to_plain(WindowConfig(3 * CLIP.length_s, CLIP.length_s))
    model = model_of([kind(seed) for seed in range(2)], aggregation=rule, window=windows)
    clips = model.clips(sequence(1, frames=400))
    found = model.infer(clips)
    total = float(found.clip_contribution.sum()) + float(found.bias or 0.0)
    assert len(found.windows) > 1
    assert total == pytest.approx(direct_logit(model, clips), abs=1e-5)


def test_a_contribution_that_is_wrong_is_found(monkeypatch):
    """What is taken apart wrongly still sums to its own logit; the long way does not."""
    right = model_of([additive(0)])
    clips = right.clips(sequence(1))
    evidence = Additive.evidence

    def halved(self, vectors):
        found = evidence(self, vectors)
        return found._replace(pull=found.pull / 2)

    monkeypatch.setattr(Additive, "evidence", halved)
    wrong = replace(right)
    found = wrong.infer(clips)
    total = float(found.clip_contribution.sum()) + float(found.bias or 0.0)
    assert total == pytest.approx(found.logit, abs=1e-6)
    assert abs(total - direct_logit(wrong, clips)) > 1e-3


def test_a_window_without_a_usable_clip_is_left_out():
    model = model_of([network(0)])
    seen = sequence(2, frames=400)
    values = seen.values.copy()
    values[:, : values.shape[1] // 2] = np.nan
    clips = model.clips(replace(seen, values=values))
    assert not clips.usable.all()
    assert direct_logit(model, clips) == pytest.approx(model.infer(clips).logit, abs=1e-4)
