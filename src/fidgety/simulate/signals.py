"""Building blocks of simulated signals, as functions of time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

__all__ = ["band_process", "colored_noise", "episode", "minimum_jerk", "windows"]

COMPONENTS = 64  # sinusoids of a band-limited process
RAMP_S = 0.8  # bouts and episodes rise and fall within this


def band_process(
    time: NDArray[np.float64],
    band: tuple[float, float],
    center: float | None,
    count: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], float, float]:
    """Independent Gaussian processes (T, count) of unit variance, strictly within `band` (Hz).

    Sums of sinusoids of random phase, at frequencies jittered over the band; with a `center` the
    power falls off to both sides of it. Also returns the variances of first and second derivative.
    """
    edges = np.linspace(*band, COMPONENTS + 1)
    frequency = edges[:-1] + np.diff(edges) * rng.random(COMPONENTS)  # (M,)
    power = np.ones(COMPONENTS)
    if center is not None:
        power = np.exp(-0.5 * (np.log(frequency / center) / 0.25) ** 2)
    power /= power.sum()
    phase = 2 * np.pi * frequency * time[:, np.newaxis]  # (T, M)
    draws = rng.standard_normal((2, COMPONENTS, count)) * np.sqrt(power)[:, np.newaxis]
    # Not a matrix product: that would sum in an order which depends on the number of threads.
    signal = np.einsum("tm,ma->ta", np.cos(phase), draws[0])
    signal += np.einsum("tm,ma->ta", np.sin(phase), draws[1])
    angular = 2 * np.pi * frequency
    return signal, float(power @ angular**2), float(power @ angular**4)


def episode(
    time: NDArray[np.float64],
    probability: float,
    seconds: tuple[float, float],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Envelope (T,) of one episode at a random moment, or of none."""
    happens, length = rng.random() < probability, rng.uniform(*seconds)
    start = rng.uniform(-0.5 * length, max(float(time[-1]) - 0.5 * length, 0.0))
    return windows(time, np.array([start]), np.array([start + length])) * happens


def windows(
    time: NDArray[np.float64], starts: NDArray[np.float64], ends: NDArray[np.float64]
) -> NDArray[np.float64]:
    """1 within any of the stretches, 0 outside, smooth at their ends (T,)."""
    rise = minimum_jerk(np.clip((time[:, np.newaxis] - starts) / RAMP_S, 0, 1))
    fall = minimum_jerk(np.clip((ends - time[:, np.newaxis]) / RAMP_S, 0, 1))
    return np.minimum(rise, fall).max(axis=1)


def minimum_jerk(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the way done after a share of the time; no speed or acceleration at either end."""
    return share**3 * (10 - 15 * share + 6 * share**2)


def colored_noise(
    frames: int, fps: float, memory_s: float, shape: tuple[int, ...], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Unit-variance noise (frames, *shape) that forgets within `memory_s` seconds.

    A first-order autoregression: flat up to about 1 / (2 pi memory_s) Hz, falling beyond.
    """
    kept = float(np.exp(-1.0 / (fps * memory_s)))
    fresh = rng.standard_normal((frames, *shape))
    fresh[1:] *= np.sqrt(1 - kept**2)
    return lfilter([1.0], [1.0, -kept], fresh, axis=0)  # type: ignore[return-value]
