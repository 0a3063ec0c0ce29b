"""Every failure a user can meet: a stable code, what, where, why, and what to do next.

Code blocks: E1xx recordings and quality, E2xx studies and labels, E3xx pose formats and layouts,
E4xx models and checkpoints, E5xx files and machine, E6xx videos and estimators, E7xx settings,
E8xx the review app.
``W`` codes with the same numbers are warnings: the work went on, and the user should know.
"""

from __future__ import annotations

import warnings

__all__ = [
    "AppError",
    "CheckpointError",
    "ConfigError",
    "FidgetyError",
    "FidgetyWarning",
    "FileError",
    "PoseError",
    "QualityError",
    "StudyError",
    "VideoError",
    "warn",
]


class FidgetyError(Exception):
    """A failure explained to the person who can mend it.

    Parameters
    ----------
    code : str
        Stable code such as ``"E104"``; documented in ``docs/errors.md`` and never reused.
    what : str
        What went wrong, without the place; starts with a capital, no final full stop.
    where : object, optional
        The file, recording, infant or option concerned.
    why : str, optional
        The cause, as far as it is known.
    remedy : str, optional
        What to do next, as one or two sentences without the final full stop.
    """

    exit_status: int = 2

    def __init__(
        self,
        code: str,
        what: str,
        *,
        where: object | None = None,
        why: str | None = None,
        remedy: str | None = None,
    ) -> None:
        self.code = code
        self.what = what
        self.where = None if where is None else str(where)
        self.why = why
        self.remedy = remedy
        super().__init__(str(self))

    def __str__(self) -> str:
        return _sentence(self.code, self.what, self.where, self.why, self.remedy)

    def __reduce__(self) -> tuple[object, ...]:
        # Keeps code, what, where ... across process borders (joblib workers raise these).
        return (_rebuild, (type(self), self.code, self.what, self.where, self.why, self.remedy))


class PoseError(FidgetyError, ValueError):
    """A pose, its layout or its file cannot be used."""


class VideoError(FidgetyError, ValueError):
    """A video cannot be read, or an estimator cannot work on it."""


class StudyError(FidgetyError, ValueError):
    """Labels, splits or recordings of a study contradict each other or are missing."""


class CheckpointError(FidgetyError, ValueError):
    """A model file cannot be read or does not fit what it is asked to do."""


class ConfigError(FidgetyError, ValueError):
    """A setting has an unknown name or an impossible value."""


class FileError(FidgetyError, OSError):
    """The file system refused: missing, full, read-only, not permitted."""

    def __str__(self) -> str:  # OSError would print its own tuple
        return FidgetyError.__str__(self)


class QualityError(FidgetyError, ValueError):
    """The recording can be read but must not be assessed."""

    exit_status = 3


class AppError(FidgetyError, ValueError):
    """The review app cannot start, or refuses what a browser asks of it."""


class FidgetyWarning(UserWarning):
    """The work went on; the message starts with a ``W`` code and says what was done instead."""


def warn(
    code: str,
    what: str,
    *,
    where: object | None = None,
    why: str | None = None,
    remedy: str | None = None,
) -> None:
    """Issue a `FidgetyWarning` worded like a `FidgetyError` (same parameters)."""
    place = None if where is None else str(where)
    warnings.warn(_sentence(code, what, place, why, remedy), FidgetyWarning, stacklevel=2)


def _sentence(code: str, what: str, where: str | None, why: str | None, remedy: str | None) -> str:
    text = f"{code} {what}"
    if where:
        text += f" ({where})"
    if why:
        text += f": {why}"
    return " ".join(_ended(part) for part in (text, remedy) if part)


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith((".", "?", "!")) else f"{sentence}."


def _rebuild(
    kind: type[FidgetyError],
    code: str,
    what: str,
    where: str | None,
    why: str | None,
    remedy: str | None,
) -> FidgetyError:
    return kind(code, what, where=where, why=why, remedy=remedy)
