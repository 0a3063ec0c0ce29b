"""Entry point: commands found by name and loaded when used, errors in words, exit statuses."""

from __future__ import annotations

import importlib
import sys
import warnings
from typing import Any

import click

from fidgety import __version__
from fidgety.errors import FidgetyError, FidgetyWarning

__all__ = ["fidgety", "main"]

# Command -> (module, one line for the overview). The module is imported when the command is used,
# so that `fidgety --help` answers at once.
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("study", "Simulate a small study, train, and assess a new recording."),
    "simulate": ("study", "Write a study of simulated infants."),
    "estimate": ("recordings", "Videos to poses."),
    "import": ("study", "Pose files of other tools to a study."),
    "prepare": ("study", "Clean a study's poses and compute their features."),
    "split": ("study", "Divide a study's infants into folds."),
    "train": ("training", "Train a network on one fold."),
    "validate": ("training", "Measure a trained network on its validation or test part."),
    "cv": ("evidence", "Cross-validate several models on the same folds; look for leaks."),
    "robustness": ("evidence", "Measure again on poorer input: frame rate, noise, losses, views."),
    "explanations": ("evidence", "Test explanations: truth, deletion, random weights."),
    "learning-curve": ("evidence", "AUC against the number of training infants."),
    "features": ("features", "Engineered features of a study as a table."),
    "compare": ("comparing", "Compare the models of a cross-validation: page, tables, paper."),
    "assess": ("recordings", "Assess recordings with a trained model."),
    "app": ("app", "Review recordings in a browser: watch, rate, reveal, sign."),
    "convert": ("recordings", "A checkpoint of the STAM paper's code to a model file."),
    "export": ("recordings", "A model file to ONNX, for machines without torch."),
    "reproduce": ("repeating", "Repeat a finished train or cv run and compare."),
    "bench": ("benching", "How fast each part is here, beside its plain form."),
    "doctor": ("recordings", "What is installed, what is missing, how to get it."),
}


TRAINING = ("torch", "lightning_fabric")  # what only training, and models not exported, need


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"fidgety.cli.{COMMANDS[cmd_name][0]}")
        return getattr(module, f"{cmd_name.replace('-', '_')}_command")

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in COMMANDS.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fidgety")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.option("--log", type=click.Path(), help="Add to this file what was done, as JSON lines.")
@click.pass_context
def fidgety(ctx: click.Context, debug: bool, log: str | None) -> None:
    """Infant movement assessment from ordinary video. For research use only.

    Start with: fidgety demo
    """
    if log is not None:
        from fidgety.cli.logs import log_to

        ctx.with_resource(log_to(log, str(ctx.invoked_subcommand)))


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with its exit status.

    0 done; 1 a fault of ours; 2 bad input or usage; 3 refused by the quality gate.
    """
    given = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in given
    warnings.showwarning = _show_warning
    warnings.simplefilter("always", FidgetyWarning)
    try:
        status = fidgety.main(given, prog_name="fidgety", standalone_mode=False)
    except FidgetyError as error:
        if debug:
            raise
        _say(str(error))
        status = error.exit_status
    except click.exceptions.Abort:
        _say("Stopped. What was finished is kept; run the same command again to go on.")
        status = 130
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except Exception as error:
        if debug:
            raise
        if isinstance(error, ModuleNotFoundError) and str(error.name).split(".")[0] in TRAINING:
            _say(
                f"E607 The library {error.name} is not installed: it belongs to the extra 'train'. "
                'Run: pip install "fidgety[train]"; or where it is installed: fidgety export '
                "MODEL --onnx FILE, and assess with that"
            )
            sys.exit(2)
        _say(
            f"E999 A fault in fidgety, not in your data: {type(error).__name__}: {error}. "
            "Please report it with the output of: fidgety --debug ..."
        )
        status = 1
    sys.exit(status or 0)


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    if issubclass(category, FidgetyWarning):
        _say(str(message))
