"""What the player needs: a constant-rate film, and for each of its pictures the joints seen there.

The film that a browser shows is a copy at a constant rate, so that its picture k is on show from
k / fps to (k + 1) / fps. The joints are laid down picture by picture by the same rule as
`fidgety.pose.encode.at_constant_rate` lays down the pictures; so both agree exactly, whatever the
times of the film were.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import PoseError
from fidgety.files import whole_file, write_json
from fidgety.pose.encode import at_constant_rate, write_video
from fidgety.pose.pose import Pose
from fidgety.pose.privacy import blur_all, blur_head, locate_heads
from fidgety.pose.skeleton import load_skeleton
from fidgety.pose.video import Frame, frames, resized

__all__ = ["picture_rows", "rate_of", "write_film", "write_joints"]

FASTEST = 60.0  # pictures a second
LONGEST = 1280  # pixels of the copy's longer side
UNITS = 16384  # of a position, in the longer side of the image
MISSING = -32768
CONFIDENCE_STEP_S = 0.25

Progress = Callable[[float], None]  # share done, 0 to 1


def rate_of(pose: Pose) -> Fraction:
    """Pictures a second of the copy, as `write_video` will take them."""
    fps = pose.fps if np.isfinite(pose.fps) else 30.0
    near = float(round(fps)) if abs(fps - round(fps)) < 0.01 else fps
    return Fraction(min(FASTEST, max(near, 1.0))).limit_denominator(1001)


def picture_rows(time: NDArray[np.float64], fps: float) -> NDArray[np.intp]:
    """For each picture of the copy, the frame (row of `time`) whose picture it shows."""
    # at_constant_rate shows at k the last frame that began before (k + 0.5) / fps, and ends with
    # the first k at which that is the last frame.
    start = time - time[0]
    # Frame 0 may come half a step before its time; the count ends one after the last full step.
    count = int(np.sum((np.arange(int(start[-1] * fps) + 2) + 0.5) / fps <= start[-1])) + 1
    due = (np.arange(count) + 0.5) / fps
    return np.clip(np.searchsorted(start, due, side="left") - 1, 0, len(time) - 1)


@dataclass(frozen=True)
class _Shown:
    """The pose as it is drawn: a layout people know, positions in the image's longer side."""

    pose: Pose
    origin: tuple[float, float]
    size: tuple[float, float]


def _shown(pose: Pose) -> _Shown:
    wanted = load_skeleton("openpose18")
    drawn = pose.to_skeleton(wanted)
    if not np.isfinite(drawn.xy[..., 0]).any():
        drawn = pose
    if pose.size is not None and pose.unit == "px":
        return _Shown(drawn, (0.0, 0.0), (float(pose.size[0]), float(pose.size[1])))
    low = np.asarray(np.nanquantile(drawn.xy, 0.005, axis=(0, 1)))
    high = np.asarray(np.nanquantile(drawn.xy, 0.995, axis=(0, 1)))
    room = 0.12 * float(np.max(high - low)) or 1.0
    width, height = (float(high[axis] - low[axis]) + 2 * room for axis in (0, 1))
    return _Shown(drawn, (float(low[0]) - room, float(low[1]) - room), (width, height))


def write_joints(pose: Pose, folder: Path) -> dict[str, Any]:
    """Write ``joints.bin`` and ``player.json`` for a pose; return the latter's content.

    ``joints.bin``: int16 little-endian (K, V, 2), positions in 1 / `UNITS` of the image's longer
    side, `MISSING` where a joint was not seen; then uint8 (K, V), confidence times 255.
    """
    fps, shown = rate_of(pose), _shown(pose)
    rows = picture_rows(pose.time, float(fps))
    xy = (shown.pose.xy[rows] - shown.origin) / max(shown.size) * UNITS  # (K, V, 2)
    seen = np.asarray(np.isfinite(xy).all(axis=2))
    whole = np.where(seen[..., None], np.clip(np.round(xy), MISSING + 1, -MISSING - 1), MISSING)
    confidence = np.round(255 * shown.pose.confidence[rows])  # (K, V)
    with whole_file(folder / "joints.bin") as draft:
        draft.write_bytes(
            whole.astype("<i2").tobytes() + np.clip(confidence, 0, 255).astype(np.uint8).tobytes()
        )
    skeleton = shown.pose.skeleton
    content = {
        "fps": [fps.numerator, fps.denominator],
        "pictures": len(rows),
        "size": [round(side, 3) for side in shown.size],
        "units": UNITS,
        "joints": list(skeleton.joints),
        "bones": [[int(row) for row in skeleton.rows(*bone)] for bone in skeleton.bones],
        "confidence": _confidence(shown.pose),
        "views": [],
    }
    write_json(folder / "player.json", content)
    return content


def _confidence(pose: Pose) -> dict[str, Any]:
    """Mean confidence and share of joints seen, in steps of `CONFIDENCE_STEP_S`."""
    step = np.floor((pose.time - pose.time[0]) / CONFIDENCE_STEP_S).astype(int)
    known = np.isfinite(pose.xy[..., 0]).any(axis=0)  # joints that this recording has at all
    frames_in = np.maximum(np.bincount(step), 1)
    mean, seen = (
        np.bincount(step, weights=values[:, known].mean(axis=1)) / frames_in
        for values in (pose.confidence, np.isfinite(pose.xy[..., 0]).astype(float))
    )
    return {
        "step_s": CONFIDENCE_STEP_S,
        "mean": [round(float(v), 3) for v in mean],
        "seen": [round(float(v), 3) for v in seen],
    }


def write_film(
    film: Path, pose: Pose, out: Path, blurred: bool, progress: Progress | None = None
) -> bool:
    """Write the copy of a film that browsers play, as it is or with the face hidden.

    Parameters
    ----------
    film : Path
    pose : Pose
        Of that film, a row for each of its pictures.
    out : Path
        ``film.mp4`` or ``blurred.mp4``.
    blurred : bool
        Hide the face, and the whole picture where the face is not surely located.
    progress : callable (share done), optional

    Returns
    -------
    bool
        False, and no file, if the layout of the pose cannot tell where a face is.
    """
    fps = float(rate_of(pose))
    heads = None
    if blurred:
        try:
            heads = locate_heads(pose)
        except PoseError as error:
            if error.code != "E640":
                raise
            return False

    def hidden() -> Iterator[Frame]:
        for row, frame in enumerate(frames(film)):
            image = frame.image
            if heads is not None:
                known = row < len(pose) and abs(pose.time[row] - frame.time_s) < 0.5 / fps
                image = (
                    blur_head(image, heads.centre[row], float(heads.radius[row]))
                    if known
                    else blur_all(image)
                )
            if max(image.shape[:2]) > LONGEST:
                image = resized(image, LONGEST)
            if progress is not None:
                progress(frame.time_s / max(float(pose.time[-1]), 1e-6))
            yield Frame(frame.time_s, image)

    images = (frame.image for frame in at_constant_rate(hidden(), fps))
    write_video(out, images, fps)
    return True
