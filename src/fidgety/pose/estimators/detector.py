"""BlazePose person detector: anchors, decoding, and the search for bodies small in the image.

The detector gives, for each person, the hip centre and a point on the circle around the whole body;
both together make a square turned with the body. It misses people much smaller than its input, so
`PeopleFinder.search` also shows it parts of the image, larger, and turned.

Source: Bazarevsky et al. 2020, BlazePose (arXiv 2006.10204); anchor layout as in Liu et al. 2016,
SSD, with the sizes of the published model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fidgety.pose.estimators.crops import Square, alike, cut, to_image
from fidgety.pose.estimators.protocol import Region
from fidgety.pose.estimators.tflite import interpreter

__all__ = ["Detection", "Detector", "PeopleFinder", "anchors", "around", "parts"]

INPUT = 224  # pixels
STRIDES = ((8, 2), (16, 2), (32, 6))  # pixels between anchors, anchors at each place
MIN_SCORE = 0.5
SAME_PERSON = 0.3  # intersection over union at which two boxes show one person
ROOM = 2.5  # side of a body's square, in distances from hip centre to the circle around the body
SHARES = (1.0, 0.6, 0.35)  # sides of the parts searched, in shorter sides of the image
NEAR = 1.5  # side of the part searched for a lost body, in sides of its last square
MIN_TEXTURE = 4.0  # grey levels


@dataclass(frozen=True, eq=False)
class Detection:
    """A person found: score (0 to 1), box (4,) of the head in px, and the body's square."""

    score: float
    box: NDArray[np.float64]
    square: Square


class Detector:
    """The detector model; call `find` on an image or on a part of it."""

    def __init__(self, model: Path, threads: int = 1) -> None:
        self._model = interpreter(model, threads)
        self._input = self._model.get_input_details()[0]["index"]
        boxes, scores = sorted(self._model.get_output_details(), key=lambda d: -int(d["shape"][-1]))
        self._boxes, self._scores = boxes["index"], scores["index"]

    def find(self, image: NDArray[np.uint8], part: Square | None = None) -> list[Detection]:
        """People in an image, or in a square part of it, best first."""
        if part is None:
            height, width = image.shape[:2]
            part = Square((width - 1) / 2, (height - 1) / 2, float(max(height, width)))
        shown = cut(image, part, INPUT)
        pixels = shown.astype(np.float32)[None] * (2 / 255) - 1  # (1, 224, 224, 3), -1 to 1
        self._model.set_tensor(self._input, pixels)
        self._model.invoke()
        raw = self._model.get_tensor(self._boxes)[0]  # (2254, 12)
        scores = _sigmoid(self._model.get_tensor(self._scores)[0, :, 0])  # (2254,)
        likely = np.flatnonzero(scores >= MIN_SCORE)
        centre, size, points = decode(raw[likely], anchors()[likely])
        found = []
        for group in _groups(centre, size, scores[likely]):
            weight = scores[likely][group]
            mean = np.average(points[group], axis=0, weights=weight)  # (4, 2)
            box = np.average(centre[group], axis=0, weights=weight)
            half = np.average(size[group], axis=0, weights=weight) / 2
            corners = box + half * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
            places = to_image(np.concatenate([mean[:2], corners]) - 0.5, part, INPUT)
            found.append(
                Detection(
                    score=float(weight.max()),
                    box=np.concatenate([places[2:].min(axis=0), places[2:].max(axis=0)]),
                    square=around(places[0], places[1]),
                )
            )
        return found


class PeopleFinder:
    """Where people are in an image, by the detector.

    Parameters
    ----------
    detector : Detector
    region : (x, y, width, height), optional
        Where the infant lies.
    """

    def __init__(self, detector: Detector, region: Region | None = None) -> None:
        self._detector, self._region = detector, region

    def glance(self, image: NDArray[np.uint8]) -> list[Square]:
        """People large enough to be found in the whole image, most certain first."""
        whole = next(parts(image.shape[1], image.shape[0]))[:1]
        return self._look(image, whole)

    def near(self, image: NDArray[np.uint8], square: Square) -> list[Square]:
        """People in and around a square in which a body has been."""
        around_it = replace(square, side=NEAR * square.side)
        return self._look(image, [around_it, replace(around_it, angle=square.angle + np.pi)])

    def search(self, image: NDArray[np.uint8]) -> list[Square]:
        """People of any size and orientation; where there is a region, it is looked at closely."""
        *usual, last = parts(image.shape[1], image.shape[0])
        if self._region is not None:
            left, top, width, height = self._region
            close = Square(left + width / 2, top + height / 2, float(max(width, height)))
            usual.append([replace(close, angle=turn * np.pi / 2) for turn in range(4)])
        found = self._look(image, [part for level in usual for part in level])
        return found or self._look(image, last)

    def confirms(self, image: NDArray[np.uint8], square: Square) -> bool:
        """Whether the detector, shown a square alone, finds a body in it that lies the same way.

        The landmark model is sure of itself also in upside-down and small false squares; the
        detector is not.
        """
        found = self._detector.find(image, replace(square, side=1.1 * square.side))
        return any(_agrees(square, one.square) for one in found)

    def _look(self, image: NDArray[np.uint8], places: list[Square]) -> list[Square]:
        """People in some parts of an image, each once."""
        found: list[Detection] = []
        for part in places:
            if _textured(image, part):
                found += self._detector.find(image, part)
        kept: list[Square] = []
        for one in sorted(found, key=lambda detection: -detection.score):
            if not any(alike(one.square, other, 0.2) for other in kept):
                kept.append(one.square)
        return kept


def parts(width: int, height: int) -> Iterator[list[Square]]:
    """Levels of square parts to look at: the whole image, then squares of falling size.

    Neighbouring squares overlap by half, so that a body up to half a side long lies within one.
    """
    middle, whole = ((width - 1) / 2, (height - 1) / 2), float(max(width, height))
    yield [Square(*middle, whole, angle) for angle in (0.0, np.pi, np.pi / 2, -np.pi / 2)]
    for share in SHARES:
        side = share * min(width, height)
        across, down = (_places(length, side) for length in (width, height))
        yield [Square(x, y, side, angle) for y in down for x in across for angle in (0.0, np.pi)]


def _places(length: int, side: float) -> NDArray[np.float64]:
    """Centres of squares that cover a length, overlapping by half."""
    count = max(1, int(np.ceil((length - side) / (side / 2))) + 1)
    ends = (side / 2, length - side / 2) if count > 1 else (length / 2, length / 2)
    return np.linspace(*ends, count) - 0.5


def around(hip: NDArray[np.floating], rim: NDArray[np.floating]) -> Square:
    """The square of a body whose hip centre and circle point are known."""
    across, down = rim - hip
    side = ROOM * float(np.hypot(across, down))
    return Square(float(hip[0]), float(hip[1]), side, float(np.arctan2(across, -down)))


@lru_cache(maxsize=1)
def anchors() -> NDArray[np.float64]:
    """Anchor centres (2254, 2) in pixels of the detector's input, row by row, fine to coarse."""
    rows = []
    for stride, count in STRIDES:
        line = (np.arange(INPUT // stride) + 0.5) * stride
        y, x = np.meshgrid(line, line, indexing="ij")
        rows.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), count, axis=0))
    return np.concatenate(rows)


def decode(
    raw: NDArray[np.floating], places: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Centres (N, 2), sizes (N, 2) and the four key points (N, 4, 2) in input pixels."""
    centre = raw[:, :2] + places
    points = raw[:, 4:].reshape(-1, 4, 2) + places[:, None]
    return centre, np.asarray(raw[:, 2:4], dtype=np.float64), points


def _groups(
    centre: NDArray[np.float64], size: NDArray[np.float64], scores: NDArray[np.floating]
) -> list[NDArray[np.intp]]:
    """Boxes that show one person, as rows; the best person first."""
    low, high = centre - size / 2, centre + size / 2
    left = np.argsort(-scores, kind="stable")
    groups = []
    while len(left):
        best = left[0]
        sides = np.minimum(high[left], high[best]) - np.maximum(low[left], low[best])
        common = np.prod(np.clip(sides, 0, None), axis=1)
        areas = np.prod(size[left], axis=1) + np.prod(size[best])
        same = common / np.maximum(areas - common, 1e-9) > SAME_PERSON
        same[0] = True
        groups.append(left[same])
        left = left[~same]
    return groups


def _textured(image: NDArray[np.uint8], part: Square) -> bool:
    """Whether there is anything to see in a part; black and plain parts need no model."""
    return float(cut(image, part, 32).std()) >= MIN_TEXTURE


def _agrees(square: Square, other: Square) -> bool:
    """Whether two squares, one from each model, can be of one body."""
    near = np.hypot(square.x - other.x, square.y - other.y) < 0.25 * square.side
    turn = abs((square.angle - other.angle + np.pi) % (2 * np.pi) - np.pi)
    return bool(near and 0.6 < other.side / square.side < 1.6 and turn < np.pi / 4)


def _sigmoid(logits: NDArray[np.floating]) -> NDArray[np.floating]:
    return 1 / (1 + np.exp(-np.clip(logits, -60, 60)))
