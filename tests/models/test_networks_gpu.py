"""Networks on a GPU say what they say on the processor."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from small_models import WINDOW, clips, trained

from fidgety.models.catalogue import build_network
from fidgety.models.checkpoint import save_checkpoint
from fidgety.models.inference import infer
from fidgety.models.shared_frames import runner_of
from fidgety.models.stam import STAMConfig
from fidgety.models.trained import TrainedModel
from fidgety.study.methods import METHODS

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="NO GPU, nothing is tested on one"),
]
NETWORKS = [name for name, method in METHODS.items() if method.network is not None]


def built(name: str):
    """An untrained network of a method, its statistics those of random clips."""
    method = METHODS[name].network
    assert method is not None
    torch.manual_seed(0)
    network = build_network(method.model).train()
    with torch.no_grad():
        network(torch.randn(2, 5, 7, 30, 18))
    return network.eval()


@pytest.mark.parametrize("name", NETWORKS)
def test_infers_as_on_the_processor(name):
    network = built(name)
    recording = clips(3, 300)
    here = infer(runner_of(network), recording, WINDOW)
    there = infer(runner_of(copy.deepcopy(network).cuda()), recording, WINDOW)
    assert there.risk == pytest.approx(here.risk, abs=1e-4)
    np.testing.assert_allclose(there.joint_attention, here.joint_attention, atol=1e-4)


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_as_on_the_processor(name, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn.conv, "fp32_precision", "ieee")  # not TF32
    network = built(name)
    other = copy.deepcopy(network).cuda()
    given = torch.randn(4, 6, 7, 30, 18)
    network(given).logit.sum().backward()
    other(given.cuda()).logit.sum().backward()
    for (part, here), there in zip(network.named_parameters(), other.parameters(), strict=True):
        if here.grad is None:
            assert there.grad is None
            continue
        # The largest of all: some gradients are nothing but rounding (a bias before a softmax).
        scale = max(float(p.grad.abs().max()) for p in network.parameters() if p.grad is not None)
        np.testing.assert_allclose(
            there.grad.cpu().numpy() / scale, here.grad.numpy() / scale, atol=1e-3, err_msg=part
        )


def test_a_model_from_a_gpu_is_read_on_the_processor(tmp_path):
    network = built("stam-published")
    before = infer(runner_of(network), clips(3, 300), WINDOW).risk
    save_checkpoint(tmp_path / "model.fidgety", trained(network.cuda()).checkpoint)
    after = TrainedModel.load(tmp_path / "model.fidgety")
    assert {part.device.type for part in after.networks[0].parameters()} == {"cpu"}
    risk = infer(runner_of(after.networks[0]), clips(3, 300), WINDOW).risk
    assert risk == pytest.approx(before, abs=1e-6)


def test_published_size_is_tested():
    published = METHODS["stam-published"].network
    assert published is not None
    assert isinstance(published.model, STAMConfig)
