"""What the tests of training share: tiny recordings whose label is planted in their speed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from fidgety.models.stam import STAMConfig
from fidgety.motion import ClipConfig, FidgetyProfile, PoseSequence, WindowConfig
from fidgety.study.examples import Example
from fidgety.study.training import NetworkConfig, TrainingConfig

TINY = STAMConfig(widths=(4,), z_dim=8, alpha_dim=4, beta_dim=4, max_hop=1, temporal_kernel=3)


def sequence(seed: int, label: int = 0, frames: int = 35, fps: float = 10.0) -> PoseSequence:
    """Features of a recording; those of label 1 move half as much."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(7, frames, 18)) * (0.5 if label else 1.0)
    return PoseSequence(values.astype(np.float32), fps, profile=FidgetyProfile(fps=fps))


def examples(infants: range, frames: int = 35) -> list[Example]:
    """One recording an infant; odd infants are abnormal."""
    return [Example(f"i{k:02}", f"i{k:02}_v0", k % 2, sequence(k, k % 2, frames)) for k in infants]


def network(model: STAMConfig = TINY, **training: Any) -> NetworkConfig:
    """A network that trains in a moment: clips of 1 s, windows of 4 s."""
    settings: dict[str, Any] = {"max_epoch": 4, "batch_size": 8, "lr": 3e-3, **training}
    return NetworkConfig(
        model, ClipConfig(1.0, 0.5), WindowConfig(4.0, 1.0), training=TrainingConfig(**settings)
    )


def weights_of(model: Any) -> dict[str, np.ndarray]:
    """All weights and statistics of a model as arrays."""
    return {name: value.cpu().numpy() for name, value in model.state_dict().items()}


def same_weights(one: Any, other: Any) -> bool:
    """Whether two models are equal bit for bit."""
    a, b = weights_of(one), weights_of(other)
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def at_other_rate(example: Example, fps: float) -> Example:
    """The same recording, said to be of another frame rate."""
    return replace(example, sequence=replace(example.sequence, fps=fps, profile=None))
