"""Training shortened for a first answer: what `fidgety cv --quick` and `train --quick` do.

Made of a method's own settings, so that it has one set of them. The network is the same; it is
shown fewer clips and, where its learning rate falls to zero whatever the number of epochs, fewer
epochs. What that costs in AUC was measured: docs/performance.md.
"""

from __future__ import annotations

from dataclasses import replace

from fidgety.study.methods import Method
from fidgety.study.training import NetworkConfig

__all__ = ["QUICK_INNER", "quick_method", "quick_network"]

QUICK_INNER = 1  # one member, its calibration on a fifth of the infants
CLIPS = 12  # random clips of a window in a step
CLIPS_ALL_EPOCHS = 6  # where the epochs are not halved
PATIENCE = 5  # epochs without a better validation loss, where there is a validation part


def quick_method(method: Method) -> Method:
    """The method with shortened training; a plain classifier, which takes no time, as it is."""
    return replace(
        method,
        network=None if method.network is None else quick_network(method.network),
        candidates={name: quick_method(one) for name, one in method.candidates.items()},
    )


def quick_network(config: NetworkConfig) -> NetworkConfig:
    """The same network with shortened training.

    With a cosine schedule half the epochs and least steps, as the learning rate comes to rest in
    any number of them; at a constant rate all epochs, each on half as many clips again. Stopping
    early is for methods that keep their best epoch: the last one of others is to be the last.
    """
    training = config.training
    falls = training.schedule == "cosine"
    most = CLIPS if falls else CLIPS_ALL_EPOCHS
    shorter = replace(
        training,
        max_epoch=-(-training.max_epoch // 2) if falls else training.max_epoch,
        min_steps=training.min_steps // 2 if falls else training.min_steps,
        clips_per_window=min(most, training.clips_per_window or most),
        patience=min(PATIENCE, training.patience or PATIENCE)
        if training.select == "best"
        else None,
    )
    return replace(config, training=shorter)
