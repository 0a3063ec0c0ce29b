"""The paper's network: shapes, attention, padding, seeds, settings."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fidgety.errors import ConfigError
from fidgety.models import STAM, STAMConfig
from fidgety.pose.skeleton import Skeleton

SMALL = {"widths": (8, 8), "z_dim": 8, "alpha_dim": 4, "beta_dim": 4}


def small(**options) -> STAM:
    torch.manual_seed(0)
    return STAM(STAMConfig(**{**SMALL, **options}))


def clips(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_default_has_the_papers_size():
    count = sum(parameter.numel() for parameter in STAM().parameters())
    second_output, unused_norm = 128 + 1, 2 * 128
    assert count == 434_879
    assert count + second_output + unused_norm == 435_264  # what the public implementation counts


@pytest.mark.parametrize(
    ("skeleton", "joints", "strategy"),
    [("openpose18", 18, "uniform"), ("coco17", 17, "spatial"), ("body25", 25, "distance")],
)
def test_shapes_and_sums(skeleton, joints, strategy):
    model = small(skeleton=skeleton, strategy=strategy).eval()
    output = model(clips(2, 3, 7, 30, joints))
    assert output.logit.shape == (2,)
    assert output.clip_attention.shape == (2, 3)
    assert output.joint_attention.shape == (2, 3, joints)
    torch.testing.assert_close(output.clip_attention.sum(-1), torch.ones(2))
    torch.testing.assert_close(output.joint_attention.sum(-1), torch.ones(2, 3))


@pytest.mark.parametrize("frames", [1, 2, 5, 30, 31, 61])
def test_any_clip_length(frames):
    for masking in (False, True):
        assert small(masking=masking).eval()(clips(1, 2, 7, frames, 18)).logit.isfinite().all()


@pytest.mark.parametrize("options", [{}, {"masking": True, "pool": "mean_std"}])
@pytest.mark.parametrize("rubbish", [0.0, 1e9, float("inf"), float("nan")])
@pytest.mark.parametrize("training", [False, True])
def test_what_stands_in_padded_clips_changes_nothing(options, rubbish, training):
    x, mask = clips(3, 4, 7, 30, 18), torch.ones(3, 4, dtype=torch.bool)
    mask[0, 2:] = mask[1, 0] = False
    outcomes = []
    for filling in (clips(3, 4, 7, 30, 18, seed=1), torch.full_like(x, rubbish)):
        model = small(**options, dropout_gcn=0.0, dropout_context=0.0).train(training)
        output = model(torch.where(mask[..., None, None, None], x, filling), mask)
        output.logit.sum().backward()
        outcomes.append([*output[:3], *(p.grad for p in model.parameters()), *model.buffers()])
    for one, other in zip(*outcomes, strict=True):
        assert torch.equal(one, other)
    assert (outcomes[0][1][~mask] == 0).all()
    assert (outcomes[0][2][~mask] == 0).all()


def test_adding_padded_clips_changes_nothing():
    x = clips(2, 3, 7, 30, 18)
    padded = torch.cat([x, clips(2, 2, 7, 30, 18, seed=1)], dim=1)
    mask = torch.tensor([[True] * 3 + [False] * 2] * 2)
    for training in (False, True):
        model = small(dropout_gcn=0.0, dropout_context=0.0).train(training)
        one, other = model(x), model(padded, mask)
        assert torch.equal(one.joint_attention, other.joint_attention[:, :3])
        torch.testing.assert_close(one.clip_attention, other.clip_attention[:, :3])
        torch.testing.assert_close(one.logit, other.logit)


def test_unequal_recordings_in_one_batch_are_assessed_as_alone():
    model = small().eval()
    x, mask = clips(2, 4, 7, 30, 18), torch.tensor([[True] * 4, [True, True, False, False]])
    together = model(x, mask)
    for n, count in enumerate((4, 2)):
        alone = model(x[n : n + 1, :count])
        torch.testing.assert_close(alone.logit[0], together.logit[n])
        torch.testing.assert_close(alone.clip_attention[0], together.clip_attention[n, :count])


def test_a_recording_without_clips_gets_no_attention():
    model = small().eval()
    output = model(clips(2, 3, 7, 30, 18), torch.tensor([[True] * 3, [False] * 3]))
    assert (output.clip_attention[1] == 0).all()
    assert output.logit[1] == model.output.bias[0]


def test_clips_encoded_once_serve_every_window():
    model = small().eval()
    x = clips(6, 7, 30, 18)
    vectors, joints, _ = model.encode(x)
    windows = torch.tensor([[0, 1, 2, 3], [2, 3, 4, 5]])
    logit, alpha = model.attend(vectors[windows])
    whole = model(x[windows])
    torch.testing.assert_close(logit, whole.logit)
    torch.testing.assert_close(alpha, whole.clip_attention)
    torch.testing.assert_close(joints[windows], whole.joint_attention)


@settings(max_examples=15)
@given(order=st.permutations(range(5)))
def test_the_order_of_clips_carries_no_meaning(order):
    model = small().eval()
    x = clips(1, 5, 7, 30, 18)
    with torch.inference_mode():
        one, other = model(x), model(x[:, order])
    torch.testing.assert_close(one.logit, other.logit)
    torch.testing.assert_close(one.clip_attention[:, order], other.clip_attention)


def test_moving_along_the_graph_only():
    """A joint more than three hops away is not reached by the first block's graph."""
    model = small().eval()
    joints = model.config.layout.index
    x = clips(1, 7, 30, 18)
    y = x.clone()
    y[:, :, :, joints["right_ankle"]] += 1.0
    with torch.inference_mode():
        first = [model.blocks[0](model.input_norm(z)[0], None)[0] for z in (x, y)]
    changed = (first[0] != first[1]).any(dim=(0, 1, 2))
    assert changed[joints["right_hip"]]
    assert changed[joints["right_shoulder"]]  # three bones
    assert not changed[joints["nose"]]
    assert not changed[joints["left_ankle"]]


def test_same_seed_same_network_other_seed_another():
    torch.manual_seed(3)
    one = STAM().state_dict()
    torch.manual_seed(3)
    same = STAM().state_dict()
    torch.manual_seed(4)
    other = STAM().state_dict()
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["output.weight"], other["output.weight"])


def test_initial_weights_are_the_published_ones():
    torch.manual_seed(0)
    model = STAM()
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d):
            weight = module.weight.detach()
            assert weight.mean().abs() < 0.005
            assert weight.std() == pytest.approx(0.02, rel=0.15)
            assert (module.bias == 0).all()
        elif isinstance(module, torch.nn.BatchNorm2d):
            weight = module.weight.detach()
            assert weight.mean() == pytest.approx(1.0, abs=0.01)
            assert weight.std() == pytest.approx(0.02, rel=0.35)
            assert (module.bias == 0).all()


def test_a_planted_movement_is_learned_and_found():
    """Label 1: joint b shakes in one of four clips. The attention must find which one."""
    line = Skeleton("line", ("a", "b", "c"), (("b", "a"), ("c", "b")), (), {}, "a")
    model = small(skeleton=line, max_hop=1, pool="mean_std", dropout_gcn=0.0, dropout_context=0.0)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    generator = torch.Generator().manual_seed(0)

    def draw() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        x = torch.randn(32, 4, 7, 8, 3, generator=generator)
        label = (torch.arange(32) % 2).float()
        where = torch.randint(4, (32,), generator=generator)
        x[torch.arange(32), where, :, :, 1] *= 1 + 4 * label[:, None, None]
        return x, label, where

    for _ in range(60):
        x, label, _ = draw()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(model(x).logit, label)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    x, label, where = draw()
    output = model.eval()(x)
    assert ((output.logit > 0) == (label == 1)).float().mean() > 0.9
    found = output.clip_attention.argmax(dim=1) == where
    assert found[label == 1].float().mean() > 0.9


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        *[("channels", 0), ("channels", 7.0), ("channels", True), ("z_dim", -1), ("alpha_dim", 0)],
        *[("beta_dim", "128"), ("widths", (64, 0)), ("widths", (8,) * 40), ("widths", 64)],
        *[("temporal_kernel", 8), ("temporal_kernel", 0), ("pool", "max"), ("masking", 1)],
        *[("dropout_gcn", 1.0), ("dropout_gcn", -0.1), ("dropout_context", float("nan"))],
        *[("dropout_context", "a"), ("gated_attention", None), ("edge_importance", "yes")],
        *[("compress", 2), ("max_hop", 19), ("skeleton", "nobody"), ("skeleton", 18)],
    ],
)
def test_impossible_settings_are_refused(setting, value):
    with pytest.raises(ConfigError) as caught:
        STAMConfig.from_dict({setting: value})
    assert caught.value.code == "E702"


@pytest.mark.parametrize("wrong", [{"strategy": "star"}, {"max_hop": 0}, {"dilation": 0}])
def test_impossible_graphs_are_refused(wrong):
    with pytest.raises(ConfigError) as caught:
        STAMConfig.from_dict(wrong)
    assert caught.value.code == "E703"


def test_compress_needs_the_seven_channels():
    with pytest.raises(ConfigError, match="compress"):
        STAMConfig(channels=5, compress=True)


def test_unknown_settings_are_refused():
    with pytest.raises(ConfigError) as caught:
        STAMConfig.from_dict({"z_dims": 64})
    assert caught.value.code == "E701"


def test_settings_survive_their_plain_form():
    line = Skeleton("line", ("a", "b", "c"), (("b", "a"), ("c", "b")), (), {}, "a")
    for config in (
        STAMConfig(),
        STAMConfig(widths=(), z_dim=16, masking=True, pool="mean_std"),
        STAMConfig(skeleton=line, max_hop=2, strategy="distance"),
    ):
        assert STAMConfig.from_dict(config.to_dict()) == config
    assert STAM(config).eval()(clips(1, 2, 7, 30, 3)).joint_attention.shape == (1, 2, 3)


def test_the_package_itself_does_not_import_torch():
    code = "import sys, fidgety; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("options", [{}, {"masking": True, "compress": True, "pool": "mean_std"}])
def test_encoding_and_attending_compile_without_a_break(options):
    model = small(**options).eval()
    x = clips(4, 7, 30, 18)
    encode = torch.compile(model.encode, backend="eager", fullgraph=True)
    attend = torch.compile(model.attend, backend="eager", fullgraph=True)
    with torch.no_grad():
        vectors, joints, _ = encode(x)
        logit, _ = attend(vectors[None], torch.ones(1, 4, dtype=torch.bool))
        torch.testing.assert_close(joints, model.encode(x)[1])
        np.testing.assert_allclose(logit, model(x[None]).logit, rtol=1e-5)
