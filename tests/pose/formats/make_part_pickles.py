"""Write a small table of body parts as pandas pickles it: python make_part_pickles.py FOLDER.

An imitation of Chambers' ``pose_estimates.pkl``: the columns, the merges that leave rows without
positions, and the numbers kept one by one, as their published code makes them. Run once with each
of several versions of pandas; the tests need no pandas. `position` is what must be read back.
"""

from __future__ import annotations

import sys
from pathlib import Path

LIMBS = ("Shoulder Elbow Wrist", "Hip Knee Ankle")
PARTS = [
    *("Nose", "Neck"),
    *(side + joint for limb in LIMBS for side in "RL" for joint in limb.split()),
    *("REye", "LEye", "REar", "LEar"),
]
VIDEOS = {"video_000001": (30.0, 640, 480), "video_000002": (24.0, 1280, 720)}
FRAMES = 4
LOST = (2, "LEar")  # frame and part without a position


def position(video: str, frame: int, part: int) -> tuple[float, float]:
    """x and y of one part."""
    return 100.0 + 10 * part + frame + 5 * int(video[-1]), 50.0 + 7 * part + 0.5 * frame


def rows() -> list[dict[str, object]]:
    """Rows as they stand in the table: part by part, frames not in order."""
    out: list[dict[str, object]] = []
    for part, name in enumerate(PARTS):
        for video, (fps, width, height) in VIDEOS.items():
            for frame in reversed(range(FRAMES)):
                x, y = position(video, frame, part)
                lost = (frame, name) == LOST
                out.append(
                    {
                        "video": video,
                        "frame": float(frame),
                        "x": None if lost else x,
                        "y": None if lost else y,
                        "bp": name,
                        "fps": fps,
                        "pixel_x": width,
                        "pixel_y": height,
                        "time": frame / fps,
                        "part_idx": float(part),
                    }
                )
    return out


def main() -> None:
    import pandas as pd

    folder = Path(sys.argv[1])
    frame = pd.DataFrame(rows())
    frame["x"], frame["y"] = frame["x"].astype(object), frame["y"].astype(object)
    frame.to_pickle(folder / f"parts-pandas{pd.__version__}.pkl", protocol=4)


if __name__ == "__main__":
    main()
