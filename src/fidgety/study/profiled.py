"""The sequences of a study by one profile, made once for all folds of an experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fidgety.motion import PoseSequence, pose_sequence, profile_from
from fidgety.pose.quality import assess_quality, mend
from fidgety.settings import to_plain
from fidgety.study.batch import State
from fidgety.study.copies import file_digest
from fidgety.study.preparing import read_recording
from fidgety.study.sequences import load_sequence, read_sidecar, write_sequence
from fidgety.study.study import Study

__all__ = ["make_sequence", "profiled_sequence"]


def make_sequence(
    study: Study, root: Path, profile: str, fps: float | None, channels: str | None, name: str
) -> State:
    """Write ``sequences/<profile>/<recording>`` below `root`, unless it is there already.

    The study's own sequence is taken where this profile made it from these poses; else it is made
    anew.
    """
    folder = root / "sequences" / profile / name
    digest = study.source_digest(name)
    standing = read_sidecar(folder) if folder.exists() else None
    if standing and standing.get("finished") and standing.get("source_sha256") == digest:
        return "kept"
    sequence = profiled_sequence(study, name, profile, fps, channels)
    write_sequence(folder, sequence, {"source_sha256": digest})
    return "done"


def profiled_sequence(
    study: Study, name: str, profile: str, fps: float | None = None, channels: str | None = None
) -> PoseSequence:
    """A recording by one profile: the study's own sequence if it is that, else from its poses.

    One that has no poses is taken as it stands, whatever made it.
    """
    source, digest = study.pose_path(name), file_digest(study.source_path(name))
    prepared = read_sidecar(study.sequence_folder(name)) or {}
    if source is None or _holds(prepared, profile, digest, study.mended):
        return load_sequence(study, name, fps=fps, channels=channels)
    pose = read_recording(source, **said_of(prepared, fps))
    if study.mended:
        pose = mend(pose, assess_quality(pose))
    return pose_sequence(pose, profile)


def said_of(prepared: dict[str, Any], fps: float | None) -> dict[str, Any]:
    """What preparing a recording was told that its pose file does not say itself."""
    said = {key: (prepared.get("source") or {}).get(key) for key in ("skeleton", "fps", "size")}
    return said if fps is None else {**said, "fps": fps}


def _holds(prepared: dict[str, Any], profile: str, digest: str, mended: bool) -> bool:
    """Whether a study's own sequence is of this profile, its usual settings and these poses."""
    return (
        prepared.get("finished") is True
        and prepared.get("profile") == profile
        and prepared.get("config") == to_plain(profile_from(profile))
        and (prepared.get("source") or {}).get("sha256") == digest
        and prepared.get("mended", False) == mended
    )
