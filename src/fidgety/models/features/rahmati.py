"""Features of the frequency of movement, in the manner of Rahmati et al. 2016.

Sources
-------
Rahmati et al. 2016, IEEE TNSRE 24:1222, doi 10.1109/TNSRE.2016.2539390. Its abstract was read, not
    its details: features come from a frequency analysis of the motion of body parts, and a
    selection that lowers the risk of false discovery keeps few of many.

Ours, because the details could not be read: the spectrum of position is averaged over overlapping
Hann windows of 4 s, each without its mean; power is taken in bands of Hz, as decibels of the whole
band's amplitude and as shares of it; centroid, bandwidth and entropy describe its shape. The parts
are wrists, ankles, head (nose) and trunk (mean of shoulders and hips). A window in which more than
a tenth of the frames is missing is left out, the rest bridged linearly.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.signal.windows import hann

from fidgety.models.features.feature import Feature, FeatureSet, Floats, Movement
from fidgety.models.features.summaries import filled
from fidgety.motion.smoothing import whole_frames

__all__ = ["BANDS_HZ", "PARTS", "RAHMATI", "power_spectrum"]

BANDS_HZ = (0.25, 0.75, 1.25, 1.75, 2.25, 3.0, 4.0, 6.0)
PARTS: dict[str, tuple[str, ...]] = {
    "right_wrist": ("right_wrist",),
    "left_wrist": ("left_wrist",),
    "right_ankle": ("right_ankle",),
    "left_ankle": ("left_ankle",),
    "head": ("nose",),
    "trunk": ("right_shoulder", "left_shoulder", "right_hip", "left_hip"),
}
_WINDOW_S, _LEAST_SEEN = 4.0, 0.9


def power_spectrum(columns: Floats, fps: float) -> tuple[Floats, Floats]:
    """Frequencies (F,) in Hz and power densities (F, J), trunk lengths^2 per Hz, of columns (T, J).

    The mean over Hann windows of 4 s that overlap by half; a recording shorter than that is one
    window. NaN for a column of which no window was seen well enough. A sine of amplitude A holds a
    power of ``A**2 / 2``.
    """
    length = min(len(columns), max(2, whole_frames(_WINDOW_S, fps)))
    frequency = np.fft.rfftfreq(max(length, 1), 1 / fps).astype(np.float64)
    if length < 2:
        return frequency, np.full((len(frequency), columns.shape[1]), np.nan)
    seen = np.isfinite(columns)
    view = np.lib.stride_tricks.sliding_window_view
    starts = slice(None, None, max(1, length // 2))
    part = view(filled(columns, least=0.0), length, axis=0)[starts]  # (W, J, length)
    good = view(seen, length, axis=0)[starts].mean(axis=-1) >= _LEAST_SEEN  # (W, J)
    taper = hann(length, sym=False)
    part = np.where(good[..., None], part, 0.0)
    part = part - part.mean(axis=-1, keepdims=True)
    power = np.abs(np.fft.rfft(part * taper, axis=-1)) ** 2 / (fps * (taper**2).sum())  # (W, J, F)
    power[..., 1 : (length + 1) // 2] *= 2
    count = good.sum(axis=0)
    mean = power.sum(axis=0).T / np.maximum(count, 1)
    return frequency, np.where(count > 0, mean, np.nan)


def _measure(at: Movement) -> Floats:
    tracks = np.concatenate([at.at(*joints).mean(axis=1) for joints in PARTS.values()], axis=1)
    frequency, power = power_spectrum(tracks, at.fps)  # (F,), (F, 2 * parts)
    power = power[:, 0::2] + power[:, 1::2]  # x and y together
    width = frequency[1] - frequency[0] if len(frequency) > 1 else np.nan
    edges = np.array(BANDS_HZ)
    inside = (frequency >= edges[:-1, None]) & (frequency < edges[1:, None])  # (B, F)
    bands = inside.astype(float) @ power * width  # (B, parts)
    total = bands.sum(axis=0)
    share = bands / np.maximum(total, 1e-24)
    every = inside.any(axis=0)
    weight = power[every] / np.maximum(power[every].sum(axis=0), 1e-24)
    f = frequency[every, None]
    centroid = (f * weight).sum(axis=0)
    spread = np.sqrt(((f - centroid) ** 2 * weight).sum(axis=0))
    entropy = -(weight * np.log(np.maximum(weight, 1e-24))).sum(axis=0)
    entropy = entropy / np.log(max(2, len(f)))
    level = 10 * np.log10(np.maximum(total, 1e-12))
    return np.concatenate([level[None], share, [centroid, spread, entropy]]).T.ravel()


def _features() -> tuple[Feature, ...]:
    low, high = BANDS_HZ[0], BANDS_HZ[-1]
    found = []
    for part in PARTS:
        said = part.replace("_", " ")
        whole = f"of the movement of the {said} at {low:g} to {high:g} Hz"
        found.append(Feature(f"rahmati_{part}_level", "dB re 1 trunk length^2", f"power {whole}"))
        found += [
            Feature(
                f"rahmati_{part}_share_{a:g}_{b:g}_hz".replace(".", "p"),
                "1",
                f"share at {a:g} to {b:g} Hz of the power {whole}",
            )
            for a, b in pairwise(BANDS_HZ)
        ]
        found += [
            Feature(f"rahmati_{part}_centroid", "Hz", f"mean frequency {whole}"),
            Feature(f"rahmati_{part}_bandwidth", "Hz", f"standard deviation of frequency {whole}"),
            Feature(f"rahmati_{part}_entropy", "1", f"evenness of the spectrum {whole}; 1 = flat"),
        ]
    return tuple(found)


RAHMATI = FeatureSet(
    "rahmati",
    "Frequency features in the manner of Rahmati 2016 (doi 10.1109/TNSRE.2016.2539390); bands ours",
    "fidgety",
    _features(),
    _measure,
)
