"""From poses to what models read: preprocessed_poses and pose_sequences of a whole study."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count, takewhile
from pathlib import Path
from typing import Any

import numpy as np

from fidgety.engines import Engine
from fidgety.errors import ConfigError, StudyError, warn
from fidgety.files import write_json
from fidgety.motion import PoseSequence, Profile, clean, profile_from, sequence_of_clean
from fidgety.pose.formats import read
from fidgety.pose.pose import Pose
from fidgety.pose.quality import QualityConfig, assess_quality, mend
from fidgety.pose.stored import read_native
from fidgety.settings import to_plain
from fidgety.study.batch import BatchReport, Outcome, Progress, State, run_batch
from fidgety.study.copies import file_digest
from fidgety.study.names import listing
from fidgety.study.sequences import SCHEMA_VERSION, read_sidecar, write_sequence
from fidgety.study.study import Study

__all__ = ["PrepareReport", "prepare_study", "read_recording"]

OVERLAP = 0.2  # of a sub-sequence with the one before: 200 of 1000 frames as published


@dataclass(frozen=True)
class PrepareReport(BatchReport):
    """What `prepare_study` did; ``left`` are sequences made elsewhere."""

    def summary(self) -> str:
        """One line for people."""
        done, kept, left, failed = (
            len(self.named(state)) for state in ("done", "kept", "left", "failed")
        )
        parts = [f"{done} prepared"]
        parts += [f"{kept} already up to date"] if kept else []
        parts += [f"{left} sequences made elsewhere left as they are"] if left else []
        parts += [f"{failed} failed: {listing(self.named('failed'))}"] if failed else []
        return ", ".join(parts)


@dataclass(frozen=True)
class _Wish:
    """What a recording's files must say for them to be still valid."""

    profile: Profile
    skeleton: str | None
    fps: float | None
    size: tuple[int, int] | None
    subsequence_seconds: float | None
    force: bool
    mend: bool


def prepare_study(
    study: Study,
    profile: str | Profile = "fidgety",
    *,
    subsequence_seconds: float | None = None,
    fps: float | None = None,
    size: tuple[int, int] | None = None,
    skeleton: str | None = None,
    progress: Progress | None = None,
    workers: int | Engine = 1,
    force: bool = False,
    mend: bool | None = None,
) -> PrepareReport:
    """Clean every recording's poses and compute its features.

    Writes ``preprocessed_poses/<recording>.parquet`` and ``pose_sequences/<recording>/`` with
    ``raw_skel.npy`` (7, T, V) float32 and ``sequence.json``. Run again, it does only what is
    missing, was interrupted, or came from other poses, another profile or other settings. A
    ``raw_skel.npy`` made elsewhere is left as it is unless `force` is set.

    Parameters
    ----------
    study : Study
        Labels are not needed.
    profile : {"fidgety", "stam"} or Profile
        How to preprocess.
    subsequence_seconds : float, optional
        Also write overlapping copies ``pose_sequences/<recording>_sub_<k>``, k from 1, as the
        reference's create_sub_sequences.py (1000 frames, 800 apart) for tools that need them.
        Where the reference drops the rest, the last copy ends with the recording; a recording
        shorter than one copy gives one copy of all of it.
    fps, size, skeleton : optional
        For pose files that do not say so themselves (the reference's .pkl).
    progress : callable (done, total, name), optional
        Called after each recording.
    workers : int or Engine
        Processes, or a cluster.
    force : bool
        Do everything again, sequences made elsewhere included.
    mend : bool, optional
        First put exchanged sides back and take the movement of a camera out, as an assessment does
        with a new recording, and tell of recordings that its quality gate would refuse. By default
        as the study was prepared before; at first, no.

    Raises
    ------
    ConfigError
        E702 impossible settings, E704 unknown profile.
    FileError
        E501 the disk is full; what was written before is intact.
    """
    if subsequence_seconds is not None and not 0 < subsequence_seconds < float("inf"):
        raise ConfigError(
            "E702",
            f"Impossible length of sub-sequences {subsequence_seconds} s",
            remedy="Give seconds, for example 33.3 for 1000 frames at 30 fps",
        )
    made_by = profile_from(profile)
    if mend is not None:
        study.set_mended(mend)  # at first: whoever reads a study half prepared must see it
    wish = _Wish(made_by, skeleton, fps, size, subsequence_seconds, force, study.mended)
    with_poses = [r.name for r in study.recordings if study.pose_path(r.name) is not None]
    outcomes = run_batch(partial(_prepare, study, wish), with_poses, progress, workers)
    others = [r.name for r in study.recordings if study.pose_path(r.name) is None]
    left = tuple(Outcome(name, "left") for name in others)
    return PrepareReport(tuple(sorted((*outcomes, *left), key=lambda outcome: outcome.name)))


def _prepare(study: Study, wish: _Wish, name: str) -> State:
    source = study.source_path(name)
    folder = study.sequence_folder(name)
    about = {
        "source": {
            "sha256": file_digest(source),
            "fps": wish.fps,
            "size": None if wish.size is None else list(wish.size),
            "skeleton": wish.skeleton,
        },
        "sub_sequence_s": wish.subsequence_seconds,
        "mended": wish.mend,
    }
    if not wish.force and (state := _standing(folder, wish, about)) is not None:
        return state
    pose = read_recording(source, skeleton=wish.skeleton, fps=wish.fps, size=wish.size)
    needed = QualityConfig().minimum_s
    if pose.duration_s < needed:
        warn(
            "W204",
            "Shorter than what is assessed afterwards",
            why=f"a new recording needs {needed:g} s that can be used",
            remedy="A model can be trained on it, but new ones of this length are refused",
        )
    if wish.mend:
        pose = _mended(pose, study.by_name[name].age_weeks)
    cleaned = clean(pose, wish.profile)
    sequence = sequence_of_clean(cleaned, wish.profile)
    if not np.isfinite(sequence.values).any():
        raise StudyError(
            "E218",
            "Nothing is left after preprocessing",
            where=name,
            why="no joint was followed long enough",
            remedy="Look at the poses: fidgety assess shows their quality",
        )
    if (folder / "sequence.json").is_file():
        write_json(folder / "sequence.json", {"finished": False})  # before any part of it changes
    _remove_pieces(study, name)
    cleaned.save(study.preprocessed_path(name))
    _write_pieces(study, name, sequence, wish.subsequence_seconds)
    write_sequence(folder, sequence, about)
    return "done"


def _mended(pose: Pose, age_weeks: float | None) -> Pose:
    quality = assess_quality(pose, age_weeks)
    if quality.verdict == "refused":
        codes = ", ".join(reason.code for reason in quality.reasons if reason.severity == "refuse")
        warn(
            "W205",
            f"As a new recording it would be refused ({codes})",
            why="a model may learn from it what it will never be asked",
            remedy="fidgety assess says why. To leave it out, take its row out of the labels and "
            "its file out of estimated_poses",
        )
    return mend(pose, quality)


def read_recording(
    source: Path,
    *,
    skeleton: str | None = None,
    fps: float | None = None,
    size: Sequence[int] | None = None,
) -> Pose:
    """Read the pose of a recording inside a study folder; errors as `fidgety.pose.formats.read`."""
    if source.suffix == ".parquet":
        return read_native(source)
    # Inside a study folder a .pkl can only be the reference's; its reader admits numbers only.
    chosen = "stam-pickle" if source.suffix == ".pkl" else "auto"
    return read(source, format=chosen, skeleton=skeleton, fps=fps, size=size)


def _standing(folder: Path, wish: _Wish, about: dict[str, Any]) -> State | None:
    """``kept`` if the sequence is what would be made now, ``left`` if it is not ours, else None."""
    array = folder / "raw_skel.npy"
    if not array.is_file():
        return None
    try:
        held = read_sidecar(folder)
        if held is None:
            return "left"
        shape = list(np.load(array, mmap_mode="r", allow_pickle=False).shape)
    except (StudyError, OSError, ValueError):
        return None
    wanted = {
        "schema_version": SCHEMA_VERSION,
        "finished": True,
        "profile": wish.profile.name,
        "config": to_plain(wish.profile),
        "source": about["source"],
        "shape": shape,
        "mended": wish.mend,
    }
    if wish.subsequence_seconds is not None:
        wanted["sub_sequence_s"] = wish.subsequence_seconds
    held = {"mended": False, **held}
    same = all(held.get(key) == value for key, value in wanted.items())
    return "kept" if same else None


def _write_pieces(study: Study, name: str, sequence: PoseSequence, seconds: float | None) -> None:
    if seconds is None:
        return
    frames = sequence.values.shape[1]
    length = min(max(1, round(seconds * sequence.fps)), frames)
    step = max(1, length - round(OVERLAP * length))
    starts = [*range(0, frames - length, step), frames - length]
    for k, start in enumerate(starts, start=1):
        piece = PoseSequence(
            sequence.values[:, start : start + length],
            sequence.fps,
            sequence.start_s + start / sequence.fps,
            sequence.skeleton,
            sequence.profile,
        )
        write_sequence(study.sequence_folder(f"{name}_sub_{k}"), piece, {"part_of": name})


def _remove_pieces(study: Study, name: str) -> None:
    """Remove the copies that were cut from an earlier sequence of this recording."""
    numbered = (study.sequence_folder(f"{name}_sub_{k}") for k in count(1))
    # Written in rising order and removed in falling order, their numbers never have a hole.
    for folder in reversed(list(takewhile(Path.is_dir, numbered))):
        held = read_sidecar(folder)
        begun = held is None and not (folder / "raw_skel.npy").exists()
        if begun or (held is not None and held.get("part_of") == name):
            shutil.rmtree(folder)
