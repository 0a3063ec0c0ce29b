"""What it means: clips of movement in, a risk and the attention behind it out."""

from fidgety.models.checkpoint import (
    MODELS,
    Checkpoint,
    Cohort,
    load_checkpoint,
    save_checkpoint,
    sha256,
)
from fidgety.models.convert import convert_checkpoint, convert_reference, from_reference_state_dict
from fidgety.models.stam import STAM, STAMConfig, STAMOutput

__all__ = [
    "MODELS",
    "STAM",
    "Checkpoint",
    "Cohort",
    "STAMConfig",
    "STAMOutput",
    "convert_checkpoint",
    "convert_reference",
    "from_reference_state_dict",
    "load_checkpoint",
    "save_checkpoint",
    "sha256",
]
