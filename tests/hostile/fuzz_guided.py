"""A fuzz that coverage guides, with atheris: ``python tests/hostile/fuzz_guided.py openpose --seconds 300``.

Needs ``pip install atheris`` (Linux, macOS). The spoiling within the grammar is that of `mutations`; libFuzzer
keeps what reaches new lines of fidgety and spoils it further. A finding ends it, with the file that made it under
``--keep``. Prints one row: cases, lines reached at the start and at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parent))

LARGEST = 1 << 20  # bytes of a case
MEMORY_MIB, SECONDS = 4096, 20


def child(name: str, corpus: str, options: list[str]) -> None:
    """Fuzz in this process, which libFuzzer ends."""
    import atheris

    with atheris.instrument_imports(include=["fidgety"]):
        import fidgety.assess
        import fidgety.models.torchfile
        import fidgety.pose.formats
        import fidgety.study.comparison  # noqa: F401 - to have their lines counted

    from fuzz import outcome_of
    from mutations import change_bytes
    from targets import all_targets

    target = all_targets()[name]
    folder = tempfile.mkdtemp(prefix="guided-")
    os.chdir(folder)
    path = Path(folder) / f"case{target.suffix}"

    def one(raw: bytes) -> None:
        path.write_bytes(raw)
        kind, more = outcome_of(target, path)
        if kind not in ("FidgetyError", "read"):
            raise RuntimeError(f"{name}: {kind}\n{more}")
        if [entry for entry in Path(folder).iterdir() if entry != path]:
            raise RuntimeError(f"{name}: wrote a file")

    def spoil(raw: bytes, most: int, seed: int) -> bytes:
        rng = Random(seed)
        try:
            return target.change(raw, rng)[:most]
        except Exception:  # what was spoilt before may be beyond this grammar
            return change_bytes(raw, rng)[:most]

    for number, seed in enumerate(target.seeds):
        (Path(corpus) / f"seed{number}").write_bytes(seed)
    warnings.simplefilter("ignore")
    atheris.Setup([sys.argv[0], corpus, *options], one, custom_mutator=spoil)
    atheris.Fuzz()


def main() -> None:
    """Fuzz each target in a process of its own; print the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", help="names by commas, as in fuzz.py")
    parser.add_argument("--seconds", type=int, default=300, help="for each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-findings"))
    parser.add_argument("--corpus", help=argparse.SUPPRESS)
    given, options = parser.parse_known_args()
    if given.corpus:
        child(given.targets, given.corpus, options)
        return
    given.keep.mkdir(parents=True, exist_ok=True)
    for name in given.targets.split(","):
        with tempfile.TemporaryDirectory() as corpus:
            done = subprocess.run(
                [sys.executable, __file__, name, "--corpus", corpus, f"-max_total_time={given.seconds}",
                 f"-seed={given.seed}", f"-max_len={LARGEST}", f"-rss_limit_mb={MEMORY_MIB}", f"-timeout={SECONDS}",
                 f"-artifact_prefix={given.keep.resolve()}/{name.replace(' ', '_')}-", "-print_final_stats=1"],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
        told = done.stderr + done.stdout
        cases = re.search(r"number_of_executed_units: *(\d+)", told)
        reached = [int(word) for word in re.findall(r"\bcov: (\d+)", told)]
        row = {"target": name, "cases": int(cases[1]) if cases else None, "lines": reached[:1] + reached[-1:],
               "status": done.returncode}  # fmt: skip
        print(json.dumps(row), flush=True)
        if done.returncode:
            (given.keep / f"{name.replace(' ', '_')}.txt").write_text(told[-20_000:])


if __name__ == "__main__":
    main()
