"""The sample case: a simulated infant, drawn as a film, for a first start to show.

Nothing in it was ever filmed. The pose is what the simulated tracker reports, not what an estimator
finds in the drawing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fidgety.pose.encode import write_video
from fidgety.pose.optional import library
from fidgety.pose.pose import Pose
from fidgety.simulate import DIFFICULTIES, CameraConfig, SimulatedRecording, simulate_infant

__all__ = ["SAMPLE", "draw_infant", "simulate_sample"]

# What is simulated, and under which code it stands in the inbox.
SAMPLE: dict[str, Any] = {"seed": 21, "label": 0, "seconds": 30.0, "fps": 30.0}
CODE = "sample-simulated"
LONGEST = 640  # pixels
SHEET, SKIN, SHADE, NAPPY = (214, 223, 226), (226, 184, 160), (186, 140, 118), (250, 250, 248)
FINE = 4  # binary places of the drawn coordinates

# Limbs from far to near, with their widths in trunk lengths.
LIMBS = [
    ("hip", "knee", 0.27), ("knee", "ankle", 0.2), ("shoulder", "elbow", 0.2),
    ("elbow", "wrist", 0.16),
]  # fmt: skip


def simulate_sample(wish: dict[str, Any]) -> SimulatedRecording:
    """The recording that `SAMPLE`, or settings like it, stand for; from a tripod, head up."""
    config = replace(
        DIFFICULTIES["easy"],
        camera=CameraConfig(handheld_share=0.0, turned_deg=15.0),
    )  # fmt: skip
    return simulate_infant(
        int(wish["seed"]), label=int(wish["label"]), seconds=float(wish["seconds"]),
        fps=float(wish["fps"]), difficulty=config, infant_id=CODE,
    )[0]  # fmt: skip


def draw_infant(
    recording: SimulatedRecording, out: Path, progress: Callable[[float], None] | None = None
) -> Pose:
    """Draw a simulated recording as a film; return its pose in that film's pixels.

    The body stands where the simulation put it, without the errors of the simulated tracker.
    """
    pose = recording.pose
    assert pose.size is not None
    scale = min(1.0, LONGEST / max(pose.size))
    size = (round(pose.size[0] * scale) // 2 * 2, round(pose.size[1] * scale) // 2 * 2)
    places = recording.image * scale  # (T, V, 2)

    def images() -> Iterator[NDArray[np.uint8]]:
        for row, place in enumerate(places):
            yield _picture(place, pose.skeleton.index, size)
            if progress is not None:
                progress(row / len(places))

    write_video(out, images(), pose.fps, quality=24)
    return pose.then("scaled", arguments={"by": scale}, xy=pose.xy * scale, size=size)


def _picture(
    place: NDArray[np.float64], index: dict[str, int], size: tuple[int, int]
) -> NDArray[np.uint8]:
    """One picture of the body on a sheet."""
    cv2 = library("cv2", extra="video")
    picture = _sheet(size).copy()
    at = {joint: place[row] for joint, row in index.items()}
    middle = (at["right_hip"] + at["left_hip"]) / 2
    trunk = float(np.linalg.norm(at["neck"] - middle))

    def line(a: NDArray[np.float64], b: NDArray[np.float64], width: float, colour: Any) -> None:
        thick = max(1, round(width * trunk))
        cv2.line(picture, _fine(a), _fine(b), colour, thick, cv2.LINE_AA, FINE)

    def disc(a: NDArray[np.float64], width: float, colour: Any) -> None:
        cv2.circle(picture, _fine(a), round(width * trunk * 2**FINE), colour, -1, cv2.LINE_AA, FINE)

    for name, width in (("ankle", 0.11), ("wrist", 0.1)):
        for side in ("right", "left"):
            disc(at[f"{side}_{name}"], width + 0.02, SHADE)
    for first, second, width in LIMBS:
        for side in ("right", "left"):
            line(at[f"{side}_{first}"], at[f"{side}_{second}"], width + 0.04, SHADE)
    for first, second, width in LIMBS:
        for side in ("right", "left"):
            line(at[f"{side}_{first}"], at[f"{side}_{second}"], width, SKIN)
    for name, width in (("ankle", 0.11), ("wrist", 0.1)):
        for side in ("right", "left"):
            disc(at[f"{side}_{name}"], width, SKIN)
    corners = [at[j] for j in ("right_shoulder", "left_shoulder", "left_hip", "right_hip")]
    for grow, colour in ((0.3, SHADE), (0.26, SKIN)):
        for a, b in zip(corners, corners[1:] + corners[:1], strict=True):
            line(a, b, grow, colour)
        cv2.fillPoly(picture, [np.array([_fine(c) for c in corners])], colour, cv2.LINE_AA, FINE)
    up = (at["neck"] - middle) / max(trunk, 1e-6)
    line(at["right_hip"] + 0.02 * trunk * up, at["left_hip"] + 0.02 * trunk * up, 0.34, NAPPY)
    _head(at, trunk, line, disc)
    return picture


def _head(at: dict[str, NDArray[np.float64]], trunk: float, line: Any, disc: Any) -> None:
    """Head, ears and a plain face."""
    head = (at["right_ear"] + at["left_ear"]) / 2
    line(at["neck"], head, 0.24, SHADE)
    line(at["neck"], head, 0.2, SKIN)
    for ear in ("right_ear", "left_ear"):
        disc(at[ear], 0.075, SHADE)
    disc(head, 0.355, SHADE)
    disc(head, 0.335, SKIN)
    for eye in ("right_eye", "left_eye"):
        disc(at[eye], 0.03, (74, 60, 54))
    disc(at["nose"], 0.03, SHADE)
    across = at["left_eye"] - at["right_eye"]
    eyes = (at["left_eye"] + at["right_eye"]) / 2
    mouth = at["nose"] + 0.55 * (at["nose"] - eyes)
    line(mouth - 0.22 * across, mouth + 0.22 * across, 0.022, (150, 88, 84))


@cache
def _sheet(size: tuple[int, int]) -> NDArray[np.uint8]:
    """A plain sheet with the faintest weave, always the same."""
    grain = np.random.default_rng(0).normal(0, 1.6, (size[1], size[0], 1))
    y, x = np.mgrid[: size[1], : size[0]]
    light = 1 - 0.10 * np.hypot((x / size[0] - 0.5), (y / size[1] - 0.5))[..., None]
    return np.clip(np.array(SHEET) * light + grain, 0, 255).astype(np.uint8)


def _fine(point: NDArray[np.float64]) -> tuple[int, int]:
    """A point in fractions of pixels, as cv2 takes them with a shift of `FINE`."""
    return (round(float(point[0]) * 2**FINE), round(float(point[1]) * 2**FINE))
