"""COCO keypoints: results and annotations, AlphaPose's lists among them; 17 points or any named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fidgety.files import write_json
from fidgety.pose.formats.bodies import BodyFrames, pose_of
from fidgety.pose.formats.entries import Entry, frames_of, image_number
from fidgety.pose.formats.frames import even_frames
from fidgety.pose.formats.joint_names import arrange, layout_named, rows_named
from fidgety.pose.formats.openpose import is_frame, people_of, triplets
from fidgety.pose.formats.source import Given, Source, malformed, number_array
from fidgety.pose.pose import Pose

__all__ = [
    "read_alphapose",
    "read_annotations",
    "read_results",
    "recognise_alphapose",
    "recognise_annotations",
    "recognise_results",
    "write",
]

# Confidence of COCO's visibility flag: not labelled, labelled but hidden, seen.
OF_VISIBILITY = {0.0: 0.0, 1.0: 0.5, 2.0: 1.0}


def recognise_annotations(source: Source) -> bool:
    """True for an object with images and annotations."""
    content = None if source.is_folder else source.sample
    return isinstance(content, dict) and {"images", "annotations"} <= set(content)


def recognise_results(source: Source) -> bool:
    """True for a list of detections with an image and keypoints, not written by AlphaPose."""
    return _is_list_of_results(source) and not recognise_alphapose(source)


def recognise_alphapose(source: Source) -> bool:
    """True for AlphaPose's list (it adds ``box`` or ``idx``), or its object of images."""
    if source.is_folder:
        return False
    content = source.sample
    if _is_list_of_results(source):
        return bool({"box", "idx"} & set(content[0]))
    return isinstance(content, dict) and bool(content) and all(map(is_frame, content.values()))


def _is_list_of_results(source: Source) -> bool:
    content = None if source.is_folder else source.sample
    first = content[0] if isinstance(content, list) and content else None
    return isinstance(first, dict) and {"image_id", "keypoints"} <= set(first)


def read_results(source: Source, given: Given) -> Pose:
    """Read COCO results: a list of {image_id, keypoints [x, y, c, ...], score}.

    Raises
    ------
    PoseError
        E334 to E340, E303 or E316; see ``docs/formats.md``.
    """
    return _read_list(source, given, "coco-results")


def read_alphapose(source: Source, given: Given) -> Pose:
    """Read AlphaPose: its list of results (17, 26, 133 or 136 points), or its object of images.

    ``individual`` chooses the tracker's ``idx``. Raises as `read_results`.
    """
    if isinstance(source.json, list):
        return _read_list(source, given, "alphapose")
    if not isinstance(source.json, dict):
        malformed(source.name, "it is neither a list nor an object")
    entries, frames = [], []
    for image, content in source.json.items():
        place = image_number(image, source.name)
        frames.append(place)
        entries += [Entry(*place, None, points) for points in people_of(content, source.name)]
    numbers, bodies = frames_of(entries, frames, given.individual, source.name)
    return pose_of(BodyFrames(numbers, bodies), given, "alphapose", source.name)


def _read_list(source: Source, given: Given, name: str) -> Pose:
    entries = []
    if not isinstance(source.json, list):
        malformed(source.name, "it is not a list of results")
    for item in source.json:
        if not isinstance(item, dict) or not {"image_id", "keypoints"} <= set(item):
            malformed(source.name, "an entry has no image_id or no keypoints")
        points = triplets([item["keypoints"]], source.name)[0]
        place = image_number(item["image_id"], source.name)
        entries.append(Entry(*place, _track(item), points))
    numbers, bodies = frames_of(entries, [], given.individual, source.name)
    return pose_of(BodyFrames(numbers, bodies), given, name, source.name)


def read_annotations(source: Source, given: Given) -> Pose:
    """Read COCO annotations; joints by the category's names, size by the images' width and height.

    Visibility 2 becomes confidence 1, visibility 1 (labelled, hidden) 0.5, visibility 0 missing;
    ``keypoint_scores`` of an annotation, and ``time_s`` of an image, are used where present.

    Raises
    ------
    PoseError
        As `read_results`, and E341 for names that fit no layout.
    """
    content, where = source.json, source.name
    if not isinstance(content, dict):
        malformed(where, "it is not an object with images and annotations")
    images = {image["id"]: image for image in _objects(content, "images", "id", where)}
    places = {key: _place(image, where) for key, image in images.items()}
    names = _joint_names(content)
    skeleton = layout_named(names, given.skeleton, where) if names else None
    rows = rows_named(names, skeleton, where) if skeleton is not None else None
    entries = []
    for item in _objects(content, "annotations", "image_id", where):
        if not item.get("keypoints"):
            continue
        if item["image_id"] not in places:
            malformed(where, f"an annotation names image {item['image_id']!r}, which is not there")
        points = _with_confidence(item, where)
        if rows is not None:
            if len(points) != len(names):
                malformed(where, f"{len(points)} points a person, but {len(names)} names")
            points = arrange(points, rows)
        entries.append(Entry(*places[item["image_id"]], _track(item), points))
    numbers, bodies = frames_of(entries, places.values(), given.individual, where)
    frames = BodyFrames(
        numbers,
        bodies,
        skeleton=skeleton,
        time=_times(images, places, numbers),
        size=_size(list(images.values())),
    )
    return pose_of(frames, given, "coco", where)


def write(pose: Pose, path: Path) -> Path:
    """Write COCO annotations of one recording: an image a frame, one person.

    Visibility is 2 where a joint was seen; ``keypoint_scores`` keeps the confidence and ``time_s``
    of each image its time, which other tools pass over.
    """
    names = [f"{number:012d}.jpg" for number in even_frames(pose, path.name)]
    width, height = pose.size or (None, None)
    seen = pose.confidence > 0
    xyv = np.concatenate([np.nan_to_num(pose.xy), 2.0 * seen[..., None]], axis=-1)  # (T, V, 3)
    images, annotations = [], []
    for row, name in enumerate(names):
        image: dict[str, Any] = {"id": row + 1, "file_name": name, "time_s": float(pose.time[row])}
        images.append(image if width is None else image | {"width": width, "height": height})
        if not seen[row].any():
            continue
        low, high = np.nanmin(pose.xy[row], axis=0), np.nanmax(pose.xy[row], axis=0)
        annotations.append(
            {
                "id": len(annotations) + 1,
                "image_id": row + 1,
                "category_id": 1,
                "iscrowd": 0,
                "keypoints": xyv[row].ravel().tolist(),
                "keypoint_scores": pose.confidence[row].tolist(),
                "num_keypoints": int(seen[row].sum()),
                "bbox": [*low.tolist(), *(high - low).tolist()],
                "area": float(np.prod(high - low)),
            }
        )
    category = {
        "id": 1,
        "name": "person",
        "keypoints": list(pose.skeleton.joints),
        "skeleton": [[int(i) + 1 for i in pose.skeleton.rows(*b)] for b in pose.skeleton.bones],
    }
    return write_json(
        path, {"images": images, "annotations": annotations, "categories": [category]}
    )


def _objects(content: dict[str, Any], key: str, needed: str, where: str) -> list[dict[str, Any]]:
    items = content.get(key)
    if not isinstance(items, list):
        malformed(where, f"it has no list of {key}")
    for item in items:
        value = item.get(needed) if isinstance(item, dict) else None
        if not isinstance(value, int | str):
            malformed(where, f"one of its {key} has no {needed}")
    return items


def _place(image: dict[str, Any], where: str) -> tuple[str, int]:
    name, number = image_number(image.get("file_name", image["id"]), where)
    frame = image.get("frame_id", number)
    if "video_id" in image:
        name = str(image["video_id"])
    return name, frame if isinstance(frame, int) else number


def _joint_names(content: dict[str, Any]) -> list[str]:
    categories = content.get("categories")
    for category in categories if isinstance(categories, list) else []:
        names = category.get("keypoints") if isinstance(category, dict) else None
        if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
            return names
    return []


def _with_confidence(item: dict[str, Any], where: str) -> NDArray[np.float64]:
    points = triplets([item["keypoints"]], where)[0]  # (V, 3)
    scores = item.get("keypoint_scores")
    if isinstance(scores, list) and len(scores) == len(points):
        points[:, 2] = np.where(points[:, 2] > 0, number_array(scores, where), 0.0)
    elif set(np.unique(points[:, 2])) <= set(OF_VISIBILITY):
        points[:, 2] = [OF_VISIBILITY[flag] for flag in points[:, 2]]
    return points


def _track(item: dict[str, Any]) -> str | None:
    track = next((item[key] for key in ("track_id", "idx", "instance_id") if key in item), None)
    while isinstance(track, list):
        track = track[0] if track else None
    return None if track is None else f"{track:g}" if isinstance(track, float) else str(track)


def _times(
    images: dict[Any, dict[str, Any]],
    places: dict[Any, tuple[str, int]],
    numbers: NDArray[np.int64],
) -> NDArray[np.float64] | None:
    of_number = {places[key][1]: image.get("time_s") for key, image in images.items()}
    times = [of_number.get(int(number)) for number in numbers]
    if not times or not all(isinstance(time, int | float) and abs(time) < 1e15 for time in times):
        return None
    return np.array(times, dtype=np.float64)


def _size(images: list[dict[str, Any]]) -> tuple[int, int] | None:
    sizes = [(image.get("width"), image.get("height")) for image in images]
    width, height = sizes[0] if sizes and sizes.count(sizes[0]) == len(sizes) else (None, None)
    if not isinstance(width, int) or not isinstance(height, int) or min(width, height) <= 0:
        return None
    return width, height
