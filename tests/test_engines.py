"""Work on several processes and clusters: everything once, nothing lost when a worker dies."""

from __future__ import annotations

import functools
import importlib.util
import os
import signal
import sys
import warnings
from pathlib import Path

import pytest

from fidgety.engines import Engine, Lost, engine_of, spread
from fidgety.errors import ConfigError, FidgetyError


def double(number: int) -> int:
    return 2 * number


def dies_once(folder: Path, number: int) -> int:
    """Ends its process without a word the first time that 3 is to be doubled."""
    mark = folder / "died"
    if number == 3 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * number


def dies_always(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * number


def needs(module: str):
    return pytest.mark.skipif(
        importlib.util.find_spec(module) is None, reason=f"{module} is not installed"
    )


SLURM = Engine("slurm", 2, "local", retries=2)
ENGINES = [
    pytest.param(Engine(workers=1), id="here"),
    pytest.param(Engine(workers=2), id="loky"),
    pytest.param(Engine("dask", 2), id="dask", marks=[needs("distributed"), pytest.mark.slow]),
    pytest.param(SLURM, id="slurm", marks=[needs("submitit"), pytest.mark.slow]),
]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Slurm's jobs keep their files where the command was started."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*filter(None, sys.path)]))


def done(work, engine: Engine, count: int = 21) -> dict[int, int | Lost]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the engines
        found = list(spread(work, range(count), engine))
    assert len(found) == count  # each once
    return dict(found)


@pytest.mark.parametrize("engine", ENGINES)
def test_every_item_once(engine):
    assert done(double, engine) == {k: 2 * k for k in range(21)}


@pytest.mark.parametrize("engine", ENGINES[1:])
def test_a_worker_that_dies_loses_nothing(tmp_path, engine):
    found = done(functools.partial(dies_once, tmp_path), engine)
    assert found == {k: 2 * k for k in range(21)}
    assert (tmp_path / "died").exists()


def test_an_item_that_kills_every_worker_is_named_and_the_others_are_done():
    found = done(dies_always, Engine(workers=2, retries=1), 20)
    assert isinstance(found.pop(3), Lost)
    assert found == {k: 2 * k for k in range(20) if k != 3}


@pytest.mark.parametrize(
    "wrong",
    [{"kind": "cloud"}, {"workers": 0}, {"workers": 1.5}, {"cluster": "x:1"}, {"retries": -1}],
)
def test_engines_that_cannot_be(wrong):
    with pytest.raises(ConfigError, match="E702"):
        Engine(**wrong)


def test_a_number_is_so_many_processes():
    assert engine_of(3) == Engine("loky", 3)
    assert engine_of(Engine("ray", 2)).kind == "ray"
    assert engine_of(1).here
    assert not engine_of(2).here


@pytest.mark.parametrize(
    ("kind", "module"), [("ray", "ray"), ("dask", "distributed"), ("slurm", "submitit")]
)
def test_a_missing_engine_is_named(monkeypatch, kind, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(FidgetyError, match=rf"E520 .*fidgety\[{kind}\]"):
        list(spread(double, range(3), Engine(kind, 2)))


@needs("distributed")
def test_a_cluster_that_is_not_there(monkeypatch):
    import distributed

    def refuse(*_, **__):
        raise OSError("Timed out trying to connect")

    monkeypatch.setattr(distributed, "Client", refuse)
    with pytest.raises(FidgetyError, match=r"E521 .*nowhere:1.*Timed out"):
        list(spread(double, range(3), Engine("dask", cluster="nowhere:1")))
