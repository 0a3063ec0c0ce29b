"""A made-up cross-validation folder: planted scores and every further file. Nothing measured."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit

MODELS = {"strong": 2.2, "middling": 0.9, "guess": 0.0}
DECISIONS = ("model", "repeat", "fold", "infant_id", "recording", "label", "threshold", "forced",
             "decision", "in_scope")  # fmt: skip
PREDICTIONS = ("model", "repeat", "fold", "infant_id", "recording", "label", "score", "probability")


def make_folder(
    root: Path,
    *,
    infants: int = 60,
    repeats: int = 1,
    evidence: bool = True,
    simulated: bool = True,
    names: dict[str, float] = MODELS,
) -> Path:
    """Write predictions, experiment.json and, with `evidence`, all further files."""
    root.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(3)
    labels = (np.arange(infants) % 3 == 0).astype(int)
    predictions, decided = [], []
    for model, strength in names.items():
        for repeat in range(repeats):
            z = strength * (labels - 1 / 3) + rng.normal(size=infants)
            for i in range(infants):
                who = [model, repeat, i % 5, f"i{i:03d}", f"r{i:03d}", labels[i]]
                risk = float(expit(z[i] - 0.7))
                predictions.append([*who, float(expit(z[i])), risk])
                forced = "abnormal" if risk >= 0.4 else "normal"
                decided.append([*who, 0.4, forced, "cannot_say" if 0.3 < risk < 0.5 else forced,
                                "yes"])  # fmt: skip
    write(root / "predictions.csv", PREDICTIONS, predictions)
    digest = hashlib.sha256((root / "predictions.csv").read_bytes()).hexdigest()
    about = {"simulated": simulated, "folds": 5, "seed": 7, "error": 0.1,
             "predictions_sha256": digest}  # fmt: skip
    (root / "experiment.json").write_text(json.dumps(about))
    if evidence:
        write(root / "decisions.csv", DECISIONS, decided)
        cohort = [[f"r{i:03d}", f"i{i:03d}", labels[i], 9 + i % 11, ("north", "south")[i % 2]]
                  for i in range(infants)]  # fmt: skip
        write(root / "cohort.csv", ("recording", "infant_id", "label", "age_weeks", "site"), cohort)
        for name, content in further(list(names)).items():
            (root / f"{name}.json").write_text(json.dumps(content))
    return root


def write(path: Path, columns: tuple[str, ...], rows: list[list[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as handle:
        table = csv.writer(handle, lineterminator="\n")
        table.writerow(columns)
        table.writerows(rows)


def further(models: list[str]) -> dict[str, Any]:
    """The four optional files, in the form that the commands write."""

    def area(value: float) -> dict[str, float]:
        return {"auc": value, "low": value - 0.04, "high": value + 0.04}

    bench = [
        {"model": m, "perturbation": name, "group": "noise", "setting": "", "infants": 60,
         "refused": refused, "auc": auc, "auc_low": auc and auc - 0.05, "auc_high": auc and
         auc + 0.05, "baseline_auc": 0.9, "difference": auc and auc - 0.9, "slope": 1.1,
         "ece": 0.03, "brier": 0.1, "brier_prevalence": 0.22, "answered": 0.8,
         "holds": auc is None or auc > 0.85}
        for m in models
        for name, auc, refused in (("none", 0.9, 0), ("noise twice", 0.88, 2),
                                   ("20 % joints lost", 0.71, 0), ("10 s", None, 60))
    ]  # fmt: skip
    scores = [
        {"model": m, "measure": measure, "explanation": kind, "value": value, "low": value * 0.9,
         "high": value * 1.1, "infants": 20, "what": ""}
        for m in models
        for kind in ("attention", "contribution")
        for measure, value in (("clip_auc", 0.81), ("contribution_sum_error", 2e-7))
    ]  # fmt: skip
    curves = [
        {"model": m, "kind": "deletion", "order": order, "fraction": [0.0, 0.2, 1.0],
         "change": [0.0, change, 0.4]}
        for m in models
        for order, change in (("contribution", 0.21), ("attention", 0.13), ("random", 0.03))
    ]  # fmt: skip
    curve = [{"model": m, "infants": n, "repeat": 0, "auc": auc, "low": auc - 0.1,
              "high": auc + 0.1, "seconds": 1.0} for m in models
             for n, auc in ((20, 0.6), (100, 0.75), (400, 0.9))]  # fmt: skip
    permuted = {"runs": [area(0.48), area(0.53)], "mean": 0.505, "low": 0.44, "high": 0.57,
                "passed": True}  # fmt: skip
    return {
        "self_test": {"model": models[0], "simulated": True, "infants": 60, "recordings": 180,
                      "pieces": 3, "infant_wise": area(0.71), "record_wise": area(0.87),
                      "gap": {"value": 0.16, "low": 0.1, "high": 0.22, "p": 1e-4},
                      "permuted": permuted, "permuted_record_wise": permuted | {"mean": 0.63}},
        "robustness": {"models": models, "rows": bench},
        "explanations": {"rows": scores, "curves": curves},
        "learning_curve": {"rows": curve},
    }  # fmt: skip
