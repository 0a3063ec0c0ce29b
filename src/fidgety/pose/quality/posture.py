"""Rules on whose body it is and how it lies, from its outline alone.

Only shapes are used that do not change when the camera is turned about its axis. What a flat image
cannot tell is left unsaid: a body sitting upright before a level camera looks the same as one lying
with drawn-up legs below a camera that looks down.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fidgety.pose.quality.reasons import range_words, reason
from fidgety.pose.quality.scene import Finding, Scene, trunk_vector

__all__ = ["end_on", "facing", "proportions", "straight"]

_HEAD = ("nose", "right_eye", "left_eye", "right_ear", "left_ear")
_LONGEST = 0.95  # quantile that stands for a bone seen at its full length
_SMOOTHING_S = 1.0


def proportions(scene: Scene) -> Finding:
    """E107, W107: longest legs against the trunk, and the head against the legs."""
    config = scene.config
    trunk = _longest(np.abs(_trunk(scene)))
    thighs, shanks = _bones(scene, "hip", "knee"), _bones(scene, "knee", "ankle")
    legs = [_longest(thigh) + _longest(shank) for thigh, shank in zip(thighs, shanks, strict=True)]
    leg = float(np.fmax(legs[0], legs[1]))
    head = _longest(_head_size(scene))
    leg_trunk, head_leg = leg / trunk, head / leg
    measures = {"leg_trunk": _or_none(leg_trunk), "head_leg": _or_none(head_leg)}
    clear = leg_trunk > config.leg_trunk_refused and head_leg < config.head_leg_refused
    if not clear and not (leg_trunk > config.leg_trunk or head_leg < config.head_leg):
        return Finding(measures)
    told = []
    if leg_trunk > config.leg_trunk:
        told.append(
            f"the legs are {leg_trunk:.1f} times as long as the trunk (infants: 1.1 to 1.3)"
        )
    if head_leg < config.head_leg:
        told.append(f"the head is {100 * head_leg:.0f} % of the legs (infants: 40 to 50 %)")
    text, verdict = ", ".join(told), "these are" if clear else "these may be"
    text = f"{text[0].upper()}{text[1:]}: {verdict} the proportions of an adult or older child."
    return Finding(measures, (reason("E107" if clear else "W107", text, scene.whole),))


def facing(scene: Scene) -> Finding:
    """E113, W113, W114: body seen from behind, or lying on its side.

    The signed width of shoulders and hips across the trunk is positive where the front faces the
    camera, whatever the camera's turn.
    """
    config = scene.config
    trunk = _trunk(scene)
    shoulders = _vector(scene, "right_shoulder", "left_shoulder")
    hips = _vector(scene, "right_hip", "left_hip")
    length = np.abs(trunk)
    across = (np.conj(shoulders + hips) * trunk).imag / np.where(length > 0, 2 * length, np.nan)
    width = scene.smoothed(across, _SMOOTHING_S) / scene.trunk_px
    if not np.isfinite(width).any():
        return Finding({"facing": None, "prone_share": None, "side_share": None})
    known = np.isfinite(width)
    behind = known & (np.nan_to_num(width) < -config.facing)
    side = known & (np.abs(np.nan_to_num(width)) <= config.facing)
    measures: dict[str, float | None] = {
        "facing": float(np.median(width[known])),
        "prone_share": scene.share(behind),
        "side_share": scene.share(side),
    }
    found = []
    if behind.any():
        ranges = scene.ranges(behind)
        face = scene.seen[behind][:, scene.row("nose", "right_eye", "left_eye")].all(axis=1)
        shown = float(np.mean(face)) > 0.5
        refused = scene.share(behind) > config.prone_refused and not shown
        cause = "left and right may be exchanged throughout" if shown else "lying on the belly"
        text = (
            f"The body is seen from behind {range_words(ranges)}: {cause}. "
            "It should lie on its back."
        )
        severity = None if refused else scene.severity(behind)
        found.append(reason("E113" if refused else "W113", text, ranges, severity))
    if side.any():
        ranges = scene.ranges(side)
        text = f"The body lies on its side {range_words(ranges)}. It should lie on its back."
        found.append(reason("W114", text, ranges, scene.severity(side)))
    return Finding(measures, tuple(found))


def end_on(scene: Scene) -> Finding:
    """W115: a trunk shortened against the shoulders' breadth."""
    breadth = _longest(np.abs(_vector(scene, "right_shoulder", "left_shoulder")))
    lengths = scene.smoothed(np.abs(_trunk(scene)), _SMOOTHING_S) / breadth
    known = np.isfinite(lengths)
    if not known.any():
        return Finding({"trunk_shoulders": None})
    frames = known & (np.nan_to_num(lengths) < scene.config.end_on)
    measures: dict[str, float | None] = {"trunk_shoulders": float(np.median(lengths[known]))}
    if not frames.any():
        return Finding(measures)
    ranges = scene.ranges(frames)
    text = (
        f"The trunk is seen end on {range_words(ranges)}: the infant sits, or the camera is not "
        "above it. Lay it on its back and film from straight above."
    )
    return Finding(measures, (reason("W115", text, ranges, scene.severity(frames)),))


def straight(scene: Scene) -> Finding:
    """W116: both legs in line with the trunk nearly all the time."""
    trunk = _trunk(scene)
    limit = np.cos(np.radians(scene.config.straight_deg))
    known = np.ones(len(trunk), dtype=bool)
    frames = known.copy()
    for side in ("right", "left"):
        thigh = _vector(scene, f"{side}_hip", f"{side}_knee")
        shank = _vector(scene, f"{side}_knee", f"{side}_ankle")
        bends = _cosine(trunk, thigh), _cosine(thigh, shank)
        known &= np.isfinite(bends[0]) & np.isfinite(bends[1])
        frames &= (np.nan_to_num(bends[0]) > limit) & (np.nan_to_num(bends[1]) > limit)
    if not known.any():
        return Finding({"straight_share": None})
    share = scene.seconds(frames & known) / max(scene.seconds(known), 1e-9)
    measures: dict[str, float | None] = {"straight_share": share}
    if share <= scene.config.straight_share:
        return Finding(measures)
    text = (
        f"Both legs run on in line with the trunk in {100 * share:.0f} % of the frames: the body "
        "seems to stand, or to be held up. It should lie on its back, free to move."
    )
    return Finding(measures, (reason("W116", text, scene.ranges(frames)),))


def _vector(scene: Scene, start: str, end: str) -> NDArray[np.complex128]:
    a, b = scene.row(start, end)
    return scene.at[:, b] - scene.at[:, a]  # (T,)


def _bones(scene: Scene, upper: str, lower: str) -> list[NDArray[np.float64]]:
    """Lengths (T,) of the right and the left bone between two pairs of joints.

    Where left and right of one pair alone are exchanged, both bones run across to the other side
    and look too long. The joints are therefore joined in the way that makes the two shortest
    together; joined as they are named where one of the four is missing.
    """
    tops, ends = (f"right_{upper}", f"left_{upper}"), (f"right_{lower}", f"left_{lower}")
    straight = [np.abs(_vector(scene, a, b)) for a, b in zip(tops, ends, strict=True)]
    across = [np.abs(_vector(scene, a, b)) for a, b in zip(tops, ends[::-1], strict=True)]
    exchanged = across[0] + across[1] < straight[0] + straight[1]
    return [np.where(exchanged, a, s) for a, s in zip(across, straight, strict=True)]


def _trunk(scene: Scene) -> NDArray[np.complex128]:
    return trunk_vector(scene.at, scene.pose.skeleton)


def _head_size(scene: Scene) -> NDArray[np.float64]:
    """Largest distance (T,) from an ear to another point of the head; NaN without an ear.

    From ear to ear in front view, from ear to nose in profile: much the same length.
    """
    size = np.zeros(len(scene.pose))
    for ear in ("right_ear", "left_ear"):
        for other in _HEAD:
            np.fmax(size, np.abs(_vector(scene, ear, other)), out=size)
    return np.where(size > 0, size, np.nan)


def _longest(lengths: NDArray[np.float64]) -> float:
    known = lengths[lengths > 0]  # neither missing nor in one place
    return float(np.quantile(known, _LONGEST)) if len(known) else float("nan")


def _cosine(a: NDArray[np.complex128], b: NDArray[np.complex128]) -> NDArray[np.float64]:
    lengths = np.abs(a) * np.abs(b)
    return (np.conj(a) * b).real / np.where(lengths > 0, lengths, np.nan)


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
