"""Is the camera's own movement taken out, when it is measured in the picture?

    python benchmarks/film_camera.py

A simulated infant is drawn as a film by a camera that sways, pans, zooms by 10 %, or does all of
it. The background's motion is measured in the pictures, as for any film; the true joints are then
compensated by it. Energy: of the joints' positions from 0.5 to 3 Hz, over that of the same infant
filmed by a camera at rest: as filmed, and after compensation.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np

from fidgety.pose.estimators.crops import box_of
from fidgety.pose.estimators.film import FilmMeter
from fidgety.pose.pose import Pose
from fidgety.pose.quality.camera import compensate_camera
from fidgety.simulate import SimulatedRecording, film_pictures, film_scale, simulate_infant

LONGEST = 640


def path(name: str, recording: SimulatedRecording) -> np.ndarray:
    """Affine maps (T, 2, 3) of the recording's pixels."""
    time = recording.pose.time
    unit = max(recording.camera.size) / LONGEST
    sway = 12 * np.sin(2 * np.pi * 0.7 * time) + 9j * np.sin(2 * np.pi * 1.1 * time)
    pan = 60 * np.clip((time - time[-1] / 3) / (time[-1] / 3), 0, 1)
    zoom = 1 + 0.1 * np.sin(2 * np.pi * 0.6 * time)
    shift = {"sway": sway, "pan": pan + sway / 3, "all": pan + sway}.get(name, 0 * sway)
    scale = zoom if name in ("zoom of 10 %", "all") else np.ones(len(time))
    middle = np.array(recording.camera.size) / 2
    maps = np.zeros((len(time), 2, 3))
    maps[:, 0, 0] = maps[:, 1, 1] = scale
    maps[:, :, 2] = (1 - scale)[:, None] * middle
    maps[:, :, 2] += unit * np.stack([shift.real, shift.imag], axis=1)
    return maps


def band_energy(pose: Pose) -> float:
    at = pose.xy[..., 0] + 1j * pose.xy[..., 1]
    window = np.hanning(len(pose))[:, None]
    spectrum = np.abs(np.fft.fft((at - at.mean(axis=0)) * window, axis=0)) ** 2
    frequency = np.abs(np.fft.fftfreq(len(pose), 1 / pose.fps))
    return float(spectrum[(frequency >= 0.5) & (frequency <= 3)].sum())


def filmed(recording: SimulatedRecording) -> Pose:
    """The true joints, with the film's measures taken from its pictures."""
    scale = film_scale(recording, LONGEST)
    true, meter = recording.filmed * scale, FilmMeter()
    measures = [
        meter(image, box_of(joints))
        for image, joints in zip(film_pictures(recording, LONGEST), true, strict=True)
    ]
    size = tuple(round(scale * n) for n in recording.camera.size)
    pose = recording.pose
    whole = Pose.at_fps(true, np.ones(true.shape[:2]), pose.fps, pose.skeleton, size)
    return whole.then(
        "filmed", film={name: np.array([m[name] for m in measures]) for name in measures[0]}
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--infants", type=int, default=2)
    given = parser.parse_args()
    print("| infant | camera | energy as filmed | after compensation | motion known, % |")
    print("|---|---|---|---|---|")
    for number in range(given.infants):
        (recording,) = simulate_infant(
            3_000_000 + number, seconds=given.seconds, fps=25, infant_id=f"c{number}"
        )
        steady = np.repeat(np.eye(2, 3)[None], len(recording.sway), axis=0)
        rest = band_energy(filmed(replace(recording, sway=steady)))
        for name in ("sway", "pan", "zoom of 10 %", "all"):
            pose = filmed(replace(recording, sway=path(name, recording)))
            known = np.isfinite(pose.film["camera_dx"]).mean()
            print(
                f"| {number} | {name} | {band_energy(pose) / rest:.2f} | "
                f"{band_energy(compensate_camera(pose)) / rest:.3f} | {100 * known:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
