"""An epoch of training, from files on disk to new weights, beside the plain loader and loop.

The plain way, as such code is written: each window is a file of its own, copied out of the
recording beforehand; a `Dataset` reads it from disk whenever it is asked, cuts it into clips one by
one and stacks them; a `DataLoader` stacks those; the loop asks for the loss after every batch. Its
network is `plain_form`. No worker processes: on the cores that train they would only take turns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from fidgety.bench.growth import FPS, noise
from fidgety.bench.plain import plain_form
from fidgety.bench.timing import timed
from fidgety.models.catalogue import build_network
from fidgety.study.augment import Augmentation
from fidgety.study.examples import Example, windows_of
from fidgety.study.sequences import read_sequence, write_sequence
from fidgety.study.training import NetworkConfig, fit

__all__ = ["Epochs", "FromDisk"]


class FromDisk(Dataset[tuple[Tensor, Tensor]]):
    """Windows as clips (K, C, T, V), each read from its file and cut anew whenever it is asked for.

    Parameters
    ----------
    files : sequence of Path
        Arrays (C, T, V) of one window each, by their names labelled ``..._0.npy`` or ``..._1.npy``.
    length, stride : int
        Frames of a clip, and from one to the next.
    """

    def __init__(self, files: Sequence[Path], length: int, stride: int) -> None:
        self.files, self.length, self.stride = list(files), length, stride

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        path = self.files[number]
        values = np.load(path)
        starts = range(0, values.shape[1] - self.length + 1, self.stride)
        clips = np.stack([values[:, start : start + self.length] for start in starts])
        return torch.from_numpy(clips).float(), torch.tensor(float(path.stem[-1]))


class Epochs:
    """One epoch over the same recordings in three forms, all from files on disk.

    Parameters
    ----------
    config : NetworkConfig
        Network and training of a method.
    root : Path
        An empty folder for the files.
    infants : int
        One recording each, of random features.
    seconds : float
        Length of each; such that all windows hold as many clips, or they cannot be stacked.
    """

    def __init__(self, config: NetworkConfig, root: Path, infants: int, seconds: float) -> None:
        short = replace(config.training, max_epoch=1, min_steps=0, select="last", patience=None)
        self.method = replace(config, training=short)
        self.same_work = replace(
            config,
            training=replace(short, clips_per_window=None, augmentation=Augmentation()),
        )
        self.clip_frames = config.clip.frames(FPS)
        self.folders, self.files = [], []
        for number in range(infants):
            recording, label = noise(seconds, number), number % 2
            self.folders.append(write_sequence(root / f"i{number}", recording, {}))
            example = Example(f"i{number}", f"i{number}", label, recording)
            for part, window in enumerate(windows_of([example], config.clip, config.window)):
                first = window.clips.first[window.rows]
                values = recording.values[:, first[0] : first[-1] + self.clip_frames[0]]
                path = root / f"window{number}_{part}_{label}.npy"
                np.save(path, values.astype(float))  # as published: double precision
                self.files.append(path)

    def timed(self, runs: int) -> list[dict[str, float]]:
        """Seconds of the plain way, of ours with the same clips, and of ours as it trains."""
        forms: list[Callable[[], object]] = [self.plain]
        forms += [lambda c=c: self.ours(c) for c in (self.same_work, self.method)]
        return timed(forms, runs)

    def plain(self) -> float:
        """An epoch the plain way; returns its mean loss."""
        training = self.same_work.training
        torch.manual_seed(training.seed)
        model = plain_form(build_network(self.same_work.model)).train()
        kind = torch.optim.Adam if training.optimizer == "adam" else torch.optim.AdamW
        optimizer = kind(model.parameters(), lr=training.lr, weight_decay=training.weight_decay)
        windows = FromDisk(self.files, *self.clip_frames)
        total = 0.0
        for clips, label in DataLoader(windows, training.batch_size, shuffle=True):
            optimizer.zero_grad()
            loss = F.binary_cross_entropy_with_logits(model(clips).logit, label)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(label)
        return total / len(windows)

    def ours(self, config: NetworkConfig) -> float:
        """An epoch as `fidgety train` does it; returns its mean loss."""
        examples = [
            Example(folder.name, folder.name, number % 2, read_sequence(folder))
            for number, folder in enumerate(self.folders)
        ]
        fabric = Fabric(accelerator="cpu", devices=1)
        return fit(examples, (), config, fabric=fabric).epochs[0].train_loss
