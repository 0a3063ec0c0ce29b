"""The sequences of a study by one profile, made once for all folds of an experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fidgety.motion import pose_sequence, profile_from
from fidgety.settings import to_plain
from fidgety.study.batch import State
from fidgety.study.copies import file_digest
from fidgety.study.preparing import read_recording
from fidgety.study.sequences import load_sequence, read_sidecar, write_sequence
from fidgety.study.study import Study

__all__ = ["make_sequence"]


def make_sequence(
    study: Study, root: Path, profile: str, fps: float | None, channels: str | None, name: str
) -> State:
    """Write ``sequences/<profile>/<recording>`` below `root`, unless it is there already.

    The study's own sequence is taken where this profile made it from these poses; else it is made
    anew.
    """
    folder = root / "sequences" / profile / name
    source, digest = study.pose_path(name), file_digest(study.source_path(name))
    standing = read_sidecar(folder) if folder.exists() else None
    if standing and standing.get("finished") and standing.get("source_sha256") == digest:
        return "kept"
    prepared = read_sidecar(study.sequence_folder(name)) or {}
    if source is None or _holds(prepared, profile, digest):
        sequence = load_sequence(study, name, fps=fps, channels=channels)
    else:
        sequence = pose_sequence(read_recording(source, **said_of(prepared, fps)), profile)
    write_sequence(folder, sequence, {"source_sha256": digest})
    return "done"


def said_of(prepared: dict[str, Any], fps: float | None) -> dict[str, Any]:
    """What preparing a recording was told that its pose file does not say itself."""
    said = {key: (prepared.get("source") or {}).get(key) for key in ("skeleton", "fps", "size")}
    return said if fps is None else {**said, "fps": fps}


def _holds(prepared: dict[str, Any], profile: str, digest: str) -> bool:
    """Whether a study's own sequence is of this profile, its usual settings and these poses."""
    return (
        prepared.get("finished") is True
        and prepared.get("profile") == profile
        and prepared.get("config") == to_plain(profile_from(profile))
        and (prepared.get("source") or {}).get("sha256") == digest
    )
