"""What every pose estimator is: an image and its time in, named joints of one body out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fidgety.pose.skeleton import Skeleton

__all__ = ["PoseEstimator", "Region", "Sight"]

Region = tuple[float, float, float, float]  # x, y, width, height in pixels of the upright image


@dataclass(frozen=True, eq=False)
class Sight:
    """What was seen in one frame.

    Parameters
    ----------
    xy : ndarray (V, 2)
        Joints in image pixels; NaN where nobody was seen.
    confidence : ndarray (V,)
        0 to 1.
    subject : int
        Which body this is: the same number in another frame means the same body; -1 for nobody.
    size : float
        Diameter of the circle around the whole body in pixels; NaN for nobody.
    people : int
        Bodies known to be in the image.
    covered : bool
        Whether another person, or something, lies over the body.
    """

    xy: NDArray[np.float64]
    confidence: NDArray[np.float64]
    subject: int
    size: float
    people: int
    covered: bool


class PoseEstimator(Protocol):
    """Called with the frames of one film in order; keeps what it needs to follow one body.

    Attributes
    ----------
    skeleton : Skeleton
        Layout of the joints it gives.
    source : str
        Name and version of what made the pose, for `Pose.source`.
    """

    skeleton: Skeleton
    source: str

    def __call__(self, image: NDArray[np.uint8], time_s: float) -> Sight:
        """Look at one image (H, W, 3), RGB, of `time_s` seconds into the film."""
        ...
