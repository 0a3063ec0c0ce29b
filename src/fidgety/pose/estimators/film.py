"""What a film is like, frame by frame: brightness, sharpness, and how the camera moved."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fidgety.pose.optional import library
from fidgety.pose.video import resized

__all__ = ["FilmMeter"]

SHARPNESS_SIDE = 640  # longer side, in pixels, of the grey image whose sharpness is measured
CAMERA_SIDE = 320  # and of the one in which the background is followed
MARGIN = 0.15  # of the body's box, left out around it
POINTS = 80
WINDOW = (15, 15)  # pixels around a corner by which it is found again
MIN_POINTS = 10
BACK_AND_FORTH = 0.3  # px: a point followed forth and back that ends farther off is dropped
MAX_MISFIT = 0.5  # px
FRESH = 5  # frames after which new corners are looked for
ENOUGH = 0.7  # of the corners last found: with fewer, new ones are looked for at once


class FilmMeter:
    """Measures the frames of one film in order.

    The camera's motion is the similarity transform of the background since the frame before:
    corners outside the body are followed by pyramidal Lucas-Kanade and fitted by RANSAC. With c
    the image centre, s the scale, R the rotation from x to y: p' = c + s R (p - c) + (dx, dy).
    It is NaN where too little background can be followed. Corners are followed for some frames
    before others are looked for, which takes longer than to follow them.
    """

    def __init__(self) -> None:
        self._cv2 = library("cv2", extra="video")
        self._before: Any = None
        self._points: Any = None  # (N, 1, 2) of the frame before
        self._found, self._age = 0, 0

    def __call__(
        self, image: NDArray[np.uint8], box: NDArray[np.float64] | None
    ) -> dict[str, float]:
        """Measures of one image (H, W, 3), RGB; `box` (4,) is the body's, left out as it moves."""
        cv2 = self._cv2
        grey = resized(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), SHARPNESS_SIDE)
        deviation = cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_16S))[1]
        small = resized(grey, CAMERA_SIDE)
        zoom = max(image.shape[:2]) / max(small.shape)  # film pixels a small pixel
        background = _background(small.shape, None if box is None else box / zoom)
        move, left = self._camera(small)
        self._before = small
        self._points = self._corners(small, background, left)
        return {
            "brightness": float(small.mean()),
            "sharpness": float(deviation[0, 0]) ** 2,
            "camera_dx": move[0] * zoom,
            "camera_dy": move[1] * zoom,
            "camera_scale": move[2],
            "camera_rotation": move[3],
        }

    def _corners(self, grey: NDArray[np.uint8], background: NDArray[np.uint8], left: Any) -> Any:
        """Corners of the background, (N, 1, 2), or None: those still followed, or new ones."""
        self._age += 1
        if left is not None and self._age < FRESH:
            columns, rows = np.rint(left[:, 0]).astype(int).T
            inside = (rows >= 0) & (rows < grey.shape[0])
            inside &= (columns >= 0) & (columns < grey.shape[1])
            left = left[inside]
            left = left[background[rows[inside], columns[inside]] > 0]
            if len(left) >= max(MIN_POINTS, ENOUGH * self._found):
                return left
        found = self._cv2.goodFeaturesToTrack(grey, POINTS, 0.01, 8, mask=background)
        self._found, self._age = 0 if found is None else len(found), 0
        return found

    def _camera(self, grey: NDArray[np.uint8]) -> tuple[tuple[float, float, float, float], Any]:
        """Shift of the centre in small pixels, scale, rotation since the frame before; corners."""
        if self._before is None:
            return (0.0, 0.0, 1.0, 0.0), None
        unknown = (np.nan, np.nan, np.nan, np.nan), None
        if self._points is None or len(self._points) < MIN_POINTS:
            return unknown
        cv2, old = self._cv2, self._points
        new, there, _ = cv2.calcOpticalFlowPyrLK(self._before, grey, old, None, winSize=WINDOW)
        # Back again from where the picture as a whole would put each: near enough for one level.
        guess = new + np.median(old - new, axis=0)
        back, again, _ = cv2.calcOpticalFlowPyrLK(
            grey, self._before, new, guess, winSize=WINDOW, maxLevel=0,
            flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
        )  # fmt: skip
        true = (there & again).ravel().astype(bool)
        true &= np.hypot(*(back - old)[:, 0].T) < BACK_AND_FORTH
        if true.sum() < MIN_POINTS:
            return unknown
        fit, used = cv2.estimateAffinePartial2D(
            old[true], new[true], ransacReprojThreshold=MAX_MISFIT
        )
        if fit is None or used.sum() < max(MIN_POINTS, 0.3 * true.sum()):
            return unknown
        centre = (np.array(grey.shape[::-1]) - 1) / 2
        dx, dy = fit[:, :2] @ centre + fit[:, 2] - centre
        scale, turn = np.hypot(fit[0, 0], fit[1, 0]), np.arctan2(fit[1, 0], fit[0, 0])
        return (dx, dy, float(scale), float(turn)), new[true][used.ravel() > 0]


def _background(shape: tuple[int, ...], box: NDArray[np.float64] | None) -> NDArray[np.uint8]:
    """255 (h, w) outside the body's box and its margin, 0 within."""
    background = np.full(shape, 255, dtype=np.uint8)
    if box is not None and np.isfinite(box).all():
        reach = MARGIN * max(box[2] - box[0], box[3] - box[1])
        limits = (shape[1], shape[0]) * 2
        left, top, right, bottom = np.clip(
            box + reach * np.array([-1, -1, 1, 1]), 0, limits
        ).astype(int)
        background[top:bottom, left:right] = 0
    return background
