"""Exaggerated fidgety movements: noisy or, enlarged copies, measured bands, exact account."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import expit, logit
from test_additive import FPS, clips, network, recording

from fidgety.models.additive import Additive, AdditiveConfig
from fidgety.models.checkpoint import Checkpoint, save_checkpoint
from fidgety.models.ensemble import Ensemble
from fidgety.models.excess import Excess, either
from fidgety.models.export import export_onnx
from fidgety.models.inference import EitherWindow, infer
from fidgety.models.trained import TrainedModel
from fidgety.motion import ClipConfig, PoseSequence, WindowConfig, split
from fidgety.study.examples import Example
from fidgety.study.training import NetworkConfig, TrainingConfig, fit


def test_either_is_the_chance_of_at_least_one_of_two():
    first, second = torch.randn(2, 50, dtype=torch.float64) * 3
    p, q = expit(first.numpy()), expit(second.numpy())
    np.testing.assert_allclose(either(first, second).numpy(), logit(1 - (1 - p) * (1 - q)))


def test_only_the_bands_in_which_normal_recordings_exceed_others_are_enlarged():
    excess = Excess(4, 2.0)
    excess.normal[:] = torch.tensor([0.0, 3.0, 1.5, -2.0])
    level = torch.randn(3, 18, 4)
    more = (excess.enlarged(level) - level).exp()
    torch.testing.assert_close(more[0, 0], torch.tensor([1.0, 4.0, 2.5, 1.0]))


def test_bands_are_learnt_by_what_recordings_are_held_to_be():
    excess, generator = Excess(3, 2.0), torch.Generator().manual_seed(0)
    for _ in range(400):
        absent = torch.tensor([9.0, 9.0, -9.0, -9.0])
        shape = torch.tensor([[1.0, 0, 0]] * 2 + [[0, 1.0, 0]] * 2)
        excess.learn_bands(shape + 0.01 * torch.randn(4, 3, generator=generator), absent)
    torch.testing.assert_close(excess.normal, torch.tensor([0, 1.0, 0]), atol=0.02, rtol=0)
    torch.testing.assert_close(excess.abnormal, torch.tensor([1.0, 0, 0]), atol=0.02, rtol=0)
    excess.learn_bands(torch.ones(1, 3), torch.tensor([200.0]))  # nobody is held to be normal
    assert excess.normal.isfinite().all()


def test_recordings_held_to_be_abnormal_teach_nothing_of_the_usual_size():
    excess = Excess(3, 2.0, ridge=0.0)
    loss = excess.penalty(torch.tensor([5.0, 5.0]), torch.tensor([-5.0, -5.0]),
                          torch.tensor([-30.0, 30.0]))  # fmt: skip
    assert loss[0] > 5
    assert loss[1] < 1e-6


@pytest.mark.parametrize("rule", ["mean", "max"])
def test_leaving_clips_out_equals_the_network_without_them(rule):
    model = network(exaggeration=2.0)
    parts = split(recording(), ClipConfig(2.0, 1.0))
    found = infer(model, parts, WindowConfig(60.0, 0.0), rule)
    assert isinstance(found.windows[0], EitherWindow)
    count = np.random.default_rng(0).integers(0, 3, len(parts)).astype(float)
    rows = np.repeat(np.arange(len(parts)), count.astype(int))
    with torch.no_grad():
        whole = model(torch.from_numpy(parts.values(rows))[None]).logit
        one = model(torch.from_numpy(parts.values())[None]).logit
    assert found.risk_with(count) == pytest.approx(float(whole.sigmoid()), abs=1e-5)
    assert found.logit == pytest.approx(float(one), abs=1e-5)


def test_what_belongs_to_no_clip_is_spread_evenly_and_changes_no_order():
    model = network(exaggeration=2.0)
    parts = split(recording(), ClipConfig(2.0, 1.0))
    found = infer(model, parts, WindowConfig(60.0, 0.0))
    window = found.windows[0]
    assert isinstance(window, EitherWindow)
    own = window.attention * window.pull
    rest = window.contribution - own
    np.testing.assert_allclose(rest, rest[0])
    assert rest[0] > 0  # either of two is likelier than the one
    table, joint_pull = found.joint_contribution, found.joint_pull
    assert table is not None
    assert joint_pull is not None
    share = table - found.clip_attention[:, None] * joint_pull
    seen = found.joint_attention > 0
    assert not seen.all()
    assert (share[~seen] == 0).all()
    for clip, there in zip(share, seen, strict=True):
        np.testing.assert_allclose(clip[there], rest[0] / there.sum(), atol=1e-6)


@pytest.mark.parametrize("rule", ["mean", "max"])
@pytest.mark.parametrize("far", [-3.0, 0.0, 12.0])
def test_what_the_risk_rests_on_is_told_apart(rule, far):
    """Against the network's own two logits, of each window by itself."""
    model = network(exaggeration=2.0)
    assert model.excess is not None
    with torch.no_grad():
        model.bias += 1.0
        model.excess.measure.bias.fill_(far)
    parts = split(recording(), ClipConfig(2.0, 1.0))
    found = infer(model, parts, WindowConfig(8.0, 2.0), rule)
    asked = []
    for window in found.windows:
        assert isinstance(window, EitherWindow)
        vectors = torch.as_tensor(window.vectors)[None]
        with torch.no_grad():
            absent, _ = model._absent(vectors, None)
            exaggerated = model.excess.logit(model._normed(model._means(vectors, None)[0]))
        asked.append([float(absent.sigmoid()), float(exaggerated.sigmoid())])
        assert window.parts == pytest.approx(asked[-1], abs=2e-6)
        one_or_other = 1 - (1 - window.parts[0]) * (1 - window.parts[1])
        assert one_or_other == pytest.approx(expit(float(window.logit())), abs=1e-6)
    assert found.parts is not None
    if rule == "mean":
        assert found.parts == pytest.approx(np.mean(asked, axis=0), abs=2e-6)
    else:
        assert list(found.parts) in [pytest.approx(one, abs=2e-6) for one in asked]
    assert Ensemble((found, found)).parts == pytest.approx(found.parts)


def test_a_network_of_one_question_rests_on_no_other():
    found = infer(network(), split(recording(), ClipConfig(2.0, 1.0)))
    assert found.parts is None
    assert Ensemble((found,)).parts is None


def swinging(infants: range, size: float | None = None) -> list[Example]:
    """Noise; infants of label 0 swing at 2 Hz by about 0.3, unless `size` is given."""
    found = []
    for infant in infants:
        rng = np.random.default_rng(infant)
        values = rng.normal(0, 0.3, (7, round(10 * FPS), 18))
        if size is not None or infant % 2 == 0:
            large = 0.3 * np.exp(rng.normal(0, 0.2)) if size is None else size
            time = np.arange(values.shape[1]) / FPS
            values[2] += large * np.sin(2 * np.pi * 2.0 * time[:, None] + rng.uniform(0, 6, 18))
        sequence = PoseSequence(values.astype("f4"), FPS)
        found.append(Example(f"i{infant}", f"r{infant}", infant % 2, sequence))
    return found


def test_exaggerated_movement_is_told_without_an_example_of_it():
    """No infant of the training part swings too far; those that do afterwards are at risk."""
    risks = {}
    for exaggeration in (0.0, 2.0):
        config = NetworkConfig(
            AdditiveConfig(width=16, exaggeration=exaggeration),
            ClipConfig(2.0, 1.0),
            training=TrainingConfig(
                max_epoch=60, batch_size=8, lr=1e-2, optimizer="adamw", schedule="cosine",
                select="last",
            ),
        )  # fmt: skip
        model = fit(swinging(range(32)), [], config).model
        for name, others in (
            ("normal", swinging(range(100, 116, 2))),
            ("far", swinging(range(200, 216, 2), size=1.2)),
        ):
            risks[exaggeration, name] = [
                infer(model, split(e.sequence, config.clip), config.window).risk for e in others
            ]
    assert max(risks[0.0, "far"]) < 0.5
    assert min(risks[2.0, "far"]) > max(0.5, *risks[2.0, "normal"])


def test_a_model_with_it_is_saved_and_exported_as_it_is(tmp_path):
    model = network(exaggeration=2.0)
    known = Checkpoint.of(
        model, fps=30.0, profile="fidgety", profile_config={"fps": 30.0},
        clip={"length_s": 2.0, "stride_s": 1.0},
    )  # fmt: skip
    saved = TrainedModel.load(save_checkpoint(tmp_path / "m.fidgety", known))
    exported = TrainedModel.load(export_onnx(known, tmp_path / "m.onnx"))
    sequence = recording()
    direct = infer(model, split(sequence, ClipConfig(2.0, 1.0)))
    for one in (saved, exported):
        found = one.infer(one.clips(sequence))
        assert found.exact
        assert found.risk == pytest.approx(direct.risk, abs=1e-4)
        assert found.joint_contribution is not None
        np.testing.assert_allclose(found.joint_contribution, direct.joint_contribution, atol=1e-4)
        counts = np.array([[0.0] + [1] * 18, [2] * 19])
        np.testing.assert_allclose(found.risk_with(counts), direct.risk_with(counts), atol=1e-4)


def test_settings_without_it_build_the_network_of_before():
    plain = Additive(AdditiveConfig.from_dict({"width": 4}))
    assert not plain.whole
    assert not any("excess" in name for name in plain.state_dict())
    assert plain(clips(1, 2)).penalty is None
