"""The measurement runs, its plain form computes the same, and its figures hang together."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from fidgety.bench import bench, table
from fidgety.bench.plain import plain_form, plain_risks
from fidgety.models.fast import OnArrays, fused
from fidgety.models.inference import infer
from fidgety.models.stam import STAM, STAMConfig
from fidgety.motion import ClipConfig, PoseSequence, WindowConfig, split

SMALL = STAMConfig(
    widths=(4, 6), z_dim=8, alpha_dim=4, beta_dim=4, masking=True, compress=True, dropout_gcn=0.0
)


def network() -> STAM:
    torch.manual_seed(0)
    return STAM(SMALL)


def test_plain_form_trains_alike():
    clips = torch.randn(3, 4, 7, 30, 18)
    clips[0, :, :, 3:9, 2] = float("nan")
    model = network()
    model.dropout.p = 0.0
    gradients = []
    for form in (model, plain_form(model)):
        form.train()(clips).logit.square().sum().backward()
        gradients.append([p.grad for p in form.parameters()])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


def test_loss_curves_agree():
    """Twenty steps of training in both forms: the same losses to 1e-3."""
    clips, label = torch.randn(8, 4, 7, 30, 18), torch.tensor([0.0, 1.0] * 4)
    model = network()
    model.dropout.p = 0.0
    curves = []
    for form in (plain_form(model), model):
        optimizer = torch.optim.Adam(form.train().parameters(), lr=1e-3)
        curve = []
        for _ in range(20):
            loss = torch.nn.functional.binary_cross_entropy_with_logits(form(clips).logit, label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            curve.append(loss.item())
        curves.append(curve)
    np.testing.assert_allclose(curves[0], curves[1], atol=1e-3)
    assert curves[0][-1] < curves[0][0]


def test_plain_windows_have_the_same_risks():
    values = np.random.default_rng(0).normal(size=(7, 1500, 18)).astype(np.float32)
    clips = split(PoseSequence(values, 30.0), ClipConfig())
    model, window = network().eval(), WindowConfig(1000 / 30, 800 / 30)
    plain = plain_risks(plain_form(model), clips, window)
    assert len(plain) > 1
    found = infer(OnArrays(fused(model)), clips, window)
    assert found.risk == pytest.approx(plain.mean(), abs=1e-5)


@pytest.mark.slow
def test_bench_measures(tmp_path):
    threads = torch.get_num_threads()
    found = bench("small", seconds=45, threads=1, runs=1)
    assert torch.get_num_threads() == threads
    json.dumps(found, allow_nan=False)
    for part in found["parts"]:
        assert part["ours"]["processor_s"] > 0
        if part["difference"] is not None:
            assert part["difference"] < 1e-4
    assert found["machine"]["matmul_gflops"] > 0
    assert "training step" in table(found)
