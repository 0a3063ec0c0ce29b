"""One infant: a recording in, an assessment out. The main path, read top to bottom."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from fidgety.errors import PoseError
from fidgety.files import existing, write_json
from fidgety.models.ensemble import Found
from fidgety.models.explain import (
    explanation_check,
    joint_movement,
    movement_of_parts,
    randomised,
    spread,
)
from fidgety.models.trained import UNASSESSABLE, TrainedModel
from fidgety.motion import Clips, PoseSequence, pose_sequence
from fidgety.pose.estimators import estimate
from fidgety.pose.estimators.batch import VIDEO_SUFFIXES
from fidgety.pose.formats import read
from fidgety.pose.pose import Pose
from fidgety.pose.quality import (
    Quality,
    QualityConfig,
    Reason,
    assess_quality,
    mend,
)
from fidgety.settings import to_plain
from fidgety.statistics import CHANCE, ScopeCheck

__all__ = ["SCHEMA_VERSION", "Assessment", "Assessor"]

SCHEMA_VERSION = 1
Decision = Literal["abnormal", "normal", "cannot_say"]


@dataclass(frozen=True)
class Assessment:
    """What is said of one recording.

    Parameters
    ----------
    quality : dict
        The gate's verdict, reasons and measures.
    risk, risk_raw : float or None
        Calibrated and raw probability that fidgety movements are absent or abnormal; None for a
        refused recording.
    interval : (float, float) or None
        95 % interval of the risk.
    decision : str or None
        "abnormal", "normal" or "cannot_say"; None for a refused recording.
    clips, joints : tuple of dict
        Attention and contribution in seconds and by name.
    content : dict
        All of ``assessment.json``.
    """

    quality: dict[str, Any]
    risk: float | None
    risk_raw: float | None
    interval: tuple[float, float] | None
    decision: Decision | None
    clips: tuple[dict[str, Any], ...]
    joints: tuple[dict[str, Any], ...]
    content: dict[str, Any] = field(repr=False)

    @property
    def refused(self) -> bool:
        """Whether the quality gate refused the recording."""
        return self.quality["verdict"] == "refused"

    def to_dict(self) -> dict[str, Any]:
        """The content of ``assessment.json``."""
        return self.content

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write ``assessment.json`` into a folder; return its path."""
        return write_json(Path(folder) / "assessment.json", self.content)


class Assessor:
    """Assesses recordings with one trained model.

    Parameters
    ----------
    model : TrainedModel
        Network, preprocessing, calibration.
    quality : QualityConfig, optional
        Thresholds of the quality gate.
    seed : int
        Of the draws behind the interval.
    """

    def __init__(
        self, model: TrainedModel, quality: QualityConfig | None = None, seed: int = 0
    ) -> None:
        self.model = model
        self.quality = quality or QualityConfig()
        self.seed = seed

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Assessor:
        """An assessor from a ``.fidgety`` file or ``simulated-demo``; from ``.onnx`` without torch.

        Raises `CheckpointError` if it cannot be read.
        """
        return cls(TrainedModel.load(path))

    def assess(
        self,
        recording: Pose | str | os.PathLike[str],
        *,
        name: str | None = None,
        age_weeks: float | None = None,
        format: str = "auto",
        skeleton: str | None = None,
        fps: float | None = None,
        size: Sequence[int] | None = None,
    ) -> Assessment:
        """Assess one recording.

        Parameters
        ----------
        recording : Pose or path-like
            A pose; a pose file or folder in any format of `fidgety.pose.formats`; or a film, in
            which BlazePose then looks for the infant.
        name : str, optional
            What to call the recording; its file name by default. Never a person's name.
        age_weeks : float, optional
            Corrected age.
        format, skeleton, fps, size
            What the file does not say itself.

        Returns
        -------
        Assessment
            A recording that the quality gate refuses has no risk.

        Raises
        ------
        PoseError, VideoError, FileError
            If the file cannot be read; a recording that cannot be assessed is refused, not raised.
        CheckpointError
            E406 if the model was trained on another skeleton.
        """
        if isinstance(recording, Pose):
            pose, called = recording, name or "recording"
        else:
            path = Path(recording)
            called = name or path.stem
            if path.suffix.lower() in VIDEO_SUFFIXES:
                pose = estimate(existing(path))
            else:
                pose = read(path, format=format, skeleton=skeleton, fps=fps, size=size)
        content = self._about(pose, called, age_weeks)
        quality = assess_quality(pose, age_weeks, self.quality, self.model.clip_s)
        if quality.verdict == "refused":
            return _assessment(content, quality)
        try:
            mended = [mend(pose, quality, self.quality)]
            del pose, recording  # an hour of it is 50 MB, and so is the mended one, given away:
            # In float32, as a study keeps sequences and as a network takes them.
            sequence = pose_sequence(mended.pop(), self.model.profile, np.float32)
            clips = self.model.clips(sequence)
            found = self.model.infer(clips)
        except PoseError as error:
            if error.code not in UNASSESSABLE:
                raise
            return _assessment(content, _refused(quality, error))
        return _assessment(content, quality, self._said(sequence, clips, found))

    def _said(self, sequence: PoseSequence, clips: Clips, found: Found) -> dict[str, Any]:
        raw = found.risk
        limits = self._limits
        risk = float(np.clip(self.model.calibrated(raw), *limits))
        ends = self.model.calibrated(spread(found, np.random.default_rng(self.seed))).clip(*limits)
        # A percentile may miss its own point.
        interval = (min(*ends, risk), max(*ends, risk))
        inside = self.model.rules.scope_of(sequence)
        decision, reason = self._decided(raw, risk, interval, inside)
        members = len(self.model.networks)
        return {
            "risk": risk,
            "risk_raw": raw,
            "risk_limits": list(limits),
            "interval": [float(bound) for bound in interval],
            "interval_of": "clips drawn anew from this recording; the model is taken as it is"
            if members == 1
            else f"clips drawn anew from this recording, and the {members} members of the model, "
            "each trained without some of the infants",
            "decision": decision,
            "decision_reason": reason,
            "stated_error": None
            if self.model.rules.abstention is None
            else self.model.rules.abstention.error,
            "scope": None if inside is None else _scope(inside),
            "calibrated": self._calibrated_on is not None,
            "calibrated_on": self._calibrated_on,
            "rests_on": _rests_on(found),
            "clips": _clips(clips, found),
            "joints": _joints(sequence, found, self.model.checkpoint.skeleton.joints),
            "movement": movement_of_parts(sequence, self.model.checkpoint.skeleton),
            "explanation_check": explanation_check(
                found,
                np.random.default_rng(self.seed),
                None if self._random is None else self._random.infer(clips),
            ),
        }

    @property
    def _calibrated_on(self) -> int | None:
        """Infants that the calibration was fitted on; None without one."""
        calibrator = self.model.rules.calibrator
        return None if calibrator is None else calibrator.infants

    @property
    def _limits(self) -> tuple[float, float]:
        """Between which a calibrated risk is told: n infants cannot show less than 1 in n + 2.

        The rule of succession (Laplace 1774). Calibrations go beyond, on the strength of their form
        alone. Scores of a model without calibration are left as they are.
        """
        if self._calibrated_on is None:
            return 0.0, 1.0
        least = 1 / (self._calibrated_on + 2)
        return least, 1 - least

    @cached_property
    def _random(self) -> TrainedModel | None:
        """The same networks with random weights, against which explanations are checked."""
        return randomised(self.model, self.seed)

    def _decided(
        self, raw: float, risk: float, interval: tuple[float, float], inside: ScopeCheck | None
    ) -> tuple[Decision, str | None]:
        """Decision, and why it is what it is where that needs saying."""
        if inside is not None and not inside.in_scope:
            return "cannot_say", _scope(inside)["text"]
        if self._no_better_than_chance:
            return "cannot_say", self._no_better_than_chance
        said = self.model.rules.decide([raw])
        cut = self.model.rules.cut
        either = interval[0] < cut <= interval[1]
        if said is not None:
            rule = self.model.rules.abstention
            assert rule is not None
            answer: Decision = said[0]
            if answer == "cannot_say":
                return answer, (
                    f"the score fits abnormal and normal infants alike, or neither, at a stated "
                    f"error rate of {rule.error:.0%}"
                )
            return answer, (
                f"not certain: the interval reaches over {cut:.2g}, from which the model holds a "
                "recording to be abnormal"
                if either
                else None
            )
        if either:
            return "cannot_say", f"parts of the recording speak for either side of {cut:.2g}"
        return "abnormal" if risk >= cut else "normal", None

    @cached_property
    def _no_better_than_chance(self) -> str:
        """What is said of a model that was not seen to tell infants left out apart; else empty."""
        known = self.model.checkpoint.metrics
        auc, low, high = (known.get(name) for name in ("auc", "auc_low", "auc_high"))
        if auc is None or low is None or high is None or low > CHANCE:
            return ""
        part = "of its validation part" if known.get("part") == "validation" else "left out"
        return (
            f"it is not shown that this model tells abnormal from normal infants: AUC {auc:.2f} "
            f"({low:.2f} to {high:.2f}) on the {known.get('infants', '')} infants {part}"
        )

    def _about(self, pose: Pose, name: str, age_weeks: float | None) -> dict[str, Any]:
        known = self.model.checkpoint
        measured = {k: v for k, v in known.metrics.items() if k != "scores"}
        return {
            "schema_version": SCHEMA_VERSION,
            "research_use_only": True,
            "created": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "input": {
                "name": name,
                "sha256": _digest(pose),
                "source": pose.source,
                "skeleton": pose.skeleton.name,
                "frames": len(pose),
                "fps": round(pose.fps, 3) if len(pose) > 1 else None,
                "duration_s": round(pose.duration_s, 3),
                "age_weeks": age_weeks,
            },
            "model": {
                "name": known.model,
                "sha256": self.model.digest,
                "trained": None if known.cohort is None else to_plain(known.cohort),
                "profile": known.profile,
                "metrics": measured,
                "threshold": self.model.rules.cut,
                "notes": list(known.notes),
            },
            "versions": known.versions,
            "cohort": {"scores": known.metrics["scores"]} if "scores" in known.metrics else None,
        }


def _assessment(
    content: dict[str, Any], quality: Quality, said: dict[str, Any] | None = None
) -> Assessment:
    nothing = {"risk": None, "risk_raw": None, "interval": None, "decision": None}
    whole = {**content, "quality": quality.to_dict(), **(said or nothing)}
    interval = whole["interval"]
    return Assessment(
        quality=whole["quality"],
        risk=whole["risk"],
        risk_raw=whole["risk_raw"],
        interval=None if interval is None else (interval[0], interval[1]),
        decision=whole["decision"],
        clips=tuple(whole.get("clips", ())),
        joints=tuple(whole.get("joints", ())),
        content=whole,
    )


def _refused(quality: Quality, error: PoseError) -> Quality:
    text = f"{error.what}{f': {error.why}' if error.why else ''}. {error.remedy or ''}".strip()
    reason = Reason(error.code, "refuse", text, ())
    return Quality("refused", (reason, *quality.reasons), quality.usable_seconds, quality.measures)


def _scope(check: ScopeCheck) -> dict[str, Any]:
    odd = ", ".join(name.replace("_", " ") for name, _ in check.strangest[:3])
    return {
        "in_scope": check.in_scope,
        "score": _or_none(check.distance),
        "limit": check.limit,
        "text": ""
        if check.in_scope
        else f"This recording is unlike those the model was trained on, most of all in: {odd}.",
    }


def _rests_on(found: Found) -> dict[str, float] | None:
    """What a model that tells them apart holds to be abnormal, before calibration."""
    if found.parts is None:
        return None
    absent, exaggerated = found.parts
    return {"absent": absent, "exaggerated": exaggerated}


def _clips(clips: Clips, found: Found) -> list[dict[str, Any]]:
    return [
        {
            "start_s": round(float(start), 3),
            "end_s": round(float(start) + clips.length_s, 3),
            "attention": float(attention),
            "contribution": float(contribution),
            "usable": bool(usable),
        }
        for start, attention, contribution, usable in zip(
            clips.start_s, found.clip_attention, found.clip_contribution, clips.usable, strict=True
        )
    ]


def _joints(sequence: PoseSequence, found: Found, names: tuple[str, ...]) -> list[dict[str, Any]]:
    attention = found.clip_attention @ found.joint_attention  # (V,) sums to 1
    table = found.joint_contribution  # (K, V)
    parts = None if table is None else table.sum(axis=0)
    speed, position = joint_movement(sequence)
    return [
        {
            "name": name,
            "attention": float(attention[row]),
            "contribution": None if parts is None else float(parts[row]),
            "movement": _or_none(speed[row]),
            "position": None
            if np.isnan(position[row]).any()
            else [round(float(value), 4) for value in position[row]],
        }
        for row, name in enumerate(names)
    ]


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _digest(pose: Pose) -> str:
    content = hashlib.sha256()
    for array in (pose.time, pose.xy, pose.confidence):
        content.update(np.ascontiguousarray(array).tobytes())
    return content.hexdigest()
