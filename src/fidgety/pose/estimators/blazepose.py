"""BlazePose without MediaPipe: detector, rotated crop, landmarks, and one body followed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fidgety.pose.estimators.crops import Square
from fidgety.pose.estimators.detector import Detector
from fidgety.pose.estimators.follow import Follower
from fidgety.pose.estimators.landmarks import Landmarks
from fidgety.pose.estimators.protocol import Region, Sight
from fidgety.pose.estimators.weights import weights_path
from fidgety.pose.skeleton import load_skeleton

__all__ = ["BlazePose", "people_finder"]


class BlazePose:
    """Pose estimator with the embedded BlazePose models (full); 33 joints.

    Parameters
    ----------
    region : (x, y, width, height), optional
        Where the infant lies, in pixels.
    threads : int
        Threads of the models.

    Raises
    ------
    VideoError
        E607 extra missing, E620 weights not fetched, E621 weights not the pinned ones.
    """

    def __init__(self, region: Region | None = None, threads: int = 1) -> None:
        self.skeleton = load_skeleton("blazepose33")
        self.source = "blazepose full (mediapipe 0.10.21)"
        landmarks = Landmarks(weights_path("pose_landmark_full.tflite"), threads)
        finder = people_finder(region, threads)
        self._follower = Follower(landmarks.read, finder, self.skeleton, region)

    def __call__(self, image: NDArray[np.uint8], time_s: float) -> Sight:
        """Look at the next frame of the film."""
        return self._follower(image, time_s)


def people_finder(
    region: Region | None, threads: int = 1
) -> Callable[[NDArray[np.uint8], bool], Sequence[Square]]:
    """A function (image, everywhere) -> squares of people, by the BlazePose detector.

    With a region it looks there, not everywhere, and at the whole image for other people.
    """
    detector = Detector(weights_path("pose_detection.tflite"), threads)

    def find(image: NDArray[np.uint8], everywhere: bool) -> list[Square]:
        if region is None:
            return detector.search(image, thorough=everywhere)
        left, top, width, height = region
        close = Square(left + width / 2, top + height / 2, max(width, height))
        turned = [replace(close, angle=turn * np.pi / 2) for turn in range(4 if everywhere else 1)]
        inside = [one.square for part in turned for one in detector.find(image, part)]
        return inside + detector.search(image, thorough=False)

    return find
