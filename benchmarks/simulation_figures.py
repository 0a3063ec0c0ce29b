"""Figures of simulated infants for docs/simulation.md.

python benchmarks/simulation_figures.py --out docs/images --seed 4
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from scipy.signal import spectrogram

from fidgety.motion import CHANNELS, compute_features
from fidgety.simulate import SimulatedRecording, simulate_infant

COLORS = {"right": "#c2410c", "left": "#1d4ed8", "": "#334155"}
TRACES = ("left_wrist", "right_ankle", "nose")


def infants(seed: int) -> dict[str, SimulatedRecording]:
    """One infant twice: with fidgety movements, and without."""
    shared = {"seconds": 30.0, "fps": 30.0, "difficulty": "medium"}
    return {
        "normal (continual)": simulate_infant(seed, pattern="continual", **shared)[0],  # type: ignore[arg-type]
        "abnormal (absent)": simulate_infant(seed, pattern="absent", **shared)[0],  # type: ignore[arg-type]
    }


def figure_strip(recordings: dict[str, SimulatedRecording], path: Path) -> None:
    """Stick figures as the camera sees them, one a second, and a faint trail of the last second."""
    moments = np.arange(2.0, 10.0)
    figure, grid = plt.subplots(
        len(recordings), len(moments), figsize=(14, 4.4), constrained_layout=True
    )
    for row, (title, recording) in zip(grid, recordings.items(), strict=True):
        seen = recording.pose.xy
        middle = 0.5 * (np.nanmax(np.nanmedian(seen, 0), 0) + np.nanmin(np.nanmedian(seen, 0), 0))
        half = 0.68 * np.nanmax(np.ptp(np.nanmedian(seen, axis=0), axis=0))
        for axes, moment in zip(row, moments, strict=True):
            frame = int(np.searchsorted(recording.pose.time, moment))
            _trails(axes, recording, frame)
            _stick_figure(axes, recording, frame)
            axes.set(
                xlim=(middle[0] - half, middle[0] + half),
                ylim=(middle[1] + half, middle[1] - half),
                aspect="equal",
                xticks=[],
                yticks=[],
            )
            axes.set_title(f"{moment:.0f} s", fontsize=8)
        row[0].set_ylabel(title)
    figure.suptitle("Simulated infants, as tracked (orange right, blue left)", fontsize=10)
    figure.savefig(path, dpi=110)


def _stick_figure(axes: Axes, recording: SimulatedRecording, frame: int) -> None:
    skeleton, xy = recording.pose.skeleton, recording.pose.xy[frame]
    for bone in skeleton.bones:
        ends = xy[skeleton.rows(*bone)]
        side = bone[0].split("_")[0] if "_" in bone[0] else ""
        axes.plot(*ends.T, color=COLORS.get(side, COLORS[""]), linewidth=2, solid_capstyle="round")
    axes.plot(*xy.T, ".", color=COLORS[""], markersize=3)


def _trails(axes: Axes, recording: SimulatedRecording, frame: int) -> None:
    for joint in ("right_wrist", "left_wrist", "right_ankle", "left_ankle", "nose"):
        row = recording.pose.skeleton.index[joint]
        trail = recording.pose.xy[max(0, frame - 30) : frame + 1, row]
        axes.plot(*trail.T, color="#94a3b8", linewidth=0.7)


def figure_traces(recordings: dict[str, SimulatedRecording], path: Path) -> None:
    """Courses of some joints, the spectrogram of the left wrist, and the truth beneath."""
    figure, grid = plt.subplots(
        len(TRACES) + 2, 2, figsize=(12, 9), sharex=True, constrained_layout=True
    )
    for column, (title, recording) in zip(grid.T, recordings.items(), strict=True):
        features = compute_features(recording.pose, profile="fidgety")
        time = np.arange(features.shape[1]) / 30.0
        index = recording.pose.skeleton.index
        for axes, joint in zip(column, TRACES, strict=False):
            for channel, shade in (("x", "#0f766e"), ("y", "#a16207")):
                trace = features[CHANNELS.index(channel), :, index[joint]]
                axes.plot(
                    time, trace - np.nanmean(trace), color=shade, linewidth=0.8, label=channel
                )
            axes.set(ylabel=joint.replace("_", " ") + "\n(trunk lengths)", ylim=(-0.45, 0.45))
        column[0].set_title(f"{title}: simulated")
        column[0].legend(loc="upper right", fontsize=7)
        velocity = features[CHANNELS.index("velocity_x"), :, index["left_wrist"]]
        frequency, when, power = spectrogram(np.nan_to_num(velocity), 30.0, nperseg=64, noverlap=56)
        column[-2].pcolormesh(
            when, frequency, np.log10(power + 1e-6), vmin=-4, vmax=0, cmap="viridis"
        )
        column[-2].set(ylim=(0, 8), ylabel="left wrist\nvelocity (Hz)")
        column[-2].axhspan(0.8, 3.0, fill=False, edgecolor="white", linestyle="--")
        for joint, shade in zip(TRACES, ("#0f766e", "#a16207", "#7e22ce"), strict=True):
            column[-1].plot(
                recording.pose.time, recording.fidgety[:, index[joint]], color=shade, label=joint
            )
        column[-1].set(ylim=(-0.05, 1.05), xlabel="seconds", ylabel="truth: amount\nof fidgety")
        column[-1].legend(loc="lower right", fontsize=7)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    parser.add_argument("--seed", type=int, default=4)
    options = parser.parse_args()
    mpl.use("Agg")
    options.out.mkdir(parents=True, exist_ok=True)
    recordings = infants(options.seed)
    figure_strip(recordings, options.out / "simulate_strip.png")
    figure_traces(recordings, options.out / "simulate_traces.png")


if __name__ == "__main__":
    main()
