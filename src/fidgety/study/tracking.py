"""Epochs to an MLflow store, only where a user asks for it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fidgety.errors import ConfigError
from fidgety.study.state import Epoch

__all__ = ["mlflow_run"]


@contextmanager
def mlflow_run(store: str, settings: dict[str, Any]) -> Iterator[Callable[[Epoch], None]]:
    """Log to an MLflow store such as ``sqlite:///mlflow.db`` until the block ends.

    Raises
    ------
    ConfigError
        E706 if MLflow is not installed or the store is not one it accepts.
    """
    for name in ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
        os.environ[name] = "true"  # MLflow reports its use by default; nothing here ever does
    try:
        import mlflow  # pyright: ignore[reportMissingImports]  # an extra
    except ImportError as error:
        raise ConfigError(
            "E706", "MLflow is not installed", remedy='Run: pip install "fidgety[mlflow]"'
        ) from error
    try:
        mlflow.set_tracking_uri(store)
        mlflow.set_experiment("fidgety")
    except Exception as error:  # mlflow raises many kinds for a store it does not like
        raise ConfigError(
            "E706",
            f"MLflow does not accept the store {store}",
            why=f"{error}".split(". ")[0].splitlines()[0] if str(error) else type(error).__name__,
            remedy="Use a database, such as sqlite:///mlflow.db",
        ) from error
    with mlflow.start_run():
        mlflow.log_params(settings)

        def log(epoch: Epoch) -> None:
            figures = epoch._asdict()
            step, _ = figures.pop("epoch"), figures.pop("planned")
            mlflow.log_metrics({k: v for k, v in figures.items() if v is not None}, step=step)

        yield log
