"""Simulations behind the defaults of ``fidgety.statistics``; quoted in docs/statistics.md.

    python benchmarks/statistics_simulations.py [PART ...] [--repeats N] [--seed S]

Scores are drawn from normal distributions; no infant, real or simulated, is involved.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable

import numpy as np
from scipy.special import expit, logit
from scipy.stats import norm

from fidgety.errors import FidgetyWarning
from fidgety.statistics import (
    abstention_rates,
    as_of_mean,
    auc_interval,
    compare_auc,
    fit_abstention,
    fit_calibrator,
    fit_scope,
)


def coverage(rng: np.random.Generator, repeats: int) -> None:
    """Share of 95 % intervals that hold the true AUC, and their mean width."""
    methods = ("logit", "linear", "newcombe", "bootstrap")
    print(f"coverage of 95 % AUC intervals (mean width), {repeats} cohorts a row")
    print(f"{'abnormal/normal':>16} {'AUC':>5}  " + "  ".join(f"{m:>14}" for m in methods))
    for n1, n0 in ((6, 32), (15, 85), (40, 195)):
        labels = np.repeat((1, 0), (n1, n0))
        for area in (0.70, 0.82, 0.95):
            shift = norm.ppf(area) * 2**0.5
            hits, widths = dict.fromkeys(methods, 0), dict.fromkeys(methods, 0.0)
            for _ in range(repeats):
                scores = rng.normal(size=n1 + n0) + shift * labels
                for method in methods:
                    found = auc_interval(scores, labels, method=method, draws=1000, seed=rng)
                    hits[method] += found.low <= area <= found.high
                    widths[method] += found.high - found.low
            cells = (f"{hits[m] / repeats:.3f} ({widths[m] / repeats:.2f})" for m in methods)
            print(f"{n1:>8}/{n0:<7} {area:>5}  " + "  ".join(f"{c:>14}" for c in cells))


def _overconfident(x: np.ndarray) -> np.ndarray:
    return 3 * x


def _saturating(x: np.ndarray) -> np.ndarray:
    return 4 * np.tanh(x / 2)


def _even(x: np.ndarray) -> np.ndarray:
    return x


def calibrators(rng: np.random.Generator, repeats: int) -> None:
    """Log loss above that of the true risk, in millinats: smaller is better."""
    methods = ("none", "platt", "anchored", "firth", "logistic", "beta", "isotonic")
    print(f"log loss above the true risk's, x 1000, mean of {repeats} cohorts, 15 % abnormal")
    print(f"{'logits':>14} {'infants':>8}  " + "  ".join(f"{m:>9}" for m in methods))
    shapes: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "right": _even,
        "3 x too large": _overconfident,
        "saturating": _saturating,
    }
    for name, shape in shapes.items():
        for n in (20, 40, 100, 235, 1000):
            loss = {m: [] for m in methods}
            for _ in range(repeats):
                scores, labels, _ = _logits(rng, n, shape)
                test, _, risk = _logits(rng, 4000, shape)
                for method in methods:
                    if method == "none":
                        p = expit(test)
                    else:
                        try:
                            p = fit_calibrator(scores, labels, method=method).probability(test)
                        except ValueError:  # E250: plain logistic regression, classes parted
                            p = np.full(len(test), np.nan)
                    p = np.clip(p, 1e-6, 1 - 1e-6)
                    gap = risk * (np.log(risk) - np.log(p))
                    gap += (1 - risk) * (np.log1p(-risk) - np.log1p(-p))
                    loss[method].append(gap.mean() * 1000)
            cells = "  ".join(_cell(loss[m]) for m in methods)
            print(f"{name:>14} {n:>8}  {cells}")


def _cell(values: list[float]) -> str:
    failed = int(np.isnan(values).sum())
    text = f"{np.nanmean(values):.0f}" + (f" ({failed} !)" if failed else "")
    return f"{text:>9}"


def _logits(
    rng: np.random.Generator, n: int, shape: Callable[[np.ndarray], np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, labels and true risks; the classes are normal, 1.5 apart."""
    share, shift = 0.15, 1.5
    labels = np.repeat((1, 0), (round(share * n), n - round(share * n)))
    x = rng.normal(size=n) + shift * labels
    true = shift * x - shift**2 / 2 + logit(share)
    return shape(true), labels, expit(true)


def abstention(rng: np.random.Generator, repeats: int) -> None:
    """Errors on fresh infants against the stated rate, and how many are answered."""
    print(f"abstention: mean of {repeats} cohorts, 20 % abnormal, 2000 fresh scores each")
    print(f"{'infants':>8} {'stated':>7}  {'missed':>8} {'false alarms':>13} {'answered':>9}")
    fresh = np.repeat((1, 0), (400, 1600))
    for n in (50, 100, 235):
        labels = np.repeat((1, 0), (n // 5, n - n // 5))
        for error in (0.05, 0.1, 0.2):
            rows = []
            for _ in range(repeats):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", FidgetyWarning)
                    rule = fit_abstention(rng.normal(size=n) + 1.5 * labels, labels, error=error)
                found = abstention_rates(rule, rng.normal(size=2000) + 1.5 * fresh, fresh)
                rows.append((found.missed.value, found.false_alarms.value, found.answered.value))
            missed, alarms, answered = np.mean(rows, axis=0)
            print(f"{n:>8} {error:>7}  {missed:>8.3f} {alarms:>13.3f} {answered:>9.3f}")


def ensembles(rng: np.random.Generator, repeats: int) -> None:
    """Rules fitted to single members' scores of infants left out, used on the mean of four.

    Members' logits are right as they are. A third of the infants were left out by two members.
    """
    ways = {
        "single, platt": (False, "platt"),
        "single, anchored": (False, "anchored"),
        "as of the mean, platt": (True, "platt"),
        "as of the mean, anchored": (True, "anchored"),
    }
    print(f"median slope / mean ECE / log loss above the true risk's x 1000 on the mean of 4, "
          f"{repeats} cohorts, half abnormal;\nand share of new abnormal infants beyond the limit "
          "of an abstention of 10 %, without and with")  # fmt: skip
    print(f"{'AUC of one':>10} {'scatter':>8} {'infants':>8}  "
          + "  ".join(f"{name:>24}" for name in ways) + "   beyond the limit")  # fmt: skip
    for area in (0.90, 0.97):
        spread = 2 * norm.ppf(area) ** 2  # variance of one member's logit in a class, if right
        for share in (0.2, 0.5):
            for n in (32, 160):
                rows = [_ensemble(rng, n, spread, share, ways) for _ in range(repeats)]
                table = np.array([row[0] for row in rows])  # (repeats, ways, 3)
                cells = "  ".join(
                    f"{np.median(t[:, 0]):.2f} / {t[:, 1].mean():.3f} / {t[:, 2].mean():.1f}".rjust(
                        24
                    )
                    for t in np.moveaxis(table, 1, 0)
                )
                plain, right = np.mean([row[1] for row in rows], axis=0)
                print(f"{area:>10} {share:>8} {n:>8}  {cells}   {plain:.3f} {right:.3f}")


def _ensemble(
    rng: np.random.Generator, n: int, spread: float, share: float, ways: dict
) -> tuple[list[tuple[float, float, float]], tuple[float, float]]:
    def members(count: int) -> tuple[np.ndarray, np.ndarray]:
        labels = np.arange(count) % 2
        shared = rng.normal(0, (spread * (1 - share)) ** 0.5, count) + spread * (labels - 0.5)
        return shared + rng.normal(0, (spread * share) ** 0.5, (4, count)), labels

    table, labels = members(n)
    fresh, _ = members(4000)
    fresh = fresh.mean(axis=0)
    held = np.full((2, n), np.nan)
    held[0] = table[0]
    held[1, ::3] = table[1, ::3]
    true_slope = spread / (spread * (1 - share) + spread * share / 4)
    risk = expit(true_slope * fresh)
    mean = as_of_mean(held, labels, members=4)
    brought, gain = {True: mean.scores, False: np.nanmean(held, axis=0)}, mean.gain
    found = []
    for corrected, method in ways.values():
        line = fit_calibrator(
            brought[corrected], labels, method=method, anchor=gain if corrected else 1.0
        )
        p = np.clip(line.probability(fresh), 1e-9, 1 - 1e-9)
        gap = risk * (np.log(risk) - np.log(p)) + (1 - risk) * (np.log1p(-risk) - np.log1p(-p))
        group = np.digitize(p, np.quantile(p, np.arange(0.1, 0.95, 0.1)))
        ece = sum(abs((p - risk)[group == k].sum()) for k in np.unique(group)) / len(p)
        slope = true_slope / max(line.slope, 1e-9)
        found.append((slope, float(ece), 1000 * float(gap.mean())))
    beyond = []
    for corrected in (False, True):
        limit = fit_abstention(brought[corrected], labels, error=0.1).abnormal_from
        beyond.append(float((fresh[1::2] < limit).mean()))
    return found, (beyond[0], beyond[1])


def scope(rng: np.random.Generator, repeats: int) -> None:
    """False alarms on fresh recordings, and detection of shifted ones, 12 correlated features."""
    print(f"out-of-scope rule, mean of {repeats} cohorts, 12 correlated features")
    heads = ("infants", "stated", "false alarms", "found: 3 SD on 2", "same, 5 % spoilt")
    print("  ".join(f"{head:>16}" for head in heads))
    names = [f"f{k}" for k in range(12)]
    for n in (40, 100, 235):
        for rate in (0.05, 0.1):
            rows = []
            for _ in range(repeats):
                mix = rng.normal(size=(12, 12)) + 2 * np.eye(12)
                table, new = rng.normal(size=(n, 12)) @ mix, rng.normal(size=(500, 12)) @ mix
                spread = np.abs(mix).sum(axis=0) ** 0.5
                odd = new + np.where(np.arange(12) < 2, 3 * np.sqrt((mix**2).sum(0)), 0)
                rule = fit_scope(table, names, false_alarm=rate, seed=rng)
                spoilt = table.copy()
                spoilt[: n // 20] += 30 * spread
                robust = fit_scope(spoilt, names, false_alarm=rate, seed=rng)
                rows.append(
                    (
                        (rule.distance(new) > rule.limit).mean(),
                        (rule.distance(odd) > rule.limit).mean(),
                        (robust.distance(odd) > robust.limit).mean(),
                    )
                )
            alarms, found, spoilt_found = np.mean(rows, axis=0)
            cells = (n, rate, *(round(float(v), 3) for v in (alarms, found, spoilt_found)))
            print("  ".join(f"{cell:>16}" for cell in cells))


def speed(rng: np.random.Generator, repeats: int) -> None:
    """Median processor time of the common calls; run it with OMP_NUM_THREADS=1."""
    print(f"median processor time of {min(repeats, 15)} runs, ms")
    for n in (200, 1000):
        labels = np.arange(n) < n // 5
        scores, other = rng.normal(size=(2, n)) + labels
        calls = {
            "AUC, DeLong": lambda s=scores, y=labels: auc_interval(s, y),
            "AUC, bootstrap 5000": lambda s=scores, y=labels: auc_interval(
                s, y, method="bootstrap", draws=5000
            ),
            "paired DeLong": lambda s=scores, o=other, y=labels: compare_auc(s, o, y),
        }
        for name, call in calls.items():
            times = []
            for _ in range(min(repeats, 15)):
                start = time.process_time()
                call()
                times.append(time.process_time() - start)
            print(f"{n:>6} infants  {name:<20} {np.median(times) * 1000:8.1f}")


PARTS = {
    "coverage": coverage,
    "calibrators": calibrators,
    "abstention": abstention,
    "ensembles": ensembles,
    "scope": scope,
    "speed": speed,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help=f"any of {', '.join(PARTS)}; all if left out")
    parser.add_argument("--repeats", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"no part {', '.join(sorted(unknown))}; choose from {', '.join(PARTS)}")
    for part in options.parts or PARTS:
        PARTS[part](np.random.default_rng(options.seed), options.repeats)
        print()


if __name__ == "__main__":
    main()
