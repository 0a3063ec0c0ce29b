"""What it means: clips of movement in, a risk and the attention behind it out."""

from fidgety.models.convert import convert_reference, from_reference_state_dict
from fidgety.models.stam import STAM, STAMConfig, STAMOutput

__all__ = [
    "MODELS",
    "STAM",
    "STAMConfig",
    "STAMOutput",
    "convert_reference",
    "from_reference_state_dict",
]

MODELS = {"stam": STAM}
