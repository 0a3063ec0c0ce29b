"""BlazePose landmark model: one upright body crop in, 33 joints and the next frame's square out.

Source: Bazarevsky et al. 2020, BlazePose (arXiv 2006.10204).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fidgety.pose.estimators.crops import Square, cut, to_image
from fidgety.pose.estimators.detector import around
from fidgety.pose.estimators.tflite import interpreter

__all__ = ["Landmarks", "Reading"]

INPUT = 256  # pixels
OUTPUTS = ((1, 195), (1, 1), (1, 64, 64, 39))  # points, score, heatmaps
JOINTS = 33
HIP, RIM = 33, 34  # auxiliary points: hip centre, and a point on the circle around the body
PATCH = 3  # heatmap cells to each side of a joint that refine it
MIN_PEAK = 0.5  # a heatmap below this says nothing of the joint's place


@dataclass(frozen=True, eq=False)
class Reading:
    """What a model read from one square.

    Parameters
    ----------
    xy : ndarray (V, 2)
        Joints in image pixels.
    confidence : ndarray (V,)
        0 to 1.
    score : float
        0 to 1, that the square shows a body at all.
    square : Square
        Where to look for this body in the next frame.
    """

    xy: NDArray[np.float64]
    confidence: NDArray[np.float64]
    score: float
    square: Square


class Landmarks:
    """The landmark model; call `read` with an image and the square of a body."""

    def __init__(self, model: Path, threads: int = 1) -> None:
        self._model = interpreter(model, threads, outputs=OUTPUTS)
        self._input = self._model.get_input_details()[0]["index"]
        by_shape = {tuple(d["shape"]): d["index"] for d in self._model.get_output_details()}
        self._points, self._score, self._heatmaps = (by_shape[shape] for shape in OUTPUTS)

    def read(self, image: NDArray[np.uint8], square: Square) -> Reading:
        """The 33 joints of the body in a square."""
        crop = cut(image, square, INPUT)
        # Views of the model's own memory: gone before it runs, and read before it runs again.
        into = self._model.tensor(self._input)()[0]
        np.divide(crop, np.float32(255), out=into, dtype=np.float32)
        del into
        self._model.invoke()
        points = self._model.get_tensor(self._points)[0].reshape(39, 5)  # x, y, z, visible, present
        heatmaps = self._model.tensor(self._heatmaps)()[0]  # (64, 64, 39) logits
        seen = 1 / (1 + np.exp(-np.clip(points[:JOINTS, 3:], -60, 60)))  # (33, 2)
        places = refine(points[:, :2].astype(np.float64), heatmaps)  # (39, 2)
        xy = to_image(places - 0.5, square, INPUT)
        return Reading(
            xy=xy[:JOINTS],
            confidence=seen.min(axis=1).astype(np.float64),
            score=float(self._model.get_tensor(self._score)[0, 0]),
            square=around(xy[HIP], xy[RIM]),
        )


def refine(points: NDArray[np.float64], heatmaps: NDArray[np.floating]) -> NDArray[np.float64]:
    """Move each point to the centre of mass of its heatmap nearby, where that has a clear peak.

    Parameters
    ----------
    points : ndarray (J, 2)
        Pixels of the model's input.
    heatmaps : ndarray (h, w, J)
        Logits.
    """
    height, width, count = heatmaps.shape
    cells = np.floor(points * (width, height) / INPUT).astype(int)  # (J, 2)
    reach = np.arange(-PATCH, PATCH + 1)
    columns = cells[:, :1] + reach  # (J, 7)
    rows = cells[:, 1:] + reach  # (J, 7)
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[
        :, None, :
    ]
    logits = heatmaps[
        np.clip(rows, 0, height - 1)[:, :, None],
        np.clip(columns, 0, width - 1)[:, None, :],
        np.arange(count)[:, None, None],
    ]  # (J, 7, 7)
    weight = np.where(inside, 1 / (1 + np.exp(-np.clip(logits, -60.0, 60.0))), 0.0)
    total = weight.sum(axis=(1, 2))
    clear = weight.max(axis=(1, 2)) >= MIN_PEAK
    safe = np.where(total > 0, total, 1.0)
    x = (weight.sum(axis=1) * (columns + 0.5)).sum(axis=1) / safe * INPUT / width
    y = (weight.sum(axis=2) * (rows + 0.5)).sum(axis=1) / safe * INPUT / height
    on_patch = (cells >= 0).all(axis=1) & (cells < (width, height)).all(axis=1)
    use = clear & on_patch
    return np.where(use[:, None], np.stack([x, y], axis=1), points)
