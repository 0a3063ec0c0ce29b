"""The paper's public implementation -> `STAM`: names mapped, graph recognised, outputs folded.

Its two outputs go through a softmax. ``softmax(a, b)[1] = sigmoid(b - a)``, so one output with the
difference of their weights says the same. Its ``bn1`` is left out: that layer is constructed, and
never used in its forward pass (no batch is counted in a trained file, and the outputs agree
without it).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fidgety.errors import CheckpointError, ConfigError
from fidgety.models.checkpoint import Checkpoint, save_checkpoint, sha256
from fidgety.models.stam import STAM, STAMConfig
from fidgety.models.torchfile import read_state
from fidgety.motion.clips import ClipConfig, WindowConfig
from fidgety.motion.preprocess import profile_from
from fidgety.pose.skeleton import BUILT_IN_SKELETONS, Strategy, adjacency, load_skeleton
from fidgety.settings import to_plain

__all__ = ["convert_checkpoint", "convert_reference", "from_reference_state_dict"]

UNUSED = re.compile(r"bn1\..*|sag\.A")
NAMES = {  # a block's own names follow `BLOCK`
    "sag.data_bn": "input_norm",
    "sag.spatial_attn.attention.0": "joint_attention.hidden",
    "sag.spatial_attn.attention.2": "joint_attention.score",
    "sag.fcn": "project",
    "temporal_attn.attention.0": "clip_attention.hidden",
    "temporal_attn.attention.2": "clip_attention.score",
    "output.1": "output",
}
BLOCK = {
    "gcn.conv": "joints",
    "tcn.0": "norm_joints",
    "tcn.2": "frames",
    "tcn.3": "norm_frames",
    "residual.0": "shortcut.0",
    "residual.1": "shortcut.1",
}


def convert_reference(path: str | Path) -> STAM:
    """Read a model of the public implementation without running anything in its file.

    Parameters
    ----------
    path : path-like
        Its ``torch.save`` file: a whole pickled module (what its trainer writes) or a state dict.

    Returns
    -------
    STAM
        In evaluation mode. Dropout rates are not in the file: they are the defaults.

    Raises
    ------
    FileError, CheckpointError
        As `fidgety.models.torchfile.read_state` and `from_reference_state_dict`.
    """
    return from_reference_state_dict(read_state(path))


def convert_checkpoint(
    source: str | Path,
    out: str | Path,
    *,
    fps: float = 30.0,
    clip_seconds: float = 1.0,
    stride_seconds: float = 2 / 3,
    profile: str = "stam",
) -> Checkpoint:
    """Turn a model file of the public implementation into a checkpoint; write and return it.

    Such a file says neither how its recordings were prepared nor whom it was trained on. The first
    is taken from the arguments, whose defaults are the published ones; the second stays unknown,
    and the checkpoint says so.

    Parameters
    ----------
    source : path-like
        As in `convert_reference`.
    out : path-like
        The checkpoint to write, ``*.fidgety``.
    fps : float
        Frame rate of the recordings it was trained on.
    clip_seconds, stride_seconds : float
        Length of its clips, and from the start of one to the next.
    profile : {"stam", "fidgety"}
        Preprocessing of the recordings it was trained on.

    Raises
    ------
    FileError, CheckpointError
        As `convert_reference` and `fidgety.models.checkpoint.save_checkpoint`.
    ConfigError
        E702, E704 if a setting is impossible.
    """
    model = convert_reference(source)
    checkpoint = Checkpoint.of(
        model,
        fps=fps,
        profile=profile,
        profile_config=to_plain(profile_from(profile, {"fps": fps})),
        clip=to_plain(ClipConfig(length_s=clip_seconds, stride_s=stride_seconds)),
        window=to_plain(WindowConfig()),
        aggregation="max",  # as published
        notes=(
            f"Converted from {Path(source).name}, sha256 {sha256(source)}.",
            "Its training infants are unknown, and it was never calibrated.",
            f"Frame rate, clips and profile {profile} were stated at conversion, not by the file.",
        ),
    )
    save_checkpoint(out, checkpoint)
    return checkpoint


def from_reference_state_dict(state: Mapping[str, Any]) -> STAM:
    """Build `STAM` from the public implementation's parameters, by its own parameter names.

    Parameters
    ----------
    state : mapping of str to array or Tensor
        Its ``state_dict()``; a leading ``module.`` (from parallel training) is taken off.

    Returns
    -------
    STAM
        In evaluation mode; sizes and graph are read off the arrays.

    Raises
    ------
    CheckpointError
        E423 if a parameter is missing, unknown, not finite or does not fit the others; E424 if its
        graph belongs to no known skeleton and partition.
    """
    arrays = {name.removeprefix("module."): _numbers(name, value) for name, value in state.items()}
    try:
        config = _config(arrays)
        with torch.device("meta"):  # shapes only, since these arrays may be anybody's
            target = STAM(config).state_dict()
    except (KeyError, IndexError) as error:
        raise _not_reference(f"{error.args[0]} is missing or has the wrong shape") from error
    except (ConfigError, RuntimeError) as error:
        raise _not_reference("its sizes are those of no such network") from error
    renamed = {
        _renamed(name): value for name, value in arrays.items() if not UNUSED.fullmatch(name)
    }
    for part in ("weight", "bias"):
        pair = renamed.get(f"output.{part}")
        if pair is None or pair.ndim == 0 or len(pair) != 2:
            raise _not_reference("it should have two outputs: normal, abnormal")
        renamed[f"output.{part}"] = pair[1:] - pair[:1]
    wrong = sorted(set(renamed) ^ set(target))
    if wrong:
        raise _not_reference(f"{wrong[0]} is missing or unknown")
    for name, value in renamed.items():
        shape = tuple(target[name].shape)
        if value.squeeze().shape != tuple(side for side in shape if side != 1):
            raise _not_reference(f"{name} has shape {value.shape}, not {shape}")
        renamed[name] = value.reshape(shape)  # a 1 x 1 convolution over nothing is a linear layer
    model = STAM(config)
    model.load_state_dict({name: torch.tensor(value) for name, value in renamed.items()})
    return model.eval()


def _config(arrays: Mapping[str, NDArray[Any]]) -> STAMConfig:
    """Sizes and graph, read off the arrays' shapes."""
    count = len({name.split(".")[2] for name in arrays if name.startswith("sag.st_gcn_networks.")})
    frames = [arrays[f"sag.st_gcn_networks.{i}.tcn.2.weight"] for i in range(count)]
    if not frames:
        raise _not_reference("it has no graph blocks")
    graph = arrays["sag.A"]
    if graph.ndim != 3:
        raise _not_reference("its graph should have shape (P, V, V)")
    skeleton, strategy, max_hop, dilation = _recognised(graph)
    return STAMConfig(
        channels=arrays["sag.st_gcn_networks.0.gcn.conv.weight"].shape[1],
        skeleton=skeleton,
        strategy=strategy,
        max_hop=max_hop,
        dilation=dilation,
        widths=tuple(weight.shape[0] for weight in frames[:-1]),
        z_dim=frames[-1].shape[0],
        alpha_dim=arrays["temporal_attn.attention.0.weight"].shape[0],
        beta_dim=arrays["sag.spatial_attn.attention.0.weight"].shape[0],
        temporal_kernel=frames[0].shape[2],
    )


def _recognised(graph: NDArray[Any]) -> tuple[str, Strategy, int, int]:
    """Skeleton, strategy, max_hop and dilation whose adjacency is `graph` (P, V, V)."""
    strategies: tuple[Strategy, ...] = ("uniform", "distance", "spatial")
    for name in BUILT_IN_SKELETONS:
        skeleton = load_skeleton(name)
        if len(skeleton) != graph.shape[1]:
            continue
        for strategy in strategies:
            for max_hop in range(1, 11):
                for dilation in range(1, max_hop + 1):
                    known = adjacency(skeleton, strategy, max_hop, dilation)
                    if known.shape == graph.shape and np.allclose(known, graph, atol=1e-6):
                        return name, strategy, max_hop, dilation
    raise CheckpointError(
        "E424",
        f"The model's graph of {graph.shape[1]} joints is not known",
        why="it fits no built-in skeleton, strategy and max_hop",
        remedy="Train the model again on your study: fidgety train",
    )


def _renamed(name: str) -> str:
    module, _, part = name.rpartition(".")
    if module in NAMES:
        return f"{NAMES[module]}.{part}"
    block = re.fullmatch(r"sag\.st_gcn_networks\.(\d+)\.(.+)", module)
    if block and block[2] in BLOCK:
        return f"blocks.{block[1]}.{BLOCK[block[2]]}.{part}"
    return name


def _numbers(name: str, value: Any) -> NDArray[Any]:
    array = value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
    if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        raise _not_reference(f"{name} holds what is not a finite number")
    return array.astype(np.float32) if array.dtype.kind == "f" else array.astype(np.int64)


def _not_reference(why: str) -> CheckpointError:
    return CheckpointError(
        "E423",
        "Not the parameters of a STAM model of the paper's public implementation",
        why=why,
        remedy="Give the file its training wrote; models of fidgety itself need no conversion",
    )
