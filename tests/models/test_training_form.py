"""Training in the fused form equals training as the network is written, forwards and backwards."""

from __future__ import annotations

import copy
import gc
import weakref
from dataclasses import replace

import pytest
import torch
from torch import nn

from fidgety.models import fused_block as fused_block_module
from fidgety.models import training_form
from fidgety.models.fused_block import fused_block, together
from fidgety.models.stam import STAM, STAMConfig

SMALL = STAMConfig(
    widths=(6, 8), z_dim=8, alpha_dim=4, beta_dim=4, masking=True, compress=True, pool="mean_std",
    dropout_gcn=0.0, dropout_context=0.0,
)  # fmt: skip


def clips_of(count: int, frames: int = 30, missing: bool = False) -> torch.Tensor:
    clips = 2.0 * torch.randn(1, count, 7, frames, 18, dtype=torch.float64) + 1.0
    if missing:
        clips[:, 0, :, 3:9, 2] = float("nan")
        clips[:, 1, :, :, 5] = float("nan")
        clips[:, :, :, :, 7] = float("nan")  # never seen at all
    return clips


def trained_once(network: STAM, clips: torch.Tensor, fused: bool) -> dict[str, torch.Tensor]:
    """What a step gives: output, gradients, statistics."""
    form = copy.deepcopy(network).train()
    form.fused = fused
    output = form(clips)
    output.logit.square().sum().backward()
    found = {f"gradient of {name}": p.grad for name, p in form.named_parameters()}
    found |= {name: value for name, value in form.named_buffers() if value.is_floating_point()}
    assert all(int(v) == 1 for n, v in form.named_buffers() if n.endswith("batches_tracked"))
    return {**found, "logit": output.logit.detach(), "joints": output.joint_attention.detach()}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"pool": "mean"},
        {"masking": False},
        {"masking": False, "pool": "mean", "compress": False},
        {"widths": (8, 8), "temporal_kernel": 5},
        {"widths": ()},
        {"gated_attention": True, "masking": True, "compress": False},
    ],
    ids=str,
)
@pytest.mark.parametrize("missing", [False, True])
def test_a_step_equals_that_of_the_network_as_written(changes, missing):
    torch.manual_seed(0)
    network = STAM(replace(SMALL, **changes)).double()
    clips = clips_of(together() + 3, frames=13, missing=missing)
    plain, fused = (trained_once(network, clips, form) for form in (False, True))
    assert plain.keys() == fused.keys()
    for name, value in plain.items():
        torch.testing.assert_close(
            fused[name], value, rtol=1e-6, atol=1e-9, msg=lambda said, name=name: f"{name}: {said}"
        )


def test_a_block_that_adds_what_comes_in_as_it_is():
    torch.manual_seed(0)
    x = torch.randn(5, 4, 9, 6, dtype=torch.float64, requires_grad=True)
    graph = torch.rand(6, 6, dtype=torch.float64)
    graph = graph / graph.sum(dim=0)
    joints = nn.Conv2d(4, 4, 1).double(), nn.BatchNorm2d(4).double()
    frames = nn.Conv2d(4, 4, (3, 1), 1, (1, 0)).double(), nn.BatchNorm2d(4).double()
    fused = fused_block(x, graph, joints, frames, None, 0.0)
    mixed = torch.einsum("mctv,vw->mctw", x, graph)
    inner = joints[1](joints[0](mixed)).relu()
    plain = (frames[1](frames[0](inner)) + x).relu()
    torch.testing.assert_close(fused, plain)
    learned = [x, *(p for part in (*joints, *frames) for p in part.parameters())]
    weights = torch.randn_like(plain)
    gradients = [torch.autograd.grad((form * weights).sum(), learned) for form in (fused, plain)]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("stride", [1, 2])
def test_gradients_of_a_block_by_differences(stride):
    torch.manual_seed(1)
    graph = torch.rand(3, 3, dtype=torch.float64)
    graph = graph / graph.sum(dim=0)
    parts = [
        (nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3)),
        (nn.Conv2d(3, 3, (3, 1), (stride, 1), (1, 0)), nn.BatchNorm2d(3)),
        (nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3)),
    ]
    module = nn.ModuleList(part.double() for pair in parts for part in pair)
    names = [name for name, _ in module.named_parameters()]
    x = torch.randn(3, 2, 5, 3, dtype=torch.float64, requires_grad=True)

    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = module

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return fused_block(x, graph, *parts, 0.0)

    whole = Whole()

    def work(x: torch.Tensor, *learned: torch.Tensor) -> torch.Tensor:
        given = {f"module.{n}": value for n, value in zip(names, learned, strict=True)}
        return torch.func.functional_call(whole, given, (x,), strict=False)

    learned = [p.detach().requires_grad_() for p in module.parameters()]
    assert torch.autograd.gradcheck(work, (x, *learned), atol=1e-6)


def test_loss_curves_agree():
    """Twenty steps in float32, with dropout: the same losses to 1e-3."""
    torch.manual_seed(1)
    clips, label = torch.randn(8, 4, 7, 30, 18), torch.tensor([0.0, 1.0] * 4)
    network, curves = STAM(replace(SMALL, dropout_gcn=0.3)), []
    for fused in (False, True):
        form = copy.deepcopy(network).train()
        form.fused = fused
        torch.manual_seed(2)
        optimizer, curve = torch.optim.AdamW(form.parameters(), lr=1e-3), []
        for _ in range(20):
            loss = nn.functional.binary_cross_entropy_with_logits(form(clips).logit, label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            curve.append(loss.item())
        curves.append(torch.tensor(curve))
    torch.testing.assert_close(*curves, rtol=0, atol=1e-3)
    assert curves[0][-1] < curves[0][0]
    assert not torch.equal(*curves)


def test_dropout_draws_the_same():
    """The same seed drops the same values in both forms."""
    network = STAM(replace(SMALL, dropout_gcn=0.3)).double()
    clips, found = clips_of(9), []
    for fused in (False, True):
        torch.manual_seed(5)
        found.append(trained_once(network, clips, fused))
    plain, fused = found
    torch.testing.assert_close(fused["logit"], plain["logit"])
    torch.manual_seed(6)
    assert not torch.equal(trained_once(network, clips, True)["logit"], fused["logit"])


def test_float32_keeps_statistics_of_values_far_from_zero():
    """Variances come from sums of squares: a mean of 30 deviations must not drown them."""
    torch.manual_seed(0)
    x = torch.randn(40, 4, 20, 6) + 30.0
    graph = torch.eye(6)
    joints = nn.Conv2d(4, 5, 1), nn.BatchNorm2d(5)
    frames = nn.Conv2d(5, 5, (3, 1), 1, (1, 0)), nn.BatchNorm2d(5)
    short = nn.Conv2d(4, 5, 1), nn.BatchNorm2d(5)
    fused = fused_block(x, graph, joints, frames, short, 0.0)
    exact = [part.double() for part in (*joints, *frames, *short)]
    first, norm_first, over, norm_over, past, norm_past = exact
    x = x.double()
    plain = norm_over(over(norm_first(first(x)).relu())) + norm_past(past(x))
    torch.testing.assert_close(fused.double(), plain.relu(), rtol=0, atol=2e-5)


@pytest.mark.parametrize(
    ("network", "change"),
    [
        (STAMConfig(edge_importance=True), None),
        (STAMConfig(strategy="spatial"), None),
        (SMALL, "asked for a gradient"),
        (SMALL, "autocast"),
        (SMALL, "no gradients"),
    ],
)
def test_it_leaves_alone_what_it_does_not_know(network, change):
    network = STAM(network)
    network.fused = True
    clips = torch.randn(2, 7, 30, 18, requires_grad=change == "asked for a gradient")
    half = torch.autocast("cpu", torch.bfloat16, enabled=change == "autocast")
    with half, torch.set_grad_enabled(change != "no gradients"):
        assert not training_form.applies(network, clips)
        assert network.train()(clips[None]).logit.isfinite().all()
    assert training_form.applies(STAM(SMALL), torch.randn(2, 7, 30, 18))


def test_nothing_is_held_after_a_step(monkeypatch):
    """Not until the garbage collector happens to come round: memory would fill."""
    made = []

    class Watched(fused_block_module._Work):
        def __init__(self, *given):
            super().__init__(*given)
            made.append(weakref.ref(self))

    monkeypatch.setattr(fused_block_module, "_Work", Watched)
    gc.disable()
    try:
        network = STAM(SMALL).train()
        network.fused = True
        output = network(clips_of(3).float())
        output.logit.sum().backward()
        del output
        assert len(made) == 3
        assert all(work() is None for work in made)
    finally:
        gc.enable()
