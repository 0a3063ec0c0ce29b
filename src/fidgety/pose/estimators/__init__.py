"""Pose estimators: a film in, the joints of one infant out.

`ESTIMATORS` names them; `estimate` runs one over a film, `estimate_many` over many. Models and
their libraries are loaded only when used.
"""

from fidgety.pose.estimators.batch import Outcome, estimate_many, find_videos
from fidgety.pose.estimators.protocol import PoseEstimator, Region, Sight
from fidgety.pose.estimators.run import ESTIMATORS, Progress, estimate
from fidgety.pose.estimators.weights import FETCH_COMMAND, fetch, weights_folder

__all__ = [
    "ESTIMATORS",
    "FETCH_COMMAND",
    "Outcome",
    "PoseEstimator",
    "Progress",
    "Region",
    "Sight",
    "estimate",
    "estimate_many",
    "fetch",
    "find_videos",
    "weights_folder",
]
