"""Kill each command at random moments and compare what comes of it: ``python benchmarks/kill_table.py``.

Every command is first run undisturbed. Then it is started again and again in an empty folder, killed
(SIGKILL) after a random share of that time, and started once more with the same arguments: what it
leaves must equal, byte for byte, what the undisturbed run left. Times and hosts that a command writes
down are the only things left out. Each run is a process of its own, forked from one that has
the libraries loaded, so that the moments fall into the work and not into the start of Python.

Needs the folder of the tests (for its small films and models). Prints one row a command.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import multiprocessing
import os
import re
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

TESTS = Path(__file__).parents[1] / "tests"
for place in (TESTS, TESTS / "pose", TESTS / "pose" / "estimators", TESTS / "study"):
    sys.path.insert(0, str(place))

VOLATILE_NAMES = (".fidgety.lock", "record.json")
VOLATILE_KEYS = ("seconds", "since", "host", "elapsed_s", "created", "made_at", "now")
TINY = ("--z-dim", "8", "--alpha-dim", "4", "--beta-dim", "4", "--max-hop", "1", "--no-cuda")
SLOW_S = 600
MOMENT = re.compile(rb"\d{1,2} \w+ \d{4}, \d\d:\d\d( UTC)?|\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)?")


@dataclass(frozen=True)
class Case:
    """A command, what it is given, and where its results lie.

    Parameters
    ----------
    name : str
        Of the command.
    arguments : callable (Path) -> list
        The command line, for the folder it works in.
    result : str
        Below that folder, what is compared.
    begin : callable (Path) -> None
        Lays out the folder.
    again : tuple of str
        More arguments when it is started again.
    statuses : tuple of int
        With which it may leave.
    """

    name: str
    arguments: Callable[[Path], list[object]]
    result: str
    begin: Callable[[Path], None]
    again: tuple[str, ...] = ()
    statuses: tuple[int, ...] = (0,)


def cases(home: Path) -> dict[str, Case]:
    """Every command that can be gone on with, on small data made in `home`."""
    made = _inputs(home)

    def copied(*names: str) -> Callable[[Path], None]:
        def begin(folder: Path) -> None:
            for name in names:
                shutil.copytree(made / name, folder / name)

        return begin

    study = lambda folder: folder / "prepared"  # noqa: E731
    found = [
        Case(
            "estimate",
            lambda f: ["estimate", made / "films", "--out", f / "poses", "--backend", "onnx",
                       "--weights", made / "m.onnx", "--workers", 1],
            "poses",
            copied(),
        ),
        Case("import", lambda f: ["import", made / "openpose", "--out", f / "study", "--fps", 30], "study", copied()),
        Case("prepare", lambda f: ["prepare", f / "raw"], "raw", copied("raw")),
        Case(
            "train",
            lambda f: ["train", study(f), "--max-epoch", 12, "--name", "r", "--resume", *TINY],
            "prepared/runs/r",
            copied("prepared"),
        ),
        Case(
            "train --final",
            lambda f: ["train", study(f), "--final", "--inner", 2, "--model", "stam", "--name", "f"],
            "prepared/runs/f",
            copied("prepared"),
        ),
        Case(
            "cv",
            lambda f: ["cv", study(f), "--models", "stam,quantiles,mean-speed", "--folds", 2, "--out", f / "cv"],
            "cv",
            copied("prepared"),
        ),
        Case(
            "assess",
            lambda f: ["assess", made / "long", "--model", made / "model.fidgety", "--out", f / "out"],
            "out",
            copied(),
            statuses=(0, 3),
        ),
    ]  # fmt: skip
    return {case.name: case for case in found}


def _inputs(home: Path) -> Path:
    """Films, poses, a study raw and prepared, and a model: small, simulated, made once."""
    import graphs
    from films import film
    from single import model_file

    from fidgety.simulate import simulate_infant

    made = home / "made"
    if (made / "finished").exists():
        return made
    shutil.rmtree(made, ignore_errors=True)
    (made / "films").mkdir(parents=True)
    for k in range(5):
        film(made / "films" / f"f{k}.mp4", [graphs.picture(k + j % 3) for j in range(30)])
    graphs.simcc(made / "m.onnx")
    model_file(made)
    for k in range(6):
        pose = simulate_infant(k, label=k % 2, seconds=40.0, fps=30.0)[0].pose
        pose.save(made / "long" / f"r{k}.parquet")
    for arguments in (
        ["simulate", made / "raw", "--infants", 16, "--seconds", 8, "--fps", 30, "--seed", 1],
        ["simulate", made / "json", "--infants", 8, "--seconds", 4, "--fps", 30, "--openpose-json"],
    ):
        assert _run([str(a) for a in arguments]) == 0
    where = next(path for path in (made / "json").iterdir() if "openpose" in path.name)
    where.rename(made / "openpose")
    shutil.copytree(made / "raw", made / "prepared")
    for command in (["prepare"], ["split", "--folds", "2"]):
        assert _run([command[0], str(made / "prepared"), *command[1:]]) == 0
    (made / "finished").touch()
    return made


def _run(arguments: list[str], kill_after: float | None = None) -> int:
    """Run a command in a forked process; its status, or -9 if it was killed."""
    context = multiprocessing.get_context("fork")
    process = context.Process(target=_command, args=(arguments,))
    process.start()
    process.join(SLOW_S if kill_after is None else kill_after)
    if process.exitcode is None:
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
    return int(process.exitcode or 0)


def _command(arguments: list[str]) -> None:
    from fidgety.cli import main

    _small_networks()
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    main(arguments)


def _small_networks() -> None:
    """The networks that cv trains, reduced so that a fold takes a moment."""
    from learning import TINY as SMALL
    from learning import network

    from fidgety.motion import WindowConfig
    from fidgety.study.methods import METHODS

    small = replace(network(SMALL, max_epoch=4), window=WindowConfig(4.0, 1.0))
    for name, method in list(METHODS.items()):
        if method.network is not None:
            changes: dict[str, Any] = {"network": small}
            if getattr(method, "candidates", None):
                changes["candidates"] = {}
            METHODS[name] = replace(method, **changes)


def contents(folder: Path, home: Path) -> dict[str, str]:
    """What a folder holds: name -> digest, without what may differ from run to run."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_dir() or path.name in VOLATILE_NAMES:
            continue
        raw = path.read_bytes().replace(str(home).encode(), b"HOME")
        if path.suffix == ".json":
            raw = json.dumps(_still(json.loads(raw)), sort_keys=True).encode()
        elif path.suffix == ".html":  # the moment it was made is told
            raw = MOMENT.sub(b"", raw)
        elif path.suffix == ".pt":
            raw = b""  # the state to resume from: its end is in the model beside it
        found[name] = hashlib.sha256(raw).hexdigest()
    return found


def _still(content: Any) -> Any:
    if isinstance(content, dict):
        return {k: _still(v) for k, v in content.items() if k not in VOLATILE_KEYS}
    return [_still(v) for v in content] if isinstance(content, list) else content


def row(case: Case, moments: int, seed: int, home: Path, ledger: Path | None) -> dict[str, Any]:
    """Kill a command at some moments; the row of the table. What the ledger holds is not done again."""
    known = [
        line for line in _lines(ledger) if (line["command"], line["seed"]) == (case.name, seed)
    ]

    def fresh() -> Path:
        folder = Path(tempfile.mkdtemp(dir=home))
        case.begin(folder)
        return folder

    def call(folder: Path, kill_after: float | None = None, again: bool = False) -> int:
        more = case.again if again else ()
        return _run([str(a) for a in (*case.arguments(folder), *more)], kill_after)

    undisturbed = []
    for _ in range(2):  # the second is the measure of time: the first warms the caches
        folder, began = fresh(), time.monotonic()
        status = call(folder)
        took = time.monotonic() - began
        assert status in case.statuses, (case.name, status)
        undisturbed.append(contents(folder / case.result, folder))
        shutil.rmtree(folder)
    expected = undisturbed[0]
    assert undisturbed[1] == expected, _difference(expected, undisturbed[1])
    for moment in range(len(known), 3 * moments):
        if sum(line["killed"] for line in known) == moments:
            break
        folder, share = fresh(), Random(f"{seed}/{case.name}/{moment}").uniform(0.02, 1.0)
        killed = call(folder, share * took) == -signal.SIGKILL  # else it was done before
        how = None
        if killed:
            status = call(folder, again=True)
            here = contents(folder / case.result, folder)
            if status not in case.statuses or here != expected:
                how = f"status {status}: {_difference(expected, here)}"
        known.append(
            {
                "command": case.name,
                "seed": seed,
                "share": round(share, 3),
                "killed": killed,
                "lost": how,
            }
        )
        if ledger:
            with ledger.open("a") as file:
                file.write(json.dumps(known[-1]) + "\n")
        shutil.rmtree(folder)
    lost = [line["lost"] for line in known if line["lost"]]
    killed = sum(line["killed"] for line in known)
    return {"command": case.name, "killed": killed, "recovered": killed - len(lost), "lost": len(lost),
            "seconds": round(took, 2), "files": len(expected), "how": lost[:3]}  # fmt: skip


def _lines(ledger: Path | None) -> list[dict[str, Any]]:
    if ledger is None or not ledger.exists():
        return []
    return [json.loads(line) for line in ledger.read_text().splitlines()]


def _difference(one: dict[str, str], other: dict[str, str]) -> list[str]:
    return sorted(k for k in one.keys() | other.keys() if one.get(k) != other.get(k))[:5]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moments", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--commands", default="", help="names by commas; all if not given")
    parser.add_argument("--ledger", type=Path, help="what was done is kept here, and gone on with")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    for module in ("torch", "lightning_fabric", "sklearn.linear_model", "scipy.signal", "pyarrow.parquet",
                   "fidgety.screening", "fidgety.cli.training", "fidgety.study.experiment",
                   "fidgety.study.importing", "fidgety.study.preparing"):  # fmt: skip
        importlib.import_module(module)
    with tempfile.TemporaryDirectory() as home:
        found = cases(Path(home))
        for name in given.commands.split(",") if given.commands else found:
            print(
                json.dumps(row(found[name], given.moments, given.seed, Path(home), given.ledger)),
                flush=True,
            )


if __name__ == "__main__":
    main()
