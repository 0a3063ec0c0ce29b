"""Drawing a body: rounded solids, each with its place, depth and light, into one picture.

Everything is in the camera's frame: x right, y down, z away from it, in trunk lengths; a point
falls on pixel focal_px * (x, y) / z + middle. Solids are drawn one by one against a depth buffer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Canvas", "Skin"]

Skin = Callable[[NDArray[np.float64]], NDArray[np.float64]]  # unit sphere (N, 3) -> colour (N, 3)
Floats = NDArray[np.float64]
LIGHT = np.array([-0.45, -0.55, -0.70]) / np.linalg.norm([-0.45, -0.55, -0.70])  # towards the lamp
AMBIENT = 0.62


@dataclass
class Canvas:
    """A picture with the depth of what is drawn in it.

    Parameters
    ----------
    image : ndarray (H, W, 3), float32
        Red, green, blue, 0 to 255; drawn into.
    focal_px : float
        Focal length in pixels.
    middle : ndarray (2,)
        Where the camera's axis meets the picture, in pixels.
    """

    image: NDArray[np.float32]
    focal_px: float
    middle: Floats

    def __post_init__(self) -> None:
        self.depth: NDArray[np.float32] = np.full(self.image.shape[:2], np.inf, np.float32)

    def limb(self, a: Floats, b: Floats, radii: tuple[float, float], colour: Floats | Skin) -> None:
        """A rounded cone from point `a` to `b` (3,) with a radius at each end."""
        (pa, ra), (pb, rb) = self._at(a, radii[0]), self._at(b, radii[1])
        box = self._box(np.minimum(pa - ra, pb - rb), np.maximum(pa + ra, pb + rb))
        if box is None:
            return
        x, y = self._pixels(box)
        along = pb - pa
        length = max(float(along @ along), 1e-9)
        share = np.clip(((x - pa[0]) * along[0] + (y - pa[1]) * along[1]) / length, 0, 1)
        radius = ra + share * (rb - ra)
        nx = (x - pa[0] - share * along[0]) / radius
        ny = (y - pa[1] - share * along[1]) / radius
        inside = nx**2 + ny**2 < 1
        nz = -np.sqrt(np.where(inside, 1 - nx**2 - ny**2, 0.0))  # towards the camera
        depth = a[2] + share * (b[2] - a[2]) + nz * (radii[0] + share * (radii[1] - radii[0]))
        normal = np.stack([nx, ny, nz], axis=-1)
        self._put(box, inside, depth, normal, colour, normal)
        if abs(b[2] - a[2]) > 0.3 * np.linalg.norm(b - a):  # its near end stands out of the cone
            end, round_ = (a, radii[0]) if a[2] < b[2] else (b, radii[1])
            self.ellipsoid(end, np.eye(3), np.full(3, round_), colour)

    def ellipsoid(self, centre: Floats, axes: Floats, radii: Floats, colour: Floats | Skin) -> None:
        """An ellipsoid; `axes` (3, 3) are its directions as rows, `radii` (3,) go with them.

        A `Skin` is asked for colours at points of the unit sphere along these axes.
        """
        pixel, reach = self._at(centre, float(radii.max()))
        box = self._box(pixel - reach, pixel + reach)
        if box is None:
            return
        x, y = self._pixels(box)
        scale = centre[2] / self.focal_px  # trunk lengths a pixel
        over = axes / radii[:, np.newaxis]  # rows: directions, shortened to the unit sphere
        flat = np.stack([(x - pixel[0]) * scale, (y - pixel[1]) * scale], axis=-1) @ over[:, :2].T
        deep = over[:, 2]  # (3,): of one trunk length along the view
        half, square = flat @ deep, float(deep @ deep)
        root = half**2 - square * ((flat**2).sum(axis=-1) - 1)
        inside = root > 0
        far = (-half - np.sqrt(np.where(inside, root, 0.0))) / square  # nearer of the two
        point = flat + far[..., np.newaxis] * deep  # on the unit sphere
        normal = point @ over
        normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
        self._put(box, inside, centre[2] + far, normal, colour, point)

    def _put(
        self,
        box: tuple[slice, slice],
        inside: NDArray[np.bool_],
        depth: Floats,
        normal: Floats,
        colour: Floats | Skin,
        place: Floats,
    ) -> None:
        """Colour the pixels that lie before what was there; `place` is what a `Skin` is asked."""
        seen = inside & (depth < self.depth[box])
        if not seen.any():
            return
        own = colour(place[seen]) if callable(colour) else colour
        lit = np.clip(normal[seen] @ LIGHT, 0, 1)
        rim = 1 - 0.35 * (1 + normal[seen][:, 2]) ** 2  # skin turns away from the eye
        shade = (AMBIENT + (1 - AMBIENT) * lit) * rim
        self.image[box][seen] = own * shade[:, np.newaxis]
        self.depth[box][seen] = depth[seen]

    def _at(self, point: Floats, radius: float) -> tuple[Floats, float]:
        scale = self.focal_px / point[2]
        return scale * point[:2] + self.middle, max(scale * radius, 0.5)

    def _box(self, low: Floats, high: Floats) -> tuple[slice, slice] | None:
        height, width = self.depth.shape
        limits = np.array([width, height])
        left, top = np.clip(np.floor(low), 0, limits).astype(int).tolist()
        right, bottom = np.clip(np.ceil(high) + 1, 0, limits).astype(int).tolist()
        if right <= left or bottom <= top:
            return None
        return slice(top, bottom), slice(left, right)

    @staticmethod
    def _pixels(box: tuple[slice, slice]) -> tuple[Floats, Floats]:
        """Columns and rows (h, w) of pixel centres."""
        rows, columns = box
        x = np.arange(columns.start, columns.stop, dtype=np.float64)
        y = np.arange(rows.start, rows.stop, dtype=np.float64)
        shape = (len(y), len(x))
        return np.broadcast_to(x, shape), np.broadcast_to(y[:, np.newaxis], shape)
