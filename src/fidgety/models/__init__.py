"""What it means: clips of movement in, a risk and the attention behind it out.

Names are loaded when they are first used: an exported model is assessed without torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_HOMES = {
    "MODELS": "fidgety.models.catalogue",
    "STAM": "fidgety.models.stam",
    "Checkpoint": "fidgety.models.checkpoint",
    "Cohort": "fidgety.models.about",
    "Network": "fidgety.models.network",
    "NetworkOutput": "fidgety.models.network",
    "STAMConfig": "fidgety.models.stam",
    "convert_checkpoint": "fidgety.models.convert",
    "convert_reference": "fidgety.models.convert",
    "from_reference_state_dict": "fidgety.models.convert",
    "load_checkpoint": "fidgety.models.checkpoint",
    "save_checkpoint": "fidgety.models.checkpoint",
    "sha256": "fidgety.models.about",
}

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

if TYPE_CHECKING:
    from fidgety.models.about import Cohort as Cohort
    from fidgety.models.about import sha256 as sha256
    from fidgety.models.catalogue import MODELS as MODELS
    from fidgety.models.checkpoint import Checkpoint as Checkpoint
    from fidgety.models.checkpoint import load_checkpoint as load_checkpoint
    from fidgety.models.checkpoint import save_checkpoint as save_checkpoint
    from fidgety.models.convert import convert_checkpoint as convert_checkpoint
    from fidgety.models.convert import convert_reference as convert_reference
    from fidgety.models.convert import from_reference_state_dict as from_reference_state_dict
    from fidgety.models.network import Network as Network
    from fidgety.models.network import NetworkOutput as NetworkOutput
    from fidgety.models.stam import STAM as STAM
    from fidgety.models.stam import STAMConfig as STAMConfig


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'fidgety.models' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
