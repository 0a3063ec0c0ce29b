"""A trained network over one recording: each clip encoded once, then windows over them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit

from fidgety.errors import PoseError
from fidgety.models.stam import STAM
from fidgety.motion.clips import Clips, WindowConfig, windows

__all__ = ["Aggregation", "Inference", "Window", "encode", "infer"]

Aggregation = Literal["mean", "max"]
_BATCH = 64  # clips encoded at a time, so that memory does not grow with the recording


@dataclass(frozen=True, eq=False)
class Window:
    """One window of a recording as the network weighs it.

    Parameters
    ----------
    rows : ndarray (M,)
        Its usable clips.
    attention : ndarray (M,)
        Their attention; sums to 1.
    pull : ndarray (M,)
        Where each clip alone would take the logit, less the bias.
    bias : float
        The part of the logit that is the same for every recording.
    """

    rows: NDArray[np.intp]
    attention: NDArray[np.float64]
    pull: NDArray[np.float64]
    bias: float

    def risk(self, weight: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Risk with each clip counted `weight` times, (M,) or (draws, M); once by default.

        Exact, not an approximation: the network's logit is the attention-weighted mean of `pull`
        plus the bias, and attention is a softmax, so leaving clips out only rescales the others'.
        """
        counted = self.attention * (1.0 if weight is None else weight)  # (..., M)
        total = counted.sum(axis=-1)
        logit = self.bias + (counted * self.pull).sum(axis=-1) / np.where(total > 0, total, 1.0)
        return np.asarray(expit(logit))


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
    """

    windows: tuple[Window, ...]
    joint_attention: NDArray[np.float64]
    aggregation: Aggregation

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
        risks = np.stack([w.risk(count) for w, count in zip(self.windows, counts, strict=True)])
        if self.aggregation == "max":
            found = np.where(there, risks, -np.inf).max(axis=0)
        else:
            found = np.where(there, risks, 0.0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
        return np.where(there.any(axis=0), found, np.nan)

    @cached_property
    def clip_attention(self) -> NDArray[np.float64]:
        """Attention (K,) over the deciding windows: all of them, or the highest; sums to 1."""
        return self._over_windows([window.attention for window in self.windows])

    @cached_property
    def clip_contribution(self) -> NDArray[np.float64]:
        """What each clip (K,) adds to the logit; with the bias they sum to it.

        To the mean logit of the windows, that is, or to the highest for the rule "max".
        """
        return self._over_windows([window.attention * window.pull for window in self.windows])

    def _over_windows(self, values: list[NDArray[np.float64]]) -> NDArray[np.float64]:
        share = np.full(len(self.windows), 1 / len(self.windows))
        if self.aggregation == "max":
            share = np.zeros(len(self.windows))
            share[np.argmax([float(window.risk()) for window in self.windows])] = 1.0
        total = np.zeros(len(self.joint_attention))
        for window, value, part in zip(self.windows, values, share, strict=True):
            total[window.rows] += part * value
        return total


def infer(
    model: STAM,
    clips: Clips,
    window: WindowConfig | None = None,
    aggregation: Aggregation = "mean",
) -> Inference:
    """Risk and attention of one recording.

    Parameters
    ----------
    model : STAM
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
    device = next(model.parameters()).device
    vectors, joints = encode(model, clips, usable, device)
    row_of = np.full(len(clips), -1)
    row_of[usable] = np.arange(len(usable))
    bias = float(model.output.bias.detach()[0])
    found = []
    with torch.inference_mode():
        pull = (vectors @ model.output.weight[0]).double().cpu().numpy()  # (M,)
        for part in windows(clips, window):
            rows = np.intersect1d(usable, np.arange(len(clips))[part])
            if len(rows):
                chosen = row_of[rows]
                _, alpha = model.attend(vectors[torch.as_tensor(chosen, device=device)][None])
                attention = alpha[0].double().cpu().numpy()
                found.append(Window(rows, attention / attention.sum(), pull[chosen], bias))
    joint_attention = np.zeros((len(clips), joints.shape[1]))
    joint_attention[usable] = joints.double().cpu().numpy()
    return Inference(tuple(found), joint_attention, aggregation)


def encode(
    model: STAM, clips: Clips, which: NDArray[np.intp], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Vectors (M, D) and joint attention (M, V) of the chosen clips."""
    encoded = []
    with torch.inference_mode():
        for start in range(0, len(which), _BATCH):
            values = clips.values(which[start : start + _BATCH]).astype(np.float32, copy=False)
            encoded.append(model.encode(torch.from_numpy(values).to(device)))
    vectors, joints = zip(*encoded, strict=True)
    return torch.cat(vectors), torch.cat(joints)
