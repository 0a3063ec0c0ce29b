"""Changes to clips that a body allows and that keep the label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from fidgety.errors import ConfigError
from fidgety.pose.skeleton import Skeleton

__all__ = ["Augmentation", "augmented"]


@dataclass(frozen=True)
class Augmentation:
    """How far clips are changed while training; one draw a window, so that its clips agree.

    Parameters
    ----------
    mirror : bool
        Mirror half of the windows: x changes its sign, left and right joints change places.
    rotate_deg : float
        Turn by up to so many degrees either way: the camera was not quite straight.
    scale : float
        Scale by a factor of up to ``exp(scale)`` either way: trunk length is measured with error.
    noise : float
        Standard deviation of noise added to every value, as a share of 1 unit of each channel.
    joint_dropout : float
        Share of joints hidden in a window (set to missing).
    """

    mirror: bool = False
    rotate_deg: float = 0.0
    scale: float = 0.0
    noise: float = 0.0
    joint_dropout: float = 0.0

    def __post_init__(self) -> None:
        numbers = (self.rotate_deg, self.scale, self.noise, self.joint_dropout)
        if not all(np.isfinite(number) and number >= 0 for number in numbers):
            raise ConfigError("E702", f"Impossible augmentation {self}", remedy="Use 0 or more")


def augmented(
    clips: torch.Tensor, settings: Augmentation, skeleton: Skeleton, rng: np.random.Generator
) -> torch.Tensor:
    """Changed copies of windows of clips (N, K, 7, T, V), channels in the order of `CHANNELS`."""
    windows = len(clips)
    if settings.mirror:
        flip = torch.from_numpy(rng.random(windows) < 0.5)
        mirrored = clips[flip][..., torch.from_numpy(skeleton.mirror_order)]
        mirrored[:, :, 0:6:2] *= -1
        clips = clips.clone()
        clips[flip] = mirrored
    if settings.rotate_deg or settings.scale:
        angle = np.deg2rad(rng.uniform(-settings.rotate_deg, settings.rotate_deg, windows))
        factor = np.exp(rng.uniform(-settings.scale, settings.scale, windows))
        cos, sin = (
            torch.from_numpy((factor * turn).astype(np.float32))[:, None, None, None, None]
            for turn in (np.cos(angle), np.sin(angle))
        )
        x, y = clips[:, :, 0:6:2], clips[:, :, 1:6:2]
        turned = torch.empty_like(clips)
        turned[:, :, 0:6:2] = cos * x - sin * y
        turned[:, :, 1:6:2] = sin * x + cos * y
        turned[:, :, 6] = (
            clips[:, :, 6] * torch.from_numpy(factor.astype(np.float32))[:, None, None, None]
        )
        clips = turned
    if settings.noise:
        clips = clips + settings.noise * torch.from_numpy(
            rng.standard_normal(clips.shape, dtype=np.float32)
        )
    if settings.joint_dropout:
        hidden = torch.from_numpy(rng.random((windows, clips.shape[-1])) < settings.joint_dropout)
        clips = clips.masked_fill(hidden[:, None, None, None], float("nan"))
    return clips
