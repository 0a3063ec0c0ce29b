"""Work on several processes and clusters: everything once, nothing lost when a worker dies."""

from __future__ import annotations

import functools
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
import warnings
from concurrent.futures import CancelledError, ProcessPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path
from random import Random
from types import SimpleNamespace

import pytest

from fidgety.engines import Engine, Lost, cluster, dask_tasks, engine_of, spread
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
    [{"kind": "cloud"}, {"workers": 0}, {"workers": 1.5}, {"cluster": "x:1"}, {"retries": -1},
     {"retries": 0.5}],
)  # fmt: skip
def test_engines_that_cannot_be(wrong):
    ((_, value),) = wrong.items()
    with pytest.raises(ConfigError, match=f"E702 .*{value}"):
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


@pytest.mark.parametrize(
    ("refuses", "words"),
    [(True, "E521 .*sbatch.*the partition"), (False, "E523 .* 3 items left.*sbatch")],
)
def test_slurm_that_is_not_there_and_one_that_takes_no_more(monkeypatch, refuses, words):
    submitit = pytest.importorskip("submitit")

    class Executor:
        """Takes jobs once; they die."""

        def __init__(self, **_):
            self.refuses = refuses

        def update_parameters(self, **_):
            pass

        def map_array(self, _, __, parts):
            if self.refuses:
                raise FileNotFoundError("sbatch")
            self.refuses = True
            return [SimpleNamespace(result=dies, cancel=lambda: None) for _ in parts]

    def dies():
        raise ValueError("node failure")

    monkeypatch.setattr(submitit, "AutoExecutor", Executor)
    monkeypatch.setattr(submitit.helpers, "as_completed", lambda jobs, **_: iter(jobs))
    with pytest.raises(FidgetyError, match=words):
        list(spread(double, range(3), Engine("slurm", 1)))
    assert not list(Path.cwd().iterdir())  # nothing is left of the jobs' files


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
@needs("submitit")
def test_slurm_where_nothing_can_be_written(tmp_path, monkeypatch):
    (tmp_path / "kept").mkdir(mode=0o500)
    monkeypatch.chdir(tmp_path / "kept")
    with pytest.raises(FidgetyError, match="E502"):
        list(spread(double, range(3), Engine("slurm", 1)))


def test_a_cluster_that_grows_is_given_more(monkeypatch):
    monkeypatch.setattr(cluster, "LOOK_S", 0.0)
    cores, most = iter([1, 1, 3, 3, 3, *[1] * 40]), []

    def ended(waiting):
        most.append(len(waiting))
        return next(iter(waiting))

    given = cluster.handed_out(dict.fromkeys(range(40), "x"), lambda: next(cores), str, ended)
    assert list(given) == [(k, str(k)) for k in range(40)]
    assert most[:5] == [4, 4, 12, 12, 12]


class Future:
    """A task of `Scheduler`: done at once, or forgotten."""

    def __init__(self, status: str, value: object) -> None:
        self.status, self.value = status, value

    def add_done_callback(self, told):
        told(self)

    def result(self, timeout=None):
        if self.status == "cancelled":
            raise CancelledError("scheduler-connection-lost")
        return self.value

    def exception(self):
        return MemoryError("its worker was killed")


class Scheduler:
    """A stand-in for Dask: each client does some items, then the scheduler is lost."""

    def __init__(self, *done: int, kills: int | None = None) -> None:
        self.done, self.kills = list(done), kills
        self.clients = 0

    def Client(self, address, **_):  # noqa: N802
        self.clients += 1
        if self.clients == 1:  # the first only looks whether it answers
            return Client(0, self)
        if not self.done:
            raise OSError(f"Timed out trying to connect to {address}")
        return Client(self.done.pop(0), self)


class Client:
    status = "running"

    def __init__(self, most: int, scheduler: Scheduler) -> None:
        self.left, self.of, self.scheduler = most, scheduler, self

    def ncores(self):
        return {"tcp://worker": 1}

    def sync(self, asked, **_):
        return asked()

    def submit(self, work, item, **_):
        if item == self.of.kills:
            return Future("error", None)
        self.left -= 1
        return Future("finished" if self.left >= 0 else "cancelled", work(item))

    def close(self, timeout):
        raise TimeoutError


@pytest.fixture
def scheduler(monkeypatch):
    def install(*done: int, **more: int) -> tuple[Scheduler, Engine]:
        stand_in = Scheduler(*done, **more)
        monkeypatch.setitem(sys.modules, "distributed", stand_in)  # type: ignore[arg-type]
        return stand_in, Engine("dask", cluster="tcp://x:1", retries=2)

    return install


def test_a_scheduler_that_was_lost_and_is_back_does_the_rest(scheduler):
    stand_in, engine = scheduler(5, 0, 0, 9, 0, 100)  # two in vain, then again
    assert done(double, engine) == {k: 2 * k for k in range(21)}
    assert stand_in.clients == 7


@pytest.mark.parametrize("clients", [(5,), (5, 0, 0, 0, 100)])
def test_a_scheduler_that_is_lost_for_good_is_told_and_what_is_done_was_given(scheduler, clients):
    stand_in, engine = scheduler(*clients)
    given: dict[int, object] = {}
    with pytest.raises(FidgetyError, match=r"E523 .* 16 items left \(tcp://x:1\).*same command"):
        given.update(spread(double, range(21), engine))
    assert stand_in.clients == 5


def test_an_item_that_kills_dask_workers_is_named(scheduler):
    _, engine = scheduler(100, kills=3)
    found = done(double, engine)
    assert found.pop(3) == Lost("MemoryError: its worker was killed")
    assert len(found) == 20


def test_a_dask_cluster_without_workers_is_told(scheduler, monkeypatch):
    monkeypatch.setattr(dask_tasks, "LOOK_S", 0.001)
    monkeypatch.setattr(cluster, "PATIENCE_S", 0.01)
    monkeypatch.setattr(Future, "add_done_callback", lambda *_: None)  # nothing ever ends
    monkeypatch.setattr(Client, "ncores", lambda _: {})
    _, engine = scheduler(100)
    with pytest.raises(FidgetyError, match=r"E523 .*no worker is left"):
        done(double, engine)


@pytest.mark.parametrize("lost", ["head", "workers"])
def test_a_ray_cluster_that_is_lost_is_told(monkeypatch, lost):
    over: list[bool] = []
    with socket.create_server(("127.0.0.1", 0)) as head:
        address = f"127.0.0.1:{head.getsockname()[1]}"
        if lost == "head":
            head.close()
        stand_in = SimpleNamespace(  # of which nothing ever ends
            is_initialized=lambda: False,
            init=lambda **_: None,
            put=lambda work: work,
            remote=lambda **_: lambda _: SimpleNamespace(remote=lambda *_: object()),
            wait=lambda *_, **__: (time.sleep(0.005), ([], []))[1],
            cluster_resources=lambda: {"CPU": 1.0},
            get_runtime_context=lambda: SimpleNamespace(gcs_address=address),
            nodes=lambda: [{"Alive": False, "Resources": {"CPU": 1.0}}],
            shutdown=lambda: over.append(True),
        )
        monkeypatch.setitem(sys.modules, "ray", stand_in)  # type: ignore[arg-type]
        monkeypatch.setattr(cluster, "PATIENCE_S", 0.01)
        why = "head does not answer" if lost == "head" else "no worker is left"
        with pytest.raises(FidgetyError, match=rf"E523 .* 3 items left.*{why}"):
            list(spread(double, range(3), Engine("ray", cluster="x:1")))
    assert over


@pytest.mark.slow
@needs("distributed")
def test_a_dask_scheduler_that_ends_and_is_started_again(tmp_path):
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    scheduler = ("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")
    worker = ("worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard")
    running: list[subprocess.Popen[bytes]] = []

    def begin() -> None:
        for more in (scheduler, worker):
            command = [sys.executable, "-m", "distributed.cli.dask_" + more[0], *more[1:]]
            running.append(
                subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            )
            answers(port)  # the scheduler, before a worker asks for it

    def end() -> None:
        while running:
            process = running.pop()
            process.kill()
            process.wait()

    # The client drops sockets while it asks again; in a process of its own no other test sees it.
    apart = ProcessPoolExecutor(1, get_context("spawn"))
    try:
        begin()
        given = apart.submit(asks, tmp_path, address)
        limit = time.monotonic() + 300
        while not (tmp_path / "first").exists() and not given.done():
            assert time.monotonic() < limit, "no result came"
            time.sleep(0.05)
        end()
        begin()
        (tmp_path / "go").touch()
        assert given.result(300) == {k: 2 * k for k in range(6)}
    finally:
        end()
        apart.shutdown()


def free_port() -> int:
    """A port that nobody uses, from below those that the system gives to whoever asks for any."""
    for port in Random(os.getpid()).sample(range(20_000, 30_000), 100):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    pytest.fail("no port is free")


def answers(port: int) -> None:
    """Wait until somebody listens."""
    end = time.monotonic() + 300
    while time.monotonic() < end:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 10):
            return
        time.sleep(0.1)
    pytest.fail(f"nobody listens at {port}")


def asks(folder: Path, address: str) -> dict[int, object]:
    """Has six numbers doubled, and says when the first is."""
    given: dict[int, object] = {}
    engine = Engine("dask", cluster=address)
    for item, result in spread(functools.partial(waits, folder), range(6), engine):
        given[item] = result
        (folder / "first").touch()
    return given


def waits(folder: Path, number: int) -> int:
    """Doubles 0 at once, and others only when they may."""
    while number and not (folder / "go").exists():
        time.sleep(0.05)
    return 2 * number
