"""Commands that train and measure: train, validate, cv, compare."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fidgety.cli.progress import progress

if TYPE_CHECKING:
    from fidgety.study.training import NetworkConfig

__all__ = ["compare_command", "cv_command", "train_command", "validate_command"]


@click.command("train")
@click.argument("study", type=click.Path(path_type=Path))
@click.option(
    "--model", "method", default="stam", show_default=True, help="Settings to start from."
)
@click.option("--fold-id", default=0, show_default=True, help="Which split.")
@click.option("--name", help="Folder of the run below STUDY/runs.")
@click.option("--resume", is_flag=True, help="Go on with a run that was killed.")
@click.option("--max-epoch", type=int, help="Passes over the training part.")
@click.option("--batch-size", type=int, help="Windows a step.")
@click.option("--lr", type=float, help="Learning rate.")
@click.option("--weight-decay", type=float)
@click.option("--optimizer", type=click.Choice(["adam", "adamw"], case_sensitive=False))
@click.option(
    "--patience", type=int, help="Epochs without a better validation loss before the end."
)
@click.option("--seed", type=int)
@click.option("--clip-size", type=int, help="Frames of a clip.")
@click.option("--stride", type=int, help="Frames from the start of one clip to the next.")
@click.option("--clip-seconds", type=float, help="As --clip-size, in seconds.")
@click.option("--stride-seconds", type=float, help="As --stride, in seconds.")
@click.option("--length", type=int, help="Use only the first frames of each recording.")
@click.option("--channels", help="What rows of an array of more than 7 are: stam-toy19; or 7.")
@click.option("--max-hop", type=int, help="Largest distance in bones of neighbours.")
@click.option("--dilation", type=int, help="Step of that distance.")
@click.option("--gcn-strategy", type=click.Choice(["uniform", "distance", "spatial"]))
@click.option("--z-dim", type=int, help="Width of clip vectors.")
@click.option("--alpha-dim", type=int, help="Hidden width of clip attention.")
@click.option("--beta-dim", type=int, help="Hidden width of joint attention.")
@click.option("--dropout-context", type=float)
@click.option("--dropout-gcn", type=float)
@click.option("--suffix-len", type=int, help="Accepted and not needed: infants are known by name.")
@click.option("--aggregation", type=click.Choice(["mean", "max"]), help="Of the windows' risks.")
@click.option("--fps", type=float, help="Frame rate of sequences made elsewhere.")
@click.option("--no-cuda", is_flag=True, help="Train on the CPU even if there is a GPU.")
@click.option("--devices", default=1, show_default=True, help="Devices to train on.")
@click.option("--precision", default="32-true", show_default=True, help="As lightning fabric.")
@click.option("--mlflow", help="Also log to this MLflow store, such as sqlite:///mlflow.db.")
@click.option("--skip-unlabelled", is_flag=True, help="Leave out what has no label.")
def train_command(study: Path, **given: Any) -> None:
    """Train a network on one fold of STUDY (a folder or its config.yaml).

    The best epoch is chosen by the validation part; the test part is never looked at.
    """
    from lightning_fabric import Fabric

    from fidgety.study.methods import method_named
    from fidgety.study.runs import train_run
    from fidgety.study.study import Study

    opened = Study.open(study, skip_unlabelled=given["skip_unlabelled"])
    network = method_named(given["method"]).network
    epochs = given["max_epoch"] or (network.training.max_epoch if network else 1)
    fps = given["fps"] or 30.0
    fabric = Fabric(
        accelerator="cpu" if given["no_cuda"] else "auto",
        devices=given["devices"],
        precision=given["precision"],
    )
    fabric.launch()
    with progress("Training") as show, _mlflow(given["mlflow"], given) as log:

        def on_epoch(epoch: Any) -> None:
            log(epoch)
            auc = "" if epoch.validation_auc is None else f"val AUC {epoch.validation_auc:.3f}"
            show(epoch.epoch + 1, epochs, f"loss {epoch.train_loss:.3f} {auc}")

        run = train_run(
            opened,
            method=given["method"],
            fold=given["fold_id"],
            change=_changes(given, fps),
            name=given["name"],
            resume=given["resume"],
            fps=given["fps"],
            channels=None if given["channels"] in (None, "7") else given["channels"],
            length_s=None if given["length"] is None else given["length"] / fps,
            on_epoch=on_epoch,
            fabric=fabric,
        )
    if run.validation is not None:
        click.echo(str(run.validation))
    click.echo(f"Kept epoch {run.kept_epoch + 1} of {len(run.epochs)}. Run: {run.folder}")


@click.command("validate")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--part", type=click.Choice(["val", "test"]), default="val", show_default=True)
def validate_command(run: Path, part: str) -> None:
    """Measure the model of RUN (a folder below STUDY/runs) on infants it was not trained on."""
    from fidgety.study.runs import validate_run

    result = validate_run(run, part=part)  # type: ignore[arg-type]
    click.echo(str(result))
    click.echo(f"Predictions: {result.path}")


@click.command("cv")
@click.argument("study", type=click.Path(path_type=Path))
@click.option("--models", default="stam,quantiles", show_default=True, help="Names, by commas.")
@click.option("--folds", default=5, show_default=True)
@click.option("--repeats", default=1, show_default=True, help="Divisions into folds.")
@click.option("--seed", default=0, show_default=True)
@click.option("--out", required=True, type=click.Path(path_type=Path))
@click.option("--workers", default=1, show_default=True, help="Processes, one thread each.")
@click.option("--resume", is_flag=True, help="Accepted and not needed: finished folds are kept.")
@click.option("--skip-unlabelled", is_flag=True, help="Leave out what has no label.")
def cv_command(
    study: Path,
    models: str,
    folds: int,
    repeats: int,
    seed: int,
    out: Path,
    workers: int,
    resume: bool,
    skip_unlabelled: bool,
) -> None:
    """Cross-validate models on STUDY, infants kept apart; every prediction is out of fold."""
    from fidgety.study.comparison import compare
    from fidgety.study.experiment import cross_validate
    from fidgety.study.study import Study

    opened = Study.open(study, skip_unlabelled=skip_unlabelled)
    names = [name.strip() for name in models.split(",") if name.strip()]
    with progress("Cross-validating") as show:
        cross_validate(
            opened,
            names,
            out,
            folds=folds,
            repeats=repeats,
            seed=seed,
            workers=workers,
            progress=show,
        )
    click.echo(compare(out).table())


@click.command("compare")
@click.argument("folder", type=click.Path(path_type=Path))
def compare_command(folder: Path) -> None:
    """Compare the models of a cross-validation: AUC with intervals, paired differences."""
    from fidgety.study.comparison import compare

    click.echo(compare(folder).table())


def _changes(given: dict[str, Any], fps: float) -> Callable[[NetworkConfig], NetworkConfig]:
    """The options that were given, as a change of a method's settings."""

    def chosen(*names: str, **renamed: str) -> dict[str, Any]:
        pairs = [(name, name) for name in names] + list(renamed.items())
        return {to: given[name] for to, name in pairs if given[name] is not None}

    def seconds(name: str, frames: str) -> dict[str, float]:
        if given[frames] is not None:
            return {name: given[frames] / fps}
        option = {"length_s": "clip_seconds", "stride_s": "stride_seconds"}[name]
        return {} if given[option] is None else {name: given[option]}

    model = chosen(
        "max_hop", "dilation", "z_dim", "alpha_dim", "beta_dim", "dropout_context", "dropout_gcn",
        strategy="gcn_strategy",
    )  # fmt: skip
    clip = {**seconds("length_s", "clip_size"), **seconds("stride_s", "stride")}
    training = chosen(
        "max_epoch", "batch_size", "lr", "weight_decay", "optimizer", "patience", "seed"
    )

    def change(config: NetworkConfig) -> NetworkConfig:
        return replace(
            config,
            model=replace(config.model, **model),
            clip=replace(config.clip, **clip),
            training=replace(config.training, **training),
            **chosen("aggregation"),
        )

    return change


def _mlflow(store: str | None, given: dict[str, Any]) -> Any:
    """A context that logs epochs to MLflow, or to nowhere."""
    from contextlib import contextmanager

    @contextmanager
    def logging() -> Any:
        if store is None:
            yield lambda epoch: None
            return
        from fidgety.study.tracking import mlflow_run

        with mlflow_run(store, {k: v for k, v in given.items() if v is not None}) as log:
            yield log

    return logging()
