"""The command that serves the review app, or checks the log of a store."""

from __future__ import annotations

import html
import importlib.util
import os
from pathlib import Path

import click

__all__ = ["app_command"]

LEAF = ".open.html"


@click.command("app")
@click.option("--store", required=True, type=click.Path(path_type=Path), help="Folder of cases.")
@click.option("--model", "models", multiple=True, type=click.Path(path_type=Path),
              help="Add a .fidgety file to the library; may be given several times.")  # fmt: skip
@click.option("--port", default=8765, show_default=True, type=click.IntRange(0, 65535),
              help="0 takes any that is free.")  # fmt: skip
@click.option("--host", default="127.0.0.1", show_default=True,
              help="Any other than loopback needs --password-file.")  # fmt: skip
@click.option("--password-file", type=click.Path(path_type=Path),
              help="Its first line is the password (or FIDGETY_APP_PASSWORD).")  # fmt: skip
@click.option("--name", "names", multiple=True, help="A further host name browsers may use.")
@click.option("--certificate", type=click.Path(path_type=Path), help="For TLS, with --key.")
@click.option("--key", type=click.Path(path_type=Path), help="For TLS, with --certificate.")
@click.option("--no-sample", is_flag=True, help="Begin without the simulated sample case.")
@click.option("--open", "browse", is_flag=True, help="Also open the link in a browser.")
@click.option("--verify", is_flag=True, help="Check the log of the store, and leave.")
@click.option("--noted", help="With --verify: a hash noted earlier that must be in the log.")
def app_command(
    store: Path,
    models: tuple[Path, ...],
    port: int,
    host: str,
    password_file: Path | None,
    names: tuple[str, ...],
    certificate: Path | None,
    key: Path | None,
    no_sample: bool,
    browse: bool,
    verify: bool,
    noted: str | None,
) -> None:
    """Review recordings in a browser: watch, rate, reveal, sign. Nothing leaves this machine.

    Prints a link that lets a browser in. Leave with Ctrl-C; what is being worked on goes on at the
    next start.
    """
    if verify:
        _verify(store, noted)
        return
    _check_extra()
    from fidgety.app import Store
    from fidgety.app.server import Network, serve
    from fidgety.app.shelf import add_model, add_shipped
    from fidgety.files import existing

    if (certificate is None) != (key is None):
        raise click.UsageError("--certificate and --key belong together")
    password = os.environ.get("FIDGETY_APP_PASSWORD")
    if password_file is not None:
        lines = existing(password_file, "password file").read_text("utf-8").splitlines()
        password = lines[0].strip() if lines else ""
    network = Network(host, port, names, password, certificate, key)
    opened = Store(store)
    for model in models:
        add_model(opened, model)
    if not models:
        add_shipped(opened)

    def say(link: str) -> None:
        click.echo(f"Open {link}")
        click.echo("For research use only. Ctrl-C ends it.")
        if browse:
            click.launch(str(_leaf(store, link)))

    try:
        serve(opened, network, say, sample=not no_sample)
    finally:
        (store / LEAF).unlink(missing_ok=True)


def _leaf(store: Path, link: str) -> Path:
    """A page for this user alone that leads to the link.

    The link lets its reader in, and what a browser is started with can be read by every user of the
    machine.
    """
    page = (store / LEAF).absolute()
    page.unlink(missing_ok=True)
    with os.fdopen(os.open(page, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        handle.write(
            '<!doctype html><meta charset="utf-8"><title>fidgety</title>'
            f'<meta http-equiv="refresh" content="0;url={html.escape(link)}">'
        )
    return page


def _verify(store: Path, noted: str | None) -> None:
    from fidgety.app import Store, verify
    from fidgety.app.audit import head
    from fidgety.app.export import broken

    opened = Store(store, create=False)
    if faults := verify(opened, noted):
        for fault in faults:
            click.echo(str(fault), err=True)
        raise broken(faults)
    length, seal = head(opened.reading())
    click.echo(f"The log holds: {length} entries, the last one sealed with {seal}")


def _check_extra() -> None:
    """Raise E804 unless what the app is served with is installed."""
    from fidgety.errors import AppError

    for module in ("fastapi", "uvicorn"):
        if importlib.util.find_spec(module) is None:
            raise AppError(
                "E804",
                f"The review app needs {module}, which is not installed",
                remedy='pip install "fidgety[app,video]"',
            )
