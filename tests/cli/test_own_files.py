"""Labelled poses of a user's own, in files fidgety did not make, through the same commands.

Two recordings an infant, MediaPipe's 33 landmarks in one CSV a recording, in shares of the image,
at 25 frames a second, with gaps; labels in a table of the user's. What tells the classes is
planted: normal infants move their wrists and ankles to and fro, twice a second.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from fidgety.simulate import simulate_infant

FPS, SECONDS, SIZE, INFANTS = 25, 22, (1920, 1080), 12
LANDMARK = {
    "nose": 0, "left_eye": 2, "right_eye": 5, "left_ear": 7, "right_ear": 8, "left_shoulder": 11,
    "right_shoulder": 12, "left_elbow": 13, "right_elbow": 14, "left_wrist": 15, "right_wrist": 16,
    "left_hip": 23, "right_hip": 24, "left_knee": 25, "right_knee": 26, "left_ankle": 27,
    "right_ankle": 28,
}  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """The user's folder: clips/*.csv and labels.csv."""
    root = tmp_path_factory.mktemp("own")
    (root / "clips").mkdir()
    body = simulate_infant(5, label=1, seconds=1.0, fps=float(FPS))[0].pose
    place = np.nanmedian(body.xy, axis=0) / body.size  # (V, 2), shares of the image
    rows = []
    for number in range(INFANTS):
        label = number % 2
        for visit in "ab":
            name = f"visit-{number:02}{visit}"
            write(root / "clips" / f"{name}.csv", body.skeleton.joints, place, label, number)
            rows.append([f"child{number:02}", label, name, 11 + number % 5, "XY"[number % 3 == 0]])
    with (root / "labels.csv").open("w", newline="") as handle:
        table = csv.writer(handle)
        table.writerow(["infant_id", "label", "recording", "age_weeks", "site"])
        table.writerows(rows)
    return root


def write(path: Path, joints, place: np.ndarray, label: int, seed: int) -> None:
    rng = np.random.default_rng([seed, ord(path.stem[-1])])
    frames = FPS * SECONDS
    time = np.arange(frames) / FPS
    drift = np.cumsum(rng.normal(0, 4e-4, (frames, len(joints), 2)), axis=0)
    xy = place + drift + rng.normal(0, 5e-4, (frames, len(joints), 2))
    for joint in ("left_wrist", "right_wrist", "left_ankle", "right_ankle"):
        swing = 0.006 * (1 - label) * np.sin(2 * np.pi * 2.0 * time + rng.uniform(0, 6))
        xy[:, joints.index(joint)] += swing[:, None]
    table = np.full((frames, 33, 4), np.nan)
    for joint, landmark in LANDMARK.items():
        table[:, landmark, :2] = xy[:, joints.index(joint)]
        table[:, landmark, 2:] = 0.0, 0.98
    table[100:104, LANDMARK["left_wrist"]] = np.nan  # not seen for a moment
    header = [f"{field}_{n}" for n in range(33) for field in ("x", "y", "z", "visibility")]
    with path.open("w", newline="") as handle:
        out = csv.writer(handle)
        out.writerow(["frame", "timestamp_ms", *header])
        for n, values in enumerate(table.reshape(frames, -1)):
            told = ["" if np.isnan(v) else f"{v:.6f}" for v in values]
            out.writerow([n, round(1000 * n / FPS), *told])


@pytest.mark.slow
def test_files_of_a_users_own_go_all_the_way(run, files, tmp_path):
    study, out = tmp_path / "study", tmp_path / "results"
    size = f"{SIZE[0]}x{SIZE[1]}"
    said = run("import", files / "clips", "--out", study, "--labels", files / "labels.csv",
               "--size", size)  # fmt: skip
    assert said.status == 0, said
    assert "24" in said.out
    assert run("prepare", study).status == 0
    said = run("cv", study, "--models", "quantiles,mean-speed", "--folds", 3, "--out", out)
    assert said.status == 0, said
    assert f"{INFANTS} infants" in said.out
    assert "simulated" not in said.out.split("|")[0]
    with (out / "predictions.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == 2 * 2 * INFANTS
    fold_of = {(row["infant_id"], row["fold"]) for row in rows}
    assert len(fold_of) == INFANTS  # both recordings of an infant in one fold
    said = run("robustness", study, out, "--models", "quantiles", "--perturbations", "mirror")
    assert said.status == 0, said
    told = json.loads((out / "robustness.json").read_text("utf-8"))["rows"]
    assert {row["recordings"] + row["refused"] for row in told} == {2 * INFANTS}
    said = run("compare", out, "--study", study, "--static")
    assert said.status == 0, said
    first = said.out.split("\n\n")[1]
    found = {line.split("|")[1].strip(): line for line in first.splitlines()}
    assert float(found["quantiles"].split("|")[2].split()[0]) > 0.9  # planted, and found
    assert (out / "comparison" / "comparison.html").exists()
