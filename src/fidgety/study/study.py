"""The study folder: its recordings, who they belong to, and the label of each infant.

A folder that follows the README of the published STAM code is a valid study as it stands.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from fidgety.errors import StudyError, warn
from fidgety.files import existing, file_error, regular, write_json
from fidgety.study.copies import file_digest, refuse_copies
from fidgety.study.labels import LABEL_NAMES, LabelRow, read_labels, row_finder, unlabelled
from fidgety.study.names import infant_named, listing, safe_name, wholes

__all__ = ["Recording", "Study", "check_classes"]

POSE_SUFFIXES = (".parquet", ".pkl")  # in order of preference
_PREPARED = "prepared.json"
_LARGEST_SETTINGS = 2**20  # bytes of a config.yaml or study.json


@dataclass(frozen=True)
class Recording:
    """One recording of one infant.

    Parameters
    ----------
    name : str
        Name of its pose file and of its folder of sequences, without a suffix.
    infant_id : str
        Whose it is.
    label : int or None
        1 = fidgety movements absent or abnormal, 0 = normal; None only in studies without labels.
    age_weeks : float or None
        Corrected age in weeks after term.
    site : str or None
        Where it was filmed.
    extra : dict of str to str
        Any further columns of the labels file.
    """

    name: str
    infant_id: str
    label: int | None
    age_weeks: float | None = None
    site: str | None = None
    extra: dict[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Study:
    """A study folder, opened and checked.

    Parameters
    ----------
    root : Path
        The folder.
    recordings : tuple of Recording
        Sorted by name, so that the order of rows in the labels file means nothing.
    simulated : bool
        Whether ``study.json`` says that these infants were simulated.
    """

    root: Path
    recordings: tuple[Recording, ...]
    simulated: bool = False

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        skip_unlabelled: bool = False,
        labels_needed: bool = True,
        check_copies: bool = True,
    ) -> Study:
        """Open a study folder, or the one that a ``config.yaml`` names as its ``data_root``.

        Parameters
        ----------
        path : path-like
            The folder, or a YAML file whose ``data_root`` (relative to that file) names it.
        skip_unlabelled : bool
            Leave out, with a warning, recordings without a label and labels without a recording.
        labels_needed : bool
            If False, a study without a labels file is opened too: each recording is then taken for
            an infant of its own, with label None. Enough to prepare poses, never to train.
        check_copies : bool
            Look for one film under two infants, as `fidgety.study.copies.refuse_copies`.

        Raises
        ------
        StudyError
            E201 recordings without a label or the reverse; E203 one film under two infants; E212 no
            such folder named in the YAML file; E217 no recordings; E224 an unreadable study.json;
            else as `read_labels`.
        FileError
            E504 if there is no such folder.
        """
        root = _study_root(Path(path))
        rows = _labels_of(root, needed=labels_needed)
        declared = {row.recording for row in rows or () if row.recording}
        found = sorted({*_pose_files(root), *_whole_sequences(root, declared)})
        if not found:
            raise StudyError(
                "E217",
                "No recordings in this study",
                where=root,
                why="neither estimated_poses nor pose_sequences holds any",
                remedy="Bring in pose files with: fidgety import SRC --out STUDY",
            )
        if rows is None:
            recordings = [Recording(safe_name(name), name, None) for name in found]
        else:
            recordings = _matched(found, rows, skip_unlabelled)
        study = cls(root, tuple(recordings), simulated=bool(_about(root).get("simulated")))
        if rows is not None and check_copies:
            refuse_copies(
                (recording.name, recording.infant_id, study.source_path(recording.name))
                for recording in recordings
            )
        return study

    @cached_property
    def infants(self) -> dict[str, int]:
        """Infant code to label, sorted by code.

        Raises
        ------
        StudyError
            E201 if the study has no labels.
        """
        pairs = {recording.infant_id: recording.label for recording in self.recordings}
        labels = {infant: label for infant, label in sorted(pairs.items()) if label is not None}
        if len(labels) < len(pairs):
            raise unlabelled(set(pairs) - set(labels), len(pairs), "infants")
        return labels

    @cached_property
    def by_name(self) -> dict[str, Recording]:
        """Recording name to recording."""
        return {recording.name: recording for recording in self.recordings}

    def recordings_of(self, infants: Collection[str]) -> tuple[Recording, ...]:
        """All recordings of the given infants, sorted by name."""
        chosen = set(infants)
        return tuple(recording for recording in self.recordings if recording.infant_id in chosen)

    def pose_path(self, name: str) -> Path | None:
        """The file or folder of a recording's estimated poses; None if it has only a sequence."""
        return self._pose_paths.get(name)

    def source_path(self, name: str) -> Path:
        """Where a recording comes from: its estimated poses, or the sequence it came with."""
        return self.pose_path(name) or self.sequence_folder(name) / "raw_skel.npy"

    @property
    def mended(self) -> bool:
        """Whether its recordings are mended before they are prepared; see `set_mended`."""
        path = self.root / _PREPARED
        return path.is_file() and bool(
            _settings(path, "E224", "Unreadable", json.loads).get("mended")
        )

    def set_mended(self, mended: bool) -> None:
        """Keep for all recordings, and those to come, whether they are mended."""
        if mended != self.mended:
            write_json(self.root / _PREPARED, {"schema_version": 1, "mended": mended})

    def source_digest(self, name: str) -> str:
        """What a recording's sequence is made of: its file's hash, and whether it is mended."""
        digest = file_digest(self.source_path(name))
        return f"mended {digest}" if self.mended and self.pose_path(name) else digest

    def identity(self) -> list[list[Any]]:
        """Name, infant, label and `source_digest` of every recording: what a run was made of."""
        return [[r.name, r.infant_id, r.label, self.source_digest(r.name)] for r in self.recordings]

    def preprocessed_path(self, name: str) -> Path:
        """Where the cleaned poses of a recording belong."""
        return self.root / "preprocessed_poses" / f"{safe_name(name)}.parquet"

    def sequence_folder(self, name: str) -> Path:
        """Where the sequence of a recording belongs: raw_skel.npy and sequence.json."""
        return self.root / "pose_sequences" / safe_name(name)

    def infant_named(self, name: str) -> str | None:
        """The infant that an infant code, a recording or a sub-sequence name means, or None."""
        return infant_named(name, self._known)

    @cached_property
    def _known(self) -> dict[str, str]:
        codes = {recording.infant_id: recording.infant_id for recording in self.recordings}
        return {recording.name: recording.infant_id for recording in self.recordings} | codes

    @cached_property
    def _pose_paths(self) -> dict[str, Path]:
        return _pose_files(self.root)


def check_classes(study: Study, at_least: int = 2) -> None:
    """Refuse a study that cannot be learnt from: a class with fewer than `at_least` infants.

    Raises
    ------
    StudyError
        E202, naming the class and how many infants it has.
    """
    counts = Counter(study.infants.values())
    for label, name in LABEL_NAMES.items():
        if counts[label] >= at_least:
            continue
        held = f"{counts[label]} infant" + ("" if counts[label] == 1 else "s")
        raise StudyError(
            "E202",
            f"{name!r} has {held if counts[label] else 'no infants'}",
            where=study.root.name,
            why="no new infant is left to test on"
            if counts[label]
            else "one class alone cannot be told from another",
            remedy=f"{at_least} at least in each class, 10 advised",
        )


def _study_root(path: Path) -> Path:
    existing(path, "study folder")
    if path.is_dir():
        return path
    content = _settings(path, "E212", "Not a settings file that names a study", _yaml)
    named = content.get("data_root")
    if not isinstance(named, str) or not named.strip() or "\0" in named:
        raise StudyError(
            "E212",
            "No data_root in this settings file",
            where=path.name,
            remedy='Write one line: data_root: "folder of the study"',
        )
    root = path.parent / named
    if not root.is_dir():
        raise StudyError(
            "E212",
            f"The data_root {named!r} is not a folder",
            where=path.name,
            remedy="Correct data_root; a relative path starts from the settings file's folder",
        )
    return root


def _yaml(text: str) -> Any:
    # The parser takes seconds for a line of brackets; a settings file has none.
    if len(text) > 1 << 14 or text.count("[") + text.count("{") > 100:
        raise ValueError("it is no short list of settings")
    return yaml.safe_load(text)


def _about(root: Path) -> dict[str, Any]:
    path = root / "study.json"
    return _settings(path, "E224", "Unreadable", json.loads) if path.is_file() else {}


def _settings(path: Path, code: str, what: str, parse: Any) -> dict[str, Any]:
    try:
        if regular(path).stat().st_size > _LARGEST_SETTINGS:
            raise ValueError("it is far too large")
        content = parse(path.read_bytes().decode("utf-8-sig"))
        if not isinstance(content, dict):
            raise ValueError("it holds no named values")
    except OSError as error:
        raise file_error(error, path) from error
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise StudyError(
            code, what, where=path.name, why=why, remedy="Correct or delete it"
        ) from error
    return content


def _pose_files(root: Path) -> dict[str, Path]:
    """Recording name to its pose file, or its folder of JSON files, one a frame."""
    found: dict[str, Path] = {}
    for entry in _entries(root / "estimated_poses"):
        if entry.is_dir():
            if any(file.suffix == ".json" for file in _entries(entry)):
                found.setdefault(entry.name, entry)
        elif entry.suffix in POSE_SUFFIXES:
            held = found.get(entry.stem)
            if held is None or held.is_dir() or entry.suffix == POSE_SUFFIXES[0]:
                found[entry.stem] = entry
    return found


def _whole_sequences(root: Path, declared: Collection[str]) -> set[str]:
    """Names in pose_sequences, without the overlapping copies cut from another recording."""
    folder = root / "pose_sequences"
    names = {e.name for e in _entries(folder) if (e / "raw_skel.npy").is_file()}
    recordings = names | set(_pose_files(root))
    copies = {name for name in names - set(declared) if wholes(name) & recordings}
    return names - copies


def _entries(folder: Path) -> list[Path]:
    try:
        if not folder.is_dir():
            return []
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise file_error(error, folder) from error


def _labels_of(root: Path, *, needed: bool) -> tuple[LabelRow, ...] | None:
    files = [root / name for name in ("labels.csv", "labels.txt") if (root / name).is_file()]
    if not files:
        if not needed:
            return None
        raise StudyError(
            "E201",
            "The study has no labels",
            where=root.name,
            remedy="Write labels.csv with the columns infant_id,label (1 = abnormal)",
        )
    rows = read_labels(files[0])
    if len(files) == 2:
        theirs = {row.infant_id: row.label for row in read_labels(files[1])}
        wrong = {r.infant_id for r in rows if theirs.get(r.infant_id, r.label) != r.label}
        if wrong:
            raise StudyError(
                "E207",
                f"labels.csv and labels.txt disagree about {listing(wrong)}",
                where=root.name,
                remedy="Correct or delete one of the two files",
            )
    return rows


def _matched(found: list[str], rows: Iterable[LabelRow], skip_unlabelled: bool) -> list[Recording]:
    """Each recording of the folder with its row; E201 for what is left over on either side."""
    rows = tuple(rows)
    row_of = row_finder(rows)
    used: set[int] = set()
    recordings: list[Recording] = []
    missing: list[str] = []
    for name in found:
        row = row_of(name)
        if row is None or row.label is None:
            missing.append(name)
        else:
            recordings.append(
                Recording(
                    safe_name(name), row.infant_id, row.label, row.age_weeks, row.site, row.extra
                )
            )
        used.add(-1 if row is None else row.line)
    unused = [row.recording or row.infant_id for row in rows if row.line not in used]
    for problem in (
        unlabelled(missing, len(found)) if missing else None,
        _without_recording(unused, len(rows)) if unused else None,
    ):
        if problem is None:
            continue
        if not skip_unlabelled:
            raise problem
        warn("W201", f"{problem.what}, left out", why=problem.why)
    if not recordings:
        raise unlabelled(missing, len(found))
    return recordings


def _without_recording(names: Collection[str], total: int) -> StudyError:
    return StudyError(
        "E201",
        f"{len(names)} of {total} labels have no recording",
        why=listing(names),
        remedy="Add the pose files, correct the names, or use --skip-unlabelled",
    )
