"""FidgetyFind: how many directions a joint moves in while it moves as fidgety movements do.

Sources
-------
Morais et al. 2023, IEEE JBHI 27:5042, and its public code, read for this module.

From the source: windows of 50 frames every 20 at 30 frames per second; displacement from frame to
frame as % of the parent limb, its direction taken from that limb; a window in which more than a
fifth of the frames move by over 10 % (large motion), or more than a tenth is missing, is not
scored; one with less than a fifth of its frames at 4.5 to 8 % scores 0; any other scores the
entropy of the directions of those frames over 8 bins, divided by log 8.

Ours: the source scores the hips so (by the thigh's far end, the knee); it scores hands and feet by
optical flow, which needs the film and is not reproduced: elbows, wrists and ankles are scored by
the rule of the hips instead. Its check of the camera's motion needs the film too. It skips the
first 100 frames, where the camera is still being set up; nothing is skipped here. How windows
become a recording's numbers is ours: mean and 90 % quantile of the scores, share of windows scored,
share of the scored ones above 0. At other frame rates windows keep their seconds, and displacement
is brought to 30 frames per second as in the source.
"""

from __future__ import annotations

import numpy as np

from fidgety.models.features.feature import SIDES, Feature, FeatureSet, Floats, Movement
from fidgety.models.quantiles import observed_quantiles

__all__ = ["FIDGETYFIND", "window_scores"]

FPS = 30.0
WINDOW, STRIDE, BINS = 50, 20, 8
LOW, HIGH, LARGE = 4.5, 8.0, 10.0  # % of the parent limb, from frame to frame
MOST_LARGE, MOST_MISSING, LEAST_IN_BAND = 0.2, 0.1, 0.2  # shares of a window's frames
PARENTS = {"knee": "hip", "ankle": "knee", "elbow": "shoulder", "wrist": "elbow"}
JOINTS = tuple(f"{side}_{part}" for part in PARENTS for side in SIDES)
_PARENTS = tuple(f"{side}_{parent}" for parent in PARENTS.values() for side in SIDES)


def window_scores(xy: Floats, parent: Floats, fps: float) -> Floats:
    """Scores (W, J), 0 to 1, of joints (T, J, 2) with parent joints (T, J, 2); NaN = not scored."""
    window, stride = (max(1, round(frames * fps / FPS)) for frames in (WINDOW, STRIDE))
    step, limb = np.diff(xy, axis=0), (xy - parent)
    length = np.linalg.norm(limb[:-1], axis=-1)
    size = 100 * np.linalg.norm(step, axis=-1) / np.where(length > 0, length, np.nan)
    size *= fps / FPS  # (T - 1, J)
    ahead = limb[1:]
    angle = np.arctan2(
        ahead[..., 0] * step[..., 1] - ahead[..., 1] * step[..., 0], (ahead * step).sum(axis=-1)
    )
    with np.errstate(invalid="ignore"):
        band = (size >= LOW) & (size <= HIGH)
        large = size > LARGE
    missing = ~np.isfinite(size)
    bins = np.where(band, np.floor((angle + np.pi) / (2 * np.pi) * BINS), -1)
    bins = np.minimum(bins, BINS - 1)
    counts = np.stack([_in_windows(bins == k, window, stride) for k in range(BINS)])  # (8, W, J)
    inside = counts.sum(axis=0)
    share = counts / np.maximum(inside, 1)
    entropy = -(share * np.log(np.where(share > 0, share, 1.0))).sum(axis=0) / np.log(BINS)
    score = np.where(inside / window >= LEAST_IN_BAND, np.abs(entropy), 0.0)
    refused = (_in_windows(large, window, stride) / window > MOST_LARGE) | (
        _in_windows(missing, window, stride) / window > MOST_MISSING
    )
    return np.where(refused, np.nan, score)


def _in_windows(which: np.ndarray, window: int, stride: int) -> np.ndarray:
    """Frames (W, J) of each window for which (T, J) holds."""
    total = np.concatenate([np.zeros((1, which.shape[1]), int), which.cumsum(axis=0)])
    starts = np.arange(0, len(which) - window + 1, stride)
    return total[starts + window] - total[starts]


def _measure(at: Movement) -> Floats:
    scores = window_scores(at.at(*JOINTS), at.at(*_PARENTS), at.fps)  # (W, J)
    scored = np.isfinite(scores)
    count = scored.sum(axis=0)
    known = np.maximum(count, 1)
    mean = np.where(scored, scores, 0.0).sum(axis=0) / known
    above = (np.where(scored, scores, 0.0) > 0).sum(axis=0) / known
    return np.stack(
        [
            np.where(count > 0, mean, np.nan),
            observed_quantiles(scores, [0.9])[0],
            count / len(scores) if len(scores) else np.full(len(JOINTS), np.nan),
            np.where(count > 0, above, np.nan),
        ],
        axis=1,
    ).ravel()


FIDGETYFIND = FeatureSet(
    "fidgetyfind",
    "Direction entropy of movements of fidgety size, FidgetyFind (Morais 2023, IEEE JBHI 27:5042)",
    "fidgety",
    tuple(
        Feature(f"fidgetyfind_{joint}_{name}", "1", f"{joint.replace('_', ' ')}: {meaning}")
        for joint in JOINTS
        for name, meaning in (
            ("mean", "mean direction entropy of the windows scored, 0 to 1"),
            ("q90", "90 % quantile of the direction entropy of the windows scored"),
            ("scored", "share of windows that could be scored"),
            ("moving", "share of the windows scored with movement of fidgety size"),
        )
    ),
    _measure,
)
