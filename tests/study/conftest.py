"""A small prepared study that the tests of runs and experiments copy."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from learning import TINY, network
from small_studies import write_study

from fidgety.motion import WindowConfig
from fidgety.study.methods import METHODS
from fidgety.study.preparing import prepare_study
from fidgety.study.splits import make_splits, write_splits
from fidgety.study.study import Study


@pytest.fixture(scope="session")
def prepared(tmp_path_factory) -> Path:
    """Ten infants of 4 s, one with two recordings, prepared and split."""
    root = tmp_path_factory.mktemp("prepared") / "study"
    names = [f"i{k:02}" for k in range(10)]
    rows = [f"{name},{k % 2},{name}_v0,{10 + k},A\n" for k, name in enumerate(names)]
    rows.append("i00,0,i00_v1,20,B\n")
    recordings = [f"{name}_v0" for name in names] + ["i00_v1"]
    write_study(root, "infant_id,label,recording,age_weeks,site\n" + "".join(rows), recordings,
                frames=120)  # fmt: skip
    study = Study.open(root)
    prepare_study(study)
    write_splits(study, make_splits(study, folds=2, seed=0))
    return root


@pytest.fixture
def study(prepared, tmp_path) -> Study:
    """A copy of the prepared study to spoil."""
    root = tmp_path / "study"
    shutil.copytree(prepared, root)
    return Study.open(root)


@pytest.fixture
def tiny(monkeypatch):
    """The methods with networks that train in a moment."""
    small = replace(network(TINY, max_epoch=2), window=WindowConfig(4.0, 1.0))
    for name, method in list(METHODS.items()):
        if method.network is not None:
            monkeypatch.setitem(METHODS, name, replace(method, network=small))
