"""A made-up assessment with every part filled in. Nothing in it was measured on anybody."""

from __future__ import annotations

from typing import Any

import numpy as np

from fidgety.pose.skeleton import load_skeleton
from fidgety.report.body_map import SCHEMATIC

PARTS = ("head", "trunk", "right_arm", "left_arm", "right_leg", "left_leg")
INFANT, MODEL = "simulated-07", "stam"


def sample_assessment(seconds: float = 180.0, fps: float = 30.0, seed: int = 7) -> dict[str, Any]:
    """Synthetic numbers in the form of assessment.json: a recording of `seconds` at `fps`."""
    rng = np.random.default_rng(seed)
    return {
        "schema_version": 1,
        "research_use_only": True,
        "created": "2026-11-23T12:00:00Z",
        "input": {
            "name": INFANT,
            "sha256": "5f3c" * 16,
            "source": "openpose-json",
            "skeleton": "body25",
            "frames": int(seconds * fps),
            "fps": fps,
            "duration_s": seconds,
            "age_weeks": 13.0,
        },
        "model": {
            "name": MODEL,
            "sha256": "a91b" * 16,
            "profile": "fidgety",
            "threshold": 0.5,
            "notes": ["Sites differ in camera height."],
            "trained": {
                "n_infants": 120,
                "n_abnormal": 40,
                "simulated": True,
                "age_weeks": [9, 20],
                "sites": ["simulator, medium"],
            },
            "metrics": {
                "auc": 0.931,
                "auc_low": 0.874,
                "auc_high": 0.968,
                "infants": 24,
                "part": "validation",
            },
        },
        "quality": _quality(),
        "risk": 0.3128,
        "risk_raw": 0.3541,
        "risk_limits": [1 / 122, 121 / 122],
        "interval": [0.2031, 0.4467],
        "interval_of": "clips drawn anew from this recording; the model is taken as it is",
        "decision": "normal",
        "decision_reason": None,
        "cannot_say_zone": [0.4, 0.6],
        "calibrated": True,
        "calibrated_on": 120,
        "rests_on": {"absent": 0.3391, "exaggerated": 0.0227},
        "scope": {"in_scope": True, "score": 1.2, "limit": 3.4, "text": "Within the cohort."},
        "clips": _clips(rng, seconds),
        "joints": _joints(rng),
        "movement": _movement(rng, seconds, fps),
        "explanation_check": {
            "top_fraction": 0.2,
            "risk_change_top": 0.1213,
            "risk_change_random": 0.0302,
            "ratio": 4.0166,
            "passed": True,
        },
        "cohort": {"scores": _cohort(rng)},
        "versions": {"fidgety": "0.1.0", "torch": "2.13.0", "python": "3.11.9"},
    }


def refused_assessment() -> dict[str, Any]:
    """A recording that was refused: no risk, no clips, only reasons."""
    assessment = sample_assessment()
    assessment["quality"] = {
        "verdict": "refused",
        "usable_seconds": 8.6,
        "reasons": [
            {
                "code": "E105",
                "severity": "refuse",
                "text": "8.6 s usable, the model needs 20 s",
                "ranges": [],
            },
            {
                "code": "W103",
                "severity": "caution",
                "text": "Both feet out of frame",
                "ranges": [[3.0, 96.0], [101.0, 171.4]],
            },
        ],
        "measures": {},
    }
    for key in ("risk", "risk_raw", "interval", "decision", "explanation_check", "scope"):
        assessment[key] = None
    assessment["clips"] = []
    assessment["joints"] = []
    assessment["movement"] = {}
    return assessment


def undecided_assessment() -> dict[str, Any]:
    """A recording inside the zone in which the model does not say."""
    return sample_assessment() | {
        "risk": 0.52,
        "interval": [0.31, 0.71],
        "decision": "cannot_say",
        "decision_reason": "The risk lies in the zone in which the model does not say.",
    }


def _quality() -> dict[str, Any]:
    return {
        "verdict": "caution",
        "usable_seconds": 151.2,
        "reasons": [
            {
                "code": "W103",
                "severity": "caution",
                "text": "Left ankle out of frame",
                "ranges": [[41.0, 58.0]],
            },
            {
                "code": "W110",
                "severity": "caution",
                "text": "Another person in the picture",
                "ranges": [[118.5, 124.0], [126.0, 131.5]],
            },
            {
                "code": "W102",
                "severity": "note",
                "text": "Variable frame rate, resampled by timestamp",
                "ranges": [],
            },
        ],
        "measures": {"mean_confidence": 0.8412, "missing_share": 0.0214, "still_camera": True},
    }


def _clips(rng: np.random.Generator, seconds: float) -> list[dict[str, Any]]:
    starts = np.arange(0, seconds - 1 + 1e-9, 2 / 3)
    middle = starts + 0.5
    bumps = sum(
        height * np.exp(-(((middle - at) / width) ** 2))
        for at, width, height in ((23, 3, 4.0), (74, 5, 2.4), (141, 2.2, 5.2), (160, 4, 1.5))
    )
    weight = (bumps + 0.5) * rng.gamma(6, 1 / 6, len(starts))
    usable = ~((middle > 118) & (middle < 124) | (middle > 45) & (middle < 52))
    weight = np.where(usable, weight, 0.0)
    weight /= weight.sum()
    return [
        {
            "start_s": round(float(start), 4),
            "end_s": round(float(start) + 1, 4),
            "attention": round(float(share), 6),
            "contribution": None,
            "usable": bool(used),
        }
        for start, share, used in zip(starts, weight, usable, strict=True)
    ]


def _joints(rng: np.random.Generator) -> list[dict[str, Any]]:
    skeleton = load_skeleton("openpose18")
    weight = rng.gamma(2.0, 1.0, len(skeleton))
    weight[skeleton.rows("right_wrist", "left_ankle")] *= 3
    weight /= weight.sum()
    far = {"wrist": 1.0, "ankle": 0.9, "elbow": 0.6, "knee": 0.55}
    return [
        {
            "name": joint,
            "part": skeleton.part_of(joint),
            "attention": round(float(share), 5),
            "contribution": None,
            "movement": round(far.get(joint.split("_")[-1], 0.2) * float(rng.uniform(0.5, 1)), 4),
            "position": [round(float(p + rng.normal(0, 0.03)), 3) for p in SCHEMATIC[joint]],
        }
        for joint, share in zip(skeleton.joints, weight, strict=True)
    ]


def _movement(rng: np.random.Generator, seconds: float, fps: float) -> dict[str, Any]:
    time = np.arange(0, seconds, 1 / fps)
    parts: dict[str, list[float | None]] = {}
    for row, part in enumerate(PARTS):
        level = (0.25, 0.15, 0.7, 0.6, 0.8, 0.75)[row]
        slow = 0.6 + 0.4 * np.sin(2 * np.pi * time / (17 + 5 * row) + row)
        strokes = sum(
            np.exp(-(((time - at) / 0.8) ** 2)) for at in rng.uniform(0, seconds, int(seconds / 9))
        )
        speed = level * (0.35 * slow + 1.6 * strokes + 0.15 * rng.random(len(time)))
        gone = (time > 45) & (time < 52) if part == "left_leg" else np.zeros(len(time), bool)
        parts[part] = [
            None if lost else round(float(v), 4) for v, lost in zip(speed, gone, strict=True)
        ]
    return {
        "time_s": [round(float(t), 4) for t in time],
        "parts": parts,
        "unit": "trunk lengths per second",
    }


def _cohort(rng: np.random.Generator) -> list[dict[str, Any]]:
    normal = rng.beta(2.0, 5.5, 80)
    abnormal = rng.beta(5.0, 2.4, 40)
    return [{"score": round(float(s), 4), "label": 0} for s in normal] + [
        {"score": round(float(s), 4), "label": 1} for s in abnormal
    ]
