"""Which layout do unnamed points have? Decided by anatomy where counts do not decide, or asked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import PoseError
from fidgety.pose.skeleton import BUILT_IN_SKELETONS, Skeleton, load_skeleton

__all__ = ["Fit", "fit", "layout_of"]

# Pairs of joints of one body and the farthest apart they can appear, in units of the body's size
# (root mean square distance of its joints from their mean). Foreshortening only brings joints
# nearer, so there are upper limits alone; they leave room for an infant's proportions and for
# tracker noise. "a+b" is the midpoint of two joints.
REACH: dict[tuple[str, str], float] = {
    ("nose", "left_eye"): 0.45,
    ("nose", "right_eye"): 0.45,
    ("left_eye", "left_ear"): 0.5,
    ("right_eye", "right_ear"): 0.5,
    ("left_shoulder", "right_shoulder"): 1.0,
    ("left_hip", "right_hip"): 0.8,
    ("left_shoulder", "left_elbow"): 0.9,
    ("right_shoulder", "right_elbow"): 0.9,
    ("left_elbow", "left_wrist"): 0.9,
    ("right_elbow", "right_wrist"): 0.9,
    ("left_hip", "left_knee"): 1.1,
    ("right_hip", "right_knee"): 1.1,
    ("left_knee", "left_ankle"): 1.1,
    ("right_knee", "right_ankle"): 1.1,
    ("left_ankle", "left_heel"): 0.4,
    ("right_ankle", "right_heel"): 0.4,
    ("left_ankle", "left_big_toe"): 0.6,
    ("right_ankle", "right_big_toe"): 0.6,
    ("left_wrist", "left_index"): 0.5,
    ("right_wrist", "right_index"): 0.5,
    ("neck", "left_shoulder+right_shoulder"): 0.3,
    ("mid_hip", "left_hip+right_hip"): 0.25,
}
FRAMES = 400  # looked at, evenly spaced
ENOUGH_PAIRS = 60  # pairs seen, below which nothing is said
# Shares of pairs within reach. Bodies in their own layout reach 0.86 and more, in another one of as
# many points 0.71 at most (600 jointed figures, tests/pose/formats); the user's word weighs, too.
FITS, FITS_NOT, FITS_NOT_GIVEN = 0.8, 0.65, 0.5
MARGIN = 0.12  # by which the best of several layouts must lead


@dataclass(frozen=True)
class Fit:
    """How well points agree with a layout.

    Parameters
    ----------
    skeleton : Skeleton
        The layout.
    share : float
        Share of the seen pairs of joints that are no farther apart than a body allows; NaN if
        fewer than `ENOUGH_PAIRS` were seen.
    worst : str
        The pair most often too far apart, in words, with its share of frames.
    """

    skeleton: Skeleton
    share: float
    worst: str


def layout_of(points: NDArray[np.float64], given: Skeleton | None, where: str) -> Skeleton:
    """The layout of unnamed points (T, V, 3): the given one, or that which anatomy shows.

    Parameters
    ----------
    points : ndarray (T, V, 3)
        x, y, confidence; NaN = not seen.
    given : Skeleton, optional
        What the user says; believed unless the points contradict it.
    where : str
        Place, for messages.

    Raises
    ------
    PoseError
        E335 no layout has this many points; E303 the points contradict the layout, or fit several.
    """
    count = points.shape[1]
    candidates = [load_skeleton(name) for name in BUILT_IN_SKELETONS]
    candidates = [skeleton for skeleton in candidates if len(skeleton) == count]
    if given is not None:
        if len(given) != count:
            _wrong_count(count, candidates, given, where)
        candidates = [given, *(one for one in candidates if one.joints != given.joints)]
    if not candidates:
        _wrong_count(count, candidates, given, where)
    fits = [fit(points, skeleton) for skeleton in candidates]
    best = max(fits, key=lambda one: np.nan_to_num(one.share, nan=-1.0))
    rest = [one.share for one in fits if one is not best]
    leads = best.share >= FITS and all(best.share - share >= MARGIN for share in rest)
    if given is not None:
        mine = fits[0]
        if best is not mine and leads:
            raise PoseError(
                "E303",
                f"This looks like {best.skeleton.name} read as {given.name}",
                where=where,
                why=mine.worst,
                remedy=f"Try --skeleton {best.skeleton.name}",
            )
        chosen = mine
    elif len(fits) == 1 or leads:
        chosen = best
    else:
        names = [one.skeleton.name for one in fits]
        raise PoseError(
            "E303",
            f"{count} points can be {' or '.join(names)}, and the bodies seen do not decide",
            where=where,
            remedy=f"Say which with --skeleton {names[0]} or --skeleton {names[1]}",
        )
    if chosen.share < (FITS_NOT if given is None else FITS_NOT_GIVEN):
        raise PoseError(
            "E303",
            f"The {count} points do not make a body in the order of {chosen.skeleton.name}",
            where=where,
            why=chosen.worst,
            remedy="Find the joint order in the pose tool's documentation and give it as "
            "--skeleton FILE.toml",
        )
    return chosen.skeleton


def fit(points: NDArray[np.float64], skeleton: Skeleton) -> Fit:
    """Measure how well points (T, V, 2 or more) agree with a layout of V joints."""
    step = max(1, len(points) // FRAMES)
    xy = points[::step, :, :2]  # (F, V, 2)
    seen = ~np.isnan(xy[..., 0])
    xy, seen = xy[seen.sum(1) >= 5], seen[seen.sum(1) >= 5]
    center = np.where(seen[..., None], xy, 0).sum(1) / np.maximum(seen.sum(1), 1)[:, None]
    away = np.where(seen, ((xy - center[:, None]) ** 2).sum(-1), 0).sum(1)
    size = np.sqrt(away / np.maximum(seen.sum(1), 1))  # (F,)
    pairs = [pair for pair in REACH if all(_has(skeleton, end) for end in pair)]
    if not pairs or not len(xy):
        return Fit(skeleton, float("nan"), "too little of it is seen")
    apart = np.stack(
        [
            np.linalg.norm(_place(xy, skeleton, a) - _place(xy, skeleton, b), axis=-1)
            for a, b in pairs
        ]
    )  # (pairs, F)
    limit = np.array([REACH[pair] for pair in pairs])[:, None] * size
    measured = ~np.isnan(apart)
    too_far = measured & (apart > limit)
    if measured.sum() < ENOUGH_PAIRS:
        return Fit(skeleton, float("nan"), "too little of it is seen")
    often = too_far.sum(1) / np.maximum(measured.sum(1), 1)
    a, b = (end.replace("+", " and ").replace("_", " ") for end in pairs[int(np.argmax(often))])
    worst = f"{a} too far from {b} in {100 * often.max():.0f} % of frames"
    return Fit(skeleton, float(1 - too_far.sum() / measured.sum()), worst)


def _has(skeleton: Skeleton, end: str) -> bool:
    return all(joint in skeleton.index for joint in end.split("+"))


def _place(xy: NDArray[np.float64], skeleton: Skeleton, end: str) -> NDArray[np.float64]:
    return xy[:, skeleton.rows(*end.split("+"))].mean(axis=1)  # (F, 2)


def _wrong_count(
    count: int, candidates: list[Skeleton], given: Skeleton | None, where: str
) -> None:
    known = sorted({len(load_skeleton(name)) for name in BUILT_IN_SKELETONS})
    if given is None:
        what = f"No known layout has {count} points"
        remedy = f"Known are {', '.join(map(str, known))}; describe yours with --skeleton FILE.toml"
    else:
        what = f"{count} points a person, but {given.name} has {len(given)}"
        names = " or ".join(f"--skeleton {one.name}" for one in candidates)
        remedy = f"Try {names}" if names else "Describe the layout with --skeleton FILE.toml"
    raise PoseError("E335", what, where=where, remedy=remedy)
