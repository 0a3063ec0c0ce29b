"""What one recording's explanation is worth: every measure of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.special import logit as log_odds
from scipy.stats import spearmanr

from fidgety.files import file_error
from fidgety.models.ensemble import Ensemble, Found
from fidgety.models.explain import changes_without
from fidgety.models.inference import EitherWindow, SummedWindow
from fidgety.motion import Clips
from fidgety.statistics import roc_auc

__all__ = ["FRACTIONS", "measures_of", "truth_of_clips"]

COVERED = (0.2, 0.8)  # share of a recording that bouts cover, for its clips to be ranked
PRESENT = 0.5  # amount of fidgety movement that counts as movement
FRACTIONS = tuple(np.round(np.linspace(0, 1, 11), 1).tolist())
FIRST = 0.2  # share of the clips that are looked at alone


def truth_of_clips(study: Path, recording: str, clips: Clips) -> NDArray[np.float64] | None:
    """Mean amount of fidgety movement of each joint in each clip (K, V); None without truth."""
    path = study / "truth" / f"{recording}.parquet"
    if not path.is_file():
        return None
    try:
        table = pq.read_table(path).to_pydict()
    except OSError as error:
        raise file_error(error, path) from error
    time = np.array(table.pop("time_s"))
    amount = np.array(list(table.values())).T  # (T, V)
    middle = [
        amount[(time >= start - 1e-6) & (time < start + clips.length_s - 1e-6)]
        for start in clips.start_s
    ]
    return np.array([part.mean(axis=0) if len(part) else np.zeros(amount.shape[1])
                     for part in middle])  # fmt: skip


def measures_of(
    found: Found,
    random: Found,
    truth: NDArray[np.float64] | None,
    rng: np.random.Generator,
    logit: float,
) -> dict[str, Any]:
    """Every measure of one recording; None where it has none.

    Parameters
    ----------
    found, random : Inference or Ensemble
        Of the trained networks, and of the same ones with random weights.
    truth : ndarray (K, V) or None
        Amount of fidgety movement, joints in the order of the networks'.
    rng : numpy.random.Generator
        Of random deletions.
    logit : float
        Of the trained networks, computed without taking it apart (`direct_logit`).
    """
    usable = np.unique(np.concatenate([window.rows for window in found.windows]))
    # Fidgety movement speaks for normal: a clip that has it should contribute less than others.
    clip = {"attention": found.clip_attention, "contribution": -found.clip_contribution}
    other = {"attention": random.clip_attention, "contribution": -random.clip_contribution}
    parts: dict[str, NDArray[np.float64] | None] = {
        "attention": found.joint_attention,
        "contribution": None if found.joint_contribution is None else -found.joint_contribution,
    }
    measures: dict[str, Any] = {}
    for name in clip:
        one, two = clip[name][usable], other[name][usable]
        varies = np.ptp(one) > 0 and np.ptp(two) > 0 and len(usable) > 4
        measures[f"randomised_correlation {name}"] = (
            float(np.asarray(spearmanr(one, two))[0]) if varies else None
        )
        for kind, curve in _curves_of(found, name, usable, rng).items():
            measures[f"{kind} {name}"] = curve
        if truth is not None:
            measures |= _against_truth(name, clip[name], other[name], parts[name], truth, usable)
    measures |= _alone(found, "", usable, rng)
    by_clips = _sum_of_clips(found)
    if by_clips is not None:
        measures |= _alone(by_clips, "_sum", usable, rng)
    if found.exact:
        total = float(found.clip_contribution.sum()) + float(found.bias or 0.0)
        measures["contribution_sum_error contribution"] = abs(total - logit)
    return measures


def _against_truth(
    name: str,
    clip: NDArray[np.float64],
    random: NDArray[np.float64],
    parts: NDArray[np.float64] | None,
    truth: NDArray[np.float64],
    usable: NDArray[np.intp],
) -> dict[str, Any]:
    amount = truth[usable]  # (M, V)
    bout = amount.max(axis=1) > PRESENT
    if not COVERED[0] <= bout.mean() <= COVERED[1]:
        return {}
    found = {
        f"clip_auc {name}": float(roc_auc(clip[usable], bout)),
        f"randomised_clip_auc {name}": float(roc_auc(random[usable], bout)),
    }
    if parts is None:
        return found
    pairs, moving = parts[usable], amount > PRESENT
    if name == "attention":
        pairs = pairs * clip[usable][:, None]
    if 0 < moving.mean() < 1:
        found[f"joint_auc {name}"] = float(roc_auc(pairs.ravel(), moving.ravel()))
    within = []
    for row, own in zip(parts[usable][bout], amount[bout], strict=True):
        more = own > np.median(own)
        if 0 < more.mean() < 1:
            within.append(float(roc_auc(row, more)))
    if within:
        found[f"joint_within_clip_auc {name}"] = float(np.mean(within))
    return found


def _alone(
    found: Found, suffix: str, usable: NDArray[np.intp], rng: np.random.Generator
) -> dict[str, float]:
    """What the first fifth of the clips, in order of the explanation, and a random one say alone.

    On the logit scale, towards the side that the whole recording is on.
    """
    side = 1.0 if found.risk >= 0.5 else -1.0
    count = max(1, round(FIRST * len(usable)))
    draws = [rng.permutation(usable)[:count] for _ in range(20)]
    random = side * _logit_of(found, draws)
    measures: dict[str, float] = {}
    for name, score in _scores(found).items():
        first = usable[np.argsort(-score[usable], kind="stable")][:count]
        said = float(side * _logit_of(found, [first])[0])
        measures[f"answer_kept_20{suffix} {name}"] = float(said > 0)
        measures[f"random_kept_20{suffix} {name}"] = float((random > 0).mean())
        measures[f"insertion_gain_20{suffix} {name}"] = said - float(random.mean())
    return measures


def _logit_of(found: Found, kept: Sequence[NDArray[np.intp]]) -> NDArray[np.float64]:
    """Logit (n,) of the raw risk with some of the clips alone, each time others."""
    counts = np.zeros((len(kept), len(found.clip_attention)))
    for row, clips in zip(counts, kept, strict=True):
        row[clips] = 1
    return log_odds(np.clip(found.risk_with(counts), 1e-12, 1 - 1e-12))


def _scores(found: Found) -> dict[str, NDArray[np.float64]]:
    """Scores (K,) to order clips by: attention; how much they speak for what was said."""
    side = 1.0 if found.risk >= 0.5 else -1.0
    return {"attention": found.clip_attention, "contribution": side * found.clip_contribution}


def _sum_of_clips(found: Found) -> Found | None:
    """The same without what belongs to a recording as a whole; None where nothing does."""
    members = found.members if isinstance(found, Ensemble) else (found,)
    if not any(isinstance(window, EitherWindow) for one in members for window in one.windows):
        return None
    alone = tuple(
        replace(one, windows=tuple(
            SummedWindow(w.rows, w.attention, w.pull, w.bias) if isinstance(w, EitherWindow) else w
            for w in one.windows
        )) for one in members
    )  # fmt: skip
    return Ensemble(alone)


def _curves_of(
    found: Found, name: str, usable: NDArray[np.intp], rng: np.random.Generator
) -> dict[str, list[float]]:
    """Change of the risk as clips are left out, and distance from it as they alone are kept."""
    score = _scores(found)[name]
    order = usable[np.argsort(-score[usable], kind="stable")]
    counts = [round(fraction * len(order)) for fraction in FRACTIONS]
    out = [min(n, len(order) - 1) for n in counts[:-1]]  # never all
    kept = [max(n, 1) for n in counts[1:]]
    return {
        "deletion": changes_without(found, [order[:n] for n in out]).tolist(),
        "insertion": changes_without(found, [order[n:] for n in kept]).tolist(),
        "random_deletion": _random(found, usable, out, rng, kept=False),
        "random_insertion": _random(found, usable, kept, rng, kept=True),
    }


def _random(
    found: Found, usable: NDArray[np.intp], counts: list[int], rng: np.random.Generator, kept: bool
) -> list[float]:
    values = []
    for n in counts:
        drawn = [rng.permutation(usable) for _ in range(20)]
        values.append(
            float(changes_without(found, [o[n:] if kept else o[:n] for o in drawn]).mean())
        )
    return values
