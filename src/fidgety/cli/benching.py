"""The command that measures."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["bench_command"]


@click.command("bench")
@click.option(
    "--size", type=click.Choice(["small", "published"]), default="small", show_default=True
)
@click.option(
    "--seconds", default=300.0, show_default=True, type=click.FloatRange(min=40, max=14400)
)
@click.option("--threads", type=click.IntRange(min=1), help="Of torch; its own number by default.")
@click.option("--runs", default=5, show_default=True, type=click.IntRange(min=1))
@click.option(
    "--growth",
    "longest_s",
    type=click.FloatRange(min=75, max=14400),
    metavar="SECONDS",
    help="Also how the time grows, with recordings of up to so many seconds; takes minutes.",
)
@click.option(
    "--roofline",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Draw each operation against the machine's limits (.svg, .png, .pdf).",
)
@click.option(
    "--curves",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Draw how the time grows, as far as --growth says (.svg, .png, .pdf).",
)
@click.option(
    "--infants",
    type=click.IntRange(min=0),
    help="Of the epoch that is timed; 0 for none. 60 by default, but 0 for the paper's network.",
)
@click.option("--json", "out", type=click.Path(path_type=Path), help="Also write all of it here.")
def bench_command(
    size: str,
    seconds: float,
    threads: int | None,
    runs: int,
    longest_s: float | None,
    roofline: Path | None,
    curves: Path | None,
    infants: int | None,
    out: Path | None,
) -> None:
    """Measure each part beside its plain form and this machine's limits."""
    from fidgety.bench import bench, draw, draw_growth, table
    from fidgety.files import write_json

    for option, path in (("--roofline", roofline), ("--curves", curves)):
        if path is not None and path.suffix.lower() not in (".svg", ".png", ".pdf"):
            raise click.BadParameter("its name must end in .svg, .png or .pdf", param_hint=option)
    if curves is not None and longest_s is None:
        raise click.UsageError("--curves draws what --growth measures: give both")
    found = bench(size, seconds, threads, runs, longest_s, infants)
    click.echo(table(found))
    for path, drawn in ((roofline, draw), (curves, draw_growth)):
        if path is not None:
            click.echo(f"Drawn: {drawn(found, path)}")
    if out is not None:
        click.echo(f"Written: {write_json(out, found)}")
