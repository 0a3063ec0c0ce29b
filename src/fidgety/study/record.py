"""What a run was made of and gave, so that it can be repeated and compared: ``record.json``."""

from __future__ import annotations

import csv
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from fidgety.errors import StudyError, warn
from fidgety.files import parse_json, regular, write_json
from fidgety.study.copies import file_digest
from fidgety.study.names import listing
from fidgety.study.study import Study

__all__ = ["RECORD", "Record", "check_inputs", "compare_outputs", "read_record", "write_record"]

RECORD = "record.json"
SCHEMA_VERSION = 1
PACKAGES = (
    "fidgety", "numpy", "scipy", "torch", "lightning-fabric", "scikit-learn", "pyarrow", "joblib",
    "safetensors",
)  # fmt: skip
LABEL_FILES = ("labels.csv", "labels.txt")
OUTPUTS = ("model.fidgety", "predictions.csv", "predictions_val.csv", "decisions.csv")
PLAIN = (str, int, float, bool, type(None))


@dataclass(frozen=True)
class Record:
    """What a run was made of.

    Parameters
    ----------
    command : {"train", "cv"}
        Which command made it.
    arguments : dict
        Its options, without the study and where the results go.
    study : Path
        The study it was made from.
    machine, versions : dict
        Where, and with which software.
    inputs, outputs : dict of str to str
        File or recording -> SHA-256.
    """

    command: str
    arguments: dict[str, Any]
    study: Path
    machine: dict[str, Any]
    versions: dict[str, str]
    inputs: dict[str, str]
    outputs: dict[str, str]


def write_record(
    folder: str | os.PathLike[str], command: str, arguments: Mapping[str, Any], study: Study
) -> Path:
    """Write down a finished run: options, seeds, versions, machine, hashes of what went in and out.

    Nothing in it names a person or a folder outside: the study stands by its place relative to the
    run.
    """
    root = Path(folder)
    return write_json(
        root / RECORD,
        {
            "schema_version": SCHEMA_VERSION,
            "command": command,
            "arguments": {k: v for k, v in arguments.items() if isinstance(v, PLAIN)},
            "study": os.path.relpath(study.root.resolve(), root.resolve()),
            "machine": _machine(),
            "versions": _versions(),
            "inputs": inputs_of(study),
            "outputs": _outputs(root),
        },
    )


def read_record(folder: str | os.PathLike[str]) -> Record:
    """Read the record of a run.

    Raises
    ------
    StudyError
        E530 if there is none, or it cannot be used.
    """
    root = Path(folder)
    try:
        content = parse_json(regular(root / RECORD).read_bytes())
        if content["schema_version"] != SCHEMA_VERSION or content["command"] not in ("train", "cv"):
            raise ValueError("it is of another version")
        parts = [content[key] for key in ("arguments", "machine", "versions", "inputs", "outputs")]
        if not all(isinstance(part, dict) for part in parts):
            raise ValueError("a part of it is no table")
        study = Path(os.path.normpath(root.resolve() / str(content["study"])))
        arguments = {str(k): v for k, v in parts[0].items() if isinstance(v, PLAIN)}
        return Record(content["command"], arguments, study, *parts[1:])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StudyError(
            "E530",
            "No record of a run that could be repeated",
            where=root,
            why=str(error),
            remedy="Give a folder that fidgety train or fidgety cv has finished",
        ) from error


def check_inputs(record: Record, study: Study) -> None:
    """Refuse to repeat a run from other data; tell where software or machine differ.

    Raises
    ------
    StudyError
        E531 if recordings or labels changed, came or went.

    Warns
    -----
    FidgetyWarning
        W530 other versions or another kind of machine: bits may differ.
    """
    here = inputs_of(study)
    changed = {k for k in here.keys() | record.inputs.keys() if here.get(k) != record.inputs.get(k)}
    if changed:
        raise StudyError(
            "E531",
            f"{len(changed)} inputs are not those of the run: {listing(changed)}",
            where=study.root,
            remedy="Bring back the study as it was; a result cannot be repeated from other data",
        )
    now = {**_versions(), **{k: str(v) for k, v in _machine().items()}}
    then = {**record.versions, **{k: str(v) for k, v in record.machine.items()}}
    differ = [f"{k} {then.get(k)}, now {now.get(k)}" for k in sorted(now) if then.get(k) != now[k]]
    if differ:
        warn(
            "W530",
            f"Other software or another machine than then: {'; '.join(differ[:5])}",
            why="rounding may differ",
        )


def compare_outputs(record: Record, folder: str | os.PathLike[str], first: Path) -> list[str]:
    """How a repeated run differs from the first: nothing if every file is equal bit for bit."""
    again = _outputs(Path(folder))
    found = []
    for name in sorted(record.outputs.keys() | again.keys()):
        if again.get(name) == record.outputs.get(name):
            continue
        if name not in again or name not in record.outputs:
            found.append(f"{name} is {'missing' if name not in again else 'new'}")
        elif name.endswith(".csv"):
            gap = _largest_difference(first / name, Path(folder) / name)
            found.append(f"{name}: largest difference {gap:.3g}")
        else:
            found.append(f"{name}: other bytes")
    return found


def inputs_of(study: Study) -> dict[str, str]:
    """What a run of a study depends on: label file, and recordings or their sequences -> hash."""
    found = {}
    for name in LABEL_FILES:
        if (study.root / name).is_file():
            found[name] = file_digest(study.root / name)
    for recording in study.recordings:
        found[recording.name] = study.source_digest(recording.name)
    return found


def _outputs(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): file_digest(path)
        for name in OUTPUTS
        for path in sorted(root.rglob(name))
    }


def _machine() -> dict[str, Any]:
    import torch

    return {
        "system": platform.system(),
        "processor": platform.machine(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _largest_difference(one: Path, other: Path) -> float:
    """Between the numbers of two tables of the same shape; infinite if they are not."""
    tables = []
    for path in (one, other):
        with path.open(encoding="utf-8", newline="") as handle:
            tables.append(list(csv.reader(handle)))
    a, b = tables
    if len(a) != len(b) or any(len(x) != len(y) for x, y in zip(a, b, strict=True)):
        return float("inf")
    largest = 0.0
    for x, y in zip(a, b, strict=True):
        for left, right in zip(x, y, strict=True):
            if left != right:
                try:
                    largest = max(largest, abs(float(left) - float(right)))
                except ValueError:
                    return float("inf")
    return largest
