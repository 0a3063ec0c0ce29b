"""The main job on a small simulated study, from nothing to one infant's report."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fidgety.assess import Assessment, Assessor
from fidgety.report import write_report
from fidgety.report.words import chance
from fidgety.simulate import simulate_infant, simulate_study
from fidgety.study.preparing import prepare_study
from fidgety.study.runs import Validation, train_run, validate_run
from fidgety.study.splits import make_splits, write_splits
from fidgety.study.study import Study

__all__ = ["DemoResult", "run_demo"]

INFANTS, SECONDS, FOLDS = 60, 30.0, 4
NEW_INFANT = 1_000_000  # far from the study's own seeds


@dataclass(frozen=True)
class DemoResult:
    """What the demo made.

    Parameters
    ----------
    model, report : Path
        The trained model; the page of the new infant.
    validation, test : Validation
        How the model does on infants it was not trained on.
    assessment : Assessment
        Of the new infant.
    """

    model: Path
    report: Path
    validation: Validation
    test: Validation
    assessment: Assessment


def run_demo(
    out: str | os.PathLike[str], seed: int = 0, say: Callable[[str], None] = print
) -> DemoResult:
    """Simulate, prepare, split, train, validate; then assess a new simulated infant.

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
    name = f"demo_seed{seed}"
    run = train_run(study, name=name, resume=True)
    assert run.validation is not None
    say(f"Trained {len(run.epochs)} epochs. {run.validation}")
    test = validate_run(run.folder, study, "test")
    say(str(test))
    new = simulate_infant(
        NEW_INFANT + seed, label=seed % 2, seconds=60.0, difficulty="easy", infant_id="new"
    )[0]
    pose_path = new.pose.save(root / "new_infant.parquet")
    model = run.folder / "model.fidgety"
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
    return DemoResult(model, report, run.validation, test, assessment)
