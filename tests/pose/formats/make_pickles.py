"""Write a small frame of synthetic poses as pandas pickles it: python make_pickles.py FOLDER.

Run once with each of several versions of pandas to make the files in ``data``; the tests
themselves need no pandas. `ROWS` holds what must be read back.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

JOINTS = 18
FRAMES = (0, 1, 3)  # frame 2 is lost


def peak(frame: int, person: int, joint: int) -> tuple[float, float, float]:
    """x, y and confidence of one joint."""
    return 100.0 + 10 * joint + frame + 300 * person, 50.0 + 5 * joint, 0.5 + 0.02 * joint


def rows() -> list[dict[str, object]]:
    """Two people; the second has ten joints; joint 17 of the first is never seen."""
    out: list[dict[str, object]] = []
    for frame in FRAMES:
        limbs, peaks, number = -np.ones((2, JOINTS + 2)), [], 0
        for joint in range(JOINTS):
            found = []
            for person in (1, 0):
                if (joint == 17 and person == 0) or (joint >= 10 and person == 1):
                    continue
                x, y, c = peak(frame, person, joint)
                found.append((int(x), np.float64(y), float(c), number))
                limbs[1 - person, joint] = number
                number += 1
            peaks.append(found)
        limbs[:, -2] = 9.5
        limbs[:, -1] = (limbs[:, :JOINTS] >= 0).sum(axis=1)
        out.append({"video": "a", "frame": frame, "peaks": peaks, "limbs_subset": limbs})
    out.append({"video": "a", "frame": 4, "peaks": [[] for _ in range(JOINTS)],
                "limbs_subset": np.zeros((0, JOINTS + 2))})  # fmt: skip
    return out


def main() -> None:
    import pandas as pd

    folder = Path(sys.argv[1])
    frame = pd.DataFrame(rows())
    for protocol in (2, 5):
        frame.to_pickle(folder / f"pandas{pd.__version__}-p{protocol}.pkl", protocol=protocol)


if __name__ == "__main__":
    main()
