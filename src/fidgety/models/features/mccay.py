"""Pose histograms of McCay et al.: orientation and displacement of limbs, and their spectra.

Sources
-------
McCay et al. 2019, IEEE EMBC, and McCay et al. 2020, IEEE Access 8:51582, doi
    10.1109/ACCESS.2020.2980269: HOJO2D and HOJD2D.
McCay et al. 2022, IEEE TNSRE 30:8, doi 10.1109/TNSRE.2021.3138185, and its public code, read for
    this module: FFT-JO and FFT-JD, and the details of all four.

From the source, each over elbows, wrists, knees and ankles, in 8 bins that sum to 1:

- HOJO2D: direction of the bone from its parent joint, shared by the two nearest of eight
  directions in inverse proportion to their cosine distance;
- HOJD2D: displacement over 5 frames, in bins of equal width, the last one open;
- FFT-JO and FFT-JD: amplitude of the spectrum of the bone's angle to the body's transverse axis
  (0 to 180 degrees), and of the displacement from frame to frame; bins that widen with the square
  of the frequency, ``(k / 8)^2`` of half the frame rate; the mean is in the first.

Ours: HOJD2D counts in trunk lengths (0.02 a bin, over 1/6 s) where the code counts pixels (2 a bin,
over 5 frames); FFT-JD takes every frame where the code takes every sixth and leaves zeros between;
FFT-JO has the same bins as FFT-JD where the code's exponent of 20 leaves five of eight empty;
frames in which a joint is missing are left out of histograms and bridged for spectra, and a joint
seen in less than half of the frames has no spectrum.
"""

from __future__ import annotations

import numpy as np

from fidgety.models.features.feature import SIDES, Feature, FeatureSet, Floats, Movement
from fidgety.models.features.summaries import amplitude_spectrum, filled

__all__ = ["MCCAY", "displacement_histogram", "frequency_histogram", "orientation_histogram"]

BINS = 8
PARENTS = {"elbow": "shoulder", "wrist": "elbow", "knee": "hip", "ankle": "knee"}
JOINTS = tuple(f"{side}_{part}" for part in PARENTS for side in SIDES)
_PARENTS = tuple(f"{side}_{parent}" for parent in PARENTS.values() for side in SIDES)
DISPLACEMENT_BIN, DISPLACEMENT_S = 0.02, 1 / 6  # trunk lengths, seconds


def orientation_histogram(bones: Floats) -> Floats:
    """HOJO2D of bones (T, J, 2): shares (J, 8) of directions 0, 45, ... 315 degrees from x to y."""
    length = np.linalg.norm(bones, axis=-1)
    good = length > 0
    unit = bones / np.where(good, length, 1.0)[..., None]
    angle = 2 * np.pi * np.arange(BINS) / BINS
    centres = np.stack([np.cos(angle), np.sin(angle)])  # (2, 8)
    distance = 1 - np.where(good[..., None], unit, 0.0) @ centres  # (T, J, 8) cosine distance
    nearest = np.argsort(distance, axis=-1, kind="stable")[..., :2]
    near, far = np.moveaxis(np.take_along_axis(distance, nearest, axis=-1), -1, 0)
    share = far / np.maximum(near + far, 1e-12)
    weights = np.zeros(distance.shape)
    pair = np.stack([share, 1 - share], axis=-1) * good[..., None]
    np.put_along_axis(weights, nearest, pair, axis=-1)
    return _shares(weights.sum(axis=0))


def displacement_histogram(xy: Floats, fps: float) -> Floats:
    """HOJD2D of positions (T, J, 2): shares (J, 8) of displacements over 1/6 s."""
    step = max(1, round(DISPLACEMENT_S * fps))
    moved = np.linalg.norm(np.diff(xy[::step], axis=0), axis=-1) * (DISPLACEMENT_S * fps / step)
    seen = np.isfinite(moved)
    row = np.minimum(np.where(seen, moved, 0.0) / DISPLACEMENT_BIN, BINS - 1).astype(int)
    counts = np.stack([((row == k) & seen).sum(axis=0) for k in range(BINS)], axis=-1)
    return _shares(counts.astype(float))


def frequency_histogram(columns: Floats, fps: float) -> Floats:
    """Shares (J, 8) of the summed amplitude of columns (T, J) in quadratically widening bins."""
    if len(columns) < 2:
        return np.full((columns.shape[1], BINS), np.nan)
    frequency, amplitude = amplitude_spectrum(filled(columns), fps)
    edges = (np.arange(1, BINS) / BINS) ** 2 * frequency[-1]
    row = np.searchsorted(edges, frequency, side="right")  # (F,)
    table = np.zeros((columns.shape[1], BINS))
    np.add.at(table.T, row, amplitude)
    return _shares(table)


def _shares(counts: Floats) -> Floats:
    """Rows that sum to 1; NaN where nothing was counted."""
    total = counts.sum(axis=-1, keepdims=True)
    return np.where(total > 0, counts / np.where(total > 0, total, 1.0), np.nan)


def _measure(at: Movement) -> Floats:
    xy = at.at(*JOINTS)  # (T, 8, 2)
    bones = xy - at.at(*_PARENTS)
    length = np.linalg.norm(bones, axis=-1)
    across = bones[..., 0] / np.where(length > 0, length, 1.0)
    angle = np.degrees(np.arccos(np.clip(across, -1, 1)))  # (T, 8)
    moved = np.linalg.norm(np.diff(xy, axis=0), axis=-1)  # (T - 1, 8)
    return np.stack(
        [
            orientation_histogram(bones),
            displacement_histogram(xy, at.fps),
            frequency_histogram(angle, at.fps),
            frequency_histogram(moved, at.fps),
        ]
    ).ravel()


def _features() -> tuple[Feature, ...]:
    found = []
    for name in ("hojo", "hojd", "fftjo", "fftjd"):
        for joint in JOINTS:
            said = joint.replace("_", " ")
            for k in range(BINS):
                low, high = DISPLACEMENT_BIN * k, DISPLACEMENT_BIN * (k + 1)
                what = {
                    "hojo": f"share of frames with the bone to the {said} at {45 * k} degrees "
                    "(0 = infant's left, 90 = feet)",
                    "hojd": f"share of steps of 1/6 s that move the {said} by {low:.2f} "
                    + (f"to {high:.2f} trunk lengths" if k < BINS - 1 else "or more"),
                    "fftjo": f"share of the amplitude spectrum of the angle of the bone to the "
                    f"{said} at {(k / BINS) ** 2:.3f} to {((k + 1) / BINS) ** 2:.3f} of half the "
                    "frame rate",
                    "fftjd": f"share of the amplitude spectrum of the displacement of the {said} "
                    f"at {(k / BINS) ** 2:.3f} to {((k + 1) / BINS) ** 2:.3f} of half the frame "
                    "rate",
                }[name]
                found.append(Feature(f"mccay_{name}_{joint}_{k + 1}", "1", what))
    return tuple(found)


MCCAY = FeatureSet(
    "mccay",
    "Histograms HOJO2D, HOJD2D, FFT-JO, FFT-JD of McCay 2019, 2020, 2022 "
    "(doi 10.1109/TNSRE.2021.3138185)",
    "fidgety",
    _features(),
    _measure,
)
