"""What of a recording can be assessed, and why not.

`assess_quality` looks at a pose and answers pass, caution or refused, with reasons in words and
seconds; `mend` puts right what can be put right (`repair_swaps`, `compensate_camera`).
"""

from fidgety.pose.quality.camera import compensate_camera
from fidgety.pose.quality.config import QualityConfig
from fidgety.pose.quality.gate import RULES, Quality, assess_quality, mend, usable_frames
from fidgety.pose.quality.reasons import REASONS, Reason
from fidgety.pose.quality.swaps import find_swaps, repair_swaps

__all__ = [
    "REASONS",
    "RULES",
    "Quality",
    "QualityConfig",
    "Reason",
    "assess_quality",
    "compensate_camera",
    "find_swaps",
    "mend",
    "repair_swaps",
    "usable_frames",
]
