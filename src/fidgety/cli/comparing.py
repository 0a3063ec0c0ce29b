"""Commands that tell how models compare."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["compare_command"]


@click.command("compare")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="FOLDER/comparison by default.")
@click.option("--models", help="Names, by commas; all by default.")
@click.option("--reference", help="Compare all others with this model; the best by default.")
@click.option("--prevalence", type=float, help="For PPV, NPV and net benefit, 0 to 1.")
@click.option("--threshold", type=float, help="On the calibrated risk, 0 to 1.")
@click.option("--level", default=0.95, show_default=True, help="Of all intervals.")
@click.option("--draws", default=1000, show_default=True, help="Bootstrap draws of the bands.")
@click.option("--seed", default=0, show_default=True, help="Of the bootstraps.")
@click.option("--study", type=click.Path(path_type=Path), help="For ages, sites and subgroups.")
@click.option("--paper", is_flag=True, help="Also figures (PDF, SVG), a LaTeX table, methods.")
@click.option("--pdf", is_flag=True, help="Also print the page to PDF, with chromium.")
@click.option(
    "--interactive/--static",
    default=True,
    show_default=True,
    help="Charts to zoom into (2 MB), or still ones.",
)
def compare_command(
    folder: Path,
    out: Path | None,
    models: str | None,
    reference: str | None,
    prevalence: float | None,
    threshold: float | None,
    level: float,
    draws: int,
    seed: int,
    study: Path | None,
    paper: bool,
    pdf: bool,
    interactive: bool,
) -> None:
    """Compare the models of a cross-validation in FOLDER: one page, CSV files, a table.

    Writes OUT/comparison.html and OUT/tables/*.csv; with --paper also OUT/paper. Predictions that
    were edited, or of other recordings for one model than for another, are refused.
    """
    from fidgety.report import write_pdf
    from fidgety.report.comparison_page import write_comparison
    from fidgety.report.paper import need_matplotlib, write_paper
    from fidgety.study.cohort_table import write_cohort
    from fidgety.study.comparison import compare
    from fidgety.study.findings import Settings, find
    from fidgety.study.study import Study

    if paper:
        need_matplotlib()
    table = compare(folder).table()  # refuses a folder without good predictions
    if study is not None:
        write_cohort(folder, Study.open(study))
    settings = Settings(
        level=level, draws=draws, seed=seed, prevalence=prevalence, threshold=threshold
    )
    names = None if models is None else [name.strip() for name in models.split(",")]
    found = find(folder, settings, models=names, reference=reference)
    home = folder / "comparison" if out is None else out
    page = write_comparison(found, home, interactive=interactive)
    click.echo(table)
    if paper:
        click.echo(f"Paper: {write_paper(found, home / 'paper')}")
    if pdf:
        click.echo(f"PDF: {write_pdf(page, home / 'comparison.pdf')}")
    click.echo(f"Page: {page}")
