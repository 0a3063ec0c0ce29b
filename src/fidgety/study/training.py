"""Fit one network on one split. The test part is not an argument: it cannot be looked at here."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from fidgety.errors import CheckpointError, ConfigError, StudyError
from fidgety.files import file_error, whole_file, write_text
from fidgety.models.inference import Aggregation, infer
from fidgety.models.stam import STAM, STAMConfig
from fidgety.motion import ClipConfig, WindowConfig, split
from fidgety.settings import to_plain
from fidgety.statistics import roc_auc
from fidgety.study.augment import Augmentation, augmented
from fidgety.study.examples import Example, Window, batches, windows_of

__all__ = ["Epoch", "Fitted", "NetworkConfig", "TrainingConfig", "fit", "scores"]


@dataclass(frozen=True)
class TrainingConfig:
    """How a network is trained.

    Parameters
    ----------
    max_epoch, batch_size : int
        Passes over the training windows; windows a step.
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
    seed : int
        Same seed, same weights on one machine.
    """

    max_epoch: int = 50
    batch_size: int = 64
    lr: float = 1e-4
    weight_decay: float = 1e-4
    optimizer: Literal["adam", "adamw"] = "adam"
    schedule: Literal["constant", "cosine"] = "constant"
    clips_per_window: int | None = None
    patience: int | None = None
    select: Literal["best", "last"] = "best"
    balance: bool = True
    augmentation: Augmentation = field(default_factory=Augmentation)
    seed: int = 0

    def __post_init__(self) -> None:
        counts = (self.max_epoch, self.batch_size, self.clips_per_window, self.patience)
        if any(count is not None and count < 1 for count in counts):
            raise ConfigError("E702", "Epochs, batch size, clips and patience must be 1 or more")
        if not (math.isfinite(self.lr) and self.lr > 0 and 0 <= self.weight_decay < math.inf):
            raise ConfigError(
                "E702", f"Learning rate {self.lr}, weight decay {self.weight_decay}: impossible"
            )
        for value, known in (
            (self.optimizer, ("adam", "adamw")),
            (self.schedule, ("constant", "cosine")),
            (self.select, ("best", "last")),
        ):
            if value not in known:
                raise ConfigError("E702", f"Unknown choice {value!r}", remedy=f"Use {known}")


@dataclass(frozen=True)
class NetworkConfig:
    """A network together with how recordings are cut for it and how it is trained."""

    model: STAMConfig = field(default_factory=STAMConfig)
    clip: ClipConfig = field(default_factory=ClipConfig)
    window: WindowConfig = field(default_factory=WindowConfig)
    aggregation: Aggregation = "mean"
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def to_dict(self) -> dict[str, Any]:
        """Plain form for JSON."""
        return {
            "model": self.model.to_dict(),
            "clip": to_plain(self.clip),
            "window": to_plain(self.window),
            "aggregation": self.aggregation,
            "training": to_plain(self.training),
        }


class Epoch(NamedTuple):
    """Figures of one epoch; the validation figures are None without a validation part."""

    epoch: int
    train_loss: float
    validation_loss: float | None
    validation_auc: float | None


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained network in evaluation mode, its epochs, and the epoch whose weights it carries."""

    model: STAM
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
        Network, clips, windows and training.
    run : path-like, optional
        Folder for ``metrics.jsonl`` and the state that `resume` goes on from.
    resume : bool
        Go on from the run's last whole epoch; ends with the weights of an uninterrupted run.
    on_epoch : callable, optional
        Called after each epoch.
    fabric : lightning_fabric.Fabric, optional
        Devices and precision; one CPU or GPU by default.

    Raises
    ------
    StudyError
        E270 if an infant is in both parts; E202 if a class is missing; E271 as `windows_of`.
    CheckpointError
        E440 if the state to resume from belongs to other settings or cannot be read.
    """
    _check_parts(train, validation)
    fabric = fabric or Fabric(accelerator="auto", devices=1)
    settings = config.training
    torch.manual_seed(settings.seed)
    model = STAM(config.model)
    optimizer = _optimizer(model, settings)
    state = _State(Path(run) if run is not None else None, config, train, validation)
    if resume:
        state.load(model, optimizer)
    wrapped, stepper = fabric.setup(model, optimizer)
    samples = windows_of(train, config.clip, config.window)
    positive_weight = _positive_weight(samples) if settings.balance else 1.0
    for epoch in range(len(state.epochs), settings.max_epoch):
        if state.stopped(settings):
            break
        torch.manual_seed(_seed_of(settings.seed, epoch))  # so that a resumed run goes on alike
        for group in optimizer.param_groups:
            group["lr"] = settings.lr * _schedule(settings, epoch)
        loss = _train_epoch(fabric, wrapped, stepper, samples, config, epoch, positive_weight)
        figures = _validate(model, validation, config, positive_weight)
        state.add(Epoch(epoch, loss, *fabric.broadcast(figures)), model, optimizer, settings)
        if fabric.is_global_zero:
            state.save()
        if on_epoch:
            on_epoch(state.epochs[-1])
    model.load_state_dict(state.kept_weights)
    return Fitted(model.eval(), config, tuple(state.epochs), state.kept_epoch)


def scores(model: STAM, examples: Sequence[Example], config: NetworkConfig) -> np.ndarray:
    """Uncalibrated risk (N,) of each recording: its windows aggregated by the config's rule."""
    was_training = model.training
    model.eval()
    risks = [
        infer(model, split(e.sequence, config.clip), config.window, config.aggregation).risk
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
    mine = samples[fabric.global_rank :: fabric.world_size]
    mine = mine[: len(samples) // fabric.world_size] or samples  # as many steps on every device
    model.train()
    total, weight = torch.zeros((), device=fabric.device), torch.zeros((), device=fabric.device)
    for batch in batches(mine, settings.batch_size, rng, settings.clips_per_window):
        clips = augmented(batch.clips, settings.augmentation, skeleton, rng)
        label = batch.label.to(fabric.device, non_blocking=True)
        share = batch.weight.to(fabric.device, non_blocking=True)
        share = share * torch.where(label > 0.5, positive_weight, 1.0)
        logit = model(clips.to(fabric.device, non_blocking=True), batch.mask).logit
        losses = torch.nn.functional.binary_cross_entropy_with_logits(
            logit, label, reduction="none"
        )
        loss = (losses * share).sum() / share.sum()
        optimizer.zero_grad(set_to_none=True)
        fabric.backward(loss)
        optimizer.step()
        with torch.no_grad():
            total += loss * share.sum()
            weight += share.sum()
    return float(total / weight)


def _validate(
    model: STAM, validation: Sequence[Example], config: NetworkConfig, positive_weight: float
) -> tuple[float | None, float | None]:
    """Log loss of the recordings' risks, classes weighted as in training, and their AUC."""
    if not validation:
        return None, None
    risk = np.clip(scores(model, validation, config), 1e-7, 1 - 1e-7)
    label = np.array([example.label for example in validation])
    weight = np.where(label == 1, positive_weight, 1.0)
    loss = -(weight * np.where(label == 1, np.log(risk), np.log1p(-risk))).sum() / weight.sum()
    auc = roc_auc(risk, label) if 0 < label.mean() < 1 else None
    return float(loss), None if auc is None else float(auc)


class _State:
    """What a run needs to go on after a kill; written whole after each epoch."""

    def __init__(
        self,
        run: Path | None,
        config: NetworkConfig,
        train: Sequence[Example],
        validation: Sequence[Example],
    ) -> None:
        self.run = run
        self.identity = json.dumps(
            [
                config.to_dict(),
                *([[e.recording, e.label] for e in part] for part in (train, validation)),
            ],
            sort_keys=True,
        )
        self.epochs: list[Epoch] = []
        self.kept_epoch = -1
        self.kept_weights: dict[str, Tensor] = {}
        self._now: dict[str, Any] = {}

    def stopped(self, settings: TrainingConfig) -> bool:
        waited = len(self.epochs) - 1 - self._best_epoch()
        return bool(settings.patience and self.epochs and waited >= settings.patience)

    def _best_epoch(self) -> int:
        losses = [epoch.validation_loss for epoch in self.epochs]
        if not losses or any(loss is None for loss in losses):
            return len(losses) - 1
        return int(np.argmin(np.array(losses, dtype=float)))

    def add(self, epoch: Epoch, model: STAM, optimizer: Any, settings: TrainingConfig) -> None:
        self.epochs.append(epoch)
        if settings.select == "last" or self._best_epoch() == len(self.epochs) - 1:
            self.kept_epoch = epoch.epoch
            self.kept_weights = {k: v.detach().clone() for k, v in model.state_dict().items()}
        self._now = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}

    def save(self) -> None:
        if self.run is None:
            return
        lines = [json.dumps(epoch._asdict()) for epoch in self.epochs]
        content = {
            "identity": self.identity,
            "epochs": [tuple(epoch) for epoch in self.epochs],
            "kept_epoch": self.kept_epoch,
            "kept": self.kept_weights,
            **self._now,
        }
        with whole_file(self.run / "last_state.pt") as draft:
            torch.save(content, draft)
        write_text(self.run / "metrics.jsonl", "\n".join(lines) + "\n")

    def load(self, model: STAM, optimizer: Any) -> None:
        path = self.run / "last_state.pt" if self.run is not None else None
        if path is None or not path.exists():
            return  # killed before its first epoch ended: start
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
            if content["identity"] != self.identity:
                raise CheckpointError(
                    "E440",
                    "The run to resume was started with other settings or recordings",
                    where=path.parent.name,
                    remedy="Resume with the same command, or start a new run",
                )
            model.load_state_dict(content["model"])
            optimizer.load_state_dict(content["optimizer"])
            self.epochs = [Epoch(*epoch) for epoch in content["epochs"]]
            self.kept_epoch, self.kept_weights = content["kept_epoch"], content["kept"]
        except OSError as error:
            raise file_error(error, path) from error
        except CheckpointError:
            raise
        except Exception as error:  # torch raises many kinds for a damaged file
            raise CheckpointError(
                "E440",
                "The run's state cannot be read",
                where=path.name,
                why=type(error).__name__,
                remedy="Start the run again without --resume",
            ) from error


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


def _optimizer(model: STAM, settings: TrainingConfig) -> torch.optim.Optimizer:
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
