"""What a method misses: AUC of each abnormal pattern against normal infants, and of their mixture.

Simulated infants. Exaggerated fidgety movements are rare (3 % of the abnormal), so that a study of
200 infants says little of them; here they are simulated on purpose, and the AUC of the level's own
mixture of patterns is put together from those of its patterns. Infants to learn from and infants to
test on have different seeds. What was simulated and measured is kept in `--work`: the same command
goes on where it was stopped (empty it after a change of settings).

    OMP_NUM_THREADS=1 python benchmarks/exaggerated.py --work build/exaggerated --level medium

With `--model FILE` (or `simulated-demo`) a trained model is asked instead, on the same infants:
whom it holds to be abnormal, and whether it says rightly why.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from fidgety.files import whole_file, write_json
from fidgety.models.ensemble import logits
from fidgety.models.trained import TrainedModel
from fidgety.motion import PoseSequence, pose_sequence
from fidgety.simulate import DIFFICULTIES, simulate_cohort, simulate_infant
from fidgety.simulate.cohort import SimulatedRecording
from fidgety.statistics import roc_auc
from fidgety.study.crossfit import cross_fit
from fidgety.study.examples import Example
from fidgety.study.methods import METHODS, Method

TEST_SEED, EXAGGERATED_SEED = 99, 199
PATTERNS = ("absent", "sporadic", "exaggerated")


def ours(exaggeration: float = 0.0, epochs: int | None = None) -> Method:
    """`fidgety` with other settings."""
    method = METHODS["fidgety"]
    assert method.network is not None
    training = method.network.training
    network = replace(
        method.network,
        model=replace(method.network.model, exaggeration=exaggeration),
        training=replace(training, max_epoch=epochs or training.max_epoch),
    )
    return replace(method, network=network)


VARIANTS: dict[str, Method] = {
    "fidgety": METHODS["fidgety"],
    "fidgety, absent only": ours(),
    "fidgety, absent only, 100 epochs": ours(epochs=100),
    "fidgety, exaggerated by 1.5": ours(1.5),
    "fidgety, exaggerated by 3": ours(3.0),
    "fidgety, 100 epochs": ours(2.0, 100),
    "stam": METHODS["stam"],
    "mccay-fusion": METHODS["mccay-fusion"],
    "rahmati": METHODS["rahmati"],
}


def examples(
    path: Path, recordings: Iterator[SimulatedRecording]
) -> tuple[list[Example], np.ndarray]:
    """Sequences and patterns of simulated infants, from a file if they were made before."""
    if not path.exists():
        made = {
            f"{r.infant_id}_{r.label}_{r.pattern}": pose_sequence(r.pose).values.astype(np.float32)
            for r in recordings
        }
        with whole_file(path) as draft, draft.open("wb") as handle:
            np.savez(handle, **made)
    found, patterns = [], []
    with np.load(path) as kept:
        for key in kept:
            name, label, pattern = key.split("_")
            found.append(Example(name, name, int(label), PoseSequence(kept[key], 30.0)))
            patterns.append(pattern)
    return found, np.array(patterns)


def exaggerated(infants: int, level: str) -> Iterator[SimulatedRecording]:
    for number, seed in enumerate(np.random.SeedSequence(EXAGGERATED_SEED).spawn(infants)):
        yield from simulate_infant(
            seed, pattern="exaggerated", difficulty=level, infant_id=f"x{number:04d}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--level", choices=["easy", "medium", "hard"], default="medium")
    parser.add_argument("--seeds", type=int, nargs="+", default=[21, 22])
    parser.add_argument("--infants", type=int, default=160, help="to learn from")
    parser.add_argument("--test", type=int, default=400)
    parser.add_argument("--members", type=int, default=1)
    parser.add_argument("--model", help="a trained model to ask what its risks rest on")
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    given = parser.parse_args()
    torch.set_num_threads(1)
    given.work.mkdir(parents=True, exist_ok=True)
    level = given.level
    shown, patterns = examples(
        given.work / f"{level}_{TEST_SEED}_{given.test}.npz",
        simulate_cohort(given.test, seed=TEST_SEED, difficulty=level),
    )
    more, their = examples(
        given.work / f"{level}_exaggerated_{EXAGGERATED_SEED}.npz", exaggerated(100, level)
    )
    shown, patterns = [*shown, *more], np.concatenate([patterns, their])
    if given.model:
        told_apart(TrainedModel.load(given.model), shown, patterns, level)
        return
    normal = np.array([example.label == 0 for example in shown])
    movement = DIFFICULTIES[level].movement
    share = {"sporadic": movement.sporadic_share, "exaggerated": movement.exaggerated_share}
    share["absent"] = 1 - sum(share.values())
    print(f"| method, {level} | {' | '.join(PATTERNS)} | mixture | time |")
    print("|---|---|---|---|---|---|")
    for name in given.variants:
        rows, spent = [], 0.0
        for seed in given.seeds:
            kept = given.work / f"{level}_{seed}_{given.infants}_{given.members}_{name}.json"
            if not kept.exists():
                train, _ = examples(
                    given.work / f"{level}_{seed}_{given.infants}.npz",
                    simulate_cohort(given.infants, seed=seed, difficulty=level),
                )
                write_json(kept, measured(name, train, shown, given.members, seed))
            found = json.loads(kept.read_text("utf-8"))
            scores, spent = np.array(found["scores"]), spent + found["seconds"]
            row = [pattern_auc(scores, normal, patterns == pattern) for pattern in PATTERNS]
            mixture = sum(share[p] * auc for p, auc in zip(PATTERNS, row, strict=True))
            rows.append([*row, mixture])
        means = " | ".join(f"{value:.3f}" for value in np.mean(rows, axis=0))
        print(f"| `{name}` | {means} | {spent / len(rows):.0f} s |", flush=True)


def told_apart(model: TrainedModel, shown: list[Example], patterns: np.ndarray, level: str) -> None:
    """Print whom of each pattern a model holds to be abnormal, and on what that rests."""
    found = [model.infer(model.clips(example.sequence)) for example in shown]
    risks = model.calibrated([one.risk for one in found])
    parts = np.array([one.parts for one in found], dtype=np.float64)  # (N, 2); NaN: asks one thing
    print(f"| pattern, {level} | infants | held abnormal | of these, mainly as exaggerated |")
    print("|---|---|---|---|")
    for pattern in sorted(set(patterns)):
        held = (patterns == pattern) & (risks >= model.rules.cut)
        as_larger = int((parts[held, 1] > parts[held, 0]).sum())
        print(f"| {pattern} | {(patterns == pattern).sum()} | {held.sum()} | {as_larger} |")


def measured(
    name: str, train: list[Example], shown: list[Example], members: int, seed: int
) -> dict[str, object]:
    """Scores on the logit scale, and processor time of the fit."""
    began = time.process_time()
    fitted = cross_fit(VARIANTS[name], train, inner=0 if members == 1 else members, seed=seed)
    spent = time.process_time() - began
    return {"scores": logits(fitted.scores(shown)).tolist(), "seconds": spent}


def pattern_auc(scores: np.ndarray, normal: np.ndarray, of_pattern: np.ndarray) -> float:
    """AUC of the infants of one pattern against the normal ones."""
    rows = normal | of_pattern
    return float(roc_auc(scores[rows], of_pattern[rows].astype(int)))


if __name__ == "__main__":
    main()
