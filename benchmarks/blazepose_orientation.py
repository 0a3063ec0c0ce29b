"""Is a person found in any orientation and size, and do the joints agree with themselves?

    python benchmarks/blazepose_orientation.py

A photographed person is turned by 0 to 330 degrees and shown at 100 to 20 % of the picture's
height (1280x720). Found: `BlazePose` follows a body at the third frame, and its nose lies within
10 % of the photograph's height of where it is. Self-consistency: distance of each joint, put back
on the photograph, from its median over the orientations; root mean square in % of the
photograph's height.
"""

from __future__ import annotations

import numpy as np
from blazepose_scene import Scene

from fidgety.pose.estimators.blazepose import BlazePose

DEGREES = range(0, 360, 30)
SHARES = (1.0, 0.75, 0.5, 0.4, 0.3, 0.25, 0.2)
NOSE, PHOTO = (225, 130), 512
GROUPS = {
    "face": ("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_mouth", "right_mouth"),
    "shoulders": ("left_shoulder", "right_shoulder"),
}


def main() -> None:
    print("| height | found | not found at | face, % | shoulders, % |")
    print("|---|---|---|---|---|")
    for share in SHARES:
        found, missed = [], []
        for degrees in DEGREES:
            scene, estimator = Scene(share=share, degrees=degrees), BlazePose(threads=2)
            image = scene.picture()
            sight = [estimator(image, frame / 30) for frame in range(3)][-1]
            joints = scene.on_photo(sight.xy)
            nose = joints[estimator.skeleton.index["nose"]]
            if np.hypot(*(nose - NOSE)) < 0.1 * PHOTO:
                found.append(joints)
            else:
                missed.append(str(degrees))
        spread = np.linalg.norm(found - np.median(found, axis=0), axis=2) / PHOTO * 100
        errors = [
            np.sqrt((spread[:, estimator.skeleton.rows(*names)] ** 2).mean())
            for names in GROUPS.values()
        ]
        cells = [
            f"{100 * share:.0f} %",
            f"{len(found)} of {len(DEGREES)}",
            ", ".join(missed) or "-",
        ]
        print("| " + " | ".join([*cells, *(f"{error:.1f}" for error in errors)]) + " |", flush=True)


if __name__ == "__main__":
    main()
