"""How unlike the training cohort must a recording be before a model says so?

    OMP_NUM_THREADS=1 python benchmarks/scope.py

Fresh *simulated* infants of 30 s, as they are and changed: played faster or slower than they were
filmed, with longer legs, trembling joints, larger or smaller movements. For each change how many
are called out of scope, and how many the quality gate refuses, whatever the scope says.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable

import numpy as np

from fidgety.models.trained import TrainedModel
from fidgety.motion import pose_sequence
from fidgety.pose.pose import Pose
from fidgety.pose.quality import assess_quality, mend
from fidgety.simulate import simulate_cohort

TRUNK_PX = 90.0


def played(pose: Pose, times: float) -> Pose:
    return Pose.at_fps(
        pose.xy, pose.confidence, pose.fps * times, pose.skeleton, pose.size, source=pose.source
    )


def trembling(pose: Pose, trunks: float) -> Pose:
    rng = np.random.default_rng(0)
    return pose.then("trembling", xy=pose.xy + rng.normal(0, trunks * TRUNK_PX, pose.xy.shape))


def long_legs(pose: Pose, times: float) -> Pose:
    xy = pose.xy.copy()
    for side in ("left", "right"):
        hip, knee, ankle = pose.skeleton.rows(*(f"{side}_{j}" for j in ("hip", "knee", "ankle")))
        xy[:, knee] = xy[:, hip] + times * (pose.xy[:, knee] - pose.xy[:, hip])
        xy[:, ankle] = xy[:, knee] + times * (pose.xy[:, ankle] - pose.xy[:, knee])
    return pose.then("long legs", xy=xy)


def larger(pose: Pose, times: float) -> Pose:
    """Each joint moves so many times as far from where it is on average."""
    middle = np.nanmean(pose.xy, axis=0, keepdims=True)
    return pose.then("larger", xy=middle + times * (pose.xy - middle))


CHANGES: dict[str, Callable[[Pose], Pose]] = {
    "as they are": lambda pose: pose,
    "played at half the speed": lambda pose: played(pose, 1 / 2),
    "played at a third of the speed": lambda pose: played(pose, 1 / 3),
    "trembling by 3 % of the trunk": lambda pose: trembling(pose, 0.03),
    "trembling by 6 %": lambda pose: trembling(pose, 0.06),
    "legs 1.2 times as long": lambda pose: long_legs(pose, 1.2),
    "legs 1.4 times as long": lambda pose: long_legs(pose, 1.4),
    "movements twice as large": lambda pose: larger(pose, 2.0),
    "movements 0.3 times as large": lambda pose: larger(pose, 0.3),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="simulated-demo")
    parser.add_argument("--infants", type=int, default=20)
    parser.add_argument("--difficulty", default="medium")
    parser.add_argument("--seed", type=int, default=9000)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    model = TrainedModel.load(given.model)
    cohort = list(
        simulate_cohort(given.infants, seconds=30.0, seed=given.seed, difficulty=given.difficulty)
    )
    print(f"| {given.infants} simulated infants | out of scope | refused |\n|---|---|---|")
    for name, change in CHANGES.items():
        outside = refused = 0
        for infant in cohort:
            pose = change(infant.pose)
            quality = assess_quality(pose, infant.age_weeks)
            refused += quality.verdict == "refused"
            found = model.rules.scope_of(pose_sequence(mend(pose, quality), model.profile))
            outside += found is not None and not found.in_scope
        print(f"| {name} | {outside} | {refused} |", flush=True)


if __name__ == "__main__":
    main()
