"""Exchanged sides: frames where a tracker calls the left limb right and the right one left."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fidgety.pose.pose import Pose
from fidgety.pose.quality.config import QualityConfig
from fidgety.pose.quality.scene import complex_positions, runs, trunk_length
from fidgety.pose.quality.sides import TRUNK_PAIRS, Sides, sides_of

__all__ = ["find_swaps", "repair_swaps"]

_MEMORY_S = 0.5  # over longer gaps a limb may be anywhere, and positions say nothing
_PARENTS = {"elbow": "shoulder", "wrist": "elbow", "knee": "hip", "ankle": "knee"}
_USUAL = 0.9  # quantile of a bone's lengths that stands for its own
_TOO_LONG = 1.25  # usual lengths: no bone looks so long
_POSSIBLE = 1.1
_LASTING_S = 0.1  # evidence of a shorter time is noise
_MOSTLY = 0.5
_CARRIED = 0.9  # of a run of the face's joints within an exchange of the whole trunk
_FACE = ("eye", "ear")


def find_swaps(pose: Pose, config: QualityConfig | None = None) -> NDArray[np.bool_]:
    """Where left and right joints have exchanged places.

    Two signs are put together. A pair exchanges sides between two frames if the jump that both
    joints make would shrink to less than `swap_ratio` of itself were their names exchanged. And
    a frame may show by itself which way it is: elbows to ankles by their bones, which run across
    to the other side and look longer than they are; shoulders and hips by the side of the body
    that faces the camera. Jumps say when sides changed, such frames which side is right; where
    there are none, the rarer side is wrong, for at most `swap_longest_s`. Shoulders and hips are
    exchanged only where a jump shows it: a body that turns round does so slowly. For longer than
    `swap_longest_s` they are so only if one of them faces the other way than the other, or if a
    face is seen all the while, and it begins and ends with a jump or with the recording. Eyes and
    ears go with the trunk where they jump with it.

    Parameters
    ----------
    pose : Pose
        T frames of V joints in any layout with shoulders and hips.
    config : QualityConfig, optional
        Uses `swap_separation`, `swap_ratio`, `swap_longest_s`, `facing`.

    Returns
    -------
    ndarray (T, V) of bool
    """
    config = config or QualityConfig()
    swapped = np.zeros(pose.xy.shape[:2], dtype=bool)
    at = complex_positions(pose)
    trunk = trunk_length(at, pose.skeleton)
    if not np.isfinite(trunk):
        return swapped
    pairs = {names[0].removeprefix("right_"): names for names in pose.skeleton.mirror_pairs}
    mended: dict[str, NDArray[np.complex128]] = {}
    sides = sides_of(pose, trunk, config.facing)
    carried = np.ones(len(pose), dtype=bool)
    for part in sorted(pairs, key=lambda part: _depth(part, pairs)):  # what carries a joint first
        rows = pose.skeleton.rows(*pairs[part])
        both = np.ascontiguousarray(at[:, rows].T) * (1 / trunk)  # (2, T): right, left
        if part in TRUNK_PAIRS:
            told, seen = sides.told[part], sides
        else:
            told, seen = _joined(mended.get(_PARENTS.get(part, "")), both), None
        told = _lasting(told, pose.time)
        with_trunk = carried if part in _FACE else np.zeros_like(carried)
        wrong = _swapped_pair(both, pose.time, told, seen, with_trunk, config)
        mended[part] = np.where(wrong, both[::-1], both)
        swapped[:, rows] = wrong[:, None]
        if part in TRUNK_PAIRS:
            carried &= wrong
    return swapped


def repair_swaps(pose: Pose, config: QualityConfig | None = None) -> Pose:
    """The pose with exchanged sides put back; the same pose if there are none.

    Positions and confidences of the pairs that `find_swaps` names change places; nothing else
    changes. The step is added to the history with the number of joint positions moved.
    """
    swapped = find_swaps(pose, config)
    if not swapped.any():
        return pose
    xy, confidence = pose.xy.copy(), pose.confidence.copy()
    frames, joints = swapped.nonzero()
    others = np.asarray(pose.skeleton.mirror_order)[joints]
    xy[frames, joints] = pose.xy[frames, others]
    confidence[frames, joints] = pose.confidence[frames, others]
    for array in (xy, confidence):
        array.setflags(write=False)  # so that the pose takes them as they are
    return pose.then(
        "repair_swaps",
        arguments={"positions": int(swapped.sum())},
        xy=xy,
        confidence=confidence,
    )


def _depth(part: str, pairs: dict[str, tuple[str, str]]) -> int:
    """Joints between a pair and the trunk; those of the face come after it."""
    parent = _PARENTS.get(part)
    return 1 + _depth(parent, pairs) if parent in pairs else int(part in _FACE)


def _joined(
    parents: NDArray[np.complex128] | None, both: NDArray[np.complex128]
) -> NDArray[np.int8]:
    """1 (T,) where the two bones to the parents fit only across, -1 where only straight, else 0."""
    if parents is None:
        return np.zeros(both.shape[1], dtype=np.int8)
    straight, across = np.abs(both - parents), np.abs(both - parents[::-1])  # (2, T)
    fitting = np.where(across.sum(axis=0) < straight.sum(axis=0), across, straight)
    known = fitting[np.isfinite(fitting)]
    usual = float(np.quantile(known, _USUAL)) if len(known) else np.nan

    def fits(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.int8]:
        possible, too_long = one.max(axis=0) <= _POSSIBLE * usual, other.max(axis=0)
        return (possible & (too_long > _TOO_LONG * usual)).astype(np.int8)

    return fits(across, straight) - fits(straight, across)


def _lasting(told: NDArray[np.int8], time: NDArray[np.float64]) -> NDArray[np.int8]:
    """What frames tell (T,), where they tell it for a moment at least."""
    kept = np.zeros_like(told)
    step = float(np.median(np.diff(time))) if len(time) > 1 else 0.0
    for sign in (-1, 1):
        for first, last in zip(*runs(told == sign), strict=True):
            if time[last] - time[first] + step >= _LASTING_S - 1e-6:
                kept[first : last + 1] = sign
    return kept


def _swapped_pair(
    pair: NDArray[np.complex128],
    time: NDArray[np.float64],
    told: NDArray[np.int8],
    trunk: Sides | None,
    carried: NDArray[np.bool_],
    config: QualityConfig,
) -> NDArray[np.bool_]:
    """Frames (T,) in which a pair of joints (2, T), in trunk lengths, has exchanged sides.

    `told` (T,) is 1 where a frame shows an exchange, -1 where it shows none. For shoulders and hips
    `trunk` says more, and a jump must show it, too; for others no jump need show it. Runs between
    jumps that lie within `carried` (T,) are exchanged.
    """
    right, left = pair
    result = np.zeros(len(time), dtype=bool)
    both = np.flatnonzero(np.isfinite(right) & np.isfinite(left))
    if len(both) < 3:
        return result
    when, said = time[both], told[both]
    breaks = np.diff(when) > _MEMORY_S
    flips = _flips(right[both], left[both], config) & ~breaks
    if not (flips.any() or (said > 0).any()):
        return result
    side = np.append(0, np.cumsum(flips)) % 2
    segment = np.append(0, np.cumsum(breaks))
    wrong = _rarer(when, flips, breaks, side, segment, config.swap_longest_s)
    nearest = _nearest(when, np.flatnonzero(said))
    known = (nearest >= 0) & (segment[nearest] == segment)
    wrong = np.where(known, (said[nearest] > 0) ^ (side != side[nearest]), wrong)
    if trunk is not None:
        wrong &= _proved(wrong, when, flips, breaks, (trunk, both), config.swap_longest_s)
    wrong |= _moved_along(carried[both], flips, breaks)
    result[both] = wrong
    # A frame that shows one joint of the pair goes with its neighbours.
    before = np.clip(np.searchsorted(both, np.arange(len(time)), side="right") - 1, 0, None)
    after = np.minimum(before + 1, len(both) - 1)
    inside = (both[before] < np.arange(len(time))) & (when[after] - when[before] <= _MEMORY_S)
    return result | (wrong[before] & wrong[after] & inside)


def _rarer(
    when: NDArray[np.float64],
    flips: NDArray[np.bool_],
    breaks: NDArray[np.bool_],
    side: NDArray[np.intp],
    segment: NDArray[np.intp],
    longest_s: float,
) -> NDArray[np.bool_]:
    """Frames on the rarer side of a stretch, in runs that are not too long."""
    run = np.append(0, np.cumsum(flips | breaks))
    step = np.append(np.diff(when), 0.0)
    step[np.append(breaks, True)] = np.median(np.diff(when))
    odd_s, all_s = np.bincount(segment, weights=step * side), np.bincount(segment, weights=step)
    rarer = np.where(odd_s < all_s / 2, 1, 0)[segment] == side
    short = np.bincount(run, weights=step)[run] <= longest_s
    flipped = np.bincount(segment, weights=np.append(False, flips))[segment] > 0
    return rarer & short & flipped


def _proved(
    wrong: NDArray[np.bool_],
    when: NDArray[np.float64],
    flips: NDArray[np.bool_],
    breaks: NDArray[np.bool_],
    shown: tuple[Sides, NDArray[np.intp]],
    longest_s: float,
) -> NDArray[np.bool_]:
    """Frames of those stretches of exchanged shoulders or hips that can be believed.

    `shown` is what they tell, and the frames that `when` are those of. Either no trunk turns so
    far; or a jump begins or ends the stretch, and if that is long, a face is seen and neither end
    came slowly.
    """
    sides, rows = shown
    proved = np.zeros_like(wrong)
    jumps = np.concatenate([[False], flips, [False]])
    ends = np.concatenate([[True], flips | breaks, [True]])
    for first, last in zip(*runs(wrong), strict=True):
        stretch = slice(first, last + 1)
        jumped = jumps[first] or jumps[last + 1]
        long = when[last] - when[first] > longest_s
        face = sides.face[rows[stretch]].mean() > _MOSTLY and ends[first] and ends[last + 1]
        twisted = sides.twisted[rows[stretch]].mean() > _MOSTLY
        proved[stretch] = twisted or (jumped and (face or not long))
    return proved


def _moved_along(
    carried: NDArray[np.bool_], flips: NDArray[np.bool_], breaks: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Frames of runs that jump away from their neighbours and lie within `carried` (T,)."""
    if not (carried.any() and flips.any()):
        return np.zeros_like(carried)
    run = np.append(0, np.cumsum(flips | breaks))
    inside = np.bincount(run, weights=carried) / np.bincount(run)
    jumped = np.zeros(run[-1] + 1, dtype=bool)
    jumped[run[np.flatnonzero(flips)]] = jumped[run[np.flatnonzero(flips) + 1]] = True
    return (jumped & (inside > _CARRIED))[run]


def _nearest(when: NDArray[np.float64], chosen: NDArray[np.intp]) -> NDArray[np.intp]:
    """For each time the nearest of the chosen ones, by number; -1 if there are none."""
    if not len(chosen):
        return np.full(len(when), -1)
    after = np.clip(np.searchsorted(when[chosen], when), 1, max(1, len(chosen) - 1))
    after = np.minimum(after, len(chosen) - 1)
    before = np.maximum(after - 1, 0)
    nearer = when - when[chosen[before]] <= when[chosen[after]] - when
    return np.where(nearer, chosen[before], chosen[after])


def _flips(
    right: NDArray[np.complex128], left: NDArray[np.complex128], config: QualityConfig
) -> NDArray[np.bool_]:
    """Steps (T - 1,) of a pair that look shorter with the two names exchanged."""
    kept = np.abs(np.diff(right)) + np.abs(np.diff(left))
    # By the triangle inequality no shorter step can be a flip; few steps are so long.
    far = np.flatnonzero(kept > 2 * config.swap_separation / (1 + config.swap_ratio))
    crossed = np.abs(right[far + 1] - left[far]) + np.abs(left[far + 1] - right[far])
    apart = np.minimum(np.abs(right - left)[far], np.abs(right - left)[far + 1])
    flips = np.zeros(len(kept), dtype=bool)
    flips[far] = (apart > config.swap_separation) & (crossed < config.swap_ratio * kept[far])
    return flips
