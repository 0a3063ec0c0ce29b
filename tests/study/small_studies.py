"""Small synthetic studies for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from fidgety.pose.pose import Pose
from fidgety.pose.skeleton import load_skeleton
from fidgety.study.study import Recording, Study

SKELETON = load_skeleton("openpose18")
# A supine infant seen from above, pixels: nose, neck, right and left arm, right and left leg, face.
BODY = np.array(
    [
        *((320, 120), (320, 180), (280, 180), (240, 220), (220, 260), (360, 180), (400, 220)),
        *((420, 260), (295, 320), (270, 380), (280, 440), (345, 320), (370, 380), (360, 440)),
        *((310, 110), (330, 110), (300, 120), (340, 120)),
    ],
    dtype=float,
)


def a_pose(seed: int, frames: int = 90, fps: float = 30.0) -> Pose:
    """A moving body, another for every seed."""
    rng = np.random.default_rng(seed)
    time = np.arange(frames) / fps
    waves = 8 * np.sin(2 * np.pi * time[:, None, None] + rng.uniform(0, 6, (1, 18, 2)))
    xy = BODY + waves + rng.normal(0, 0.3, (frames, 18, 2))
    return Pose.at_fps(xy, np.ones((frames, 18)), fps, SKELETON, (640, 480), "test")


def write_study(
    root: Path,
    labels: str | bytes | None,
    recordings: Iterable[str],
    *,
    name: str = "labels.csv",
    frames: int = 20,
) -> Path:
    """A study folder with a different film for each recording."""
    for seed, recording in enumerate(recordings):
        a_pose(seed, frames).save(root / "estimated_poses" / f"{recording}.parquet")
    if labels is not None:
        content = labels.encode() if isinstance(labels, str) else labels
        root.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def write_sequences(root: Path, names: Iterable[str], channels: int = 7, frames: int = 40) -> None:
    """pose_sequences as the reference leaves them: arrays alone."""
    for seed, name in enumerate(names):
        values = np.random.default_rng(seed).normal(size=(channels, frames, 18))
        folder = root / "pose_sequences" / name
        folder.mkdir(parents=True)
        np.save(folder / "raw_skel.npy", values)


def study_of(
    infants: dict[str, int],
    recordings: dict[str, int] | None = None,
    sites: dict[str, str] | None = None,
    root: Path = Path("nowhere"),
) -> Study:
    """A study without files: infant -> label, and how many recordings each has (default 1)."""
    rows = [
        Recording(f"{infant}_v{k}", infant, label, None, (sites or {}).get(infant))
        for infant, label in infants.items()
        for k in range((recordings or {}).get(infant, 1))
    ]
    return Study(root, tuple(sorted(rows, key=lambda row: row.name)))


def cohort(abnormal: int, normal: int) -> dict[str, int]:
    """Infant codes with labels."""
    return {f"a{k:03}": 1 for k in range(abnormal)} | {f"n{k:03}": 0 for k in range(normal)}
