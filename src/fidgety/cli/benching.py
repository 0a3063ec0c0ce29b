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
@click.option("--json", "out", type=click.Path(path_type=Path), help="Also write all of it here.")
def bench_command(
    size: str, seconds: float, threads: int | None, runs: int, out: Path | None
) -> None:
    """Measure each part beside its plain form and this machine's limits."""
    from fidgety.bench import bench, table
    from fidgety.files import write_json

    found = bench(size, seconds, threads, runs)
    click.echo(table(found))
    if out is not None:
        click.echo(f"Written: {write_json(out, found)}")
