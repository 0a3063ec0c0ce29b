"""The method `fidgety` and variants of it on simulated infants: AUC, explanation against the truth.

Five infant-disjoint folds, one member, the last epoch; no infant is scored by a network that saw
it. Clips: AUC of the clips' contributions against fidgety bouts, mean over recordings that these
cover by 20 to 80 % and that were classified rightly. Cells: the same for each joint in each clip.
Deletion: median ratio of the change of risk without the top fifth of clips to a random fifth.

    OMP_NUM_THREADS=1 python benchmarks/additive_variants.py --seeds 13 --variants fidgety
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np
import torch
from sklearn.model_selection import StratifiedKFold

from fidgety.models.additive import AdditiveConfig
from fidgety.models.explain import deletion_check
from fidgety.models.inference import infer
from fidgety.motion import pose_sequence, split
from fidgety.simulate import simulate_cohort
from fidgety.statistics import auc_interval, roc_auc
from fidgety.study.augment import Augmentation
from fidgety.study.examples import Example
from fidgety.study.methods import METHODS
from fidgety.study.training import NetworkConfig, fit

OURS = METHODS["fidgety"].network
assert OURS is not None
PLAIN = replace(OURS, training=replace(OURS.training, augmentation=Augmentation()))
VARIANTS: dict[str, NetworkConfig] = {
    "fidgety": OURS,
    "without augmentation": PLAIN,
    "half the width, without augmentation": replace(PLAIN, model=AdditiveConfig(width=16)),
}


def recordings(level: str, infants: int, seed: int) -> list[tuple[Example, np.ndarray]]:
    """Sequences of a cohort and the amount of fidgety movement (T, V) in each of their frames."""
    found = []
    for r in simulate_cohort(infants, seconds=30.0, seed=seed, difficulty=level):
        sequence = pose_sequence(r.pose)
        times = sequence.start_s + np.arange(sequence.values.shape[1]) / sequence.fps
        rows = np.clip(np.round(times * r.pose.fps).astype(int), 0, len(r.fidgety) - 1)
        example = Example(r.infant_id, r.name, r.label, replace(sequence, fps=30.0))
        found.append((example, r.fidgety[rows]))
    return found


def measured(config: NetworkConfig, cohort: list[tuple[Example, np.ndarray]]) -> str:
    """One row of the table."""
    labels = np.array([example.label for example, _ in cohort])
    scores, spent = np.zeros(len(labels)), 0.0
    clip_aucs, cell_aucs, ratios = [], [], []
    folds = StratifiedKFold(5, shuffle=True, random_state=0).split(labels, labels)
    for fold, (train, test) in enumerate(folds):
        assert not {cohort[i][0].infant_id for i in train} & {cohort[i][0].infant_id for i in test}
        started = time.process_time()
        seeded = replace(config, training=replace(config.training, seed=10 * fold))
        model = fit([cohort[i][0] for i in train], [], seeded).model
        spent += time.process_time() - started
        for i in test:
            example, truth = cohort[i]
            clips = split(example.sequence, config.clip)
            found = infer(model, clips, config.window)
            scores[i] = np.mean([window.logit() for window in found.windows])
            if (scores[i] > 0) != example.label:
                continue
            frames = round(clips.length_s * 30)
            amount = np.stack([truth[first : first + frames].mean(axis=0) for first in clips.first])
            bout = amount.mean(axis=1) > 0.3
            if 0.2 <= bout.mean() <= 0.8:
                clip_aucs.append(roc_auc(-found.clip_contribution, bout.astype(int)))
            moves = amount > 0.4
            if truth.max() > 0.2 and 0 < moves.mean() < 1:
                table = found.joint_contribution
                assert table is not None
                cell_aucs.append(roc_auc(-table.ravel(), moves.ravel().astype(int)))
            check = deletion_check(found, np.random.default_rng(0))
            if check and check["ratio"]:
                ratios.append(check["ratio"])
    auc = auc_interval(scores, labels)
    return (
        f"{auc.value:.3f} [{auc.low:.3f}, {auc.high:.3f}] | {np.mean(clip_aucs):.3f} "
        f"({len(clip_aucs)}) | {np.mean(cell_aucs):.3f} | {np.median(ratios):.1f} | {spent:.0f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--infants", type=int, default=200)
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13])
    parser.add_argument("--levels", nargs="+", default=["medium", "hard"])
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(
        "| variant, level, seed | AUC [95 % interval] | clips (recordings) | cells | deletion | |"
    )
    print("|---|---|---|---|---|---|")
    for level in options.levels:
        for seed in options.seeds:
            cohort = recordings(level, options.infants, seed)
            for name in options.variants:
                print(
                    f"| {name}, {level}, {seed} | {measured(VARIANTS[name], cohort)} |", flush=True
                )


if __name__ == "__main__":
    main()
