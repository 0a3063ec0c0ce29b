"""The sequence folder of a recording: raw_skel.npy (7, T, V) and sequence.json beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import StudyError
from fidgety.files import file_error, parse_json, whole_file, write_json
from fidgety.motion import PoseSequence, Profile, profile_from
from fidgety.pose.formats import map_sequence
from fidgety.pose.formats import read_sequence as read_channels
from fidgety.pose.pose import check_fps
from fidgety.pose.skeleton import load_skeleton
from fidgety.settings import to_plain
from fidgety.study.labels import stated_fps
from fidgety.study.study import Study

__all__ = [
    "SCHEMA_VERSION",
    "load_sequence",
    "read_sequence",
    "read_sidecar",
    "write_sequence",
]

SCHEMA_VERSION = 1


def write_sequence(folder: Path, sequence: PoseSequence, about: dict[str, Any]) -> Path:
    """Write a sequence; return its folder.

    An unfinished ``sequence.json`` is written first and the finished one last, so that an array
    without a finished one beside it is never taken for whole.

    Parameters
    ----------
    folder : Path
        ``pose_sequences/<recording>``.
    sequence : PoseSequence
        With the profile that made it.
    about : dict
        Further entries of ``sequence.json``: where the sequence comes from.
    """
    profile = sequence.profile
    sidecar = {
        "schema_version": SCHEMA_VERSION,
        "fps": sequence.fps,
        "start_s": sequence.start_s,
        "skeleton": sequence.skeleton,
        "profile": None if profile is None else profile.name,
        "config": None if profile is None else to_plain(profile),
        "shape": list(sequence.values.shape),
        **about,
    }
    write_json(folder / "sequence.json", {**sidecar, "finished": False})
    with whole_file(folder / "raw_skel.npy") as draft:
        np.save(draft, sequence.values.astype(np.float32), allow_pickle=False)
    write_json(folder / "sequence.json", {**sidecar, "finished": True})
    return folder


def load_sequence(
    study: Study,
    name: str,
    *,
    fps: float | None = None,
    channels: str | Mapping[str, int] | None = None,
) -> PoseSequence:
    """The sequence of a recording of a study, as `read_sequence`.

    A sequence without a ``sequence.json`` takes its frame rate from the column ``fps`` of the
    labels file if it has one.

    Raises
    ------
    StudyError
        E218 if the recording was not prepared, or not as the study is; else as `read_sequence`.
    """
    folder = study.sequence_folder(name)
    if not (folder / "raw_skel.npy").is_file():
        raise StudyError(
            "E218",
            "The recording is not prepared",
            where=name,
            remedy="Run: fidgety prepare STUDY",
        )
    about = read_sidecar(folder)
    if about and study.pose_path(name) and about.get("mended", False) != study.mended:
        raise _bad(folder, f"it was made {'un' if study.mended else ''}mended, the study is not so")
    return read_sequence(folder, fps=fps or _stated_fps(study, name), channels=channels)


def read_sequence(
    folder: Path, *, fps: float | None = None, channels: str | Mapping[str, int] | None = None
) -> PoseSequence:
    """Read raw_skel.npy, ours or the reference's; ours is mapped into memory, not copied.

    Parameters
    ----------
    folder : Path
        Holds ``raw_skel.npy`` and, if it is ours, ``sequence.json``.
    fps : float, optional
        Frame rate of a sequence without ``sequence.json``.
    channels : str or mapping, optional
        What the rows of an array of more than seven channels are, such as ``"stam-toy19"``.

    Raises
    ------
    StudyError
        E218 the sidecar cannot be read, was not finished, or belongs to another array.
    PoseError
        E316 if the frame rate is not known; E350 to E355 as `fidgety.pose.formats.read_sequence`.
    """
    about = read_sidecar(folder)
    if about is not None and not about.get("finished"):
        raise _bad(folder, "preparing it was interrupted")
    mapped = None if channels or about is None else map_sequence(folder / "raw_skel.npy")
    if about is not None and mapped is not None:
        return _as_described(about, mapped, folder)
    exact, _ = read_channels(folder / "raw_skel.npy", channels)  # (7, T, V)
    with np.errstate(over="ignore"):  # what becomes infinite is refused by PoseSequence
        values = exact.astype(np.float32)
    if about is None:
        return PoseSequence(values, check_fps(fps or (_rate_of(exact) if channels else None)))
    return _as_described(about, values, folder)


def _as_described(about: dict[str, Any], values: NDArray[np.float32], folder: Path) -> PoseSequence:
    start_s, skeleton, profile = _described(about, folder)
    if list(values.shape) != about.get("shape"):
        raise _bad(folder, "its sequence.json describes another array")
    return PoseSequence(values, check_fps(_number(about.get("fps"))), start_s, skeleton, profile)


def read_sidecar(folder: Path) -> dict[str, Any] | None:
    """The content of sequence.json; None if there is none. E218 if it cannot be read."""
    path = folder / "sequence.json"
    if not path.is_file():
        return None
    try:
        if path.stat().st_size > 1 << 20:
            raise ValueError("it is far too large")
        content = parse_json(path.read_bytes())
        if not isinstance(content, dict):
            raise ValueError("it holds no named values")
    except OSError as error:
        raise file_error(error, path) from error
    except (ValueError, RecursionError) as error:
        raise _bad(folder, f"sequence.json: {error}") from error
    return content


def _rate_of(values: NDArray[np.floating]) -> float | None:
    """The frame rate of unsmoothed features: velocity over step, as their authors computed it."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = values[2, 1:] / np.diff(values[0], axis=0)
    ratio = ratio[np.isfinite(ratio)]
    fps = float(np.median(ratio)) if len(ratio) else math.nan
    steady = len(ratio) and np.mean(np.abs(ratio / fps - 1) < 0.01) > 0.9
    return round(fps, 3) if steady else None


def _described(about: dict[str, Any], folder: Path) -> tuple[float, str, Profile | None]:
    start_s = _number(about.get("start_s", 0.0))
    if about.get("schema_version") != SCHEMA_VERSION or start_s is None:
        raise _bad(folder, "sequence.json is of another version")
    skeleton = load_skeleton(str(about.get("skeleton"))).name
    name, config = about.get("profile"), about.get("config")
    if name is None:
        return start_s, skeleton, None
    if not isinstance(name, str) or not isinstance(config, dict):
        raise _bad(folder, "sequence.json names no profile")
    return start_s, skeleton, profile_from(name, config)


def _number(value: object) -> float | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        number = float(value) if abs(value) < 1e300 else math.inf  # a huge whole number is no float
        return number if math.isfinite(number) else None
    return None


def _stated_fps(study: Study, name: str) -> float | None:
    recording = study.by_name.get(name)
    return stated_fps(recording.extra, name) if recording else None


def _bad(folder: Path, why: str) -> StudyError:
    return StudyError(
        "E218",
        "Cannot read the sequence",
        where=folder.name,
        why=why,
        remedy="Prepare it again with: fidgety prepare STUDY",
    )
