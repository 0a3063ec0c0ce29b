"""Epochs to MLflow, with a stand-in for the library."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from types import ModuleType

import pytest

from fidgety.errors import ConfigError
from fidgety.study.state import Epoch
from fidgety.study.tracking import mlflow_run


@pytest.fixture
def library(monkeypatch):
    """A module that notes what it is told; it accepts databases only."""
    said: list[tuple] = []
    fake = ModuleType("mlflow")

    def set_tracking_uri(uri):
        if not uri.startswith("sqlite:///"):
            raise ValueError(f"unsupported store {uri}\nmore")
        said.append(("store", uri))

    @contextmanager
    def start_run():
        said.append(("start",))
        yield
        said.append(("end",))

    fake.set_tracking_uri = set_tracking_uri  # type: ignore[attr-defined]
    fake.set_experiment = lambda name: said.append(("experiment", name))  # type: ignore[attr-defined]
    fake.start_run = start_run  # type: ignore[attr-defined]
    fake.log_params = lambda settings: said.append(("params", settings))  # type: ignore[attr-defined]
    fake.log_metrics = lambda values, step: said.append((step, values))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mlflow", fake)
    for name in ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
        monkeypatch.delenv(name, raising=False)
    return said


def test_epochs_are_logged_as_they_come(library):
    with mlflow_run("sqlite:///m.db", {"lr": 0.1}) as log:
        log(Epoch(0, 2, 0.7, 0.6, 0.8))
        log(Epoch(1, 2, 0.5, None, None))
    assert library == [
        ("store", "sqlite:///m.db"),
        ("experiment", "fidgety"),
        ("start",),
        ("params", {"lr": 0.1}),
        (0, {"train_loss": 0.7, "validation_loss": 0.6, "validation_auc": 0.8}),
        (1, {"train_loss": 0.5}),
        ("end",),
    ]


def test_nothing_is_reported_to_anyone(library):
    with mlflow_run("sqlite:///m.db", {}):
        assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
        assert os.environ["DO_NOT_TRACK"] == "true"


def test_a_store_it_does_not_accept(library):
    with (
        pytest.raises(ConfigError, match=r"E706.*mlruns: unsupported store mlruns\. .*sqlite:///"),
        mlflow_run("mlruns", {}),
    ):
        pass


def test_mlflow_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(ConfigError, match=r"E706.*pip install"), mlflow_run("sqlite:///m.db", {}):
        pass
