"""How many clips of a training batch are the same clip of the same recording.

    python benchmarks/shared_clips.py

Windows overlap, so that a batch could hold a clip twice and encode it once. This counts how often
it does as the methods train: 60 recordings of 60 s, 20 epochs.
"""

from __future__ import annotations

import numpy as np

from fidgety.bench.growth import noise
from fidgety.study.examples import Example, batches, windows_of
from fidgety.study.methods import METHODS


def main() -> None:
    examples = [Example(f"i{n}", f"i{n}", n % 2, noise(60.0, n)) for n in range(60)]
    for name in ("stam", "fidgety", "stam-published"):
        config = METHODS[name].network
        assert config is not None
        samples = windows_of(examples, config.clip, config.window)
        rng = np.random.default_rng(0)
        clips = distinct = 0
        for _ in range(20):
            training = config.training
            for batch in batches(samples, training.batch_size, rng, training.clips_per_window):
                first = batch.clips[batch.mask][:, :, 0].numpy()  # random numbers: no two alike
                clips, distinct = clips + len(first), distinct + len(np.unique(first, axis=0))
        print(f"{name}: {len(samples)} windows, {1 - distinct / clips:.1%} of clips there already")


if __name__ == "__main__":
    main()
