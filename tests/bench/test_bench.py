"""The measurement runs, its plain form computes the same, and its figures hang together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from fidgety.bench import bench, draw_growth, table
from fidgety.bench.epochs import Epochs, FromDisk
from fidgety.bench.plain import plain_form, plain_risks
from fidgety.bench.with_pandas import by_column, by_group
from fidgety.cli.benching import bench_command
from fidgety.errors import PoseError
from fidgety.models.inference import infer
from fidgety.models.shared_frames import runner_of
from fidgety.models.stam import STAM, STAMConfig
from fidgety.motion import ClipConfig, PoseSequence, WindowConfig, pose_sequence, split
from fidgety.simulate import simulate_infant
from fidgety.study.examples import Example, windows_of
from fidgety.study.sequences import read_sequence
from fidgety.study.training import NetworkConfig, TrainingConfig

SMALL = STAMConfig(
    widths=(4, 6), z_dim=8, alpha_dim=4, beta_dim=4, masking=True, compress=True, dropout_gcn=0.0
)


def network() -> STAM:
    torch.manual_seed(0)
    return STAM(SMALL)


def test_plain_form_trains_alike():
    """In float64: batch norms over so few clips can magnify float32's rounding to a hundredth."""
    clips = torch.randn(3, 4, 7, 30, 18, dtype=torch.float64)
    clips[0, :, :, 3:9, 2] = float("nan")
    model = network().double()
    model.dropout.p = 0.0
    gradients = []
    for form in (model, plain_form(model)):
        form.train()(clips).logit.square().sum().backward()
        gradients.append([p.grad for p in form.parameters()])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-6)


def test_loss_curves_agree():
    """Twenty steps of training in both forms: the same losses to 1e-3."""
    torch.manual_seed(1)
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
    found = infer(runner_of(model), clips, window)
    assert found.risk == pytest.approx(plain.mean(), abs=1e-5)


def test_the_plain_loader_reads_the_clips_that_ours_sees(tmp_path):
    training = TrainingConfig(lr=1e-12, batch_size=8)
    still = replace(SMALL, dropout_context=0.0)
    epochs = Epochs(NetworkConfig(model=still, training=training), tmp_path, 2, 60.0)
    first, _ = FromDisk(epochs.files, 30, 20)[0]
    recording = read_sequence(epochs.folders[0])
    (window, *_) = windows_of([Example("i", "i", 0, recording)], ClipConfig(), WindowConfig())
    np.testing.assert_array_equal(first, window.clips.values(window.rows))
    # One batch of all windows, weights that stay: the same loss, in whatever order they come.
    assert len(epochs.files) == 4
    assert epochs.plain() == pytest.approx(epochs.ours(epochs.same_work), abs=1e-3)


def test_growth_is_drawn(tmp_path):
    curves = {
        "windows: recording in s": [[75, 0.03], [300, 0.14], [900, 0.4]],
        "encoding: cores": [[1, 0.016], [2, 0.009]],
        "epoch: infants": [[8, 0.1], [16, 0.2]],
    }
    found = {"growth": curves, "size": "small", "threads": 1}
    pytest.importorskip("matplotlib")
    for name in ("growth.png", "growth.svg"):
        path = draw_growth(found, tmp_path / name)
        assert path.stat().st_size > 5000


def test_curves_need_growth(tmp_path):
    outcome = CliRunner().invoke(bench_command, ["--curves", str(tmp_path / "a.png")])
    assert outcome.exit_code == 2
    assert "give both" in outcome.output


@pytest.mark.parametrize("way", [by_column, by_group])
def test_pandas_makes_the_published_features(way):
    """What preprocessing is measured against computes the same."""
    pytest.importorskip("pandas")
    pose = simulate_infant(4, seconds=8.0, fps=30.0)[0].pose
    theirs, ours = way(pose), pose_sequence(pose, "stam").values
    np.testing.assert_allclose(theirs, ours, atol=1e-9)


def test_threads_are_put_back():
    threads = torch.get_num_threads()
    with pytest.raises(PoseError, match="E108"):
        bench("small", seconds=0.5, threads=1, runs=1)
    assert torch.get_num_threads() == threads


def test_a_table_of_made_up_figures():
    """Columns say what stands in them."""
    timing = {"wall_s": 1.0, "processor_s": 0.5}
    part = {
        "name": "one", "plain": timing, "ours": {"wall_s": 1.0, "processor_s": 0.25},
        "ratio": 2.0, "gflop": 5.0, "gflops": 20.0, "share_of_matmul": 0.4, "difference": None,
    }  # fmt: skip
    said = table(
        {
            "size": "small", "seconds": 60.0, "threads": 1, "parts": [part],
            "machine": {"matmul_gflops": 50.0, "matmul_bf16_gflops": 90.0, "copy_gb_per_s": 20.0},
            "growth": {"cores": [[1, 0.5], [2, 0.25]]}, "peak_memory_mb": 12.0,
        }
    )  # fmt: skip
    row = next(line for line in said.splitlines() if line.startswith("one"))
    assert row.split() == ["one", "500", "250", "2.0", "20", "40%"]
    assert "cores. 1: 500 ms, 2: 250 ms" in said
