"""A drawn world without models: bodies at known places, and a reader and finder that know them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from fidgety.pose.estimators.crops import Square
from fidgety.pose.estimators.landmarks import Reading
from fidgety.pose.skeleton import load_skeleton

SKELETON = load_skeleton("coco17")
SIZE = (640, 480)
# Joints of an upright body about its hips, in diameters of its circle.
SHAPE = {
    "nose": (0, -0.45),
    "eye": (0.02, -0.47),
    "ear": (0.05, -0.46),
    "shoulder": (0.1, -0.3),
    "elbow": (0.15, -0.15),
    "wrist": (0.17, 0.0),
    "hip": (0.06, 0.0),
    "knee": (0.07, 0.22),
    "ankle": (0.07, 0.45),
}


@dataclass(frozen=True)
class Body:
    x: float
    y: float
    size: float
    seen: float = 1.0  # share of its joints that are clear

    def joints(self) -> np.ndarray:
        places = []
        for joint in SKELETON.joints:
            side, _, part = joint.rpartition("_")
            across, down = SHAPE[part]
            places.append((across if side == "left" else -across, down))
        return np.array(places) * self.size + (self.x, self.y)

    def square(self) -> Square:
        return Square(self.x, self.y, 1.25 * self.size)


@dataclass
class World:
    """Bodies now in the picture; a reader and a finder at once."""

    bodies: list[Body] = field(default_factory=list)
    doubted: bool = False  # the detector sees and confirms nobody
    searches: int = 0

    def read(self, image: np.ndarray, square: Square) -> Reading:
        near = [
            body
            for body in self.bodies
            if np.hypot(body.x - square.x, body.y - square.y) < 0.5 * square.side
            and 0.5 < body.square().side / square.side < 2
        ]
        count = len(SKELETON)
        if not near:
            return Reading(np.zeros((count, 2)), np.zeros(count), 0.0, square)
        body = min(near, key=lambda one: np.hypot(one.x - square.x, one.y - square.y))
        clear = np.arange(count) >= round((1 - body.seen) * count)
        return Reading(body.joints(), np.where(clear, 0.95, 0.1), 0.9, body.square())

    def glance(self, image: np.ndarray) -> list[Square]:
        return [] if self.doubted else [body.square() for body in self.bodies]

    def near(self, image: np.ndarray, square: Square) -> list[Square]:
        return [
            body.square()
            for body in self.bodies
            if np.hypot(body.x - square.x, body.y - square.y) < square.side
        ]

    def search(self, image: np.ndarray) -> list[Square]:
        self.searches += 1
        return [body.square() for body in self.bodies]

    def confirms(self, image: np.ndarray, square: Square) -> bool:
        return not self.doubted


def moved(body: Body, dx: float, dy: float = 0.0) -> Body:
    return replace(body, x=body.x + dx, y=body.y + dy)


IMAGE = np.zeros((SIZE[1], SIZE[0], 3), dtype=np.uint8)
