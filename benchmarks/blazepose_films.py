"""What the estimator makes of films: a table, an overlay and a contact sheet each.

    python benchmarks/blazepose_films.py FILM... --out DIR

Times are compared with those the container states; bone lengths change little from frame to frame,
so that their relative change in one step tells of wrong joints.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import av
import numpy as np

from fidgety.pose.estimators import estimate
from fidgety.pose.overlay import draw_overlay, preview
from fidgety.pose.pose import Pose

LIMBS = ("wrist", "elbow", "knee", "ankle")


def stated_times(film: Path) -> np.ndarray:
    """Presentation times of the packets, sorted, from the first: no decoding."""
    with av.open(str(film)) as container:
        stream = container.streams.video[0]
        pts = sorted(p.pts for p in container.demux(stream) if p.pts is not None)
        return np.array([float((value - pts[0]) * stream.time_base) for value in pts])


def trembling(pose: Pose) -> float:
    """Median over limb bones of the median relative change of length in one step, in %."""
    changes = []
    for child, parent in pose.skeleton.bones:
        if any(child.endswith(limb) for limb in LIMBS):
            a, b = pose.skeleton.rows(child, parent)
            length = np.hypot(*(pose.xy[:, a] - pose.xy[:, b]).T)
            sure = np.minimum(pose.confidence[:, a], pose.confidence[:, b]) >= 0.5
            both = sure[1:] & sure[:-1]
            if both.sum() > 5:
                changes.append(np.median(np.abs(np.diff(np.log(length)))[both]))
    return 100 * float(np.median(changes)) if changes else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("films", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    print("| film | frames | largest time error, s | found | people | covered | limbs, %/step |")
    print("|---|---|---|---|---|---|---|")
    for film in given.films:
        pose = estimate(film)
        draw_overlay(film, pose, given.out / f"{film.stem}.mp4")
        preview(pose, film, given.out / f"{film.stem}.png")
        error = np.abs(pose.time - stated_times(film)).max()
        found = np.isfinite(pose.xy[..., 0]).any(axis=1).mean()
        people = pose.film["people"]
        print(
            f"| {film.name} | {len(pose)} | {error:.6f} | {100 * found:.0f} % | "
            f"{people.min():.0f} to {people.max():.0f} | "
            f"{100 * pose.film['covered'].mean():.0f} % | {trembling(pose):.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
