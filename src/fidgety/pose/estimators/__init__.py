"""Pose estimators: a film in, the joints of one infant out.

`ESTIMATORS` names them; `estimate` runs one over a film. Their models and libraries are loaded only when used.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fidgety.errors import ConfigError
from fidgety.pose.estimators.blazepose import BlazePose
from fidgety.pose.estimators.protocol import PoseEstimator, Region, Sight
from fidgety.pose.estimators.run import Progress, check_region, estimate_with
from fidgety.pose.pose import Pose
from fidgety.pose.video import probe

__all__ = ["ESTIMATORS", "PoseEstimator", "Progress", "Region", "Sight", "estimate"]

ESTIMATORS: dict[str, Callable[..., PoseEstimator]] = {"blazepose": BlazePose}


def estimate(
    video: str | os.PathLike[str],
    backend: str = "blazepose",
    *,
    region: Region | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Pose:
    """Estimate the pose of the infant in a film."""
    if backend not in ESTIMATORS:
        raise ConfigError(
            "E702",
            f"No estimator named {backend!r}",
            remedy=f"Choose one of {', '.join(ESTIMATORS)}",
        )
    check_region(region, probe(video).size)
    estimator = ESTIMATORS[backend](region=region, **options)
    arguments = {"backend": backend, "region": region}
    return estimate_with(estimator, video, progress=progress, arguments=arguments)
