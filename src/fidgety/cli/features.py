"""The command that exports engineered features for other statistical packages."""

from __future__ import annotations

from pathlib import Path

import click

from fidgety.cli.progress import progress

__all__ = ["features_command"]


@click.command("features")
@click.argument("study", type=click.Path(path_type=Path))
@click.option(
    "--set",
    "sets",
    default="all",
    show_default=True,
    help="Feature sets, by commas: chambers, chambers-sides, mccay, rahmati, fidgetyfind, "
    "quantiles, or all.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="CSV file to write.")
@click.option("--fps", type=float, help="Frame rate of sequences made elsewhere.")
@click.option("--channels", help="What rows of an array of more than 7 are: stam-toy19.")
@click.option("--skip-unlabelled", is_flag=True, help="Leave out what has no label.")
@click.pass_context
def features_command(
    ctx: click.Context,
    study: Path,
    sets: str,
    out: Path,
    fps: float | None,
    channels: str | None,
    skip_unlabelled: bool,
) -> None:
    """Write a table of engineered features of STUDY, one row a recording, for R, SPSS and others.

    A data dictionary (unit, meaning, source of each column) is written beside it.
    """
    from fidgety.study.feature_table import feature_table, sets_named, write_feature_table
    from fidgety.study.study import Study

    names = [name.strip() for name in sets.split(",") if name.strip()]
    sets_named(names)  # before any work
    opened = Study.open(study, skip_unlabelled=skip_unlabelled, labels_needed=False)
    with progress("Measuring") as show:
        table = feature_table(opened, names, fps=fps, channels=channels, progress=show)
    for outcome in table.report.outcomes:
        for text in (*outcome.warnings, *([str(outcome.error)] if outcome.error else [])):
            click.echo(f"{outcome.name}: {text}", err=True)
    path, beside = write_feature_table(table, out)
    columns = sum(len(one.features) for one in table.sets)
    about = "simulated recordings" if opened.simulated else "recordings"
    click.echo(f"{len(table.rows)} {about}, {columns} features: {path}")
    click.echo(f"What the columns are: {beside}")
    ctx.exit(table.report.exit_status)
