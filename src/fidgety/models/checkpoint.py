"""One file that carries the whole contract: weights, and all that a recording needs to reach them.

A ``.fidgety`` file is a safetensors file: numbers and one JSON text, nothing that runs. The text
says which network, skeleton, frame rate, preprocessing, clips, windows, calibration, and whom it
was trained on, so that whoever assesses a recording chooses nothing.
"""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from fidgety.errors import CheckpointError, ConfigError, PoseError
from fidgety.files import existing, file_error, parse_json, whole_file
from fidgety.models.about import Cohort, require_joints, sha256
from fidgety.models.catalogue import MODELS, at_rate, name_of, settings_from
from fidgety.models.network import Network
from fidgety.motion.clips import ClipConfig, WindowConfig
from fidgety.motion.preprocess import profile_from
from fidgety.pose.skeleton import Skeleton
from fidgety.settings import from_plain, to_plain

__all__ = [
    "SCHEMA_VERSION",
    "Checkpoint",
    "Cohort",
    "described",
    "load_checkpoint",
    "save_checkpoint",
    "sha256",
]

SCHEMA_VERSION = 1
MAX_HEADER = 4 << 20  # bytes; that of a default STAM has about 10,000
MAX_BYTES = 1 << 30
MAX_JOINTS = 512
MAX_MEMBERS = 100
_NEWER = {"members", "threshold", "abstention"}  # files of earlier versions lack them


@dataclass(frozen=True, eq=False, kw_only=True)
class Checkpoint:
    """A trained model and everything that must hold when it is used.

    Parameters
    ----------
    model : str
        A name in `MODELS`.
    config : dict
        The model's configuration in its plain form.
    weights : dict of str to Tensor
        The model's ``state_dict``; of an ensemble that of the first member, and those of the others
        under ``member1/``, ``member2/`` ...
    skeleton : Skeleton
        Layout of the joints, in the order the model expects.
    fps : float
        Frame rate that recordings are brought to.
    profile : str
        Preprocessing, a name in `fidgety.motion.preprocess.PROFILES`.
    profile_config, clip, window : dict
        Settings of the profile, of the clips (`ClipConfig`) and of the windows (`WindowConfig`).
    aggregation : {"mean", "max"}
        How the risks of a recording's windows become its risk.
    members : int
        Networks of the ensemble, alike but for their weights.
    calibration, threshold, abstention, scope : optional
        What turns the logit of a raw risk into a calibrated risk, the risk from which on a
        recording is called abnormal, when it cannot be said, and what recordings the model knows
        (`fidgety.models.rules.Rules`); None if that was never determined.
    cohort : Cohort, optional
        Whom it was trained on; None if unknown.
    metrics : dict
        What was measured of it, for example on validation infants. Kept in the file with null for
        values that are not finite.
    versions : dict of str to str
        Software that made it; filled in by default.
    notes : tuple of str
        What a user of the model must be told.
    schema_version : int
        Version of this form.

    Raises
    ------
    CheckpointError
        E404 if the weights do not fit the configuration, E405 if they are not finite, E406 if the
        skeleton is not the configuration's, E407 if a setting is impossible, E408 if the model is
        unknown.
    """

    model: str
    config: dict[str, Any]
    weights: Mapping[str, Tensor]
    skeleton: Skeleton
    fps: float
    profile: str
    profile_config: dict[str, Any] = field(default_factory=dict)
    clip: dict[str, Any] = field(default_factory=dict)
    window: dict[str, Any] = field(default_factory=dict)
    aggregation: str = "mean"
    members: int = 1
    calibration: dict[str, Any] | None = None
    threshold: float | None = None
    abstention: dict[str, Any] | None = None
    scope: dict[str, Any] | None = None
    cohort: Cohort | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=lambda: _versions())
    notes: tuple[str, ...] = ()
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        _check_settings(self)
        _check_weights(self)

    @classmethod
    def of(cls, model: Network, **rest: Any) -> Checkpoint:
        """A checkpoint of a model as it stands now; `rest` are the remaining fields."""
        return cls.of_members([model], **rest)

    @classmethod
    def of_members(cls, models: Sequence[Network], **rest: Any) -> Checkpoint:
        """A checkpoint of an ensemble as it stands now; `rest` are the remaining fields."""
        weights = {
            f"{_prefix(member)}{key}": value.detach().cpu().clone()
            for member, model in enumerate(models)
            for key, value in model.state_dict().items()
        }
        first = models[0].config
        return cls(
            model=name_of(first),
            config=first.to_dict(),
            weights=weights,
            skeleton=first.layout,
            members=len(models),
            **rest,
        )

    def build(self) -> Network:
        """The model, or the first member, with its weights, in evaluation mode, on the CPU."""
        return self.build_members()[0]

    def build_members(self) -> tuple[Network, ...]:
        """Every member of the ensemble, as `build`."""
        built = []
        for member in range(self.members):
            with torch.random.fork_rng(devices=[]):  # initial weights must not move a seed
                model = MODELS[self.model](settings_from(self.config, self.model))
            model.load_state_dict(_of_member(self.weights, member))
            built.append(model.eval())
        return tuple(built)

    def require_skeleton(self, skeleton: Skeleton) -> None:
        """Raise `CheckpointError` E406 unless `skeleton` has the model's joints in their order."""
        require_joints(self.skeleton, skeleton)


def save_checkpoint(path: str | Path, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint, whole or not at all; return its path.

    The same checkpoint gives the same bytes.

    Raises
    ------
    FileError
        E501 to E503 if the system refuses.
    """
    text = json.dumps(described(checkpoint), allow_nan=False, sort_keys=True)
    weights = {name: value.contiguous() for name, value in checkpoint.weights.items()}
    raw = safetensors.torch.save(weights, {"fidgety": text})
    with whole_file(path) as draft:
        draft.write_bytes(raw)
    return Path(path)


def described(checkpoint: Checkpoint) -> dict[str, Any]:
    """All that a checkpoint says beside its weights, ready for JSON."""
    content = {
        entry.name: getattr(checkpoint, entry.name)
        for entry in fields(checkpoint)
        if entry.name != "weights"
    }
    content["skeleton"] = checkpoint.skeleton.to_dict()
    content["cohort"] = None if checkpoint.cohort is None else to_plain(checkpoint.cohort)
    return _jsonable(content)


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read and verify a checkpoint; nothing in the file is run.

    Raises
    ------
    FileError
        E504 if there is no such file.
    CheckpointError
        E401 not a checkpoint, E402 truncated or damaged, E403 written by a newer version, E407
        incomplete or contradictory; else as `Checkpoint`.
    """
    source = existing(path, "model file")
    try:
        if source.stat().st_size > MAX_BYTES:
            _refuse("E401", source, f"it is larger than {MAX_BYTES >> 20} MiB")
        raw = source.read_bytes()
    except OSError as error:
        raise file_error(error, source) from error
    content = _metadata(raw, source)
    try:
        weights = safetensors.torch.load(raw)
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        _refuse("E402", source, str(error), error)
    known = {entry.name for entry in fields(Checkpoint)} - {"weights"}
    odd = sorted((known - _NEWER) - set(content) | set(content) - known)
    if odd:
        _refuse("E407", source, f"{odd[0]} is {'missing' if odd[0] in known else 'unknown'}")
    try:
        content["skeleton"] = Skeleton.from_dict(content["skeleton"])
        if content["cohort"] is not None:
            content["cohort"] = from_plain(Cohort, content["cohort"])
        content["notes"] = tuple(content["notes"])
        return Checkpoint(weights=weights, **content)
    except CheckpointError as error:
        raise CheckpointError(
            error.code, error.what, where=source.name, why=error.why, remedy=error.remedy
        ) from error
    except (ConfigError, PoseError, TypeError, ValueError, AttributeError) as error:
        _refuse("E407", source, str(error), error)


def _metadata(raw: bytes, source: Path) -> dict[str, Any]:
    """The JSON text, after the sizes that the file declares have been checked against its own."""
    if not raw:
        _refuse("E402", source, "it is empty")
    length = int.from_bytes(raw[:8], "little")
    if len(raw) < 9 or raw[8:9] != b"{" or length > MAX_HEADER:
        _refuse("E401", source, "it is no safetensors file, or its header is too large")
    if len(raw) < 8 + length:
        _refuse("E402", source, "it ends within its header")
    try:
        header = parse_json(raw[8 : 8 + length])
        text = header.pop("__metadata__", {}).get("fidgety")
        ends = [int(entry["data_offsets"][1]) for entry in header.values()]
        content = None if text is None else parse_json(text)
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        _refuse("E402", source, "its header cannot be read", error)
    if not isinstance(content, dict) or not isinstance(content.get("schema_version"), int):
        _refuse("E401", source, "it is a safetensors file, but not of fidgety")
    if content["schema_version"] > SCHEMA_VERSION:
        _refuse("E403", source, f"its schema is {content['schema_version']}")
    if len(raw) != 8 + length + max(ends, default=0):
        _refuse("E402", source, f"it has {len(raw)} bytes, not those its header announces")
    return content


def _check_settings(it: Checkpoint) -> None:
    """Raise unless the settings can be used and agree with each other."""
    try:
        settings = settings_from(it.config, it.model)
    except (ConfigError, PoseError) as error:
        raise _contradiction(str(error)) from error
    if type(it.members) is not int or not 1 <= it.members <= MAX_MEMBERS:
        raise _contradiction(f"an ensemble of {it.members!r} members")
    is_rate = isinstance(it.fps, int | float) and math.isfinite(it.fps) and it.fps > 0
    if not is_rate or it.aggregation not in ("mean", "max") or len(it.skeleton) > MAX_JOINTS:
        raise _contradiction(
            f"fps {it.fps}, aggregation {it.aggregation}, {len(it.skeleton)} joints"
        )
    try:
        profile = profile_from(it.profile, it.profile_config)
        from_plain(ClipConfig, it.clip)
        from_plain(WindowConfig, it.window)
    except (ConfigError, PoseError) as error:
        raise _contradiction(str(error)) from error
    if profile.fps is not None and profile.fps != it.fps:
        raise _contradiction(f"the profile's {profile.fps} fps are not the model's {it.fps}")
    if settings != at_rate(settings, it.fps):
        raise _contradiction(f"the network was made for another rate than {it.fps:g} fps")
    layout = settings.layout
    if layout.joints != it.skeleton.joints or layout.bones != it.skeleton.bones:
        raise CheckpointError(
            "E406",
            f"The network was made for skeleton {layout.name}, the file says {it.skeleton.name}",
            remedy="Train the model again, or get another copy",
        )


def _check_weights(it: Checkpoint) -> None:
    """Raise unless the weights are those of the configuration, and finite."""
    try:
        with torch.device("meta"):  # shapes only: a hostile width allocates nothing
            one = MODELS[it.model](settings_from(it.config, it.model)).state_dict()
    except (RuntimeError, ArithmeticError, TypeError) as error:
        raise _misfit("its sizes are beyond any network") from error
    expected = {f"{_prefix(k)}{name}": value for k in range(it.members)
                for name, value in one.items()}  # fmt: skip
    for name in sorted(set(expected) | set(it.weights)):
        if name not in it.weights or name not in expected:
            raise _misfit(f"{name} is {'unknown' if name in it.weights else 'missing'}")
        here, there = it.weights[name], expected[name]
        if here.shape != there.shape:
            raise _misfit(f"{name} has shape {tuple(here.shape)}, not {tuple(there.shape)}")
        if here.dtype != there.dtype:
            raise _misfit(f"{name} is {here.dtype}, not {there.dtype}")
    for name, value in it.weights.items():
        if not torch.isfinite(value).all():
            raise CheckpointError(
                "E405",
                "The weights are not finite numbers",
                why=f"{name} holds NaN or infinity; the training diverged",
                remedy="Train again with a lower learning rate, or choose an earlier checkpoint",
            )


def _prefix(member: int) -> str:
    return f"member{member}/" if member else ""


def _of_member(weights: Mapping[str, Tensor], member: int) -> dict[str, Tensor]:
    start = _prefix(member)
    if start:
        return {k.removeprefix(start): v for k, v in weights.items() if k.startswith(start)}
    return {k: v for k, v in weights.items() if "/" not in k}


def _versions() -> dict[str, str]:
    packages = ("fidgety", "numpy", "torch")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def _jsonable(value: Any) -> Any:
    """Plain numbers, texts, lists and dictionaries; null for numbers that are not finite."""
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, tuple | list | np.ndarray):
        return [_jsonable(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _misfit(why: str) -> CheckpointError:
    return CheckpointError(
        "E404",
        "The weights do not fit the network",
        why=why,
        remedy="Get another copy of the file, or train the model again",
    )


def _contradiction(why: str) -> CheckpointError:
    return CheckpointError(
        "E407",
        "The checkpoint contradicts itself",
        why=why,
        remedy="Get another copy of the file, or train the model again",
    )


def _refuse(code: str, source: Path, why: str, error: Exception | None = None) -> NoReturn:
    what, remedy = {
        "E401": ("Not a fidgety model", "Give a .fidgety file; convert others: fidgety convert"),
        "E402": ("The model file is damaged", "Copy it again"),
        "E403": ("Written by a newer version of fidgety", "Update fidgety"),
        "E407": ("The checkpoint contradicts itself", "Get another copy, or train the model again"),
    }[code]
    raise CheckpointError(code, what, where=source.name, why=why, remedy=remedy) from error
