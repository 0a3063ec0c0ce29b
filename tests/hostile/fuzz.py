"""Fuzz every reader: ``python tests/hostile/fuzz.py --cases 100000 --out rows.jsonl``.

The whole is done in parts (``--parts``), each of which takes some minutes; started again with the same
``--out``, parts that stand there are not done again. ``--table rows.jsonl`` prints the table of the docs.

Each batch of cases runs in a process of its own with limits on memory and time, in a folder that is
looked over afterwards. Only `FidgetyError` may come out of a reader; a crash of the process, any
other exception, a case beyond its limits, a file that a reader wrote, or a command that ran is a
finding, and the case is kept.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from targets import Target, all_targets

from fidgety.errors import FidgetyError
from fidgety.pose.formats import hdf5_apart

MEMORY = 4 << 30  # bytes of address space that one case may need beyond what is there at the start
SECONDS = 20  # of one case
BATCH = 250


class TooSlow(BaseException):
    """A case beyond its time."""


def outcome_of(target: Target, path: Path) -> tuple[str, str]:
    """What became of a case: kind, and more about it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            target.use(path)
        except FidgetyError as error:
            return "FidgetyError", error.code
        except TooSlow:
            return "too slow", traceback.format_exc(limit=-6)
        except MemoryError:
            return "memory", traceback.format_exc(limit=-6)
        except Exception:
            return "other", traceback.format_exc(limit=-6)
    return "read", ""


def _late(_signal: int, _frame: object) -> None:
    raise TooSlow


def _batch(name: str, first: int, count: int, folder: str, seed: int, line: object) -> None:
    """Run cases of one target; tell of each through a pipe."""
    target = all_targets()[name]
    os.chdir(folder)
    with Path("/proc/self/status").open() as status:
        held = next(int(row.split()[1]) << 10 for row in status if row.startswith("VmSize"))
    resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, held + MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGALRM, _late)
    path = Path(folder) / f"case{target.suffix}"
    if target.suffix in (".nwb", ".h5"):  # their reader is a process that begins slowly
        path.write_bytes(target.seeds[0] or target.change(b"", Random(0)))
        outcome_of(target, path)
    for number in range(first, first + count):
        rng = Random(f"{seed}/{name}/{number}")
        raw = target.change(rng.choice(target.seeds), rng)
        path.write_bytes(raw)
        line.send((number, "begun", "", 0.0))  # type: ignore[attr-defined]
        began = time.monotonic()
        signal.alarm(SECONDS)
        try:
            kind, more = outcome_of(target, path)
        except TooSlow:
            kind, more = "too slow", ""
        signal.alarm(0)
        strays = sorted(entry.name for entry in Path(folder).iterdir() if entry != path)
        if strays:
            kind, more = "wrote", ", ".join(strays)
        line.send((number, kind, more, time.monotonic() - began))  # type: ignore[attr-defined]
    hdf5_apart.close()  # so that what its process took is known here
    peak = max(
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    line.send((None, "end", f"{peak}", 0.0))  # type: ignore[attr-defined]


def run(name: str, first: int, end: int, seed: int, keep: Path) -> dict[str, object]:
    """Fuzz one target with the cases of these numbers; a row."""
    _warm(all_targets()[name])
    tally: Counter[str] = Counter()
    codes: Counter[str] = Counter()
    slowest, peak, at = 0.0, 0, first
    context = multiprocessing.get_context("fork")
    while at < end:
        with tempfile.TemporaryDirectory() as folder:
            here, there = context.Pipe(duplex=False)
            count = min(BATCH, end - at)
            worker = context.Process(target=_batch, args=(name, at, count, folder, seed, there))
            worker.start()
            there.close()
            begun = None
            while True:
                try:
                    if not here.poll(3 * SECONDS):
                        worker.kill()  # deep in a library, deaf to signals
                        raise EOFError
                    number, kind, more, took = here.recv()
                except EOFError:
                    if begun is None:
                        raise RuntimeError(f"{name}: the process could not begin") from None
                    worker.join()
                    kind = f"process died ({worker.exitcode})"
                    tally[kind] += 1
                    _keep(keep, name, begun, seed, kind, "", folder)
                    at = begun + 1
                    break
                if kind == "begun":
                    begun = number
                    continue
                if kind == "end":
                    peak, at = max(peak, int(more)), at + count
                    break
                tally[kind] += 1
                slowest = max(slowest, took)
                if kind == "FidgetyError":
                    codes[more] += 1
                elif kind != "read":
                    _keep(keep, name, number, seed, kind, more, folder)
            worker.join()
    return {"target": name, "first": first, "cases": end - first, "seed": seed, **tally, "codes": dict(codes.most_common()),
            "slowest_s": round(slowest, 2), "peak_mib": peak >> 10}  # fmt: skip


def _warm(target: Target) -> None:
    """Read a sound file, so that the processes that work find the libraries loaded."""
    if target.slow:  # by processes or threads of its own, which do not outlive a fork
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"case{target.suffix}"
        path.write_bytes(target.seeds[0] or target.change(b"", Random(0)))
        outcome_of(target, path)
    hdf5_apart.close()


def _keep(keep: Path, name: str, number: int, seed: int, kind: str, more: str, folder: str) -> None:
    """Write a finding down with the file that made it."""
    target = all_targets()[name]
    rng = Random(f"{seed}/{name}/{number}")
    keep.mkdir(parents=True, exist_ok=True)
    stem = f"{name.replace(' ', '_')}-{number}"
    (keep / f"{stem}{target.suffix}").write_bytes(target.change(rng.choice(target.seeds), rng))
    text = more.replace(folder, "FOLDER")
    (keep / f"{stem}.txt").write_text(f"{name}, seed {seed}, case {number}: {kind}\n{text}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000, help="of all targets together")
    parser.add_argument("--targets", default="", help="names by commas; all if not given")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-findings"))
    parser.add_argument("--out", type=Path, help="rows as JSON lines, added to the file")
    parser.add_argument(
        "--parts", type=int, default=1, help="in how many parts each target is done"
    )
    parser.add_argument(
        "--backwards", action="store_true", help="the last part first, for a second"
    )
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no part after this time")
    parser.add_argument("--table", type=Path, help="only sum up the rows of such a file")
    given = parser.parse_args()
    if given.table:
        table(given.table)
        return
    began = time.monotonic()
    targets = all_targets()
    names = [name for name in given.targets.split(",") if name] or list(targets)
    weight = {name: 0.25 if targets[name].slow else 1.0 for name in names}
    total = sum(weight.values())
    for part in sorted(range(given.parts), reverse=given.backwards):
        for name in names:
            cases = max(1, round(given.cases * weight[name] / total))
            first, end = (cases * at // given.parts for at in (part, part + 1))
            if first == end or (name, first, given.seed) in _rows(given.out):
                continue
            if time.monotonic() - began > 60 * given.minutes:
                return
            row = run(name, first, end, given.seed, given.keep)
            print(json.dumps(row), flush=True)
            if given.out:
                with given.out.open("a") as file:
                    file.write(json.dumps(row) + "\n")


def _rows(path: Path | None) -> dict[tuple[str, int, int], dict[str, Any]]:
    """Rows of a file by target, first case and seed."""
    if path is None or not path.exists():
        return {}
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return {(row["target"], row["first"], row["seed"]): row for row in rows}


def table(path: Path) -> None:
    """Print what rows say in sum, a line for each target."""
    rows = list(_rows(path).values())
    known = {"target", "first", "cases", "seed", "codes", "slowest_s", "peak_mib"}
    total: Counter[str] = Counter()
    print("| target | cases | FidgetyError | read all the same | other | slowest, s | peak, MiB |")
    print("|---|---|---|---|---|---|---|")
    for name in dict.fromkeys(row["target"] for row in rows):
        mine = [row for row in rows if row["target"] == name]
        tally: Counter[str] = Counter()
        for row in mine:
            for key, value in row.items():
                if key not in known:
                    tally[key if key in ("FidgetyError", "read") else "other"] += value
        total += tally
        print(f"| {name} | {sum(tally.values())} | {tally['FidgetyError']} | {tally['read']} | {tally['other']} | "
              f"{max(row['slowest_s'] for row in mine)} | {max(row['peak_mib'] for row in mine)} |")  # fmt: skip
    print(f"| **all** | **{sum(total.values())}** | **{total['FidgetyError']}** | **{total['read']}** | "
          f"**{total['other']}** | | |")  # fmt: skip


if __name__ == "__main__":
    main()
