"""Tables of docs/results.md that put methods beside each other, from the folders of their runs.

Prints a row a method, best first within as many networks: its AUC at each level, and p of the
paired DeLong test against `fidgety` with as many networks, of the same folder or of another one
with the same infants; then the tables of calibration and abstention. Plain classifiers are held
against `fidgety` of their folder.

    python benchmarks/results_table.py bench bench1
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from fidgety.statistics import auc_interval, compare_auc
from fidgety.study.methods import METHODS
from fidgety.study.risk_lines import RiskLine, risk_lines
from fidgety.study.tested import Tested, read_tested

OURS, LEVELS = "fidgety", ("easy", "medium", "hard")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+", help="of the same simulated infants")
    folders = parser.parse_args().folders
    found = {
        (place, level): read_tested(place / level / "cv")
        for place in folders
        for level in LEVELS
        if (place / level / "cv" / "experiment.json").exists()
    }
    for level in LEVELS:
        alike = [tested for (_, at), tested in found.items() if at == level]
        assert len({(t.recordings, t.infants, tuple(t.labels)) for t in alike}) <= 1
    print("| method | members | easy | medium | p | hard | p |\n|---|---|---|---|---|---|---|")
    rows = [(place, name) for place in folders for name in names_of(found, place)]
    for place, name in sorted(rows, key=lambda row: rank(found, *row)):
        medium, hard = (cell(found, place, level, name) for level in LEVELS[1:])
        easy = cell(found, place, "easy", name).rsplit(" | ", 1)[0]
        members = inner_of(found, place, name)
        print(f"| {called(found, place, name)} | {members} | {easy} | {medium} | {hard} |")
    print("\n| method | members | level | slope | ECE (of perfect risks) | Brier (of the "
          "prevalence) | answered | missed | false alarms |\n" + "|---" * 9 + "|")  # fmt: skip
    for (place, level), tested in sorted(found.items(), key=lambda item: str(item[0])):
        for line in risk_lines(tested):
            print(told(line, level, inner_of(found, place, line.model)))


def names_of(found: dict[tuple[Path, str], Tested], place: Path) -> list[str]:
    """Methods of a folder, of whichever level."""
    return sorted({name for (at, _), tested in found.items() if at == place
                   for name in tested.models})  # fmt: skip


def called(found: dict[tuple[Path, str], Tested], place: Path, name: str) -> str:
    """A method's name, and how long it was trained where that is not the method's own way."""
    network = METHODS[name].network
    steps = {
        tested.about["methods"][name]["network"]["training"]["min_steps"]
        for (at, _), tested in found.items()
        if network is not None and at == place and name in tested.models
    }
    usual = set() if network is None else {network.training.min_steps}
    return f"`{name}`" + "".join(f", {count} steps" for count in sorted(steps - usual))


def rank(found: dict[tuple[Path, str], Tested], place: Path, name: str) -> tuple[bool, float]:
    tested = found.get((place, "medium"))
    score = None if tested is None else tested.scores.get(name)
    plain = METHODS[name].network is None
    return plain, 0.0 if score is None or tested is None else -auc_interval(
        score, tested.labels
    ).value


def inner_of(found: dict[tuple[Path, str], Tested], place: Path, name: str) -> str:
    """How many networks or classifiers of a fold are averaged."""
    if METHODS[name].network is None:
        return "10"
    inner = {
        tested.about["methods"][name]["inner"]
        for (at, _), tested in found.items()
        if at == place and name in tested.models
    }
    return " or ".join("1" if parts == 1 else str(parts + 1) for parts in sorted(inner))


def cell(found: dict[tuple[Path, str], Tested], place: Path, level: str, name: str) -> str:
    """AUC with its interval, and p against ours of the same folder."""
    tested = found.get((place, level))
    if tested is None or name not in tested.scores:
        return " | "
    labels, score = tested.labels, tested.scores[name]
    auc = auc_interval(score, labels)
    text = f"{auc.value:.3f} ({auc.low:.3f} to {auc.high:.3f})"
    ours = ours_beside(found, place, level, name)
    if name == OURS or ours is None:
        return f"{text} | "
    return f"{text} | {compare_auc(ours, score, labels).p:.2g}"


def ours_beside(
    found: dict[tuple[Path, str], Tested], place: Path, level: str, name: str
) -> np.ndarray | None:
    """Our scores of the same folder, or of another one with as many networks; None without."""
    alike = [
        at
        for at, of in found
        if of == level
        and (at == place or inner_of(found, at, OURS) == inner_of(found, place, name))
    ]
    for at in sorted(alike, key=lambda at: at != place):
        if OURS in found[at, level].scores:
            return found[at, level].scores[OURS]
    return None


def told(line: RiskLine, level: str, members: str) -> str:
    slope = "not defined"
    if line.slope is not None and np.isfinite(line.slope):
        slope = f"{line.slope:.2f} ({line.slope_low:.2f} to {line.slope_high:.2f})"
    rates = " | ".join(
        "" if rate is None else f"{rate:.3f}"
        for rate in (line.answered, line.missed, line.false_alarms)
    )
    return (
        f"| `{line.model}` | {members} | {level} | {slope} | {line.ece:.3f} "
        f"({line.ece_if_perfect:.3f}) | {line.brier:.3f} ({line.brier_prevalence:.3f}) | {rates} |"
    )


if __name__ == "__main__":
    main()
