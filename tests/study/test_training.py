"""Training: the seed decides, the validation part chooses, a kill changes nothing."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from learning import at_other_rate, examples, network, same_weights, sequence

from fidgety.errors import CheckpointError, ConfigError, FileError, PoseError, StudyError
from fidgety.study import state, training
from fidgety.study.augment import Augmentation
from fidgety.study.state import Epoch, RunState
from fidgety.study.training import NetworkConfig, TrainingConfig, fit, scores

TRAIN, VAL = examples(range(8)), examples(range(8, 14))
HERE = Path(__file__).parent


class KilledError(Exception):
    """Stands for the end of the process."""


def test_same_seed_same_weights_bit_for_bit():
    config = network(augmentation=Augmentation(mirror=True, noise=0.1), clips_per_window=3)
    torch.manual_seed(1)
    one = fit(TRAIN, VAL, config)
    torch.manual_seed(2)  # what the caller did before must not matter: seeds precede the model
    other = fit(TRAIN, VAL, config)
    assert same_weights(one.model, other.model)
    assert one.epochs == other.epochs


def test_another_seed_other_weights():
    assert not same_weights(
        fit(TRAIN, VAL, network(max_epoch=1)).model,
        fit(TRAIN, VAL, network(max_epoch=1, seed=1)).model,
    )


def test_learns_a_planted_difference():
    fitted = fit(TRAIN, VAL, network(max_epoch=12, select="best"))
    risk = scores(fitted.model, VAL, fitted.config)
    labels = np.array([e.label for e in VAL])
    assert risk[labels == 1].min() > risk[labels == 0].max()
    assert fitted.epochs[-1].train_loss < fitted.epochs[0].train_loss
    assert not fitted.model.training


@pytest.mark.parametrize(
    ("infants", "least", "epochs"), [(8, 0, 2), (8, 4, 2), (8, 5, 3), (8, 8, 4), (4, 8, 8)]
)
def test_few_infants_are_trained_on_for_as_many_steps(infants, least, epochs, monkeypatch):
    stepped = []
    step = torch.optim.Adam.step
    monkeypatch.setattr(
        torch.optim.Adam, "step", lambda self, *given: (stepped.append(1), step(self, *given))[1]
    )
    config = network(max_epoch=2, batch_size=4, min_steps=least, schedule="cosine")
    fitted = fit(TRAIN[:infants], (), config)
    assert len(fitted.epochs) == fitted.config.training.max_epoch == epochs
    assert len(stepped) == epochs * infants // 4 >= least
    assert {epoch.planned for epoch in fitted.epochs} == {epochs}
    asked = network(max_epoch=epochs, batch_size=4, schedule="cosine")
    assert same_weights(fitted.model, fit(TRAIN[:infants], (), asked).model)


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("killed_after", [1, 3])
@pytest.mark.parametrize("worth", [0, 1e9])  # written after each epoch; after the first and last
def test_resumed_run_ends_bit_equal(tmp_path, monkeypatch, schedule, killed_after, worth):
    monkeypatch.setattr(state, "WORTH", worth)
    config = network(max_epoch=5, schedule=schedule, augmentation=Augmentation(mirror=True))
    whole = fit(TRAIN, VAL, config, run=tmp_path / "whole")

    def kill(epoch: Epoch) -> None:
        if epoch.epoch + 1 == killed_after:
            raise KilledError

    with pytest.raises(KilledError):
        fit(TRAIN, VAL, config, run=tmp_path / "cut", on_epoch=kill)
    resumed = fit(TRAIN, VAL, config, run=tmp_path / "cut", resume=True)
    assert same_weights(whole.model, resumed.model)
    assert whole.epochs == resumed.epochs
    assert whole.kept_epoch == resumed.kept_epoch
    lines = (tmp_path / "cut" / "metrics.jsonl").read_text().splitlines()
    assert [Epoch(**json.loads(line)) for line in lines] == list(whole.epochs)


@pytest.mark.parametrize(("worth", "times"), [(0, 4), (1e9, 2)])
def test_keeping_the_state_takes_no_longer_than_training(tmp_path, monkeypatch, worth, times):
    monkeypatch.setattr(state, "WORTH", worth)
    written, save = [], torch.save
    monkeypatch.setattr(state.torch, "save", lambda *given: written.append(1) or save(*given))
    fit(TRAIN, VAL, network(max_epoch=4), run=tmp_path)
    assert len(written) == times
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 4


def test_resuming_a_finished_run_changes_nothing(tmp_path):
    config = network(max_epoch=2)
    first = fit(TRAIN, VAL, config, run=tmp_path)
    told = []
    again = fit(TRAIN, VAL, config, run=tmp_path, resume=True, on_epoch=told.append)
    assert same_weights(first.model, again.model)
    assert told == []


@pytest.mark.slow
def test_killed_for_real_and_resumed(tmp_path):
    """SIGKILL while epochs run; resumed, the run equals one that was left alone."""
    code = (
        "import sys, time; from learning import *; from fidgety.study.training import fit;"
        "import torch; torch.set_num_threads(1);"
        "wait = lambda epoch: epoch.epoch >= int(sys.argv[2]) and time.sleep(900);"
        "fit(examples(range(8)), examples(range(8, 14)), network(max_epoch=40),"
        " run=sys.argv[1], resume=True, on_epoch=wait)"
    )

    def start(folder: Path, last: int = 1000) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", code, str(folder), str(last)]
        return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(HERE)})

    victim = start(tmp_path / "cut", last=30)  # where it waits to be killed, if that comes so late
    metrics = tmp_path / "cut" / "metrics.jsonl"
    while victim.poll() is None and (not metrics.exists() or not metrics.read_text()):
        time.sleep(0.01)
    victim.send_signal(signal.SIGKILL)
    assert victim.wait() == -signal.SIGKILL
    assert len(metrics.read_text().splitlines()) < 40
    for folder in ("cut", "whole"):
        assert start(tmp_path / folder).wait(900) == 0
    cut, whole = (
        torch.load(tmp_path / folder / "last_state.pt", weights_only=True)
        for folder in ("cut", "whole")
    )
    assert cut["epochs"] == whole["epochs"]
    assert metrics.read_text() == (tmp_path / "whole" / "metrics.jsonl").read_text()
    for part in ("model", "kept"):
        assert all(torch.equal(cut[part][key], value) for key, value in whole[part].items())


def test_state_of_another_run_is_refused(tmp_path):
    fit(TRAIN, VAL, network(max_epoch=1), run=tmp_path)
    with pytest.raises(CheckpointError, match=r"E440.*other settings"):
        fit(TRAIN, VAL, network(max_epoch=2), run=tmp_path, resume=True)
    changed = [replace(TRAIN[0], sequence=sequence(99)), *TRAIN[1:]]
    with pytest.raises(CheckpointError, match=r"E440.*other settings or recordings"):
        fit(changed, VAL, network(max_epoch=1), run=tmp_path, resume=True)
    with pytest.raises(CheckpointError, match="E440"):
        fit(TRAIN, VAL[:-1], network(max_epoch=1), run=tmp_path, resume=True)


@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.99])
def test_truncated_state_is_refused(tmp_path, kept):
    fit(TRAIN, VAL, network(max_epoch=1), run=tmp_path)
    state = tmp_path / "last_state.pt"
    raw = state.read_bytes()
    state.write_bytes(raw[: int(kept * len(raw)) if isinstance(kept, float) else kept])
    with pytest.raises(CheckpointError, match=r"E440.*cannot be read.*start again"):
        fit(TRAIN, VAL, network(max_epoch=1), run=tmp_path, resume=True)


def test_state_that_would_run_code_is_refused(tmp_path):
    class Hostile:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "ran"),))

    torch.save({"identity": Hostile()}, tmp_path / "last_state.pt")
    with pytest.raises(CheckpointError, match="E440"):
        fit(TRAIN, VAL, network(max_epoch=1), run=tmp_path, resume=True)
    assert not (tmp_path / "ran").exists()


def test_full_disk_is_said_and_leaves_the_last_epoch(tmp_path, monkeypatch):
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    def fill(epoch: Epoch) -> None:
        monkeypatch.setattr("fidgety.files.os.fsync", full)

    with pytest.raises(FileError, match="E501"):
        fit(TRAIN, VAL, network(max_epoch=3), run=tmp_path, on_epoch=fill)
    monkeypatch.undo()
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 1
    resumed = fit(TRAIN, VAL, network(max_epoch=3), run=tmp_path, resume=True)
    assert same_weights(resumed.model, fit(TRAIN, VAL, network(max_epoch=3)).model)


def planted_losses(monkeypatch, losses: list[float]) -> None:
    """Validation that says the given losses, so that what follows from them can be seen."""
    remaining = iter(losses)
    monkeypatch.setattr(training, "_validate", lambda *_: (next(remaining), 0.5))


def test_weights_are_of_the_best_validation_epoch(monkeypatch):
    planted_losses(monkeypatch, [0.9, 0.4, 0.6, 0.5])
    best = fit(TRAIN, VAL, network(max_epoch=4))
    assert best.kept_epoch == 1
    assert len(best.epochs) == 4
    planted_losses(monkeypatch, [0.9, 0.4])
    assert same_weights(best.model, fit(TRAIN, VAL, network(max_epoch=2)).model)


def test_last_weights_on_request_and_without_validation(monkeypatch):
    planted_losses(monkeypatch, [0.4, 0.9, 0.6])
    assert fit(TRAIN, VAL, network(max_epoch=3, select="last")).kept_epoch == 2
    alone = fit(TRAIN, [], network(max_epoch=3, patience=1))
    assert alone.kept_epoch == 2
    assert alone.epochs[-1].validation_loss is None


def test_stops_early(monkeypatch):
    planted_losses(monkeypatch, [0.9, 0.5, 0.6, 0.7, 0.8, 0.1])
    fitted = fit(TRAIN, VAL, network(max_epoch=6, patience=2))
    assert len(fitted.epochs) == 4
    assert fitted.kept_epoch == 1


def test_resumed_after_early_stop_stays_stopped(monkeypatch, tmp_path):
    config = network(max_epoch=6, patience=1)
    planted_losses(monkeypatch, [0.5, 0.6])
    first = fit(TRAIN, VAL, config, run=tmp_path)
    again = fit(TRAIN, VAL, config, run=tmp_path, resume=True)
    assert len(first.epochs) == len(again.epochs) == 2


def test_validation_loss_is_the_weighted_log_loss_of_the_risks():
    fitted = fit(TRAIN, VAL[:5], network(max_epoch=1))
    risk = scores(fitted.model, VAL[:5], fitted.config)
    labels = np.array([e.label for e in VAL[:5]])
    losses = -np.where(labels == 1, np.log(risk), np.log(1 - risk))
    assert fitted.epochs[0].validation_loss == pytest.approx(losses.mean(), rel=1e-6)


def test_classes_count_the_same_when_balanced():
    few = [e for e in examples(range(12)) if e.label == 0 or e.infant_id in ("i01", "i03")]
    samples = training.windows_of(few, network().clip, network().window)
    factor = training._positive_weight(samples)
    positive = sum(s.weight for s in samples if s.label == 1)
    negative = sum(s.weight for s in samples if s.label == 0)
    assert factor == pytest.approx(3.0)  # 6 normal infants, 2 abnormal
    assert factor * positive == pytest.approx(negative)
    balanced = fit(few, [], network(max_epoch=3))
    plain = fit(few, [], network(max_epoch=3, balance=False))
    assert (
        scores(balanced.model, VAL, network()).mean() > scores(plain.model, VAL, network()).mean()
    )


def test_infants_never_cross():
    with pytest.raises(StudyError, match=r"E270.*i03"):
        fit(TRAIN, [*VAL, replace(TRAIN[3], recording="another film of it")], network())


def test_one_class_is_refused():
    with pytest.raises(StudyError, match="E202"):
        fit([e for e in TRAIN if e.label], VAL, network())


def test_mixed_frame_rates_are_refused():
    with pytest.raises(StudyError, match=r"E281.*10, 25.*--fps"):
        fit([*TRAIN, at_other_rate(examples(range(20, 21))[0], 25.0)], VAL, network())


def test_other_joints_are_refused():
    odd = replace(TRAIN[0].sequence, values=TRAIN[0].sequence.values[..., :17])
    with pytest.raises(StudyError, match=r"E282.*17 joints.*18"):
        fit([replace(TRAIN[0], sequence=odd), *TRAIN[1:]], VAL, network())


@pytest.mark.parametrize("part", ["train", "validation"])
def test_a_recording_shorter_than_a_clip_is_named(part):
    short = [replace(e, sequence=sequence(5, frames=5)) for e in examples(range(20, 21))]
    parts = (TRAIN + short, VAL) if part == "train" else (TRAIN, VAL + short)
    with pytest.raises(PoseError, match=r"E108.*i20_v0"):
        fit(*parts, network())


def test_a_recording_with_nothing_to_see_is_named_before_any_epoch():
    blind = replace(VAL[0].sequence, values=np.full_like(VAL[0].sequence.values, np.nan))
    told = []
    with pytest.raises(StudyError, match=r"E271.*i08_v0"):
        fit(TRAIN, [replace(VAL[0], sequence=blind)], network(), on_epoch=told.append)
    assert told == []


def test_divergence_is_said(tmp_path):
    with pytest.raises(CheckpointError, match=r"E441.*diverged.*--lr"):
        fit(TRAIN, VAL, network(lr=1e30, max_epoch=5), run=tmp_path)
    lines = (tmp_path / "metrics.jsonl").read_text() if any(tmp_path.iterdir()) else ""
    assert "NaN" not in lines


def test_precision_is_that_of_the_products():
    exact, half = (fit(TRAIN, VAL, network(precision=p)) for p in ("32-true", "bf16-mixed"))
    assert not same_weights(exact.model, half.model)
    assert {w.dtype for w in half.model.parameters()} == {torch.float32}
    for one, other in zip(exact.epochs, half.epochs, strict=True):
        assert other.train_loss == pytest.approx(one.train_loss, abs=0.05)


def test_a_used_up_gpu_is_named(monkeypatch):
    def used_up(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 364.00 MiB. GPU 0 ...")

    fitted = fit(TRAIN, VAL, network())
    named = pytest.raises(
        CheckpointError, match=r"E442.*GPU is used up.*CUDA out of memory\..*--work"
    )
    monkeypatch.setattr(training, "_train_epoch", used_up)
    with named:
        fit(TRAIN, VAL, network())
    monkeypatch.setattr(training, "infer", used_up)
    with named:
        scores(fitted.model, VAL, fitted.config)


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_epoch": 0},
        {"precision": "64-true"},
        {"batch_size": 0},
        {"clips_per_window": 0},
        {"patience": 0},
        {"lr": 0.0},
        {"lr": math.nan},
        {"weight_decay": -1.0},
        {"optimizer": "sgd"},
        {"schedule": "step"},
        {"select": "worst"},
        {"seed": -1},
        {"min_steps": -1},
    ],
)
def test_impossible_settings(wrong):
    with pytest.raises(ConfigError, match="E702"):
        TrainingConfig(**wrong)


def test_cosine_schedule():
    settings = TrainingConfig(max_epoch=40, schedule="cosine")
    factors = [training._schedule(settings, epoch) for epoch in range(40)]
    assert factors[:4] == [0.25, 0.5, 0.75, 1.0]
    assert factors[4] == 1.0
    assert factors[22] == pytest.approx(0.5)
    assert 0 < factors[-1] < 0.01


def test_settings_become_plain_and_the_same_text():
    text = json.dumps(NetworkConfig().to_dict(), sort_keys=True)
    assert json.loads(text)["training"]["augmentation"]["mirror"] is False


def test_best_epoch_of_equal_losses_is_the_first():
    state = RunState(None, "")
    state.epochs = [Epoch(0, 2, 1.0, 0.5, None), Epoch(1, 2, 1.0, 0.5, None)]
    assert state.best_epoch == 0
    assert state.waited(1)
    assert not state.waited(2)
    assert not state.waited(None)


RANKS = """
import sys, json, torch
from lightning_fabric import Fabric
from learning import examples, network, weights_of
from fidgety.study.training import fit
torch.set_num_threads(1)
fabric = Fabric(accelerator="cpu", devices=2, strategy="ddp")
fabric.launch()
told = []
fitted = fit(examples(range(7)), examples(range(8, 14)), network(max_epoch=3), run=sys.argv[1],
             on_epoch=told.append, fabric=fabric)
total = float(sum(abs(v).sum() for v in weights_of(fitted.model).values()))
said = {"epochs": fitted.epochs, "kept": fitted.kept_epoch, "sum": total, "told": len(told)}
open(sys.argv[1] + f"/rank{fabric.global_rank}.json", "w").write(json.dumps(said))
"""


@pytest.mark.slow
def test_two_processes_agree(tmp_path):
    """Two gloo ranks on the CPU: the same losses and weights on both, written once, no hang."""
    script = tmp_path / "ranks.py"
    script.write_text(RANKS)
    env = {**os.environ, "PYTHONPATH": str(HERE), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)], env=env, timeout=900, capture_output=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    first, second = (json.loads((tmp_path / f"rank{k}.json").read_text()) for k in (0, 1))
    assert first["epochs"] == second["epochs"]
    assert len(first["epochs"]) == 3
    assert first["sum"] == second["sum"]
    assert first["kept"] == second["kept"]
    assert (first["told"], second["told"]) == (3, 0)
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 3
