"""Does the experiment leak? The wrong split beside the right one, and labels without meaning.

Two questions, each answered by running the very same method twice. Dealing recordings instead of
infants to the folds lets a model recognise infants: the gap to the infant-wise result is what such
a split would have claimed too much. And once labels are permuted over infants there is nothing to
learn: an infant-wise result other than 0.5 would be a leak of our own.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from fidgety.engines import Engine
from fidgety.errors import ConfigError, StudyError
from fidgety.files import make_folder, parse_json, write_json
from fidgety.statistics import auc_interval, compare_auc
from fidgety.study.batch import State, one_thread, run_batch
from fidgety.study.crossfit import cross_fit
from fidgety.study.examples import Example
from fidgety.study.experiment import refuse_failures
from fidgety.study.methods import Method, method_named
from fidgety.study.predictions import note, noted
from fidgety.study.profiled import make_sequence
from fidgety.study.sequences import read_sequence
from fidgety.study.splits import make_splits
from fidgety.study.study import Recording, Study

__all__ = ["PIECES", "SelfTest", "pieces_of", "self_test"]

LEAST = 3  # permutations
PIECES = 3  # of each recording, where infants have only one
FILE = "self_test.json"


@dataclass(frozen=True)
class Run:
    """One way of dividing and labelling.

    Parameters
    ----------
    name : str
        What it is called.
    unit : {"infant", "recording"}
        What is dealt to the folds; by recordings is wrong, and is here to show by how much.
    permutation : int or None
        Seed of the permuted labels; None for the true ones.
    """

    name: str
    unit: str
    permutation: int | None = None


@dataclass(frozen=True)
class SelfTest:
    """What ``self_test.json`` says."""

    content: dict[str, Any]

    def __str__(self) -> str:
        c = self.content
        right, wrong, gap = c["infant_wise"], c["record_wise"], c["gap"]
        permuted = c["permuted"]
        kind = "simulated infants" if c["simulated"] else "infants"
        rows = f"{c['recordings']} recordings"
        if c["pieces"]:
            rows = f"{c['recordings']} pieces, {c['pieces']} of each recording"
        return "\n".join(
            [
                f"Leakage self-test with {c['model']}: {c['infants']} {kind}, {rows}.",
                f"Infants kept apart: AUC {_told(right)}.",
                f"Recordings dealt as if each were an infant (wrong): AUC {_told(wrong)}; "
                f"{gap['value']:+.3f} ({gap['low']:+.3f} to {gap['high']:+.3f}), p {gap['p']:.2g}.",
                f"Labels permuted over infants, {len(permuted['runs'])} times: mean AUC "
                f"{permuted['mean']:.3f} ({permuted['low']:.3f} to {permuted['high']:.3f}): "
                + ("0.5 is within, as it must be." if permuted["passed"] else "NOT 0.5: a leak."),
                "The same labels with the wrong split: mean AUC "
                f"{c['permuted_record_wise']['mean']:.3f}; what is above 0.5 is leakage.",
            ]
        )


def self_test(
    study: Study,
    out: str | os.PathLike[str],
    *,
    model: str = "quantiles",
    folds: int = 5,
    seed: int = 0,
    permutations: int = 10,
    pieces: int | None = None,
    workers: int | Engine = 1,
    fps: float | None = None,
    channels: str | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> SelfTest:
    """Run the leakage self-test and write ``self_test.json`` into `out`.

    Parameters
    ----------
    study : Study
        With labels.
    out : path-like
        Folder of a cross-validation, or a new one.
    model : str
        The method to test with; one that is cheap and has many parameters shows most.
    folds, seed
        As `fidgety.study.experiment.cross_validate`.
    permutations : int
        How often labels are permuted: 3 or more, or their scatter would not be known.
    pieces : int, optional
        Cut each recording into so many, as the published sub-sequences were; by default 3 where
        fewer than half of the infants have several recordings, else none.
    workers, fps, channels, progress
        As `fidgety.study.experiment.cross_validate`.

    Raises
    ------
    ConfigError
        E702 for fewer than 3 permutations.
    StudyError
        As `cross_validate`.
    """
    if permutations < LEAST:
        raise ConfigError(
            "E702",
            f"{permutations} permutations of the labels",
            why="an interval over them cannot be given",
            remedy=f"Give {LEAST} or more",
        )
    root = make_folder(out)
    method = method_named(model)
    make = _Made(study, root, method.profile, fps, channels)
    refuse_failures(run_batch(make, sorted(study.by_name), workers=workers), "recordings")
    if pieces is None:
        counts = Counter(recording.infant_id for recording in study.recordings)
        several = sum(count > 1 for count in counts.values())
        pieces = 0 if 2 * several >= len(counts) else PIECES
    examples = _examples(study, root / "sequences" / method.profile, pieces)
    runs = [Run("infant_wise", "infant"), Run("record_wise", "recording")]
    for k in range(permutations):
        runs += [Run(f"permuted {k}", unit, seed + k) for unit in ("infant", "recording")]
        runs[-2] = replace(runs[-2], name=f"permuted {k}, infant-wise")
        runs[-1] = replace(runs[-1], name=f"permuted {k}, record-wise")
    work = _Work(
        method, examples, folds, seed, {run.name: run for run in runs}, root, (fps, channels)
    )
    refuse_failures(run_batch(work, [run.name for run in runs], progress, workers), "runs")
    content = {
        "model": model,
        "simulated": study.simulated,
        "infants": len({e.infant_id for e in examples}),
        "recordings": len(examples),
        "pieces": pieces,
        "folds": folds,
        "seed": seed,
        **_summary(work, runs, examples),
    }
    write_json(root / FILE, content)
    if noted(root):
        note(root, self_test=model)
    return SelfTest(content)


def pieces_of(example: Example, pieces: int) -> list[Example]:
    """A recording cut into consecutive pieces of one length, each called a recording."""
    if pieces < 2:
        return [example]
    sequence = example.sequence
    length = sequence.values.shape[1] // pieces
    return [
        replace(
            example,
            recording=f"{example.recording}_{k}",
            sequence=replace(
                sequence,
                values=sequence.values[:, k * length : (k + 1) * length],
                start_s=sequence.start_s + k * length / sequence.fps,
            ),
        )
        for k in range(pieces)
    ]


@dataclass(frozen=True)
class _Made:
    """Makes a recording's sequence; picklable."""

    study: Study
    root: Path
    profile: str
    fps: float | None
    channels: str | None

    def __call__(self, name: str) -> State:
        return make_sequence(self.study, self.root, self.profile, self.fps, self.channels, name)


@dataclass(frozen=True, eq=False)
class _Work:
    """Cross-validates one run; its scores are kept, so that a test that was killed goes on."""

    method: Method
    examples: list[Example]
    folds: int
    seed: int
    runs: dict[str, Run]
    root: Path
    told: tuple[float | None, str | None]  # frame rate and channels of sequences made elsewhere

    def path(self, run: Run) -> Path:
        return self.root / "self_test" / f"{run.name.replace(', ', '_').replace(' ', '')}.json"

    @one_thread()
    def __call__(self, name: str) -> State:
        run = self.runs[name]
        if self.scores_of(run) is not None:
            return "kept"
        examples = labelled(self.examples, run)
        scored = np.full(len(examples), np.nan)
        for test in self._test_parts(examples, run):
            out = set(test.tolist())
            train = [e for i, e in enumerate(examples) if i not in out]
            asked = [examples[int(i)] for i in test]
            fitted = cross_fit(self.method, train, inner=0, seed=self.seed)
            scored[test] = fitted.scores(asked)
        assert np.isfinite(scored).all()
        write_json(self.path(run), {"key": self._key(run), "scores": scored.tolist()})
        return "done"

    def scores_of(self, run: Run) -> NDArray[np.float64] | None:
        """Scores of a run that is done; None if it is not."""
        try:
            content = parse_json(self.path(run).read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return np.array(content["scores"]) if content.get("key") == self._key(run) else None

    def _key(self, run: Run) -> list[Any]:
        """What must agree for the scores of an earlier run to count."""
        rows = [[e.recording, e.infant_id, e.label] for e in labelled(self.examples, run)]
        total = float(sum(np.nansum(np.abs(e.sequence.values[:2])) for e in self.examples))
        made_of = self.method.to_dict()
        return [rows, self.folds, self.seed, made_of, list(self.told), round(total, 3)]

    def _test_parts(self, examples: Sequence[Example], run: Run) -> list[NDArray[np.intp]]:
        by_infant = run.unit == "infant"
        rows = tuple(
            Recording(e.recording, e.infant_id if by_infant else e.recording, e.label)
            for e in examples
        )
        dealt = make_splits(Study(self.root, rows), self.folds, self.seed, 0.0)
        units = [row.infant_id for row in rows]
        parts = [np.flatnonzero([unit in set(split.test) for unit in units]) for split in dealt]
        if by_infant:
            seen = [{examples[int(i)].infant_id for i in part} for part in parts]
            assert sum(map(len, seen)) == len(set.union(*seen)), "an infant is tested twice"
        return parts


def labelled(examples: Sequence[Example], run: Run) -> list[Example]:
    """Examples with the labels of a run: their own, or permuted over infants.

    With the wrong split each recording passes for an infant, and its name for the infant's.
    """
    label = {example.infant_id: example.label for example in examples}
    if run.permutation is not None:
        infants = sorted(label)
        order = np.random.default_rng([run.permutation, 3]).permutation(len(infants))
        label = {infants[i]: label[infants[j]] for i, j in enumerate(order)}
    told = [replace(example, label=label[example.infant_id]) for example in examples]
    if run.unit == "recording":
        told = [replace(example, infant_id=example.recording) for example in told]
    return told


def _examples(study: Study, home: Path, pieces: int) -> list[Example]:
    whole = [
        Example(r.infant_id, r.name, int(r.label or 0), read_sequence(home / r.name))
        for r in study.recordings
    ]
    return [piece for example in whole for piece in pieces_of(example, pieces)]


def _summary(work: _Work, runs: Sequence[Run], examples: Sequence[Example]) -> dict[str, Any]:
    infants = [example.infant_id for example in examples]
    found: dict[str, tuple[NDArray[np.float64], NDArray[np.int64]]] = {}
    for run in runs:
        scores = work.scores_of(run)
        if scores is None:
            raise StudyError("E272", f"The run {run.name} left no scores", where=work.root)
        told = np.array([e.label for e in labelled(examples, replace(run, unit="infant"))])
        found[run.name] = scores, told
    right, labels = found["infant_wise"]
    wrong, _ = found["record_wise"]
    gap = compare_auc(wrong, right, labels, infants=infants)
    permuted = {
        unit: [_auc(*found[run.name], infants) for run in runs
               if run.permutation is not None and run.unit == unit]
        for unit in ("infant", "recording")
    }  # fmt: skip
    return {
        "infant_wise": _auc(right, labels, infants),
        "record_wise": _auc(wrong, labels, infants),
        "gap": {"value": gap.value, "low": gap.low, "high": gap.high, "p": gap.p},
        "permuted": _over(permuted["infant"], check=True),
        "permuted_record_wise": _over(permuted["recording"], check=False),
    }


def _over(runs: list[dict[str, float]], check: bool) -> dict[str, Any]:
    """Mean over permutations with its 99 % interval; 0.5 must lie within it."""
    values = np.array([run["auc"] for run in runs])
    half = float(student.ppf(0.995, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5)
    mean = float(values.mean())
    found: dict[str, Any] = {"runs": runs, "mean": mean, "low": mean - half, "high": mean + half}
    return {**found, "passed": bool(mean - half <= 0.5 <= mean + half)} if check else found


def _auc(
    scores: NDArray[np.float64], labels: NDArray[np.int64], infants: Sequence[str]
) -> dict[str, float]:
    auc = auc_interval(scores, labels, infants=infants)
    return {"auc": auc.value, "low": auc.low, "high": auc.high}


def _told(auc: dict[str, float]) -> str:
    return f"{auc['auc']:.3f} ({auc['low']:.3f} to {auc['high']:.3f})"
