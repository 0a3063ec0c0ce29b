"""How long STAM takes for one recording of 44 clips (30 s at 30 fps): forward, and a training step.

Prints the best of several runs: wall time, and the processor time of all threads together, which on
a shared machine is the steadier of the two.
"""

import argparse
import time
from collections.abc import Callable

import torch

from fidgety.models import STAM, STAMConfig

CLIPS = 44
SIZES = {
    "paper": STAMConfig(),
    "a fifth": STAMConfig(widths=(12, 24), z_dim=24, alpha_dim=24, beta_dim=24),
}


def best(work: Callable[[], object], runs: int) -> tuple[float, float]:
    """Least wall and least processor time of `runs` runs, in milliseconds."""
    work()
    wall, processor = [], []
    for _ in range(runs):
        before = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - before[0])
        processor.append(time.process_time() - before[1])
    return 1e3 * min(wall), 1e3 * min(processor)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    clips = torch.randn(1, CLIPS, 7, 30, 18)
    for name, config in SIZES.items():
        model = STAM(config)

        def forward(model: STAM = model) -> None:
            with torch.inference_mode():
                model.eval()(clips)

        def step(model: STAM = model) -> None:
            model.zero_grad()
            model.train()(clips).logit.sum().backward()

        count = sum(parameter.numel() for parameter in model.parameters())
        print(f"{name}: {count:,} parameters")
        for label, work in (("forward", forward), ("training step", step)):
            wall, processor = best(work, options.runs)
            print(f"  {label}: {wall:.0f} ms wall, {processor:.0f} ms processor")


if __name__ == "__main__":
    main()
