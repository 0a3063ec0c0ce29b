"""A model as it is used: read from its file, applied to sequences, its risks calibrated."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fidgety.errors import CheckpointError
from fidgety.models.checkpoint import Checkpoint, load_checkpoint, sha256
from fidgety.models.ensemble import Ensemble, Found
from fidgety.models.inference import infer
from fidgety.models.network import Network
from fidgety.models.rules import Rules
from fidgety.models.shipped import resolve
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

__all__ = ["TrainedModel"]


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A network with everything its checkpoint says about how to use it.

    Parameters
    ----------
    checkpoint : Checkpoint
        What the file holds.
    networks : tuple of Network
        The members of the ensemble, one or more, in evaluation mode.
    digest : str
        SHA-256 of the file; empty for a model that was never saved.
    """

    checkpoint: Checkpoint
    networks: tuple[Network, ...]
    digest: str = ""

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> TrainedModel:
        """Read a ``.fidgety`` file, or a shipped model by its name, such as ``simulated-demo``.

        Raises `CheckpointError` as `load_checkpoint`.
        """
        source = resolve(path)
        checkpoint = load_checkpoint(source)
        return cls(checkpoint, checkpoint.build_members(), sha256(source))

    @property
    def profile(self) -> Profile:
        """The preprocessing that recordings need."""
        return profile_from(self.checkpoint.profile, self.checkpoint.profile_config)

    @property
    def clip_s(self) -> float:
        """Seconds of one clip: the least that can be assessed."""
        return from_plain(ClipConfig, self.checkpoint.clip).length_s

    @cached_property
    def rules(self) -> Rules:
        """Calibration, threshold, abstention and scope, as far as they were ever determined."""
        known = self.checkpoint
        return Rules.from_dict(
            {
                "calibration": known.calibration,
                "threshold": known.threshold,
                "abstention": known.abstention,
                "scope": known.scope,
            }
        )

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

    def infer(self, clips: Clips) -> Found:
        """Raw risk and attention of one recording; of an ensemble, all members' together."""
        window = from_plain(WindowConfig, self.checkpoint.window)
        rule = "max" if self.checkpoint.aggregation == "max" else "mean"
        found = tuple(infer(network, clips, window, rule) for network in self.networks)
        return found[0] if len(found) == 1 else Ensemble(found)

    def calibrated(self, risks: ArrayLike) -> NDArray[np.float64]:
        """Calibrated risks; the raw ones if the model carries no calibration."""
        return self.rules.risk(risks)
