"""Commands that ask whether results hold: cv, robustness, explanations, learning-curve."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fidgety.cli.options import (
    PLACE,
    engine_given,
    engine_options,
    precision_option,
    refuse_cluster,
)
from fidgety.cli.progress import progress
from fidgety.cli.telling import tell_cores

if TYPE_CHECKING:
    from fidgety.study.study import Study

__all__ = [
    "cv_command",
    "explanations_command",
    "learning_curve_command",
    "robustness_command",
]


@click.command("cv")
@click.argument("study", type=PLACE)
@click.option(
    "--models",
    default="fidgety,stam,quantiles",
    show_default=True,
    help="Names, by commas; all = every method, plain = those without a network.",
)
@click.option("--folds", default=5, show_default=True)
@click.option("--repeats", default=1, show_default=True, help="Divisions into folds.")
@click.option(
    "--inner",
    type=int,
    help="Inner folds of each training part: a member of the ensemble for each and a further one; "
    "calibration rests on them. 3 by default, fewer in a small study. 1 is cheapest: one member, "
    "and calibration by a fifth of the infants.",
)
@click.option(
    "--quick", is_flag=True, help="A first answer: shorter training, and --inner 1 if not given."
)
@precision_option
@click.option("--seed", default=0, show_default=True)
@click.option(
    "--error", default=0.1, show_default=True, help="Stated error rate of the abstention."
)
@click.option("--out", required=True, type=PLACE)
@engine_options
@click.option("--fps", type=float, help="Frame rate of sequences made elsewhere.")
@click.option("--channels", help="What rows of an array of more than 7 are: stam-toy19.")
@click.option("--resume", is_flag=True, help="Accepted and not needed: finished folds are kept.")
@click.option("--skip-unlabelled", is_flag=True, help="Leave out what has no label.")
@click.option(
    "--self-test",
    is_flag=True,
    help="Look for leaks instead: the wrong split beside the right one, and permuted labels.",
)
@click.option("--permutations", default=10, show_default=True, help="Of the self-test's labels.")
def cv_command(
    study: Path | str,
    models: str,
    out: Path | str,
    resume: bool,
    skip_unlabelled: bool,
    self_test: bool,
    permutations: int,
    engine: str,
    workers: int | None,
    cluster: str | None,
    **given: Any,
) -> None:
    """Cross-validate models on STUDY, infants kept apart; every prediction is out of fold.

    With --self-test the first of --models is run on recordings dealt as if each were an infant,
    beside infants kept apart, and on permuted labels.
    """
    from fidgety.claims import claimed
    from fidgety.remote import brought, kept
    from fidgety.study.cohort_table import write_cohort
    from fidgety.study.comparison import compare
    from fidgety.study.experiment import cross_validate
    from fidgety.study.methods import names_in
    from fidgety.study.record import write_record
    from fidgety.study.study import Study

    names = names_in(models)
    working = engine_given(engine, workers, cluster)
    for option, usual in (("quick", False), ("precision", "32-true")):
        if self_test and given[option] != usual:
            raise click.UsageError(f"--self-test trains in its own way: leave out --{option}")
    refuse_cluster(working, study, out)
    with brought(study) as source, kept(out) as (folder, send):
        opened = Study.open(source, skip_unlabelled=skip_unlabelled)
        if working.kind == "loky":
            tell_cores(given["folds"] * len(names))
        if self_test:
            _test_leaks(opened, folder, names, permutations, working, given)
            return

        def told(done: float, total: int, name: str = "") -> None:
            show(done, total, name)
            send()

        with claimed(folder), progress("Cross-validating") as show:
            cross_validate(opened, names, folder, progress=told, workers=working, **given)
            settings = {"models": models, "skip_unlabelled": skip_unlabelled, **given}
            write_cohort(folder, opened)
            write_record(folder, "cv", settings, opened)
        click.echo(compare(folder).table())


def _test_leaks(
    study: Study, out: Path, names: Sequence[str], permutations: int, working: Any, given: Any
) -> None:
    from fidgety.claims import claimed
    from fidgety.study.selftest import self_test

    kept = {key: given[key] for key in ("folds", "seed", "fps", "channels")}
    model = "quantiles" if "quantiles" in names else names[0]
    with claimed(out), progress("Self-test") as show:
        found = self_test(
            study,
            out,
            model=model,
            permutations=permutations,
            progress=show,
            workers=working,
            **kept,
        )
    click.echo(str(found))
    if not found.content["permuted"]["passed"]:
        raise SystemExit(1)


@click.command("robustness")
@click.argument("study", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--models", help="Names, by commas; all of the cross-validation by default.")
@click.option("--perturbations", help="Names, by commas; all by default.")
@click.option(
    "--longer",
    type=click.Path(path_type=Path),
    help="A study of other infants with recordings of 300 s, cut to 30, 60, 120 and 300 s.",
)
@click.option("--seed", default=0, show_default=True)
@engine_options
def robustness_command(
    study: Path,
    folder: Path,
    models: str | None,
    perturbations: str | None,
    longer: Path | None,
    seed: int,
    engine: str,
    workers: int | None,
    cluster: str | None,
) -> None:
    """Perturb the test infants of a cross-validation of STUDY in FOLDER, and measure again.

    Frame rate, noise, lost joints, swaps, mirror, turn, scale, sway, length and another pose
    estimator's errors; each goes through the quality gate.
    """
    from fidgety.study.robustness import robustness
    from fidgety.study.study import Study

    with progress("Perturbing") as show:
        found = robustness(
            Study.open(study, skip_unlabelled=True),
            folder,
            models=_names(models) if models else None,
            perturbations=_names(perturbations) if perturbations else None,
            longer=None if longer is None else Study.open(longer),
            seed=seed,
            workers=engine_given(engine, workers, cluster),
            progress=show,
        )
    click.echo(found.table())


@click.command("explanations")
@click.argument("study", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--models", help="Networks, by commas; all of the cross-validation by default.")
@click.option("--seed", default=0, show_default=True)
@engine_options
def explanations_command(
    study: Path,
    folder: Path,
    models: str | None,
    seed: int,
    engine: str,
    workers: int | None,
    cluster: str | None,
) -> None:
    """Test the explanations of a cross-validation of STUDY in FOLDER.

    Against the truth of simulated infants, by deletion and insertion, and against random weights.
    """
    from fidgety.study.explanation_scores import explanation_scores
    from fidgety.study.study import Study

    with progress("Explaining") as show:
        found = explanation_scores(
            Study.open(study, skip_unlabelled=True),
            folder,
            models=_names(models) if models else None,
            seed=seed,
            workers=engine_given(engine, workers, cluster),
            progress=show,
        )
    click.echo(found.table())


@click.command("learning-curve")
@click.argument("study", type=click.Path(path_type=Path))
@click.option("--models", default="quantiles", show_default=True, help="Names, by commas.")
@click.option("--sizes", default="20,50,100,200,400", show_default=True, help="Training infants.")
@click.option("--tested", type=int, help="Test infants; all but the largest size by default.")
@click.option("--repeats", default=1, show_default=True, help="Draws of the training infants.")
@click.option("--inner", default=0, show_default=True, help="As for cv; 0: one fit to all.")
@click.option("--seed", default=0, show_default=True)
@click.option("--out", required=True, type=click.Path(path_type=Path))
@engine_options
def learning_curve_command(
    study: Path,
    models: str,
    sizes: str,
    out: Path,
    engine: str,
    workers: int | None,
    cluster: str | None,
    **given: Any,
) -> None:
    """Train on growing parts of STUDY and test on the same infants each time."""
    from fidgety.study.learning_curve import learning_curve
    from fidgety.study.study import Study

    try:
        counts = [int(size) for size in _names(sizes)]
    except ValueError:
        raise click.BadParameter("whole numbers, by commas", param_hint="--sizes") from None
    with progress("Learning") as show:
        found = learning_curve(
            Study.open(study, skip_unlabelled=True),
            out,
            models=_names(models),
            sizes=counts,
            progress=show,
            workers=engine_given(engine, workers, cluster),
            **given,
        )
    click.echo(found.table())


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
