"""The logit of a recording computed the long way, to hold what is shown against.

What is shown, sums up or is exported comes from forms of a network that encode each clip once, fold
its norms and take its logit apart. Here nothing is taken apart: the network's own layers, in double
precision, from the clips to the logit.
"""

from __future__ import annotations

import copy

import numpy as np

from fidgety.models.exported import ExportedNetwork
from fidgety.models.trained import TrainedModel
from fidgety.motion import Clips, WindowConfig, windows
from fidgety.settings import from_plain

__all__ = ["direct_logit"]


def direct_logit(model: TrainedModel, clips: Clips) -> float:
    """Logit of one recording by the whole networks: mean over members and windows, or highest.

    Parameters
    ----------
    model : TrainedModel
        With its networks; an exported model has none, see `ValueError`.
    clips : Clips
        Of one recording, with a usable one at least.

    Raises
    ------
    ValueError
        For an exported model.
    """
    import torch

    if any(isinstance(network, ExportedNetwork) for network in model.networks):
        raise ValueError("an exported model holds no layers")
    parts = [
        np.arange(len(clips))[part][clips.usable[part]]
        for part in windows(clips, from_plain(WindowConfig, model.checkpoint.window))
    ]
    parts = [rows for rows in parts if len(rows)]
    rule = np.max if model.checkpoint.aggregation == "max" else np.mean
    found = []
    with torch.inference_mode():
        for network in model.networks:
            whole = copy.deepcopy(network).double().eval()  # type: ignore[union-attr]
            given = [torch.as_tensor(clips.values(rows), dtype=torch.float64) for rows in parts]
            found.append(rule([float(whole(one[None]).logit[0]) for one in given]))
    return float(np.mean(found))
