"""A trained network over one recording: each clip encoded once, then windows over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from fidgety.errors import PoseError
from fidgety.motion.clips import Clips, WindowConfig, windows

if TYPE_CHECKING:  # an exported network is used without torch
    from fidgety.models.exported import ExportedNetwork
    from fidgety.models.fast import OnArrays
    from fidgety.models.network import Network

    Runner = ExportedNetwork | OnArrays

__all__ = [
    "Aggregation",
    "AttendedWindow",
    "EitherWindow",
    "Inference",
    "SummedWindow",
    "Window",
    "encode",
    "infer",
]

Aggregation = Literal["mean", "max"]
_BATCH = 512  # countings attended to at a time, so that memory does not grow with their number


@dataclass(frozen=True, eq=False)
class SummedWindow:
    """A window whose logit is the bias and a weighted mean over clips (`Network.evidence`).

    Parameters
    ----------
    rows, attention : ndarray (M,)
        Usable clips; their weights.
    pull : ndarray (M,)
        Where each clip alone would take the logit, less the bias.
    bias : float
        The part of the logit that is the same for every recording.
    """

    rows: NDArray[np.intp]
    attention: NDArray[np.float64]
    pull: NDArray[np.float64]
    bias: float

    @property
    def contribution(self) -> NDArray[np.float64]:
        """What each clip (M,) adds to the logit; with the bias they sum to it."""
        return self.attention * self.pull

    def logit(self, count: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Logit with each clip counted so many times.

        Exact, not an approximation: leaving clips out only rescales the others' weights.
        """
        counted = self.attention * (1.0 if count is None else count)  # (..., M)
        total = counted.sum(axis=-1)
        mean = (counted * self.pull).sum(axis=-1) / np.where(total > 0, total, 1.0)
        return np.asarray(self.bias + mean)


@dataclass(frozen=True, eq=False)
class AttendedWindow:
    """A window of any other network: to count clips anew is to attend anew.

    Parameters
    ----------
    rows, attention : ndarray (M,)
        Usable clips; their weights.
    vectors : ndarray (M, D)
        The clips encoded.
    network : OnArrays or ExportedNetwork
        Attends to them.
    """

    rows: NDArray[np.intp]
    attention: NDArray[np.float64]
    vectors: NDArray[np.float32]
    network: Runner

    @cached_property
    def contribution(self) -> NDArray[np.float64]:
        """By how much the logit (M,) falls if a clip is left out; they do not sum to it."""
        clips = len(self.rows)
        if clips == 1:
            return self.logit()[None]
        return self.logit() - self.logit(1.0 - np.eye(clips))

    def logit(self, count: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Logit with each clip counted so many times, by attending to them so."""
        given = np.ones(len(self.rows)) if count is None else np.asarray(count, dtype=np.float64)
        return _attended([self], given[None])[0]


@dataclass(frozen=True, eq=False)
class EitherWindow(AttendedWindow):
    """A window of a network that is `whole`: abnormal by its clips, or by all of them together.

    Its logit is that of either reason; of that by the clips it is a bias and a mean over them.

    Parameters
    ----------
    pull : ndarray (M,)
        Where each clip alone would take the logit of the first reason, less the bias.
    bias : float
        The part of that logit that is the same for every recording.
    """

    pull: NDArray[np.float64]
    bias: float

    @cached_property
    def contribution(self) -> NDArray[np.float64]:
        """What each clip (M,) adds to the logit; what the second reason adds is spread evenly."""
        own = self.attention * self.pull
        return own + (float(self.logit()) - self.bias - own.sum()) / len(own)

    @cached_property
    def parts(self) -> tuple[float, float]:
        """Chances of the two reasons: of the clips, and of all together.

        With logits a, b and that of either, 1 + exp(either) = (1 + exp(a)) (1 + exp(b)).
        """
        of_clips = self.bias + float((self.attention * self.pull).sum())
        both_not = np.logaddexp(0.0, of_clips) - np.logaddexp(0.0, float(self.logit()))  # at most 0
        return float(expit(of_clips)), float(-np.expm1(min(both_not, 0.0)))


Window = SummedWindow | AttendedWindow | EitherWindow


@dataclass(frozen=True, eq=False)
class Inference:
    """What a network says of one recording.

    Parameters
    ----------
    windows : tuple of Window
        Those that hold a usable clip.
    joint_attention : ndarray (K, V)
        Attention over the joints of each clip; 0 for unusable clips.
    aggregation : {"mean", "max"}
        How the windows' risks become the recording's.
    joint_pull : ndarray (K, V), optional
        What each joint adds to its clip's pull; None where the network is no sum over joints.
    """

    windows: tuple[Window, ...]
    joint_attention: NDArray[np.float64]
    aggregation: Aggregation
    joint_pull: NDArray[np.float64] | None = None

    @property
    def exact(self) -> bool:
        """Whether clip contributions are the network's own computation and sum to the logit."""
        return all(isinstance(window, SummedWindow | EitherWindow) for window in self.windows)

    @property
    def bias(self) -> float | None:
        """What the clips' contributions lack to the logit; None where they do not sum to it."""
        first = self.windows[0]
        return first.bias if isinstance(first, SummedWindow | EitherWindow) else None

    @property
    def logit(self) -> float:
        """Mean logit of the windows, or the highest for the rule "max"."""
        logits = [float(window.logit()) for window in self.windows]
        return max(logits) if self.aggregation == "max" else float(np.mean(logits))

    @property
    def risk(self) -> float:
        """Uncalibrated probability of absent or abnormal fidgety movements."""
        return float(self.risk_with(np.ones(len(self.joint_attention))))

    def risk_with(self, weight: NDArray[np.float64]) -> NDArray[np.float64]:
        """Risk with each clip counted so many times, (K,) or (draws, K).

        A window that keeps no clip falls away; NaN where none is left.
        """
        counts = [weight[..., window.rows] for window in self.windows]
        there = np.stack([count.sum(axis=-1) > 0 for count in counts])  # (W,) or (W, draws)
        risks = expit(_logits(self.windows, counts))
        if self.aggregation == "max":
            found = np.where(there, risks, -np.inf).max(axis=0)
        else:
            found = np.where(there, risks, 0.0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
        return np.where(there.any(axis=0), found, np.nan)

    @cached_property
    def parts(self) -> tuple[float, float] | None:
        """Mean chances over the windows of the two reasons of a network that is `whole`, else None.

        Of the window with the highest risk for the rule "max".
        """
        found = [window.parts for window in self.windows if isinstance(window, EitherWindow)]
        if len(found) < len(self.windows):
            return None
        if self.aggregation == "max":
            return found[int(np.argmax([float(window.logit()) for window in self.windows]))]
        clips, whole = np.mean(found, axis=0)
        return float(clips), float(whole)

    @cached_property
    def clip_attention(self) -> NDArray[np.float64]:
        """Attention (K,) over the deciding windows: all of them, or the highest; sums to 1."""
        return self._over_windows([window.attention for window in self.windows])

    @cached_property
    def clip_contribution(self) -> NDArray[np.float64]:
        """What each clip (K,) adds to the logit; with `bias` they sum to it if `exact`.

        To the mean logit of the windows, that is, or to the highest for the rule "max". Otherwise
        by how much the logit falls if the clip is left out.
        """
        return self._over_windows([window.contribution for window in self.windows])

    @cached_property
    def joint_contribution(self) -> NDArray[np.float64] | None:
        """What each joint of each clip (K, V) adds to the logit; over joints, the clip's part.

        What belongs to all clips together is spread evenly over the joints that were seen.
        """
        if self.joint_pull is None or not self.exact:
            return None
        own = self.clip_attention[:, None] * self.joint_pull
        if not any(isinstance(window, EitherWindow) for window in self.windows):
            return own
        seen = self.joint_attention > 0  # (K, V)
        rest = self.clip_contribution - own.sum(axis=1)
        return own + seen * (rest / np.maximum(seen.sum(axis=1), 1))[:, None]

    def _over_windows(self, values: list[NDArray[np.float64]]) -> NDArray[np.float64]:
        share = np.full(len(self.windows), 1 / len(self.windows))
        if self.aggregation == "max":
            share = np.zeros(len(self.windows))
            share[np.argmax([float(window.logit()) for window in self.windows])] = 1.0
        total = np.zeros(len(self.joint_attention))
        for window, value, part in zip(self.windows, values, share, strict=True):
            total[window.rows] += part * value
        return total


def _logits(
    windows: Sequence[Window], counts: Sequence[NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Logit of each window, (W,) or (W, draws), counting its clips (M,) or (draws, M) times.

    Windows of as many clips are attended to together: most of the cost is in asking.
    """
    found = np.empty((len(windows), *counts[0].shape[:-1]))
    attended = [n for n, window in enumerate(windows) if isinstance(window, AttendedWindow)]
    for number in set(range(len(windows))) - set(attended):
        found[number] = windows[number].logit(counts[number])
    for group_of in _alike([windows[n].rows for n in attended]):
        numbers = [attended[n] for n in group_of]
        group = [window for n in numbers if isinstance(window := windows[n], AttendedWindow)]
        found[numbers] = _attended(group, np.stack([counts[n] for n in numbers]))
    return found


def _attended(group: Sequence[AttendedWindow], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logits, (W,) or (W, draws), of windows of one network that have as many clips each."""
    vectors = np.stack([window.vectors for window in group])  # (W, M, D)
    given = counts.reshape(len(group), -1, counts.shape[-1]).astype(np.float32)
    flat = given.reshape(-1, given.shape[-1])  # (W draws, M)
    whose = np.repeat(np.arange(len(group)), given.shape[1])
    found = [
        group[0].network.attend(vectors[whose[part]], flat[part])[0]
        for part in np.split(np.arange(len(flat)), range(_BATCH, len(flat), _BATCH))
    ]
    return np.concatenate(found).astype(np.float64).reshape(counts.shape[:-1])


def infer(
    model: Network | Runner,
    clips: Clips,
    window: WindowConfig | None = None,
    aggregation: Aggregation = "mean",
) -> Inference:
    """Risk and attention of one recording.

    Parameters
    ----------
    model : Network, OnArrays or ExportedNetwork
        In evaluation mode, on any device.
    clips : Clips
        (K, C, T, V) clips of one recording.
    window : WindowConfig, optional
        Windows over the clips.
    aggregation : {"mean", "max"}
        How the windows' risks become the recording's: their mean, or the highest as published.

    Raises
    ------
    PoseError
        E105 if no clip is usable.
    """
    usable = np.flatnonzero(clips.usable)
    if len(usable) == 0:
        raise PoseError(
            "E105",
            f"None of the {len(clips)} clips is usable",
            why="too few joints were seen",
            remedy="Film the whole body from above; 60 s or more",
        )
    runner = _on_arrays(model)
    vectors, joints, evidence = encode(runner, clips, usable)
    row_of = np.full(len(clips), -1)
    row_of[usable] = np.arange(len(usable))
    every = [np.intersect1d(usable, np.arange(len(clips))[part]) for part in windows(clips, window)]
    parts = [rows for rows in every if len(rows)]
    found = _windows(runner, vectors, parts, [row_of[rows] for rows in parts])
    return Inference(
        tuple(found),
        _spread_out(joints, usable, len(clips)),
        aggregation,
        None if evidence is None else _spread_out(evidence, usable, len(clips)),
    )


def encode(
    runner: Runner, clips: Clips, which: NDArray[np.intp]
) -> tuple[NDArray, NDArray, NDArray | None]:
    """Vectors (M, D), joint attention (M, V) and joint evidence of the chosen clips, each once."""
    size = runner.clips_at_a_time
    parts = [
        runner.encode_of(clips, which[start : start + size]) for start in range(0, len(which), size)
    ]
    vectors, joints, evidence = zip(*parts, strict=True)
    told = [part for part in evidence if part is not None]
    return (
        np.concatenate(vectors),
        np.concatenate(joints),
        np.concatenate(told) if told else None,
    )


def _on_arrays(model: Network | Runner) -> Runner:
    from fidgety.models.exported import ExportedNetwork

    if isinstance(model, ExportedNetwork):
        return model
    from fidgety.models.fast import OnArrays

    return model if isinstance(model, OnArrays) else OnArrays(model)


def _windows(
    runner: Runner,
    vectors: NDArray,
    parts: Sequence[NDArray[np.intp]],
    places: Sequence[NDArray[np.intp]],
) -> list[Window]:
    """Windows over clips `parts`, whose vectors lie at `places`, of the kind the network allows.

    What a clip says by itself is asked once; windows of as many clips are attended to together.
    """
    evidence = runner.evidence(vectors)
    attention = [np.empty(0)] * len(parts)
    for numbers in _alike(places):
        for start in range(0, len(numbers), _BATCH):
            some = numbers[start : start + _BATCH]
            weights = runner.attend(np.stack([vectors[places[n]] for n in some]))[1]
            weights = weights.astype(np.float64)
            weights = weights / weights.sum(axis=1, keepdims=True)
            for number, row in zip(some, weights, strict=True):
                attention[number] = row
    found: list[Window] = []
    for rows, place, weight in zip(parts, places, attention, strict=True):
        if evidence is None:
            found.append(AttendedWindow(rows, weight, vectors[place], runner))
            continue
        pull, bias = evidence[0][place].astype(np.float64), evidence[1]
        if runner.whole:
            found.append(EitherWindow(rows, weight, vectors[place], runner, pull, bias))
        else:
            found.append(SummedWindow(rows, weight, pull, bias))
    return found


def _alike(parts: Sequence[NDArray]) -> list[list[int]]:
    """Numbers of the parts that are as long, together."""
    found: dict[int, list[int]] = {}
    for number, part in enumerate(parts):
        found.setdefault(len(part), []).append(number)
    return list(found.values())


def _spread_out(values: NDArray, rows: NDArray[np.intp], clips: int) -> NDArray[np.float64]:
    """(M, V) -> (K, V), 0 for clips that were not looked at."""
    table = np.zeros((clips, values.shape[1]))
    table[rows] = values
    return table
