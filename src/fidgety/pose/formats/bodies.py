"""From the bodies found in each frame to one body followed through the recording."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import PoseError
from fidgety.pose.formats.anatomy import layout_of
from fidgety.pose.formats.source import MAX_FRAMES, MAX_PEOPLE, Given, too_many_frames
from fidgety.pose.pose import Pose, check_fps
from fidgety.pose.skeleton import Skeleton

__all__ = ["BodyFrames", "follow", "pose_of"]

# How far a body may be from where its track last was, in body sizes; more each frame it is lost.
REACH = 0.5
REACH_PER_FRAME = 0.05
# Points of whole-body sets beyond the body itself (hands, face): only the first ones are read.
BODY_OF_WHOLE_BODY = {133: 17, 136: 26}


@dataclass(frozen=True)
class BodyFrames:
    """Bodies as a detector saw them, frame by frame, before one of them is chosen.

    Parameters
    ----------
    numbers : ndarray (F,), int
        Frame numbers, strictly increasing; holes are frames that were lost.
    bodies : list of ndarray (people, V, 3)
        x, y, confidence of each body in each of the F frames; NaN or confidence 0 = not seen.
    skeleton : Skeleton, optional
        The layout, where the file names its joints.
    time : ndarray (F,), optional
        Seconds, where the file holds them.
    size : (int, int), optional
        Width and height in pixels, where the file holds them.
    people : ndarray (F,), optional
        People seen in each frame, where a format's own rule has left at most one in `bodies`.
    """

    numbers: NDArray[np.int64]
    bodies: list[NDArray[np.float64]]
    skeleton: Skeleton | None = None
    time: NDArray[np.float64] | None = None
    size: tuple[int, int] | None = None
    people: NDArray[np.float64] | None = None


def pose_of(frames: BodyFrames, given: Given, format_name: str, where: str) -> Pose:
    """One pose from the bodies of all frames: follow one, name its joints, put it on its clock.

    Raises
    ------
    PoseError
        E336 nobody in any frame, E335 or E303 a layout that does not fit, E339 frame numbers that
        cannot be one recording's, E345 normalised coordinates without an image size, E316 no fps.
    """
    bodies = [_seen(found, where) for found in frames.bodies]
    people = np.array([len(found) for found in bodies], dtype=np.float64)  # (F,)
    if not people.any():
        raise PoseError(
            "E336",
            f"No person in any of the {len(people)} frames",
            where=where,
            remedy="Check the pose tool's run: the whole body should be visible from above",
        )
    if frames.people is not None:
        people = frames.people
    size = frames.size or given.size
    points = follow(bodies)  # (F, V, 3)
    points[..., :2] = in_pixels(points[..., :2], size, where)
    skeleton = frames.skeleton or layout_of(points, given.skeleton, where)
    if frames.time is None:
        numbers, start = _grid(frames.numbers, where), int(frames.numbers[0])
        rows = frames.numbers - start
        time = numbers / check_fps(given.fps)
    else:
        rows, time = np.arange(len(people)), frames.time
    xyc = np.full((len(time), len(skeleton), 3), np.nan)
    xyc[rows] = points
    count = np.full(len(time), np.nan)
    count[rows] = people
    return Pose(
        xy=xyc[..., :2],
        confidence=np.nan_to_num(xyc[..., 2]).clip(0, 1),
        time=time,
        size=size,
        skeleton=skeleton,
        source=format_name,
        history=(
            {
                "step": "read",
                "format": format_name,
                "skeleton": skeleton.name,
                "most_people": int(people.max()),
                "frames_without_file": int(len(time) - len(people)),
            },
        ),
        film={"people": count},
    )


def follow(bodies: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Follow one body through the frames.

    The published rule takes, in each frame alone, the body with most keypoints; with two people in
    view it can jump between them. Here every body is first followed by nearness: in each frame,
    bodies and tracks are paired from the nearest pair on (mean distance of the joints seen in both,
    in body sizes), unless the distance is beyond reach, which grows while a track is lost. The
    track with most keypoints over the whole recording is then returned; in a frame where it was
    not seen there is nobody. Where no frame has two bodies, both rules are the same.

    Parameters
    ----------
    bodies : list of ndarray (people, V, 3)
        x, y, confidence of each frame's bodies; NaN = not seen.

    Returns
    -------
    ndarray (F, V, 3)
        The followed body; NaN where it or a joint was not seen.
    """
    joints = next(found.shape[1] for found in bodies if len(found))
    points = np.full((len(bodies), joints, 3), np.nan)
    if max(map(len, bodies)) == 1:
        for frame, found in enumerate(bodies):
            points[frame] = found[0] if len(found) else np.nan
        return points
    last: list[NDArray[np.float64]] = []  # each track's last position (V, 2), joint by joint
    last_frame: list[int] = []
    chosen: list[dict[int, int]] = []  # each track's body by frame
    for frame, found in enumerate(bodies):
        if not len(found):
            continue
        track_of = _pair(found, last, last_frame, frame)
        for body, track in enumerate(track_of):
            if track < 0:
                track = len(last)
                last.append(np.full((found.shape[1], 2), np.nan))
                last_frame.append(frame)
                chosen.append({})
            seen = ~np.isnan(found[body, :, 0])
            last[track] = np.where(seen[:, None], found[body, :, :2], last[track])
            last_frame[track] = frame
            chosen[track][frame] = body
    keypoints = [
        sum(int((~np.isnan(bodies[frame][body, :, 0])).sum()) for frame, body in track.items())
        for track in chosen
    ]
    best = chosen[int(np.argmax(keypoints))]
    for frame, body in best.items():
        points[frame] = bodies[frame][body]
    return points


def _pair(
    found: NDArray[np.float64],
    last: list[NDArray[np.float64]],
    last_frame: list[int],
    frame: int,
) -> list[int]:
    """The track each body (people, V, 3) continues, -1 for a new one; nearest pairs first."""
    track_of = [-1] * len(found)
    if not last:
        return track_of
    known = np.stack(last)  # (tracks, V, 2)
    apart = np.linalg.norm(found[:, None, :, :2] - known, axis=-1)  # (people, tracks, V)
    shared = ~np.isnan(apart)
    distance = np.where(shared, apart, 0).sum(-1) / np.maximum(shared.sum(-1), 1)
    extent = np.nanmax(known, axis=1) - np.nanmin(known, axis=1)  # (tracks, 2)
    size = np.maximum(np.linalg.norm(extent, axis=-1), 1e-9)
    reach = REACH + REACH_PER_FRAME * (frame - np.array(last_frame) - 1)
    distance = np.where(shared.any(-1), distance / size, np.inf)
    distance = np.where(distance <= reach, distance, np.inf)
    while np.isfinite(distance).any():
        body, track = np.unravel_index(np.argmin(distance), distance.shape)
        track_of[body] = int(track)
        distance[body] = distance[:, track] = np.inf
    return track_of


def in_pixels(
    xy: NDArray[np.float64], size: tuple[int, int] | None, where: str
) -> NDArray[np.float64]:
    """Pixels from coordinates that may be fractions of the image, 0 to 1.

    A whole recording within 2 units of the origin cannot be pixels; it needs `size` (E345). Where
    much of it is negative it may count from the image's centre, which is refused, not guessed.
    """
    largest = float(np.nanmax(np.abs(xy))) if np.isfinite(xy).any() else 0.0
    if largest > 2.0:
        return xy
    if size is None:
        raise PoseError(
            "E345",
            "Coordinates are fractions of the image, and its size is not known",
            where=where,
            remedy="Give the video's size, for example --size 1280x720",
        )
    if np.mean(xy[np.isfinite(xy)] < 0) > 0.05:
        raise PoseError(
            "E345",
            "Coordinates are fractions of the image, and not from 0 to 1",
            where=where,
            remedy="Write pixels, or fractions from 0 to 1 (OpenPose: --keypoint_scale 0 or 3)",
        )
    return xy * np.array(size, dtype=np.float64)


def _seen(found: NDArray[np.float64], where: str) -> NDArray[np.float64]:
    """Bodies (people, V, 3), unseen joints NaN; hand and face points and empty bodies dropped."""
    if len(found) > MAX_PEOPLE:
        raise PoseError(
            "E337",
            f"{len(found)} people in one frame, more than {MAX_PEOPLE}",
            where=where,
            remedy="Check that this is the recording of one infant",
        )
    if not len(found):
        return found
    found = np.array(found[:, : BODY_OF_WHOLE_BODY.get(found.shape[1], found.shape[1])])
    confidence = np.nan_to_num(found[..., 2])
    unseen = (confidence <= 0) | np.isnan(found[..., :2]).any(-1) | (found[..., :2] == 0).all(-1)
    found[unseen] = np.nan
    return found[~unseen.all(axis=1)]


def _grid(numbers: NDArray[np.int64], where: str) -> NDArray[np.float64]:
    """Frame numbers from 0 without holes; `PoseError` E339, E337 where that makes no sense."""
    steps = np.diff(numbers)
    if (steps <= 0).any():
        twice = int(numbers[1:][steps <= 0][0])
        raise PoseError(
            "E339",
            f"Frame {twice} is there twice",
            where=where,
            remedy="Keep one recording, and one file or entry, a frame",
        )
    length = int(numbers[-1] - numbers[0]) + 1
    if length > 1000 and len(numbers) < 0.02 * length:
        raise PoseError(
            "E339",
            f"Only {len(numbers)} of {length} frames are there",
            where=where,
            why="their numbers do not look like those of one recording's frames",
            remedy="Check that these are the frames of one film, numbered in order",
        )
    if length > MAX_FRAMES:
        too_many_frames(length, where)
    return np.arange(length, dtype=np.float64)
