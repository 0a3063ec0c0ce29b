"""What it means: clips of movement in, a risk and the attention behind it out."""

from fidgety.models.catalogue import MODELS
from fidgety.models.checkpoint import (
    Checkpoint,
    Cohort,
    load_checkpoint,
    save_checkpoint,
    sha256,
)
from fidgety.models.convert import convert_checkpoint, convert_reference, from_reference_state_dict
from fidgety.models.network import Network, NetworkOutput
from fidgety.models.stam import STAM, STAMConfig

__all__ = [
    "MODELS",
    "STAM",
    "Checkpoint",
    "Cohort",
    "Network",
    "NetworkOutput",
    "STAMConfig",
    "convert_checkpoint",
    "convert_reference",
    "from_reference_state_dict",
    "load_checkpoint",
    "save_checkpoint",
    "sha256",
]
