"""Small ONNX graphs with the inputs and outputs of RTMPose and ViTPose, and a film they can read.

Each joint belongs to one colour: head and shoulders are where it is reddest, hips where it is
greenest, all limbs where it is bluest.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fidgety.pose.skeleton import load_skeleton

RED, GREEN, BLUE = (110, 60), (110, 100), (110, 140)  # places in the film's pictures


def channels(layout: str) -> list[int]:
    """Colour of each joint."""
    upper = {"nose", "head_top", "neck"}
    found = []
    for joint in load_skeleton(layout).joints:
        part = joint.split("_", 1)[-1]
        if joint in upper or part in ("eye", "ear", "shoulder"):
            found.append(0)
        else:
            found.append(1 if part == "hip" else 2)
    return found


def save(path: Path, nodes, outputs, constants, size, joints=None) -> Path:
    width, height = size
    graph = helper.make_graph(
        nodes,
        "pose",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, height, width])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(path))
    return path


def simcc(
    path: Path, layout: str = "coco17", size=(192, 256), rows: list[int] | None = None
) -> Path:
    """Two bins a pixel along x and y, as RTMPose gives them."""
    width, height = size
    node = helper.make_node
    nodes = [
        node("Sigmoid", ["input"], ["light"]),
        node("Gather", ["light", "rows"], ["joints"], axis=1),
        node("ReduceMax", ["joints"], ["along_x"], axes=[2], keepdims=0),
        node("ReduceMax", ["joints"], ["along_y"], axes=[3], keepdims=0),
        node("Resize", ["along_x", "", "", "wide"], ["simcc_x"], mode="linear"),
        node("Resize", ["along_y", "", "", "high"], ["simcc_y"], mode="linear"),
    ]
    chosen = channels(layout) if rows is None else rows
    constants = {
        "rows": np.array(chosen, dtype=np.int64),
        "wide": np.array([1, len(chosen), 2 * width], dtype=np.int64),
        "high": np.array([1, len(chosen), 2 * height], dtype=np.int64),
    }
    return save(path, nodes, ["simcc_x", "simcc_y"], constants, size)


def heatmap(path: Path, layout: str = "coco17", size=(192, 256)) -> Path:
    """One map a joint, a quarter of the input's size, as ViTPose gives them."""
    node = helper.make_node
    nodes = [
        node("Sigmoid", ["input"], ["light"]),
        node("Gather", ["light", "rows"], ["joints"], axis=1),
        node("AveragePool", ["joints"], ["maps"], kernel_shape=[4, 4], strides=[4, 4]),
    ]
    rows = np.array(channels(layout), dtype=np.int64)
    return save(path, nodes, ["maps"], {"rows": rows}, size)


def picture(shift: float = 0.0, size=(240, 200)) -> np.ndarray:
    """A red, a green and a blue spot below each other on dark ground: a body standing upright."""
    rows, columns = np.mgrid[: size[1], : size[0]]
    image = np.full((size[1], size[0], 3), 30.0)
    for channel, (x, y) in enumerate((RED, GREEN, BLUE)):
        apart = (columns - x - shift) ** 2 + (rows - y) ** 2
        image[..., channel] += 225 * np.exp(-apart / (2 * 5.0**2))
    return image.astype(np.uint8)
