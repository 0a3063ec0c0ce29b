"""STAM at its published size and settings on simulated infants, as far as there is time for it.

434,879 parameters, all clips of every recording, 50 epochs, the `stam` profile: the method
`stam-published`. The same command goes on where it was stopped (`--minutes` of wall time); after
each stretch the network, as it is, is tested on infants of another seed.

    OMP_NUM_THREADS=1 python benchmarks/stam_published.py --work build/published --minutes 14
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from fidgety.motion import PoseSequence, pose_sequence
from fidgety.simulate import simulate_cohort
from fidgety.statistics import auc_interval
from fidgety.study.examples import Example
from fidgety.study.methods import METHODS
from fidgety.study.training import Epoch, fit, scores

TRAIN_SEED, TEST_SEED = 21, 99


class EnoughError(Exception):
    """The time is over; the epoch that just ended is kept."""


def cohort(folder: Path, infants: int, seed: int, level: str, profile: str) -> list[Example]:
    """Sequences of a simulated cohort, kept in a file."""
    path = folder / f"{level}_{seed}_{infants}.npz"
    if not path.exists():
        kept: dict[str, np.ndarray] = {}
        for r in simulate_cohort(infants, seed=seed, difficulty=level):
            made = pose_sequence(r.pose, profile)
            kept[f"{r.name}_{r.label}"] = made.values.astype(np.float32)
        np.savez(path, **kept)
    with np.load(path) as found:
        return [
            Example(name, name, int(name[-1]), PoseSequence(found[name], 30.0)) for name in found
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--level", choices=["easy", "medium", "hard"], default="medium")
    parser.add_argument("--infants", type=int, default=160)
    parser.add_argument("--test", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=14.0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    given.work.mkdir(parents=True, exist_ok=True)
    method = METHODS["stam-published"]
    assert method.network is not None
    train = cohort(given.work, given.infants, TRAIN_SEED, given.level, method.profile)
    test = cohort(given.work, given.test, TEST_SEED, given.level, method.profile)
    end, before = time.monotonic() + 60 * given.minutes, time.process_time()

    def told(epoch: Epoch) -> None:
        nonlocal before
        now = time.process_time()
        print(f"epoch {epoch.epoch + 1}: loss {epoch.train_loss:.4f}, {now - before:.0f} s of "
              "processor time", flush=True)  # fmt: skip
        before = now
        if epoch.epoch + 1 < given.epochs and time.monotonic() > end:
            raise EnoughError

    training = replace(method.network.training, max_epoch=given.epochs, select="last")
    config = replace(method.network, training=training)
    run = given.work / f"{given.level}_{given.infants}_{given.epochs}"
    try:
        fitted = fit(train, [], config, run=run, resume=True, on_epoch=told)
    except EnoughError:
        print("stopped; the same command goes on")
        return
    labels = np.array([example.label for example in test])
    auc = auc_interval(scores(fitted.model, test, fitted.config), labels)
    print(f"{given.infants} infants, {given.epochs} epochs: AUC {auc.value:.3f} "
          f"({auc.low:.3f} to {auc.high:.3f}) on {given.test} fresh infants")  # fmt: skip


if __name__ == "__main__":
    main()
