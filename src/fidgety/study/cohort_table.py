"""Who was tested: age, site and the like of each recording, beside the predictions."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fidgety.errors import StudyError
from fidgety.files import write_text
from fidgety.study.study import Study
from fidgety.study.tested import Tested

__all__ = ["Trait", "ordered", "read_cohort", "traits", "write_cohort"]

# Columns of labels.csv that may stand in results: they describe groups, and name nobody.
GROUPS = ("site", "sex", "preterm", "risk_group", "camera", "pattern")
AGE_BANDS = ((0, 9, "under 9 weeks"), (9, 12, "9 to 11 weeks"), (12, 15, "12 to 14 weeks"),
             (15, 21, "15 to 20 weeks"), (21, 1e9, "21 weeks or more"))  # fmt: skip
FILE = "cohort.csv"


@dataclass(frozen=True)
class Trait:
    """How one trait is spread over the infants of each class.

    Parameters
    ----------
    name : str
    rows : tuple of (str, int, int)
        Value, normal infants, abnormal infants; an infant counts once for each value it has.
    """

    name: str
    rows: tuple[tuple[str, int, int], ...]


def write_cohort(folder: str | os.PathLike[str], study: Study) -> Path:
    """Write ``cohort.csv``: recording, infant, label, age and groups of each recording."""
    groups = [name for name in GROUPS[1:] if any(name in r.extra for r in study.recordings)]
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["recording", "infant_id", "label", "age_weeks", "site", *groups])
    for r in study.recordings:
        age = "" if r.age_weeks is None else f"{r.age_weeks:g}"
        more = [r.extra.get(name, "") for name in groups]
        table.writerow([r.name, r.infant_id, r.label, age, r.site or "", *more])
    return write_text(Path(folder) / FILE, text.getvalue())


def read_cohort(tested: Tested) -> dict[str, tuple[str, ...]]:
    """Traits of the tested recordings from ``cohort.csv``: name to values (n,), "" = unknown.

    Empty if there is no such file. Ages come twice: ``age_weeks``, and ``age`` in bands.

    Raises
    ------
    StudyError
        E279 if the file does not hold every tested recording with its infant and label.
    """
    path = tested.root / FILE
    if not path.exists():
        return {}
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            rows = {row["recording"]: row for row in csv.DictReader(handle)}
        own = [rows[name] for name in tested.recordings]
        facts = [(row["infant_id"], int(row["label"])) for row in own]
        wanted = list(zip(tested.infants, tested.labels.tolist(), strict=True))
        if facts != wanted:
            raise ValueError("infants or labels differ from those of the predictions")
        ages = [float(row["age_weeks"]) if row["age_weeks"] else None for row in own]
        found = {
            name: tuple(row.get(name) or "" for row in own) for name in GROUPS if name in own[0]
        }
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, TypeError, ValueError) as error:
        raise StudyError(
            "E279",
            "The table of the cohort is not of these predictions",
            where=path,
            why=f"{type(error).__name__}: {error}",
            remedy="Give the study with --study, which writes it anew",
        ) from error
    bands = {"age_weeks": tuple("" if a is None else f"{a:g}" for a in ages),
             "age": tuple(_band(age) for age in ages)}  # fmt: skip
    return {name: values for name, values in {**bands, **found}.items() if any(values)}


def traits(tested: Tested, cohort: Mapping[str, Sequence[str]]) -> list[Trait]:
    """Each trait's values with the normal and abnormal infants that have them."""
    found = []
    for name, values in cohort.items():
        if name == "age_weeks":
            continue
        rows = [
            (
                value or "not recorded",
                _infants(tested, values, value, 0),
                _infants(tested, values, value, 1),
            )
            for value in ordered(name, values)
        ]
        found.append(Trait(name, tuple(rows)))
    return found


def _infants(tested: Tested, values: Sequence[str], value: str, label: int) -> int:
    rows = zip(tested.infants, values, tested.labels.tolist(), strict=True)
    return len({infant for infant, own, y in rows if own == value and y == label})


def ordered(name: str, values: Sequence[str]) -> list[str]:
    """The different values of a trait: bands of age by age, all else by name, unknown last."""
    bands = [band for *_, band in AGE_BANDS] if name == "age" else []
    place = {band: at for at, band in enumerate(bands)}
    unknown = ("", "not recorded")
    return sorted(set(values), key=lambda v: (v in unknown, place.get(v, 0), v))


def _band(age: float | None) -> str:
    if age is None or not np.isfinite(age):
        return ""
    return next((name for low, high, name in AGE_BANDS if low <= age < high), "")
