"""A film with what was seen drawn on it, skeleton, attention, quality marks; a contact sheet."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fidgety.errors import ConfigError, PoseError
from fidgety.files import whole_file
from fidgety.pose.encode import at_constant_rate, write_video
from fidgety.pose.optional import library
from fidgety.pose.pose import Pose
from fidgety.pose.privacy import Heads, blur_all, blur_head, locate_heads
from fidgety.pose.video import Frame, Part, ahead, frames, probe, resized

__all__ = ["PRIVACY", "Privacy", "draw_overlay", "preview"]

Privacy = Literal["none", "skeleton", "blur"]
PRIVACY = ("none", "skeleton", "blur")
LONGEST = 1280  # pixels of the longer side of what is drawn
PLAIN = 0.75  # place on the colour scale of joints without attention
FAINT = 0.3  # confidence below which a joint is drawn hollow
RED, WHITE, GREY, DARK = (214, 69, 65), (255, 255, 255), (150, 150, 150), (24, 24, 24)
FONT = 0  # cv2.FONT_HERSHEY_SIMPLEX


def draw_overlay(
    video: str | os.PathLike[str],
    pose: Pose,
    out: str | os.PathLike[str],
    joint_weights: ArrayLike | None = None,
    clip_attention: Sequence[tuple[float, float, float]] = (),
    marks: Sequence[tuple[float, float, str]] = (),
    privacy: Privacy = "none",
) -> Path:
    """Write a film with the skeleton, joint and clip attention and quality marks; return its path.

    Parameters
    ----------
    video : path-like
        The film the pose was estimated from.
    pose : Pose
        In pixels of that film, at its times.
    out : path-like
        Ends in .mp4, .m4v or .mov; constant rate, no sound, at most 1280 pixels long. It shows the
        part of the film that was looked at.
    joint_weights : array_like (V,) or (T, V), optional
        Joint attention; drawn on the cividis scale from 0 to its maximum.
    clip_attention : sequence of (start_s, end_s, weight)
        Drawn as a timeline below the picture, with the time moving along it.
    marks : sequence of (start_s, end_s, text)
        Quality marks: red on the timeline, in words while they last.
    privacy : {"none", "skeleton", "blur"}
        ``skeleton`` draws on black; ``blur`` hides the face, and the whole picture where the face
        is not surely located or other people are about.

    Raises
    ------
    ConfigError
        E702 unknown privacy, or weights of another shape.
    PoseError
        E640 no face to locate; E641 the pose is not of this film.
    VideoError, FileError
        As `frames` and `write_video`.
    """
    painter = _painter(video, pose, joint_weights, privacy)
    info = probe(video)
    length = max(float(pose.time[-1]), info.duration_s if np.isfinite(info.duration_s) else 0.0)
    line = _Timeline(length, tuple(clip_attention), tuple(marks))

    part = _part(pose)
    start_s = part[0] if part else 0.0

    def drawn() -> Iterator[Frame]:
        for frame in ahead(frames(video, part)):
            image = painter.paint(frame)
            yield Frame(frame.time_s - start_s, line.below(image, frame.time_s))

    fps = pose.fps if np.isfinite(pose.fps) else 30.0
    rate = min(60.0, float(round(fps)) if abs(fps - round(fps)) < 0.01 else fps)
    return write_video(out, (frame.image for frame in at_constant_rate(drawn(), rate)), rate)


def preview(
    pose: Pose,
    video: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    count: int = 12,
    columns: int = 4,
    privacy: Privacy = "none",
) -> Path:
    """Write a contact sheet (PNG): pictures evenly spaced over the film with the pose on them.

    Raises
    ------
    ConfigError, PoseError, VideoError, FileError
        As `draw_overlay`.
    """
    cv2 = library("cv2", extra="video")
    painter = _painter(video, pose, None, privacy)
    wanted = iter(np.linspace(pose.time[0], pose.time[-1], max(1, count)).tolist())
    tiles: list[NDArray[np.uint8]] = []
    due = next(wanted, None)
    for frame in frames(video, _part(pose)):
        if due is None:
            break
        if frame.time_s >= due - 1e-6:
            tile = _fitted(painter.paint(frame), 480)
            seen = np.isfinite(painter.joints_at(frame.time_s)[0]).any()
            _write(cv2, tile, _clock(frame.time_s) + ("" if seen else "  nobody found"), (8, 22))
            tiles.append(tile)
            due = next(wanted, None)
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    rows = [np.hstack(tiles[row : row + columns]) for row in range(0, len(tiles), columns)]
    encoded, content = cv2.imencode(".png", np.vstack(rows)[..., ::-1])
    with whole_file(out) as draft:
        draft.write_bytes(content.tobytes() if encoded else b"")
    return Path(out)


def _part(pose: Pose) -> Part | None:
    """The seconds of its film a pose is of; None if it is of all of it."""
    parts = [step["part"] for step in pose.history if step.get("part")]
    return (float(parts[0][0]), float(parts[0][1])) if parts else None


@dataclass(frozen=True, eq=False)
class _Painter:
    """Draws the pose on the pictures of its film."""

    cv2: Any
    pose: Pose
    colours: NDArray[np.uint8]  # (1 or T, V, 3)
    privacy: Privacy
    heads: Heads | None
    reach_px: float  # of the body, in the film's pixels

    def joints_at(self, time_s: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Joints (V, 2) and confidences (V,) at a time; NaN where the pose has no such frame."""
        row = self._row(time_s)
        if row is None:
            return np.full(self.pose.xy.shape[1:], np.nan), np.zeros(self.pose.xy.shape[1])
        return self.pose.xy[row], self.pose.confidence[row]

    def paint(self, frame: Frame) -> NDArray[np.uint8]:
        """The picture, hidden as asked, with the skeleton; at most `LONGEST` pixels long."""
        row = self._row(frame.time_s)
        picture = _fitted(self._hidden(frame.image, row), LONGEST)
        if row is None:
            return picture
        scale = picture.shape[1] / frame.image.shape[1]
        xy, confidence = self.pose.xy[row] * scale, self.pose.confidence[row]
        colours = self.colours[row % len(self.colours)]
        seen = np.isfinite(xy).all(axis=1) & (np.abs(xy) < 1e5).all(axis=1)
        thick = self._thickness(picture.shape, scale)
        for child, parent in self.pose.skeleton.bones:
            a, b = self.pose.skeleton.rows(child, parent)
            if seen[a] and seen[b] and min(confidence[a], confidence[b]) >= FAINT:
                mixed = tuple(int(c) for c in (colours[a].astype(int) + colours[b]) // 2)
                self.cv2.line(picture, _dot(xy[a]), _dot(xy[b]), mixed, thick, self.cv2.LINE_AA)
        for joint in np.flatnonzero(seen):
            fill = -1 if confidence[joint] >= FAINT else 1
            colour = tuple(int(c) for c in colours[joint])
            self.cv2.circle(picture, _dot(xy[joint]), 2 * thick, colour, fill, self.cv2.LINE_AA)
        return picture

    def _thickness(self, shape: tuple[int, ...], scale: float) -> int:
        """Pixels of a bone: by the picture's size, but thin on a small body."""
        return max(1, round(min(max(shape[:2]) / 400, self.reach_px * scale / 120)))

    def _hidden(self, image: NDArray[np.uint8], row: int | None) -> NDArray[np.uint8]:
        if self.privacy == "skeleton":
            return np.zeros_like(image)
        if self.privacy == "none":
            return image
        if row is None or self.heads is None:
            return blur_all(image)
        return blur_head(image, self.heads.centre[row], float(self.heads.radius[row]))

    def _row(self, time_s: float) -> int | None:
        """The pose's frame of a picture, within half a step."""
        time = self.pose.time
        after = min(int(np.searchsorted(time, time_s)), len(time) - 1)
        row = min((max(after - 1, 0), after), key=lambda r: abs(time[r] - time_s))
        half = 0.5 / self.pose.fps if len(time) > 1 else 0.5
        return row if abs(time[row] - time_s) <= half else None


@dataclass(frozen=True)
class _Timeline:
    """The band below the picture: clip attention, quality marks, and where the film is."""

    length_s: float
    clips: tuple[tuple[float, float, float], ...]
    marks: tuple[tuple[float, float, str], ...]

    def below(self, image: NDArray[np.uint8], time_s: float) -> NDArray[np.uint8]:
        """The picture with the band under it."""
        cv2 = library("cv2", extra="video")
        width = image.shape[1]
        height = max(48, round(0.12 * image.shape[0]))
        band = np.full((height, width, 3), DARK, dtype=np.uint8)
        top, bottom = round(0.4 * height), round(0.82 * height)
        band[top:bottom] = _attention(self.clips, self.length_s, width)[None]
        for start, end, _ in self.marks:
            left, right = (_at(second, self.length_s, width) for second in (start, end))
            band[bottom : bottom + max(3, height // 12), left : right + 1] = RED
        now = _at(time_s, self.length_s, width)
        cv2.line(band, (now, top - 4), (now, height - 2), WHITE, 2)
        words = [text for start, end, text in self.marks if start <= time_s <= end]
        line = f"{_clock(time_s)} / {_clock(self.length_s)}   research use only"
        left = 8 + _write(cv2, band, line, (8, round(0.28 * height)), GREY) + 16
        told = _fitting(words, lambda text: left + _width(cv2, band, text) <= width - 8)
        if told:
            _write(cv2, band, told, (left, round(0.28 * height)), RED)
        return np.vstack([image, band])


def _fitting(words: Sequence[str], fits: Callable[[str], bool]) -> str:
    """As many of the words as fit, the first ones, and how many more there are; "" for none."""
    for count in range(len(words), 0, -1):
        more = f"  +{len(words) - count}" if count < len(words) else ""
        if fits(told := "; ".join(words[:count]) + more):
            return told
    return (
        words[0].partition(" ")[0] + (f"  +{len(words) - 1}" if words[1:] else "") if words else ""
    )


def _at(second: float, length_s: float, width: int) -> int:
    """Column of a time on a timeline `width` pixels wide."""
    return int(np.clip(second / max(length_s, 1e-9), 0, 1) * (width - 1))


@lru_cache(maxsize=4)
def _attention(
    clips: tuple[tuple[float, float, float], ...], length_s: float, width: int
) -> NDArray[np.uint8]:
    """Colours (width, 3): of overlapping clips the greatest weight; grey where there is none."""
    level = np.full(width, np.nan)
    for start, end, weight in clips:
        part = slice(_at(start, length_s, width), _at(end, length_s, width) + 1)
        level[part] = np.fmax(level[part], weight)
    most = np.nanmax(level) if np.isfinite(level).any() else 1.0
    colours = _cividis(level / max(float(most), 1e-12))
    return np.where(np.isnan(level)[:, None], 60, colours).astype(np.uint8)


def _painter(
    video: str | os.PathLike[str], pose: Pose, weights: ArrayLike | None, privacy: Privacy
) -> _Painter:
    if privacy not in PRIVACY:
        raise ConfigError(
            "E702", f"privacy={privacy!r}", remedy=f"Choose one of {', '.join(PRIVACY)}"
        )
    info = probe(video)
    if pose.unit != "px" or (pose.size is not None and pose.size != info.size):
        raise PoseError(
            "E641",
            "The pose does not belong to this film",
            where=Path(video).name,
            why=f"the pose is of {pose.size} in {pose.unit}, the film of {info.size} pixels",
            remedy="Give the film that the pose was estimated from, and the pose as estimated",
        )
    heads = locate_heads(pose) if privacy == "blur" else None
    cv2 = library("cv2", extra="video")
    return _Painter(cv2, pose, _joint_colours(pose, weights), privacy, heads, _reach(pose))


def _reach(pose: Pose) -> float:
    """Longer side of the box around the body, in the median; infinite if there is none."""
    seen = pose.xy[np.isfinite(pose.xy[..., 0]).any(axis=1)]
    if not len(seen):
        return np.inf
    return float(np.median(np.nanmax(seen, axis=1) - np.nanmin(seen, axis=1), axis=0).max())


def _joint_colours(pose: Pose, weights: ArrayLike | None) -> NDArray[np.uint8]:
    """Colours (1 or T, V, 3) of the joints."""
    frames_, joints = pose.confidence.shape
    if weights is None:
        return _cividis(np.full((1, joints), PLAIN))
    level = np.atleast_2d(np.asarray(weights, dtype=np.float64))
    if level.shape not in ((1, joints), (frames_, joints)):
        raise ConfigError(
            "E702",
            f"Joint weights of shape {np.shape(weights)}",
            remedy=f"Give ({joints},) or ({frames_}, {joints}), in the order of the skeleton",
        )
    most = np.nanmax(level) if np.isfinite(level).any() else 1.0
    return _cividis(np.nan_to_num(level) / max(float(most), 1e-12))


def _cividis(level: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Colours (..., 3) on the cividis scale, legible with any colour vision."""
    cv2 = library("cv2", extra="video")
    steps = np.clip(np.nan_to_num(level) * 255, 0, 255).astype(np.uint8)
    scale = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[None], cv2.COLORMAP_CIVIDIS)[0]
    return scale[steps][..., ::-1]


def _fitted(image: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    """A copy at most `longest` pixels long."""
    return image.copy() if max(image.shape[:2]) <= longest else resized(image, longest)


def _write(
    cv2: Any,
    image: NDArray[np.uint8],
    text: str,
    place: tuple[int, int],
    colour: tuple[int, int, int] = WHITE,
) -> int:
    """Write text in a dark box, its baseline starting at `place`; return its width."""
    size = _size(image)
    (width, height), below = cv2.getTextSize(text, FONT, size, 1)
    x, y = place
    cv2.rectangle(image, (x - 3, y - height - 3), (x + width + 3, y + below), DARK, -1)
    cv2.putText(image, text, place, FONT, size, colour, 1, cv2.LINE_AA)
    return width


def _width(cv2: Any, image: NDArray[np.uint8], text: str) -> int:
    return cv2.getTextSize(text, FONT, _size(image), 1)[0][0]


def _size(image: NDArray[np.uint8]) -> float:
    """Of letters, for images of different width."""
    return 0.5 if image.shape[1] >= 480 else 0.4


def _dot(point: NDArray[np.float64]) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))


def _clock(second: float) -> str:
    return f"{int(second) // 60}:{int(second) % 60:02d}"
