"""Tiny networks and recordings for the tests of inference and explanation."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from fidgety.models.checkpoint import Checkpoint
from fidgety.models.stam import STAM, STAMConfig
from fidgety.models.trained import TrainedModel
from fidgety.motion import ClipConfig, PoseSequence, WindowConfig, split

CLIP, WINDOW = ClipConfig(1.0, 0.5), WindowConfig(4.0, 1.0)


def network(seed: int = 0, **settings: Any) -> STAM:
    """An untrained network whose attention and risks differ from clip to clip."""
    torch.manual_seed(seed)
    config = STAMConfig(widths=(4,), z_dim=8, alpha_dim=4, beta_dim=4, max_hop=1, **settings)
    model = STAM(config)
    with torch.no_grad():  # statistics of random clips, and no bias to drown what they differ in
        for part in model.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                part.momentum = None  # statistics of all clips, not a slow average
        for _ in range(2):
            model(torch.randn(4, 5, 7, 10, 18))
        model.project.bias.zero_()
        model.output.bias.fill_(0.1)
        for name, value in model.named_parameters():
            if "attention" in name:
                value.mul_(4.0)
    return model.eval()


def sequence(seed: int = 0, frames: int = 100, fps: float = 10.0) -> PoseSequence:
    """Features of a recording that grows livelier."""
    values = np.random.default_rng(seed).normal(size=(7, frames, 18))
    values *= np.linspace(0.2, 3.0, frames)[:, None]
    return PoseSequence(values.astype(np.float32), fps)


def clips(seed: int = 0, frames: int = 100, blind: slice | None = None):
    """Clips of a recording in which nothing was seen for a while."""
    recording = sequence(seed, frames)
    if blind is not None:
        recording.values[:, blind] = np.nan
    return split(recording, CLIP)


def trained(model: STAM | None = None, **more: Any) -> TrainedModel:
    """A model as its checkpoint would give it back."""
    made = model or network()
    settings = {
        "fps": 10.0,
        "profile": "fidgety",
        "profile_config": {"fps": 10.0},
        "clip": {"length_s": 1.0, "stride_s": 0.5},
        "window": {"length_s": 4.0, "overlap_s": 1.0},
        **more,
    }
    return TrainedModel(Checkpoint.of(made, **settings), (made,))
