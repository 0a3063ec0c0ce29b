"""How many steps of training does a network need? AUC by training infants and least steps.

Single networks, each of several first weights, learnt from the first so many of a cohort of
simulated infants and tested on others of another seed.

    OMP_NUM_THREADS=1 python benchmarks/training_length.py --level hard --infants 20,50,100,200
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np
import torch

from fidgety.motion import pose_sequence
from fidgety.simulate import simulate_cohort
from fidgety.statistics import roc_auc
from fidgety.study.examples import Example
from fidgety.study.methods import METHODS
from fidgety.study.training import fit, scores


def main() -> None:
    given = arguments()
    torch.set_num_threads(1)
    method = METHODS[given.model]
    network = method.network
    assert network is not None
    sizes = [int(size) for size in given.infants.split(",")]
    learnt = cohort(max(sizes), given.seed, given.level, method.profile)
    asked = cohort(given.tested, given.test_seed, given.level, method.profile)
    assert not {e.infant_id for e in learnt} & {e.infant_id for e in asked}
    labels = np.array([example.label for example in asked])
    print(
        "| model | level | infants | least steps | AUC of each first weights | mean | CPU s a fit |"
    )
    print("|---|" + "---|" * 6)
    for size in sizes:
        for least in [int(steps) for steps in given.steps.split(",")]:
            aucs, began = [], time.process_time()
            for first in range(given.first_weights):
                training = replace(network.training, min_steps=least, select="last", seed=first)
                fitted = fit(learnt[:size], (), replace(network, training=training))
                aucs.append(float(roc_auc(scores(fitted.model, asked, fitted.config), labels)))
            spent = (time.process_time() - began) / len(aucs)
            told = ", ".join(f"{auc:.3f}" for auc in aucs)
            print(
                f"| {given.model} | {given.level} | {size} | {least} | {told} | "
                f"{np.mean(aucs):.3f} | {spent:.0f} |",
                flush=True,
            )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="fidgety")
    parser.add_argument("--level", choices=["easy", "medium", "hard"], default="hard")
    parser.add_argument("--infants", default="20,50,100,200")
    parser.add_argument("--steps", default="0,200,400,800", help="0: the epochs alone decide")
    parser.add_argument("--first-weights", type=int, default=3, help="networks a row")
    parser.add_argument("--seed", type=int, default=31)
    parser.add_argument("--tested", type=int, default=300)
    parser.add_argument("--test-seed", type=int, default=131)
    return parser.parse_args()


def cohort(infants: int, seed: int, level: str, profile: str) -> list[Example]:
    """Examples of simulated infants, named after their seed, the classes in turn."""
    found: tuple[list[Example], list[Example]] = ([], [])
    for r in simulate_cohort(infants, seconds=30.0, seed=seed, difficulty=level):
        name = f"{seed}_{r.infant_id}"
        sequence = pose_sequence(r.pose, profile)
        found[r.label].append(Example(name, f"{seed}_{r.name}", r.label, sequence))
    return [one for pair in zip(*found, strict=True) for one in pair]


if __name__ == "__main__":
    main()
