"""Measured gain of both preprocessing profiles, and what they make of one wrist: two figures.

    OMP_NUM_THREADS=1 python benchmarks/preprocessing_figures.py

Plants one sinusoid at a time in the wrist, or in the whole body, of an otherwise resting figure,
and measures by least squares how much of it is left. Writes docs/images/preprocessing_gain.png and
preprocessing_traces.png and prints the gains. The figure is drawn from sinusoids, no infant.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
from matplotlib import pyplot as plt

from fidgety.motion import FidgetyProfile, pose_sequence
from fidgety.pose.pose import Pose
from fidgety.pose.skeleton import load_skeleton

IMAGES = Path(__file__).parents[1] / "docs" / "images"
FPS, SECONDS, SIZE_TRUNKS, TRUNK_PX = 30, 60, 0.05, 160.0
SKELETON = load_skeleton("openpose18")
WRIST = SKELETON.index["left_wrist"]
REST = {
    "nose": (640, 210),
    "neck": (640, 260),
    "right_shoulder": (596, 260),
    "right_elbow": (560, 320),
    "right_wrist": (540, 380),
    "left_shoulder": (684, 260),
    "left_elbow": (722, 318),
    "left_wrist": (744, 372),
    "right_hip": (614, 420),
    "right_knee": (580, 490),
    "right_ankle": (600, 560),
    "left_hip": (666, 420),
    "left_knee": (702, 494),
    "left_ankle": (676, 562),
    "right_eye": (630, 200),
    "left_eye": (650, 200),
    "right_ear": (618, 206),
    "left_ear": (662, 206),
}
INK, BLUE, ORANGE = "#33383d", "#1f6fb2", "#d9731a"


def moved(joints: slice | int, offset: np.ndarray) -> Pose:
    """The resting figure with some joints moved sideways by `offset` (T,) trunk lengths."""
    xy = np.repeat(np.array([[REST[joint] for joint in SKELETON.joints]], float), len(offset), 0)
    xy[:, joints, 0] += TRUNK_PX * (offset if isinstance(joints, int) else offset[:, None])
    return Pose.at_fps(xy, np.ones(xy.shape[:2]), FPS, SKELETON, (1280, 720))


def gains(profile: str, joints: slice | int, frequency: float) -> tuple[float, float, float]:
    """What is left of the wrist's position, velocity and acceleration along x."""
    clock = np.arange(SECONDS * FPS) / FPS
    turn = 2 * np.pi * frequency
    sequence = pose_sequence(moved(joints, SIZE_TRUNKS * np.sin(turn * clock)), profile)
    clock = sequence.start_s + np.arange(sequence.values.shape[1]) / FPS
    inside = (clock > 8) & (clock < SECONDS - 8)
    clock = clock[inside]
    table = np.stack(
        [np.cos(turn * clock), np.sin(turn * clock), np.ones_like(clock), clock], axis=1
    )
    found = []
    for order, channel in enumerate((0, 2, 4)):
        signal = sequence.values[channel, inside, WRIST]
        a, b, *_ = np.linalg.lstsq(table, signal, rcond=None)[0]
        found.append(float(np.hypot(a, b)) / (SIZE_TRUNKS * turn**order))
    return found[0], found[1], found[2]


def draw_gains() -> None:
    frequencies = np.round(np.r_[np.arange(0.1, 1.0, 0.05), np.arange(1.0, 6.01, 0.1)], 3)
    smooth_s = FidgetyProfile().smooth_s
    found = {
        (profile, what): np.array([gains(profile, joints, f) for f in frequencies])
        for profile in ("fidgety", "stam")
        for what, joints in (("wrist", WRIST), ("whole body", slice(None)))
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
    pose = moved(WRIST, stroke + small * bout)
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
