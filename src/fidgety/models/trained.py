"""A model as it is used: read from its file, applied to sequences, its risks calibrated."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fidgety.errors import CheckpointError
from fidgety.models.about import sha256
from fidgety.models.ensemble import Ensemble, Found
from fidgety.models.exported import Contract, ExportedNetwork, load_exported
from fidgety.models.inference import infer
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
from fidgety.pose.optional import library
from fidgety.pose.skeleton import load_skeleton
from fidgety.settings import from_plain

if TYPE_CHECKING:  # neither is needed for an exported model
    from fidgety.models.checkpoint import Checkpoint
    from fidgety.models.fast import OnArrays
    from fidgety.models.network import Network

__all__ = ["UNASSESSABLE", "TrainedModel"]

# Reasons that show only once a recording is cleaned, cut and looked at; they refuse it like the
# quality gate's own.
UNASSESSABLE = ("E105", "E108", "E131")


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A network with everything its checkpoint says about how to use it.

    Parameters
    ----------
    checkpoint : Checkpoint or Contract
        What the file holds.
    networks : tuple of Network or of ExportedNetwork
        The members of the ensemble, one or more, in evaluation mode.
    digest : str
        SHA-256 of the file; empty for a model that was never saved.
    """

    checkpoint: Checkpoint | Contract
    networks: tuple[Network | ExportedNetwork, ...]
    digest: str = ""

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> TrainedModel:
        """Read a ``.fidgety`` file, a shipped model by its name, or a ``.onnx`` file.

        The last is what `fidgety export` makes of a model, and needs no torch.

        Raises
        ------
        CheckpointError
            As `load_checkpoint` and `load_exported`.
        VideoError
            E607 if a ``.fidgety`` file is given and torch is not installed.
        """
        source = resolve(path)
        if source.suffix.lower() == ".onnx":
            return cls(*load_exported(source), sha256(source))
        library("torch", "train")
        from fidgety.models.checkpoint import load_checkpoint

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
        found = tuple(infer(runner, clips, window, rule) for runner in self._runners)
        return found[0] if len(found) == 1 else Ensemble(found)

    @cached_property
    def _runners(self) -> tuple[ExportedNetwork | OnArrays, ...]:
        """The networks in their fast form."""
        from_file = [n for n in self.networks if isinstance(n, ExportedNetwork)]
        if from_file:
            return tuple(from_file)
        from fidgety.models.shared_frames import runner_of

        return tuple(runner_of(network) for network in self.networks)  # type: ignore[arg-type]

    def calibrated(self, risks: ArrayLike) -> NDArray[np.float64]:
        """Calibrated risks; the raw ones if the model carries no calibration."""
        return self.rules.risk(risks)
