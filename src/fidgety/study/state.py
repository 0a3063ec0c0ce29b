"""What a training run needs to go on after a kill; written whole, at the end of an epoch."""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from fidgety.errors import CheckpointError
from fidgety.files import file_error, whole_file, write_text
from fidgety.study.examples import Example

__all__ = ["STATE_FILE", "Epoch", "RunState", "identity_of", "other_run"]

STATE_FILE = "last_state.pt"
WORTH = 20  # a state is written no sooner than after so many times what writing it took


class Epoch(NamedTuple):
    """Figures of one epoch; the validation figures are None without a validation part.

    `epoch` counts from 0; `planned` is how many there are to be in all, unless patience ends them.
    """

    epoch: int
    planned: int
    train_loss: float
    validation_loss: float | None
    validation_auc: float | None


class RunState:
    """Epochs so far, the weights worth keeping, and the state that a resumed run starts from.

    Parameters
    ----------
    run : Path or None
        Folder of ``metrics.jsonl`` and the state; None keeps everything in memory.
    identity : str
        What must agree for a run to be resumed, from `identity_of`.
    """

    def __init__(self, run: Path | None, identity: str) -> None:
        self.run = run
        self.identity = identity
        self.epochs: list[Epoch] = []
        self.kept_epoch = -1
        self.kept_weights: dict[str, Tensor] = {}
        self._now: dict[str, Any] = {}
        self._written = 0  # epochs on file
        self._next = 0.0  # when the state is worth writing again

    @property
    def best_epoch(self) -> int:
        """The epoch with the lowest validation loss; the last without a validation part."""
        losses = [epoch.validation_loss for epoch in self.epochs]
        if any(loss is None for loss in losses) or not losses:
            return len(losses) - 1
        return int(np.argmin(np.array(losses, dtype=float)))

    def waited(self, patience: int | None) -> bool:
        """Whether the last `patience` epochs brought no better validation loss."""
        return patience is not None and len(self.epochs) - 1 - self.best_epoch >= patience

    def add(self, epoch: Epoch, model: torch.nn.Module, optimizer: Any, *, keep: bool) -> None:
        """Take in an epoch; its weights are kept if it is the best so far, or if `keep` is set."""
        self.epochs.append(epoch)
        if keep or self.best_epoch == len(self.epochs) - 1:
            self.kept_epoch = epoch.epoch
            self.kept_weights = {k: v.cpu().clone() for k, v in model.state_dict().items()}
        self._now = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}

    def save(self, *, last: bool = False) -> None:
        """Write ``metrics.jsonl``, then the state: the epochs on file are never fewer than its.

        Not after each epoch, unless it is the last: short epochs of a small study would take longer
        to keep than to train.
        """
        began = time.monotonic()
        if self.run is None or self._written == len(self.epochs):
            return
        if began < self._next and not last:
            return
        lines = [json.dumps(epoch._asdict()) for epoch in self.epochs]
        write_text(self.run / "metrics.jsonl", "\n".join(lines) + "\n")
        content = {
            "identity": self.identity,
            "epochs": [tuple(epoch) for epoch in self.epochs],
            "kept_epoch": self.kept_epoch,
            "kept": self.kept_weights,
            **self._now,
        }
        raw = io.BytesIO()  # torch reports a full disk as a fault of its own, not as the system's
        torch.save(content, raw)
        with whole_file(self.run / STATE_FILE) as draft:
            draft.write_bytes(raw.getbuffer())
        self._written, ended = len(self.epochs), time.monotonic()
        self._next = ended + WORTH * (ended - began)

    def load(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Go on from the state on file, if there is one.

        Raises
        ------
        CheckpointError
            E440 if it belongs to other settings or recordings, or cannot be read.
        """
        path = self.run / STATE_FILE if self.run is not None else None
        if path is None or not path.is_file():
            return  # killed before its first epoch ended: start
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise file_error(error, path) from error
        try:
            content = torch.load(io.BytesIO(raw), map_location="cpu", weights_only=True)
            if content["identity"] != self.identity:
                raise other_run(path.parent.name)
            model.load_state_dict(content["model"])
            optimizer.load_state_dict(content["optimizer"])
            self.epochs = [Epoch(*epoch) for epoch in content["epochs"]]
            self.kept_epoch, self.kept_weights = content["kept_epoch"], content["kept"]
            self._written = len(self.epochs)
        except CheckpointError:
            raise
        except Exception as error:  # torch raises many kinds for a damaged file
            raise CheckpointError(
                "E440",
                "The run's state cannot be read",
                where=path,
                why=type(error).__name__,
                remedy="Remove the run's folder and start again",
            ) from error


def other_run(name: str) -> CheckpointError:
    """What is said where a run to resume is not the one asked for."""
    return CheckpointError(
        "E440",
        "The run to resume was started with other settings or recordings",
        where=name,
        remedy="Resume with the very command that started it, or start a new run with --name",
    )


def identity_of(settings: dict[str, Any], *parts: Sequence[Example]) -> str:
    """What a run is made of: its settings and the content of its recordings, part by part."""
    listed = [[_told(example) for example in part] for part in parts]
    return json.dumps([settings, *listed], sort_keys=True)


def _told(example: Example) -> list[Any]:
    digest = hashlib.blake2b(example.sequence.values.tobytes(), digest_size=16).hexdigest()
    return [
        example.recording, example.infant_id, example.label, example.sequence.fps, digest,
    ]  # fmt: skip
