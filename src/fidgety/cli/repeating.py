"""Repeat a finished run and compare."""

from __future__ import annotations

import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

__all__ = ["reproduce_command"]


@click.command("reproduce")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--study", type=click.Path(path_type=Path), help="The study, if it was moved.")
@click.option("--keep", is_flag=True, help="Keep the repeated run beside the first.")
@click.pass_context
def reproduce_command(ctx: click.Context, run: Path, study: Path | None, keep: bool) -> None:
    """Repeat RUN, a folder of fidgety train or cv, with the same data and settings, and compare.

    Leaves with status 0 if everything is equal bit for bit, 2 if not.
    """
    from fidgety.errors import StudyError
    from fidgety.study.record import check_inputs, compare_outputs, read_record
    from fidgety.study.study import Study

    record = read_record(run)
    source = study or record.study
    skip = bool(record.arguments.get("skip_unlabelled"))
    check_inputs(record, Study.open(source, skip_unlabelled=skip))
    again = run.resolve().parent / f"{run.resolve().name}-again-{secrets.token_hex(3)}"
    try:
        _repeat(ctx, record.command, record.arguments, source, again)
        differences = compare_outputs(record, again, run)
    finally:
        if not keep:
            shutil.rmtree(again, ignore_errors=True)
    if differences:
        raise StudyError(
            "E532",
            f"The repeated run differs: {'; '.join(differences[:5])}",
            where=run.name,
            remedy="Compare the versions and the machine in both record.json; keep it with --keep",
        )
    click.echo(f"Equal bit for bit: {', '.join(record.outputs)}")


def _repeat(
    ctx: click.Context, command: str, arguments: dict[str, Any], study: Path, again: Path
) -> None:
    """Run the recorded command into another folder."""
    from fidgety.cli.evidence import cv_command
    from fidgety.cli.training import train_command
    from fidgety.errors import StudyError

    if command == "train" and again.parent.resolve() != (study / "runs").resolve():
        raise StudyError(
            "E530",
            "The run does not lie in its study",
            where=again.parent,
            remedy="Give STUDY/runs/NAME, and --study if the study was moved with it",
        )
    if command == "cv":
        ctx.invoke(cv_command, study=study, out=again, **arguments)
        return
    given = {**arguments, "name": again.name, "resume": False, "mlflow": None}
    if int(given.get("nodes") or 1) > 1:
        raise StudyError(
            "E530",
            f"The run was trained on {given['nodes']} machines",
            where=again.parent,
            remedy="Start it there again as it was, under another --name, and compare the models",
        )
    if int(given.get("devices") or 1) > 1:
        _train_apart(train_command, study, given)
    else:
        ctx.invoke(train_command, study=study, **given)


def _train_apart(train: click.Command, study: Path, given: dict[str, Any]) -> None:
    """Train by a command of its own, whose processes then do not compare as well."""
    from fidgety.errors import StudyError

    arguments = [sys.executable, "-m", "fidgety", "train", str(study)]
    for option in train.params:
        value = given.get(option.name or "")
        if isinstance(option, click.Option) and value not in (None, False):
            arguments += [option.opts[0]] if option.is_flag else [option.opts[0], str(value)]
    status = subprocess.run(arguments, check=False).returncode
    if status:
        raise StudyError(
            "E532", f"The repeated run failed with status {status}", remedy="See what it said above"
        )
