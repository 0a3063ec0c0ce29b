"""The published preprocessing as one would write it down with pandas: what ours is measured by.

Two ways, both of the published steps and equal to the profile `stam`: `by_column`, each step on
whole columns with ``groupby(...).transform``, the quickest that pandas offers; and `by_group`, a
loop over the groups, joint by joint for the filters and frame by frame for turning the body, which
is how the steps are described and how such code is mostly found.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import ConfigError
from fidgety.motion import CHANNELS
from fidgety.pose.pose import Pose

__all__ = ["by_column", "by_group"]

SMOOTH_S, DERIVATIVE_S = 0.5, 0.25
AXES, STEPS, SPEEDS, PUSHES = ["x", "y"], ["step_x", "step_y"], ["vx", "vy"], ["ax", "ay"]
LOWER = "hip|knee|ankle"


def by_column(pose: Pose) -> NDArray[np.float64]:
    """Features (7, T, V) of a pose in pixels of known size, step by step on whole columns."""
    table = _long(pose)
    window = int(SMOOTH_S * pose.fps + 1e-6)

    table[AXES] = _of_joint(table, AXES, lambda track: track.interpolate())
    for way in ("median", "mean"):
        table[AXES] = _of_joint(
            table, AXES, lambda track, way=way: track.rolling(window, center=True).agg(way)
        )
    table = table.dropna()
    for end in ("shoulder", "hip"):
        for joint in (f"right_{end}", f"left_{end}"):
            point = table[table.joint == joint].set_index("frame")[AXES].add_prefix(f"{joint}_")
            table = table.join(point, on="frame")
        for axis in AXES:
            table[f"{end}_{axis}"] = (
                table[f"right_{end}_{axis}"] + table[f"left_{end}_{axis}"]
            ) / 2
    trunk = np.hypot(table.shoulder_x - table.hip_x, table.shoulder_y - table.hip_y)
    lower = table.joint.str.contains(LOWER)
    for half, end in ((~lower, "shoulder"), (lower, "hip")):
        part = table[half]
        angle = np.arctan2(
            part[f"right_{end}_y"] - part[f"left_{end}_y"],
            part[f"right_{end}_x"] - part[f"left_{end}_x"],
        )
        angle = angle.where(angle >= 0, angle + 2 * np.pi)
        angle = (np.pi - angle).where(angle < np.pi, 3 * np.pi - angle)
        x, y = part.x - part[f"{end}_x"], part.y - part[f"{end}_y"]
        turned = np.cos(angle) * x - np.sin(angle) * y, np.sin(angle) * x + np.cos(angle) * y
        table.loc[half, "x"] = turned[0] / trunk[half]
        table.loc[half, "y"] = turned[1] / trunk[half] + (end == "hip")
    return _derived(table, pose)


def by_group(pose: Pose) -> NDArray[np.float64]:
    """As `by_column`, group by group: a joint at a time, and a frame at a time for the turn."""
    import pandas as pd

    window = int(SMOOTH_S * pose.fps + 1e-6)

    def smoothed(track: Any) -> Any:
        track = track.copy()
        track[AXES] = track[AXES].interpolate()
        track[AXES] = track[AXES].rolling(window, center=True).median()
        track[AXES] = track[AXES].rolling(window, center=True).mean()
        return track

    def levelled(body: Any) -> Any:
        body = body.set_index("joint")
        ends = {
            end: (body.loc[f"right_{end}", AXES], body.loc[f"left_{end}", AXES])
            for end in ("shoulder", "hip")
        }
        middle = {end: (right + left) / 2 for end, (right, left) in ends.items()}
        trunk = np.hypot(*(middle["shoulder"] - middle["hip"]))
        lower = body.index.str.contains(LOWER)
        for half, end in ((~lower, "shoulder"), (lower, "hip")):
            right, left = ends[end]
            angle = np.arctan2(right.y - left.y, right.x - left.x)
            angle = angle + 2 * np.pi if angle < 0 else angle
            angle = np.pi - angle if angle < np.pi else 3 * np.pi - angle
            x, y = body.x[half] - middle[end].x, body.y[half] - middle[end].y
            turned = np.cos(angle) * x - np.sin(angle) * y, np.sin(angle) * x + np.cos(angle) * y
            body.loc[half, "x"] = turned[0] / trunk
            body.loc[half, "y"] = turned[1] / trunk + (end == "hip")
        return body.reset_index()

    groups = _long(pose).groupby("joint", sort=False)
    table = pd.concat([smoothed(track) for _, track in groups]).dropna()
    bodies = [levelled(body) for _, body in table.groupby("frame")]
    return _derived(pd.concat(bodies, ignore_index=True), pose)


def _long(pose: Pose) -> Any:
    """A row for each joint of each frame, its place in heights of the image from its centre."""
    try:
        import pandas as pd
    except ImportError as error:
        raise ConfigError("E702", "pandas is not installed", remedy="pip install pandas") from error
    assert pose.size is not None
    width, height = pose.size
    joints = len(pose.skeleton)
    return pd.DataFrame(
        {
            "frame": np.repeat(np.arange(len(pose)), joints),
            "joint": np.tile(pose.skeleton.joints, len(pose)),
            "x": (pose.xy[..., 0].ravel() - width / 2) / height,
            "y": (pose.xy[..., 1].ravel() - height / 2) / height,
        }
    )


def _of_joint(table: Any, columns: list[str], step: Callable[[Any], Any]) -> Any:
    return table.groupby("joint", sort=False)[columns].transform(step)


def _derived(table: Any, pose: Pose) -> NDArray[np.float64]:
    """Velocity, acceleration and displacement of placed joints; all seven as (7, T, V)."""
    fps = round(pose.fps, 6)
    short = int(DERIVATIVE_S * fps + 1e-6)
    table[STEPS] = _of_joint(table, AXES, lambda track: track.diff())
    table[SPEEDS] = table[STEPS] * fps
    table[SPEEDS] = _of_joint(table, SPEEDS, lambda track: track.rolling(short).mean())
    table[PUSHES] = _of_joint(table, SPEEDS, lambda track: track.diff()) * fps
    table[PUSHES] = _of_joint(table, PUSHES, lambda track: track.rolling(short).mean())
    table["displacement"] = np.hypot(table.step_x, table.step_y)
    table = table.dropna()
    values = table[[*AXES, *SPEEDS, *PUSHES, "displacement"]].to_numpy()
    joints = len(pose.skeleton)
    order = np.argsort([pose.skeleton.index[name] for name in table.joint[:joints]])
    return values.reshape(-1, joints, len(CHANNELS))[:, order].transpose(2, 0, 1)
