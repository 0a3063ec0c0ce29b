"""Forms of a trained network that say the same faster; each is derived from the network itself."""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from fidgety.models.network import Encoded, Network
from fidgety.models.stam import GraphBlock
from fidgety.motion.clips import Clips

__all__ = ["OnArrays", "fused"]


class OnArrays:
    """A network with arrays in and arrays out, like an `ExportedNetwork`.

    Parameters
    ----------
    network : Network
        In evaluation mode, on any device.

    Attributes
    ----------
    clips_at_a_time : int
        How many clips are best encoded together.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self._device = next(network.parameters()).device
        convolves = any(isinstance(part, GraphBlock) for part in network.modules())
        if self._device.type == "cpu":
            # Few enough that what a graph block makes of them stays in cache and is not asked of
            # the system anew each time.
            self.clips_at_a_time = 24 if convolves else 64
        else:
            self.clips_at_a_time = 512  # a GPU waits for its orders, not for its memory

    def encode(self, clips: NDArray) -> tuple[NDArray, NDArray, NDArray | None]:
        """Vectors (M, D), joint attention (M, V), joint evidence (M, V) or None, of clips."""
        with torch.inference_mode():
            found = self.network.encode(self._given(clips))
        return self._arrays(found)

    def encode_of(
        self, clips: Clips, which: NDArray[np.intp]
    ) -> tuple[NDArray, NDArray, NDArray | None]:
        """As `encode`, of some clips of a recording."""
        return self.encode(clips.values(which))

    def attend(self, vectors: NDArray, count: NDArray | None = None) -> tuple[NDArray, NDArray]:
        """Logit (N,) and clip weights (N, K) of vectors (N, K, D) counted (N, K) times."""
        with torch.inference_mode():
            logit, weights = self.network.attend(
                self._given(vectors), None if count is None else self._given(count)
            )
        return logit.float().cpu().numpy(), weights.float().cpu().numpy()

    def evidence(self, vectors: NDArray) -> tuple[NDArray, float] | None:
        """Pull (M,) of each clip and the bias; None where the logit is no sum over clips."""
        with torch.inference_mode():
            found = self.network.evidence(self._given(vectors))
        return None if found is None else (found.pull.float().cpu().numpy(), found.bias)

    @property
    def whole(self) -> bool:
        """As `Network.whole`."""
        return self.network.whole

    def _arrays(self, found: Encoded) -> tuple[NDArray, NDArray, NDArray | None]:
        vectors, joints, evidence = (
            None if part is None else part.float().cpu().numpy() for part in found
        )
        assert vectors is not None
        assert joints is not None
        return vectors, joints, evidence

    def _given(self, values: NDArray) -> torch.Tensor:
        return torch.from_numpy(np.require(values, np.float32, ["C", "W"])).to(self._device)


def fused(network: Network) -> Network:
    """A copy for inference, in which the batch norms of graph blocks lie in their convolutions.

    Equal to `network` in evaluation mode to float32 rounding. Networks without graph blocks are
    copied as they are.
    """
    found = copy.deepcopy(network).eval()
    for block in found.modules():
        if not isinstance(block, GraphBlock):
            continue
        block.frames, block.norm_frames = _folded(block.frames, block.norm_frames)
        if isinstance(block.shortcut, nn.Sequential):
            block.shortcut = nn.Sequential(*_folded(block.shortcut[0], block.shortcut[1]))
        if block.even:  # otherwise the bias differs from joint to joint
            block.joints, block.norm_joints = _folded(block.joints, block.norm_joints)
    return found


def _folded(convolution: nn.Module, norm: nn.Module) -> tuple[nn.Conv2d, nn.Module]:
    assert isinstance(convolution, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    return fuse_conv_bn_eval(convolution, norm), nn.Identity()
