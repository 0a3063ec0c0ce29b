"""Bring an assessment into its full form, whatever is missing, null or of the wrong kind.

The page is drawn from the full form alone, so no drawing has to ask whether a key exists: every
key of `ASSESSMENT` is there, and a value that was absent, NaN or of another kind is None.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any

from fidgety.errors import FileError

__all__ = ["ASSESSMENT", "SCHEMA_VERSION", "complete", "finite", "look_up"]

SCHEMA_VERSION = 1

# A type stands for one value, [shape] for a list, (shape, shape) for exactly two, {"*": shape} for
# any keys, and None for a value that is kept as it is found (a number, a text or a truth value).
ASSESSMENT: dict[str, Any] = {
    "schema_version": float,
    "research_use_only": bool,
    "created": str,
    "input": {
        "name": str,
        "sha256": str,
        "source": str,
        "skeleton": str,
        "frames": float,
        "fps": float,
        "duration_s": float,
        "age_weeks": float,
    },
    "model": {
        "name": str,
        "sha256": str,
        "profile": str,
        "threshold": float,
        "notes": [str],
        "trained": {
            "n_infants": float,
            "n_abnormal": float,
            "simulated": bool,
            "age_weeks": (float, float),
            "sites": [str],
        },
        "metrics": {
            "auc": float,
            "auc_low": float,
            "auc_high": float,
            "infants": float,
            "part": str,
        },
    },
    "quality": {
        "verdict": str,
        "usable_seconds": float,
        "reasons": [{"code": str, "severity": str, "text": str, "ranges": [(float, float)]}],
        "measures": {"*": None},
    },
    "risk": float,
    "risk_raw": float,
    "risk_limits": (float, float),
    "interval": (float, float),
    "interval_of": str,
    "decision": str,
    "decision_reason": str,
    "cannot_say_zone": (float, float),
    "calibrated": bool,
    "calibrated_on": float,
    "rests_on": {"absent": float, "exaggerated": float},
    "scope": {"in_scope": bool, "score": float, "limit": float, "text": str},
    "clips": [
        {
            "start_s": float,
            "end_s": float,
            "attention": float,
            "contribution": float,
            "usable": bool,
        }
    ],
    "joints": [
        {
            "name": str,
            "part": str,
            "attention": float,
            "contribution": float,
            "movement": float,
            "position": (float, float),
        }
    ],
    "movement": {"time_s": [float], "parts": {"*": [float]}, "unit": str},
    "explanation_check": {
        "top_fraction": float,
        "risk_change_top": float,
        "risk_change_random": float,
        "ratio": float,
        "passed": bool,
    },
    "cohort": {"scores": [{"score": float, "label": float}]},
    "versions": {"*": str},
}


def complete(assessment: Mapping[str, Any]) -> dict[str, Any]:
    """The assessment with every key of `ASSESSMENT`; unusable values are None, lists keep length.

    Raises
    ------
    FileError
        E511 if `assessment` is no mapping, or its schema is newer than `SCHEMA_VERSION`.
    """
    if not isinstance(assessment, Mapping):
        raise FileError(
            "E511",
            "Not an assessment",
            why=f"expected an object, found {type(assessment).__name__}",
            remedy="Give the assessment.json that 'fidgety assess' wrote",
        )
    whole: dict[str, Any] = _fit(assessment, ASSESSMENT)
    if (whole["schema_version"] or 0) > SCHEMA_VERSION:
        raise FileError(
            "E511",
            "Not an assessment this version can show",
            why=f"its schema version is {whole['schema_version']}, known is {SCHEMA_VERSION}",
            remedy="Update fidgety, or assess the recording again with this version",
        )
    return whole


def finite(value: object) -> float | None:
    """The number itself if `value` is a finite one (truth values are not numbers), else None."""
    if isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value):
        return value  # type: ignore[return-value]  # kept as found, so that 5400 stays 5400
    return None


def look_up(whole: Mapping[str, Any], key: str) -> Any:
    """The value at a dotted path such as ``"clips.3.attention"`` of a complete assessment."""
    value: Any = whole
    for step in key.split("."):
        if value is None:
            return None
        value = value[int(step)] if isinstance(value, list | tuple) else value[step]
    return value


def _fit(value: Any, shape: Any) -> Any:
    if isinstance(shape, dict):
        given = value if isinstance(value, Mapping) else {}
        if "*" in shape:
            return {str(key): _fit(item, shape["*"]) for key, item in given.items()}
        return {key: _fit(given.get(key), inner) for key, inner in shape.items()}
    if isinstance(shape, list):
        return [_fit(item, shape[0]) for item in value] if isinstance(value, list | tuple) else []
    if isinstance(shape, tuple):
        pair = [_fit(item, shape[0]) for item in value] if isinstance(value, list | tuple) else []
        return tuple(pair) if len(pair) == len(shape) and None not in pair else None
    if shape is float:
        return finite(value)
    if shape is None:
        return value if isinstance(value, str | bool) else finite(value)
    return value if isinstance(value, shape) else None
