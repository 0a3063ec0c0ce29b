"""Make the model that the package ships, and measure it on simulated infants it never saw.

Infants of every difficulty, of 30 and of 60 s, at 15 to 60 frames per second; the method `fidgety`,
five members over infant-disjoint parts, calibrated, with threshold, abstention and scope on scores
of infants left out. Then fresh infants of other seeds, as they are and perturbed. Everything is
simulated. Writes ``simulated-demo.fidgety`` and its card ``simulated-demo.md``.

    OMP_NUM_THREADS=1 python benchmarks/shipped_model.py --work build/shipped
"""

from __future__ import annotations

import argparse
import csv
import platform
import shutil
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
from fidgety.pose.quality import assess_quality, mend
from fidgety.simulate import SimulatedRecording, simulate_cohort, simulate_study
from fidgety.statistics import auc_interval
from fidgety.study.final import train_final
from fidgety.study.perturb import PERTURBATIONS, perturbed
from fidgety.study.study import Study

NAME = "simulated-demo"
PARTS = [(level, seconds) for level in ("easy", "medium", "hard") for seconds in (30.0, 60.0)]
NOTES = (
    "Trained on simulated infants only: what it says of a real infant means nothing.",
    "It shows how the software works. It is no medical device and has no clinical accuracy.",
)


def study_of_all(root: Path, infants: int, seed: int) -> Study:
    """A simulated study of every difficulty and length together."""
    poses = root / "estimated_poses"
    shutil.rmtree(root, ignore_errors=True)
    poses.mkdir(parents=True)
    rows = []
    for number, (level, seconds) in enumerate(PARTS):
        part = root.parent / f"{root.name}_{level}_{seconds:.0f}"
        simulate_study(part, infants=infants, seconds=seconds, seed=seed + number, difficulty=level)
        with (part / "labels.csv").open(encoding="utf-8", newline="") as handle:
            for row in csv.DictReader(handle):
                name = f"{level}{seconds:.0f}_{row['recording']}"
                (part / "estimated_poses" / f"{row['recording']}.parquet").rename(
                    poses / f"{name}.parquet"
                )
                rows.append({**row, "infant_id": name, "recording": name})
        shutil.rmtree(part)
    lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
    write_text(root / "labels.csv", "\n".join(lines) + "\n")
    write_json(root / "study.json", {"simulated": True, "seed": seed, "infants": len(rows)})
    return Study.open(root)


def answer(model: TrainedModel, recording: SimulatedRecording, pose) -> tuple[float, float, str]:
    """Raw and calibrated risk and decision; NaN where the recording is refused."""
    quality = assess_quality(pose, recording.age_weeks, minimum_s=model.clip_s)
    if quality.verdict == "refused":
        return np.nan, np.nan, "refused"
    try:
        sequence = pose_sequence(mend(pose, quality), model.profile)
        raw = model.infer(model.clips(sequence)).risk
    except PoseError:
        return np.nan, np.nan, "refused"
    decided = model.rules.decide([raw])
    return raw, float(model.calibrated(raw)), "" if decided is None else str(decided[0])


def table(model: TrainedModel, infants: int, seed: int, every: list[str]) -> list[str]:
    """Lines of the card: fresh infants of each difficulty, and medium ones perturbed."""
    lines = [
        "| fresh simulated infants of 30 s | AUC [95 % interval] | Brier | decided | wrong among "
        "the decided | refused by the quality gate |",
        "|---|---|---|---|---|---|",
    ]
    for level in ("easy", "medium", "hard"):
        cohort = list(simulate_cohort(infants, seconds=30.0, seed=seed, difficulty=level))
        for name in every if level == "medium" else ["none"]:
            rows = [
                answer(model, r, perturbed(r.pose, PERTURBATIONS[name], seed + n))
                for n, r in enumerate(cohort)
            ]
            raw, risk = (
                np.array(column, dtype=float) for column in list(zip(*rows, strict=True))[:2]
            )
            label = np.array([r.label for r in cohort])
            seen = np.isfinite(raw)
            title = level if name == "none" else f"{level}, {name}"
            if len(set(label[seen])) < 2:
                lines.append(f"| {title} | not defined | | | | {int((~seen).sum())} |")
                continue
            auc = auc_interval(logits(raw[seen]), label[seen])
            brier = float(np.mean((risk[seen] - label[seen]) ** 2))
            said = np.array([row[2] for row in rows])
            sure = np.isin(said, ("normal", "abnormal"))
            wrong = sure & ((said == "abnormal") != (label == 1))
            lines.append(
                f"| {title} | {auc.value:.3f} [{auc.low:.3f}, {auc.high:.3f}] | {brier:.3f} | "
                f"{int(sure.sum())} of {len(cohort)} | {int(wrong.sum())} | {int((~seen).sum())} |"
            )
            print(lines[-1], flush=True)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--infants", type=int, default=40, help="of each difficulty and length")
    parser.add_argument("--fresh", type=int, default=40)
    parser.add_argument("--seed", type=int, default=500)
    parser.add_argument("--work", type=Path, required=True, help="folder for the study")
    parser.add_argument("--out", type=Path, default=shipped_path(NAME).parent)
    options = parser.parse_args()
    study = study_of_all(options.work / "study", options.infants, options.seed)
    final = train_final(study, method="fidgety", inner=5, seed=0, name=NAME)
    print(final, flush=True)
    made = load_checkpoint(final.folder / "model.fidgety")
    out = save_checkpoint(options.out / SHIPPED[NAME], replace(made, notes=NOTES))
    export_onnx(load_checkpoint(out), out.with_suffix(".onnx"))
    lines = table(TrainedModel.load(out), options.fresh, 10 * options.seed, list(PERTURBATIONS))
    card = [
        f"# {NAME}",
        "",
        *(f"**{note}**" for note in NOTES),
        "",
        f"The method `fidgety`: {final}. Infants of every difficulty, of 30 and of 60 s, at 15 to "
        f"60 frames per second; seeds {options.seed} to {options.seed + len(PARTS) - 1}. Fresh "
        f"infants: {options.fresh} a difficulty, seed {10 * options.seed}, half of them abnormal.",
        "",
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
