"""The camera's own movement: how strong it was at the body, and the pose without it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fidgety.pose.pose import Pose
from fidgety.pose.quality.reasons import range_words, reason
from fidgety.pose.quality.scene import Finding, Scene, complex_positions

__all__ = ["at_rest", "camera_motion", "compensate_camera"]

_STILL = {"camera_dx": 0.0, "camera_dy": 0.0, "camera_scale": 1.0, "camera_rotation": 0.0}
_SMOOTHING_S = 0.5  # estimates of single frames are noisy; sway and pans last longer


def compensate_camera(pose: Pose) -> Pose:
    """The pose as a camera at rest would have seen it, from the film's background motion.

    Between two frames a point p of the background moves to ``c + s R(r) (p - c) + (dx, dy)``, with
    c the image centre (the origin if the size is not known), s `camera_scale`, r
    `camera_rotation` in radians from x to y, dx and dy in pixels. These steps are chained and
    undone, so that positions are those of the first frame; they may lie outside the image. The
    film's camera measures are then at rest: to compensate twice changes nothing. Frames whose
    motion is not known (NaN) count as unmoved.

    Parameters
    ----------
    pose : Pose
        In pixels. Without the four measures `camera_dx`, `camera_dy`, `camera_scale`,
        `camera_rotation` (those that lack count as at rest) the pose comes back as it is: the
        background cannot be told from the body by joints alone.
    """
    if not any(name in pose.film for name in _STILL):
        return pose
    at = complex_positions(pose)
    still = at_rest(pose, at)
    if still is at:
        return pose
    rest = {n: np.full(len(pose), v) for n, v in _STILL.items() if n in pose.film}
    return pose.then(
        "compensate_camera",
        xy=np.stack([still.real, still.imag], axis=-1),
        film={**pose.film, **rest},
    )


def at_rest(pose: Pose, at: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Positions (T, V), x + iy, as in the first frame's camera; the same if it never moved."""
    turn, shift = _steps(pose)
    if np.all(turn == 1) and np.all(shift == 0):
        return at
    back = 1 / np.cumprod(turn)  # (T,)
    return back[:, None] * at - np.cumsum(back * shift)[:, None]


def camera_motion(scene: Scene) -> Finding:
    """Speed of the background at the body, and the change of scale."""
    config, pose = scene.config, scene.pose
    if scene.film("camera_dx") is None or not np.isfinite(scene.trunk_px) or len(pose) < 2:
        return Finding({"camera_speed": None, "camera_zoom": None})
    turn, shift = _steps(pose)
    ends = scene.row("right_shoulder", "left_shoulder", "right_hip", "left_hip")
    middle = scene.at[:, ends].mean(axis=1)  # (T,)
    seen = np.isfinite(middle)  # some are, or there were no trunk length
    body = np.interp(pose.time, pose.time[seen], middle[seen])
    step_s = np.append(scene.frame_s, np.diff(pose.time))
    carried = (body * (turn - 1) + shift) / scene.trunk_px / step_s
    drift = np.abs(
        scene.smoothed(carried.real, _SMOOTHING_S) + 1j * scene.smoothed(carried.imag, _SMOOTHING_S)
    )
    growth = np.log(turn) / step_s  # real: zoom, imaginary: rotation, at one trunk length
    turning = np.abs(
        scene.smoothed(growth.real, _SMOOTHING_S) + 1j * scene.smoothed(growth.imag, _SMOOTHING_S)
    )
    speed = drift + turning
    zoom = np.cumsum(np.log(np.abs(turn)))
    fastest, zoomed = float(np.quantile(speed, 0.95)), float(np.expm1(np.ptp(zoom)))
    measures: dict[str, float | None] = {"camera_speed": fastest, "camera_zoom": zoomed}
    moving = speed > config.camera_speed
    wild = fastest > config.camera_speed_caution or zoomed > config.camera_zoom_caution
    if not moving.any() and not wild:
        return Finding(measures)
    ranges = scene.ranges(moving) or scene.whole  # a zoom may be slow
    advice = "too much to take out with certainty" if wild else "its movement can be taken out"
    return Finding(
        measures,
        (
            reason(
                "W110",
                f"Camera moved {range_words(ranges)}; {advice}. Rest it on something firm.",
                ranges,
                "caution" if wild else None,
            ),
        ),
    )


def _steps(pose: Pose) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Background motion (T,), (T,) into each frame as complex p -> turn * p + shift."""

    def measure(name: str) -> NDArray[np.float64]:
        values = pose.film.get(name, np.full(len(pose), _STILL[name]))
        known = np.isfinite(values) & ((values > 0) | (name != "camera_scale"))
        return np.where(known, values, _STILL[name])

    turn = (measure("camera_scale") * np.exp(1j * measure("camera_rotation"))).astype(np.complex128)
    width, height = pose.size or (0, 0)
    centre = complex(width, height) / 2
    shift = np.asarray(measure("camera_dx") + 1j * measure("camera_dy") + centre * (1 - turn))
    turn[0], shift[0] = 1.0, 0.0  # nothing came before the first frame
    return turn, shift
