"""The gate: every rule looks, the gravest reason decides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import ConfigError, PoseError
from fidgety.pose.pose import Pose
from fidgety.pose.quality import posture, rules
from fidgety.pose.quality.camera import camera_motion, compensate_camera
from fidgety.pose.quality.config import QualityConfig
from fidgety.pose.quality.reasons import Reason
from fidgety.pose.quality.scene import Finding, Scene
from fidgety.pose.quality.swaps import find_swaps, repair_swaps

__all__ = ["RULES", "Quality", "Verdict", "assess_quality", "mend", "usable_frames"]

Verdict = Literal["pass", "caution", "refused"]

RULES: tuple[Callable[[Scene], Finding], ...] = (
    rules.absent,
    rules.length,
    rules.age,
    posture.proportions,
    posture.facing,
    posture.end_on,
    posture.straight,
    rules.out_of_frame,
    rules.gaps,
    rules.swaps,
    rules.jitter,
    rules.stillness,
    camera_motion,
    rules.scale,
    rules.frame_rate,
    rules.light_and_people,
)
_GRAVITY = {"refuse": 0, "caution": 1, "note": 2}


@dataclass(frozen=True)
class Quality:
    """What of a recording can be assessed.

    Parameters
    ----------
    verdict : {"pass", "caution", "refused"}
        Refused if a reason refuses, caution if one cautions, else pass.
    reasons : tuple of Reason
        The gravest first.
    usable_seconds : float
        Seconds with all needed joints, in stretches long enough for a clip.
    measures : dict of str to float or None
        What the rules measured; None where it could not be measured.
    """

    verdict: Verdict
    reasons: tuple[Reason, ...]
    usable_seconds: float
    measures: dict[str, float | None]

    def to_dict(self) -> dict[str, Any]:
        """Plain form for JSON."""
        return {
            "verdict": self.verdict,
            "reasons": [reason.to_dict() for reason in self.reasons],
            "usable_seconds": round(self.usable_seconds, 3),
            "measures": {
                name: None if value is None else round(value, 6)
                for name, value in self.measures.items()
            },
        }


def assess_quality(
    pose: Pose,
    age_weeks: float | None = None,
    config: QualityConfig | None = None,
    minimum_s: float | None = None,
) -> Quality:
    """Judge what of a recording can be assessed, and say why not.

    Nothing is changed; `mend` puts right what the reasons say can be.

    Parameters
    ----------
    pose : Pose
        In pixels, any layout; looked at in ``openpose18``. Measures of the film (`Pose.film`) are
        used where there are any: ``brightness``, ``sharpness``, ``people``, ``covered``,
        ``camera_dx``, ``camera_dy``, ``camera_scale``, ``camera_rotation``.
    age_weeks : float, optional
        Corrected age.
    config : QualityConfig, optional
        Thresholds.
    minimum_s : float, optional
        Seconds that the model needs, if more than `config.minimum_s`.

    Raises
    ------
    PoseError
        E130 if the pose is not in pixels.
    ConfigError
        E702 if `age_weeks` or `minimum_s` is not a finite number.
    """
    scene = _scene(pose, age_weeks, config, minimum_s)
    measures: dict[str, float | None] = {}
    reasons: list[Reason] = []
    for rule in RULES:
        finding = rule(scene)
        measures |= finding.measures
        reasons += finding.reasons
    reasons.sort(key=lambda reason: _GRAVITY[reason.severity])  # stable: else in the rules' order
    severities = {reason.severity for reason in reasons}
    verdict: Verdict = (
        "refused" if "refuse" in severities else "caution" if "caution" in severities else "pass"
    )
    return Quality(verdict, tuple(reasons), scene.usable_s, measures)


def mend(pose: Pose, quality: Quality, config: QualityConfig | None = None) -> Pose:
    """The pose with exchanged sides put back and, where the camera moved, its movement taken out.

    A camera that `quality` found at rest is left so: the small errors of a measured background add
    up, and would shake a recording that stood still.
    """
    moved = any(reason.code == "W110" for reason in quality.reasons)
    mended = repair_swaps(pose, config)
    return compensate_camera(mended) if moved else mended


def usable_frames(pose: Pose, config: QualityConfig | None = None) -> NDArray[np.bool_]:
    """Frames (T,) that count as usable seconds: all needed joints, long enough, not covered."""
    return _scene(pose, None, config, None).usable


def _scene(
    pose: Pose, age_weeks: float | None, config: QualityConfig | None, minimum_s: float | None
) -> Scene:
    if pose.unit != "px":
        raise PoseError(
            "E130",
            f"Quality is judged in pixels, not in {pose.unit} lengths",
            remedy="Give the pose as it was read, before preprocessing",
        )
    for name, value in (("age_weeks", age_weeks), ("minimum_s", minimum_s)):
        if value is not None and not np.isfinite(value):
            raise ConfigError(
                "E702", f"Impossible {name} = {value}", remedy="Give a number, or leave it out"
            )
    config = config or QualityConfig()
    body = pose.to_skeleton("openpose18")
    return Scene(
        pose=body,
        swapped=find_swaps(body, config),
        config=config,
        age_weeks=None if age_weeks is None else float(age_weeks),
        minimum_s=max(config.minimum_s, minimum_s or 0.0),
    )
