"""Explanations put to the test: against the truth, by deletion, and against random weights.

Every recording is explained by the model of the fold that never saw its infant. Where the study
holds the truth (``truth/<recording>.parquet``), attention and contributions are scored by how well
they rank clips with fidgety movement above clips without, within one recording at a time.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fidgety.engines import Engine
from fidgety.errors import StudyError
from fidgety.files import make_folder, parse_json, write_json
from fidgety.models.direct import direct_logit
from fidgety.models.explain import randomised
from fidgety.study.batch import State, one_thread, run_batch
from fidgety.study.copies import file_digest
from fidgety.study.experiment import examples_by_profile, make_sequences, refuse_failures
from fidgety.study.explanation_measures import FRACTIONS, measures_of, truth_of_clips
from fidgety.study.fold_models import cached_model, chosen_models, same_study
from fidgety.study.methods import METHODS
from fidgety.study.predictions import noted
from fidgety.study.study import Study

__all__ = ["ExplanationScores", "explanation_scores"]

FILE = "explanations"
VERSION = 3  # of what is measured: kept rows of another one are made anew
MEANING = {
    "clip_auc": "clips with fidgety movement ranked above clips without, within a recording that "
    "bouts cover by 20 to 80 %",
    "joint_auc": "joints in clips with fidgety movement of that joint ranked above the others, "
    "within such a recording",
    "joint_within_clip_auc": "within one clip, joints with more fidgety movement than its median "
    "ranked above the others",
    "deletion_ratio_20": "change of the risk without the first 20 % of clips, over that without a "
    "random 20 %",
    "answer_kept_20": "share of answers that stand (raw risk on the same side of a half) with the "
    "first 20 % of clips alone",
    "random_kept_20": "the same with a random 20 % alone",
    "insertion_gain_20": "by how much the logit speaks more for the answer with the first 20 % of "
    "clips alone than with a random 20 % alone",
    "answer_kept_20_sum": "answer_kept_20 of the sum over clips, without what belongs to the "
    "recording as a whole",
    "random_kept_20_sum": "random_kept_20, likewise",
    "insertion_gain_20_sum": "insertion_gain_20, likewise",
    "randomised_clip_auc": "clip_auc of the same networks with random weights, other ones in each "
    "fold: an untrained network reacts to movement too, to either side by chance",
    "randomised_correlation": "rank correlation of clip scores with those of random weights: near "
    "0 if the explanation rests on what was learnt",
    "contribution_sum_error": "largest distance of contributions and bias from the logit that the "
    "networks' own layers give, clips to logit in one go and in double precision",
}  # fmt: skip


@dataclass(frozen=True)
class ExplanationScores:
    """Rows and curves of ``explanations.json``."""

    rows: tuple[dict[str, Any], ...]
    curves: tuple[dict[str, Any], ...]

    def table(self) -> str:
        """A Markdown table."""
        lines = [
            "| model | measure | of | value | 95 % interval | infants |",
            "|---|---|---|---|---|---|",
        ]
        for row in self.rows:
            span = "" if row["low"] is None else f"{row['low']:.3f} to {row['high']:.3f}"
            value = f"{row['value']:.2g}" if "error" in row["measure"] else f"{row['value']:.3f}"
            lines.append(
                f"| {row['model']} | {row['measure']} | {row['explanation']} | {value} | {span} | "
                f"{row['infants']} |"
            )
        return "\n".join(lines)


def explanation_scores(
    study: Study,
    folder: str | os.PathLike[str],
    *,
    models: Sequence[str] | None = None,
    seed: int = 0,
    workers: int | Engine = 1,
    progress: Callable[[int, int, str], None] | None = None,
) -> ExplanationScores:
    """Score the networks of a cross-validation; write ``explanations.json``.

    Only infants classified rightly count. Without truth only deletion, insertion and random weights
    are measured.

    Parameters
    ----------
    study, folder, models, workers, progress
        As `fidgety.study.robustness.robustness`; methods that are no networks are left out.
    seed : int
        Of random deletions, random weights and the bootstrap.

    Raises
    ------
    StudyError
        E273, E285 as `robustness`; E277 if none of the models is a network.
    """
    root = Path(folder)
    same_study(study, root)
    networks = [name for name in chosen_models(root, models) if METHODS[name].network is not None]
    if not networks:
        raise StudyError(
            "E277",
            "No network to explain",
            where=root,
            remedy="Cross-validate one, such as stam: fidgety cv STUDY --models stam --out DIR",
        )
    make_folder(root / FILE)
    make_sequences(study, root, networks, workers)
    work = _Work(study.root, root, seed)
    items = [f"{name} fold{fold}" for name in networks for fold in range(noted(root)["folds"])]
    refuse_failures(run_batch(work, items, progress, workers), "pieces of work")
    rows, curves = [], []
    for name in networks:
        found = [
            row for item in items if item.split()[0] == name for row in work.rows_of(item) or []
        ]
        right = [row for row in found if row["right"]]
        rows += _summary(name, right, seed)
        curves += _curves(name, right)
    result = ExplanationScores(tuple(rows), tuple(curves))
    write_json(root / f"{FILE}.json", {
        "models": networks, "simulated": study.simulated, "seed": seed, "rows": rows,
        "curves": curves,
    })  # fmt: skip
    return result


@dataclass(frozen=True)
class _Work:
    """Explains the test infants of one fold by one network; picklable."""

    study: Path
    root: Path
    seed: int

    def rows_of(self, item: str) -> list[dict[str, Any]] | None:
        try:
            content = parse_json(self._path(item).read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return content["rows"] if content.get("key") == self._key() else None

    @one_thread()
    def __call__(self, item: str) -> State:
        if self.rows_of(item) is not None:
            return "kept"
        name, part = item.split()
        model = cached_model(self.study, self.root, name, int(part[4:]))
        trained = model.trained
        assert trained is not None
        random = randomised(trained, self.seed + 100 * model.task.split.fold)
        assert random is not None
        rows = []
        for number, example in enumerate(examples_by_profile(model.task, sorted(model.test))):
            clips = trained.clips(example.sequence)
            found = trained.infer(clips)
            risk = float(model.rules.risk(found.risk))
            forced = risk >= model.rules.cut
            truth = truth_of_clips(self.study, example.recording, clips)
            rng = np.random.default_rng([self.seed, number])
            rows.append(
                {
                    "infant_id": example.infant_id,
                    "recording": example.recording,
                    "label": example.label,
                    "right": bool(forced) == bool(example.label),
                    **measures_of(
                        found, random.infer(clips), truth, rng, direct_logit(trained, clips)
                    ),
                }
            )
        write_json(self._path(item), {"key": self._key(), "rows": rows})
        return "done"

    def _path(self, item: str) -> Path:
        return self.root / FILE / f"{item.replace(' ', '_')}.json"

    def _key(self) -> list[Any]:
        return [VERSION, self.seed, file_digest(self.root / "predictions.csv")]


def _summary(model: str, rows: list[dict[str, Any]], seed: int) -> list[dict[str, Any]]:
    """Means over recordings with intervals, infants drawn anew."""
    found = []
    keys = sorted({key for row in rows for key in row if key.split(" ")[0] in MEANING})
    for key in keys:
        measure, explanation = key.split(" ")
        if measure == "contribution_sum_error":
            worst = max(row[key] for row in rows if row.get(key) is not None)
            found.append(_row(model, measure, explanation, (worst, None, None), len(rows)))
            continue
        held = [(r["infant_id"], r[key]) for r in rows if r.get(key) is not None]
        if held:
            value = _mean(held, seed)
            found.append(_row(model, measure, explanation, value, len({i for i, _ in held})))
    at = FRACTIONS.index(0.2)
    for explanation in ("attention", "contribution"):
        pairs = [
            (r["infant_id"], r[f"deletion {explanation}"][at],
             r[f"random_deletion {explanation}"][at]) for r in rows
        ]  # fmt: skip
        ratio = _ratio(pairs, seed)
        if ratio is not None:
            infants = len({pair[0] for pair in pairs})
            found.append(_row(model, "deletion_ratio_20", explanation, ratio, infants))
    return found


def _row(
    model: str, measure: str, explanation: str,
    value: tuple[float, float | None, float | None], infants: int,
) -> dict[str, Any]:  # fmt: skip
    return {
        "model": model, "measure": measure, "explanation": explanation, "value": value[0],
        "low": value[1], "high": value[2], "infants": infants, "what": MEANING[measure],
    }  # fmt: skip


def _grouped(rows: Sequence[tuple[Any, ...]]) -> list[NDArray[np.float64]]:
    by_infant: dict[str, list[Any]] = defaultdict(list)
    for infant, *values in rows:
        by_infant[infant].append(values)
    return [np.array(values, dtype=np.float64) for values in by_infant.values()]


def _drawn(groups: list[NDArray[np.float64]], seed: int) -> list[NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    sums = np.array([group.sum(axis=0) for group in groups])
    sizes = np.array([len(group) for group in groups])
    picks = rng.integers(len(groups), size=(2000, len(groups)))
    return [sums[pick].sum(axis=0) / sizes[pick].sum() for pick in picks]


def _mean(rows: Sequence[tuple[str, float]], seed: int) -> tuple[float, float, float]:
    groups = _grouped(rows)
    low, high = np.quantile([mean[0] for mean in _drawn(groups, seed)], [0.025, 0.975])
    return float(np.mean([value for _, value in rows])), float(low), float(high)


def _ratio(
    rows: Sequence[tuple[str, float, float]], seed: int
) -> tuple[float, float, float] | None:
    """Ratio of the means of the explanation's and of random changes."""

    def of(pair: NDArray[np.float64]) -> float:
        return float(pair[0] / pair[1]) if pair[1] > 0 else np.nan

    if not rows:
        return None
    value = of(np.mean([row[1:] for row in rows], axis=0))
    draws = np.array([of(pair) for pair in _drawn(_grouped(rows), seed)])
    if not np.isfinite(value) or not np.isfinite(draws).all():
        return None
    low, high = np.quantile(draws, [0.025, 0.975])
    return value, float(low), float(high)


def _curves(model: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for kind in ("deletion", "insertion"):
        fraction = FRACTIONS[:-1] if kind == "deletion" else FRACTIONS[1:]
        for order, key in (
            ("attention", f"{kind} attention"),
            ("contribution", f"{kind} contribution"),
            ("random", f"random_{kind} attention"),
        ):
            if rows:
                change = np.mean([row[key] for row in rows], axis=0)
                found.append({"model": model, "kind": kind, "order": order,
                              "fraction": list(fraction), "change": change.tolist()})  # fmt: skip
    return found
