"""Quantiles of speed and acceleration of each joint: the plain rival's features, as a table."""

from __future__ import annotations

from fidgety.models.features.feature import Feature, FeatureSet, Floats, Movement
from fidgety.models.quantiles import LEVELS, joint_quantiles
from fidgety.pose.skeleton import load_skeleton

__all__ = ["QUANTILES"]

_JOINTS = load_skeleton("openpose18").joints


def _measure(at: Movement) -> Floats:
    order = at.skeleton.rows(*_JOINTS)
    return joint_quantiles(at.values)[..., order].ravel()


QUANTILES = FeatureSet(
    "quantiles",
    "Quantiles of speed and acceleration of each joint",
    "fidgety",
    tuple(
        Feature(
            f"{what}_{joint}_q{round(100 * level):02}",
            unit,
            f"{joint.replace('_', ' ')}: {round(100 * level)} % quantile of {what}",
        )
        for what, unit in (("speed", "trunk lengths/s"), ("acceleration", "trunk lengths/s^2"))
        for level in LEVELS
        for joint in _JOINTS
    ),
    _measure,
)
