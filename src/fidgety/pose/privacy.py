"""Hiding faces, and failing closed: a picture whose face is not surely located is blurred whole."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import PoseError
from fidgety.pose.optional import library
from fidgety.pose.pose import Pose

__all__ = ["Heads", "blur_all", "blur_head", "locate_heads"]

SURE = 0.5  # confidence from which a head joint is located
FEWEST = 3  # head joints that must be
ROOM = (
    2.2  # radius of the hidden circle, in distances from the face's middle to its outermost joint
)
OF_SHOULDERS = 0.6  # and at least this share of the shoulder width
OF_TRUNK = 0.4  # and of the trunk length
AROUND_S = 0.25  # the head's places this long before and after are hidden too
COMPANY_S = 1.5  # pictures this near to one with other people are hidden whole
GRAIN = 5  # cells across a hidden face
ALL_GRAIN = 24  # cells along the longer side of a picture hidden whole


class Heads:
    """Where the head is, frame by frame.

    Attributes
    ----------
    centre : ndarray (T, 2), px
    radius : ndarray (T,), px
        NaN where the head is not surely located, or other people may be in the picture.
    """

    def __init__(self, centre: NDArray[np.float64], radius: NDArray[np.float64]) -> None:
        self.centre, self.radius = centre, radius


def locate_heads(pose: Pose) -> Heads:
    """The circle to hide in each frame, generously.

    It holds the head's places a quarter of a second before and after, so that neither a fast
    movement nor a slip of one frame uncovers the face.

    Raises
    ------
    PoseError
        E640 the layout names fewer than three joints of the head.
    """
    joints = pose.skeleton.parts.get("head", ())
    if len(joints) < FEWEST:
        raise PoseError(
            "E640",
            f"Skeleton {pose.skeleton.name} cannot tell where the face is",
            why=f"it names {len(joints)} joints of the head, {FEWEST} are needed",
            remedy="Use --privacy skeleton",
        )
    rows = pose.skeleton.rows(*joints)
    xy = np.where((pose.confidence[:, rows] >= SURE)[..., None], pose.xy[:, rows], np.nan)
    located = np.isfinite(xy[..., 0]).sum(axis=1) >= FEWEST  # (T,)
    centre = np.full((len(pose), 2), np.nan)
    radius = np.full(len(pose), np.nan)
    face = xy[located]  # (L, J, 2)
    centre[located] = (np.nanmin(face, axis=1) + np.nanmax(face, axis=1)) / 2
    reach = np.linalg.norm(face - centre[located][:, None], axis=2)
    radius[located] = ROOM * np.nanmax(reach, axis=1)
    radius = np.fmax(radius, OF_SHOULDERS * _between(pose, "left_shoulder", "right_shoulder"))
    radius = np.fmax(radius, OF_TRUNK * _trunk(pose))
    usual = np.nanmedian(radius[located]) if located.any() else np.nan
    radius = np.maximum(radius, usual)  # a head does not shrink: a small circle is a slip
    radius[~located | _company(pose)] = np.nan
    return _swept(pose.time, centre, radius)


def blur_head(
    image: NDArray[np.uint8], centre: NDArray[np.float64], radius: float
) -> NDArray[np.uint8]:
    """A copy of an image (H, W, 3) with a circle reduced to coarse cells; NaN hides it whole."""
    if not (np.isfinite(radius) and np.isfinite(centre).all()):
        return blur_all(image)
    cv2 = library("cv2", extra="video")
    height, width = image.shape[:2]
    left, right = np.clip([centre[0] - radius, centre[0] + radius + 1], 0, width).astype(int)
    top, bottom = np.clip([centre[1] - radius, centre[1] + radius + 1], 0, height).astype(int)
    hidden = image.copy()
    if right <= left or bottom <= top:
        return blur_all(image)  # a head outside the picture is a slip, too
    part = hidden[top:bottom, left:right]
    cells = (min(GRAIN, part.shape[1]), min(GRAIN, part.shape[0]))
    coarse = cv2.resize(part, cells, interpolation=cv2.INTER_AREA)
    coarse = cv2.resize(coarse, part.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    y, x = np.ogrid[top:bottom, left:right]
    circle = np.hypot(x - centre[0], y - centre[1]) <= radius
    part[circle] = coarse[circle]
    return hidden


def blur_all(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An image reduced to coarse cells, in which nobody can be known."""
    cv2 = library("cv2", extra="video")
    height, width = image.shape[:2]
    scale = ALL_GRAIN / max(height, width)
    cells = (max(1, round(width * scale)), max(1, round(height * scale)))
    coarse = cv2.resize(image, cells, interpolation=cv2.INTER_AREA)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)


def _between(pose: Pose, a: str, b: str) -> NDArray[np.float64]:
    """Distance (T,) of two joints; NaN where the layout lacks one."""
    if not {a, b} <= set(pose.skeleton.joints):
        return np.full(len(pose), np.nan)
    first, second = pose.skeleton.rows(a, b)
    return np.hypot(*(pose.xy[:, first] - pose.xy[:, second]).T)


def _trunk(pose: Pose) -> NDArray[np.float64]:
    sides = [_between(pose, f"{side}_shoulder", f"{side}_hip") for side in ("left", "right")]
    return np.fmax(*sides)


def _company(pose: Pose) -> NDArray[np.bool_]:
    """Frames (T,) in or near which other people were seen: their faces are not located."""
    with_others = pose.time[pose.film.get("people", np.zeros(len(pose))) > 1.5]
    if not len(with_others):
        return np.zeros(len(pose), dtype=bool)
    after = np.searchsorted(with_others, pose.time).clip(0, len(with_others) - 1)
    before = (after - 1).clip(0)
    nearest = np.minimum(
        np.abs(with_others[after] - pose.time), np.abs(with_others[before] - pose.time)
    )
    return nearest <= COMPANY_S


def _swept(
    time: NDArray[np.float64], centre: NDArray[np.float64], radius: NDArray[np.float64]
) -> Heads:
    """Circles around those of the frames nearby; where one of these is not known, none is."""
    wide_centre, wide_radius = centre.copy(), radius.copy()
    first = np.searchsorted(time, time - AROUND_S)
    last = np.searchsorted(time, time + AROUND_S, side="right")
    for row in np.flatnonzero(np.isfinite(radius)):
        near = slice(first[row], last[row])
        known = np.isfinite(radius[near])
        around = centre[near][known]
        wide_centre[row] = (around.min(axis=0) + around.max(axis=0)) / 2
        reach = np.hypot(*(around - wide_centre[row]).T) + radius[near][known]
        wide_radius[row] = reach.max()
    return Heads(wide_centre, wide_radius)
