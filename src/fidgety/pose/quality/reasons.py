"""Reasons: the codes of the quality gate, and how their seconds and joints are put into words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["REASONS", "Range", "Reason", "Severity", "joint_words", "range_words", "seconds_words"]

Severity = Literal["note", "caution", "refuse"]
Range = tuple[float, float]

# Code -> (default severity, meaning). A W code falls to a note where its fault takes less of the
# recording than `QualityConfig.tolerated_share`; an E code always refuses.
REASONS: dict[str, tuple[Severity, str]] = {
    "E101": ("refuse", "no infant in most of the frames"),
    "W101": ("caution", "no infant in some of the frames"),
    "W102": ("note", "variable frame rate"),
    "W103": ("caution", "joints out of frame"),
    "E105": ("refuse", "too few usable seconds"),
    "W105": ("note", "fewer usable seconds than filming guides advise"),
    "E106": ("refuse", "corrected age outside the range of fidgety movements"),
    "E107": ("refuse", "proportions of an adult or older child"),
    "W107": ("caution", "proportions that may be those of an adult or older child"),
    "W108": ("caution", "other people in the film"),
    "W109": ("caution", "infant covered by another person"),
    "W110": ("note", "camera moved"),
    "E111": ("refuse", "tracker noise drowns small movement"),
    "W111": ("caution", "tracker noise above the movement band"),
    "W112": ("caution", "left and right exchanged"),
    "E113": ("refuse", "body seen from behind"),
    "W113": ("caution", "body seen from behind for a part of the recording"),
    "W114": ("caution", "body lies on its side"),
    "W115": ("caution", "trunk seen end on: sitting, or camera not above"),
    "W116": ("caution", "legs in line with the trunk: standing, or held up"),
    "E117": ("refuse", "body far too small in the image"),
    "W117": ("caution", "body small in the image"),
    "E118": ("refuse", "frame rate below what the movement band needs"),
    "W118": ("caution", "low frame rate"),
    "W119": ("caution", "film too dark or too bright"),
    "W120": ("caution", "film blurred"),
    "W121": ("note", "not checked: the poses came without their film"),
    "E122": ("refuse", "body that does not move: a picture, a doll, a film that stands"),
    "W122": ("caution", "body that hardly moves"),
    "W302": ("caution", "positions missing"),
}


@dataclass(frozen=True)
class Reason:
    """One thing that limits what can be assessed.

    Parameters
    ----------
    code : str
        A key of `REASONS`.
    severity : {"note", "caution", "refuse"}
        What it does to the verdict; a note does nothing.
    text : str
        One or two sentences for the person who filmed.
    ranges : tuple of (float, float)
        Start and end in seconds of the recording's own clock.
    """

    code: str
    severity: Severity
    text: str
    ranges: tuple[Range, ...]

    def __str__(self) -> str:
        return f"{self.code} {self.text}"

    def to_dict(self) -> dict[str, Any]:
        """Plain form for JSON, seconds to the millisecond."""
        return {
            "code": self.code,
            "severity": self.severity,
            "text": self.text,
            "ranges": [[round(start, 3), round(end, 3)] for start, end in self.ranges],
        }


def reason(
    code: str, text: str, ranges: Iterable[Range], severity: Severity | None = None
) -> Reason:
    """A reason with its registered severity unless another is given."""
    return Reason(code, severity or REASONS[code][0], text, tuple(ranges))


def seconds_words(seconds: float) -> str:
    """``"17 s"``; a tenth below 10 s, a hundredth below 1 s."""
    digits = 0 if seconds >= 10 else 1 if seconds >= 1 else 2
    return (
        f"{seconds:.{digits}f} s"
        if digits == 0
        else f"{seconds:.{digits}f}".rstrip("0").rstrip(".") + " s"
    )


def range_words(ranges: Sequence[Range], most: int = 3) -> str:
    """``"0:41 to 0:58 (17 s)"``, the longest ones in order, the rest counted."""
    longest = sorted(sorted(ranges, key=lambda r: r[0] - r[1])[:most])
    words = ", ".join(
        f"{_clock(start, end - start)} to {_clock(end, end - start)}" for start, end in longest
    )
    more = f" and {len(ranges) - most} more" if len(ranges) > most else ""
    return f"{words}{more} ({seconds_words(sum(end - start for start, end in ranges))})"


def joint_words(joints: Sequence[str], most: int = 4) -> str:
    """``"Left knee and left ankle"``; more than `most` are counted."""
    names = [joint.replace("_", " ") for joint in joints]
    if len(names) > most:
        names = [*names[: most - 1], f"{len(names) - most + 1} more joints"]
    words = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return words[:1].upper() + words[1:]


def _clock(seconds: float, span: float) -> str:
    tenths = round(max(seconds, 0.0) * 10) if span < 2 else round(max(seconds, 0.0)) * 10
    minutes, rest = divmod(tenths, 600)
    return f"{minutes}:{rest // 10:02d}" + (f".{rest % 10}" if span < 2 else "")
