"""Top-down ONNX models, RTMPose and ViTPose, from a weights file that the user names.

Such a model reads one upright person at a time. The body is found and turned upright by the
BlazePose detector and then followed by the model's own joints.

Sources: Jiang et al. 2023, RTMPose (arXiv 2303.07399): one distribution along x and one along y for
each joint (SimCC). Xu et al. 2022, ViTPose (arXiv 2204.12484): a heatmap for each joint.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import ConfigError, VideoError
from fidgety.files import existing
from fidgety.pose.estimators.crops import Square, cut, to_image
from fidgety.pose.estimators.detector import Detector, PeopleFinder, around
from fidgety.pose.estimators.follow import MAIN_JOINTS, Finder, Follower
from fidgety.pose.estimators.landmarks import Reading
from fidgety.pose.estimators.protocol import Region, Sight
from fidgety.pose.estimators.weights import weights_path
from fidgety.pose.optional import library
from fidgety.pose.skeleton import Skeleton, load_skeleton

__all__ = ["OnnxTopDown", "heatmap_peaks", "simcc_peaks"]

LAYOUTS = {17: "coco17", 26: "halpe26"}
MEAN = np.array([123.675, 116.28, 103.53], dtype=np.float32)  # of ImageNet, red green blue
SPREAD = np.array([58.395, 57.12, 57.375], dtype=np.float32)
DEFAULT_SIZE = (192, 256)  # width and height, where the model takes any
RIM = 1.15  # radius of the body circle, in distances from the hips to the farthest joint seen
SEEN = 0.3


class OnnxTopDown:
    """Pose estimator with an ONNX model on onnxruntime.

    Parameters
    ----------
    weights : path-like
        The ``.onnx`` file. Its input is (1, 3, height, width), normalised as ImageNet; its outputs
        are (1, V, x bins) and (1, V, y bins), or (1, V, rows, columns).
    region : (x, y, width, height), optional
        Where the infant lies, in pixels.
    threads : int
        Threads of the model.
    skeleton : str, optional
        Layout of its joints; COCO-17 or Halpe-26 by their number.
    people : {"blazepose", "one"}
        How bodies are found: by the BlazePose detector (needs its weights), or not at all: one body
        fills the region, or the image.

    Raises
    ------
    FileError
        E504 no such file.
    VideoError
        E607 extra missing; E630 not a model onnxruntime can read; E631 its input or outputs are not
        those of a top-down model; E632 its number of joints does not fit a layout.
    ConfigError
        E702 an unknown way to find people.
    """

    def __init__(
        self,
        weights: str | os.PathLike[str],
        region: Region | None = None,
        threads: int = 1,
        skeleton: str | None = None,
        people: Literal["blazepose", "one"] = "blazepose",
    ) -> None:
        if people not in ("blazepose", "one"):
            raise ConfigError("E702", f"people={people!r}", remedy="Choose blazepose or one")
        model = _TopDown(weights, threads, skeleton)
        self.skeleton = model.skeleton
        self.source = f"onnx {model.kind} ({existing(weights).name})"
        finder: Finder = _Alone(model, region)
        if people == "blazepose":
            detector = Detector(weights_path("pose_detection.tflite"), threads)
            finder = PeopleFinder(detector, region)
        self._follower = Follower(model, finder, self.skeleton, region)

    def __call__(self, image: NDArray[np.uint8], time_s: float) -> Sight:
        """Look at the next frame of the film."""
        return self._follower(image, time_s)


class _TopDown:
    """The model itself: one upright crop in, joints out."""

    def __init__(self, weights: str | os.PathLike[str], threads: int, skeleton: str | None) -> None:
        self._session = _session(weights, threads)
        self._name, self._size = _input_of(self._session, weights)  # width, height
        raw = self._run(np.zeros((1, 3, self._size[1], self._size[0]), dtype=np.float32))
        self.kind = _kind_of(raw, weights)
        count = raw[0].shape[1]
        layout = skeleton or LAYOUTS.get(count)
        self.skeleton: Skeleton = load_skeleton(layout) if layout else load_skeleton("coco17")
        if layout is None or len(self.skeleton) != count:
            raise VideoError(
                "E632",
                f"The model gives {count} joints, {self.skeleton.name} has {len(self.skeleton)}",
                where=Path(weights).name,
                remedy="Use a model of COCO-17 or Halpe-26, or name the layout of its joints",
            )
        self._main = self.skeleton.rows(*MAIN_JOINTS)
        self._hips = self.skeleton.rows("left_hip", "right_hip")
        self._shoulders = self.skeleton.rows("left_shoulder", "right_shoulder")

    def read(self, image: NDArray[np.uint8], square: Square) -> Reading:
        """The joints of the body in a square."""
        width, height = self._size
        crop = cut(image, square, width, height)
        pixels = ((crop - MEAN) / SPREAD).transpose(2, 0, 1)[None]  # (1, 3, H, W)
        raw = self._run(pixels.astype(np.float32))
        peaks = simcc_peaks if self.kind == "simcc" else heatmap_peaks
        points, confidence = peaks(*[values[0] for values in raw], size=(width, height))
        xy = to_image(points, square, width, height)
        return Reading(
            xy=xy,
            confidence=confidence,
            score=float(np.quantile(confidence[self._main], 0.75)),
            square=self._next(xy, confidence, square),
        )

    def _next(
        self, xy: NDArray[np.float64], confidence: NDArray[np.float64], square: Square
    ) -> Square:
        """The square around the body: hips in its middle, shoulders upwards of them."""
        seen = confidence >= SEEN
        ends = np.concatenate([self._hips, self._shoulders])
        if not seen[ends].all():
            return square
        hip, shoulder = xy[self._hips].mean(axis=0), xy[self._shoulders].mean(axis=0)
        trunk = shoulder - hip
        radius = RIM * np.hypot(*(xy[seen] - hip).T).max()
        return around(hip, hip + trunk * radius / max(float(np.hypot(*trunk)), 1e-6))

    def _run(self, pixels: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        return self._session.run(None, {self._name: pixels})


class _Alone:
    """A finder for films in which one body fills the region or the image."""

    def __init__(self, model: _TopDown, region: Region | None) -> None:
        self._model, self._region = model, region

    def search(self, image: NDArray[np.uint8]) -> list[Square]:
        height, width = image.shape[:2]
        left, top, width, height = self._region or (0, 0, width, height)
        middle, side = (left + width / 2, top + height / 2), float(max(width, height))
        turned = [Square(*middle, side, turn * np.pi / 2) for turn in range(4)]
        return [max(turned, key=lambda square: self._model.read(image, square).score)]

    def near(self, image: NDArray[np.uint8], square: Square) -> list[Square]:
        return [square, *self.search(image)]

    def glance(self, image: NDArray[np.uint8]) -> list[Square]:
        return []

    def confirms(self, image: NDArray[np.uint8], square: Square) -> bool:
        return True


def simcc_peaks(
    x: NDArray[np.floating], y: NDArray[np.floating], size: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Places (V, 2) in input pixels and confidences (V,) of SimCC bins (V, x bins), (V, y bins).

    The confidence is the lower of the two peaks, held within 0 to 1.
    """
    bins = np.stack([x.argmax(axis=1), y.argmax(axis=1)], axis=1)  # (V, 2)
    per_pixel = np.array([x.shape[1] / size[0], y.shape[1] / size[1]])
    peak = np.minimum(x.max(axis=1), y.max(axis=1))
    return bins / per_pixel, np.clip(peak, 0, 1).astype(np.float64)


def heatmap_peaks(
    heatmaps: NDArray[np.floating], size: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Places (V, 2) in input pixels and confidences (V,) of heatmaps (V, rows, columns).

    Between cells the place is the top of the parabola through the logarithms of the highest cell
    and its neighbours: exact for a Gaussian. First and last cell are first and last pixel (UDP).
    """
    count, rows, columns = heatmaps.shape
    flat = heatmaps.reshape(count, -1)
    best, joint = flat.argmax(axis=1), np.arange(count)
    row, column = np.divmod(best, columns)
    log = np.log(np.maximum(heatmaps, 1e-6)).astype(np.float64)

    def between(before: Any, here: Any, after: Any) -> Any:
        bend = before - 2 * here + after
        safe = np.where(bend < -1e-9, bend, -1.0)
        return np.where(bend < -1e-9, np.clip((before - after) / (2 * safe), -0.5, 0.5), 0.0)

    here = log[joint, row, column]
    inner_x, inner_y = (column > 0) & (column < columns - 1), (row > 0) & (row < rows - 1)
    dx = between(
        log[joint, row, np.maximum(column - 1, 0)],
        here,
        log[joint, row, np.minimum(column + 1, columns - 1)],
    )
    dy = between(
        log[joint, np.maximum(row - 1, 0), column],
        here,
        log[joint, np.minimum(row + 1, rows - 1), column],
    )
    cells = np.stack([column + inner_x * dx, row + inner_y * dy], axis=1)
    pixels = cells * ((size[0] - 1) / max(columns - 1, 1), (size[1] - 1) / max(rows - 1, 1))
    return pixels, np.clip(flat.max(axis=1), 0, 1).astype(np.float64)


def _session(weights: str | os.PathLike[str], threads: int) -> Any:
    onnxruntime = library("onnxruntime", extra="onnx")
    path = existing(weights, "weights file")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # errors come as exceptions
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own classes have no common base of their own
        raise VideoError(
            "E630",
            f"{path.name} is not a model that onnxruntime can read",
            why=str(error).splitlines()[0][:200] if str(error) else type(error).__name__,
            remedy="Give the .onnx file of an RTMPose or ViTPose model",
        ) from error


def _input_of(session: Any, weights: str | os.PathLike[str]) -> tuple[str, tuple[int, int]]:
    """Name of the model's input, and its width and height."""
    inputs = session.get_inputs()
    shape = inputs[0].shape if len(inputs) == 1 else []
    if len(shape) != 4 or shape[1] not in (3, "num_channels") or "float" not in inputs[0].type:
        raise _not_top_down(weights, f"its inputs are {[one.shape for one in inputs]}")
    height, width = shape[2:]
    if isinstance(height, int) and isinstance(width, int):
        return inputs[0].name, (width, height)
    return inputs[0].name, DEFAULT_SIZE


def _kind_of(raw: list[NDArray[np.float32]], weights: str | os.PathLike[str]) -> str:
    shapes = [values.shape for values in raw]
    if len(shapes) == 2 and all(len(s) == 3 for s in shapes) and shapes[0][1] == shapes[1][1]:
        return "simcc"
    if len(shapes) == 1 and len(shapes[0]) == 4:
        return "heatmap"
    raise _not_top_down(weights, f"its outputs are {shapes}")


def _not_top_down(weights: str | os.PathLike[str], why: str) -> VideoError:
    return VideoError(
        "E631",
        "Not a top-down pose model",
        where=Path(weights).name,
        why=why,
        remedy="Give an RTMPose model (two outputs, SimCC) or a ViTPose model (one, heatmaps)",
    )
