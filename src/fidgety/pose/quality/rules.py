"""Rules on what was seen, for how long, and how well."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fidgety.pose.quality.camera import at_rest
from fidgety.pose.quality.reasons import (
    Reason,
    joint_words,
    range_words,
    reason,
    seconds_words,
)
from fidgety.pose.quality.scene import Finding, Scene, any_joint

__all__ = [
    "absent",
    "age",
    "frame_rate",
    "gaps",
    "jitter",
    "length",
    "light_and_people",
    "out_of_frame",
    "scale",
    "stillness",
    "swaps",
]

_REACH = 0.9  # quantile of a joint's distances from its mean place
_BLOCK_S = 1.0  # noise is measured in stretches of a second


def absent(scene: Scene) -> Finding:
    """E101, W101: frames without an infant."""
    frames = scene.absent
    share = scene.share(frames)
    measures: dict[str, float | None] = {"absent_share": share}
    if not frames.any():
        return Finding(measures)
    advice = "The whole body should be visible from above."
    ranges = scene.ranges(frames)
    if share > scene.config.absent_refused:
        text = f"No infant found in {100 * share:.0f} % of the frames. {advice}"
        return Finding(measures, (reason("E101", text, ranges),))
    text = f"No infant found {range_words(ranges)}; left out. {advice}"
    return Finding(measures, (reason("W101", text, ranges, scene.severity(frames)),))


def out_of_frame(scene: Scene) -> Finding:
    """W103: needed joints lost at an edge of the image, or placed beyond it."""
    if scene.pose.size is None:
        return Finding({"out_of_frame_s": None})
    lost = scene.lost_at_edge & ~scene.absent[:, None]  # (T, J)
    frames = any_joint(lost)
    measures: dict[str, float | None] = {"out_of_frame_s": scene.seconds(frames)}
    if not frames.any():
        return Finding(measures)
    names = scene.joints(scene.needed[lost.any(axis=0)])
    ranges = scene.ranges(frames)
    text = (
        f"{joint_words(names)} out of frame {range_words(ranges)}. "
        f"Left out; {seconds_words(scene.usable_s)} usable."
    )
    return Finding(measures, (reason("W103", text, ranges, scene.severity(frames)),))


def gaps(scene: Scene) -> Finding:
    """W302: needed joints missing inside the frame, and holes in the times."""
    config, time = scene.config, scene.pose.time
    elsewhere = scene.absent[:, None] | scene.lost_at_edge
    missing = ~scene.seen[:, scene.needed] & ~elsewhere  # (T, J)
    masked = scene.masked[:, scene.needed] & ~elsewhere
    hole = np.append(np.diff(time) - scene.frame_s, 0.0)
    hole = np.where(hole > config.gap_s + 1e-6, hole, 0.0)  # (T,) seconds after each frame
    total = scene.total_s or 1.0
    share = float((missing.mean(axis=1) * scene.step).sum() + hole.sum()) / total
    longest = max(_longest_gap_s(scene, missing), float(hole.max()))
    measures: dict[str, float | None] = {"missing_share": share, "longest_gap_s": longest}
    frames = any_joint(masked)
    long_gaps = bool(frames.any() or hole.any())
    if not long_gaps and share <= config.counted_share:
        return Finding(measures)
    at = np.flatnonzero(hole)
    start = time[at] + scene.step[at]
    holes = zip(start.tolist(), (start + hole[at]).tolist(), strict=True)
    ranges = tuple(sorted([*scene.ranges(frames), *holes]))
    hidden = scene.share(frames) + hole.sum() / total
    fate = "the rest masked" if long_gaps else "none is longer"
    text = (
        f"{100 * share:.1f} % missing, longest gap {seconds_words(longest)}: "
        f"gaps up to {config.gap_s:g} s filled, {fate}."
    )
    if frames.any():
        worst = scene.joints(scene.needed[masked.any(axis=0)])
        text += f" {joint_words(worst)} masked {range_words(ranges)}."
    severity = "caution" if hidden > config.tolerated_share else "note"
    return Finding(measures, (reason("W302", text, ranges or scene.whole, severity),))


def length(scene: Scene) -> Finding:
    """E105, W105: usable seconds against what the model needs and what guides advise."""
    usable = scene.usable_s
    measures: dict[str, float | None] = {"usable_s": usable, "total_s": scene.total_s}
    advice = f"filming guides ask for {scene.config.advised_s:g} s or more"
    has = f"{seconds_words(usable)} usable"
    if usable < scene.minimum_s - 1e-6:
        text = f"{has}, {scene.minimum_s:g} s are needed; {advice}."
        return Finding(measures, (reason("E105", text, scene.whole),))
    if usable < scene.config.advised_s - 1e-6:
        return Finding(measures, (reason("W105", f"{has}; {advice}.", scene.whole),))
    return Finding(measures)


def age(scene: Scene) -> Finding:
    """E106: corrected age outside the range in which fidgety movements are expected."""
    weeks, config = scene.age_weeks, scene.config
    measures = {"age_weeks": weeks}
    if weeks is None or config.age_low_weeks <= weeks <= config.age_high_weeks:
        return Finding(measures)
    text = (
        f"Corrected age {weeks:g} weeks; fidgety movements are assessed from "
        f"{config.age_low_weeks:g} to {config.age_high_weeks:g}. No risk is given."
    )
    return Finding(measures, (reason("E106", text, scene.whole),))


def frame_rate(scene: Scene) -> Finding:
    """E118, W118, W102: frame rate too low, or not constant."""
    if len(scene.pose) < 2:
        return Finding({"fps": None, "uneven_share": None})
    config, step = scene.config, np.diff(scene.pose.time)
    fps = (len(scene.pose) - 1) / float(scene.step[:-1].sum())
    uneven = float(np.mean(np.abs(step / scene.frame_s - 1) > config.uneven_step))
    measures: dict[str, float | None] = {"fps": fps, "uneven_share": uneven}
    found: list[Reason] = []
    if fps < config.fps_advised * (1 - 1e-6):
        text = (
            f"{fps:.1f} frames/s; movement up to 3 Hz needs {config.fps_advised:g}. "
            "Film at 24 or more."
        )
        found.append(reason("E118" if fps < config.fps_refused else "W118", text, scene.whole))
    if uneven > config.counted_share:
        short, long = 1000 * np.quantile(step, (0.01, 0.99))
        text = (
            f"The timestamps average {fps:.1f} frames/s, in steps of {short:.0f} to {long:.0f} ms "
            "(variable). Resampled by timestamp."
        )
        found.append(reason("W102", text, scene.whole))
    return Finding(measures, tuple(found))


def scale(scene: Scene) -> Finding:
    """E117, W117: body too small in the image."""
    config, trunk = scene.config, scene.trunk_px
    if not np.isfinite(trunk):
        return Finding({"trunk_px": None})
    measures: dict[str, float | None] = {"trunk_px": trunk}
    if trunk >= config.trunk_advised_px:
        return Finding(measures)
    text = (
        f"The trunk is {trunk:.0f} px long, {config.trunk_advised_px:g} px are advised: errors of "
        "the tracker weigh too much. Film nearer, or at a higher resolution."
    )
    code = "E117" if trunk < config.trunk_refused_px else "W117"
    return Finding(measures, (reason(code, text, scene.whole),))


def swaps(scene: Scene) -> Finding:
    """W112: left and right exchanged for a while."""
    swapped = scene.swapped
    frames = any_joint(swapped)
    measures: dict[str, float | None] = {"swapped_s": scene.seconds(frames)}
    if not frames.any():
        return Finding(measures)
    names = [
        right.removeprefix("right_")
        for right, _ in scene.pose.skeleton.mirror_pairs
        if swapped[:, scene.row(right)].any()
    ]
    ranges = scene.ranges(frames)
    text = (
        f"Left and right exchanged ({joint_words(names).lower()}) {range_words(ranges)}. Put back."
    )
    return Finding(measures, (reason("W112", text, ranges, scene.severity(frames)),))


def jitter(scene: Scene) -> Finding:
    """E111, W111: noise of the tracker above the movement band.

    The third difference over about 1/30 s passes noise above some 6 Hz and holds back movement
    below 3 Hz (to 5 % of its amplitude). White noise of standard deviation s gives it one of
    s * sqrt(20); the median over a second of its length is 1.1774 times that.
    """
    config, pose = scene.config, scene.pose
    measured = (
        len(pose) > 1 and pose.fps >= config.jitter_fps * (1 - 1e-6) and np.isfinite(scene.trunk_px)
    )
    lag = max(1, round(pose.fps / 30)) if measured else 0
    block = round(_BLOCK_S * pose.fps) if measured else 0
    if not measured or len(pose) < 3 * lag + block:
        return Finding({"jitter": None})
    at = at_rest(pose, scene.at[:, scene.needed]) * (1 / scene.trunk_px)
    third = at[3 * lag :] - 3 * at[2 * lag : -lag] + 3 * at[lag : -2 * lag] - at[: -3 * lag]
    size = np.abs(third).T  # (J, T - 3 lag)
    blocks = size.shape[1] // block
    size = size[:, : blocks * block].reshape(-1, blocks, block)
    noise = _median(size).T / (1.1774 * np.sqrt(20))  # (blocks, J)
    known = noise[np.isfinite(noise)]
    if not len(known):
        return Finding({"jitter": None})
    overall = float(np.median(known))
    measures: dict[str, float | None] = {"jitter": overall}
    bad = noise > config.jitter  # (blocks, J)
    named = np.flatnonzero(bad.mean(axis=0) > config.jitter_share)
    if not len(named):
        return Finding(measures)
    frames = np.zeros(len(pose), dtype=bool)
    shift = 3 * lag // 2  # the difference belongs to the middle of its four frames
    frames[shift : shift + blocks * block] = np.repeat(bad[:, named].any(axis=1), block)
    ranges = scene.ranges(frames)
    worst = float(np.nanmax(np.where(bad[:, named], noise[:, named], np.nan)))
    where = joint_words(scene.joints(scene.needed[named]))
    text = (
        f"{where}: tracker noise of up to {100 * worst:.0f} % of the trunk length, "
        f"{range_words(ranges)}. More light, or a better pose model, may help."
    )
    code = "E111" if overall > config.jitter_refused else "W111"
    return Finding(measures, (reason(code, text, ranges),))


def stillness(scene: Scene) -> Finding:
    """E122, W122: no needed joint moves, camera movement aside."""
    config = scene.config
    if len(scene.pose) < 2 or not np.isfinite(scene.trunk_px):
        return Finding({"movement_range": None})
    at = at_rest(scene.pose, scene.at[:, scene.needed]) / scene.trunk_px
    places = [joint[np.isfinite(joint)] for joint in at.T]
    ranges = [
        2 * float(np.quantile(np.abs(place - place.mean()), _REACH))
        for place in places
        if len(place)
    ]
    if not ranges:
        return Finding({"movement_range": None})
    most = max(ranges)
    measures: dict[str, float | None] = {"movement_range": most}
    if most >= config.still:
        return Finding(measures)
    text = f"No joint moves by more than {100 * most:.0f} % of the trunk's length"
    if most < config.still_refused:
        code = "E122"
        text += (
            ": less than a tracker's errors make of a body at rest. A picture, a doll or a film "
            "that stands still? Film the infant; where something else is followed, give the region."
        )
    else:
        code = "W122"
        text += (
            ". Make sure that this is an infant, and awake: of one asleep, or of a doll or picture "
            "taken for it, the risk says nothing. An infant that is awake and lies so still should "
            "be seen by a clinician, whatever the risk."
        )
    return Finding(measures, (reason(code, text, scene.whole),))


def light_and_people(scene: Scene) -> Finding:
    """W108, W109, W119, W120, W121: what the film itself says of each frame."""
    config = scene.config
    measures: dict[str, float | None] = {}
    found: list[Reason] = []

    def check(code: str, frames: NDArray[np.bool_], text: str) -> None:
        if frames.any():
            ranges = scene.ranges(frames)
            words = text.format(when=range_words(ranges))
            found.append(reason(code, words, ranges, scene.severity(frames)))

    people, covered = scene.film("people"), scene.film("covered")
    light, sharp = scene.film("brightness"), scene.film("sharpness")
    measures["people"] = _middle(people)
    measures["covered_s"] = None if covered is None else scene.seconds(covered > 0.5)
    measures["brightness"], measures["sharpness"] = _middle(light), _middle(sharp)
    if people is not None:
        check("W108", people > 1.5, "Other people in the film {when}. Only the infant should be.")
    if covered is not None:
        check("W109", covered > 0.5, "Another person covers the infant {when}; left out.")
    if light is not None:
        check("W119", light < config.dark, "The film is too dark {when}. Film by daylight.")
        check("W119", light > config.bright, "The film is too bright {when}. Avoid direct light.")
    if sharp is not None:
        check(
            "W120", sharp < config.blurred, "The film is blurred {when}. Clean or focus the lens."
        )
    unknown = [
        words
        for words, lacks in {
            "light": light is None,
            "sharpness": sharp is None,
            "other people": people is None,
            "camera movement": scene.film("camera_dx") is None,
            "the image's edges": scene.pose.size is None,
        }.items()
        if lacks
    ]
    if unknown:
        text = f"Not checked, for want of the film: {', '.join(unknown)}."
        found.append(reason("W121", text, scene.whole))
    return Finding(measures, tuple(found))


def _longest_gap_s(scene: Scene, missing: NDArray[np.bool_]) -> float:
    """Seconds of the longest stretch in which one joint (T, J) is missing."""
    if not missing.any():
        return 0.0
    clock = np.append(0.0, np.cumsum(scene.step))[:, None]  # (T + 1, 1)
    since = np.maximum.accumulate(np.where(missing, 0.0, clock[1:]), axis=0)
    return float(np.where(missing, clock[1:] - since, 0.0).max())


def _median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median over the last axis of the finite values; NaN where fewer than half are."""
    ordered = np.sort(values, axis=-1)  # NaN last
    count = np.isfinite(values).sum(axis=-1)
    middle = np.take_along_axis(ordered, np.maximum(count - 1, 0)[..., None] // 2, axis=-1)[..., 0]
    return np.where(count * 2 >= values.shape[-1], middle, np.nan)


def _middle(values: NDArray[np.float64] | None) -> float | None:
    known = values[np.isfinite(values)] if values is not None else np.empty(0)
    return float(np.median(known)) if len(known) else None
