"""Every threshold of the quality gate, with its unit and the reason for its value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from fidgety.errors import ConfigError

__all__ = ["QualityConfig"]

_LIMBS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
_TEXT = ("needed_joints",)


@dataclass(frozen=True)
class QualityConfig:
    """Thresholds of the quality gate.

    Lengths are in trunk lengths (middle of the shoulders to middle of the hips, median over the
    recording) unless a unit is named. "Chosen" marks a value that rests on the reason given and on
    simulated infants, not on a clinical study.

    Parameters
    ----------
    needed_joints : tuple of str
        Joints that must be seen for a frame to count as usable. Shoulders and hips carry the
        body-centred frame, elbows to ankles the limbs; the face turns away in healthy infants and
        is not needed.
    confidence : float
        Below it a joint counts as missing. 0.1: estimators' scales differ, so only what nearly
        all of them would call a guess (chosen).
    gap_s : float, seconds
        Longest gap that filling may bridge. 0.3 s is under half a period of 1.5 Hz.
    shortest_run_s : float, seconds
        Shorter usable stretches do not count. 1 s is the length of one clip of STAM (30 frames at
        30 frames/s).
    minimum_s : float, seconds
        Usable seconds below which nothing is assessed. 20 s is to outlast the pauses within
        intermittent fidgety movements, some seconds long (chosen).
    advised_s : float, seconds
        Filming guides ask for 60 s or more.
    tolerated_share : float, 0 to 1
        A fault that takes less of the recording is a note, no caution (chosen).
    counted_share : float, 0 to 1
        Missing positions below this share that gaps can bridge are not mentioned (chosen).
    absent_refused : float, 0 to 1
        Share of frames without a body at which the recording is refused (chosen: half).
    edge : float, share of the shorter image side
        A joint lost while this near to an edge left the frame (chosen).
    age_low_weeks, age_high_weeks : float, weeks
        Corrected age in which fidgety movements are expected: 9 to 20 weeks post-term.
    fps_advised, fps_refused : float, frames/s
        12 is twice the Nyquist rate of a 3 Hz band, 8 leaves no room for a derivative above it.
    uneven_step : float, share
        Steps that differ by more from the median make a variable frame rate. 0.2: phones that
        count whole milliseconds stay well below.
    trunk_advised_px, trunk_refused_px : float, pixels
        With an estimator's error of about 1 px, 40 px is an error of 2.5 %, 25 px one of 4 %, near
        many a fidgety movement: drawn films of 16 and of 22 px of infants without any gave risks of
        0.2 and 0.4 instead of 1.
    jitter : float, trunk lengths
        Tracker noise (standard deviation, above the movement band) that earns a caution. 0.02 is
        4 mm of a 20 cm trunk, near half of a small fidgety movement.
    jitter_refused : float, trunk lengths
        Median noise of all needed joints at which the recording is refused (chosen).
    jitter_share : float, 0 to 1
        Share of a joint's seconds that must be noisy before it is named (chosen).
    jitter_fps : float, frames/s
        Below it noise cannot be told from movement and is not measured.
    swap_separation : float, trunk lengths
        Nearer than this, left and right cannot be told apart by position.
    swap_ratio : float, 0 to 1
        Exchanging the two must shorten the jump to less than this share.
    swap_longest_s : float, seconds
        Longer exchanges need more than jumps to be put back (see `find_swaps`): a single mistaken
        jump must not turn half a recording.
    camera_speed : float, trunk lengths/s
        Movement of the camera at the body that is worth a note (chosen; fidgety movements run at
        some 0.2 to 1).
    camera_speed_caution : float, trunk lengths/s
        Movement that compensation cannot be trusted with: blur and parallax (chosen).
    camera_zoom_caution : float, share
        Change of scale over the recording that earns a caution (chosen).
    facing : float, trunk lengths
        Signed width of shoulders and hips as seen. Above it the front faces the camera, below its
        negative the back, between them a side. A front seen squarely shows about 0.6.
    prone_refused : float, 0 to 1
        Share of seconds seen from behind, without a face, at which the recording is refused.
    end_on : float, shoulder widths
        A trunk that looks shorter than this many shoulder widths is seen end on. Seen squarely,
        an infant's is about 1.4, an adult's 1.5 to 2.
    straight_deg : float, degrees
        Bend at hip and knee below which a leg goes on in line with the trunk.
    straight_share : float, 0 to 1
        Share of seconds with both legs so at which the body seems to stand or to hang.
    leg_trunk, leg_trunk_refused : float, trunk lengths
        Thigh and shank, each at its longest. Three-month infants: about 1.1 to 1.3 (estimated);
        adults: 1.7 (0.491 and 0.288 of the stature, segments of Drillis and Contini as quoted by
        Winter).
    head_leg, head_leg_refused : float, leg lengths
        Largest distance from an ear to nose, eyes or the other ear. Three-month infants: 0.4 to 0.5
        (estimated); adults: about 0.16. A refusal needs both proportions beyond their limits.
    still, still_refused : float, trunk lengths
        Twice the 90th percentile of the distance from its mean place, of the needed joint that
        moves most. Simulated infants of 30 s: 0.54 and more; somebody who stood and watched for
        2 s: 0.12; a photograph, by the noise of BlazePose: about 0.05. What errors of a tracker
        alone make of a body at rest, 0.04 and more on simulated infants, is not refused: an infant
        that lies very still cannot be told from it (benchmarks/stillness.py).
    dark, bright : float, mean luma 0 to 255
        Darker or brighter frames hide limbs (chosen).
    blurred : float, variance of the Laplacian
        Softer frames (chosen; depends on the scene, so it never refuses).

    Raises
    ------
    ConfigError
        E702 if a value is not a number, negative, or a share above 1.
    """

    needed_joints: tuple[str, ...] = tuple(f"{s}_{j}" for j in _LIMBS for s in ("right", "left"))
    confidence: float = 0.1
    gap_s: float = 0.3
    shortest_run_s: float = 1.0
    minimum_s: float = 20.0
    advised_s: float = 60.0
    tolerated_share: float = 0.10
    counted_share: float = 0.01
    absent_refused: float = 0.5
    edge: float = 0.03
    age_low_weeks: float = 9.0
    age_high_weeks: float = 20.0
    fps_advised: float = 12.0
    fps_refused: float = 8.0
    uneven_step: float = 0.2
    trunk_advised_px: float = 40.0
    trunk_refused_px: float = 25.0
    jitter: float = 0.02
    jitter_refused: float = 0.08
    jitter_share: float = 0.2
    jitter_fps: float = 20.0
    swap_separation: float = 0.15
    swap_ratio: float = 0.4
    swap_longest_s: float = 5.0
    camera_speed: float = 0.1
    camera_speed_caution: float = 2.0
    camera_zoom_caution: float = 0.3
    facing: float = 0.2
    prone_refused: float = 0.5
    end_on: float = 0.8
    straight_deg: float = 20.0
    straight_share: float = 0.8
    leg_trunk: float = 1.6
    leg_trunk_refused: float = 1.4
    head_leg: float = 0.32
    head_leg_refused: float = 0.28
    still: float = 0.3
    still_refused: float = 0.03
    dark: float = 40.0
    bright: float = 235.0
    blurred: float = 20.0

    def __post_init__(self) -> None:
        shares = {"confidence", "tolerated_share", "counted_share", "absent_refused", "edge",
                  "jitter_share", "swap_ratio", "prone_refused", "straight_share"}  # fmt: skip
        for name, value in asdict(self).items():
            if name in _TEXT:
                continue
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not np.isfinite(value) or value < 0 or (name in shares and value > 1):
                raise ConfigError(
                    "E702",
                    f"Impossible quality threshold {name} = {value!r}",
                    remedy="Give a share from 0 to 1" if name in shares else "Give a number from 0",
                )

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> QualityConfig:
        """The defaults with some thresholds replaced.

        Raises
        ------
        ConfigError
            E701 if a key is not a threshold, E702 as the class.
        """
        known = [field.name for field in fields(cls)]
        unknown = sorted(set(settings) - set(known))
        if unknown:
            raise ConfigError(
                "E701",
                f"Unknown quality setting {unknown[0]!r}",
                remedy=f"The settings are: {', '.join(known)}",
            )
        given = dict(settings)
        for name in _TEXT:
            if name in given:
                given[name] = tuple(map(str, given[name]))
        return cls(**given)

    def to_dict(self) -> dict[str, Any]:
        """Plain form for JSON; `from_dict` reads it back."""
        return {**asdict(self), "needed_joints": list(self.needed_joints)}
