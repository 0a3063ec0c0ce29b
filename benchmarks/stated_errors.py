"""Is the stated error of the abstention kept? Many cohorts to learn from, thousands to ask about.

Each of `--cohorts` simulated cohorts is learnt from in turn, by the classifiers of three methods,
as inside a fold of `fidgety cv`; the infants of all the others are then asked about. A limit for
10 % that rests on 100 infants of a class differs from draw to draw, so that one cohort says little:
`expected` is the standard deviation between draws of a conformal limit on independent scores, which
is that of a beta distribution (Vovk 2012, arXiv 1209.2673). Features are kept in `--work`.

    OMP_NUM_THREADS=1 python benchmarks/stated_errors.py --work build/stated --level medium
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fidgety.models import rivals
from fidgety.models.ensemble import logits
from fidgety.models.features import SETS
from fidgety.motion import pose_sequence
from fidgety.simulate import simulate_cohort
from fidgety.statistics import abstention_rates, as_of_mean, fit_abstention
from fidgety.study.crossfit import CLASSIFIER_PARTS, deal_infants, seed_below

ERROR = 0.1
METHODS: dict[str, tuple[str, Callable[[], Any]]] = {
    "rahmati": ("rahmati", rivals.discovered),
    "mccay-fusion": ("mccay", rivals.boosted),
    "quantiles": (
        "quantiles",
        lambda: LogisticRegression(C=0.01, class_weight="balanced", max_iter=2000),
    ),
}


@dataclass(frozen=True)
class Infant:
    """What the dealing of infants to inner parts asks for."""

    infant_id: str
    label: int


def tables(work: Path, level: str, seed: int, infants: int) -> dict[str, NDArray]:
    """Features (N, p) by set and labels (N,) of one cohort, kept in a file."""
    path = work / f"{level}_{seed}_{infants}.npz"
    if not path.exists():
        found: dict[str, list[Any]] = {name: [] for name, _ in METHODS.values()}
        found["y"] = []
        for r in simulate_cohort(infants, seconds=30.0, seed=seed, difficulty=level):
            values = pose_sequence(r.pose, "fidgety").values
            for name, _ in METHODS.values():
                found[name].append(SETS[name].of(values, fps=30.0))
            found["y"].append(r.label)
        work.mkdir(parents=True, exist_ok=True)
        np.savez(path, **{name: np.array(rows) for name, rows in found.items()})
    with np.load(path) as kept:
        return {name: kept[name] for name in kept.files}


def learn_and_ask(
    name: str, cohorts: dict[int, dict[str, NDArray]], seed: int
) -> tuple[float, float]:
    """Shares of abnormal infants called normal, and of normal ones called abnormal."""
    columns, make = METHODS[name]
    x, y = cohorts[seed][columns], cohorts[seed]["y"]
    others = [kept for other, kept in cohorts.items() if other != seed]
    asked, truth = (np.concatenate([kept[part] for kept in others]) for part in (columns, "y"))
    infants = [Infant(f"i{n:04}", int(label)) for n, label in enumerate(y)]
    parts = [
        part
        for dealt in (seed, seed_below(seed, CLASSIFIER_PARTS))
        for part in deal_infants(infants, CLASSIFIER_PARTS, dealt)  # type: ignore[arg-type]
    ]
    left_out, said = np.full((len(parts), len(y)), np.nan), []
    for member, part in enumerate(parts):
        rest = np.setdiff1d(np.arange(len(y)), part)
        impute = SimpleImputer(strategy="median", keep_empty_features=True)
        line = make_pipeline(impute, StandardScaler(), make()).fit(x[rest], y[rest])
        left_out[member, part] = logits(line.predict_proba(x[part])[:, 1])
        said.append(logits(line.predict_proba(asked)[:, 1]))
    scores = as_of_mean(left_out, y, members=len(parts)).scores
    rule = fit_abstention(scores, y, error=ERROR)
    rates = abstention_rates(rule, np.mean(said, axis=0), truth)
    return rates.missed.value, rates.false_alarms.value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--level", choices=["easy", "medium", "hard"], default="medium")
    parser.add_argument("--cohorts", type=int, default=20)
    parser.add_argument("--infants", type=int, default=200)
    given = parser.parse_args()
    seeds = range(1, given.cohorts + 1)
    cohorts = {seed: tables(given.work, given.level, seed, given.infants) for seed in seeds}
    each = given.infants // 2  # infants of a class that a limit rests on
    beyond = math.floor(ERROR * (each + 1) + 1e-9)
    expected = float(beta(beyond, each + 1 - beyond).std())
    print(f"{given.cohorts} cohorts of {given.infants} simulated infants, {given.level}; stated "
          f"{ERROR:g}; expected standard deviation between draws {expected:.3f}\n")  # fmt: skip
    print("| method | missed | SD of draws | highest | false alarms | SD of draws | highest |")
    print("|---|" + "---|" * 6)
    for name in METHODS:
        rates = np.array([learn_and_ask(name, cohorts, seed) for seed in seeds])  # (S, 2)
        cells = []
        for column in rates.T:
            error = column.std(ddof=1) / math.sqrt(len(column))
            cells += [f"{column.mean():.3f} +- {error:.3f}", f"{column.std(ddof=1):.3f}",
                      f"{column.max():.3f}"]  # fmt: skip
        print(f"| `{name}` | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
