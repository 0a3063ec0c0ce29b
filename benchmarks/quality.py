"""What the quality gate costs and says: speed, simulated infants, exchanged sides, camera movement.

Run ``python benchmarks/quality.py`` (under a minute); docs/quality.md quotes its tables.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from fidgety.pose.pose import Pose
from fidgety.pose.quality import assess_quality, compensate_camera, find_swaps, repair_swaps
from fidgety.simulate import DIFFICULTIES, Difficulty, SimulationConfig, simulate_cohort

LIMBS = {
    "legs": ("right_knee", "left_knee", "right_ankle", "left_ankle"),
    "arms": ("right_elbow", "left_elbow", "right_wrist", "left_wrist"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--infants", type=int, default=60)
    parser.add_argument("--seed", type=int, default=3)
    options = parser.parse_args()
    speed(options.seed)
    verdicts(options.infants, options.seed)
    exchanges(options.infants, options.seed)
    camera(options.infants, options.seed)


def cohort(
    infants: int,
    seed: int,
    difficulty: Difficulty | SimulationConfig,
    seconds: float = 30.0,
    fps: float | None = None,
) -> Iterator[Pose]:
    for recording in simulate_cohort(
        infants, seed=seed, difficulty=difficulty, seconds=seconds, fps=fps
    ):
        yield recording.pose


def speed(seed: int) -> None:
    (pose,) = cohort(1, seed, "medium", seconds=300, fps=30)
    frames = len(pose)
    steady = {"camera_scale": np.ones(frames), "camera_rotation": np.zeros(frames)}
    walk = np.random.default_rng(seed).standard_normal((2, frames))
    film = {"brightness": np.full(frames, 120.0), "sharpness": np.full(frames, 200.0)}
    film |= {"people": np.ones(frames), "covered": np.zeros(frames)}
    film |= {"camera_dx": walk[0], "camera_dy": walk[1], **steady}
    pose = pose.then("filmed", film=film)
    print(f"\n5 min at 30 frames/s ({frames} frames), best of 20: wall clock, processor time")
    for name, task in (
        ("assess_quality", assess_quality),
        ("repair_swaps", repair_swaps),
        ("compensate_camera", compensate_camera),
    ):
        wall, processor = best(lambda task=task: task(pose))
        print(f"  {name:18} {1e3 * wall:6.1f} ms {1e3 * processor:6.1f} ms")


def best(task: Callable[[], object], repeats: int = 20) -> tuple[float, float]:
    taken = []
    for _ in range(repeats):
        wall, processor = time.perf_counter(), time.thread_time()
        task()
        taken.append((time.perf_counter() - wall, time.thread_time() - processor))
    return min(t[0] for t in taken), min(t[1] for t in taken)


def verdicts(infants: int, seed: int) -> None:
    print(f"\n{infants} simulated infants of 30 s each: verdicts, reasons by severity")
    for difficulty in DIFFICULTIES:
        found = [assess_quality(pose) for pose in cohort(infants, seed, difficulty)]
        reasons = Counter(f"{r.code} {r.severity}" for quality in found for r in quality.reasons)
        print(f"  {difficulty:7} {dict(Counter(quality.verdict for quality in found))}")
        print(f"          {dict(sorted(reasons.items()))}")
        for name in ("leg_trunk", "head_leg", "jitter"):
            values = [value for q in found if (value := q.measures[name]) is not None]
            print(f"          {name:9} {min(values):.3f} to {max(values):.3f}")


def exchanges(infants: int, seed: int) -> None:
    print(f"\nExchanged sides, three planted in each of {infants} simulated recordings of 30 s")
    print("          false in clean ones   recall   precision  (joint positions)")
    for difficulty, config in DIFFICULTIES.items():
        config = replace(config, tracker=replace(config.tracker, swaps_per_minute=0))
        rng = np.random.default_rng(seed)
        false = hits = planted = claimed = 0
        for pose in cohort(infants, seed, config):
            false += int(find_swaps(pose).sum())
            truth = np.zeros(pose.confidence.shape, dtype=bool)
            for names in (*LIMBS.values(), LIMBS["legs"]):
                start, seconds = rng.uniform(0, 28), rng.uniform(0.05, 1.5)
                frames = (pose.time >= start) & (pose.time < start + seconds)
                truth[np.ix_(frames, pose.skeleton.rows(*names))] = True
            order = pose.skeleton.mirror_order
            xy = np.where(truth[..., None], pose.xy[:, order], pose.xy)
            confidence = np.where(truth, pose.confidence[:, order], pose.confidence)
            truth &= (confidence > 0) | (confidence[:, order] > 0)
            found = find_swaps(pose.then("planted", xy=xy, confidence=confidence))
            hits += int((found & truth).sum())
            planted += int(truth.sum())
            claimed += int(found.sum())
        print(f"  {difficulty:7} {false:12} {hits / planted:14.3f} {hits / claimed:10.3f}")


def camera(infants: int, seed: int) -> None:
    print(f"\nEnergy from 0.5 to 3 Hz against the camera at rest, {infants} simulated infants")
    print(
        "                 error of the background's motion: none   0.1 px  0.3 px (median, worst)"
    )
    tripod = replace(DIFFICULTIES["medium"].camera, handheld_share=0.0)
    config = replace(DIFFICULTIES["medium"], camera=tripod)
    poses = list(cohort(infants, seed, config, fps=30))
    for name in ("sway", "pan", "zoom", "turn", "all"):
        cells = []
        for error in (None, 0.0, 0.1, 0.3):
            ratios = []
            for number, pose in enumerate(poses):
                moved = move_camera(pose, name, error or 0.0, number)
                seen = moved if error is None else compensate_camera(moved)
                ratios.append(band_energy(seen) / band_energy(pose))
            off = np.abs(np.array(ratios) - 1)
            cells.append(f"{100 * np.median(off):6.2f} {100 * off.max():7.2f} %")
        print(f"  {name:5} uncompensated {cells[0]}   compensated {'   '.join(cells[1:])}")


def move_camera(pose: Pose, name: str, error: float, seed: int) -> Pose:
    """The pose through a moving camera, and the measures that an estimator with errors writes."""
    t, side = pose.time, min(pose.size or (720, 720))
    rng = np.random.default_rng(seed)
    sway = 0.015 * side * (np.sin(2 * np.pi * 0.7 * t) + 1j * np.sin(2 * np.pi * 1.1 * t))
    pan = 0.15 * side * np.clip((t - 5) / 10, 0, 1) + sway / 3
    shift = {"sway": sway, "pan": pan, "all": pan + sway}.get(name, 0 * sway)
    zoom = 1 + 0.1 * np.sin(2 * np.pi * 0.6 * t) * (name in ("zoom", "all"))
    turn = np.radians(4) * np.sin(2 * np.pi * 0.8 * t) * (name in ("turn", "all"))
    centre, gain = complex(*(pose.size or (0, 0))) / 2, zoom * np.exp(1j * turn)
    at = pose.xy[..., 0] + 1j * pose.xy[..., 1]
    seen = centre + gain[:, None] * (at - centre) + shift[:, None]
    step = np.append(1, gain[1:] / gain[:-1])
    carried = np.append(0, shift[1:] - step[1:] * shift[:-1])
    errors = error * rng.standard_normal((4, len(t)))
    film = {
        "camera_dx": np.real(carried) + errors[0],
        "camera_dy": np.imag(carried) + errors[1],
        "camera_scale": np.abs(step) + errors[2] / (side / 2),
        "camera_rotation": np.angle(step) + errors[3] / (side / 2),
    }
    return pose.then("moved", xy=np.stack([seen.real, seen.imag], axis=-1), film=film)


def band_energy(pose: Pose) -> float:
    """Energy (px^2) of all limb joints from 0.5 to 3 Hz, gaps bridged by straight lines."""
    energy = 0.0
    window = np.hanning(len(pose))
    frequency = np.abs(np.fft.fftfreq(len(pose), 1 / pose.fps))
    band = (frequency >= 0.5) & (frequency <= 3)
    for joint in (*LIMBS["arms"], *LIMBS["legs"]):
        at = pose.xy[:, pose.skeleton.index[joint]] @ (1, 1j)
        known = np.isfinite(at)
        at = np.interp(pose.time, pose.time[known], at[known])
        energy += float(np.sum(np.abs(np.fft.fft((at - at.mean()) * window))[band] ** 2))
    return energy


if __name__ == "__main__":
    main()
