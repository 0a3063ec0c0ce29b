"""Named features of one recording: what a set is, and what it is computed from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import PoseError
from fidgety.motion.features import CHANNELS
from fidgety.pose.skeleton import Skeleton, load_skeleton

__all__ = ["SIDES", "Feature", "FeatureSet", "Floats", "Movement"]

Floats = NDArray[np.float64]
SIDES = ("right", "left")


@dataclass(frozen=True)
class Feature:
    """One number of a recording.

    Parameters
    ----------
    name : str
        Column name: lower case, words joined by underscores.
    unit : str
        Unit of the number; ``"1"`` for shares, correlations and the like.
    meaning : str
        What it is, in one line.
    """

    name: str
    unit: str
    meaning: str


@dataclass(frozen=True, eq=False)
class Movement:
    """The movement of one recording, by joint name.

    Parameters
    ----------
    values : ndarray (7, T, V)
        In the order of `CHANNELS`; NaN where a joint was not observed.
    fps : float
        Frames per second.
    skeleton : Skeleton
        Layout of the V joints.

    Raises
    ------
    PoseError
        E310 if the shape is not that of the skeleton, E316 for an impossible frame rate.
    """

    values: NDArray[np.floating]
    fps: float
    skeleton: Skeleton

    def __post_init__(self) -> None:
        shape = self.values.shape
        if len(shape) != 3 or shape[0] != len(CHANNELS) or shape[2] != len(self.skeleton):
            raise PoseError(
                "E310",
                f"A sequence is ({len(CHANNELS)}, frames, {len(self.skeleton)} joints of "
                f"{self.skeleton.name}), not {shape}",
                remedy="Prepare it from its poses: fidgety prepare STUDY",
            )
        if not (np.isfinite(self.fps) and self.fps > 0):
            raise PoseError("E316", f"Impossible frame rate {self.fps}")

    @cached_property
    def xy(self) -> Floats:
        """Positions (T, V, 2); both coordinates are NaN where one is."""
        xy = self.values[:2].transpose(1, 2, 0).astype(np.float64)
        xy[np.isnan(xy).any(axis=2)] = np.nan
        return xy

    def at(self, *joints: str) -> Floats:
        """Positions (T, J, 2) of the named joints."""
        return self.xy[:, self.skeleton.rows(*joints)]

    def channel(self, name: str, *joints: str) -> Floats:
        """One channel (T, J) of the named joints."""
        rows = self.skeleton.rows(*joints)
        return self.values[CHANNELS.index(name)][:, rows].astype(np.float64)


@dataclass(frozen=True)
class FeatureSet:
    """Features that belong together, and how they are computed.

    Parameters
    ----------
    name : str
        Name of the set.
    about : str
        What it holds and where it comes from.
    profile : str
        Preprocessing that it is made for.
    features : tuple of Feature
        The p features, in the order of the numbers.
    measure : callable (Movement) -> ndarray (p,)
        Computes them; NaN where too little was observed.
    """

    name: str
    about: str
    profile: str
    features: tuple[Feature, ...]
    measure: Callable[[Movement], Floats]

    @property
    def names(self) -> tuple[str, ...]:
        """Column names (p,)."""
        return tuple(feature.name for feature in self.features)

    def of(
        self, values: NDArray[np.floating], fps: float, skeleton: str | Skeleton = "openpose18"
    ) -> Floats:
        """The p numbers of one recording.

        Parameters
        ----------
        values : ndarray (7, T, V)
            In the order of `CHANNELS`; NaN where a joint was not observed.
        fps : float
            Frames per second.
        skeleton : str or Skeleton
            Layout of the V joints.

        Raises
        ------
        PoseError
            E306 if the layout lacks a joint that the set needs; else as `Movement`.
        """
        layout = skeleton if isinstance(skeleton, Skeleton) else load_skeleton(skeleton)
        return self.measure(Movement(values, fps, layout))
