"""A trained network over one recording: every distinct clip encoded once, then windows over them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from fidgety.errors import PoseError
from fidgety.models.stam import STAM
from fidgety.motion.clips import Clips, WindowConfig, windows

__all__ = ["Aggregation", "Inference", "infer"]

Aggregation = Literal["mean", "max"]
_BATCH = 64  # clips encoded at a time, so that memory does not grow with the recording


@dataclass(frozen=True, eq=False)
class Inference:
    """What a network says of one recording.

    Parameters
    ----------
    risk : float
        Uncalibrated probability of absent or abnormal fidgety movements, its windows aggregated.
    window_risks : ndarray (W,)
        Risk of each window that holds a usable clip.
    clip_attention : ndarray (K,)
        Mean attention over the windows a clip is in, scaled to sum to 1; 0 for unusable clips.
    clip_contribution : ndarray (K,)
        What each clip adds to the mean logit of the windows; with `bias` they sum to it exactly.
    joint_attention : ndarray (K, V)
        Attention over the joints of each clip; 0 for unusable clips.
    bias : float
        The part of the logit that is the same for every recording.
    """

    risk: float
    window_risks: NDArray[np.float64]
    clip_attention: NDArray[np.float64]
    clip_contribution: NDArray[np.float64]
    joint_attention: NDArray[np.float64]
    bias: float


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
    parts = [np.intersect1d(usable, np.arange(len(clips))[part]) for part in windows(clips, window)]
    parts = [part for part in parts if len(part)]
    row_of = np.full(len(clips), -1)
    row_of[usable] = np.arange(len(usable))
    attention, contribution = np.zeros(len(clips)), np.zeros(len(clips))
    logits = []
    with torch.inference_mode():
        pull = (vectors @ model.output.weight[0]).double().cpu().numpy()  # (M,)
        for part in parts:
            logit, alpha = model.attend(vectors[torch.as_tensor(row_of[part], device=device)][None])
            weight = alpha[0].double().cpu().numpy()
            logits.append(float(logit[0]))
            attention[part] += weight / len(parts)
            contribution[part] += weight * pull[row_of[part]] / len(parts)
    risks = 1 / (1 + np.exp(-np.array(logits)))
    joint_attention = np.zeros((len(clips), joints.shape[1]))
    joint_attention[usable] = joints.double().cpu().numpy()
    return Inference(
        risk=float(risks.mean() if aggregation == "mean" else risks.max()),
        window_risks=risks,
        clip_attention=attention,
        clip_contribution=contribution,
        joint_attention=joint_attention,
        bias=float(model.output.bias[0]),
    )


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
