"""Where the time of a frame goes: processor time of each part of `estimate`, one thread.

    python benchmarks/blazepose_parts.py [--seconds 4] [--sizes 1280x720 ...]

A film of a swinging person, as in `blazepose_speed.py`, is decoded; then each part works on its
pictures alone: the search for the body in the first one (once a film), a look around for others
(once a second), following it, and within that cutting out the body, the pruned landmark model
(beside the one as published) and what else is done; light and blur, and the camera's motion.
Milliseconds of processor time a frame, of the search a film, of the look around a second.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from blazepose_scene import Scene, swinging
from blazepose_speed import FPS, SIZES, size_of

from fidgety.pose.encode import write_video
from fidgety.pose.estimators.blazepose import BlazePose
from fidgety.pose.estimators.crops import box_of, cut
from fidgety.pose.estimators.detector import Detector, PeopleFinder
from fidgety.pose.estimators.film import CAMERA_SIDE, SHARPNESS_SIDE, FilmMeter
from fidgety.pose.estimators.landmarks import INPUT, OUTPUTS, Landmarks
from fidgety.pose.estimators.tflite import interpreter
from fidgety.pose.estimators.weights import weights_path
from fidgety.pose.video import frames, resized


def spent(work: Callable[[Any], object], items: Iterable[Any]) -> float:
    """Milliseconds of processor time an item."""
    given = list(items)
    start = time.process_time()
    for item in given:
        work(item)
    return 1000 * (time.process_time() - start) / len(given)


def parts(size: tuple[int, int], seconds: float) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        film = write_video(Path(folder) / "a.mp4", swinging(Scene(size=size), seconds, FPS), FPS)
        images = [frame.image for frame in frames(film)]
        decoding = spent(lambda _: sum(1 for _ in frames(film)), [0]) / len(images)
    landmark = weights_path("pose_landmark_full.tflite")
    estimator = BlazePose()
    search = spent(lambda image: estimator(image, 0.0), images[:1])
    sights = []
    follow = spent(lambda image: sights.append(estimator(image, 0.5)), images[1:])
    reader = Landmarks(landmark)
    finder = PeopleFinder(Detector(weights_path("pose_detection.tflite")))
    square = finder.search(images[0])[0]
    meter = FilmMeter()
    boxes = [box_of(sight.xy) for sight in sights]
    film_measures = spent(lambda pair: meter(*pair), zip(images[1:], boxes, strict=True))
    return {
        "decoding": decoding,
        "search, a film": search,
        "look around, a second": spent(finder.glance, images[:8]),
        "following": follow,
        "of it: cutting out": spent(lambda image: cut(image, square, INPUT), images),
        "of it: model, pruned": model_time(interpreter(landmark, 1, outputs=OUTPUTS)),
        "(model, published)": model_time(interpreter(landmark, 1)),
        "of it: all but the model": spent(lambda image: reader.read(image, square), images)
        - model_time(interpreter(landmark, 1, outputs=OUTPUTS)),
        "film measures": film_measures,
        "of it: light and blur": spent(light_and_blur, images),
    }


def model_time(model: Any) -> float:
    into = model.get_input_details()[0]
    model.set_tensor(into["index"], np.random.default_rng(0).random(into["shape"], np.float32))
    return spent(lambda _: model.invoke(), range(40))


def light_and_blur(image: np.ndarray) -> None:
    grey = resized(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), SHARPNESS_SIDE)
    cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_16S))
    resized(grey, CAMERA_SIDE).mean()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--sizes", type=size_of, nargs="+", default=SIZES)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    found = [parts(size, given.seconds) for size in given.sizes]
    print("| ms | " + " | ".join(f"{width}x{height}" for width, height in given.sizes) + " |")
    print("|---" * (1 + len(found)) + "|")
    for name in found[0]:
        print(f"| {name} | " + " | ".join(f"{one[name]:.2f}" for one in found) + " |")


if __name__ == "__main__":
    main()
