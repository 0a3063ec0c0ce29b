"""MINI-RGBD: rendered infants with the true place of 25 joints, one small text file a frame.

A recording is a folder such as ``01`` with ``joints_2Ddep/syn_joints_2Ddep_00000.txt`` ...; each
line of a file is x and y in pixels, depth, and the number of the joint. Hesse et al. 2018, doi
10.1007/978-3-030-11024-6_3; the layout as public loaders of the data read it (docs/datasets.md).
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import PoseError
from fidgety.pose.formats.bodies import BodyFrames, pose_of
from fidgety.pose.formats.source import (
    MAX_FRAMES,
    Given,
    Source,
    malformed,
    number_array,
    read_bytes,
    too_many_frames,
)
from fidgety.pose.pose import Pose
from fidgety.pose.skeleton import Skeleton

__all__ = ["SMIL25", "is_recording", "read", "recognise"]

FOLDER, PREFIX = "joints_2Ddep", "syn_joints_2Ddep_"
SIZE = (640, 480)  # of every rendered image
MAX_FRAME_BYTES = 1 << 16
# The joints of the SMIL body in the order of their numbers, named by the place they mark: its
# leftUpperArm turns in the shoulder and its leftFoot in the ankle; its leftShoulder is the collar.
SMIL25 = Skeleton.from_dict(
    tomllib.loads(
        """
        name = "smil25"
        center = "neck"
        joints = [
          "mid_hip", "left_hip", "right_hip", "spine", "left_knee", "right_knee", "spine1",
          "left_ankle", "right_ankle", "spine2", "left_toes", "right_toes", "neck",
          "left_collar", "right_collar", "head", "left_shoulder", "right_shoulder",
          "left_elbow", "right_elbow", "left_wrist", "right_wrist",
          "left_fingers", "right_fingers", "nose",
        ]
        bones = [
          ["spine", "mid_hip"], ["spine1", "spine"], ["spine2", "spine1"], ["neck", "spine2"],
          ["head", "neck"], ["nose", "head"],
          ["left_hip", "mid_hip"], ["left_knee", "left_hip"], ["left_ankle", "left_knee"],
          ["left_toes", "left_ankle"], ["left_collar", "neck"], ["left_shoulder", "left_collar"],
          ["left_elbow", "left_shoulder"], ["left_wrist", "left_elbow"],
          ["left_fingers", "left_wrist"],
          ["right_hip", "mid_hip"], ["right_knee", "right_hip"], ["right_ankle", "right_knee"],
          ["right_toes", "right_ankle"], ["right_collar", "neck"],
          ["right_shoulder", "right_collar"], ["right_elbow", "right_shoulder"],
          ["right_wrist", "right_elbow"], ["right_fingers", "right_wrist"],
        ]
        [parts]
        head = ["nose", "head"]
        trunk = ["neck", "spine2", "spine1", "spine", "mid_hip", "left_collar", "right_collar"]
        right_arm = ["right_shoulder", "right_elbow", "right_wrist", "right_fingers"]
        left_arm = ["left_shoulder", "left_elbow", "left_wrist", "left_fingers"]
        right_leg = ["right_hip", "right_knee", "right_ankle", "right_toes"]
        left_leg = ["left_hip", "left_knee", "left_ankle", "left_toes"]
        """
    )
)
JOINTS = len(SMIL25)


def is_recording(folder: Path) -> bool:
    """True for the folder of one sequence."""
    return next((folder / FOLDER).glob(f"{PREFIX}*.txt"), None) is not None


def recognise(source: Source) -> bool:
    """True for the folder of one sequence; its text files alone are not enough."""
    return source.is_folder and is_recording(source.path)


def read(source: Source, given: Given) -> Pose:
    """Read one sequence: 25 joints by their numbers, in pixels; depth is left out.

    The positions are those of the rendered body, so every confidence is 1, also where a limb hides
    a joint. Frame numbers come from the file names, the rate from `fps`: the files hold none.

    Raises
    ------
    PoseError
        E334 or E340 a file that is not 25 lines of x, y, depth, number; E316 no fps.
    """
    files = sorted((source.path / FOLDER).glob(f"{PREFIX}*.txt"))
    if not files:
        malformed(source.name, f"it has no files {FOLDER}/{PREFIX}00000.txt ...")
    if len(files) > MAX_FRAMES:
        too_many_frames(len(files), source.name)
    numbers = [file.stem.removeprefix(PREFIX) for file in files]
    strange = next((text for text in numbers if not text.isdecimal() or len(text) > 18), None)
    if strange is not None:
        raise PoseError(
            "E339",
            f"A file name without a frame number: {PREFIX}{strange[:40]}.txt",
            where=source.name,
            remedy=f"Keep only the dataset's own files in {FOLDER}",
        )
    frames = BodyFrames(
        np.array([int(text) for text in numbers], dtype=np.int64),
        [_joints(file)[None] for file in files],
        skeleton=SMIL25,
        size=given.size or SIZE,
    )
    return pose_of(frames, given, "mini-rgbd", source.name)


def _joints(file: Path) -> NDArray[np.float64]:
    """x, y and confidence 1 of the joints of one frame (25, 3), each in the row of its number."""
    try:
        rows = [line.split() for line in read_bytes(file, MAX_FRAME_BYTES).decode().splitlines()]
        cells = [[float(cell) for cell in row] for row in rows if row]
    except ValueError:
        malformed(file.name, "a line is not x, y, depth and the joint's number")
    table = number_array(cells, file.name)  # (25, 4)
    if table.shape != (JOINTS, 4) or sorted(table[:, 3]) != list(range(JOINTS)):
        malformed(file.name, f"it is not one line for each of the joints 0 to {JOINTS - 1}")
    points = np.ones((JOINTS, 3))
    points[table[:, 3].astype(np.intp), :2] = table[:, :2]
    return points
