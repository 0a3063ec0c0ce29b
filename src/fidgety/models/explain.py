"""Where a network looked, in seconds and joints, and whether looking there mattered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fidgety.models.ensemble import Ensemble, Found
from fidgety.models.exported import ExportedNetwork
from fidgety.models.trained import TrainedModel
from fidgety.motion import CHANNELS, PoseSequence
from fidgety.pose.skeleton import Skeleton
from fidgety.statistics.auc import midranks

__all__ = [
    "changes_without",
    "deletion_check",
    "explanation_check",
    "joint_movement",
    "movement_of_parts",
    "randomised",
    "spread",
]

_DRAWS = 100  # at a time, so that memory does not grow with the recording
_SPEED = [CHANNELS.index("velocity_x"), CHANNELS.index("velocity_y")]
_PLACE = [CHANNELS.index("x"), CHANNELS.index("y")]


def spread(
    found: Found, rng: np.random.Generator, draws: int = 1000, level: float = 0.95
) -> NDArray[np.float64]:
    """Interval (2,) of the raw risk when clips, and members of an ensemble, are drawn anew.

    Each draw takes one member and as many of the recording's clips, with replacement. It says how
    much the risk rests on which seconds were filmed and, for an ensemble, on which infants it was
    trained on. A single network says nothing of the latter.
    """
    clips = len(found.joint_attention)
    usable = _usable(found)
    counts = np.zeros((draws, clips), dtype=np.uint16)
    shares = np.full(len(usable), 1 / len(usable))
    for part in np.split(counts, range(_DRAWS, draws, _DRAWS)):
        part[:, usable] = rng.multinomial(len(usable), shares, size=len(part))
    members = found.members if isinstance(found, Ensemble) else (found,)
    member = rng.integers(len(members), size=draws) if len(members) > 1 else np.zeros(draws, int)
    risks = np.empty(draws)
    for number, one in enumerate(members):
        own = np.flatnonzero(member == number)
        for some in np.split(own, range(_DRAWS, len(own), _DRAWS)):
            risks[some] = one.risk_with(counts[some].astype(np.float64))
    tail = (1 - level) / 2
    return np.quantile(risks, [tail, 1 - tail])


def explanation_check(
    found: Found,
    rng: np.random.Generator,
    random: Found | None = None,
    fraction: float = 0.2,
    draws: int = 200,
) -> dict[str, Any] | None:
    """Everything that can be tested of an explanation without knowing the truth.

    Parameters
    ----------
    found : Inference or Ensemble
        Of one recording.
    rng : numpy.random.Generator
        Of random deletions.
    random : Inference or Ensemble, optional
        Of the same networks with random weights, see `randomised`.
    fraction, draws
        Share of the clips left out; random deletions.

    Returns
    -------
    dict or None
        That of `deletion_check` by attention, and ``contribution``, the same by contributions;
        ``insertion``: distance from the whole risk with the first `fraction` of the clips alone, by
        attention, and with random ones; ``random_weights``: rank correlation of clip attention with
        that of random weights, near 0 where attention rests on what was learnt. None with fewer
        than five usable clips.
    """
    state = rng.bit_generator.state
    check = deletion_check(found, rng, fraction, draws)
    if check is None:
        return None
    rng.bit_generator.state = state  # the same random deletions for both
    check["contribution"] = deletion_check(found, rng, fraction, draws, by="contribution")
    usable = _usable(found)
    count = max(1, round(fraction * len(usable)))
    order = usable[np.argsort(-found.clip_attention[usable], kind="stable")]
    others = [rng.permutation(usable)[count:] for _ in range(min(draws, 50))]
    away = changes_without(found, [order[count:], *others])
    check["insertion"] = {
        "risk_away_top": float(away[0]),
        "risk_away_random": float(away[1:].mean()),
    }
    correlation = None
    if random is not None:
        pair = found.clip_attention[usable], random.clip_attention[usable]
        if all(np.ptp(one) > 1e-12 for one in pair):
            ranks = [midranks(one) for one in pair]  # Spearman; scipy.stats takes 0.3 s to load
            correlation = float(np.asarray(np.corrcoef(np.stack(ranks)))[0, 1])
    check["random_weights"] = correlation
    return check


def deletion_check(
    found: Found,
    rng: np.random.Generator,
    fraction: float = 0.2,
    draws: int = 200,
    by: str = "attention",
) -> dict[str, Any] | None:
    """Does leaving out the clips shown as weighty move the risk more than leaving out others?

    Parameters
    ----------
    found, rng, fraction, draws
        As `explanation_check`.
    by : {"attention", "contribution"}
        Clips with most attention; or those that speak most for the side the risk is on.

    Returns
    -------
    dict or None
        ``top_fraction``, ``risk_change_top`` and ``risk_change_random`` (mean absolute changes of
        the raw risk), ``ratio`` (None if random deletion changes nothing) and ``passed`` (a ratio
        of at least 1); None with fewer than five usable clips.
    """
    usable = _usable(found)
    count = max(1, round(fraction * len(usable)))
    if len(usable) < 5:
        return None
    side = 1.0 if found.risk >= 0.5 else -1.0
    score = found.clip_attention if by == "attention" else side * found.clip_contribution
    whole = found.risk
    kept = np.ones((draws + 1, len(found.clip_attention)))
    kept[0, usable[np.argsort(score[usable])[-count:]]] = 0
    for draw in range(1, draws + 1):
        kept[draw, rng.choice(usable, count, replace=False)] = 0
    changes = np.abs(found.risk_with(kept) - whole)
    top, random = float(changes[0]), float(changes[1:].mean())
    return {
        "top_fraction": fraction,
        "risk_change_top": top,
        "risk_change_random": random,
        "ratio": top / random if random > 0 else None,
        "passed": top >= random,
    }


def changes_without(found: Found, without: Sequence[NDArray[np.intp]]) -> NDArray[np.float64]:
    """Absolute changes (n,) of the raw risk, each without some of the clips."""
    kept = np.ones((len(without), len(found.clip_attention)))
    for row, clips in zip(kept, without, strict=True):
        row[clips] = 0
    return np.abs(found.risk_with(kept) - found.risk)


def randomised(model: TrainedModel, seed: int = 0) -> TrainedModel | None:
    """The same networks with weights as before training: what an explanation must not look like.

    None for an exported model, whose weights cannot be drawn anew.
    """
    known = [n for n in model.networks if not isinstance(n, ExportedNetwork)]
    if not known:
        return None
    import torch

    networks = []
    for number, network in enumerate(known):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed + number)
            networks.append(type(network)(network.config).eval())
    return replace(model, networks=tuple(networks))


def _usable(found: Found) -> NDArray[np.intp]:
    return np.unique(np.concatenate([window.rows for window in found.windows]))


def joint_movement(
    sequence: PoseSequence,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Root mean square speed (V,) and mean position (V, 2) of each joint; NaN if never seen."""
    squares = np.square(sequence.values[_SPEED]).sum(axis=0)  # (T, V)
    speed = np.sqrt(_mean(squares))
    position = np.stack([_mean(sequence.values[channel]) for channel in _PLACE], axis=1)
    return speed, position


def movement_of_parts(
    sequence: PoseSequence, skeleton: Skeleton, step_s: float = 0.5
) -> dict[str, Any]:
    """Root mean square speed of each body part in steps of `step_s` seconds, JSON-ready."""
    width = max(1, round(step_s * sequence.fps))
    steps = max(1, sequence.values.shape[1] // width)
    squares = np.square(sequence.values[_SPEED]).sum(axis=0)[: steps * width]  # (T, V)
    parts = {}
    for part, joints in skeleton.parts.items():
        table = squares[:, skeleton.rows(*joints)].reshape(steps, -1).T
        values = np.sqrt(_mean(table))
        parts[part] = [round(float(v), 5) if np.isfinite(v) else None for v in values]
    times = sequence.start_s + (np.arange(steps) + 0.5) * width / sequence.fps
    return {
        "time_s": [round(float(time), 3) for time in times],
        "parts": parts,
        "unit": "trunk lengths per second",
    }


def _mean(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Mean over the first axis, leaving out NaN; NaN where there is nothing else."""
    seen = np.isfinite(values)
    count = seen.sum(axis=0)
    total = np.where(seen, values, 0.0).sum(axis=0, dtype=np.float64)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
