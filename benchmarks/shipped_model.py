"""Make the model that the package ships, and measure it on simulated infants it never saw.

Infants of every difficulty, of 30 and of 60 s, at 15 to 60 frames per second, as the simulator's
own tracker reports them; others drawn as films, at 20 and 30 frames per second, and followed by
BlazePose. The method `fidgety`, five members over infant-disjoint parts, calibrated, with
threshold, abstention and scope on scores of infants left out. Then fresh infants of other seeds, as
they are, perturbed and filmed. Everything is simulated. Writes ``simulated-demo.fidgety`` and its
card ``simulated-demo.md``. Films and their poses are kept in ``--work`` and taken from there.

    OMP_NUM_THREADS=1 python benchmarks/shipped_model.py --work build/shipped
"""

from __future__ import annotations

import argparse
import csv
import platform
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np

from fidgety.errors import PoseError
from fidgety.files import write_json, write_text
from fidgety.models import load_checkpoint, save_checkpoint
from fidgety.models.ensemble import logits
from fidgety.models.export import export_onnx
from fidgety.models.shipped import SHIPPED, shipped_path
from fidgety.models.trained import TrainedModel
from fidgety.motion import pose_sequence
from fidgety.pose.estimators import estimate
from fidgety.pose.pose import Pose
from fidgety.pose.quality import assess_quality, mend
from fidgety.pose.stored import read_native
from fidgety.simulate import simulate_cohort, simulate_study
from fidgety.statistics import auc_interval
from fidgety.study.final import train_final
from fidgety.study.perturb import PERTURBATIONS, perturbed
from fidgety.study.study import Study

NAME = "simulated-demo"
LEVELS = ("easy", "medium", "hard")
PARTS = [(level, seconds) for level in LEVELS for seconds in (30.0, 60.0)]
FILMED = [(level, fps) for level in LEVELS for fps in (20.0, 30.0)]
FILM_PX, FILM_S, FILM_SEED = 640, 30.0, 100
NOTES = (
    "Trained on simulated infants only: what it says of a real infant means nothing.",
    "It shows how the software works. It is no medical device and has no clinical accuracy.",
)


def films_of(folder: Path, level: str, fps: float, infants: int, seed: int) -> Path:
    """Simulated infants drawn as films, with BlazePose's poses of them in ``poses``."""
    part = folder / f"{level}_{fps:.0f}fps_{seed}"
    if not (part / "labels.csv").is_file():  # it is written last
        simulate_study(
            part, infants=infants, seconds=FILM_S, fps=fps, seed=seed, difficulty=level,
            films=FILM_PX,
        )  # fmt: skip
    (part / "poses").mkdir(exist_ok=True)
    for film in sorted((part / "films").glob("*.mp4")):
        pose = part / "poses" / f"{film.stem}.parquet"
        if not pose.is_file():
            estimate(film).save(pose)
            print(pose, flush=True)
    return part


def study_of_all(root: Path, films: Path, infants: int, filmed: int, seed: int) -> Study:
    """A simulated study of every difficulty, length and way of being seen together."""
    poses = root / "estimated_poses"
    shutil.rmtree(root, ignore_errors=True)
    poses.mkdir(parents=True)
    rows = []

    def take(part: Path, folder: str, prefix: str) -> None:
        for row in table_rows(part / "labels.csv"):
            name = f"{prefix}_{row['recording']}"
            pose = read_native(part / folder / f"{row['recording']}.parquet")
            quality = assess_quality(pose, float(row["age_weeks"]))
            if quality.verdict == "refused":
                print(f"{name} refused: {[reason.code for reason in quality.reasons]}", flush=True)
                continue
            mend(pose, quality).save(poses / f"{name}.parquet")
            rows.append({**row, "infant_id": name, "recording": name})

    for number, (level, seconds) in enumerate(PARTS):
        part = root.parent / f"{root.name}_{level}_{seconds:.0f}"
        simulate_study(part, infants=infants, seconds=seconds, seed=seed + number, difficulty=level)
        take(part, "estimated_poses", f"{level}{seconds:.0f}")
        shutil.rmtree(part)
    for number, (level, fps) in enumerate(FILMED):
        part = films_of(films, level, fps, filmed, seed + FILM_SEED + number)
        take(part, "poses", f"{level}filmed{fps:.0f}")
    lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
    write_text(root / "labels.csv", "\n".join(lines) + "\n")
    write_json(root / "study.json", {"simulated": True, "seed": seed, "infants": len(rows)})
    return Study.open(root)


def table_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


Row = tuple[int, float, float, str, bool]


def answer(model: TrainedModel, label: int, age_weeks: float, pose: Pose) -> Row:
    """Label, raw and calibrated risk (NaN: refused), decision, whether it is in scope."""
    quality = assess_quality(pose, age_weeks, minimum_s=model.clip_s)
    if quality.verdict == "refused":
        return label, np.nan, np.nan, "refused", True
    try:
        sequence = pose_sequence(mend(pose, quality), model.profile)
        raw = model.infer(model.clips(sequence)).risk
    except PoseError:
        return label, np.nan, np.nan, "refused", True
    decided, scope = model.rules.decide([raw]), model.rules.scope_of(sequence)
    inside = scope is None or scope.in_scope
    said = "" if decided is None or not inside else str(decided[0])
    return label, raw, float(model.calibrated(raw)), said, inside


def line(title: str, rows: list[Row]) -> str:
    """What a card says of some recordings."""
    label, raw, risk = np.array([row[:3] for row in rows], dtype=float).T
    seen = np.isfinite(raw)
    if len(set(label[seen])) < 2:
        return f"| {title} | not defined | | | | | {int((~seen).sum())} |"
    auc = auc_interval(logits(raw[seen]), label[seen].astype(int))
    brier = float(np.mean((risk[seen] - label[seen]) ** 2))
    said = np.array([row[3] for row in rows])
    sure = np.isin(said, ("normal", "abnormal"))
    wrong = sure & ((said == "abnormal") != (label == 1))
    outside, refused = sum(not row[4] for row in rows), int((~seen).sum())
    return (
        f"| {title} | {auc.value:.3f} [{auc.low:.3f}, {auc.high:.3f}] | {brier:.3f} | "
        f"{int(sure.sum())} of {len(rows)} | {int(wrong.sum())} | {outside} | {refused} |"
    )


def table(model: TrainedModel, infants: int, seed: int, every: list[str]) -> Iterator[str]:
    """Lines of the card: fresh infants of each difficulty, and medium ones perturbed."""
    for level in LEVELS:
        cohort = list(simulate_cohort(infants, seconds=30.0, seed=seed, difficulty=level))
        for name in every if level == "medium" else ["none"]:
            rows = [
                answer(
                    model, r.label, r.age_weeks, perturbed(r.pose, PERTURBATIONS[name], seed + n)
                )
                for n, r in enumerate(cohort)
            ]
            yield line(level if name == "none" else f"{level}, {name}", rows)


def table_of_films(model: TrainedModel, films: Path, infants: int, seed: int) -> Iterator[str]:
    """Lines of the card: fresh infants drawn as films and followed by BlazePose."""
    told = []
    for number, (level, fps) in enumerate(FILMED):
        part = films_of(films, level, fps, infants, seed + number)
        rows = [
            answer(
                model, int(row["label"]), float(row["age_weeks"]),
                read_native(part / "poses" / f"{row['recording']}.parquet"),
            )
            for row in table_rows(part / "labels.csv")
        ]  # fmt: skip
        told += rows
        yield line(f"{level}, filmed at {fps:.0f} frames per second", rows)
    yield line("all the filmed", told)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--infants", type=int, default=40, help="of each difficulty and length")
    parser.add_argument("--filmed", type=int, default=12, help="of each difficulty and frame rate")
    parser.add_argument("--fresh", type=int, default=40)
    parser.add_argument("--fresh-filmed", type=int, default=5)
    parser.add_argument("--seed", type=int, default=500)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--work", type=Path, required=True, help="folder for the study")
    parser.add_argument("--out", type=Path, default=shipped_path(NAME).parent)
    options = parser.parse_args()
    films, seed = options.work / "films", options.seed
    fresh_films = 10 * (seed + FILM_SEED)
    study = study_of_all(options.work / "study", films, options.infants, options.filmed, seed)
    final = train_final(
        study, method="fidgety", inner=5, seed=0, name=NAME, workers=options.workers
    )
    print(final, flush=True)
    made = load_checkpoint(final.folder / "model.fidgety")
    out = save_checkpoint(options.out / SHIPPED[NAME], replace(made, notes=NOTES))
    export_onnx(load_checkpoint(out), out.with_suffix(".onnx"))
    model = TrainedModel.load(out)
    lines = []
    for told in (
        table(model, options.fresh, 10 * seed, list(PERTURBATIONS)),
        table_of_films(model, films, options.fresh_filmed, fresh_films),
    ):
        for text in told:
            print(text, flush=True)
            lines.append(text)
    filmed = len({r.infant_id for r in study.recordings if "filmed" in r.name})
    card = [
        f"# {NAME}",
        "",
        *(f"**{note}**" for note in NOTES),
        "",
        f"The method `fidgety`: {final}. Infants of every difficulty, of 30 and of 60 s, at 15 to "
        f"60 frames per second, as the simulator's own tracker reports them, seeds {seed} to "
        f"{seed + len(PARTS) - 1}; {filmed} of them drawn as films of 30 s and followed by "
        f"BlazePose, seeds {seed + FILM_SEED} to {seed + FILM_SEED + len(FILMED) - 1}. Fresh "
        f"infants: {options.fresh} a difficulty, seed {10 * seed}, half of them abnormal; of those "
        f"filmed seeds {fresh_films} to {fresh_films + len(FILMED) - 1}. *Decided*: in scope, and "
        "not *cannot say*.",
        "",
        "| fresh simulated infants of 30 s | AUC [95 % interval] | Brier | decided | wrong among "
        "the decided | out of scope | refused by the quality gate |",
        "|---|---|---|---|---|---|---|",
        *lines,
        "",
        f"Made and measured on {date.today().isoformat()}, {platform.machine()} {platform.system()}"
        ", no GPU, by",
        "",
        "    OMP_NUM_THREADS=1 python benchmarks/shipped_model.py --work build/shipped",
    ]
    write_text(options.out / f"{NAME}.md", "\n".join(card) + "\n")


if __name__ == "__main__":
    main()
