"""The main job on a small simulated study, from nothing to one infant's report."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fidgety.assess import Assessment, Assessor
from fidgety.report import write_report
from fidgety.report.words import chance
from fidgety.simulate import simulate_infant, simulate_study
from fidgety.study.final import Final, final_folder, train_final
from fidgety.study.preparing import prepare_study
from fidgety.study.runs import Validation, train_run, validate_run
from fidgety.study.splits import make_splits, write_splits
from fidgety.study.study import Study

__all__ = ["DemoResult", "run_demo"]

INFANTS, SECONDS, FOLDS, INNER = 60, 30.0, 4, 3
NEW_INFANT = 1_000_000  # far from the study's own seeds


@dataclass(frozen=True)
class DemoResult:
    """What the demo made.

    Parameters
    ----------
    model, report : Path
        The trained model; the page of the new infant.
    test : Validation
        How a network does on infants it was not trained on.
    final : Final
        The model, an ensemble of such networks, and how each does on infants that it left out.
    assessment : Assessment
        Of the new infant.
    """

    model: Path
    report: Path
    test: Validation
    final: Final
    assessment: Assessment


def run_demo(
    out: str | os.PathLike[str], seed: int = 0, say: Callable[[str], None] = print
) -> DemoResult:
    """Simulate, prepare, split, train, test; train on all; then assess a new simulated infant.

    Parameters
    ----------
    out : path-like
        Folder: new, empty, or that of a demo with the same seed, which is done again.
    seed : int
        Of the simulated infants.
    say : callable
        Told each step as it is done.
    """
    root = Path(out)
    folder = simulate_study(
        root / "study", infants=INFANTS, seconds=SECONDS, seed=seed, difficulty="easy"
    )
    say(f"Simulated {INFANTS} infants of {SECONDS:.0f} s, half of them abnormal: {folder}")
    study = Study.open(folder)
    prepare_study(study, workers=os.cpu_count() or 1)
    write_splits(study, make_splits(study, folds=FOLDS, seed=seed))
    say(f"Prepared and split into {FOLDS} folds, infants kept apart")
    run = train_run(study, name=f"demo_seed{seed}", resume=True)
    test = validate_run(run.folder, study, "test")
    say(f"Trained a network for {len(run.epochs)} epochs. {test}")
    final = _final(study, f"demo_final_seed{seed}")
    say(f"Trained the model to assess with on all infants: {final}")
    new = simulate_infant(
        NEW_INFANT + seed, label=seed % 2, seconds=60.0, difficulty="easy", infant_id="new"
    )[0]
    pose_path = new.pose.save(root / "new_infant.parquet")
    model = final.folder / "model.fidgety"
    assessment = Assessor.load(model).assess(pose_path, name="new_infant", age_weeks=new.age_weeks)
    place = root / "assessment"
    assessment.save(place)
    report = write_report(assessment.to_dict(), place / "report.html")
    truth = "abnormal" if new.label else "normal"
    if assessment.risk is None:
        say(f"A new simulated infant ({truth}) was refused by the quality gate")
    else:
        ends = assessment.interval or (assessment.risk, assessment.risk)
        risk, low, high = (chance(value) for value in (assessment.risk, *ends))
        say(
            f"A new simulated infant ({truth}): risk {risk} "
            f"({low} to {high}), {str(assessment.decision).replace('_', ' ')}"
        )
    return DemoResult(model, report, test, final, assessment)


def _final(study: Study, name: str) -> Final:
    folder = final_folder(study, "fidgety", name)
    if (folder / "model.fidgety").exists():  # of an earlier demo, which is done again
        shutil.rmtree(folder)
    return train_final(study, inner=INNER, name=name, workers=os.cpu_count() or 1)
