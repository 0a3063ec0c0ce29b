"""The camera above the infant: perspective, orientation, sway and zoom."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fidgety.simulate.checks import check_between, check_range

__all__ = ["Camera", "CameraConfig", "draw_camera", "project"]

SIZES = ((1280, 720), (1920, 1080), (720, 1280), (640, 480))
FRAME_RATES = (15.0, 24.0, 25.0, 30.0, 50.0, 60.0)
FRAME_RATE_SHARES = (0.08, 0.1, 0.17, 0.4, 0.15, 0.1)


@dataclass(frozen=True)
class CameraConfig:
    """How recordings are filmed.

    Parameters
    ----------
    distance : (float, float)
        Height above the bed in trunk lengths; near cameras distort more.
    tilt_deg : float
        Largest tilt from straight above.
    filling : (float, float)
        Trunk length in the image as a share of its shorter side.
    turned_deg : float
        Largest turn of the image against the head-up position, to either side.
    handheld_share : float
        Of recordings; the others stand on a tripod.
    sway : float
        Standard deviation of a hand-held camera's sway, trunk lengths.
    zoom : float
        Standard deviation of its zoom, share of the scale.
    """

    distance: tuple[float, float] = (4.5, 8.0)
    tilt_deg: float = 12.0
    filling: tuple[float, float] = (0.24, 0.31)
    turned_deg: float = 180.0
    handheld_share: float = 0.4
    sway: float = 0.02
    zoom: float = 0.01

    def __post_init__(self) -> None:
        check_range(self, 2.5, 50.0, "distance")
        check_range(self, 0.02, 1.0, "filling")
        check_between(self, 0.0, 45.0, "tilt_deg")
        check_between(self, 0.0, 180.0, "turned_deg")
        check_between(self, 0.0, 1.0, "handheld_share", "sway", "zoom")


@dataclass(frozen=True)
class Camera:
    """One camera: image size, focal length in pixels, where it looks from, how steady it is.

    `axes` are the camera's right, down and forward directions in the world, `center` its place.
    """

    size: tuple[int, int]
    focal_px: float
    center: NDArray[np.float64]  # (3,) trunk lengths
    axes: NDArray[np.float64]  # (3, 3) rows right, down, forward
    handheld: bool


def draw_camera(config: CameraConfig, rng: np.random.Generator) -> Camera:
    """Draw a camera that looks at the infant's belly from above, any side up."""
    size = SIZES[int(rng.integers(len(SIZES)))]
    distance = rng.uniform(*config.distance)
    focal = rng.uniform(*config.filling) * min(size) * distance
    tilt = np.radians(config.tilt_deg) * np.sqrt(rng.random())
    heading = rng.uniform(-np.pi, np.pi)
    turn = np.radians(config.turned_deg) * rng.uniform(-1, 1)
    aim = np.array([0.0, 0.35, 0.0]) + 0.05 * rng.standard_normal(3)
    lean = np.array([np.cos(heading), np.sin(heading), 0.0]) * np.sin(tilt)
    away = lean + np.array([0.0, 0.0, np.cos(tilt)])  # unit vector from the infant to the camera
    forward = -away
    right = np.cross(forward, [-np.sin(turn), np.cos(turn), 0.0])
    right /= np.linalg.norm(right)
    axes = np.stack([right, np.cross(forward, right), forward])
    return Camera(
        size, focal, aim + distance * away, axes, bool(rng.random() < config.handheld_share)
    )


def project(joints: NDArray[np.float64], camera: Camera) -> NDArray[np.float64]:
    """Pinhole image of joints (..., 3) in trunk lengths: pixels (..., 2), x right and y down."""
    seen = (joints - camera.center) @ camera.axes.T
    return camera.focal_px * seen[..., :2] / seen[..., 2:] + np.array(camera.size) / 2


def sway_of(
    wobble: NDArray[np.float64], camera: Camera, config: CameraConfig, px_per_trunk: float
) -> NDArray[np.float64]:
    """How the image moves: (T, 2, 3) affine maps of steady onto swaying pixels.

    Sway, zoom and turn follow slow unit processes `wobble` (T, 4): x, y, zoom, turn. A camera on a
    tripod gives the identity.
    """
    if not camera.handheld:
        return np.repeat(np.eye(2, 3)[np.newaxis], len(wobble), axis=0)
    middle = np.array(camera.size) / 2
    zoom = np.exp(config.zoom * wobble[:, 2])
    turn = np.radians(1.5) * wobble[:, 3]
    cosine, sine = zoom * np.cos(turn), zoom * np.sin(turn)
    turning = np.stack([cosine, -sine, sine, cosine], axis=1).reshape(-1, 2, 2)
    shift = middle - turning @ middle + config.sway * px_per_trunk * wobble[:, :2]  # (T, 2)
    return np.concatenate([turning, shift[..., np.newaxis]], axis=2)


def shake(xy: NDArray[np.float64], sway: NDArray[np.float64]) -> NDArray[np.float64]:
    """Image points (T, V, 2) moved by the maps of `sway_of`."""
    turned = sway[:, np.newaxis, :, :2] @ xy[..., np.newaxis]  # (T, V, 2, 1)
    return turned[..., 0] + sway[:, np.newaxis, :, 2]
