"""From the drawn film of a simulated infant to a risk: as from the true joints?

    fidgety demo --out demo
    python benchmarks/film_agreement.py --model demo/study/runs/demo_seed0/model.fidgety

Simulated infants the model has not seen are drawn as films, looked at by BlazePose, judged by the
quality gate and assessed; beside it the same model assesses the true joints of the film, and the
joints as the simulator's own tracker reports them. Some are also filmed badly: nearly dark, from
afar, with a blanket over the legs, with the legs out of the picture. Seen: the needed joints lie,
in the median, within 0.15 trunk lengths of the truth, in at least 90 % of the frames. Exchanged:
share of their positions with left for right, as estimated and once put back. Drawn infants
are no infants: this measures the way from a film to a risk, not how well infants are seen.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from fidgety.assess import Assessment, Assessor
from fidgety.pose.encode import write_video
from fidgety.pose.estimators import estimate
from fidgety.pose.pose import Pose
from fidgety.pose.quality import repair_swaps
from fidgety.simulate import (
    SimulatedRecording,
    film_pictures,
    film_scale,
    simulate_infant,
)

FIRST_SEED = 2_000_000  # far from those of any study
NEEDED = tuple(
    f"{side}_{joint}"
    for side in ("left", "right")
    for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
)
AGREE = 0.10  # of the risk


Change = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def as_filmed(image: np.ndarray, _: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The picture, and the affine map (2, 3) of where its points went; so do the others."""
    return image, np.eye(2, 3)


def dark(image: np.ndarray, _: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return (image * 0.06).astype(np.uint8), np.eye(2, 3)


def afar(image: np.ndarray, _: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    small = cv2.resize(image, None, fx=1 / 7, fy=1 / 7, interpolation=cv2.INTER_AREA)
    across, down = (n - m for n, m in zip(image.shape[1::-1], small.shape[1::-1], strict=True))
    whole = np.full_like(image, np.median(image, axis=(0, 1)).astype(np.uint8))
    up, left = down // 2, across // 2
    whole[up : up + small.shape[0], left : left + small.shape[1]] = small
    return whole, np.array([[1 / 7, 0, left], [0, 1 / 7, up]])


def blanket(image: np.ndarray, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Everything below the hips, as the body lies, under a plain cloth."""
    neck, hips = joints[1], joints[[8, 11]].mean(axis=0)
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    below = (np.stack([columns, rows], axis=-1) - hips) @ (hips - neck) > 0
    covered = image.copy()
    covered[below] = (96, 120, 150)
    return covered, np.eye(2, 3)


def legs_out(image: np.ndarray, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The picture moved until the hips stand at its edge."""
    neck, hips = joints[1], joints[[8, 11]].mean(axis=0)
    down = hips - neck
    size = np.array(image.shape[1::-1], dtype=float)
    axis = int(np.argmax(np.abs(down)))
    shift = np.zeros(2)
    shift[axis] = size[axis] - hips[axis] if down[axis] > 0 else -hips[axis]
    matrix = np.column_stack([np.eye(2), shift])
    ground = np.median(image, axis=(0, 1)).tolist()
    return cv2.warpAffine(image, matrix, image.shape[1::-1], borderValue=ground), matrix


BAD: tuple[Change, ...] = (dark, afar, blanket, legs_out)


def filmed(
    recording: SimulatedRecording, change: Change, film: Path, longest: int
) -> tuple[Path, np.ndarray]:
    """The film, changed as its first frame is, and where its true joints are (T, V, 2)."""
    true = recording.filmed * film_scale(recording, longest)
    pictures = film_pictures(recording, longest)
    write_video(film, (change(image, true[0])[0] for image in pictures), recording.pose.fps)
    _, matrix = change(next(film_pictures(recording, longest)), true[0])
    return film, true @ matrix[:, :2].T + matrix[:, 2]


def error_of(pose: Pose, true: np.ndarray) -> tuple[float, float]:
    """Share of frames in which the body is seen, and the median error in trunk lengths."""
    trunk = np.median(np.linalg.norm(true[:, 1] - true[:, [8, 11]].mean(axis=1), axis=1))
    seen = pose.to_skeleton("openpose18")
    rows = seen.skeleton.rows(*NEEDED)
    apart = np.linalg.norm(seen.xy[:, rows] - true[:, rows], axis=2)
    middle = np.median(np.nan_to_num(apart, nan=np.inf), axis=1) / trunk  # (T,)
    near = apart[np.isfinite(apart)]
    return float((middle < 0.15).mean()), float(np.median(near) / trunk) if len(near) else np.nan


def exchanged(pose: Pose, true: np.ndarray) -> float:
    """Share of the needed joints' positions at which left and right are the wrong way round."""
    seen = pose.to_skeleton("openpose18")
    shares = []
    for left in NEEDED[: len(NEEDED) // 2]:
        rows = seen.skeleton.rows(left, left.replace("left", "right"))
        own = np.linalg.norm(seen.xy[:, rows] - true[:, rows], axis=2).sum(axis=1)
        other = np.linalg.norm(seen.xy[:, rows] - true[:, rows[::-1]], axis=2).sum(axis=1)
        shares.append((other < own).mean())
    return float(np.mean(shares))


def truth(recording: SimulatedRecording, longest: int) -> Pose:
    scale = film_scale(recording, longest)
    width, height = (round(scale * n) for n in recording.camera.size)
    xy = scale * recording.filmed
    outside = ((xy < 0) | (xy > (width - 1, height - 1))).any(axis=2)
    xy[outside] = np.nan
    pose = recording.pose
    return Pose.at_fps(xy, 1.0 - outside, pose.fps, pose.skeleton, (width, height), source="truth")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--infants", type=int, default=10)
    parser.add_argument("--bad", type=int, default=2, help="infants also filmed badly, each way")
    parser.add_argument("--seconds", type=float, default=24.0)
    parser.add_argument("--longest", type=int, default=640, help="pixels of the films")
    parser.add_argument("--fps", type=float, default=20.0)
    parser.add_argument("--difficulty", default="easy")
    parser.add_argument("--only", type=int, help="this film of them alone, counted from 0")
    parser.add_argument("--keep", type=Path, help="folder for the films")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    assessor = Assessor.load(given.model)
    rows: list[Row] = []
    print("| infant | filmed | seen, % | error | exchanged, % | verdict | reasons ", end="")
    print("| true | tracked | film |\n" + "|---" * 10 + "|")
    films = [(number, as_filmed) for number in range(given.infants)]
    films += [(number, change) for number in range(given.bad) for change in BAD]
    if given.only is not None:
        films = [films[given.only]]
    with tempfile.TemporaryDirectory() as temporary:
        for number, change in films:
            (recording,) = simulate_infant(
                FIRST_SEED + number,
                label=number % 2,
                seconds=given.seconds,
                fps=given.fps,
                difficulty=given.difficulty,
                infant_id=f"f{number:02d}",
            )
            place = (given.keep or Path(temporary)) / f"{recording.name}_{change.__name__}.mp4"
            film, places = filmed(recording, change, place, given.longest)
            pose = estimate(film)
            seen, error = error_of(pose, places)
            wrong, left = exchanged(pose, places), exchanged(repair_swaps(pose), places)
            true = assessor.assess(truth(recording, given.longest)).risk
            tracked = assessor.assess(recording.pose).risk
            found = assessor.assess(pose)
            rows.append((seen, true, tracked, found))
            codes = sorted({reason["code"] for reason in found.quality["reasons"]})
            print(
                f"| {recording.name} ({recording.pattern}) | {change.__name__} | "
                f"{100 * seen:.0f} | {error:.3f} | "
                f"{100 * wrong:.1f}, then {100 * left:.1f} | {found.quality['verdict']} | "
                f"{' '.join(codes)} | {_risk(true)} | {_risk(tracked)} | {_risk(found.risk)} |",
                flush=True,
            )
    summary(rows)


Row = tuple[float, float | None, float | None, Assessment]


def summary(rows: list[Row]) -> None:
    counts: Counter[str] = Counter()
    differences, noise, pairs = [], [], []
    for seen, true, tracked, found in rows:
        if seen < 0.9:
            told = {"refused": "refused", "caution": "cautioned"}.get(found.quality["verdict"])
            counts["not seen, " + (told or "NOT TOLD")] += 1
        elif found.risk is None or true is None:
            counts["seen, refused all the same"] += 1
        else:
            differences.append(abs(found.risk - true))
            pairs.append((true, found.risk))
            if tracked is not None:
                noise.append(abs(tracked - true))
            side = (found.risk >= 0.5) == (true >= 0.5)
            counts["seen, same side of 0.5" if side else "seen, other side of 0.5"] += 1
    print()
    for what, count in sorted(counts.items()):
        print(f"{what}: {count} of {len(rows)}")
    if differences:
        print(f"|film - true|: median {np.median(differences):.3f}, most {max(differences):.3f}; "
              f"within {AGREE}: {np.mean(np.array(differences) <= AGREE):.0%}")  # fmt: skip
        print(f"|tracked - true|: median {np.median(noise):.3f}, most {max(noise):.3f}")
        print(f"correlation of risks, film with true: {np.corrcoef(np.array(pairs).T)[0, 1]:.3f}")


def _risk(risk: float | None) -> str:
    return "none" if risk is None else f"{risk:.2f}"


if __name__ == "__main__":
    main()
