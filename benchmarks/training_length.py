"""Does `fidgety` train long enough on few infants? AUC by training infants and epochs.

Single networks on the infants of the learning curve: simulated, 600 of them, the first so many of
its training order, tested on its 200 test infants. Needs the folder that
`results_bench.py --level hard --out bench --parts curve` made.

    OMP_NUM_THREADS=1 python benchmarks/training_length.py --bench bench/hard --infants 100
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from fidgety.statistics import roc_auc
from fidgety.study.examples import Example
from fidgety.study.learning_curve import SIZES, infants_for_curve
from fidgety.study.methods import METHODS
from fidgety.study.sequences import read_sequence
from fidgety.study.study import Study
from fidgety.study.training import fit, scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bench", type=Path, required=True)
    parser.add_argument("--infants", type=int, default=100)
    parser.add_argument("--epochs", default="15,30,60")
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    study = Study.open(given.bench / "many", check_copies=False)
    test, (order,) = infants_for_curve(study, max(SIZES), None, 1, 0)
    method = METHODS["fidgety"]
    network = method.network
    assert network is not None

    def examples(infants: list[str]) -> list[Example]:
        home = given.bench / "cv" / "sequences" / method.profile
        return [
            Example(r.infant_id, r.name, int(r.label or 0), read_sequence(home / r.name))
            for r in study.recordings_of(infants)
        ]

    train, asked = examples(order[: given.infants]), examples(test)
    labels = np.array([example.label for example in asked])
    print("| epochs | steps | AUC of each first weights | CPU s a fit |\n|---|---|---|---|")
    for epochs in map(int, given.epochs.split(",")):
        aucs, began = [], time.process_time()
        for seed in range(given.seeds):
            training = replace(network.training, max_epoch=epochs, seed=seed)
            fitted = fit(train, (), replace(network, training=training))
            aucs.append(float(roc_auc(scores(fitted.model, asked, fitted.config), labels)))
        spent = (time.process_time() - began) / given.seeds
        steps = epochs * math.ceil(given.infants / network.training.batch_size)
        told = ", ".join(f"{auc:.3f}" for auc in aucs)
        print(f"| {epochs} | {steps} | {told} | {spent:.0f} |", flush=True)


if __name__ == "__main__":
    main()
