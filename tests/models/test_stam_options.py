"""What goes beyond the paper: off by default, and each does what it is there for."""

import numpy as np
import pytest
import torch

from fidgety.models import STAM, STAMConfig
from fidgety.models.stam import COMPRESS_SCALES

SMALL = {"widths": (8, 8), "z_dim": 8, "alpha_dim": 4, "beta_dim": 4}
NAN = float("nan")


def small(**options) -> STAM:
    torch.manual_seed(0)
    return STAM(STAMConfig(**{**SMALL, **options}))


def clips(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_all_options_are_off_by_default():
    config = STAMConfig()
    for option in ("masking", "edge_importance", "gated_attention", "compress"):
        assert getattr(config, option) is False
    assert config.pool == "mean"


# masking


def test_without_masking_a_missing_value_reads_as_zero():
    x = clips(1, 2, 7, 30, 18)
    x[0, 0, :, 4:9, 3] = NAN
    model = small().eval()
    assert torch.equal(model(x).logit, model(x.nan_to_num(0.0)).logit)


def test_masking_changes_nothing_where_all_was_seen():
    x = clips(2, 3, 7, 30, 18)
    plain, masking = small().eval(), small(masking=True).eval()
    for one, other in zip(plain(x), masking(x), strict=True):
        torch.testing.assert_close(one, other)
    norms = [
        model.train().input_norm(x.flatten(0, 1))[0] for model in (plain, masking)
    ]  # and the batch statistics are those of the plain norm
    torch.testing.assert_close(*norms)
    torch.testing.assert_close(plain.input_norm.running_var, masking.input_norm.running_var)


def test_masked_statistics_are_those_of_the_observed_values():
    x = clips(6, 7, 30, 18) * 3 + 1
    x[torch.rand(x.shape, generator=torch.Generator().manual_seed(1)) < 0.3] = NAN
    norm = small(masking=True).train().input_norm
    out, seen = norm(x)
    mean = np.nanmean(x.numpy(), axis=(0, 2)).T.ravel()  # (V*C,)
    variance = np.nanvar(x.numpy(), axis=(0, 2), ddof=1).T.ravel()
    np.testing.assert_allclose(norm.running_mean, 0.1 * mean, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(norm.running_var, 0.9 + 0.1 * variance, rtol=1e-4)
    assert (out[x.isnan()] == 0).all()
    assert torch.equal(seen, ~x.isnan().any(dim=1))


def test_a_joint_never_seen_leaves_its_statistics_alone():
    x = clips(4, 7, 30, 18)
    x[..., 5] = NAN
    norm = small(masking=True).train().input_norm
    norm(x)
    joint = slice(5 * 7, 6 * 7)
    assert (norm.running_mean[joint] == 0).all()
    assert (norm.running_var[joint] == 1).all()
    assert (norm.running_mean[:35] != 0).all()


def test_a_joint_never_seen_in_a_clip_gets_no_attention():
    x = clips(1, 2, 7, 30, 18)
    x[0, 0, :, :, 5] = NAN
    beta = small(masking=True).eval()(x).joint_attention
    assert beta[0, 0, 5] == 0
    assert beta[0, 1, 5] > 0
    torch.testing.assert_close(beta.sum(-1), torch.ones(1, 2))


def test_a_clip_in_which_nothing_was_seen_gets_no_attention():
    x = clips(1, 3, 7, 30, 18)
    x[0, 1] = NAN
    model = small(masking=True).eval()
    output = model(x)
    assert output.clip_attention[0, 1] == 0
    torch.testing.assert_close(output.logit, model(x[:, [0, 2]]).logit)


@pytest.mark.parametrize("pool", ["mean", "mean_std"])
def test_time_is_averaged_over_the_observed_frames(pool):
    model = small(masking=True, pool=pool)
    x = clips(2, 8, 5, 18)
    seen = torch.rand(2, 5, 18, generator=torch.Generator().manual_seed(2)) < 0.6
    seen[:, 0] = True
    pooled = model.over_time(x.permute(0, 2, 3, 1), seen).transpose(1, 2).numpy()
    observed = np.where(seen[:, None].numpy(), x.numpy(), np.nan)
    np.testing.assert_allclose(pooled[:, :8], np.nanmean(observed, axis=2), atol=1e-5)
    if pool == "mean_std":
        spread = np.sqrt(np.nanvar(observed, axis=2) + 1e-5)
        np.testing.assert_allclose(pooled[:, 8:], spread, atol=1e-5)


def test_training_with_missing_values_stays_finite():
    x = clips(4, 3, 7, 30, 18)
    x[torch.rand(x.shape, generator=torch.Generator().manual_seed(1)) < 0.2] = NAN
    x[1, 1] = NAN
    model = small(masking=True, compress=True, pool="mean_std", gated_attention=True)
    model(x).logit.sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())
    assert all(buffer.isfinite().all() for buffer in model.buffers())


# learned edges, gated attention, compression, spread over time


def test_edges_start_as_the_graph_itself_and_learn():
    x = clips(1, 2, 7, 30, 18)
    plain, learned = small().eval(), small(edge_importance=True).eval()
    assert torch.equal(plain(x).logit, learned(x).logit)
    learned(x).logit.sum().backward()
    for block in learned.blocks:
        assert block.edges.shape == (1, 18, 18)
        assert (block.edges.grad[block.graph == 0] == 0).all()  # no edge where the graph has none
        assert (block.edges.grad[block.graph > 0] != 0).any()


def test_an_open_gate_is_no_gate():
    x = clips(2, 3, 7, 30, 18)
    plain, gated = small().eval(), small(gated_attention=True).eval()
    missing = gated.load_state_dict(plain.state_dict(), strict=False).missing_keys
    assert {name.split(".")[1] for name in missing} == {"gate"}
    for attention in (gated.joint_attention, gated.clip_attention):
        torch.nn.init.zeros_(attention.gate.weight)
        torch.nn.init.constant_(attention.gate.bias, 50.0)  # sigmoid = 1
    assert torch.equal(plain(x).clip_attention, gated(x).clip_attention)
    torch.nn.init.constant_(gated.clip_attention.gate.bias, -50.0)  # closed: all clips alike
    torch.testing.assert_close(gated(x).clip_attention, torch.full((2, 3), 1 / 3))


def test_compression_is_asinh_and_tames_a_kick():
    model = small(compress=True).eval()
    x = clips(2, 7, 30, 18)
    scales = torch.tensor(COMPRESS_SCALES)[:, None, None]
    plain = small().eval()
    torch.testing.assert_close(model.input_norm(x)[0], plain.input_norm(torch.asinh(x / scales))[0])
    kick = torch.full((1, 7, 30, 18), 1000.0)
    assert model.input_norm(kick)[0].abs().max() < 12
    slight = 0.01 * scales * torch.ones(1, 7, 30, 18)  # as good as linear
    ours, linear = model.input_norm(slight)[0], plain.input_norm(slight / scales)[0]
    torch.testing.assert_close(ours, linear, atol=1e-5, rtol=1e-3)


def test_spread_over_time_tells_apart_what_the_mean_cannot():
    steady, shaking = torch.zeros(1, 6, 18, 8), torch.zeros(1, 6, 18, 8)
    shaking[:, ::2], shaking[:, 1::2] = 1.0, -1.0
    mean, both = small(), small(pool="mean_std")
    assert torch.equal(mean.over_time(steady, None), mean.over_time(shaking, None))
    spread = both.over_time(shaking, None)[..., 8:] - both.over_time(steady, None)[..., 8:]
    assert (spread > 0.99).all()


def test_a_fifth_of_the_width():
    model = STAM(STAMConfig(widths=(12, 24), z_dim=24, alpha_dim=24, beta_dim=24))
    assert sum(parameter.numel() for parameter in model.parameters()) < 434_879 / 20
    assert model.eval()(clips(1, 2, 7, 30, 18)).logit.shape == (1,)
