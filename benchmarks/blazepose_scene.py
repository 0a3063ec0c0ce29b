"""A photographed person at known places: what the BlazePose benchmarks look at.

The photograph is `skimage.data.astronaut` (NASA, public domain): an adult from the hips up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import skimage.data

SEED = 0


@dataclass(frozen=True)
class Scene:
    """The photograph on a blurred random ground.

    Parameters
    ----------
    size : (int, int)
        Width and height of the picture.
    share : float
        Height of the photograph in heights of the picture.
    degrees : float
        By which it is turned counterclockwise.
    """

    size: tuple[int, int] = (1280, 720)
    share: float = 0.7
    degrees: float = 0.0
    noise: float = 0.0

    def matrix(self, dx: float = 0.0, dy: float = 0.0) -> np.ndarray:
        """Affine map (2, 3) of the photograph's points onto the picture."""
        photo = skimage.data.astronaut()
        middle = (photo.shape[0] - 1) / 2
        scale = self.share * self.size[1] / photo.shape[0]
        matrix = cv2.getRotationMatrix2D((middle, middle), self.degrees, scale)
        matrix[:, 2] += (self.size[0] / 2 - middle + dx, self.size[1] / 2 - middle + dy)
        return matrix

    def picture(self, dx: float = 0.0, dy: float = 0.0, frame: int = 0) -> np.ndarray:
        """The picture (H, W, 3), the person shifted by (dx, dy) pixels."""
        photo = skimage.data.astronaut()
        ground = np.random.default_rng(SEED).integers(0, 255, (*self.size[::-1], 3), np.uint8)
        ground = cv2.GaussianBlur(ground, (0, 0), 6)
        matrix = self.matrix(dx, dy)
        person = cv2.warpAffine(photo, matrix, self.size, flags=cv2.INTER_AREA)
        here = cv2.warpAffine(np.ones(photo.shape[:2], np.float32), matrix, self.size)[..., None]
        mixed = person * here + ground * (1 - here)
        if self.noise:
            mixed += np.random.default_rng(SEED + frame).normal(0, self.noise, mixed.shape)
        return np.clip(mixed, 0, 255).astype(np.uint8)

    def on_photo(self, xy: np.ndarray) -> np.ndarray:
        """Points of the picture (..., 2) on the photograph."""
        matrix = self.matrix()
        return (xy - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T


def swinging(scene: Scene, seconds: float, fps: float) -> Iterator[np.ndarray]:
    """Pictures of the person swinging at 1 and 1.7 Hz by about a hundredth of the height."""
    reach = 0.012 * scene.size[1]
    for frame in range(round(seconds * fps)):
        turn = 2 * np.pi * frame / fps
        yield scene.picture(reach * np.sin(turn), 0.6 * reach * np.sin(1.7 * turn + 1), frame)


def looped(film: Path, out: Path, times: int) -> Path:
    """The film over and over: its packets copied, nothing encoded again."""
    with av.open(str(film)) as source, av.open(str(out), "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        packets = [packet for packet in source.demux(stream) if packet.dts is not None]
        first = min(packet.dts for packet in packets)
        length = sum(packet.duration for packet in packets)
        packets = [(bytes(p), p.pts, p.dts, p.duration, p.is_keyframe) for p in packets]
        for turn in range(times):
            for content, pts, dts, duration, key in packets:
                packet = av.Packet(content)
                packet.pts, packet.dts = pts - first + turn * length, dts - first + turn * length
                packet.duration, packet.time_base = duration, stream.time_base
                packet.is_keyframe, packet.stream = key, copy
                target.mux(packet)
    return out
