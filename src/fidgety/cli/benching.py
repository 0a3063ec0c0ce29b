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
@click.option("--json", "out", type=click.Path(path_type=Path), help="Also write all of it here.")
def bench_command(
    size: str,
    seconds: float,
    threads: int | None,
    runs: int,
    longest_s: float | None,
    roofline: Path | None,
    out: Path | None,
) -> None:
    """Measure each part beside its plain form and this machine's limits."""
    from fidgety.bench import bench, draw, table
    from fidgety.files import write_json

    if roofline is not None and roofline.suffix.lower() not in (".svg", ".png", ".pdf"):
        raise click.BadParameter("its name must end in .svg, .png or .pdf", param_hint="--roofline")
    found = bench(size, seconds, threads, runs, longest_s)
    click.echo(table(found))
    if roofline is not None:
        click.echo(f"Drawn: {draw(found, roofline)}")
    if out is not None:
        click.echo(f"Written: {write_json(out, found)}")
