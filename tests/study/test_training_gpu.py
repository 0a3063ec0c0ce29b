"""Training on a GPU: as on the processor, and never waiting for it."""

from __future__ import annotations

import warnings
from dataclasses import replace

import pytest
import torch
from learning import TINY, examples, network, same_weights
from lightning_fabric import Fabric

from fidgety.study import training
from fidgety.study.methods import METHODS
from fidgety.study.training import fit, scores

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="NO GPU, nothing is tested on one"),
]
TRAIN, VAL = examples(range(16)), examples(range(16, 24))
STILL = replace(TINY, dropout_context=0.0, dropout_gcn=0.0)  # devices draw dropout differently


def fitted(accelerator: str, config=None, precision: str = "32-true"):
    fabric = Fabric(accelerator=accelerator, devices=1, precision=precision)
    return fit(TRAIN, VAL, config or network(STILL), fabric=fabric)


def test_the_loss_is_that_of_the_processor():
    here, there = fitted("cpu"), fitted("cuda")
    for one, other in zip(here.epochs, there.epochs, strict=True):
        assert other.train_loss == pytest.approx(one.train_loss, abs=1e-3)
        assert other.validation_loss == pytest.approx(one.validation_loss, abs=1e-3)


def test_a_gpu_is_taken_if_there_is_one():
    assert next(fit(TRAIN, VAL, network()).model.parameters()).device.type == "cuda"


def test_same_seed_same_epochs():
    one, other = fitted("cuda", network()), fitted("cuda", network())
    assert [e.train_loss for e in one.epochs] == pytest.approx(
        [e.train_loss for e in other.epochs], abs=1e-4
    )


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
def test_learns_in_mixed_precision(precision):
    done = fitted("cuda", network(max_epoch=12, select="best"), precision)
    risk = scores(done.model, VAL, done.config)
    labels = [e.label for e in VAL]
    assert min(r for r, y in zip(risk, labels, strict=True) if y) > max(
        r for r, y in zip(risk, labels, strict=True) if not y
    )


def test_a_run_goes_on_where_it_was_killed(tmp_path):
    config = network(max_epoch=3)
    whole = fit(TRAIN, VAL, config)

    def stop(epoch):
        if epoch.epoch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(TRAIN, VAL, config, run=tmp_path, on_epoch=stop)
    again = fit(TRAIN, VAL, config, run=tmp_path, resume=True)
    assert [e.train_loss for e in again.epochs] == pytest.approx(
        [e.train_loss for e in whole.epochs], abs=1e-4
    )
    assert again.kept_epoch == whole.kept_epoch
    assert not same_weights(again.model, fit(TRAIN, VAL, network(max_epoch=1)).model)


@pytest.mark.parametrize("name", ["fidgety", "stam", "stam-published", "wo-gma"])
def test_no_step_waits_for_the_gpu(name, monkeypatch):
    """Batches are queued; the loss is asked for when the epoch is over."""
    method = METHODS[name].network
    assert method is not None
    settings = replace(method.training, max_epoch=2, min_steps=0, batch_size=4, select="last")
    config = replace(method, training=settings, clip=network().clip, window=network().window)
    waits: list[str] = []
    batches = training.batches

    def watched(*args):
        """Batches; what is done with one while the next is not asked for must not wait."""
        for batch in batches(*args):
            torch.cuda.set_sync_debug_mode("warn")
            yield batch
            torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(training, "batches", watched)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        fit(TRAIN, (), config)
    torch.cuda.set_sync_debug_mode("default")
    waits = [str(w.message) for w in seen if "called a synchronizing" in str(w.message)]
    assert not waits, waits[:3]
