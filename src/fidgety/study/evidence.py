"""What else was measured of these models, where it was: each file is optional, and checked."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fidgety.errors import StudyError

__all__ = ["FILES", "Evidence", "read_evidence"]

# File, and the keys that its rows or its parts must have.
FILES: dict[str, tuple[str, ...]] = {
    "self_test": ("infant_wise", "record_wise", "gap", "permuted"),
    "robustness": ("rows",),
    "explanations": ("rows",),
    "learning_curve": ("rows",),
}
ROWS: dict[str, tuple[str, ...]] = {
    "robustness": ("model", "perturbation", "auc", "difference"),
    "explanations": ("model", "measure", "value"),
    "learning_curve": ("model", "infants", "auc"),
}


@dataclass(frozen=True)
class Evidence:
    """Parsed files beside the predictions; None where one was not made.

    Parameters
    ----------
    self_test : dict or None
        Record-wise beside infant-wise split, and shuffled labels.
    robustness : dict or None
        ``rows``: one a model and perturbation.
    explanations : dict or None
        ``rows``: scores against the truth; ``curves``: deletion and insertion.
    learning_curve : dict or None
        ``rows``: AUC by number of infants.
    """

    self_test: dict[str, Any] | None = None
    robustness: dict[str, Any] | None = None
    explanations: dict[str, Any] | None = None
    learning_curve: dict[str, Any] | None = None


def read_evidence(folder: Path, models: tuple[str, ...]) -> Evidence:
    """Read what lies in a folder; rows of models other than `models` are left out.

    Raises
    ------
    StudyError
        E298 if a file is there but not of the form that fidgety writes.
    """
    return Evidence(**{name: _read(folder / f"{name}.json", name, models) for name in FILES})


def _read(path: Path, name: str, models: tuple[str, ...]) -> dict[str, Any] | None:
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text("utf-8"), parse_constant=lambda _: None)
        missing = [key for key in FILES[name] if key not in content]
        rows = content.get("rows", [])
        missing += [key for key in ROWS.get(name, ()) for row in rows if key not in row]
        if missing:
            raise KeyError(missing[0])
        content = _finite(content)
        if "rows" in content:
            content["rows"] = [row for row in content["rows"] if row["model"] in models]
            content["curves"] = [c for c in content.get("curves", []) if c["model"] in models]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StudyError(
            "E298",
            "A file of further results cannot be read",
            where=path,
            why=f"{type(error).__name__}: {error}",
            remedy="Make it again with the command that wrote it, or take it out of the folder",
        ) from error
    return content


def _finite(value: Any) -> Any:
    """The same with None for what is no finite number."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
