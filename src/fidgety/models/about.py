"""What is known of a model beside its weights; nothing here needs a network library."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from fidgety.errors import CheckpointError, ConfigError, FileError
from fidgety.files import existing, file_error
from fidgety.pose.skeleton import Skeleton

__all__ = ["Cohort", "require_joints", "sha256"]


@dataclass(frozen=True)
class Cohort:
    """Whom a model was trained on.

    Parameters
    ----------
    n_infants, n_abnormal : int
        Infants, and those among them labelled abnormal.
    age_weeks : (float, float), optional
        Lowest and highest corrected age; None if it was not recorded.
    sites : tuple of str
        Where the recordings come from.
    simulated : bool
        True if any of them are simulated.
    """

    n_infants: int
    n_abnormal: int
    age_weeks: tuple[float, float] | None = None
    sites: tuple[str, ...] = ()
    simulated: bool = False

    def __post_init__(self) -> None:
        counts = (self.n_infants, self.n_abnormal)
        if not all(type(n) is int for n in counts) or not 0 <= self.n_abnormal <= self.n_infants:
            raise ConfigError("E702", f"A cohort of {counts[0]!r} infants, {counts[1]!r} abnormal")
        if self.age_weeks is not None:
            low, high = self.age_weeks
            if not 0 <= low <= high:
                raise ConfigError("E702", f"A cohort aged {low} to {high} weeks")


def require_joints(known: Skeleton, skeleton: Skeleton) -> None:
    """Raise `CheckpointError` E406 unless `skeleton` has the `known` joints in their order."""
    if skeleton.joints != known.joints:
        lacking = [joint for joint in known.joints if joint not in skeleton.index]
        raise CheckpointError(
            "E406",
            f"The model knows skeleton {known.name}, not {skeleton.name}",
            why=f"it lacks {', '.join(lacking)}" if lacking else "the joints differ in order",
            remedy=f"Bring the poses to {known.name}, or use a model trained on {skeleton.name}",
        )


def sha256(path: str | Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    try:
        with existing(path, "file").open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise error if isinstance(error, FileError) else file_error(error, path) from error
