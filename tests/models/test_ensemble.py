"""Several networks spoken of as one, on file and over a recording."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit
from small_models import CLIP, WINDOW, clips, network, sequence, trained

from fidgety.errors import CheckpointError
from fidgety.models.checkpoint import Checkpoint, save_checkpoint
from fidgety.models.ensemble import Ensemble, pooled
from fidgety.models.explain import explanation_check, randomised, spread
from fidgety.models.inference import infer
from fidgety.models.trained import TrainedModel
from fidgety.motion import WindowConfig, split

NETWORKS = [network(seed) for seed in range(3)]


def ensemble(rows=None, window=WINDOW) -> Ensemble:
    recording = clips(1) if rows is None else rows
    return Ensemble(tuple(infer(member, recording, window) for member in NETWORKS))


def members(**more) -> Checkpoint:
    one = trained().checkpoint
    rest = {"fps": one.fps, "profile": one.profile, "profile_config": one.profile_config,
            "clip": one.clip, "window": one.window}  # fmt: skip
    return Checkpoint.of_members(NETWORKS, **rest, **more)


def test_its_risk_is_the_mean_on_the_logit_scale():
    found = ensemble()
    risks = [member.risk for member in found.members]
    assert found.risk == pytest.approx(expit(np.mean(logit(risks))))
    assert min(risks) < found.risk < max(risks)
    assert pooled([0.0, 1.0]) == pytest.approx(0.5)
    np.testing.assert_array_equal(pooled([[0.2, 0.7]]), [0.2, 0.7])


def test_contributions_sum_to_its_logit_and_attention_to_one():
    found = ensemble(window=WindowConfig(60.0, 0.0))
    assert found.exact
    assert found.clip_contribution.sum() + found.bias == pytest.approx(found.logit, abs=1e-5)
    assert expit(found.logit) == pytest.approx(found.risk, abs=1e-5)
    assert found.clip_attention.sum() == pytest.approx(1)
    shares = found.clip_attention @ found.joint_attention
    each = [member.clip_attention @ member.joint_attention for member in found.members]
    np.testing.assert_allclose(shares, np.mean(each, axis=0), atol=1e-9)
    table = found.joint_contribution
    assert table is not None
    np.testing.assert_allclose(table.sum(axis=1), found.clip_contribution, atol=1e-5)


def test_its_interval_holds_what_members_disagree_on():
    found = ensemble()
    low, high = spread(found, np.random.default_rng(0))
    alone = spread(found.members[0], np.random.default_rng(0))
    risks = [member.risk for member in found.members]
    assert low < np.median(risks) < high
    assert high - low > alone[1] - alone[0]


def test_members_travel_on_file(tmp_path):
    path = save_checkpoint(tmp_path / "m.fidgety", members())
    loaded = TrainedModel.load(path)
    assert len(loaded.networks) == 3
    found = loaded.infer(loaded.clips(sequence(1)))
    assert found.risk == pytest.approx(ensemble(split(sequence(1), CLIP)).risk, abs=1e-6)


@pytest.mark.parametrize("wrong", [0, 4, 101, True, "3"])
def test_a_wrong_number_of_members_is_refused(wrong):
    whole = members()
    content = {**whole.__dict__, "members": wrong}
    with pytest.raises(CheckpointError, match=r"E40[47]"):
        Checkpoint(**content)


def test_a_file_of_an_earlier_version_is_one_network(tmp_path):
    import json

    import safetensors.torch

    path = save_checkpoint(tmp_path / "m.fidgety", trained().checkpoint)
    weights = safetensors.torch.load_file(path)
    with safetensors.safe_open(path, "pt") as handle:
        content = json.loads(handle.metadata()["fidgety"])
    for name in ("members", "threshold", "abstention"):
        del content[name]
    safetensors.torch.save_file(weights, path, {"fidgety": json.dumps(content)})
    assert len(TrainedModel.load(path).networks) == 1


def test_random_weights_explain_otherwise():
    model = TrainedModel(members(), tuple(NETWORKS))
    recording = model.clips(sequence(1))
    found, random = model.infer(recording), randomised(model).infer(recording)
    check = explanation_check(found, np.random.default_rng(0), random)
    assert check is not None
    assert -1 <= check["random_weights"] <= 1
    itself = explanation_check(found, np.random.default_rng(0), found)
    assert itself is not None
    assert itself["random_weights"] == pytest.approx(1.0)
    assert check["contribution"]["risk_change_random"] == pytest.approx(check["risk_change_random"])
    assert check["insertion"]["risk_away_top"] >= 0
    again = randomised(model).infer(recording)
    np.testing.assert_array_equal(again.clip_attention, random.clip_attention)
