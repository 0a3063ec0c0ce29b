"""Every figure of docs/results.md for one difficulty of simulated infants, in one folder.

    OMP_NUM_THREADS=1 python benchmarks/results_bench.py --level medium --out bench --workers 2

Simulates the infants (seed 1), cross-validates the methods on the same folds, looks for leaks,
perturbs the test infants, tests the explanations, measures calibration and abstention on fresh
infants, draws the learning curve, and compares. Each part is kept: the same command goes on where
it was stopped, and `--parts` does only some of them. All of it is simulated.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from fidgety.models.ensemble import logits
from fidgety.models.trained import TrainedModel
from fidgety.motion import pose_sequence
from fidgety.simulate import simulate_cohort, simulate_study
from fidgety.statistics import abstention_rates, auc_interval, calibration
from fidgety.study.cohort_table import write_cohort
from fidgety.study.comparison import compare
from fidgety.study.experiment import cross_validate
from fidgety.study.explanation_scores import explanation_scores
from fidgety.study.final import train_final
from fidgety.study.learning_curve import learning_curve
from fidgety.study.methods import METHODS
from fidgety.study.robustness import robustness
from fidgety.study.selftest import self_test
from fidgety.study.study import Study
from fidgety.study.training import PRECISIONS

PARTS = ("cv", "self-test", "robustness", "explanations", "fresh", "curve", "compare")
# Most wanted first: what is done when the time is over can be used.
FIRST = ("fidgety", "additive", "stam")
COSTLY = {"stam-published": 1}  # the published size: one member, or a day is not enough
SEED, LONGER_SEED, SEVERAL_SEED, CURVE_SEED, FRESH_SEED = 1, 2001, 4001, 3001, 5001


def main() -> None:
    given = arguments()
    root = Path(given.out) / given.level
    began = time.perf_counter()
    study = simulated(root / "study", given, given.infants, given.seconds, SEED)
    for part in given.parts:
        started = time.perf_counter()
        {
            "cv": cross_validation,
            "self-test": leaks,
            "robustness": perturbed,
            "explanations": explained,
            "fresh": fresh,
            "curve": curve,
            "compare": compared,
        }[part](study, root, given)
        say(f"{part}: {time.perf_counter() - started:.0f} s")
    say(f"all: {time.perf_counter() - began:.0f} s")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--level", choices=["easy", "medium", "hard"], default="medium")
    parser.add_argument("--out", default="bench")
    parser.add_argument("--infants", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--inner", type=int, default=3, help="the final model takes 3 at least")
    parser.add_argument("--models", help="by commas; all by default")
    parser.add_argument(
        "--best", help="model of robustness, explanations, self-test and fresh infants"
    )
    parser.add_argument("--fresh", type=int, default=500, help="fresh infants")
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--precision", choices=PRECISIONS, default=PRECISIONS[0])
    parser.add_argument("--steps", type=int, default=0, help="of networks' training, at least")
    given = parser.parse_args()
    for name, method in METHODS.items():
        if method.network is not None and given.steps > method.network.training.min_steps:
            training = replace(method.network.training, min_steps=given.steps)
            METHODS[name] = replace(method, network=replace(method.network, training=training))
    given.parts = given.parts.split(",")
    unknown = set(given.parts) - set(PARTS)
    if unknown:
        parser.error(f"no part named {', '.join(unknown)}; choose from {', '.join(PARTS)}")
    given.models = given.models.split(",") if given.models else ordered(list(METHODS))
    networks = [name for name in given.models if METHODS[name].network is not None]
    given.best = given.best or (networks or ["stam"])[0]
    return given


def ordered(names: Sequence[str]) -> list[str]:
    """Plain classifiers (cheap), then ours and STAM, other networks, and the costly one."""

    def rank(name: str) -> tuple[int, int]:
        if METHODS[name].network is None:
            return 0, 0
        if name in COSTLY:
            return 3, 0
        wanted = [place for place, start in enumerate(FIRST) if name.startswith(start)]
        return (1, min(wanted)) if wanted else (2, 0)

    return sorted(names, key=rank)


def cross_validation(study: Study, root: Path, given: argparse.Namespace) -> None:
    """Plain classifiers together, then one network after another; costly ones with one member."""
    plain = [name for name in given.models if METHODS[name].network is None]
    calls = [plain] if plain else []
    calls += [[name] for name in given.models if METHODS[name].network is not None]
    for names in calls:
        began = time.perf_counter()
        cross_validate(
            study, names, root / "cv", folds=given.folds, inner=COSTLY.get(names[0], given.inner),
            workers=given.workers, precision=given.precision, progress=told(names[-1]),
        )  # fmt: skip
        write_cohort(root / "cv", study)
        say(f"cv of {', '.join(names)}: {time.perf_counter() - began:.0f} s")
        say(compare(root / "cv").table())


def leaks(study: Study, root: Path, given: argparse.Namespace) -> None:
    """On infants with three recordings each."""
    several = simulated(root / "several", given, 60, 20.0, SEVERAL_SEED, recordings=3)
    say(str(self_test(several, root / "cv", model=given.best, workers=given.workers,
                      folds=given.folds, progress=told("self-test"))))  # fmt: skip


def perturbed(study: Study, root: Path, given: argparse.Namespace) -> None:
    longer = simulated(root / "longer", given, 40, 300.0, LONGER_SEED)
    models = [name for name in dict.fromkeys((given.best, "stam", "mccay-fusion"))
              if name in given.models]  # fmt: skip
    found = robustness(
        study, root / "cv", models=models, longer=longer, workers=given.workers,
        progress=told("robustness"),
    )  # fmt: skip
    say(found.table())


def explained(study: Study, root: Path, given: argparse.Namespace) -> None:
    models = [name for name in dict.fromkeys((given.best, "stam")) if name in given.models]
    say(explanation_scores(study, root / "cv", models=models, workers=given.workers).table())


def fresh(study: Study, root: Path, given: argparse.Namespace) -> None:
    """The final ensemble on infants of another seed: calibration, abstention, scope."""
    folder = study.root / "runs" / f"{given.best}_final"
    if not (folder / "model.fidgety").exists():
        say(str(train_final(study, method=given.best, inner=max(given.inner, 3))))
    path = root / "cv" / "fresh.json"
    model = TrainedModel.load(folder / "model.fidgety")
    scores, labels, inside = [], [], []
    cohort = simulate_cohort(
        given.fresh, seconds=given.seconds, seed=FRESH_SEED, difficulty=given.level
    )
    for recording in cohort:
        sequence = pose_sequence(recording.pose, model.profile)
        scores.append(model.infer(model.clips(sequence)).risk)
        labels.append(recording.label)
        check = model.rules.scope_of(sequence)
        inside.append(check is None or check.in_scope)
    y, risks = np.array(labels), model.rules.risk(scores)
    auc, found = auc_interval(scores, y), calibration(risks, y)
    content = {
        "model": given.best, "members": len(model.networks), "trained": given.infants,
        "fresh": given.fresh, "simulated": True, "seed": FRESH_SEED,
        "auc": asdict(auc), "calibration": asdict(found),
        "out_of_scope": 1 - float(np.mean(inside)),
    }  # fmt: skip
    if model.rules.abstention is not None:
        rates = abstention_rates(model.rules.abstention, logits(scores), y)
        content["abstention"] = {"error": model.rules.abstention.error, **asdict(rates)}
    path.write_text(json.dumps(content, indent=1, default=float), "utf-8")
    say(
        f"{given.fresh} fresh simulated infants, {given.best}: AUC {auc.value:.3f} "
        f"({auc.low:.3f} to {auc.high:.3f}), slope {found.slope.value:.2f} "
        f"({found.slope.low:.2f} to {found.slope.high:.2f}), ECE {found.ece:.3f} (perfect risks: "
        f"{found.ece_if_perfect:.3f}), Brier {found.brier.value:.3f} (prevalence "
        f"{found.brier_prevalence:.3f}), out of scope {content['out_of_scope']:.3f}"
    )
    if "abstention" in content:
        for name in ("answered", "missed", "false_alarms", "wrong_among_answered"):
            rate = content["abstention"][name]
            say(f"  {name}: {rate['value']:.3f} ({rate['low']:.3f} to {rate['high']:.3f})")


def curve(study: Study, root: Path, given: argparse.Namespace) -> None:
    """400 infants to learn from at most, 200 others to test on; one fit a point."""
    many = simulated(root / "many", given, 600, given.seconds, CURVE_SEED)
    models = [name for name in dict.fromkeys((given.best, "mccay-fusion", "quantiles"))
              if name in given.models]  # fmt: skip
    say(learning_curve(many, root / "cv", models=models, workers=given.workers,
                       progress=told("curve")).table())  # fmt: skip


def compared(study: Study, root: Path, given: argparse.Namespace) -> None:
    say(compare(root / "cv").table())


def simulated(
    folder: Path, given: argparse.Namespace, infants: int, seconds: float, seed: int,
    recordings: int = 1,
) -> Study:  # fmt: skip
    """A simulated study; kept if it is whole."""
    if not (folder / "labels.csv").exists():  # written last
        simulate_study(
            folder, infants=infants, seconds=seconds, seed=seed, difficulty=given.level,
            recordings_per_infant=recordings,
        )  # fmt: skip
    return Study.open(folder, check_copies=False)


def told(what: str):
    began = time.perf_counter()

    def show(done: int, total: int, name: str) -> None:
        now = time.perf_counter() - began
        print(f"  {what} {done}/{total}, {now:.0f} s: {name}", file=sys.stderr, flush=True)

    return show


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
