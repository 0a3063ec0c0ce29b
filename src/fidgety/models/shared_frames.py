"""`STAM` over the clips of one recording: what is done frame by frame is done once for all clips.

Clips overlap: published, a frame lies in one and a half of them. Up to the first convolution over
time, what the network makes of a frame depends on that frame alone (`InputNorm`, which looks up
its statistics when it does not train; graph and channels of the first `GraphBlock`). So it is made
for each frame of the recording and then cut into clips. From there on a clip's borders count.

This is a form of the network for inference on a processor, derived from its weights and equal to it
to float32 rounding. Besides, batch norms lie in the convolutions; blocks work on few clips at a
time, so that these stay in cache; bias, sum and ReLU are added in place.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from fidgety.models import kernels
from fidgety.models.fast import OnArrays, fused
from fidgety.models.network import Encoded, Network
from fidgety.models.stam import STAM, GraphBlock, InputNorm
from fidgety.motion.clips import Clips

__all__ = ["SharedFrames", "runner_of"]

TOGETHER = 32  # clips that blocks work on at a time


def runner_of(network: Network) -> OnArrays:
    """The fastest form of a network in evaluation mode that is known for it and its device."""
    on_processor = next(network.parameters()).device.type == "cpu"
    return SharedFrames(network) if on_processor and isinstance(network, STAM) else _plain(network)


def _plain(network: Network) -> OnArrays:
    return OnArrays(fused(network))


class SharedFrames(OnArrays):
    """Arrays in and arrays out, like its base; clips of a recording by the frames they share.

    Parameters
    ----------
    network : STAM
        In evaluation mode, on a processor.

    Attributes
    ----------
    norm, first, later
        Input norm; first block; list of the others.
    """

    def __init__(self, network: STAM) -> None:
        super().__init__(fused(network))
        self.clips_at_a_time = 4 * TOGETHER
        first, *later = (block for block in network.blocks if isinstance(block, GraphBlock))
        with torch.inference_mode():
            self.norm = _Norm(network.input_norm, network.config.channels)
            self.first, self.later = _Block(first), [_Block(block) for block in later]

    def encode_of(
        self, clips: Clips, which: NDArray[np.intp]
    ) -> tuple[NDArray, NDArray, NDArray | None]:
        """Vectors, joint attention and evidence, as `OnArrays.encode`, of some clips."""
        frames, rows = clips.frames(which)
        with torch.inference_mode():
            found = self._encode(self._given(frames), rows[:, 0].tolist(), rows.shape[1])
        return self._arrays(found)

    def _encode(self, frames: Tensor, first: list[int], length: int) -> Encoded:
        """Clips of so many frames (F, C, V), from the first of each on."""
        network = self.network
        assert isinstance(network, STAM)
        x, seen = self.norm(frames)  # (V, F, C), (F, V) or None
        mixed = self.first.of_frames(x).transpose(0, 1).contiguous()  # (F, V, D)
        x = x.transpose(0, 1).contiguous()  # (F, V, C)
        if seen is not None and bool(seen.all()):
            seen = None  # nothing is left out of means: the shorter way there
        pooled, keep = [], []
        for begin in range(0, len(first), TOGETHER):
            part = [slice(start, start + length) for start in first[begin : begin + TOGETHER]]
            y = self.first.over_time(torch.stack([mixed[clip] for clip in part]))  # (m, T, V, D)
            y = self.first.joined(y, torch.stack([x[clip] for clip in part]))
            for block in self.later:
                y = block(y)
            there = None
            if seen is not None:
                there = torch.stack([seen[clip] for clip in part])  # (m, T, V)
                for block in (self.first, *self.later):
                    there = block.seen(there)
                keep.append(there.any(dim=1))
            pooled.append(network.over_time(y, there))
        return network.over_joints(torch.cat(pooled), torch.cat(keep) if keep else None)


class _Norm:
    """`InputNorm` of frames by its running statistics: rows of C * V features, channel-major."""

    def __init__(self, norm: InputNorm, channels: int) -> None:
        gain, offset = (part.view(-1, channels).t().flatten() for part in _affine(norm))
        self.gain, self.offset = gain, offset  # (C*V,)
        self.masking, self.scales = norm.masking, None
        if norm.scales is not None:
            self.scales = norm.scales.repeat_interleave(len(gain) // channels)

    def __call__(self, frames: Tensor) -> tuple[Tensor, Tensor | None]:
        """(F, C, V) -> (V, F, C) without missing values, and what was seen (F, V) or None."""
        seen = ~frames.sum(dim=1).isnan() if self.masking else None
        x = frames.flatten(1)
        if self.scales is not None:
            x = kernels.asinh(x / self.scales)
        if not self.masking:
            x = x.nan_to_num(nan=0.0)
        x = torch.addcmul(self.offset, x, self.gain).nan_to_num_(nan=0.0)
        return x.view(frames.shape).permute(2, 0, 1).contiguous(), seen


class _Block:
    """A `GraphBlock` on (M, T, V, D) tensors, its batch norms in its convolutions."""

    def __init__(self, block: GraphBlock) -> None:
        graph = block.graph if block.edges is None else block.graph * block.edges  # (P, V, V)
        parts, joints, _ = graph.shape
        self.takes = graph.permute(2, 0, 1).reshape(joints * parts, joints).contiguous()
        gain, offset = _affine(block.norm_joints)  # (D,)
        weight = block.joints.weight.view(parts, len(gain), -1) * gain[:, None]  # (P, D, D_in)
        self.weight = weight.transpose(1, 2).reshape(-1, len(gain)).contiguous()  # (P*D_in, D)
        # A joint takes the bias as often as it takes from others: the column sums of the graph.
        bias = torch.einsum("pd,pw->wd", _bias(block.joints).view(parts, -1), graph.sum(dim=1))
        self.bias = bias * gain + offset  # (V, D)
        self.even = block.even  # the same for all joints
        self.stride = block.stride
        self.padding = block.frames.padding
        gain, offset = _affine(block.norm_frames)
        self.kernel = kernels.channels_last(block.frames.weight * gain[:, None, None, None])
        self.shift = _bias(block.frames) * gain + offset
        self.short = None
        if isinstance(block.shortcut, nn.Sequential):
            convolution, norm = block.shortcut
            assert isinstance(convolution, nn.Conv2d)
            gain, offset = _affine(norm)
            self.short = (convolution.weight.flatten(1) * gain[:, None]).t().contiguous()
            self.shift = self.shift + _bias(convolution) * gain + offset

    def of_frames(self, x: Tensor) -> Tensor:
        """As `mixed`, of frames that lie joint by joint: (V, F, D_in) -> (V, F, D)."""
        V, frames, width = x.shape
        mixed = torch.mm(self.takes, x.view(V, -1)).view(V, -1, frames, width)  # (V, P, F, D_in)
        rows = mixed.transpose(1, 2).reshape(V, frames, -1)
        weight = self.weight.expand(V, -1, -1)
        return torch.baddbmm(self.bias[:, None], rows, weight).clamp_min_(0.0)

    def over_time(self, mixed: Tensor) -> Tensor:
        """Convolution over frames: (M, T, V, D) -> (M, T', V, D)."""
        channels = mixed.permute(0, 3, 1, 2)  # in the layout of `kernels.channels_last`
        found = F.conv2d(channels, self.kernel, self.shift, (self.stride, 1), self.padding)
        return found.permute(0, 2, 3, 1).contiguous()

    def joined(self, y: Tensor, x: Tensor) -> Tensor:
        """Add what came in (M, T, V, D_in) to (M, T', V, D), in place."""
        rows, taken = y.view(-1, y.shape[-1]), x[:, :: self.stride]
        if self.short is None:
            rows.add_(taken.reshape(rows.shape))
        else:
            torch.addmm(rows, taken.reshape(-1, taken.shape[-1]), self.short, out=rows)
        return y.clamp_min_(0.0)

    def seen(self, there: Tensor) -> Tensor:
        """What was seen (M, T, V) -> (M, T', V): in a frame, if in one at most a step away."""
        if self.stride == 1:
            return there
        wide, step = F.pad(there, (0, 0, 1, 1)), self.stride
        return wide[:, :-2:step] | wide[:, 1:-1:step] | wide[:, 2::step]

    def mixed(self, x: Tensor) -> Tensor:
        """Graph and channels, normed: (M, T, V, D_in) -> (M, T, V, D)."""
        M, T, V, width = x.shape
        y = torch.matmul(self.takes, x.view(M * T, V, width))  # (M*T, V*P, D_in)
        y = y.view(M * T * V, -1)
        if self.even:
            y = torch.addmm(self.bias[0], y, self.weight)
        else:
            y = torch.mm(y, self.weight).view(M * T, -1).add_(self.bias.flatten())
        return y.clamp_min_(0.0).view(M, T, V, -1)

    def __call__(self, x: Tensor) -> Tensor:
        """(M, T, V, D_in) -> (M, T', V, D)."""
        return self.joined(self.over_time(self.mixed(x)), x)


def _affine(norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Gain and offset that a batch norm comes to by its running statistics."""
    assert isinstance(norm, nn.modules.batchnorm._BatchNorm)
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None
    assert variance is not None
    gain = norm.weight * (variance + norm.eps).rsqrt()
    return gain, norm.bias - mean * gain


def _bias(convolution: nn.Module) -> Tensor:
    assert isinstance(convolution, nn.Conv2d)
    assert convolution.bias is not None
    return convolution.bias
