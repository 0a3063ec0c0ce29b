"""Numbers, times and odds in words."""

from __future__ import annotations

import math

__all__ = [
    "chance",
    "clock",
    "count_of",
    "fixed",
    "joint_words",
    "percent",
    "sample_size",
    "shift_prevalence",
    "span",
]

MINUS = "\N{MINUS SIGN}"


def fixed(value: float, digits: int = 2) -> str:
    """`value` with so many decimals and a true minus sign: ``0.31``."""
    return f"{value:.{digits}f}".replace("-", MINUS)


def percent(value: float, digits: int = 1) -> str:
    """A share as a percentage: ``12.5 %`` (with a no-break space)."""
    return f"{fixed(100 * value, digits)}\N{NO-BREAK SPACE}%"


def chance(value: float) -> str:
    """A probability with two decimals, which never says 0 or 1: ``0.31``, ``<0.01``, ``>0.99``."""
    if 0 <= value < 0.005:
        return "<0.01"
    return ">0.99" if 0.995 <= value <= 1 else fixed(value)


def clock(seconds: float, digits: int = 0) -> str:
    """Seconds as minutes and seconds: ``0:41`` or ``0:41.5``."""
    scale = 10**digits
    whole = round(abs(seconds) * scale)
    minutes, rest = divmod(whole, 60 * scale)
    width = 2 if digits == 0 else digits + 3
    sign = MINUS if seconds < 0 and whole else ""
    return f"{sign}{minutes}:{rest / scale:0{width}.{digits}f}"


def span(start: float, end: float, digits: int = 0) -> str:
    """Two moments: ``0:41 to 0:58``."""
    return f"{clock(start, digits)} to {clock(end, digits)}"


def joint_words(name: str | None) -> str:
    """A joint or part as words: ``right wrist``."""
    return (name or "unnamed").replace("_", " ")


def shift_prevalence(risk: float, trained: float, here: float) -> float:
    """A calibrated risk carried from one prevalence to another by its odds.

    Assumes that the recording is as telling in both places, so that only the odds before it differ:
    odds(here) = odds(risk) * [here / (1 - here)] / [trained / (1 - trained)].

    Parameters
    ----------
    risk : float
        Probability in 0..1 at the prevalence `trained`.
    trained, here : float
        Prevalences, between 0 and 1 without the ends.

    Returns
    -------
    float
        Probability in 0..1 at the prevalence `here`.
    """
    if risk in (0.0, 1.0):
        return risk
    odds = risk / (1 - risk) * (here / (1 - here)) / (trained / (1 - trained))
    return odds / (1 + odds)


def sample_size(*probabilities: float) -> int:
    """How many infants to count in, so that all these probabilities can be told apart as counts.

    The smallest of 100, 1,000 and 10,000 in which every probability and its complement make at
    least 5 infants; 10,000 if none does. One size for all: people compare counts, not fractions.
    """
    rarest = min(min(p, 1 - p) for p in probabilities)
    return next((size for size in (100, 1_000) if rarest * size >= 5), 10_000)


def count_of(probability: float, size: int) -> str:
    """A probability as a count: ``31 of 100``."""
    return f"{math.floor(probability * size + 0.5):,} of {size:,}"
