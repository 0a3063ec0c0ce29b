"""A model file to one that needs no torch: an ONNX graph with everything the model says."""

from __future__ import annotations

import base64
import io
import json
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fidgety.files import whole_file
from fidgety.models.checkpoint import Checkpoint, described
from fidgety.models.fast import fused
from fidgety.models.network import Network
from fidgety.motion.clips import ClipConfig
from fidgety.pose.optional import library
from fidgety.settings import from_plain

__all__ = ["export_onnx"]

OPSET = 18


class _Encoder(nn.Module):
    """All members side by side: clips in, every member's outputs one after another."""

    def __init__(self, networks: tuple[Network, ...]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, clips: Tensor) -> tuple[Tensor, ...]:
        found: list[Tensor] = []
        for network in self.networks:
            assert isinstance(network, Network)
            encoded = network.encode(clips)
            found += [part for part in encoded if part is not None]
            evidence = network.evidence(encoded.vectors)
            if evidence is not None:
                found.append(evidence.pull)
        return tuple(found)


class _Attention(nn.Module):
    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, vectors: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
        return self.network.attend(vectors, count)


def export_onnx(checkpoint: Checkpoint, path: str | Path) -> Path:
    """Write a model as ONNX, whole or not at all; return its path.

    Batch norms are folded into convolutions. The risk stays the same to 1e-4.

    Parameters
    ----------
    checkpoint : Checkpoint
        Of any network in `MODELS`, one or an ensemble.
    path : path-like
        A ``.onnx`` file.

    Raises
    ------
    VideoError
        E607 if the package onnx is not installed.
    FileError
        E501 to E503 if the system refuses.
    """
    onnx = library("onnx", "onnx")
    networks = tuple(fused(network) for network in checkpoint.build_members())
    length = from_plain(ClipConfig, checkpoint.clip).frames(checkpoint.fps)[0]
    channels = networks[0].config.channels
    clips = torch.zeros(2, channels, length, len(checkpoint.skeleton))
    with torch.inference_mode():
        vectors = [network.encode(clips).vectors for network in networks]
        evidence = [n.evidence(v) for n, v in zip(networks, vectors, strict=True)]
        names = [
            f"{part}{k}"
            for k, network in enumerate(networks)
            for part in _parts(network.encode(clips), evidence[k])
        ]
    encoder = _graph(_Encoder(networks), (clips,), ["clips"], names)
    model = onnx.load_from_string(encoder)
    said = {
        "fidgety": json.dumps(described(checkpoint), allow_nan=False, sort_keys=True),
        "fidgety_bias": json.dumps([None if one is None else one.bias for one in evidence]),
        "fidgety_whole": json.dumps([network.whole for network in networks]),
    }
    for k, network in enumerate(networks):
        window = torch.zeros(2, 3, vectors[k].shape[1]), torch.ones(2, 3)
        graph = _graph(
            _Attention(network), window, ["vectors", "count"], ["logit", "weights"], clips=True
        )
        said[f"fidgety_attention{k}"] = base64.b64encode(graph).decode()
    onnx.helper.set_model_props(model, said)
    model.doc_string = "Research use only. Made by: fidgety export"
    with whole_file(path) as draft:
        draft.write_bytes(model.SerializeToString())
    return Path(path)


def _parts(encoded: Any, evidence: Any) -> list[str]:
    names = [name for name, part in encoded._asdict().items() if part is not None]
    return names if evidence is None else [*names, "pull"]


def _graph(
    module: nn.Module,
    inputs: tuple[Tensor, ...],
    names: list[str],
    outputs: list[str],
    *,
    clips: bool = False,
) -> bytes:
    """One ONNX graph; the first axis of everything may have any length, with `clips` the second."""
    axes = {
        name: {0: "N", 1: "K"} if clips and name != "logit" else {0: "N"}
        for name in (*names, *outputs)
    }
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that this exporter is the older one, and of shapes
        torch.onnx.register_custom_op_symbolic(  # pyright: ignore[reportPrivateImportUsage]
            "aten::asinh", _asinh, OPSET
        )
        try:
            torch.onnx.export(
                module.eval(),
                inputs,
                out,  # pyright: ignore[reportArgumentType]
                dynamo=False,  # the newer one needs a further package
                opset_version=OPSET,
                input_names=names,
                output_names=outputs,
                dynamic_axes=axes,
            )
        finally:
            torch.onnx.unregister_custom_op_symbolic(  # pyright: ignore[reportPrivateImportUsage]
                "aten::asinh", OPSET
            )
    return out.getvalue()


def _asinh(graph: Any, x: Any) -> Any:
    return graph.op("Asinh", x)
