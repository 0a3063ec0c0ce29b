"""Measured gain of both preprocessing profiles, and what they make of one wrist: two figures.

    OMP_NUM_THREADS=1 python benchmarks/preprocessing_figures.py

Plants one sinusoid at a time in the wrist, or in the whole body, of an otherwise resting figure,
and measures by least squares how much of it is left. Writes docs/images/preprocessing_gain.png and
preprocessing_traces.png and prints the gains. The figure is drawn from sinusoids, no infant.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
from matplotlib import pyplot as plt

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "motion"))

from moving_bodies import TRUNK_PX, amplitude, posed, row  # noqa: E402

from fidgety.motion import FidgetyProfile, pose_sequence  # noqa: E402
from fidgety.pose.pose import Pose  # noqa: E402

IMAGES = ROOT / "docs" / "images"
FPS, SECONDS, SIZE_TRUNKS = 30, 60, 0.05
WRIST = row("left_wrist")
INK, BLUE, ORANGE = "#33383d", "#1f6fb2", "#d9731a"


def moved(joint: str, time: np.ndarray, offset: np.ndarray) -> Pose:
    """The resting body with a joint, or `all`, moved sideways by `offset` (T,) trunk lengths."""
    return posed(time, {joint: np.stack([offset, np.zeros_like(offset)], axis=1)})


def gains(profile: str, joint: str, frequency: float) -> tuple[float, float, float]:
    """What is left of the wrist's position, velocity and acceleration along x."""
    clock = np.arange(SECONDS * FPS) / FPS
    turn = 2 * np.pi * frequency
    pose = moved(joint, clock, SIZE_TRUNKS * np.sin(turn * clock))
    sequence = pose_sequence(pose, profile)
    clock = sequence.start_s + np.arange(sequence.values.shape[1]) / FPS
    inside = (clock > 8) & (clock < SECONDS - 8)
    position, velocity, acceleration = (
        amplitude(sequence.values[channel, inside, WRIST], clock[inside], frequency)
        / (SIZE_TRUNKS * turn**order)
        for order, channel in enumerate((0, 2, 4))
    )
    return position, velocity, acceleration


def draw_gains() -> None:
    frequencies = np.round(np.r_[np.arange(0.1, 1.0, 0.05), np.arange(1.0, 6.01, 0.1)], 3)
    smooth_s = FidgetyProfile().smooth_s
    found = {
        (profile, what): np.array([gains(profile, joint, f) for f in frequencies])
        for profile in ("fidgety", "stam")
        for what, joint in (("wrist", "left_wrist"), ("whole body", "all"))
    }
    print(
        " Hz   fidgety: position velocity acceleration  body | stam: position velocity acc.  body"
    )
    for k in np.flatnonzero(np.isin(frequencies, [0.1, 0.25, 0.5, 1, 1.5, 2, 3, 4, 5, 6])):
        ours, theirs = found["fidgety", "wrist"][k], found["stam", "wrist"][k]
        print(
            f"{frequencies[k]:5.2f}"
            + "".join(f"{gain:10.3f}" for gain in (*ours, found["fidgety", "whole body"][k, 0]))
            + "  |"
            + "".join(f"{gain:9.3f}" for gain in (*theirs, found["stam", "whole body"][k, 0]))
        )
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.9), sharey=True, layout="constrained")
    panels = (("position of a wrist, and of the whole body", 0), ("velocity of a wrist", 1))
    for axis, (title, order) in zip(axes, panels, strict=True):
        axis.axvspan(0.5, 3, color="#eef2e4", zorder=0)
        axis.text(1.75, 1.07, "0.5 to 3 Hz", ha="center", color="#6b7a3a", fontsize=9)
        for profile, colour in (("fidgety", BLUE), ("stam", ORANGE)):
            axis.plot(
                frequencies,
                found[profile, "wrist"][:, order],
                color=colour,
                linewidth=2,
                label=f"{profile}, wrist",
            )
            if order == 0:
                axis.plot(
                    frequencies,
                    found[profile, "whole body"][:, 0],
                    color=colour,
                    linestyle=(0, (2, 2)),
                    label=f"{profile}, whole body",
                )
        if order == 0:
            u = (2 * np.pi * frequencies * smooth_s) ** 2 / 2
            axis.plot(
                frequencies[::6],
                ((1 + u) * np.exp(-u))[::6],
                "o",
                color=INK,
                markersize=3,
                label="(1 + u) exp(-u)",
                zorder=3,
            )
        axis.set(title=title, xlabel="frequency, Hz", xlim=(0, 6), ylim=(-0.03, 1.15))
        axis.title.set_fontsize(10)
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="y", color="#e3e6e8")
        axis.legend(frameon=False, fontsize=8.5, loc="center right", bbox_to_anchor=(1, 0.36))
    axes[0].set_ylabel("share of the amplitude that is left")
    figure.savefig(IMAGES / "preprocessing_gain.png", dpi=130)
    plt.close(figure)


def draw_traces() -> None:
    """A slow stroke with 1.2 to 2 Hz movement riding on it, before and after."""
    clock = np.arange(20 * FPS) / FPS
    share = np.clip((clock - 13) / 1.2, 0, 1)
    stroke = 0.5 * (10 * share**3 - 15 * share**4 + 6 * share**5)
    small = sum(0.03 * np.sin(2 * np.pi * f * clock + f) for f in (1.2, 1.6, 2.0))
    bout = ((clock > 3) & (clock < 16)).astype(float)
    bout = np.convolve(np.pad(bout, 15, mode="edge"), np.hanning(31) / 15, mode="valid")
    pose = moved("left_wrist", clock, stroke + small * bout)
    figure, axes = plt.subplots(2, 1, figsize=(10, 4.6), sharex=True, layout="constrained")
    as_filmed = (pose.xy[:, WRIST, 0] - 640) / TRUNK_PX
    axes[0].plot(clock, as_filmed, color="#b9bfc4", linewidth=4, label="as filmed")
    for profile, colour in (("fidgety", BLUE), ("stam", ORANGE)):
        sequence = pose_sequence(pose, profile)
        when = sequence.start_s + np.arange(sequence.values.shape[1]) / FPS
        for axis, channel in zip(axes, (0, 2), strict=True):
            axis.plot(when, sequence.values[channel, :, WRIST], color=colour, label=profile)
    axes[0].set_ylabel("x, trunk lengths")
    axes[1].set(ylabel="velocity x,\ntrunk lengths per s", xlabel="seconds")
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="y", color="#e3e6e8")
        axis.margins(x=0.01)
    axes[0].legend(frameon=False, fontsize=9, loc="upper left", ncols=3)
    figure.savefig(IMAGES / "preprocessing_traces.png", dpi=130)
    plt.close(figure)


if __name__ == "__main__":
    draw_gains()
    draw_traces()
