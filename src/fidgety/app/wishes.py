"""What requests of the pages may hold: shapes and limits of their bodies."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "Correction",
    "Draft",
    "Entry",
    "NoteWish",
    "Rating",
    "ReaderWish",
    "Signature",
    "UploadWish",
    "Wanted",
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", str_max_length=4000)


class Entry(_Body):
    """A token or password."""

    word: str = Field(max_length=400)


class ReaderWish(_Body):
    """Who reads: a known reader, or a new one."""

    reader: int | None = Field(default=None, ge=1, le=2**31)
    name: str = Field(default="", max_length=80)
    passphrase: str = Field(default="", max_length=200)


class UploadWish(_Body):
    """A recording that is about to come."""

    infant: str = Field(max_length=80)
    age_weeks: float | None = Field(default=None, allow_inf_nan=False)
    kind: Literal["film", "pose", "frames"]
    suffix: str = Field(max_length=12)
    size: int = Field(ge=0, le=2**50)
    skeleton: str | None = Field(default=None, pattern="^[a-z0-9]{1,24}$")
    fps: float | None = Field(default=None, gt=0, le=1000)


class Correction(_Body):
    """Infant code and age as they should be."""

    infant: str = Field(max_length=80)
    age_weeks: float | None = Field(default=None, allow_inf_nan=False)


class Wanted(_Body):
    """The beginning of an infant code."""

    infant: str = Field(max_length=80)


class Rating(_Body):
    """A reader's own first score."""

    score: str = Field(max_length=8)


class NoteWish(_Body):
    """Words at a moment."""

    time_s: float = Field(ge=0, le=1e6, allow_inf_nan=False)
    text: str = Field(max_length=4000)


class Signature(_Body):
    """The end of a reading."""

    score: str = Field(max_length=8)
    agreement: str | None = Field(default=None, max_length=12)
    comment: str = Field(default="", max_length=4000)
    reason: str = Field(default="", max_length=4000)
    assessment: str | None = Field(default=None, max_length=16)
    passphrase: str = Field(default="", max_length=200)


class Draft(_Body):
    """What is filled in and not yet given."""

    score: str | None = Field(default=None, max_length=8)
    agreement: str | None = Field(default=None, max_length=12)
    comment: str = Field(default="", max_length=4000)
