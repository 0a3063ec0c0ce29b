"""Left and right exchanged for long: found, put back, told, or not, and what it does to a risk.

    python benchmarks/quality_exchanges.py --model simulated-demo [--infants 40] [--seed 11]

Simulated infants of 60 s, their tracker exchanging nothing by itself. For 6 to 20 s from a moment
drawn at random, or to the end of the recording, some pairs of joints have left for right,
confidence and all. Printed for each way: share of these positions put back, share of other
positions of these joints changed, verdicts, how often the gate says anything of it (W112, W113,
E113), and by how much the risk differs from that of the recording as it was: as planted with
nothing done, and as assessed.
"""

from __future__ import annotations

import argparse
import warnings
from collections import Counter
from dataclasses import replace

import numpy as np

from fidgety.assess import Assessor
from fidgety.motion import pose_sequence
from fidgety.pose.pose import Pose
from fidgety.pose.quality import assess_quality, find_swaps
from fidgety.simulate import DIFFICULTIES, simulate_cohort

SECONDS = 60.0
PAIRS = {
    "whole body": ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "eye", "ear"),
    "all but the face": ("shoulder", "elbow", "wrist", "hip", "knee", "ankle"),
    "legs with hips": ("hip", "knee", "ankle"),
    "legs": ("knee", "ankle"),
    "arms": ("elbow", "wrist"),
    "arms with shoulders": ("shoulder", "elbow", "wrist"),
    "shoulders and hips": ("shoulder", "hip"),
    "ankles": ("ankle",),
}
TOLD = {"W112", "W113", "E113"}


def planted(pose: Pose, parts: tuple[str, ...], frames: np.ndarray) -> tuple[Pose, np.ndarray]:
    """The pose with some pairs exchanged in some frames, and where (T, V)."""
    names = [f"{side}_{part}" for part in parts for side in ("left", "right")]
    where = np.zeros(pose.confidence.shape, dtype=bool)
    where[np.ix_(frames, pose.skeleton.rows(*names))] = True
    order = pose.skeleton.mirror_order
    xy = np.where(where[..., None], pose.xy[:, order], pose.xy)
    confidence = np.where(where, pose.confidence[:, order], pose.confidence)
    return pose.then("planted", xy=xy, confidence=confidence), where


def when(pose: Pose, to_the_end: bool, rng: np.random.Generator) -> np.ndarray:
    seconds = rng.uniform(6, 20)
    start = SECONDS - seconds if to_the_end else rng.uniform(2, SECONDS - seconds - 2)
    return (pose.time >= start) & (pose.time < start + seconds)


def ungated(assessor: Assessor, pose: Pose) -> float:
    """The risk with nothing put back."""
    model = assessor.model
    clips = model.clips(pose_sequence(pose, model.profile, np.float32))
    return float(model.calibrated(model.infer(clips).risk))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="simulated-demo")
    parser.add_argument("--infants", type=int, default=40)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--difficulty", default="medium")
    parser.add_argument("--no-risk", action="store_true", help="only what is found")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    assessor = Assessor.load(given.model)
    config = DIFFICULTIES[given.difficulty]
    config = replace(config, tracker=replace(config.tracker, swaps_per_minute=0))
    poses = [
        recording.pose
        for recording in simulate_cohort(
            given.infants, seed=given.seed, difficulty=config, seconds=SECONDS
        )
    ]
    before = [None if given.no_risk else assessor.assess(pose).risk for pose in poses]
    known = [risk for risk in before if risk is not None]
    verdicts = Counter(assess_quality(pose).verdict for pose in poses)
    print(f"{len(known)} of {len(poses)} assessed, {dict(verdicts)}; found in them as they were: "
          f"{sum(int(find_swaps(pose).sum()) for pose in poses)} positions")  # fmt: skip
    print("| exchanged | till | put back, % | wrongly, % | verdicts | told | ", end="")
    print("risk, nothing done | risk, assessed |\n" + "|---" * 8 + "|")
    for to_the_end in (False, True):
        for name, parts in PAIRS.items():
            row = measured(assessor, poses, before, parts, to_the_end, given.seed)
            print(f"| {name} | {'end' if to_the_end else 'back'} | {row} |", flush=True)


def measured(
    assessor: Assessor,
    poses: list[Pose],
    before: list[float | None],
    parts: tuple[str, ...],
    to_the_end: bool,
    seed: int,
) -> str:
    rng = np.random.default_rng(seed)
    hits = truth = false = others = told = 0
    verdicts: Counter[str] = Counter()
    raw, final = [], []
    for pose, risk in zip(poses, before, strict=True):
        wrong, where = planted(pose, parts, when(pose, to_the_end, rng))
        found = find_swaps(wrong)
        seen = np.isfinite(wrong.xy[..., 0])
        joints = where.any(axis=0)
        hits += int((found & where & seen).sum())
        truth += int((where & seen).sum())
        false += int((found & ~where & seen)[:, joints].sum())
        others += int((~where & seen)[:, joints].sum())
        quality = assess_quality(wrong)
        verdicts[quality.verdict] += 1
        told += bool({reason.code for reason in quality.reasons} & TOLD)
        if risk is not None:
            raw.append(abs(ungated(assessor, wrong) - risk))
            after = assessor.assess(wrong).risk
            if after is not None:
                final.append(abs(after - risk))
    words = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
    return (
        f"{100 * hits / truth:.1f} | {100 * false / others:.1f} | {words} | "
        f"{told} of {len(poses)} | {spread(raw)} | {spread(final)}"
    )


def spread(differences: list[float]) -> str:
    if not differences:
        return "-"
    return f"{np.mean(differences):.3f}, {max(differences):.2f} at most"


if __name__ == "__main__":
    main()
