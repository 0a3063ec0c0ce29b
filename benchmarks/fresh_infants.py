"""Calibration, abstention and scope on simulated infants that had no part in anything.

    OMP_NUM_THREADS=1 python benchmarks/fresh_infants.py --models quantiles,rahmati --seeds 1

For each seed a cohort to learn from is simulated, each method is cross-fitted to it as inside a
fold of `fidgety cv`, and asked about the same fresh infants of another seed. Prints a Markdown
table a method and seed, and the mean rates over seeds, which is what the stated error is about.
With `--members` also the AUC of each member by itself, and the patterns of the infants missed;
`--fit-seeds` draws dealing and first weights anew for the same infants.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter, defaultdict

import numpy as np

from fidgety.models.ensemble import logits
from fidgety.motion import pose_sequence
from fidgety.simulate import simulate_cohort
from fidgety.statistics import abstention_rates, auc_interval, calibration, compare_auc, roc_auc
from fidgety.study.crossfit import CrossFit, cross_fit
from fidgety.study.examples import Example
from fidgety.study.methods import METHODS
from fidgety.study.training import scores as scores_of


def main() -> None:
    given = arguments()
    names = given.models.split(",")
    profiles = {METHODS[name].profile for name in names}
    fresh, patterns = cohort(given.fresh, given.fresh_seed, given, profiles)
    truth = {p: np.array([e.label for e in rows]) for p, rows in fresh.items()}
    print(f"{given.infants} simulated infants to learn from, {given.fresh} fresh ones, ", end="")
    print(f"{given.seconds:g} s each, {given.level}; inner folds {given.inner}\n")
    print("| model | seed | AUC | slope | ECE (perfect risks) | Brier (prevalence) | answered "
          "| missed | false alarms | out of scope | CPU s |")  # fmt: skip
    print("|---|" + "---|" * 10)
    rates: dict[str, list[tuple[float, float]]] = defaultdict(list)
    given_scores: dict[tuple[int, str], np.ndarray] = {}
    asked = [
        (seed, fit_seed)
        for seed in map(int, given.seeds.split(","))
        for fit_seed in (map(int, given.fit_seeds.split(",")) if given.fit_seeds else (seed,))
    ]
    known = {seed: cohort(given.infants, seed, given, profiles)[0] for seed, _ in asked}
    for seed, fit_seed in asked:
        learnt = known[seed]
        for name in names:
            profile = METHODS[name].profile
            rows, y = fresh[profile], truth[profile]
            began = time.process_time()
            fitted = cross_fit(METHODS[name], learnt[profile], inner=given.inner, seed=fit_seed)
            scores, rules = fitted.scores(rows), fitted.rules
            spent = time.process_time() - began
            found = calibration(rules.risk(scores), y, draws=500)
            auc = auc_interval(scores, y)
            assert rules.abstention is not None
            said = abstention_rates(rules.abstention, logits(scores), y)
            outside = [not check.in_scope for e in rows if (check := rules.scope_of(e.sequence))]
            rates[name].append((said.missed.value, said.false_alarms.value))
            given_scores[fit_seed, name] = scores
            print(
                f"| {name} | {seed} | {auc.value:.3f} ({auc.low:.3f} to {auc.high:.3f}) | "
                f"{found.slope.value:.2f} ({found.slope.low:.2f} to {found.slope.high:.2f}) | "
                f"{found.ece:.3f} ({found.ece_if_perfect:.3f}) | {found.brier.value:.3f} "
                f"({found.brier_prevalence:.3f}) | {said.answered.value:.2f} | "
                f"{said.missed.value:.3f} | {said.false_alarms.value:.3f} | "
                f"{np.mean(outside) if outside else np.nan:.3f} | {spent:.0f} |",
                flush=True,
            )
            if given.members:
                told = rules.abstention.decide(logits(scores))
                print(of_members(fitted, rows, y, patterns, told, fit_seed), flush=True)
            if name != names[0]:
                first = given_scores[fit_seed, names[0]]
                test = compare_auc(first, scores, truth[METHODS[names[0]].profile])
                print(f"  {names[0]} is better by {test.value:.3f} "
                      f"({test.low:.3f} to {test.high:.3f}), paired DeLong "
                      f"p {test.p:.2g}", flush=True)  # fmt: skip
    print()
    for name, pairs in rates.items():
        missed, alarms = np.mean(pairs, axis=0)
        print(f"{name}: missed {missed:.3f}, false alarms {alarms:.3f}, mean of {len(pairs)} "
              "seeds; stated 0.100")  # fmt: skip


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--level", choices=["easy", "medium", "hard"], default="medium")
    parser.add_argument("--infants", type=int, default=200)
    parser.add_argument("--fresh", type=int, default=500)
    parser.add_argument("--fresh-seed", type=int, default=5001)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--models", default="quantiles,rahmati,mccay-fusion")
    parser.add_argument("--seeds", default="1")
    parser.add_argument("--inner", type=int, default=3)
    parser.add_argument("--fit-seeds", help="by commas; that of the infants by default")
    parser.add_argument("--members", action="store_true")
    return parser.parse_args()


def of_members(
    fitted: CrossFit, rows: list[Example], y: np.ndarray, patterns: list[str],
    told: np.ndarray, seed: int,
) -> str:  # fmt: skip
    """AUC of each member alone, and which abnormal infants the ensemble calls normal."""
    config = fitted.method.network
    alone = [member.risk([e.sequence.values for e in rows]) for member in fitted.classifiers] or [
        scores_of(member, rows, config) for member in fitted.networks if config is not None
    ]
    aucs = ", ".join(f"{roc_auc(risk, y):.3f}" for risk in alone)
    missed = Counter(p for p, label, said in zip(patterns, y, told, strict=True)
                     if label and said == "normal")  # fmt: skip
    of = Counter(p for p, label in zip(patterns, y, strict=True) if label)
    said = ", ".join(f"{name} {missed[name]} of {count}" for name, count in sorted(of.items()))
    return f"  fitted with seed {seed}: AUC of members {aucs}; missed: {said}"


def cohort(
    infants: int, seed: int, given: argparse.Namespace, profiles: set[str]
) -> tuple[dict[str, list[Example]], list[str]]:
    """Examples of a simulated cohort by each profile, and the infants' patterns."""
    found: dict[str, list[Example]] = {profile: [] for profile in profiles}
    patterns = []
    for recording in simulate_cohort(
        infants, seconds=given.seconds, seed=seed, difficulty=given.level
    ):
        patterns.append(str(recording.pattern))
        for profile, rows in found.items():
            sequence = pose_sequence(recording.pose, profile)
            rows.append(Example(recording.infant_id, recording.name, recording.label, sequence))
    return found, patterns


if __name__ == "__main__":
    main()
