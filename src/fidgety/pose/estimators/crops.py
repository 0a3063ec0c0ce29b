"""Rotated squares: where a body is looked for, cut upright out of an image, and the way back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fidgety.pose.optional import library
from fidgety.pose.video import halved

__all__ = ["Square", "alike", "box_of", "cut", "overlap", "to_image"]


@dataclass(frozen=True)
class Square:
    """A square of the image, turned.

    Parameters
    ----------
    x, y : float
        Centre in pixels.
    side : float
        Length of a side in pixels.
    angle : float
        Radians, clockwise on the screen: 0 shows the image as it is; pi / 2 shows upright a body
        whose head points to the right of the image.
    """

    x: float
    y: float
    side: float
    angle: float = 0.0

    @property
    def axes(self) -> NDArray[np.float64]:
        """Columns: the crop's x and y direction in the image (2, 2)."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        return np.array([[cos, -sin], [sin, cos]])


def cut(
    image: NDArray[np.uint8], square: Square, width: int, height: int | None = None
) -> NDArray[np.uint8]:
    """The square resampled to (height, width, 3); outside the image it is black.

    With a `height` other than `width` the crop keeps the square's centre and its longer side.
    A crop much larger than its result is first reduced, so that fine texture does not alias.
    """
    cv2 = library("cv2", extra="video")
    height = width if height is None else height
    step = square.side / max(width, height)  # image pixels a crop pixel
    offset, reduced = np.zeros(2), 1
    if step > 2:  # bilinear sampling sees 2 pixels of each step; the rest would be skipped
        image, offset, reduced = _reduced(image, square, int(np.log2(step)))
    scale = step * square.axes / reduced
    corner = (np.array([square.x, square.y]) - offset + 0.5) / reduced - 0.5
    corner -= scale @ ((width - 1) / 2, (height - 1) / 2)
    matrix = np.column_stack([scale, corner])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, matrix, (width, height), flags=flags)


def to_image(
    points: NDArray[np.floating], square: Square, width: int, height: int | None = None
) -> NDArray[np.float64]:
    """Points (..., 2) of a crop of `square`, in its pixels, as points of the image."""
    height = width if height is None else height
    step = square.side / max(width, height)
    centred = np.asarray(points, dtype=np.float64) - ((width - 1) / 2, (height - 1) / 2)
    return centred @ (step * square.axes).T + (square.x, square.y)


def box_of(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Smallest box (left, top, right, bottom) around points (..., 2), those that are NaN aside."""
    flat = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    flat = flat[np.isfinite(flat).all(axis=1)]
    if not len(flat):
        return np.full(4, np.nan)
    return np.concatenate([flat.min(axis=0), flat.max(axis=0)])


def alike(a: Square, b: Square, near: float) -> bool:
    """Whether two squares hold one body: centres within `near` sides, sizes within 4 to 3."""
    apart = np.hypot(a.x - b.x, a.y - b.y) / max(a.side, b.side)
    return bool(apart < near and 0.75 < a.side / b.side < 4 / 3)


def overlap(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Area common to two boxes (left, top, right, bottom) over the area of the smaller one."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    smaller = min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))
    if not (width > 0 and height > 0 and smaller > 0):
        return 0.0
    return float(width * height / smaller)


def _reduced(
    image: NDArray[np.uint8], square: Square, times: int
) -> tuple[NDArray[np.uint8], NDArray[np.float64], int]:
    """The part of the image under the square, halved some `times`; its corner and the factor."""
    height, width = image.shape[:2]
    factor = 2**times
    reach = square.side * (abs(np.cos(square.angle)) + abs(np.sin(square.angle))) / 2 + factor
    left, right = np.clip([square.x - reach, square.x + reach], 0, width).astype(int)
    top, bottom = np.clip([square.y - reach, square.y + reach], 0, height).astype(int)
    size = (int(right - left) // factor, int(bottom - top) // factor)
    if min(size) < 1:
        return image, np.zeros(2), 1
    part = image[top : top + size[1] * factor, left : left + size[0] * factor]
    return halved(part, times), np.array([left, top], dtype=np.float64), factor
