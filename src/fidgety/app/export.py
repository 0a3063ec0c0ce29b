"""What leaves a store: one case as JSON, all as CSV, and signed readings as labels of a study."""

from __future__ import annotations

import csv
import io
import os
import shutil
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fidgety.app import audit
from fidgety.app.panels import blinded
from fidgety.app.reading import LABELS, Reading, final_label, is_revealed, readings_of, visible
from fidgety.app.store import Store, now
from fidgety.errors import AppError, StudyError
from fidgety.files import file_error, make_folder, whole_file
from fidgety.study.labels import LabelRow, write_labels

__all__ = ["StudyExport", "case_content", "store_csv", "to_study"]

COLUMNS: tuple[str, ...] = (
    "case", "infant", "age_weeks", "added", "simulated", "duration_s", "quality", "risk", "low",
    "high", "decision", "reader", "first_score", "blind", "rated", "score", "label", "agreement",
    "signed", "version", "comment", "seal",
)  # fmt: skip


@dataclass(frozen=True)
class StudyExport:
    """What `to_study` did.

    Parameters
    ----------
    out : Path
        The study folder.
    recordings : int
        Poses written.
    labelled : int
        Infants with a label.
    left_out : dict of str to str
        Infant to why it has none.
    """

    out: Path
    recordings: int
    labelled: int
    left_out: dict[str, str]

    def summary(self) -> str:
        """One line or two for people."""
        text = f"{self.recordings} recordings of {self.labelled} infants with signed readings"
        if self.left_out:
            why = ", ".join(f"{infant} ({reason})" for infant, reason in self.left_out.items())
            text += f". Left out: {why}"
        return text


def case_content(store: Store, case_id: str, reader: int) -> dict[str, Any]:
    """One case as this reader may see it, JSON-ready, with the hash that ends the log."""
    case = store.case(case_id)
    readings = readings_of(store, case_id)
    assessment = store.assessment(case["assessment"])
    if assessment is not None and not is_revealed(store, readings.get(reader)):
        assessment = blinded(assessment, store.settings()["attention_first"])
    length, seal = audit.head(store.reading())
    return {
        "schema_version": 1,
        "research_use_only": True,
        "exported": now(),
        "case": {
            key: case[key]
            for key in ("id", "infant", "age_weeks", "kind", "sha256", "created", "film",
                        "duration_s", "pose_sha256")
        } | {"simulated": bool(case["simulated"])},
        "assessment": assessment,
        "readings": [_told(reading) for reading in visible(readings, reader)],
        "log": {"entries": length, "hash": seal},
    }  # fmt: skip


def store_csv(store: Store, reader: int) -> str:
    """All cases as CSV, a row for each reading this reader may see (and one for a case without)."""
    text = io.StringIO()
    table = csv.DictWriter(text, list(COLUMNS), lineterminator="\n")
    table.writeheader()
    for case in store.all("SELECT * FROM cases ORDER BY created"):
        readings = readings_of(store, case["id"])
        content = store.assessment(case["assessment"]) or {}
        if not is_revealed(store, readings.get(reader)):
            content = {}
        low, high = content.get("interval") or (None, None)
        about = {
            "case": case["id"], "infant": case["infant"], "age_weeks": case["age_weeks"],
            "added": case["created"], "simulated": case["simulated"],
            "duration_s": case["duration_s"], "quality": case["verdict"],
            "risk": content.get("risk"), "low": low, "high": high,
            "decision": content.get("decision"),
        }  # fmt: skip
        for reading in visible(readings, reader) or [None]:
            table.writerow(about if reading is None else about | _row(reading))
    return text.getvalue()


def to_study(store_folder: str | os.PathLike[str], out: str | os.PathLike[str]) -> StudyExport:
    """Write the poses and signed readings of a store as a study folder.

    F++ and F+ become label 0 (normal); F+-, F- and Fa become 1 (absent or abnormal). An infant
    whose signed readings disagree, or that nobody could assess, is left out, and so are simulated
    samples.

    Parameters
    ----------
    store_folder : path-like
        A store of the review app.
    out : path-like
        The study folder: new, or one that this wrote before.

    Raises
    ------
    AppError
        E802 if it is no store; E805 if its log does not hold.
    StudyError
        E201 if there is no infant with a label.
    FileError
        E501 to E503.
    """
    store = Store(store_folder, create=False)
    if faults := audit.verify(store):
        raise broken(faults)
    labels: dict[str, set[int]] = defaultdict(set)
    why: dict[str, str] = {}
    cases = store.all("SELECT * FROM cases WHERE simulated = 0 AND folder IS NOT NULL "
                      "ORDER BY created")  # fmt: skip
    for case in cases:
        label, reason = final_label(readings_of(store, case["id"]))
        if label is not None:
            labels[case["infant"]].add(label)
        elif reason == "the readers disagree" or case["infant"] not in why:
            why[case["infant"]] = reason
    settled = {
        infant: found.copy().pop()
        for infant, found in labels.items()
        if len(found) == 1 and why.get(infant) != "the readers disagree"
    }
    left_out = {
        case["infant"]: why.get(case["infant"], "its recordings have different labels")
        for case in cases
        if case["infant"] not in settled
    }
    if not settled:
        raise StudyError(
            "E201",
            "No infant has a signed label",
            why=", ".join(sorted(set(left_out.values()))) or "the store has no cases",
            remedy="Sign readings in the app first",
        )
    target, rows = Path(out), []
    make_folder(target / "estimated_poses")
    for number, case in enumerate(c for c in cases if c["infant"] in settled):
        name = f"{case['infant']}-{case['id'][:8]}"
        source = store.files(case["id"], case["folder"]) / "pose.parquet"
        try:
            with whole_file(target / "estimated_poses" / f"{name}.parquet") as draft:
                shutil.copyfile(source, draft)
        except OSError as error:
            raise error if hasattr(error, "code") else file_error(error, target) from error
        rows.append(
            LabelRow(case["infant"], settled[case["infant"]], name, case["age_weeks"],
                     line=number + 2)
        )  # fmt: skip
    write_labels(target / "labels.csv", tuple(rows))
    return StudyExport(target, len(rows), len(settled), left_out)


def broken(faults: list[audit.Fault]) -> AppError:
    """E805 for a store whose log does not hold."""
    more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
    return AppError(
        "E805",
        f"The log of this store does not hold, {len(faults)} faults",
        why="; ".join(map(str, faults[:3])) + more,
        remedy="Compare with a backup; do not use its readings until it is explained",
    )


def _told(reading: Reading) -> dict[str, Any]:
    return {
        "reader": reading.name,
        "first_score": reading.first,
        "blind": reading.blind,
        "rated": reading.rated,
        "notes": reading.notes,
        "versions": reading.versions,
    }


def _row(reading: Reading) -> dict[str, Any]:
    return {
        "reader": _plain(reading.name),
        "first_score": reading.first,
        "blind": int(reading.blind),
        "rated": reading.rated,
        "score": reading.score,
        "label": LABELS[reading.score] if reading.score else None,
        "agreement": reading.agreement,
        "signed": reading.signed,
        "version": reading.version or None,
        "comment": _plain(reading.comment),
        "seal": reading.seal,
    }


def _plain(text: str) -> str:
    """Words that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
