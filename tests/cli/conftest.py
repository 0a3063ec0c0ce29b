"""The command line in this process, and a small simulated study with a trained model."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import TINY, Said, quietly

from fidgety.cli import main

Run = Callable[..., Said]


@pytest.fixture
def run(capsys) -> Run:
    """Run `fidgety` with some arguments."""

    def call(*arguments: object) -> Said:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Said(int(left.value.code or 0), said.out, said.err)

    return call


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Path:
    """A simulated study, prepared, split and with a trained run: made once, never changed."""
    study = tmp_path_factory.mktemp("made") / "study"
    quietly("simulate", study, "--infants", 10, "--seconds", 8, "--fps", 30, "--seed", 1)
    quietly("prepare", study)
    quietly("split", study, "--folds", 2)
    quietly("train", study, "--max-epoch", 1, "--name", "first", *TINY)
    return study


@pytest.fixture
def study(made, tmp_path) -> Path:
    """A copy of it to spoil."""
    return Path(shutil.copytree(made, tmp_path / "study"))


@pytest.fixture(scope="session")
def model(made) -> Path:
    """A trained model."""
    return made / "runs" / "first" / "model.fidgety"


@pytest.fixture(scope="session")
def film(tmp_path_factory) -> Path:
    """A simulated recording that is long enough to be assessed."""
    from fidgety.simulate import simulate_infant

    recording = simulate_infant(77, label=0, seconds=60.0, fps=30.0)[0]
    return recording.pose.save(tmp_path_factory.mktemp("film") / "long.parquet")
