"""Films of simulated infants: a shaded body with a face, in a nappy, on a patterned mat.

They serve to test the way from a film to a risk where the truth is known. Drawn infants are no
infants: what an estimator makes of them says nothing about real films.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import StudyError
from fidgety.pose.encode import write_video
from fidgety.pose.optional import library
from fidgety.simulate.body import SKELETON, joint_positions
from fidgety.simulate.camera import Camera
from fidgety.simulate.cohort import SimulatedRecording
from fidgety.simulate.figure import Looks, draw_body, draw_looks
from fidgety.simulate.solids import Canvas

__all__ = ["check_longest", "film_pictures", "film_scale", "write_film"]

Floats = NDArray[np.float64]
COMMENT = "simulated infant, drawn by fidgety"  # what the file says of itself
BED = -0.30  # height of the mat, trunk lengths
SHADOW = 0.45  # how dark the body's shadow is
GRAIN = 2.5  # grey levels of noise in each picture
MAT = 1024  # pixels of the mat's pattern, which spans 8 trunk lengths
DOTS = 420


def check_longest(longest: int) -> None:
    """Raise `StudyError` E239 unless films can be this long on their longer side."""
    if not isinstance(longest, int) or not 64 <= longest <= 4096:
        raise StudyError(
            "E239",
            f"Films {longest!r} pixels long cannot be drawn",
            remedy="Choose 64 to 4096 pixels for the longer side; 640 shows enough",
        )


def film_scale(recording: SimulatedRecording, longest: int) -> float:
    """Pixels of a film whose longer side is `longest`, for each pixel of the recording's pose."""
    return longest / max(recording.camera.size)


def film_pictures(
    recording: SimulatedRecording, longest: int = 640, seed: int = 0
) -> Iterator[NDArray[np.uint8]]:
    """The pictures of a simulated recording, one after the other.

    Parameters
    ----------
    recording : SimulatedRecording
        Its camera is followed, with sway and zoom.
    longest : int
        Longer side of the pictures in pixels, 64 to 4096.
    seed : int
        Of looks and noise; an infant looks the same in all its recordings.

    Yields
    ------
    ndarray (H, W, 3), uint8
        Joint j is at ``film_scale(recording, longest) * recording.filmed[t, j]``.
    """
    check_longest(longest)
    cv2 = library("cv2", extra="video")
    looks = draw_looks(_generator(recording.infant_id, seed))
    noise = _generator(recording.name, seed)
    scale = film_scale(recording, longest)
    camera = recording.camera
    size = (round(camera.size[0] * scale), round(camera.size[1] * scale))
    middle = scale * np.array(camera.size) / 2
    cloth, place = _mat(looks), _place_of_mat(camera, scale)
    joints = joint_positions(recording.movement.angles, recording.body)  # (T, V, 3)
    body = (joints - camera.center) @ camera.axes.T
    up = camera.axes @ (0.0, 0.0, 1.0)  # away from the bed
    steady = _laid(cloth, place, np.eye(2, 3), size)
    for frame, sway in enumerate(recording.sway):
        moved = np.column_stack([sway[:, :2], scale * sway[:, 2]])
        still = np.array_equal(moved, np.eye(2, 3))
        mat = steady.copy() if still else _laid(cloth, place, moved, size)
        # Turning and zooming the picture is turning and zooming the camera: all stays exact.
        zoom = float(np.hypot(moved[0, 0], moved[1, 0]))
        turn = np.eye(3)
        turn[:2, :2] = moved[:, :2] / zoom
        canvas = Canvas(mat, scale * zoom * camera.focal_px, moved[:, :2] @ middle + moved[:, 2])
        _shade(canvas, body[frame] @ turn.T, joints[frame, :, 2] - BED, turn @ up)
        draw_body(canvas, body[frame] @ turn.T, looks)
        picture = cv2.GaussianBlur(canvas.image, (0, 0), 0.7)
        grain = noise.integers(-256, 256, picture.shape[:2], dtype=np.int16)
        picture += (GRAIN / 148) * grain[..., np.newaxis].astype(np.float32)
        yield np.clip(picture, 0, 255).astype(np.uint8)


def write_film(
    recording: SimulatedRecording,
    path: str | os.PathLike[str],
    *,
    longest: int = 640,
    seed: int = 0,
) -> Path:
    """Write the film of a simulated recording (H.264, constant rate, no sound); return its path.

    Parameters
    ----------
    recording, longest, seed
        As `film_pictures`.
    path : path-like
        Ends in .mp4, .m4v or .mov.

    Raises
    ------
    StudyError
        E239 impossible size.
    VideoError
        E607 the extra `video` is missing; E608 an unknown ending.
    FileError
        E501 to E503 the file cannot be written.
    """
    pictures = film_pictures(recording, longest, seed)
    return write_video(path, pictures, recording.pose.fps, comment=COMMENT)


def _generator(name: str, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def _mat(looks: Looks) -> NDArray[np.float32]:
    """A quilt from above, with folds and dots of several sizes: (MAT, MAT, 3)."""
    cv2 = library("cv2", extra="video")
    rng = np.random.default_rng(looks.mat_seed)
    cloth = np.empty((MAT, MAT, 3), np.float32)
    cloth[:] = looks.mat
    folds = cv2.GaussianBlur(rng.standard_normal((MAT, MAT)).astype(np.float32), (0, 0), 24)
    cloth *= 1 + 0.10 * (folds / folds.std())[..., np.newaxis]
    for x, y, radius, shade in zip(
        *rng.integers(0, MAT, (2, DOTS)).tolist(),
        rng.integers(3, 11, DOTS).tolist(),
        rng.uniform(0.55, 1.25, DOTS).tolist(),
        strict=True,
    ):
        colour = tuple(float(c) for c in np.clip(looks.pattern * shade, 0, 255))
        cv2.circle(cloth, (x, y), radius, colour, -1, cv2.LINE_AA)
    return cloth


def _place_of_mat(camera: Camera, scale: float) -> Floats:
    """The homography (3, 3) from the mat's pixels to those of a steady picture."""
    cv2 = library("cv2", extra="video")
    corners = np.array([[-4, -3.5, BED], [4, -3.5, BED], [4, 4.5, BED], [-4, 4.5, BED]])
    inside = (corners - camera.center) @ camera.axes.T
    pixels = scale * (camera.focal_px * inside[:, :2] / inside[:, 2:] + np.array(camera.size) / 2)
    source = np.array([[0, MAT], [MAT, MAT], [MAT, 0], [0, 0]], np.float32)
    return cv2.getPerspectiveTransform(source, pixels.astype(np.float32))


def _laid(
    cloth: NDArray[np.float32], place: Floats, sway: Floats, size: tuple[int, int]
) -> NDArray[np.float32]:
    """The empty scene (H, W, 3) as a camera sees it that has swayed by an affine map (2, 3)."""
    cv2 = library("cv2", extra="video")
    matrix = np.vstack([sway, [0.0, 0.0, 1.0]]) @ place
    options = {"flags": cv2.INTER_LINEAR, "borderMode": cv2.BORDER_REFLECT_101}
    return cv2.warpPerspective(cloth, matrix, size, **options)


def _shade(canvas: Canvas, body: Floats, heights: Floats, up: Floats) -> None:
    """The soft shadow of a body (V, 3) on the mat below it; the lamp stands aside."""
    cv2 = library("cv2", extra="video")
    lamp = up + np.array([-0.35, -0.45, 0.0])
    fallen = body - heights[:, np.newaxis] * lamp / (lamp @ up)  # (V, 3) on the bed
    pixels = canvas.focal_px * fallen[:, :2] / fallen[:, 2:] + canvas.middle
    unit = canvas.focal_px / float(body[:, 2].mean())
    mask = np.zeros(canvas.depth.shape, np.uint8)
    points = [(round(float(x)), round(float(y))) for x, y in pixels]
    for child, parent in SKELETON.bones:
        a, b = SKELETON.rows(child, parent)
        wide = 0.26 if "hip" in child + parent or "neck" in child + parent else 0.2
        cv2.line(mask, points[a], points[b], 255, max(1, round(wide * unit)))
    hips, neck = SKELETON.rows("right_hip", "left_hip"), SKELETON.index["neck"]
    middle = pixels[hips].mean(axis=0)
    cv2.line(mask, points[neck], (round(middle[0]), round(middle[1])), 255, round(0.7 * unit))
    cv2.circle(mask, points[SKELETON.index["nose"]], round(0.36 * unit), 255, -1)
    small = cv2.resize(mask, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), max(0.5, 0.025 * unit))
    soft = cv2.resize(soft, canvas.depth.shape[::-1], interpolation=cv2.INTER_LINEAR)
    canvas.image *= 1 - (SHADOW / 255) * soft[..., np.newaxis].astype(np.float32)
