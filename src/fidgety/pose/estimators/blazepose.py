"""BlazePose without MediaPipe: detector, rotated crop, landmarks, and one body followed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fidgety.pose.estimators.detector import Detector, PeopleFinder
from fidgety.pose.estimators.follow import Follower
from fidgety.pose.estimators.landmarks import Landmarks
from fidgety.pose.estimators.protocol import Region, Sight
from fidgety.pose.estimators.weights import weights_path
from fidgety.pose.skeleton import load_skeleton

__all__ = ["BlazePose"]


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
        detector = Detector(weights_path("pose_detection.tflite"), threads)
        finder = PeopleFinder(detector, region)
        self._follower = Follower(landmarks, finder, self.skeleton, region)

    def __call__(self, image: NDArray[np.uint8], time_s: float) -> Sight:
        """Look at the next frame of the film."""
        return self._follower(image, time_s)
