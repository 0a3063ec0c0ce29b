"""Commands that train and measure: train, validate, compare."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fidgety.cli.options import precision_option
from fidgety.cli.progress import progress
from fidgety.cli.telling import tell_cores

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from fidgety.models.network import NetworkSettings
    from fidgety.study.study import Study
    from fidgety.study.training import Epoch, NetworkConfig

__all__ = ["train_command", "validate_command"]


@click.command("train")
@click.argument("study", type=click.Path(path_type=Path))
@click.option(
    "--model", "method", default="fidgety", show_default=True, help="Settings to start from."
)
@click.option("--fold-id", default=0, show_default=True, help="Which split.")
@click.option("--name", help="Folder of the run below STUDY/runs.")
@click.option("--resume", is_flag=True, help="Go on with a run that was killed.")
@click.option(
    "--max-epoch", type=int, help="Passes over the training part, however few the infants."
)
@click.option("--batch-size", type=int, help="Windows a step.")
@click.option("--lr", type=float, help="Learning rate.")
@click.option("--weight-decay", type=float)
@click.option("--optimizer", type=click.Choice(["adam", "adamw"], case_sensitive=False))
@click.option(
    "--patience", type=int, help="Epochs without a better validation loss before the end."
)
@click.option("--quick", is_flag=True, help="Shorter training; what else is given holds.")
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
@click.option("--suffix-len", type=int, help="Checked against the labels, which name the infants.")
@click.option("--aggregation", type=click.Choice(["mean", "max"]), help="Of the windows' risks.")
@click.option("--fps", type=float, help="Frame rate of sequences made elsewhere.")
@click.option("--no-cuda", is_flag=True, help="Train on the CPU even if there is a GPU.")
@click.option("--devices", default=1, show_default=True, help="Devices of each machine.")
@click.option("--nodes", default=1, show_default=True, help="Machines; start it on each of them.")
@precision_option
@click.option("--mlflow", help="Also log to this MLflow store, such as sqlite:///mlflow.db.")
@click.option("--skip-unlabelled", is_flag=True, help="Leave out what has no label.")
@click.option(
    "--final",
    is_flag=True,
    help="Train an ensemble on all infants instead of one fold: the model to assess with.",
)
@click.option(
    "--inner",
    default=5,
    show_default=True,
    help="With --final: parts of the infants, each left out by a member; a further one is added.",
)
@click.option("--workers", type=int, help="With --final: processes, each for a member.")
def train_command(study: Path, **given: Any) -> None:
    """Train a network on one fold of STUDY (a folder or its config.yaml).

    The weights kept are those of the last epoch (fidgety) or of the best one by the validation part
    (other models); the test part is never looked at.

    With --final all infants are trained on: each member of an ensemble leaves some out, and their
    scores calibrate it. Its risks carry an interval, a stated error rate and a check of scope.
    """
    from fidgety.claims import claimed
    from fidgety.study.record import write_record
    from fidgety.study.runs import run_folder, train_run
    from fidgety.study.study import Study

    if given["workers"] is not None and not given["final"]:
        raise click.UsageError("--workers trains the members of --final side by side")
    opened = Study.open(study, skip_unlabelled=given["skip_unlabelled"])
    if given["final"]:
        _train_final(opened, given)
        return
    source = {
        "fps": given["fps"],
        "channels": None if given["channels"] in (None, "7") else given["channels"],
    }
    seconds = _in_seconds(given, opened, source)
    if given["suffix_len"] is not None:
        _check_suffix(opened, given["suffix_len"])
    fabric = _fabric(given)
    with ExitStack() as stack:
        if fabric.is_global_zero:
            folder = run_folder(opened, given["method"], given["fold_id"], given["name"])
            stack.enter_context(claimed(folder))
        on_epoch = stack.enter_context(_shown(given, fabric.is_global_zero))
        run = train_run(
            opened,
            method=given["method"],
            fold=given["fold_id"],
            change=_changes(given, seconds),
            name=given["name"],
            resume=given["resume"],
            length_s=seconds.get("length"),
            on_epoch=on_epoch,
            fabric=fabric,
            **source,
        )
        if fabric.is_global_zero:
            write_record(run.folder, "train", given, opened)
        _part(fabric)
    if fabric.is_global_zero:
        if run.validation is not None:
            click.echo(str(run.validation))
        click.echo(f"Kept epoch {run.kept_epoch + 1} of {len(run.epochs)}. Run: {run.folder}")


def _train_final(study: Study, given: dict[str, Any]) -> None:
    from fidgety.claims import claimed
    from fidgety.study.final import final_folder, train_final
    from fidgety.study.record import write_record

    taken = ("method", "inner", "name", "fps", "seed", "channels", "workers")
    context = click.get_current_context()
    extra = [
        f"--{key.replace('_', '-')}"
        for key in given
        if key not in (*taken, "final", "skip_unlabelled", "no_cuda", "resume")
        and context.get_parameter_source(key) is click.core.ParameterSource.COMMANDLINE
    ]
    if extra:
        raise click.UsageError(f"With --final the model's own settings hold: leave out {extra[0]}")
    folder = final_folder(study, given["method"], given["name"])
    tell_cores(given["inner"] + 1)
    with claimed(folder), progress("Training members") as show:
        done = train_final(
            study,
            method=given["method"],
            inner=given["inner"],
            seed=given["seed"] or 0,
            name=given["name"],
            fps=given["fps"],
            channels=None if given["channels"] in (None, "7") else given["channels"],
            workers=1 if given["workers"] is None else given["workers"],
            progress=show,
            finish=lambda folder: write_record(folder, "train", given, study),
        )
    click.echo(str(done))
    click.echo(f"Model: {done.folder / 'model.fidgety'}")


@click.command("validate")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--part", type=click.Choice(["val", "test"]), default="val", show_default=True)
def validate_command(run: Path, part: str) -> None:
    """Measure the model of RUN (a folder below STUDY/runs) on infants it was not trained on."""
    from fidgety.study.runs import validate_run

    result = validate_run(run, part=part)  # type: ignore[arg-type]
    click.echo(str(result))
    click.echo(f"Predictions: {result.path}")


def _in_seconds(given: dict[str, Any], study: Study, source: dict[str, Any]) -> dict[str, float]:
    """Options that count frames, as seconds of the study's own frame rate."""
    from fidgety.study.runs import frame_rate

    found = {
        name: given[f"{name}_seconds"]
        for name in ("clip", "stride")
        if given[f"{name}_seconds"] is not None
    }
    frames = {"clip": given["clip_size"], "stride": given["stride"], "length": given["length"]}
    frames = {name: count for name, count in frames.items() if count is not None}
    for name, count in frames.items():
        if count < 1 or name in found:
            raise click.BadParameter(
                f"--{name} in frames must be 1 or more" if count < 1 else "given twice",
                param_hint=f"--{name}",
            )
    if frames:
        fps = frame_rate(study, **source)
        found |= {name: count / fps for name, count in frames.items()}
    return found


def _changes(
    given: dict[str, Any], seconds: dict[str, float]
) -> Callable[[NetworkConfig], NetworkConfig]:
    """The options that were given, as a change of a method's settings."""

    def chosen(*names: str) -> dict[str, Any]:
        return {name: given[name] for name in names if given[name] is not None}

    model = chosen(
        "max_hop", "dilation", "z_dim", "alpha_dim", "beta_dim", "dropout_context", "dropout_gcn"
    )
    if given["gcn_strategy"] is not None:
        model["strategy"] = given["gcn_strategy"]
    clip = {f"{name}_s": value for name, value in seconds.items() if name == "stride"}
    clip |= {"length_s": seconds["clip"]} if "clip" in seconds else {}
    training = chosen(
        "max_epoch",
        "batch_size",
        "lr",
        "weight_decay",
        "optimizer",
        "patience",
        "precision",
        "seed",
    )
    training |= {"min_steps": 0} if "max_epoch" in training else {}  # what was asked for decides

    def change(config: NetworkConfig) -> NetworkConfig:
        if given["quick"]:
            from fidgety.study.quick import quick_network

            config = quick_network(config)
        return replace(
            config,
            model=_changed(config.model, model),
            clip=replace(config.clip, **clip),
            training=replace(config.training, **training),
            **chosen("aggregation"),
        )

    return change


def _changed(settings: NetworkSettings, values: dict[str, Any]) -> NetworkSettings:
    """Settings of a network with the options given; refuse those that it does not have."""
    from fidgety.errors import ConfigError

    lacking = sorted(set(values) - set(settings.__dataclass_fields__))
    if lacking:
        raise ConfigError(
            "E701",
            f"This network has no {', '.join(lacking)}",
            where=type(settings).__name__,
            remedy="Leave the option out, or choose --model stam",
        )
    return replace(settings, **values)  # type: ignore[type-var]


def _check_suffix(study: Study, length: int) -> None:
    """Refuse a --suffix-len that would make other infants of the recordings than the labels."""
    from fidgety.errors import StudyError

    for recording in study.recordings:
        code = recording.name[: len(recording.name) - length]
        if recording.infant_id not in (recording.name, code):
            raise StudyError(
                "E284",
                f"--suffix-len {length} makes infant {code!r} of a recording that the labels give "
                f"to {recording.infant_id!r}",
                where=recording.name,
                remedy="Leave the option out: infants are known by the labels",
            )


def _fabric(given: dict[str, Any]) -> Fabric:
    from lightning_fabric import Fabric

    fabric = Fabric(
        accelerator="cpu" if given["no_cuda"] else "auto",
        devices=given["devices"],
        num_nodes=given["nodes"],
        precision=given["precision"],
    )
    fabric.launch()
    return fabric


def _part(fabric: Fabric) -> None:
    """Leave the other processes together: one that ends while others still speak is aborted."""
    from torch import distributed

    if fabric.world_size > 1 and distributed.is_initialized():
        fabric.barrier()
        distributed.destroy_process_group()


@contextmanager
def _shown(given: dict[str, Any], first: bool) -> Iterator[Callable[[Epoch], None] | None]:
    """Epochs as progress and, on request, in MLflow; from the first device only."""
    if not first:
        yield None
        return
    with ExitStack() as stack:
        show = stack.enter_context(progress("Training"))
        log: Callable[[Epoch], None] | None = None
        if given["mlflow"] is not None:
            from fidgety.study.tracking import mlflow_run

            settings = {name: value for name, value in given.items() if value is not None}
            log = stack.enter_context(mlflow_run(given["mlflow"], settings))

        def on_epoch(epoch: Epoch) -> None:
            if log is not None:
                log(epoch)
            auc = "" if epoch.validation_auc is None else f", val AUC {epoch.validation_auc:.3f}"
            show(epoch.epoch + 1, epoch.planned, f"loss {epoch.train_loss:.3f}{auc}")

        yield on_epoch
