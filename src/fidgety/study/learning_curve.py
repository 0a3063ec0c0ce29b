"""How the AUC grows with the number of training infants: one test part, growing training parts."""

from __future__ import annotations

import csv
import io
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fidgety.engines import Engine
from fidgety.errors import ConfigError, StudyError
from fidgety.files import make_folder, parse_json, write_json, write_text
from fidgety.statistics import auc_interval
from fidgety.study.batch import State, one_thread, run_batch
from fidgety.study.crossfit import cross_fit
from fidgety.study.examples import Example
from fidgety.study.experiment import refuse_failures
from fidgety.study.methods import METHODS, method_named
from fidgety.study.profiled import make_sequence
from fidgety.study.sequences import read_sequence
from fidgety.study.study import Study

__all__ = ["SIZES", "LearningCurve", "Point", "infants_for_curve", "learning_curve"]

SIZES = (20, 50, 100, 200, 400)
FILE = "learning_curve"


@dataclass(frozen=True)
class Point:
    """One model at one size, tested on infants that no size trains on.

    Parameters
    ----------
    model : str
        Method.
    infants, repeat : int
        Training infants; which draw of them.
    auc, low, high : float
        On the test part, with its 95 % interval (of the test infants alone).
    seconds : float
        Of fitting.
    """

    model: str
    infants: int
    repeat: int
    auc: float
    low: float
    high: float
    seconds: float


@dataclass(frozen=True)
class LearningCurve:
    """Points of all models and sizes."""

    points: tuple[Point, ...]
    tested: int

    def table(self) -> str:
        """A Markdown table: mean over draws, lowest and highest."""
        models = list(dict.fromkeys(point.model for point in self.points))
        sizes = sorted({point.infants for point in self.points})
        lines = [
            f"Tested on the same {self.tested} infants; mean AUC over draws (lowest to highest).",
            "",
            "| training infants | " + " | ".join(models) + " |",
            "|---|" + "---|" * len(models),
        ]
        for size in sizes:
            cells = []
            for model in models:
                auc = [p.auc for p in self.points if (p.model, p.infants) == (model, size)]
                span = f" ({min(auc):.3f} to {max(auc):.3f})" if len(auc) > 1 else ""
                cells.append(f"{np.mean(auc):.3f}{span}" if auc else "")
            lines.append(f"| {size} | " + " | ".join(cells) + " |")
        return "\n".join(lines)


def learning_curve(
    study: Study,
    out: str | os.PathLike[str],
    *,
    models: Sequence[str] = ("quantiles",),
    sizes: Sequence[int] = SIZES,
    tested: int | None = None,
    repeats: int = 1,
    inner: int = 0,
    seed: int = 0,
    workers: int | Engine = 1,
    fps: float | None = None,
    channels: str | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> LearningCurve:
    """Train on growing parts of a study; write ``learning_curve.json`` and ``.csv`` into `out`.

    The test part is dealt first, with the study's share of abnormal infants; within a repeat the
    larger training part holds the smaller one.

    Parameters
    ----------
    study : Study
        With labels.
    out : path-like
        Folder; what a killed run finished is kept.
    models : sequence of str
        Names in `METHODS`.
    sizes : sequence of int
        Training infants.
    tested : int, optional
        Test infants; all but the largest size by default.
    repeats : int
        Draws of the training infants.
    inner, seed, workers, fps, channels, progress
        As `fidgety.study.experiment.cross_validate`.

    Raises
    ------
    ConfigError
        E702 impossible sizes, E705 an unknown model.
    StudyError
        E213 if the study is too small; says how many infants are needed.
    """
    for name in models:
        method_named(name)
    if not sizes or min(sizes) < 8 or repeats < 1 or not models:
        raise ConfigError("E702", "Give models, sizes of 8 or more, repeats and workers from 1")
    root = make_folder(out)
    test, orders = infants_for_curve(study, max(sizes), tested, repeats, seed)
    for profile in sorted({METHODS[name].profile for name in models}):
        make = partial(make_sequence, study, root, profile, fps, channels)
        refuse_failures(run_batch(make, sorted(study.by_name), workers=workers), "recordings")
    items = {
        f"{name}, {size} infants, draw {repeat}": (name, size, repeat)
        for size in sorted(sizes)
        for repeat in range(repeats)
        for name in models
    }
    work = _Work(study, root, test, orders, items, inner, seed, (fps, channels))
    refuse_failures(run_batch(work, list(items), progress, workers), "pieces of work")
    points = tuple(point for item in items if (point := work.point_of(item)) is not None)
    found = LearningCurve(points, len(test))
    content = {"tested": len(test), "simulated": study.simulated, "seed": seed, "inner": inner}
    write_json(root / f"{FILE}.json", {**content, "rows": [asdict(point) for point in points]})
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([entry.name for entry in fields(Point)])
    table.writerows(asdict(point).values() for point in points)
    write_text(root / f"{FILE}.csv", text.getvalue())
    return found


def infants_for_curve(
    study: Study, largest: int, tested: int | None, repeats: int, seed: int
) -> tuple[list[str], list[list[str]]]:
    """Test infants, and for each repeat the training infants in the order they are taken.

    Classes alternate in that order as their sizes allow, so that every beginning of it holds both.

    Raises
    ------
    StudyError
        E213 if there are too few infants.
    """
    classes = {
        label: [infant for infant, own in sorted(study.infants.items()) if own == label]
        for label in (1, 0)
    }
    total = len(study.infants)
    wanted = total - largest if tested is None else tested
    if wanted < 10 or wanted + largest > total or min(map(len, classes.values())) < 10:
        raise StudyError(
            "E213",
            f"The study has {total} infants; {largest} to train on and "
            f"{max(wanted, 10)} to test on need {largest + max(wanted, 10)}",
            where=study.root.name,
            why="test infants are never trained on, and each class needs 10",
            remedy="Use smaller --sizes, or add infants",
        )
    rng = np.random.default_rng([seed, 5])
    shuffled = _interleaved(classes, rng)
    test, rest = shuffled[:wanted], shuffled[wanted:]
    left = {label: [i for i in rest if study.infants[i] == label] for label in (1, 0)}
    orders = [_interleaved(left, rng)[:largest] for _ in range(repeats)]
    assert not any(set(test) & set(order) for order in orders)
    return sorted(test), orders


def _interleaved(classes: dict[int, list[str]], rng: np.random.Generator) -> list[str]:
    """All infants, classes spread evenly over the order, random within a class."""
    placed = []
    for infants in classes.values():
        order = rng.permutation(len(infants))
        placed += [((k + 0.5) / len(infants), infants[n]) for k, n in enumerate(order)]
    return [infant for _, infant in sorted(placed)]


@dataclass(frozen=True, eq=False)
class _Work:
    """Fits one model on one beginning of one order; picklable."""

    study: Study
    root: Path
    test: list[str]
    orders: list[list[str]]
    items: dict[str, tuple[str, int, int]]
    inner: int
    seed: int
    told: tuple[float | None, str | None]  # frame rate and channels of sequences made elsewhere

    def point_of(self, item: str) -> Point | None:
        """What was measured; None if it was not, or with other infants."""
        try:
            content = parse_json(self._folder(item).joinpath("point.json").read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return Point(**content["point"]) if content.get("key") == self._key(item) else None

    @one_thread()
    def __call__(self, item: str) -> State:
        if self.point_of(item) is not None:
            return "kept"
        name, size, repeat = self.items[item]
        train, test = (
            self._examples(name, part) for part in (self.orders[repeat][:size], self.test)
        )
        assert not {e.infant_id for e in train} & {e.infant_id for e in test}
        began = time.perf_counter()
        fitted = cross_fit(METHODS[name], train, inner=self.inner, seed=self.seed)
        seconds = time.perf_counter() - began
        labels = np.array([example.label for example in test])
        auc = auc_interval(fitted.scores(test), labels, infants=[e.infant_id for e in test])
        point = Point(name, size, repeat, auc.value, auc.low, auc.high, round(seconds, 1))
        write_json(
            self._folder(item) / "point.json", {"key": self._key(item), "point": asdict(point)}
        )
        return "done"

    def _examples(self, name: str, infants: Sequence[str]) -> list[Example]:
        home = self.root / "sequences" / METHODS[name].profile
        return [
            Example(r.infant_id, r.name, int(r.label or 0), read_sequence(home / r.name))
            for r in self.study.recordings_of(infants)
        ]

    def _folder(self, item: str) -> Path:
        name, size, repeat = self.items[item]
        return self.root / "curve" / f"{name}_{size}_{repeat}"

    def _key(self, item: str) -> list[Any]:
        name, size, repeat = self.items[item]
        infants = [*self.test, *self.orders[repeat][:size]]
        digests = [self.study.source_digest(r.name) for r in self.study.recordings_of(infants)]
        made_of = METHODS[name].to_dict()
        settings = [made_of, self.inner, self.seed, list(self.told)]
        return [sorted(self.test), sorted(infants), digests, *settings]
