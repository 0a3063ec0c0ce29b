"""Commands for single recordings: estimate, assess, convert, doctor."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fidgety.cli.options import (
    PLACE,
    engine_given,
    engine_options,
    part_options,
    pose_options,
    refuse_cluster,
)
from fidgety.cli.progress import progress
from fidgety.cli.telling import tell_each

if TYPE_CHECKING:
    from fidgety.pose.estimators.batch import Outcome
    from fidgety.pose.overlay import Privacy

__all__ = ["assess_command", "convert_command", "doctor_command", "estimate_command"]


@click.command("estimate")
@click.argument("videos", nargs=-1, required=True, type=PLACE)
@click.option("--out", required=True, type=PLACE)
@click.option("--backend", type=click.Choice(["blazepose", "onnx"]), default="blazepose")
@click.option("--weights", type=click.Path(path_type=Path), help="ONNX model, for --backend onnx.")
@click.option("--region", help="Where the infant lies: X,Y,WIDTH,HEIGHT in pixels.")
@part_options
@engine_options
@click.option("--preview", is_flag=True, help="Also write a contact sheet, NAME_preview.png.")
@click.option("--no-resume", is_flag=True, help="Do everything again.")
@click.pass_context
def estimate_command(
    ctx: click.Context,
    videos: tuple[Path | str, ...],
    out: Path | str,
    backend: str,
    weights: Path | None,
    region: str | None,
    start: float | None,
    end: float | None,
    engine: str,
    workers: int | None,
    cluster: str | None,
    preview: bool,
    no_resume: bool,
) -> None:
    """Estimate the infant's pose in films, or folders of films: one Parquet file each."""
    from fidgety.claims import claimed
    from fidgety.pose.estimators import estimate_many
    from fidgety.remote import brought, kept, shown

    options = _estimator_options(weights, region, (start, end))
    working = engine_given(engine, workers, cluster, os.cpu_count() or 1)
    refuse_cluster(working, *videos, out)
    with ExitStack() as stack:
        films = [stack.enter_context(brought(video)) for video in videos]
        folder, send = stack.enter_context(kept(out))

        def told(done: float, total: float, _outcome: object) -> None:
            show(round(done), round(total))
            send()

        with claimed(folder), progress("Estimating, seconds of film") as show:
            outcomes = estimate_many(
                films,
                folder,
                backend,
                workers=working,
                resume=not no_resume,
                progress=told,
                **options,
            )
        failed = [outcome for outcome in outcomes if outcome.error]
        tell_each(
            (outcome.video.name, text)
            for outcome in outcomes
            for text in (*outcome.warnings, *([str(outcome.error)] if outcome.error else []))
        )
        if preview:
            _draw_previews(outcomes)
    done = len(outcomes) - len(failed)
    click.echo(f"{done} of {len(outcomes)} films estimated into {shown(out)}")
    ctx.exit(2 if failed else 0)


@click.command("assess")
@click.argument("inputs", nargs=-1, required=True, type=PLACE)
@click.option(
    "--model", required=True, type=PLACE, help="A .fidgety or .onnx file, or simulated-demo."
)
@click.option("--out", required=True, type=PLACE)
@click.option("--age-weeks", type=float, help="Corrected age in weeks after term.")
@pose_options
@click.option("--backend", type=click.Choice(["blazepose", "onnx"]), default="blazepose")
@click.option("--weights", type=click.Path(path_type=Path), help="ONNX model, for --backend onnx.")
@click.option("--region", help="Where the infant lies: X,Y,WIDTH,HEIGHT in pixels.")
@part_options
@click.option("--overlay", is_flag=True, help="Also write each film with skeleton and attention.")
@click.option(
    "--privacy",
    type=click.Choice(["none", "blur", "skeleton"]),
    default="none",
    show_default=True,
    help="For --overlay: blur the face, or draw on black.",
)
@click.option(
    "--interactive/--static",
    default=True,
    show_default=True,
    help="Reports with charts to zoom into (2 MB each), or still ones (0.4 MB).",
)
@click.option("--pdf", is_flag=True, help="Also print each report to report.pdf, with chromium.")
@engine_options
@click.pass_context
def assess_command(
    ctx: click.Context,
    inputs: tuple[Path | str, ...],
    model: Path | str,
    out: Path | str,
    format: str,
    individual: str | None,
    weights: Path | None,
    region: str | None,
    start: float | None,
    end: float | None,
    overlay: bool,
    privacy: Privacy,
    engine: str,
    workers: int | None,
    cluster: str | None,
    **given: Any,
) -> None:
    """Assess recordings: films, pose files, or folders of them. Research use only.

    Writes OUT/NAME/assessment.json and report.html for each, and OUT/summary.csv. Leaves with
    status 3 if the quality gate refused a recording, 2 if one could not be read.
    """
    from fidgety.assess import Assessor
    from fidgety.claims import claimed
    from fidgety.remote import brought, kept
    from fidgety.screening import exit_status, find_inputs, screen

    working = engine_given(engine, workers, cluster)
    refuse_cluster(working, *inputs, out)
    with brought(model) as file:
        assessor = Assessor.load(file)
    with ExitStack() as stack:
        here = [stack.enter_context(brought(place)) for place in inputs]
        found = find_inputs(here, format, individual)
        folder, send = stack.enter_context(kept(out))

        def told(done: float, total: int, name: str = "") -> None:
            show(done, total, name)
            send()

        stack.enter_context(claimed(folder))
        show = stack.enter_context(progress("Assessing"))
        results = screen(
            found,
            assessor,
            folder,
            estimator_options=_estimator_options(weights, region, (start, end)),
            overlay=privacy if overlay else None,
            workers=working,
            progress=told,
            **given,
        )
    for result in results:
        click.echo(_line(result, out), err=result.error is not None)
    ctx.exit(exit_status(results))


@click.command("convert")
@click.argument("reference", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="A .fidgety file.")
@click.option("--fps", default=30.0, show_default=True, help="Of the recordings it learnt from.")
@click.option("--clip-seconds", default=1.0, show_default=True)
@click.option("--stride-seconds", default=2 / 3, show_default="2/3")
@click.option(
    "--profile", type=click.Choice(["stam", "fidgety"]), default="stam", show_default=True
)
def convert_command(
    reference: Path,
    out: Path,
    fps: float,
    clip_seconds: float,
    stride_seconds: float,
    profile: str,
) -> None:
    """Turn a checkpoint of the STAM paper's code into a model file, running nothing in it."""
    from fidgety.models.convert import convert_checkpoint

    checkpoint = convert_checkpoint(
        reference,
        out,
        fps=fps,
        clip_seconds=clip_seconds,
        stride_seconds=stride_seconds,
        profile=profile,
    )
    for note in checkpoint.notes:
        click.echo(note)
    click.echo(f"Model: {out}")


@click.command("export")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--onnx", required=True, type=click.Path(path_type=Path), help="A .onnx file.")
def export_command(model: Path, onnx: Path) -> None:
    """Write a model as ONNX: fidgety assess --model FILE.onnx then needs no torch."""
    from fidgety.models.checkpoint import load_checkpoint
    from fidgety.models.export import export_onnx
    from fidgety.models.shipped import resolve

    if onnx.suffix.lower() != ".onnx":
        raise click.BadParameter("its name must end in .onnx", param_hint="--onnx")
    click.echo(f"Model: {export_onnx(load_checkpoint(resolve(model)), onnx)}")


@click.command("doctor")
@click.option("--fetch-weights", is_flag=True, help="Fetch the pose estimator's weights.")
@click.option(
    "--privacy",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Show what a folder holds that could tell who an infant is.",
)
@click.option(
    "--strip",
    type=(click.Path(path_type=Path), click.Path(path_type=Path)),
    metavar="FILM COPY",
    help="Write a copy of a film without sound, place, camera and time of day.",
)
@click.pass_context
def doctor_command(
    ctx: click.Context, fetch_weights: bool, privacy: Path | None, strip: tuple[Path, Path] | None
) -> None:
    """Say what is installed, what is missing, and how to get it.

    With --privacy the folder is looked through instead; the status is 2 if something was found.
    """
    from fidgety.doctor import examine

    if privacy is not None:
        from fidgety.privacy import look_over, summary

        sights = look_over(privacy)
        for sight in sights:
            click.echo(str(sight))
        click.echo(summary(sights))
        ctx.exit(2 if any(sight.grave for sight in sights) else 0)
    if strip is not None:
        from fidgety.pose.encode import pictures_only

        click.echo(f"Pictures only: {pictures_only(*strip)}")
        return

    if fetch_weights:
        from fidgety.pose.estimators import fetch

        click.echo(f"Weights: {fetch()}")
    for finding in examine():
        click.echo(str(finding))


def _line(result: Any, out: Path | str) -> str:
    from fidgety.remote import shown
    from fidgety.report.words import chance

    if result.error is not None:
        return f"{result.name}: {result.error}"
    content = result.assessment
    where = f"{shown(out)}/{result.name}/report.html"
    quality = content["quality"]
    if result.state == "refused":
        reasons = " ".join(r["text"] for r in quality["reasons"] if r["severity"] == "refuse")
        return f"{result.name}: refused. {reasons} Report: {where}"
    risk, low, high = (chance(value) for value in (content["risk"], *content["interval"]))
    trained = content["model"]["trained"]
    kind = " (model trained on simulated infants)" if trained and trained["simulated"] else ""
    decision = str(content["decision"]).replace("_", " ")
    if content["decision_reason"]:
        decision += f" ({content['decision_reason'].rstrip('.')})"
    told = f"risk {risk} ({low} to {high})"
    if content["in_scope"] is False:
        return (
            f"{result.name}: {decision}, quality {quality['verdict']}. The {told} should not be "
            f"used{kind}. Report: {where}"
        )
    return f"{result.name}: {told}, {decision}, quality {quality['verdict']}{kind}. Report: {where}"


def _draw_previews(outcomes: Sequence[Outcome]) -> None:
    from fidgety.pose.overlay import preview as draw_preview
    from fidgety.pose.stored import read_native

    for outcome in outcomes:
        if not outcome.error:
            picture = outcome.pose.with_name(f"{outcome.pose.stem}_preview.png")
            draw_preview(read_native(outcome.pose), outcome.video, picture)


def _estimator_options(
    weights: Path | None, region: str | None, part: tuple[float | None, float | None]
) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if part != (None, None):
        options["part"] = (part[0] or 0.0, 1e9 if part[1] is None else part[1])
    if weights is not None:
        options["weights"] = str(weights)
    if region is not None:
        numbers = region.split(",")
        try:
            x, y, width, height = (float(number) for number in numbers)
        except ValueError as error:
            raise click.BadParameter("give X,Y,WIDTH,HEIGHT", param_hint="--region") from error
        options["region"] = (x, y, width, height)
    return options
