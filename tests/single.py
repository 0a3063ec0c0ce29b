"""What the tests of assessments share: an untrained network and simulated recordings."""

from __future__ import annotations

from typing import Any

import torch

from fidgety.models.checkpoint import Checkpoint, Cohort, save_checkpoint
from fidgety.models.stam import STAM, STAMConfig
from fidgety.pose.pose import Pose
from fidgety.simulate import simulate_infant


def network() -> STAM:
    """A tiny network with random weights."""
    torch.manual_seed(0)
    return STAM(STAMConfig(widths=(4,), z_dim=8, alpha_dim=4, beta_dim=4, max_hop=1)).eval()


def checkpoint(**more: Any) -> Checkpoint:
    """A model file's content around it."""
    settings: dict[str, Any] = {
        "fps": 30.0,
        "profile": "fidgety",
        "profile_config": {"fps": 30.0},
        "cohort": Cohort(10, 5, (10.0, 18.0), ("A",), simulated=True),
        **more,
    }
    return Checkpoint.of(network(), **settings)


def model_file(folder, **more: Any):
    """That model on file."""
    return save_checkpoint(folder / "model.fidgety", checkpoint(**more))


def film_of(seed: int, seconds: float = 40.0) -> Pose:
    """A simulated recording that can be assessed."""
    return simulate_infant(seed, label=seed % 2, seconds=seconds, fps=30.0)[0].pose
