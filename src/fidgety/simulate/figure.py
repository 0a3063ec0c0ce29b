"""What a simulated infant looks like: solids around its joints, a face, a nappy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fidgety.simulate.body import SKELETON
from fidgety.simulate.solids import Canvas

__all__ = ["Looks", "draw_body", "draw_looks"]

Floats = NDArray[np.float64]
SKINS = ((236, 196, 172), (224, 178, 150), (198, 146, 112), (160, 110, 80), (112, 76, 56))
HAIRS = ((70, 48, 34), (40, 30, 26), (120, 88, 52), (168, 132, 84))
MATS = ((150, 176, 196), (196, 184, 160), (158, 186, 156), (186, 160, 176), (120, 136, 160))
NAPPY = np.array([238.0, 240.0, 242.0])


@dataclass(frozen=True, eq=False)
class Looks:
    """Colours (3,) of one infant and of the mat it lies on, 0 to 255."""

    skin: Floats
    hair: Floats
    mat: Floats
    pattern: Floats
    mat_seed: int


def draw_looks(rng: np.random.Generator) -> Looks:
    """Draw the looks of one infant."""
    skin, hair = (np.array(c[int(rng.integers(len(c)))], float) for c in (SKINS, HAIRS))
    mat, pattern = (np.array(MATS[i], float) for i in rng.permutation(len(MATS))[:2])
    return Looks(skin, hair, mat, pattern, int(rng.integers(2**31)))


def draw_body(canvas: Canvas, joints: Floats, looks: Looks) -> None:
    """Draw a body whose joints (V, 3) stand in the camera's frame, in trunk lengths."""
    at = dict(zip(SKELETON.joints, joints, strict=True))
    hips = (at["right_hip"] + at["left_hip"]) / 2
    up = _unit(at["neck"] - hips)
    chest = _frame(at["left_shoulder"] - at["right_shoulder"], up)
    pelvis = _frame(at["left_hip"] - at["right_hip"], up)
    spine = at["neck"] - hips
    skin = looks.skin
    canvas.ellipsoid(hips + 0.72 * spine, chest, np.array([0.36, 0.37, 0.24]), skin)
    canvas.ellipsoid(
        hips + 0.42 * spine, _between(chest, pelvis), np.array([0.37, 0.46, 0.265]), skin
    )
    canvas.ellipsoid(hips + 0.02 * spine, pelvis, np.array([0.36, 0.24, 0.26]), NAPPY)
    head = _head(at)
    canvas.limb(at["neck"] + 0.04 * up, head[0], (0.16, 0.15), skin)
    for side in ("right", "left"):
        shoulder, elbow, wrist = (at[f"{side}_{joint}"] for joint in ("shoulder", "elbow", "wrist"))
        _arm(canvas, shoulder, elbow, wrist, skin)
        hip, knee, ankle = (at[f"{side}_{joint}"] for joint in ("hip", "knee", "ankle"))
        _leg(canvas, hip, knee, ankle, pelvis[2], skin)
    _face(canvas, *head, at, looks)


def _arm(canvas: Canvas, shoulder: Floats, elbow: Floats, wrist: Floats, skin: Floats) -> None:
    canvas.limb(shoulder, elbow, (0.135, 0.105), skin)
    canvas.limb(elbow, wrist, (0.105, 0.075), skin)
    along = _unit(wrist - elbow)
    across = _unit(np.cross(along, (0.0, 0.0, 1.0)) + 1e-6)
    hand = np.stack([across, along, np.cross(across, along)])
    canvas.ellipsoid(wrist + 0.10 * along, hand, np.array([0.085, 0.11, 0.06]), skin)
    canvas.limb(wrist + 0.06 * along, wrist + 0.13 * along + 0.07 * across, (0.03, 0.025), skin)
    for finger in (-0.055, -0.02, 0.015, 0.05):
        start = wrist + 0.15 * along + finger * across
        canvas.limb(start, start + 0.07 * along, (0.026, 0.02), skin)


def _leg(
    canvas: Canvas, hip: Floats, knee: Floats, ankle: Floats, front: Floats, skin: Floats
) -> None:
    cuff = hip + 0.35 * (knee - hip)
    canvas.limb(hip, cuff, (0.20, 0.175), NAPPY)
    canvas.limb(cuff, knee, (0.165, 0.125), skin)
    canvas.limb(knee, ankle, (0.125, 0.08), skin)
    shank = _unit(ankle - knee)
    toes = _unit(front - (front @ shank) * shank + 0.35 * shank)
    across = _unit(np.cross(toes, shank))
    foot = np.stack([across, toes, np.cross(across, toes)])
    canvas.ellipsoid(ankle + 0.04 * shank + 0.08 * toes, foot, np.array([0.075, 0.17, 0.065]), skin)
    for toe in (-0.05, -0.025, 0.0, 0.025, 0.045):
        tip = ankle + 0.04 * shank + (0.24 - abs(toe)) * toes + toe * across
        canvas.limb(tip - 0.03 * toes, tip, (0.022, 0.02), skin)


def _head(at: dict[str, Floats]) -> tuple[Floats, Floats, Floats]:
    """Centre (3,), axes (3, 3: to its left, to the crown, to the front) and radii (3,)."""
    ears = (at["left_ear"] + at["right_ear"]) / 2
    left = at["left_ear"] - at["right_ear"]
    nose = at["nose"] - ears
    eyes = (at["left_eye"] + at["right_eye"]) / 2 - ears
    crown = _unit(eyes - 0.86 * nose)  # the eyes stand at 0.86 of the nose's height
    axes = _frame(left, crown)
    depth = float(nose @ axes[2])
    centre = ears + 0.02 * axes[1]
    return centre, axes, np.array([0.5 * float(np.linalg.norm(left)), 0.40, 0.96 * depth])


def _face(
    canvas: Canvas,
    centre: Floats,
    axes: Floats,
    radii: Floats,
    at: dict[str, Floats],
    looks: Looks,
) -> None:
    """The head with hair, eyes, brows, nose, mouth and ears."""
    skin = looks.skin
    eye = (at["left_eye"] - centre) @ axes.T / radii
    eye = np.abs(eye[:2])

    def skin_of_head(point: Floats) -> Floats:
        x, y, z = point.T
        colour = np.repeat(skin[np.newaxis], len(point), axis=0)
        _paint(
            colour, np.hypot(abs(x) - 0.45, y + 0.32) / 0.30, 0.88 * skin + (26, -6, -2), z > 0.2
        )
        _paint(
            colour, np.hypot((abs(x) - eye[0]) / 0.20, (y - eye[1]) / 0.085), (246, 244, 240), z > 0
        )
        _paint(colour, np.hypot(abs(x) - eye[0], y - eye[1]) / 0.095, (58, 44, 36), z > 0)
        _paint(colour, np.hypot(abs(x) - eye[0], y - eye[1]) / 0.04, (14, 12, 12), z > 0)
        brow = np.hypot(
            (abs(x) - eye[0]) / 0.24, (y - eye[1] - 0.20 + 0.3 * (abs(x) - eye[0]) ** 2) / 0.035
        )
        _paint(colour, brow, 0.5 * skin + 0.5 * looks.hair, z > 0)
        _paint(colour, np.hypot((abs(x) - 0.07) / 0.05, (y + 0.34) / 0.03), 0.55 * skin, z > 0.5)
        _paint(colour, np.hypot(x / 0.24, (y + 0.56) / 0.075), 0.78 * skin + (30, -18, -14), z > 0)
        _paint(colour, np.hypot(x / 0.22, (y + 0.56) / 0.018), 0.42 * skin, z > 0)
        hair = (y > 0.52 - 0.25 * (z < 0) + 0.05 * np.sin(9 * x)) | (z < -0.35)
        colour[hair] = looks.hair
        return colour

    canvas.ellipsoid(centre, axes, radii, skin_of_head)
    nose = at["nose"] - 0.05 * axes[2]
    canvas.limb(nose + 0.10 * axes[1] - 0.02 * axes[2], nose, (0.022, 0.05), skin)
    for side, sign in (("right", -1), ("left", 1)):
        ear = at[f"{side}_ear"] + 0.01 * sign * axes[0]
        canvas.ellipsoid(ear, axes, np.array([0.035, 0.10, 0.06]), 0.94 * skin)


def _paint(colour: Floats, distance: Floats, paint: object, where: NDArray[np.bool_]) -> None:
    """Cover what lies within distance 1 with a colour, soft at the edge."""
    share = (np.clip((1.15 - distance) / 0.3, 0, 1) * where)[:, np.newaxis]
    colour *= 1 - share
    colour += share * np.asarray(paint, dtype=np.float64)


def _frame(left: Floats, up: Floats) -> Floats:
    """Axes (3, 3) as rows: to the body's left, `up` without what it has of that, to the front."""
    x = _unit(left)
    y = _unit(up - (up @ x) * x)
    return np.stack([x, y, _front(x, y)])


def _front(left: Floats, up: Floats) -> Floats:
    return np.cross(left, up)


def _between(a: Floats, b: Floats) -> Floats:
    """Axes halfway between two frames that share their second axis."""
    return _frame(a[0] + b[0], a[1] + b[1])


def _unit(vector: Floats) -> Floats:
    return vector / max(float(np.linalg.norm(vector)), 1e-9)
