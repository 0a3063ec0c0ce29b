"""Points that come with names: matched to a layout by name, never by order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import PoseError, warn
from fidgety.pose.skeleton import BUILT_IN_SKELETONS, Skeleton, load_skeleton

__all__ = ["arrange", "layout_named", "rows_named"]

# Without these no trunk can be measured, so no movement either.
CORE = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")


def layout_named(names: Sequence[str], given: Skeleton | None, where: str) -> Skeleton:
    """The layout that knows most of the names; of equal ones, that with fewest joints.

    Parameters
    ----------
    names : sequence of str
        Joint names as the file spells them (``RShoulder``, ``right shoulder``, ``shoulder_r``).
    given : Skeleton, optional
        The user's choice, in place of the built-in ones.
    where : str
        Place, for messages.

    Raises
    ------
    PoseError
        E341 if no layout knows shoulders and hips among the names (a given one: any name).
    """
    if given is not None:
        if not any(given.joint_named(name) for name in names):
            raise _no_layout(names, where, f"none of them belongs to {given.name}")
        return given
    known = [load_skeleton(name) for name in BUILT_IN_SKELETONS]
    matched = [{one.joint_named(name) for name in names} - {None} for one in known]
    best = max(range(len(known)), key=lambda row: (len(matched[row]), -len(known[row])))
    if not set(CORE) <= matched[best]:
        raise _no_layout(names, where, "shoulders and hips are not among them")
    return known[best]


def rows_named(names: Sequence[str], skeleton: Skeleton, where: str) -> NDArray[np.intp]:
    """Where among the names each joint of a layout stands, (V,); -1 where it is not named.

    Points the layout does not know are left out, with a warning (W333) where one of its own joints
    stays empty, so that a misspelling does not pass unseen.

    Raises
    ------
    PoseError
        E341 if two names mean the same joint.
    """
    rows = np.full(len(skeleton), -1, dtype=np.intp)
    unknown: list[str] = []
    for row, name in enumerate(names):
        joint = skeleton.joint_named(name)
        if joint is None:
            unknown.append(name)
            continue
        before = rows[skeleton.index[joint]]
        if before >= 0:
            raise _no_layout(names, where, f"{names[before]} and {name} are both {joint}")
        rows[skeleton.index[joint]] = row
    empty = [joint for joint in skeleton.joints if rows[skeleton.index[joint]] < 0]
    if unknown and empty:
        warn(
            "W333",
            f"{len(unknown)} points are not joints of {skeleton.name} and were left out: "
            f"{_some(unknown)}",
            where=where,
            why=f"{len(empty)} of its joints stay empty: {_some(empty)}",
            remedy="If that is a matter of spelling, give a --skeleton FILE.toml with aliases",
        )
    return rows


def arrange(points: NDArray[np.float64], rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """Named points (..., K, 3) in the order that `rows_named` found, (..., V, 3); else NaN."""
    out = points[..., rows, :]
    out[..., rows < 0, :] = np.nan
    return out


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def _no_layout(names: Sequence[str], where: str, why: str) -> PoseError:
    return PoseError(
        "E341",
        f"The joint names fit no known layout: {_some(names)}",
        where=where,
        why=why,
        remedy="Describe the layout, with aliases for the file's names, in --skeleton FILE.toml",
    )
