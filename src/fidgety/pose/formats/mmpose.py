"""MMPose's predictions, and RTMLib's keypoints and scores: JSON, in one file or one a frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fidgety.pose.formats.bodies import BodyFrames, pose_of
from fidgety.pose.formats.frames import check_one_layout, read_frames
from fidgety.pose.formats.joint_names import arrange, layout_named, rows_named
from fidgety.pose.formats.source import (
    MAX_FRAMES,
    Given,
    Source,
    malformed,
    number_array,
    too_many_frames,
)
from fidgety.pose.pose import Pose

__all__ = ["is_frame", "read", "recognise"]

SCORES = ("keypoint_scores", "scores")


def recognise(source: Source) -> bool:
    """True for keypoints and their scores in separate lists, under any of the tools' headings."""
    content = source.sample
    if source.is_folder:
        return is_frame(content)
    if isinstance(content, dict):
        return "instance_info" in content or _is_instance(content)
    return _is_film(content) or is_frame(content)


def read(source: Source, given: Given) -> Pose:
    """Read MMPose's ``instance_info`` file, its list of frames, a folder with one file an image, or
    RTMLib's keypoints (people, V, 2) and scores (people, V) of each frame.

    Joint names of ``meta_info`` are used where present; else the points are unnamed.

    Raises
    ------
    PoseError
        E331 to E340, E303, E341 or E316; see ``docs/formats.md``.
    """
    where = source.name
    if source.is_folder or is_frame(source.json):
        numbers, bodies = read_frames(source, _people, given.individual)
        return pose_of(BodyFrames(numbers, bodies), given, "mmpose", where)
    content = source.json
    names = _joint_names(content)
    frames = _frames(content, where)
    if len(frames) > MAX_FRAMES:
        too_many_frames(len(frames), where)
    order = sorted(range(len(frames)), key=lambda row: frames[row][0])
    bodies = [_people(frames[row][1], where) for row in order]
    check_one_layout(bodies, [f"frame {frames[row][0]}" for row in order])
    skeleton = layout_named(names, given.skeleton, where) if names else None
    if skeleton is not None:
        rows = rows_named(names, skeleton, where)
        if any(len(found) and found.shape[1] != len(names) for found in bodies):
            malformed(where, f"points and the {len(names)} joint names differ in number")
        bodies = [arrange(found, rows) if len(found) else found
                  for found in bodies]  # fmt: skip
    numbers = np.array([frames[row][0] for row in order], dtype=np.int64)
    return pose_of(BodyFrames(numbers, bodies, skeleton=skeleton), given, "mmpose", where)


def _frames(content: Any, where: str) -> list[tuple[int, Any]]:
    """(frame number, its people) of a whole film's file."""
    if isinstance(content, dict) and "instance_info" in content:
        content = content["instance_info"]
    elif isinstance(content, dict):
        content = _unstacked(content, where)
    if not isinstance(content, list):
        malformed(where, "it holds no list of frames")
    frames = []
    for row, frame in enumerate(content):
        number = frame.get("frame_id", row) if isinstance(frame, dict) else None
        if not isinstance(number, int) or not 0 <= number < 1 << 53:
            malformed(where, "a frame is not an object with a whole frame_id")
        frames.append((number, frame.get("instances", frame)))
    return frames


def _people(content: Any, where: str) -> NDArray[np.float64]:
    """Points (people, V, 3) of one frame: a list of instances, or arrays over people."""
    if isinstance(content, dict) and "instance_info" in content:
        content = content["instance_info"]
    if isinstance(content, dict) and "instances" in content:
        content = content["instances"]
    if isinstance(content, list):
        if not all(isinstance(one, dict) and "keypoints" in one for one in content):
            malformed(where, "an instance has no keypoints")
        xy = number_array([one["keypoints"] for one in content], where)
        scores = [next((one[key] for key in SCORES if key in one), None) for one in content]
        given = None if any(score is None for score in scores) else number_array(scores, where)
    elif isinstance(content, dict) and "keypoints" in content:
        xy = number_array(content["keypoints"], where)
        found = next((content[key] for key in SCORES if key in content), None)
        given = None if found is None else number_array(found, where)
        if xy.ndim == 2 and xy.size:
            xy, given = xy[None], None if given is None else given[None]
    else:
        malformed(where, "a frame holds no instances")
    if xy.size == 0:
        return np.zeros((0, 0, 3))
    if xy.ndim != 3 or xy.shape[2] not in (2, 3):
        malformed(where, f"keypoints are {xy.shape}, not (people, points, 2)")
    if given is None:
        given = np.ones(xy.shape[:2])  # no scores: what is there was seen
    if given.shape != xy.shape[:2]:
        malformed(where, f"scores are {given.shape}, keypoints {xy.shape[:2]}")
    return np.concatenate([xy[..., :2], given[..., None]], axis=-1)


def _unstacked(content: dict[str, Any], where: str) -> list[dict[str, Any]]:
    """Frames of one object with keypoints (T, V, 2) or (T, people, V, 2)."""
    points = content.get("keypoints")
    scores = next((content[key] for key in SCORES if key in content), None)
    if not isinstance(points, list) or not isinstance(scores, list) or len(points) != len(scores):
        malformed(where, "keypoints and scores are not lists of one length")
    return [{"keypoints": xy, "scores": c} for xy, c in zip(points, scores, strict=True)]


def _is_instance(content: Any) -> bool:
    return isinstance(content, dict) and "keypoints" in content and any(
        key in content for key in SCORES
    )  # fmt: skip


def is_frame(content: Any) -> bool:
    """True for the instances of one image, bare or under ``instance_info``."""
    if isinstance(content, dict):
        content = content.get("instance_info")
    return (
        isinstance(content, list)
        and bool(content)
        and _is_instance(content[0])
        and "keypoint_scores" in content[0]
        and "image_id" not in content[0]
    )


def _is_film(content: Any) -> bool:
    """A list of frames, each with instances or with arrays over people."""
    first = content[0] if isinstance(content, list) and content else None
    if not isinstance(first, dict):
        return False
    return "instances" in first or ("scores" in first and "keypoints" in first)


def _joint_names(content: Any) -> list[str]:
    meta = content.get("meta_info") if isinstance(content, dict) else None
    names = meta.get("keypoint_id2name") if isinstance(meta, dict) else None
    if isinstance(names, dict) and all(str(key).isdecimal() for key in names):
        names = [names[key] for key in sorted(names, key=int)]
    if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
        return names
    return []
