"""From the drawn film of a simulated infant to a risk: as from the true joints?

    fidgety demo --out demo
    python benchmarks/film_agreement.py --model demo/study/runs/demo_final_seed0/model.fidgety

Simulated infants the model has not seen are drawn as films, looked at by BlazePose, judged by the
quality gate and assessed; beside it the same model assesses the true joints of the film, and the
joints as the simulator's own tracker reports them. Some are also filmed badly: nearly dark, from
afar, with a blanket over the legs, with the legs out of the picture. Seen: the needed joints lie,
in the median, within 0.15 trunk lengths of the truth, in at least 90 % of the frames. Exchanged:
share of their positions with left for right, as estimated and once put back. The last column is
what the model would say if the quality gate refused nothing: whether a refusal was worth its price.
Drawn infants are no infants: this measures the way from a film to a risk, not how well infants are
seen.

With ``--keep FOLDER`` films and poses stay there, and poses found there are taken as they are.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from fidgety.assess import Assessment, Assessor
from fidgety.pose.encode import write_video
from fidgety.pose.estimators import estimate
from fidgety.pose.pose import Pose
from fidgety.pose.quality import QualityConfig, repair_swaps
from fidgety.pose.stored import read_native
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


def afar(image: np.ndarray, _: np.ndarray, smaller: float = 7.0) -> tuple[np.ndarray, np.ndarray]:
    """The body so many times smaller, in the middle of the picture."""
    share = 1 / smaller
    small = cv2.resize(image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    across, down = (n - m for n, m in zip(image.shape[1::-1], small.shape[1::-1], strict=True))
    whole = np.full_like(image, np.median(image, axis=(0, 1)).astype(np.uint8))
    up, left = down // 2, across // 2
    whole[up : up + small.shape[0], left : left + small.shape[1]] = small
    return whole, np.array([[share, 0, left], [0, share, up]])


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


WAYS: dict[str, Change] = {
    "dark": dark,
    "afar": afar,
    "blanket": blanket,
    "legs_out": legs_out,
    **{f"afar_{n}": partial(afar, smaller=float(n)) for n in (3, 4, 5, 6)},
}
BAD = ("dark", "afar", "blanket", "legs_out")
OPEN = QualityConfig(
    minimum_s=0, absent_refused=1, trunk_refused_px=0, prone_refused=1, jitter_refused=9,
    leg_trunk_refused=9, head_leg_refused=0, fps_refused=0,
)  # fmt: skip


def filmed(recording: SimulatedRecording, change: Change, film: Path, longest: int) -> np.ndarray:
    """Write the film, unless it is there, changed as its first frame is; true joints (T, V, 2)."""
    true = recording.filmed * film_scale(recording, longest)
    if not film.exists():
        pictures = film_pictures(recording, longest)
        write_video(film, (change(image, true[0])[0] for image in pictures), recording.pose.fps)
    _, matrix = change(next(film_pictures(recording, longest)), true[0])
    return true @ matrix[:, :2].T + matrix[:, 2]


def estimated(film: Path) -> Pose:
    kept = film.with_suffix(".parquet")
    if not kept.exists():
        estimate(film).save(kept)
    return read_native(kept)


def trunk_px(true: np.ndarray) -> float:
    return float(np.median(np.linalg.norm(true[:, 1] - true[:, [8, 11]].mean(axis=1), axis=1)))


def error_of(pose: Pose, true: np.ndarray) -> tuple[float, float]:
    """Share of frames in which the body is seen, and the median error in trunk lengths."""
    trunk = trunk_px(true)
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


@dataclass(frozen=True)
class Row:
    """One film: its true trunk, how it was seen, and what the model says of it."""

    name: str
    way: str
    trunk: float
    seen: float
    error: float
    exchanged: tuple[float, float]
    true: float | None
    tracked: float | None
    found: Assessment
    ungated: float | None

    def line(self) -> str:
        wrong, left = self.exchanged
        codes = sorted({reason["code"] for reason in self.found.quality["reasons"]})
        risks = (self.true, self.tracked, self.found.risk, self.ungated)
        return (
            f"| {self.name} | {self.way} | {self.trunk:.0f} | {100 * self.seen:.0f} "
            f"| {self.error:.3f} | {100 * wrong:.1f}, then {100 * left:.1f} "
            f"| {self.found.quality['verdict']} | {' '.join(codes)} | "
            + " | ".join("none" if risk is None else f"{risk:.2f}" for risk in risks)
            + f" | {(self.found.decision or 'refused').replace('_', ' ')} |"
        )


def row_of(
    recording: SimulatedRecording, way: str, folder: Path, assessor: Assessor, longest: int
) -> Row:
    film = folder / f"{recording.name}_{way}.mp4"
    places = filmed(recording, WAYS.get(way, as_filmed), film, longest)
    pose = estimated(film)
    seen, error = error_of(pose, places)
    found = assessor.assess(pose)
    ungated = Assessor(assessor.model, OPEN).assess(pose) if found.refused else found
    return Row(
        f"{recording.name} ({recording.pattern})",
        way,
        trunk_px(places),
        seen,
        error,
        (exchanged(pose, places), exchanged(repair_swaps(pose), places)),
        assessor.assess(truth(recording, longest)).risk,
        assessor.assess(recording.pose).risk,
        found,
        ungated.risk,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--infants", type=int, default=10, help="filmed well")
    parser.add_argument("--bad", type=int, default=2, help="infants filmed badly, each way")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=BAD, help="badly: how")
    parser.add_argument("--seed", type=int, default=FIRST_SEED, help="of the first infant")
    parser.add_argument("--seconds", type=float, default=24.0)
    parser.add_argument("--longest", type=int, default=640, help="pixels of the films")
    parser.add_argument("--fps", type=float, default=20.0)
    parser.add_argument("--difficulty", default="easy")
    parser.add_argument("--only", type=int, help="this film of them alone, counted from 0")
    parser.add_argument("--keep", type=Path, help="folder for the films and poses")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    assessor = Assessor.load(given.model)
    films = [(number, "well") for number in range(given.infants)]
    films += [(number, way) for number in range(given.bad) for way in given.ways]
    if given.only is not None:
        films = [films[given.only]]
    print(
        "| infant | filmed | trunk, px | seen, % | error | exchanged, % | verdict | reasons ",
        end="",
    )
    print("| true | tracked | film | film, not gated | decision |\n" + "|---" * 13 + "|")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary)
        for number, way in films:
            (recording,) = simulate_infant(
                given.seed + number,
                label=number % 2,
                seconds=given.seconds,
                fps=given.fps,
                difficulty=given.difficulty,
                infant_id=f"f{number:02d}",
            )
            rows.append(row_of(recording, way, folder, assessor, given.longest))
            print(rows[-1].line(), flush=True)
    summary(rows)


def side(row: Row, risk: float | None) -> str:
    if risk is None or row.true is None:
        return "no risk"
    return "same side" if (risk >= 0.5) == (row.true >= 0.5) else "OTHER SIDE"


def summary(rows: list[Row]) -> None:
    counts: Counter[str] = Counter()
    for row in rows:
        told, seen = row.found.quality["verdict"], "seen" if row.seen >= 0.9 else "not seen"
        would = "would be " if row.found.refused else ""
        counts[f"{seen}, {told}, {would}{side(row, row.ungated)}"] += 1
    print()
    for what, count in sorted(counts.items()):
        print(f"{what}: {count} of {len(rows)}")
    said = Counter(row.found.decision or "refused" for row in rows)
    print("decisions:", ", ".join(f"{count} {what}" for what, count in sorted(said.items())))
    pairs = [
        (r.true, r.found.risk) for r in rows if r.true is not None and r.found.risk is not None
    ]
    if pairs:
        true, film = np.array(pairs).T
        print(f"assessed: |film - true| median {np.median(abs(film - true)):.3f}, "
              f"most {abs(film - true).max():.3f}; within {AGREE}: "
              f"{np.mean(abs(film - true) <= AGREE):.0%} of {len(pairs)}")  # fmt: skip
    tracked = [
        abs(r.tracked - r.true) for r in rows if r.tracked is not None and r.true is not None
    ]
    if tracked:
        print(f"|tracked - true|: median {np.median(tracked):.3f}, most {max(tracked):.3f}")


if __name__ == "__main__":
    main()
