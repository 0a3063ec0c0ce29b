"""Commands that make and prepare studies: demo, simulate, import, prepare, split."""

from __future__ import annotations

from pathlib import Path

import click

from fidgety.cli.options import engine_given, engine_options, pose_options
from fidgety.cli.progress import progress
from fidgety.cli.telling import tell_each

__all__ = ["demo_command", "import_command", "prepare_command", "simulate_command", "split_command"]


@click.command("demo")
@click.option("--out", default="demo", show_default=True, type=click.Path(path_type=Path))
@click.option("--seed", default=0, show_default=True, help="Another seed, other infants.")
def demo_command(out: Path, seed: int) -> None:
    """Simulate a small study, prepare, split, train, validate, and assess a new recording.

    Under three minutes on two cores. Ends with the risk and the path of the report.
    """
    from fidgety.demo import run_demo

    result = run_demo(out, seed=seed, say=click.echo)
    click.echo(f"Report: {result.report}")


@click.command("simulate")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--infants", default=40, show_default=True)
@click.option("--abnormal-fraction", default=0.5, show_default=True)
@click.option("--seconds", default=60.0, show_default=True, help="Length of each recording.")
@click.option("--fps", type=float, help="Frame rate; 15 to 60 by chance if not given.")
@click.option("--seed", default=0, show_default=True)
@click.option(
    "--difficulty",
    type=click.Choice(["easy", "medium", "hard"]),
    default="medium",
    show_default=True,
)
@click.option("--recordings", default=1, show_default=True, help="Recordings of each infant.")
@click.option("--openpose-json", is_flag=True, help="Also write OpenPose JSON folders.")
@click.option("--films", is_flag=True, help="Also draw each recording as a film.")
@click.option("--film-pixels", default=640, show_default=True, help="Longer side of the films.")
def simulate_command(
    out: Path,
    infants: int,
    abnormal_fraction: float,
    seconds: float,
    fps: float | None,
    seed: int,
    difficulty: str,
    recordings: int,
    openpose_json: bool,
    films: bool,
    film_pixels: int,
) -> None:
    """Write a study of simulated infants to OUT, with the truth about their movements."""
    from fidgety.simulate import simulate_study

    with progress("Simulating") as show:
        study = simulate_study(
            out,
            infants=infants,
            abnormal_fraction=abnormal_fraction,
            seconds=seconds,
            fps=fps,
            seed=seed,
            difficulty=difficulty,  # type: ignore[arg-type]
            recordings_per_infant=recordings,
            openpose_json=openpose_json,
            films=film_pixels if films else None,
            progress=show,
        )
    click.echo(f"{infants} simulated infants in {study}. Next: fidgety prepare {study}")


@click.command("import")
@click.argument("src", required=False, type=click.Path(path_type=Path))
@click.option("--from-app", "store", type=click.Path(path_type=Path),
              help="In place of SRC: poses and signed readings of the review app.")  # fmt: skip
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Study folder.")
@pose_options
@click.option("--labels", type=click.Path(path_type=Path), help="CSV with infant_id,label,...")
@click.option("--skip-unlabelled", is_flag=True, help="Leave out what has no label.")
@engine_options
@click.pass_context
def import_command(
    ctx: click.Context,
    src: Path | None,
    store: Path | None,
    out: Path,
    format: str,
    skeleton: str | None,
    fps: float | None,
    size: tuple[int, int] | None,
    individual: str | None,
    labels: Path | None,
    skip_unlabelled: bool,
    engine: str,
    workers: int | None,
    cluster: str | None,
) -> None:
    """Bring the pose files of SRC (one recording, or a folder of many) into a study folder."""
    from fidgety.claims import claimed
    from fidgety.study.importing import import_study

    if (src is None) == (store is None):
        raise click.UsageError("Give SRC, or a store of the review app with --from-app")
    if store is not None:
        from fidgety.app.export import to_study

        with claimed(out):
            click.echo(to_study(store, out).summary())
        return
    assert src is not None
    with claimed(out), progress("Importing") as show:
        report = import_study(
            src,
            out,
            format,
            skeleton=skeleton,
            fps=fps,
            size=size,
            individual=individual,
            labels=labels,
            progress=show,
            skip_unlabelled=skip_unlabelled,
            workers=engine_given(engine, workers, cluster),
        )
    _finish(ctx, report)


@click.command("prepare")
@click.argument("study", type=click.Path(path_type=Path))
@click.option(
    "--profile", type=click.Choice(["fidgety", "stam"]), default="fidgety", show_default=True
)
@click.option(
    "--subsequence-seconds", type=float, help="Also write overlapping copies of this length."
)
@click.option("--fps", type=float, help="For pose files that do not say (.pkl).")
@click.option(
    "--mend/--no-mend",
    default=None,
    help="First put exchanged sides back and take a camera's movement out, as assess does; for "
    "poses that were estimated in films. By default as the study was prepared before, at first no.",
)
@engine_options
@click.option("--force", is_flag=True, help="Do everything again.")
@click.pass_context
def prepare_command(
    ctx: click.Context,
    study: Path,
    profile: str,
    subsequence_seconds: float | None,
    fps: float | None,
    engine: str,
    workers: int | None,
    cluster: str | None,
    force: bool,
    mend: bool | None,
) -> None:
    """Clean the poses of STUDY (a folder or its config.yaml) and compute their features."""
    from fidgety.claims import claimed
    from fidgety.study.preparing import prepare_study
    from fidgety.study.study import Study

    opened = Study.open(study, labels_needed=False)
    with claimed(opened.root), progress("Preparing") as show:
        report = prepare_study(
            opened,
            profile,
            subsequence_seconds=subsequence_seconds,
            fps=fps,
            workers=engine_given(engine, workers, cluster),
            force=force,
            mend=mend,
            progress=show,
        )
    _finish(ctx, report)


@click.command("split")
@click.argument("study", type=click.Path(path_type=Path))
@click.option("--folds", default=5, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--validation-fraction", default=0.2, show_default=True)
@click.option("--skip-unlabelled", is_flag=True, help="Leave out what has no label.")
def split_command(
    study: Path, folds: int, seed: int, validation_fraction: float, skip_unlabelled: bool
) -> None:
    """Divide the infants of STUDY: disjoint, stratified, test folds that do not overlap."""
    from fidgety.study.splits import make_splits, write_splits
    from fidgety.study.study import Study

    opened = Study.open(study, skip_unlabelled=skip_unlabelled)
    splits = make_splits(opened, folds, seed, validation_fraction)
    where = write_splits(opened, splits)
    first = splits[0]
    click.echo(
        f"{len(splits)} folds in {where}; fold 0: {len(first.train)} infants to train on, "
        f"{len(first.val)} to validate, {len(first.test)} to test"
    )


def _finish(ctx: click.Context, report: object) -> None:
    """Print a batch's summary and errors; leave with its status."""
    click.echo(report.summary())  # type: ignore[attr-defined]
    tell_each(
        (outcome.name, text)
        for outcome in report.outcomes  # type: ignore[attr-defined]
        for text in (*outcome.warnings, *([str(outcome.error)] if outcome.error else []))
    )
    ctx.exit(report.exit_status)  # type: ignore[attr-defined]
