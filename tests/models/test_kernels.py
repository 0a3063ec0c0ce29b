"""The fast kernels equal their plain forms, forwards and backwards."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from fidgety.models import kernels


def plain_graph_conv(x, weight, bias, graph):
    x = F.conv2d(x, weight, bias).unflatten(1, (graph.shape[0], -1))
    return torch.einsum("mpdtv,pvw->mdtw", x, graph)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("with_bias", [True, False])
def test_graph_conv_equals_the_plain_order(parts, with_bias):
    x, weight = random(2, 5, 7, 6), random(parts * 4, 5, 1, 1, seed=1)
    graph = random(parts, 6, 6, seed=2)
    bias = random(parts * 4, seed=3) if with_bias else None
    inputs = [x, weight, graph, *([bias] if bias is not None else [])]
    outcomes = []
    for form in (kernels.graph_conv, plain_graph_conv):
        found = form(x, weight, bias, graph)
        outcomes.append([found, *torch.autograd.grad(found.square().sum(), inputs)])
    for fast, plain in zip(*outcomes, strict=True):
        torch.testing.assert_close(fast, plain, rtol=1e-10, atol=1e-10)


def test_graph_conv_of_an_even_graph_needs_no_shift():
    x, weight, bias = random(2, 5, 7, 6), random(4, 5, 1, 1, seed=1), random(4, seed=3)
    graph = random(1, 6, 6, seed=2).detach().abs()
    graph = graph / graph.sum(dim=1, keepdim=True)
    fast = kernels.graph_conv(x, weight, bias, graph, even=True)
    torch.testing.assert_close(fast, plain_graph_conv(x, weight, bias, graph))


def test_asinh_in_every_size():
    sizes = torch.logspace(-30, 18, 2000)
    x = torch.cat([-sizes, sizes, torch.tensor([0.0, -0.0, float("nan")])])
    torch.testing.assert_close(
        kernels.asinh(x).double(), torch.asinh(x.double()), rtol=1e-6, atol=0, equal_nan=True
    )
    assert torch.signbit(kernels.asinh(torch.tensor([-0.0]))).all()


def test_asinh_has_a_gradient_at_zero():
    x = torch.zeros(1, requires_grad=True)
    kernels.asinh(x).backward()
    assert x.grad is not None
    assert x.grad.item() == 1.0


@pytest.mark.parametrize("p", [1e-6, 0.1, 0.3, 0.5, 0.9])
def test_dropout_drops_its_share_of_every_place_and_keeps_the_mean(p):
    torch.manual_seed(0)
    x = torch.ones(64, 10, 25, 25).contiguous(memory_format=torch.channels_last)
    found = kernels.dropout(x, p, training=True)
    kept = found != 0
    expected = 5 * (p * (1 - p) / x.numel()) ** 0.5 + 2**-16
    assert abs(1 - kept.double().mean().item() - p) < expected
    by_lane = kept.permute(0, 2, 3, 1).reshape(-1, 4).double().mean(0)  # of one 64-bit draw each
    assert (by_lane - (1 - p)).abs().max() < 2 * expected + 2**-16
    assert len(found[kept].unique()) == 1
    assert abs(found.double().mean().item() - 1) < 5 * (p / (1 - p) / x.numel()) ** 0.5 + 1e-5


def test_dropout_follows_the_seed_and_rests_outside_training():
    x = torch.randn(3, 5, 7, 9)
    torch.manual_seed(1)
    one = kernels.dropout(x, 0.5, training=True)
    torch.manual_seed(1)
    assert torch.equal(one, kernels.dropout(x, 0.5, training=True))
    assert not torch.equal(one, kernels.dropout(x, 0.5, training=True))
    assert kernels.dropout(x, 0.5, training=False) is x
    assert kernels.dropout(x, 0.0, training=True) is x


def test_dropout_gradient_is_its_own_mask():
    x = torch.randn(3, 5, 7, 9).contiguous(memory_format=torch.channels_last).requires_grad_()
    found = kernels.dropout(x, 0.3, training=True)
    found.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad * x.detach(), found.detach())


def test_dropout_of_a_view_that_is_not_dense():
    x = torch.ones(4, 6)[:, ::2]
    found = kernels.dropout(x, 0.5, training=True)
    assert found.shape == x.shape
    assert set(found.unique().tolist()) <= {0.0, 2.0}
