"""A model as it is used: read from its file, applied to sequences, its risks calibrated."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fidgety.errors import CheckpointError
from fidgety.models.checkpoint import Checkpoint, load_checkpoint, sha256
from fidgety.models.inference import Inference, infer
from fidgety.models.network import Network
from fidgety.motion import (
    ClipConfig,
    Clips,
    PoseSequence,
    Profile,
    WindowConfig,
    profile_from,
    split,
)
from fidgety.pose.skeleton import load_skeleton
from fidgety.settings import from_plain
from fidgety.statistics.calibrators import Calibrator, calibrator_from_dict

__all__ = ["TrainedModel"]


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A network with everything its checkpoint says about how to use it.

    Parameters
    ----------
    checkpoint : Checkpoint
        What the file holds.
    network : Network
        In evaluation mode.
    digest : str
        SHA-256 of the file; empty for a model that was never saved.
    """

    checkpoint: Checkpoint
    network: Network
    digest: str = ""

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> TrainedModel:
        """Read a ``.fidgety`` file; raises `CheckpointError` as `load_checkpoint`."""
        checkpoint = load_checkpoint(Path(path))
        return cls(checkpoint, checkpoint.build(), sha256(Path(path)))

    @property
    def profile(self) -> Profile:
        """The preprocessing that recordings need."""
        return profile_from(self.checkpoint.profile, self.checkpoint.profile_config)

    @property
    def clip_s(self) -> float:
        """Seconds of one clip: the least that can be assessed."""
        return from_plain(ClipConfig, self.checkpoint.clip).length_s

    @property
    def calibrator(self) -> Calibrator | None:
        """What turns raw risks into calibrated ones, if it was ever determined."""
        content = self.checkpoint.calibration
        return None if content is None else calibrator_from_dict(content)

    def clips(self, sequence: PoseSequence) -> Clips:
        """Cut a sequence as the network needs it.

        Raises
        ------
        CheckpointError
            E409 if its frame rate or number of joints is not the network's, E406 if its skeleton is
            not.
        PoseError
            E108 if it is shorter than a clip.
        """
        known = self.checkpoint
        if abs(sequence.fps - known.fps) > 1e-3 * known.fps:
            raise CheckpointError(
                "E409",
                f"The model knows {known.fps:g} frames per second, not {sequence.fps:g}",
                remedy="Prepare the recording with the model's own profile",
            )
        if sequence.skeleton != known.skeleton.name:
            known.require_skeleton(load_skeleton(sequence.skeleton))
        if sequence.values.shape[2] != len(known.skeleton):
            raise CheckpointError(
                "E409",
                f"The model knows {len(known.skeleton)} joints, not {sequence.values.shape[2]}",
                remedy=f"Bring the poses to {known.skeleton.name}",
            )
        return split(sequence, from_plain(ClipConfig, known.clip))

    def infer(self, clips: Clips) -> Inference:
        """Raw risk and attention of one recording."""
        window = from_plain(WindowConfig, self.checkpoint.window)
        rule = "max" if self.checkpoint.aggregation == "max" else "mean"
        return infer(self.network, clips, window, rule)

    def calibrated(self, risks: ArrayLike) -> NDArray[np.float64]:
        """Calibrated risks; the raw ones if the model carries no calibration."""
        raw = np.asarray(risks, dtype=np.float64)
        return raw if self.calibrator is None else self.calibrator.probability(raw)
