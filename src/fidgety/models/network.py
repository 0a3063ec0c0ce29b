"""What every network here is: clips in, one logit out, in two halves that can be used apart.

    clips -> encode, each clip for itself -> clip vectors -> attend, over the clips -> logit

So a clip that lies in several windows is encoded once, and leaving clips out or drawing them anew
costs only the second half. `Network` is all that training, checkpoints, inference and explanation
know of a model; a new one states `encode` and `attend`, and `evidence` if its logit is a sum.

Axes: N recordings, K clips, M = clips of all recordings together, C channels, T frames, V joints,
D width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol, Self

import torch
from torch import Tensor, nn

from fidgety.errors import ConfigError
from fidgety.pose.skeleton import Skeleton, load_skeleton
from fidgety.settings import from_plain, to_plain

__all__ = [
    "Encoded",
    "Evidence",
    "LayoutSettings",
    "Network",
    "NetworkOutput",
    "NetworkSettings",
    "each_clip",
    "is_count",
    "require",
    "softmax_over",
]


class NetworkSettings(Protocol):
    """A frozen dataclass that says all of a network's architecture."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def layout(self) -> Skeleton:
        """The V joints in their order."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Plain form for JSON."""
        ...

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Self:
        """Read the plain form back; raises `ConfigError` E701 or E702."""
        ...


@dataclass(frozen=True)
class LayoutSettings:
    """What the settings of every network here begin with.

    Parameters
    ----------
    channels : int
        Feature channels C, in the order of `fidgety.motion.CHANNELS`.
    skeleton : str or Skeleton
        Layout of the V joints: a name or TOML file for `load_skeleton`, or the layout itself.

    Raises
    ------
    ConfigError
        E702 if a value is impossible.
    PoseError
        E304 or E305 if there is no such skeleton.
    """

    channels: int = 7
    skeleton: str | Skeleton = "openpose18"

    def __post_init__(self) -> None:
        require(is_count(self.channels), "channels", self.channels, "a whole number from 1")
        _ = self.layout  # raises if there is no such skeleton

    @property
    def layout(self) -> Skeleton:
        """The skeleton itself."""
        return (
            self.skeleton if isinstance(self.skeleton, Skeleton) else load_skeleton(self.skeleton)
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain form for JSON; `from_dict` reads it back."""
        content = to_plain(self)
        if isinstance(self.skeleton, Skeleton):
            content["skeleton"] = self.skeleton.to_dict()
        return content

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Self:
        """Build settings from their plain form; names left out take their defaults.

        Raises
        ------
        ConfigError
            E701 for an unknown name; else as the constructor.
        """
        content = dict(content)
        if isinstance(content.get("skeleton"), dict):
            content["skeleton"] = Skeleton.from_dict(content["skeleton"])
        return from_plain(cls, content)


def is_count(value: object, most: int | None = None) -> bool:
    """Whether a setting is a whole number from 1 (to `most`)."""
    if not isinstance(value, int) or isinstance(value, bool):
        return False
    return value >= 1 and (most is None or value <= most)


def require(holds: bool, name: str, value: object, wanted: str) -> None:
    """Raise `ConfigError` E702 for a setting unless it holds."""
    if not holds:
        raise ConfigError(
            "E702", f"{name} = {value!r} is impossible", remedy=f"It must be {wanted}"
        )


class Encoded(NamedTuple):
    """M clips, each by itself.

    Attributes
    ----------
    vectors : Tensor (M, D)
        What `Network.attend` needs of each clip.
    joints : Tensor (M, V)
        Weight of each joint; sums to 1, or to 0 for a clip in which no joint was seen.
    joint_evidence : Tensor (M, V), optional
        What each joint adds to the clip's pull; sums to it. None where the network is no sum over
        joints, and while training, when nobody asks.
    """

    vectors: Tensor
    joints: Tensor
    joint_evidence: Tensor | None = None


class Evidence(NamedTuple):
    """Why a logit is what it is, where it is the weighted mean of what the clips say.

    ``logit = bias + sum_k weight_k pull_k``, weights as from `Network.attend`. Counting clip k
    c_k times must do no more than make them ``c_k weight_k / sum_j c_j weight_j``, as it does for
    every softmax over scores that each clip has by itself. In a network that is `whole` this sum
    is the logit of one of two reasons.

    Attributes
    ----------
    pull : Tensor (M,)
        Where each clip alone would take the logit, less the bias.
    bias : float
        The part of the logit that is the same for every recording.
    """

    pull: Tensor
    bias: float


class NetworkOutput(NamedTuple):
    """What a network says of N recordings.

    Attributes
    ----------
    logit : Tensor (N,)
        ``sigmoid(logit)`` is the risk: the probability of absent or abnormal fidgety movements.
    clip_attention : Tensor (N, K)
        Weight of each clip; sums to 1 over a recording's real clips and is 0 on padded ones.
    joint_attention : Tensor (N, K, V)
        Weight of each joint in each clip; sums to 1 over the joints, 0 throughout padded clips.
    penalty : Tensor (N,), optional
        Added to each recording's loss while training, for networks that ask for more than the
        label.
    """

    logit: Tensor
    clip_attention: Tensor
    joint_attention: Tensor
    penalty: Tensor | None = None


class Network(nn.Module):
    """A network of this house; a line in `fidgety.models.MODELS` makes it known by its name.

    Parameters
    ----------
    config
        Its architecture, of `config_type`; the defaults of that type if left out.
    """

    config_type: ClassVar[Any]
    config: Any  # of config_type, a `NetworkSettings`

    def __init__(self, config: Any = None) -> None:
        super().__init__()
        self.config = self.config_type() if config is None else config

    @property
    def whole(self) -> bool:
        """Whether there is a second reason, that belongs to no clip: exaggerated movements.

        If so, what `evidence` sums to is the logit of absent fidgety movements, the logit is that
        of either, taken as independent (`fidgety.models.excess.either`), and inference tells the
        two apart by that rule.
        """
        return False

    def encode(self, clips: Tensor) -> Encoded:
        """Each clip for itself.

        Parameters
        ----------
        clips : Tensor (M, C, T, V), float32
            Real clips only, in the units of the profile the model was trained on; NaN = not
            observed. While training, all of them enter the batch statistics.
        """
        raise NotImplementedError

    def attend(self, vectors: Tensor, count: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Clip vectors of each recording, or window, to its logit.

        Parameters
        ----------
        vectors : Tensor (N, K, D)
            From `encode`, in order of time; what stands at places counted 0 is ignored.
        count : Tensor (N, K), bool or float, optional
            How many times each clip counts: True or 1 for a real clip, False or 0 for padding or a
            clip left out, 2 for one drawn twice. All once by default. Counting a clip twice equals
            having it twice: a softmax adds the logarithm of the count to its score.

        Returns
        -------
        logit : Tensor (N,)
        clip_weights : Tensor (N, K)
            Sum to 1 over the clips that count; 0 throughout where none does.
        """
        raise NotImplementedError

    def evidence(self, vectors: Tensor) -> Evidence | None:
        """What each clip (M, D) alone says; None where the logit is no weighted mean of clips."""
        return None

    def forward(self, clips: Tensor, mask: Tensor | None = None) -> NetworkOutput:
        """Assess N recordings of up to K clips each.

        Parameters
        ----------
        clips : Tensor (N, K, C, T, V), float32
            As for `encode`.
        mask : Tensor (N, K), bool, optional
            True = real clip. Padded clips are never looked at, whatever they hold; they enter no
            statistic. On a GPU, a mask left on the CPU spares a wait for the device.

        Returns
        -------
        NetworkOutput
            A recording without a real clip gets attention 0 throughout.
        """
        vectors, joints, mask = each_clip(self.encode, clips, mask)
        logit, weights = self.attend(vectors, mask)
        return NetworkOutput(logit, weights, joints)


def each_clip(
    encode: Callable[[Tensor], Encoded], clips: Tensor, mask: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Encode the real clips of N recordings side by side.

    Returns
    -------
    vectors : Tensor (N, K, D)
        0 where padded.
    joints : Tensor (N, K, V)
        0 where padded.
    mask : Tensor (N, K), bool
        True = a clip that was given, and in which something was seen.
    """
    N, K, C, T, V = clips.shape
    flat = clips.reshape(N * K, C, T, V)
    if mask is None:
        vectors, joints, _ = encode(flat)  # (N*K, D), (N*K, V)
        mask = torch.ones(N, K, dtype=torch.bool, device=clips.device)
    else:
        real = mask.reshape(N * K).nonzero().squeeze(1).to(clips.device, non_blocking=True)
        mask = mask.to(clips.device, non_blocking=True)
        encoded = encode(flat[real])[:2]  # (M, D), (M, V)
        vectors, joints = (part.new_zeros(N * K, part.shape[1]) for part in encoded)
        vectors = vectors.index_copy(0, real, encoded[0])  # (N*K, D)
        joints = joints.index_copy(0, real, encoded[1])  # (N*K, V)
    vectors, joints = vectors.view(N, K, -1), joints.view(N, K, V)
    return vectors, joints, mask & (joints.sum(dim=-1) > 0)


def softmax_over(scores: Tensor, count: Tensor | None = None) -> Tensor:
    """Softmax (..., things) in which each thing counts `count` times; all 0 if nothing counts."""
    if count is None:
        return scores.softmax(dim=-1)
    keep = count > 0
    if count.dtype != torch.bool:
        scores = scores + count.clamp(min=torch.finfo(scores.dtype).tiny).log()
    lowest = torch.finfo(scores.dtype).min  # finite: a row without a thing must not become NaN
    return scores.masked_fill(~keep, lowest).softmax(dim=-1).masked_fill(~keep, 0.0)
