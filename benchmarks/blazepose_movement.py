"""Does the estimator keep small movements?

    python benchmarks/blazepose_movement.py

A photographed person (70 % of a 1280x720 picture's height, pixel noise of 3 grey levels) swings
sideways by 1 % of the photograph's height, at 0.5 to 4 Hz, for 4 s at 30 frames/s. Gain: amplitude
of the joints at that frequency over the true one. Noise: root mean square of what remains, in % of
the photograph's height.
"""

from __future__ import annotations

import numpy as np
from blazepose_scene import Scene

from fidgety.pose.estimators.blazepose import BlazePose

JOINTS = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
)
FPS, SECONDS = 30, 4


def main() -> None:
    scene = Scene(noise=3.0)
    height = scene.share * scene.size[1]
    time = np.arange(FPS * SECONDS) / FPS
    print("| frequency, Hz | gain, face | gain, shoulders | noise, face | noise, shoulders |")
    print("|---|---|---|---|---|")
    for frequency in (0.5, 1.0, 2.0, 3.0, 4.0):
        wave = np.exp(2j * np.pi * frequency * time)
        estimator = BlazePose(threads=2)
        rows = estimator.skeleton.rows(*JOINTS)
        xy = np.array(
            [
                estimator(scene.picture(0.01 * height * w.imag, 0, frame), t).xy[rows]
                for frame, (w, t) in enumerate(zip(wave, time, strict=True))
            ]
        )  # (T, J, 2)
        moved = xy[..., 0] - xy[..., 0].mean(axis=0)
        amplitude = 2 * np.abs(np.conj(wave) @ moved) / len(time)  # (J,)
        basis = np.stack([wave.real, wave.imag], axis=1)
        rest = moved - basis @ np.linalg.lstsq(basis, moved, rcond=None)[0]
        gain = amplitude / (0.01 * height)
        noise = rest.std(axis=0) / height * 100
        cells = [f"{frequency}", *(f"{v[p].mean():.2f}" for v in (gain, noise) for p in PARTS)]
        print("| " + " | ".join(cells) + " |", flush=True)


PARTS = (slice(0, 5), slice(5, 7))

if __name__ == "__main__":
    main()
