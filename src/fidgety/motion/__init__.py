"""How it moved: pose in pixels -> cleaned pose -> seven features a joint -> clips."""

from fidgety.motion.clips import ClipConfig, Clips, WindowConfig, split, windows
from fidgety.motion.features import CHANNELS
from fidgety.motion.preprocess import (
    PROFILES,
    FidgetyProfile,
    Profile,
    StamProfile,
    clean,
    profile_from,
)
from fidgety.motion.sequence import (
    PoseSequence,
    compute_features,
    pose_sequence,
    sequence_of_clean,
)

__all__ = [
    "CHANNELS",
    "PROFILES",
    "ClipConfig",
    "Clips",
    "FidgetyProfile",
    "PoseSequence",
    "Profile",
    "StamProfile",
    "WindowConfig",
    "clean",
    "compute_features",
    "pose_sequence",
    "profile_from",
    "sequence_of_clean",
    "split",
    "windows",
]
