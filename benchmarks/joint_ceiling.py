"""How well could one know which joint fidgets most in one clip? A ceiling for explanations.

In simulated infants every part of the body takes part in a bout, some more than others. Joints of a
clip of 2 s are ranked by the power of their velocity at 1 to 4 Hz, from their true places in the
image and from the tracker's, as it is and less the joint's own mean over the clips with bouts; AUC
against the joints that show more fidgety movement than the clip's median, as
`joint_within_clip_auc` of `fidgety explanations`. Normal infants whose bouts cover 20 to 80 % of
the recording.

    OMP_NUM_THREADS=1 python benchmarks/joint_ceiling.py --level medium
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

from fidgety.simulate import simulate_cohort
from fidgety.statistics import roc_auc

CLIP_S, STEP_S, BAND_HZ = 2.0, 2 / 3, (1.0, 4.0)
COVERED = (0.2, 0.8)


def power(
    xy: NDArray[np.float64], time: NDArray[np.float64], starts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Log power (K, V) of the velocity of joints (T, V, 2) in the band, gaps bridged linearly."""
    whole = xy.copy()
    for track in whole.reshape(len(whole), -1).T:
        seen = np.isfinite(track)
        track[:] = np.interp(time, time[seen], track[seen]) if seen.any() else 0.0
    rows = []
    for start in starts:
        inside = (time >= start - 1e-6) & (time < start + CLIP_S - 1e-6)
        velocity = np.gradient(whole[inside], time[inside], axis=0)  # (F, V, 2)
        taper = np.hanning(len(velocity) + 2)[1:-1, None, None]
        spectrum = np.abs(np.fft.rfft((velocity - velocity.mean(axis=0)) * taper, axis=0)) ** 2
        frequency = np.fft.rfftfreq(len(velocity), float(np.median(np.diff(time))))
        kept = (frequency >= BAND_HZ[0]) & (frequency <= BAND_HZ[1])
        rows.append(np.log(spectrum[kept].sum(axis=(0, 2)) + 1e-9))
    return np.array(rows)


def ranked(values: NDArray[np.float64], amount: NDArray[np.float64]) -> list[float]:
    """AUC within each clip (K, V) in which the amount differs."""
    found = []
    for row, own in zip(values, amount, strict=True):
        more = own > np.median(own)
        if 0 < more.mean() < 1:
            found.append(float(roc_auc(row, more)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--level", choices=["easy", "medium", "hard"], default="medium")
    parser.add_argument("--infants", type=int, default=60)
    parser.add_argument("--seed", type=int, default=77)
    given = parser.parse_args()
    aucs: dict[str, list[float]] = {}
    spread, used = [], 0
    for r in simulate_cohort(given.infants, seconds=30.0, seed=given.seed, difficulty=given.level):
        time = np.asarray(r.pose.time)
        starts = np.arange(0, time[-1] - CLIP_S, STEP_S)
        amount = np.array(
            [r.fidgety[(time >= s) & (time < s + CLIP_S)].mean(axis=0) for s in starts]
        )
        bout = amount.max(axis=1) > 0.5
        if r.label or not COVERED[0] <= bout.mean() <= COVERED[1]:
            continue
        used += 1
        spread.append(float((amount[bout].std(axis=1) / amount[bout].mean(axis=1)).mean()))
        for name, xy in (("true places", r.image), ("tracker", r.pose.xy)):
            found = power(np.asarray(xy, dtype=float), time, starts[bout])
            for said, values in (("as it is", found), ("less own mean", found - found.mean(0))):
                aucs.setdefault(f"{name}, {said}", []).append(
                    float(np.mean(ranked(values, amount[bout])))
                )
    print(f"{used} simulated infants, {given.level}; standard deviation of the amount over the "
          f"joints of a clip {np.mean(spread):.2f} of its mean")  # fmt: skip
    for name, values in aucs.items():
        print(f"{name}: AUC {np.mean(values):.3f}")


if __name__ == "__main__":
    main()
