"""Fit one network on one split. The test part is not an argument: it cannot be looked at here."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from lightning_fabric import Fabric

from fidgety.errors import CheckpointError, ConfigError, StudyError
from fidgety.models.catalogue import at_rate, build_network, settings_to_plain
from fidgety.models.inference import Aggregation, infer
from fidgety.models.network import Network, NetworkSettings
from fidgety.models.shared_frames import runner_of
from fidgety.models.stam import STAMConfig
from fidgety.motion import ClipConfig, WindowConfig, split
from fidgety.settings import to_plain
from fidgety.statistics import roc_auc
from fidgety.study.augment import Augmentation, augmented
from fidgety.study.examples import Example, Window, batches, check_alike, windows_of
from fidgety.study.state import Epoch, RunState, identity_of

Figures = tuple[float | None, float | None]  # of the validation part: log loss, AUC
Precision = Literal["32-true", "bf16-mixed", "16-mixed"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

__all__ = [
    "PRECISIONS",
    "Epoch",
    "Fitted",
    "NetworkConfig",
    "Precision",
    "TrainingConfig",
    "fit",
    "scores",
]


@dataclass(frozen=True)
class TrainingConfig:
    """How a network is trained.

    Parameters
    ----------
    max_epoch, batch_size : int
        Passes over the training windows; windows a step.
    min_steps : int
        Steps to train for at least: where `max_epoch` passes over few windows take fewer, there
        are as many more passes as it needs. 0: `max_epoch` alone decides.
    lr, weight_decay : float
        Learning rate and weight decay.
    optimizer : {"adam", "adamw"}
        Adam adds the decay to the gradient, as published; AdamW shrinks the weights themselves.
    schedule : {"constant", "cosine"}
        Learning rate over the epochs; cosine warms up over the first tenth and falls to zero.
    clips_per_window : int or None
        Random clips of each window looked at in a step; None for all of them.
    patience : int or None
        Stop after so many epochs without a better validation loss; None trains to the end.
    select : {"best", "last"}
        Weights kept: of the epoch with the best validation loss, or of the last epoch.
    balance : bool
        Weigh the classes so that both count the same.
    augmentation : Augmentation
        Changes to the clips.
    precision : {"32-true", "bf16-mixed", "16-mixed"}
        Of products; sums and weights are float32. What lies outside of training is, too.
    seed : int
        Same seed, same weights on one machine.
    """

    max_epoch: int = 50
    batch_size: int = 64
    min_steps: int = 0
    lr: float = 1e-4
    weight_decay: float = 1e-4
    optimizer: Literal["adam", "adamw"] = "adam"
    schedule: Literal["constant", "cosine"] = "constant"
    clips_per_window: int | None = None
    patience: int | None = None
    select: Literal["best", "last"] = "best"
    balance: bool = True
    augmentation: Augmentation = field(default_factory=Augmentation)
    precision: Precision = "32-true"
    seed: int = 0

    def __post_init__(self) -> None:
        counts = (self.max_epoch, self.batch_size, self.clips_per_window, self.patience)
        if any(count is not None and count < 1 for count in counts):
            raise ConfigError("E702", "Epochs, batch size, clips and patience must be 1 or more")
        for name, number in (("Seed", self.seed), ("Least steps", self.min_steps)):
            if number < 0:
                raise ConfigError("E702", f"{name} {number}", remedy="Give a whole number from 0")
        if not (math.isfinite(self.lr) and self.lr > 0 and 0 <= self.weight_decay < math.inf):
            raise ConfigError(
                "E702", f"Learning rate {self.lr}, weight decay {self.weight_decay}: impossible"
            )
        for value, known in (
            (self.optimizer, ("adam", "adamw")),
            (self.schedule, ("constant", "cosine")),
            (self.select, ("best", "last")),
            (self.precision, PRECISIONS),
        ):
            if value not in known:
                raise ConfigError("E702", f"Unknown choice {value!r}", remedy=f"Use {known}")


@dataclass(frozen=True)
class NetworkConfig:
    """A network together with how recordings are cut for it and how it is trained.

    Parameters
    ----------
    model : NetworkSettings
        Settings of any network in `fidgety.models.MODELS`.
    clip, window : ClipConfig, WindowConfig
        Clips, and windows over them.
    aggregation : {"mean", "max"}
        How the risks of a recording's windows become its risk.
    training : TrainingConfig
        How it is trained.
    """

    model: NetworkSettings = field(default_factory=STAMConfig)
    clip: ClipConfig = field(default_factory=ClipConfig)
    window: WindowConfig = field(default_factory=WindowConfig)
    aggregation: Aggregation = "mean"
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def to_dict(self) -> dict[str, Any]:
        """Plain form for JSON."""
        return {
            "model": settings_to_plain(self.model),
            "clip": to_plain(self.clip),
            "window": to_plain(self.window),
            "aggregation": self.aggregation,
            "training": to_plain(self.training),
        }


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained network in evaluation mode, its epochs, and the epoch whose weights it carries."""

    model: Network
    config: NetworkConfig
    epochs: tuple[Epoch, ...]
    kept_epoch: int


def fit(
    train: Sequence[Example],
    validation: Sequence[Example],
    config: NetworkConfig,
    *,
    run: str | os.PathLike[str] | None = None,
    resume: bool = False,
    on_epoch: Callable[[Epoch], None] | None = None,
    fabric: Fabric | None = None,
) -> Fitted:
    """Train a network; choose its weights by the validation part only.

    Parameters
    ----------
    train, validation : sequence of Example
        Recordings of different infants. Without a validation part the last weights are kept.
    config : NetworkConfig
        Network, clips, windows and training. That of the result has in `max_epoch` the passes that
        `min_steps` makes of it.
    run : path-like, optional
        Folder for ``metrics.jsonl`` and the state that `resume` goes on from.
    resume : bool
        Go on from the last epoch on file; ends with the weights of an uninterrupted run.
    on_epoch : callable, optional
        Called after each epoch.
    fabric : lightning_fabric.Fabric, optional
        Devices and precision, launched; by default one CPU or GPU, with the config's precision.
        Each device trains on its share of the windows; the first one validates, writes and decides
        for all.

    Raises
    ------
    StudyError
        E270 if an infant is in both parts; E202 if a class is missing; else as `check_alike` and
        `windows_of`.
    CheckpointError
        E440 if the state to resume from belongs to other settings or cannot be read; E441 if the
        training diverges; E442 if the memory of a GPU is used up.
    """
    _check_parts(train, validation)
    check_alike([*train, *validation], config.model.layout)
    config = replace(config, model=at_rate(config.model, train[0].sequence.fps))
    samples = windows_of(train, config.clip, config.window)
    windows_of(validation, config.clip, config.window)  # refuse now what could not be measured
    with _without_advice():
        fabric = fabric or Fabric(
            accelerator="auto", devices=1, precision=config.training.precision
        )
    config = _long_enough(config, len(samples) // fabric.world_size)
    settings = config.training
    torch.manual_seed(settings.seed)
    model = build_network(config.model)
    optimizer = _optimizer(model, settings)
    with _without_advice():
        wrapped, stepper = fabric.setup(model, optimizer)
    folder = Path(run) if run is not None else None
    state = RunState(folder, identity_of(config.to_dict(), train, validation))
    if resume:
        state.load(model, optimizer)  # after setup, so that it comes to rest on the device
    positive_weight = _positive_weight(samples) if settings.balance else 1.0
    for epoch in range(len(state.epochs), settings.max_epoch):
        if state.waited(settings.patience):
            break
        torch.manual_seed(_seed_of(settings.seed, epoch))  # so that a resumed run goes on alike
        for group in optimizer.param_groups:
            group["lr"] = settings.lr * _schedule(settings, epoch)
        figures: Figures = (None, None)
        with _memory_named():
            loss = _train_epoch(fabric, wrapped, stepper, samples, config, epoch, positive_weight)
            if validation and fabric.is_global_zero:
                figures = _validate(model, validation, config, positive_weight)
        figures = fabric.broadcast(figures)
        _check_finite(epoch, loss, figures[0])
        measured = Epoch(epoch, settings.max_epoch, loss, *figures)
        state.add(measured, model, optimizer, keep=settings.select == "last")
        if fabric.is_global_zero:
            state.save()
            if on_epoch:
                on_epoch(measured)
    if fabric.is_global_zero:
        state.save(last=True)
    model.load_state_dict(fabric.broadcast(state.kept_weights))
    return Fitted(model.eval(), config, tuple(state.epochs), state.kept_epoch)


@contextmanager
def _without_advice() -> Iterator[None]:
    """Keep Fabric from telling, in every fit anew, what a device would also be able to do."""
    told = logging.getLogger("lightning_fabric.utilities.rank_zero")
    before = told.level
    told.setLevel(logging.WARNING)
    try:
        yield
    finally:
        told.setLevel(before)


@contextmanager
def _memory_named() -> Iterator[None]:
    """Name it if the memory of a GPU is used up."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise CheckpointError(
            "E442",
            "The memory of the GPU is used up",
            why=str(error).split(". ")[0],
            remedy="Use fewer --workers, which share it, a smaller --batch-size or --no-cuda",
        ) from error


def _long_enough(config: NetworkConfig, windows: int) -> NetworkConfig:
    """With as many epochs of so many windows as `min_steps` asks for."""
    training = config.training
    steps = math.ceil(max(1, windows) / training.batch_size)
    epochs = max(training.max_epoch, math.ceil(training.min_steps / steps))
    return replace(config, training=replace(training, max_epoch=epochs))


def scores(model: Network, examples: Sequence[Example], config: NetworkConfig) -> np.ndarray:
    """Uncalibrated risk (N,) of each recording: its windows aggregated by the config's rule.

    Raises `CheckpointError` E442 if the memory of a GPU is used up.
    """
    was_training = model.training
    runner = runner_of(model.eval())
    with _memory_named():
        risks = [
            infer(runner, split(e.sequence, config.clip), config.window, config.aggregation).risk
            for e in examples
        ]
    model.train(was_training)
    return np.array(risks)


def _train_epoch(
    fabric: Fabric,
    model: Any,
    optimizer: Any,
    samples: Sequence[Window],
    config: NetworkConfig,
    epoch: int,
    positive_weight: float,
) -> float:
    settings = config.training
    rng = np.random.default_rng([settings.seed, epoch, fabric.global_rank])
    skeleton = config.model.layout
    mine = _share(samples, fabric, [settings.seed, epoch])
    model.train()
    sums = torch.zeros(2, device=fabric.device)  # weighted loss, weight
    for batch in batches(mine, settings.batch_size, rng, settings.clips_per_window):
        clips = augmented(batch.clips, settings.augmentation, skeleton, rng)
        label = batch.label.to(fabric.device, non_blocking=True)
        share = batch.weight.to(fabric.device, non_blocking=True)
        share = share * torch.where(label > 0.5, positive_weight, 1.0)
        output = model(clips.to(fabric.device, non_blocking=True), batch.mask)
        losses = torch.nn.functional.binary_cross_entropy_with_logits(
            output.logit, label, reduction="none"
        )
        asked = losses if output.penalty is None else losses + output.penalty
        loss = (asked * share).sum() / share.sum()
        optimizer.zero_grad(set_to_none=True)
        fabric.backward(loss)
        optimizer.step()
        sums += torch.stack([(losses.detach() * share).sum(), share.sum()])
    total, weight = fabric.all_reduce(sums, reduce_op="sum")
    return float(total / weight)


def _share(samples: Sequence[Window], fabric: Fabric, seed: list[int]) -> Sequence[Window]:
    """Windows of an epoch for this device: as many as for others, or one would wait for ever."""
    devices = fabric.world_size
    if devices == 1:
        return samples
    order = np.random.default_rng(seed).permutation(len(samples))
    order = np.resize(order, max(1, len(samples) // devices) * devices)
    return [samples[i] for i in order[fabric.global_rank :: devices]]


def _validate(
    model: Network, validation: Sequence[Example], config: NetworkConfig, positive_weight: float
) -> Figures:
    """Log loss of the recordings' risks, classes weighted as in training, and their AUC."""
    risk = scores(model, validation, config)
    if not np.isfinite(risk).all():
        return math.nan, None
    label = np.array([example.label for example in validation])
    auc = float(roc_auc(risk, label)) if 0 < label.mean() < 1 else None
    risk = np.clip(risk, 1e-7, 1 - 1e-7)
    weight = np.where(label == 1, positive_weight, 1.0)
    loss = -(weight * np.where(label == 1, np.log(risk), np.log1p(-risk))).sum() / weight.sum()
    return float(loss), auc


def _check_finite(epoch: int, *losses: float | None) -> None:
    if any(loss is not None and not math.isfinite(loss) for loss in losses):
        raise CheckpointError(
            "E441",
            f"The training diverged in epoch {epoch + 1}: the loss is no number any more",
            remedy="Start a new run with a lower --lr",
        )


def _check_parts(train: Sequence[Example], validation: Sequence[Example]) -> None:
    """Refuse an infant in both parts, and training on one class."""
    shared = sorted({e.infant_id for e in train} & {e.infant_id for e in validation})
    if shared:
        raise StudyError(
            "E270",
            f"Infants in both the training and the validation part: {', '.join(shared[:5])}",
            remedy="Make the split again: fidgety split",
        )
    if {e.label for e in train} != {0, 1}:
        raise StudyError(
            "E202",
            "The training part does not hold both classes",
            remedy="Label more infants, or split into fewer folds",
        )


def _positive_weight(samples: Sequence[Window]) -> float:
    positive = sum(sample.weight for sample in samples if sample.label == 1)
    return (sum(sample.weight for sample in samples) - positive) / positive


def _optimizer(model: Network, settings: TrainingConfig) -> torch.optim.Optimizer:
    kind = torch.optim.Adam if settings.optimizer == "adam" else torch.optim.AdamW
    return kind(model.parameters(), lr=settings.lr, weight_decay=settings.weight_decay)


def _schedule(settings: TrainingConfig, epoch: int) -> float:
    if settings.schedule == "constant":
        return 1.0
    warm = max(1, settings.max_epoch // 10)
    if epoch < warm:
        return (epoch + 1) / warm
    return 0.5 + 0.5 * math.cos(math.pi * (epoch - warm) / max(1, settings.max_epoch - warm))


def _seed_of(seed: int, epoch: int) -> int:
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])
