"""An exported model, run by onnxruntime: what assesses recordings where torch is not installed.

The file is an ONNX graph from clips to clip vectors. Beside it, as text, stand what the
``.fidgety`` file says (skeleton, frame rate, preprocessing, clips, windows, calibration, cohort)
and a second, small graph from clip vectors to a logit. Nothing in it is code.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import CheckpointError
from fidgety.files import existing, file_error, parse_json
from fidgety.models.about import Cohort, require_joints
from fidgety.motion.clips import ClipConfig, Clips, WindowConfig
from fidgety.motion.preprocess import profile_from
from fidgety.pose.optional import library
from fidgety.pose.skeleton import Skeleton
from fidgety.settings import from_plain

__all__ = ["Contract", "ExportedNetwork", "load_exported"]

MAX_BYTES = 1 << 30
Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False, kw_only=True)
class Contract:
    """What a checkpoint says beside its weights; fields as those of `Checkpoint`."""

    model: str
    config: dict[str, Any]
    skeleton: Skeleton
    fps: float
    profile: str
    profile_config: dict[str, Any]
    clip: dict[str, Any]
    window: dict[str, Any]
    aggregation: str
    members: int
    calibration: dict[str, Any] | None
    threshold: float | None
    abstention: dict[str, Any] | None
    scope: dict[str, Any] | None
    cohort: Cohort | None
    metrics: dict[str, Any]
    versions: dict[str, str]
    notes: tuple[str, ...]
    schema_version: int

    def require_skeleton(self, skeleton: Skeleton) -> None:
        """Raise `CheckpointError` E406 unless `skeleton` has the model's joints in their order."""
        require_joints(self.skeleton, skeleton)


class ExportedNetwork:
    """One network of an exported model; arrays in, arrays out.

    Parameters
    ----------
    encoder : onnxruntime.InferenceSession
        Clips (M, C, T, V) -> ``vectors<k>`` (M, D), ``joints<k>`` (M, V) and, where the network has
        them, ``joint_evidence<k>`` (M, V) and ``pull<k>`` (M,), for each member k.
    attention : onnxruntime.InferenceSession
        Vectors (N, K, D), count (N, K) -> logit (N,), weights (N, K).
    member : int
        Which member of the ensemble.
    bias : float or None
        Of the logit, where it is a sum over clips.
    whole : bool
        As `Network.whole`.

    Attributes
    ----------
    clips_at_a_time : int
        How many clips are best encoded together.
    """

    clips_at_a_time = 64

    def __init__(
        self, encoder: Any, attention: Any, member: int, bias: float | None, whole: bool = False
    ) -> None:
        self._encoder, self._attention = encoder, attention
        self._bias, self.whole = bias, whole
        known = {output.name for output in encoder.get_outputs()}
        self._parts = [f"vectors{member}", f"joints{member}"]
        self._joint_evidence = f"joint_evidence{member}" in known
        if self._joint_evidence:
            self._parts.append(f"joint_evidence{member}")
        if bias is not None:
            self._parts.append(f"pull{member}")

    def encode(self, clips: Array) -> tuple[NDArray, NDArray, NDArray | None]:
        """Vectors (M, D), joint attention (M, V), joint evidence (M, V) or None, of clips."""
        found = self._encoder.run(self._parts, {"clips": np.ascontiguousarray(clips, np.float32)})
        vectors = found[0]
        if self._bias is not None:  # the clip's pull travels as a last column of its vector
            vectors = np.concatenate([vectors, found[-1].reshape(-1, 1)], axis=1)
        return vectors, found[1], found[2] if self._joint_evidence else None

    def encode_of(
        self, clips: Clips, which: NDArray[np.intp]
    ) -> tuple[NDArray, NDArray, NDArray | None]:
        """As `encode`, of some clips of a recording."""
        return self.encode(clips.values(which))

    def attend(self, vectors: NDArray, count: NDArray | None = None) -> tuple[NDArray, NDArray]:
        """Logit (N,) and clip weights (N, K) of vectors (N, K, D) counted (N, K) times."""
        if self._bias is not None:
            vectors = vectors[..., :-1]
        counts = np.ones(vectors.shape[:2], np.float32) if count is None else count
        logit, weights = self._attention.run(
            ["logit", "weights"],
            {
                "vectors": np.ascontiguousarray(vectors, np.float32),
                "count": np.ascontiguousarray(counts, np.float32),
            },
        )
        return logit, weights

    def evidence(self, vectors: NDArray) -> tuple[NDArray, float] | None:
        """Pull (M,) of each clip and the bias; None where the logit is no sum over clips."""
        return None if self._bias is None else (vectors[..., -1], self._bias)


def load_exported(path: str | Path) -> tuple[Contract, tuple[ExportedNetwork, ...]]:
    """Read a ``.onnx`` file that `fidgety export` wrote.

    Raises
    ------
    VideoError
        E607 if onnxruntime is not installed.
    FileError
        E504 if there is no such file.
    CheckpointError
        E401 not an exported model, E402 damaged, E407 incomplete or contradictory.
    """
    source = existing(path, "model file")
    runtime = library("onnxruntime", "onnx")
    try:
        if source.stat().st_size > MAX_BYTES:
            _refuse("E401", source, f"it is larger than {MAX_BYTES >> 20} MiB")
        encoder = _session(runtime, source.read_bytes())
    except OSError as error:
        raise file_error(error, source) from error
    except Exception as error:  # onnxruntime's own kinds, which it does not export
        _refuse("E402", source, str(error).splitlines()[0][:200], error)
    said = encoder.get_modelmeta().custom_metadata_map
    if "fidgety" not in said:
        _refuse("E401", source, "it is an ONNX file, but not of fidgety")
    try:
        contract = _contract(said["fidgety"])
        biases = parse_json(said["fidgety_bias"])
        whole = parse_json(said.get("fidgety_whole", "[]")) or [False] * contract.members
        networks = tuple(
            ExportedNetwork(
                encoder,
                _session(runtime, base64.b64decode(said[f"fidgety_attention{k}"], validate=True)),
                k,
                None if biases[k] is None else float(biases[k]),
                bool(whole[k]),
            )
            for k in range(contract.members)
        )
    except (binascii.Error, ValueError, TypeError, LookupError, AttributeError) as error:
        _refuse("E407", source, f"{type(error).__name__}: {error}", error)
    except Exception as error:  # onnxruntime's own kinds, again
        _refuse("E402", source, str(error).splitlines()[0][:200], error)
    return contract, networks


def _contract(text: str) -> Contract:
    content = parse_json(text)
    if not isinstance(content, dict) or set(content) != {entry.name for entry in fields(Contract)}:
        raise ValueError("it does not say what a model must say")
    content["skeleton"] = Skeleton.from_dict(content["skeleton"])
    content["notes"] = tuple(content["notes"])
    if content["cohort"] is not None:
        content["cohort"] = from_plain(Cohort, content["cohort"])
    profile_from(content["profile"], content["profile_config"])
    from_plain(ClipConfig, content["clip"])
    from_plain(WindowConfig, content["window"])
    return Contract(**content)


def _session(runtime: Any, raw: bytes) -> Any:
    options = runtime.SessionOptions()
    options.log_severity_level = 4  # errors are told in our words
    return runtime.InferenceSession(raw, options, providers=["CPUExecutionProvider"])


def _refuse(code: str, source: Path, why: str, error: Exception | None = None) -> NoReturn:
    what = {
        "E401": "Not an exported model",
        "E402": "The model file is truncated or damaged",
        "E407": "The model contradicts itself",
    }[code]
    remedy = "Export it again: fidgety export MODEL.fidgety --onnx FILE.onnx"
    raise CheckpointError(code, what, where=source.name, why=why, remedy=remedy) from error
