"""How hard is a simulated study, and what gives the label away?

For each difficulty, the out-of-fold ROC-AUC (five folds, infants kept apart) of logistic
regressions on: mean speed alone; quantiles of speed and acceleration of each joint, nineteen of
them and the package's own rival; a spectral oracle that is told which bands matter; and on each
thing that must not tell the classes apart. Intervals are 95 % bootstrap intervals over infants.

    OMP_NUM_THREADS=1 python benchmarks/simulation_calibration.py --seeds 0 1 2 --out build
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import spectrogram
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fidgety.files import write_json, write_text
from fidgety.models.quantiles import quantile_features
from fidgety.motion import CHANNELS, compute_features
from fidgety.simulate import DIFFICULTIES, SimulatedRecording, simulate_cohort

FPS = 30.0
LEVELS = np.arange(0.05, 0.96, 0.05)
BANDS_HZ = ((0.5, 1.0), (1.0, 1.5), (1.5, 2.0), (2.0, 3.0), (3.0, 4.0), (4.0, 5.5), (5.5, 8.0))
STRENGTH = {"mean speed": 1.0, "spectral oracle": 1.0}  # inverse penalty; 0.01 for the others
FloatArray = NDArray[np.float64]


def measures(recording: SimulatedRecording) -> dict[str, FloatArray]:
    """What each way of telling the classes apart looks at, by its name in the table."""
    pose = recording.pose
    features = compute_features(pose, profile="fidgety")  # (7, T, V)
    at = {name: features[row] for row, name in enumerate(CHANNELS)}
    speed = np.hypot(at["velocity_x"], at["velocity_y"])  # (T, V)
    push = np.hypot(at["acceleration_x"], at["acceleration_y"])
    velocity = np.stack([at["velocity_x"], at["velocity_y"]], axis=-1)
    third = np.abs(np.diff(pose.xy, n=3, axis=0))  # mostly the tracker's error
    scale = recording.camera.focal_px / np.linalg.norm(recording.camera.center)
    return {
        "mean speed": np.log([np.nanmean(speed)]),
        "quantile regression": np.log(
            1e-3 + np.nan_to_num(np.nanquantile([speed, push], LEVELS, axis=1)).ravel()
        ),
        "quantile regression (`QuantileRegression`)": quantile_features(features),
        "spectral oracle": spectral(np.nan_to_num(velocity)),
        "spread of positions": np.log(
            1e-3 + np.nan_to_num(np.nanstd(features[:2], axis=1)).ravel()
        ),
        "error level": np.log([np.nanquantile(third, 0.1) / scale + 1e-6]),
        "frame rate": np.array([pose.fps]),
        "missing share": np.array([np.isnan(pose.xy[..., 0]).mean()]),
        "confidence": pose.confidence.mean(axis=0),
        "camera": np.array([*recording.camera.axes.ravel(), scale, *recording.camera.size]),
        "age and site": np.array([recording.age_weeks, *(recording.site == s for s in "ABC")]),
    }


def spectral(velocity: FloatArray) -> FloatArray:
    """How the power of the velocity (T, V, 2) is shared between bands, in windows of 2 s.

    Mean over joints of the mean log share, over all windows and over the calmer half of them.
    """
    frequency, _, power = spectrogram(velocity, FPS, nperseg=60, noverlap=30, axis=0)
    power = power.sum(axis=2)  # (F, V, W), both directions
    bands = np.stack([power[(frequency >= a) & (frequency < b)].sum(axis=0) for a, b in BANDS_HZ])
    total = bands.sum(axis=0)  # (V, W)
    share = np.log((bands + 1e-9) / (total + 1e-8))  # (B, V, W)
    calm = np.broadcast_to(total <= np.median(total, axis=1, keepdims=True), share.shape)
    return np.concatenate([share.mean(axis=(1, 2)), share.mean(axis=2, where=calm).mean(axis=1)])


def out_of_fold(features: FloatArray, label: NDArray[np.int_], strength: float) -> FloatArray:
    """Scores (N,) of infants by regressions that have not seen them."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=5000))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    return cross_val_predict(model, features, label, cv=folds, method="decision_function")


def interval(score: FloatArray, label: NDArray[np.int_]) -> tuple[float, float]:
    """95 % bootstrap interval of the AUC over infants."""
    rng = np.random.default_rng(0)
    draws = rng.integers(len(label), size=(1000, len(label)))
    values = [roc_auc_score(label[d], score[d]) for d in draws if 0 < label[d].mean() < 1]
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)


def calibration(difficulty: str, infants: int, seconds: float, seed: int) -> dict[str, dict]:
    """One column of the table: AUC and interval of every way of telling the classes apart."""
    started = time.perf_counter()
    cohort = list(simulate_cohort(infants, seconds=seconds, seed=seed, difficulty=difficulty))  # type: ignore[arg-type]
    spent = time.perf_counter() - started
    label = np.array([recording.label for recording in cohort])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a joint never seen has no quantiles
        tables = [measures(recording) for recording in cohort]
    column: dict[str, dict] = {"": {"difficulty": difficulty, "seed": seed, "simulated_s": spent}}
    for name in tables[0]:
        score = out_of_fold(
            np.stack([table[name] for table in tables]), label, STRENGTH.get(name, 0.01)
        )
        low, high = interval(score, label)
        column[name] = {"auc": float(roc_auc_score(label, score)), "interval": [low, high]}
    return column


def markdown(columns: list[dict[str, dict]]) -> str:
    """The table: a row for each way, a column for each difficulty and seed."""
    heads = [f"{c['']['difficulty']}, seed {c['']['seed']}" for c in columns]
    lines = ["| AUC of | " + " | ".join(heads) + " |", "|---|" + "---|" * len(heads)]
    for name in list(columns[0])[1:]:
        cells = [
            f"{c[name]['auc']:.2f} [{c[name]['interval'][0]:.2f}, {c[name]['interval'][1]:.2f}]"
            for c in columns
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--infants", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--difficulties", nargs="+", default=list(DIFFICULTIES))
    parser.add_argument("--out", type=Path, default=Path("build"))
    options = parser.parse_args()
    columns = []
    for difficulty in options.difficulties:
        for seed in options.seeds:
            columns.append(calibration(difficulty, options.infants, options.seconds, seed))
            print(markdown(columns[-1:]), flush=True)
    write_json(options.out / "simulation_calibration.json", columns)
    write_text(options.out / "simulation_calibration.md", markdown(columns))
    print(markdown(columns))


if __name__ == "__main__":
    main()
