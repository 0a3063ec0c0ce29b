"""Which names may be files, which name is whose, and how to list many of them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from fidgety.errors import StudyError

__all__ = ["infant_named", "is_sub_sequence", "listing", "safe_name", "wholes"]

_UNFIT = re.compile(r'[\x00-\x1f\x7f/\\:<>"|?*]')
_RESERVED = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)(\..*)?$", re.IGNORECASE)
_SUB_SEQUENCE = (re.compile(r"^(.+)_sub_\d+$"), re.compile(r"^(.+)_\d+$"))


def safe_name(name: str, where: object | None = None) -> str:
    """Return `name` if it can be one file or folder on any system; raise E209 otherwise.

    Refused: anything that would leave the folder (``../x``, absolute), control characters, hidden
    names, the characters and names that Windows reserves, and more than 200 bytes. ``-rf`` is fine:
    names are never handed to a shell.
    """
    fault = None
    if not name or name.startswith("."):
        fault = "it is empty" if not name else "it starts with a dot"
    elif _UNFIT.search(name) or not name.isprintable():
        fault = "it holds a character that file names cannot"
    elif _RESERVED.match(name) or name.endswith((".", " ")):
        fault = "the name is reserved on some systems"
    elif len(name.encode("utf-8", "replace")) > 200:
        fault = "it is longer than 200 bytes"
    if fault:
        shown = ascii(name if len(name) <= 60 else name[:60] + "...")
        raise StudyError(
            "E209",
            f"{shown} cannot name an infant or a recording",
            where=where,
            why=fault,
            remedy="Use letters, digits, - and _",
        )
    return name


def infant_named(name: str, infants: dict[str, str]) -> str | None:
    """The infant that a recording or a row of a split file belongs to, or None.

    The rule: a name known as it stands is that one. Otherwise ``<known>_sub_<k>`` (what the
    reference's code writes) and ``<known>_<k>`` belong to ``<known>``, once or twice over (the
    second sub-sequence of the third recording). Where two infants could be meant, it is refused.

    Parameters
    ----------
    name : str
        Name of a file, a folder or a row.
    infants : dict of str to str
        Known infant codes and recording names, each to its infant.

    Raises
    ------
    StudyError
        E211 if the name fits two infants.
    """
    if name in infants:
        return infants[name]
    found = sorted({infants[base] for base in wholes(name) if base in infants})
    if len(found) > 1:
        raise StudyError(
            "E211",
            f"{name!r} could be a sub-sequence of infant {found[0]} or of {found[1]}",
            remedy="Give one of them another code, or name the recording in labels.csv",
        )
    return found[0] if found else None


def wholes(name: str) -> set[str]:
    """What `name` could be a numbered piece of, by the rule of `infant_named`."""
    once = {match[1] for rule in _SUB_SEQUENCE if (match := rule.match(name))}
    twice = {match[1] for base in once for rule in _SUB_SEQUENCE if (match := rule.match(base))}
    return once | twice


def listing(names: Iterable[str], limit: int = 5) -> str:
    """The first few of some names, sorted, and how many more: ``b07, b09 and 12 more``."""
    ordered = sorted(names)
    rest = len(ordered) - limit
    return ", ".join(ordered[:limit]) + (f" and {rest} more" if rest > 0 else "")


def is_sub_sequence(name: str) -> bool:
    """Whether a name says ``_sub_<k>`` at its end, as the reference names its sub-sequences."""
    return _SUB_SEQUENCE[0].match(name) is not None
