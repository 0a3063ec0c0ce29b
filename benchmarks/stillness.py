"""What the quality gate says of infants that hardly move: ``python benchmarks/stillness.py``.

Simulated infants of 60 s whose true movement is scaled down about each joint's mean place, seen by
the simulated tracker with its errors as they were; and a pose that stands still. Twelve of each.
"""

from __future__ import annotations

import numpy as np

from fidgety.pose.quality import assess_quality
from fidgety.simulate import simulate_infant

SCALES = (1.0, 0.3, 0.2, 0.1, 0.05, 0.0)


def main() -> None:
    print(
        "| level | of its movement | range of the joint that moves most | pass, caution, refused |"
    )
    print("|---|---|---|---|")
    for level in ("medium", "hard"):
        rows: dict[str, list[tuple[float, str]]] = {}
        for seed in range(12):
            made = simulate_infant(
                5_000 + seed // 2, label=seed % 2, seconds=60.0, fps=30.0, difficulty=level
            )[0]
            rest, errors = np.nanmean(made.image, axis=0), made.pose.xy - made.image
            seen = {f"{100 * s:.0f} %": rest + s * (made.image - rest) + errors for s in SCALES}
            seen["held, no errors"] = np.broadcast_to(rest, errors.shape)
            for name, xy in seen.items():
                found = assess_quality(made.pose.then("calmer", xy=xy))
                moved = found.measures["movement_range"]
                rows.setdefault(name, []).append((float(moved or 0.0), found.verdict))
        for name, told in rows.items():
            low, middle, high = np.quantile([moved for moved, _ in told], (0, 0.5, 1))
            counts = [
                sum(said == verdict for _, said in told)
                for verdict in ("pass", "caution", "refused")
            ]
            print(f"| {level} | {name} | {middle:.2f} ({low:.2f} to {high:.2f}) | "
                  f"{', '.join(map(str, counts))} |", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
