"""A year of a screening programme, simulated: ``python benchmarks/screening_load.py``.

Films arrive on weekdays between 8 and 18 h; each needs a processor time drawn about the measured
mean, and is worked on by the first free core. Cores fail at random and lose what they were doing;
it is done again. Tells how long a film waits for its report. Everything is drawn from one seed.
"""

from __future__ import annotations

import argparse
import heapq
import json

import numpy as np

HOUR = 3600.0
DAY = 24 * HOUR


def arrivals(films: int, rng: np.random.Generator) -> np.ndarray:
    """Seconds since the year began, sorted: 52 weeks of five days of ten hours."""
    day = rng.integers(0, 52 * 5, films)
    day = day // 5 * 7 + day % 5
    return np.sort(day * DAY + rng.uniform(8 * HOUR, 18 * HOUR, films))


def waits(
    films: int, cores: int, mean_s: float, failures_a_core_day: float, rng: np.random.Generator
) -> dict[str, float]:
    """Hours from a film's arrival to its report, share of the cores in use, films done twice."""
    came = arrivals(films, rng)
    need = mean_s * rng.lognormal(-0.5 * 0.5**2, 0.5, films)
    free = [0.0] * cores
    done = np.empty(films)
    busy, again = 0.0, 0
    for k in range(films):
        start = max(came[k], heapq.heappop(free))
        while True:
            fails_after = (
                rng.exponential(DAY / failures_a_core_day) if failures_a_core_day else np.inf
            )
            if fails_after > need[k]:
                break
            again += 1
            busy += fails_after
            start += fails_after + 120.0  # the machine comes back after two minutes
        done[k] = start + need[k]
        busy += need[k]
        heapq.heappush(free, done[k])
    hours = (done - came) / HOUR
    return {
        "cores": cores,
        "in_use": round(busy / (cores * 52 * 7 * DAY), 3),
        "median_h": round(float(np.median(hours)), 2),
        "p95_h": round(float(np.quantile(hours, 0.95)), 2),
        "longest_h": round(float(hours.max()), 1),
        "done_again": again,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--films", type=int, default=100_000)
    parser.add_argument("--cpu-seconds", type=float, required=True, help="of one film, all steps")
    parser.add_argument("--failures", type=float, default=0.1, help="a core and day")
    parser.add_argument("--cores", default="1,2,4,8,16")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    for cores in map(int, given.cores.split(",")):
        rng = np.random.default_rng([given.seed, cores])
        print(json.dumps(waits(given.films, cores, given.cpu_seconds, given.failures, rng)))


if __name__ == "__main__":
    main()
