"""Infant movement assessment from ordinary video, with STAM at its heart. Research use only.

The names here are loaded when they are first used, so that ``import fidgety`` is quick and a task
that needs no network never imports torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "Assessment": "fidgety.assess",
    "Assessor": "fidgety.assess",
    "FidgetyError": "fidgety.errors",
    "FidgetyWarning": "fidgety.errors",
    "Pose": "fidgety.pose.pose",
    "Skeleton": "fidgety.pose.skeleton",
    "load_skeleton": "fidgety.pose.skeleton",
    "PoseSequence": "fidgety.motion",
    "compute_features": "fidgety.motion",
    "pose_sequence": "fidgety.motion",
    "read_pose": "fidgety.pose.formats",
}
_NAMES = {"read_pose": "read"}  # where the home's own name is shorter

__all__ = [
    "Assessment",
    "Assessor",
    "FidgetyError",
    "FidgetyWarning",
    "Pose",
    "PoseSequence",
    "Skeleton",
    "__version__",
    "compute_features",
    "load_skeleton",
    "pose_sequence",
    "read_pose",
]

if TYPE_CHECKING:
    from fidgety.assess import Assessment as Assessment
    from fidgety.assess import Assessor as Assessor
    from fidgety.errors import FidgetyError as FidgetyError
    from fidgety.errors import FidgetyWarning as FidgetyWarning
    from fidgety.motion import PoseSequence as PoseSequence
    from fidgety.motion import compute_features as compute_features
    from fidgety.motion import pose_sequence as pose_sequence
    from fidgety.pose import formats as _formats
    from fidgety.pose.pose import Pose as Pose
    from fidgety.pose.skeleton import Skeleton as Skeleton
    from fidgety.pose.skeleton import load_skeleton as load_skeleton

    read_pose = _formats.read


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'fidgety' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), _NAMES.get(name, name))


def __dir__() -> list[str]:
    return sorted(__all__)
