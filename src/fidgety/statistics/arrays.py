"""What every statistic asks of its arrays, checked once; `Estimate`, the shape of every answer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from fidgety.errors import CheckpointError, ConfigError, StudyError

__all__ = ["Cohort", "Estimate", "cohort", "plain", "probabilities"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Infants = Sequence[Any] | NDArray[Any] | None


@dataclass(frozen=True)
class Estimate:
    """A number and the interval that goes with it.

    Parameters
    ----------
    value : float
        The estimate itself; NaN where the data do not define it.
    low, high : float
        Limits of the interval; NaN where no honest interval exists (``method`` says why).
    level : float
        Confidence level of the interval, 0.95 for 95 %.
    method : str
        How the interval was made.
    """

    value: float
    low: float
    high: float
    level: float
    method: str

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True, eq=False)
class Cohort:
    """Scores and labels of n recordings, and which infant each belongs to; see `cohort`."""

    scores: Floats  # (n,)
    labels: Ints  # (n,) 0 or 1
    infant: Ints  # (n,) index 0 ... infants - 1

    @property
    def infants(self) -> int:
        """How many infants there are."""
        return int(self.infant.max()) + 1

    @property
    def positive(self) -> NDArray[np.bool_]:
        """Where the label is 1, (n,)."""
        return self.labels == 1

    @property
    def clustered(self) -> bool:
        """Whether any infant has more than one recording."""
        return self.infants < len(self.labels)

    def infants_with(self, label: int) -> int:
        """How many infants have at least one recording of this label."""
        return len(np.unique(self.infant[self.labels == label]))

    def label_of_infants(self) -> Ints:
        """The label of each infant, (infants,).

        Raises
        ------
        StudyError
            E245 if an infant carries both labels.
        """
        positives = np.bincount(self.infant, weights=self.labels)  # (infants,)
        both = (positives > 0) & (positives < np.bincount(self.infant))
        if both.any():
            raise StudyError(
                "E245",
                f"{int(both.sum())} infants carry both labels",
                why="this statistic needs one label an infant",
                remedy="Correct the labels, or keep one recording of each infant",
            )
        return (positives > 0).astype(np.int64)


def cohort(
    scores: ArrayLike,
    labels: ArrayLike,
    infants: Infants = None,
    *,
    both_classes: bool = True,
) -> Cohort:
    """Check scores, labels and infant codes, and number the infants.

    Parameters
    ----------
    scores : array_like (n,)
        One score a recording, higher = more abnormal.
    labels : array_like (n,)
        1 = abnormal, 0 = normal.
    infants : sequence (n,), optional
        Code of the infant of each recording; left out, each recording is an infant of its own.
    both_classes : bool
        Whether a single class is refused.

    Raises
    ------
    StudyError
        E240 lengths differ, nothing given or not one-dimensional; E241 labels other than 0 and 1;
        E242 one class only; E243 scores that are NaN, infinite or not numbers.
    """
    score = _numbers(scores, "Scores")
    if np.shape(labels) != score.shape:
        raise _lengths("labels", np.shape(labels), score.shape)
    label = _labels(labels)
    if both_classes and label.min() == label.max():
        raise StudyError(
            "E242",
            f"All {len(label)} labels are {label[0]}",
            why="a statistic of discrimination or calibration needs both classes",
            remedy="Add recordings of the other class, or choose folds that hold both",
        )
    if infants is None:
        infant = np.arange(len(score), dtype=np.int64)
    else:
        codes = np.asarray(infants)
        if codes.dtype.kind == "O":
            codes = codes.astype(str)
        if codes.shape != score.shape:
            raise _lengths("infants", codes.shape, score.shape)
        infant = np.unique(codes, return_inverse=True)[1].astype(np.int64)
    return Cohort(score, label, infant)


def probabilities(values: ArrayLike, what: str = "Probabilities") -> Floats:
    """Return `values` as an array (n,) within 0 and 1.

    Raises
    ------
    StudyError
        E240 empty or not one-dimensional, E243 not finite, E244 outside 0 to 1.
    """
    found = _numbers(values, what)
    outside = (found < 0) | (found > 1)
    if outside.any():
        raise StudyError(
            "E244",
            f"{what} lie outside 0 to 1, e.g. {found[outside][0]:.4g}",
            why="these look like scores, not probabilities",
            remedy="Calibrate them first (fit_calibrator)",
        )
    return found


def fraction(value: float, name: str) -> float:
    """Return `value` if it lies strictly between 0 and 1; raise `ConfigError` E246 otherwise."""
    if not (isinstance(value, (int, float, np.number)) and 0 < value < 1):
        raise ConfigError(
            "E246",
            f"{name} = {value!r} is not between 0 and 1",
            remedy="Give a fraction, such as 0.95 for 95 %",
        )
    return float(value)


def whole(value: int, name: str, least: int = 1) -> int:
    """Return `value` if it is a whole number >= `least`; raise `ConfigError` E247 otherwise."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ConfigError("E247", f"{name} = {value!r} is not a whole number of {least} or more")
    return int(value)


def choice(value: str, known: Sequence[str], name: str) -> str:
    """Return `value` if it is one of `known`; raise `ConfigError` E248 otherwise."""
    if value not in known:
        raise ConfigError(
            "E248", f"No {name} {value!r}", remedy=f"Choose one of {', '.join(known)}"
        )
    return value


def numbers_from(content: Mapping[Any, Any], keys: Iterable[Any], what: str) -> list[float]:
    """Finite numbers at `keys` of something read back; raise `CheckpointError` E260 if not."""
    found = []
    for key in keys:
        value = content.get(key)
        if (
            isinstance(value, bool)
            or not isinstance(value, (int, float))
            or not math.isfinite(value)
        ):
            raise CheckpointError(
                "E260",
                f"The stored {what} has no number {key!r}",
                why=f"found {value!r}",
                remedy="The file is damaged or of another version: export the model again",
            )
        found.append(float(value))
    return found


def z_value(level: float) -> float:
    """Half-width of a two-sided normal interval in standard errors (1.96 for 0.95)."""
    return float(ndtri(0.5 + fraction(level, "level") / 2))


def plain(result: Any) -> Any:
    """Turn a result of this package into what JSON can hold.

    Dataclasses become dictionaries, arrays lists, and NaN or infinity ``None``.
    """
    if is_dataclass(result) and not isinstance(result, type):
        return plain({k: getattr(result, k) for k in result.__dataclass_fields__})
    if isinstance(result, dict):
        return {str(key): plain(value) for key, value in result.items()}
    if isinstance(result, np.ndarray):
        return plain(result.tolist())
    if isinstance(result, (list, tuple)):
        return [plain(value) for value in result]
    if isinstance(result, np.generic):
        return plain(result.item())
    if isinstance(result, float) and not math.isfinite(result):
        return None
    return result


def _numbers(values: ArrayLike, what: str) -> Floats:
    try:
        found = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise StudyError("E243", f"{what} are not all numbers") from error
    if found.ndim != 1 or not found.size:
        raise StudyError(
            "E240",
            f"{what} have the shape {found.shape}, not (n,) with n of 1 or more",
            remedy="Give one number for each recording",
        )
    bad = ~np.isfinite(found)
    if bad.any():
        raise StudyError(
            "E243",
            f"{int(bad.sum())} of {found.size} {what.lower()} are missing or infinite",
            why=f"the first is number {int(np.argmax(bad))}, counted from 0",
            remedy="Leave those recordings out and say so, or score them again",
        )
    return found


def _labels(labels: ArrayLike) -> Ints:
    found = np.asarray(labels)
    known = np.isin(found, (0, 1)) if found.dtype.kind in "biuf" else np.zeros(found.shape, bool)
    if not known.all():
        raise StudyError(
            "E241",
            f"Label {found[~known][0]!r} is neither 0 (normal) nor 1 (abnormal)",
            remedy="Recode the labels; were scores and labels exchanged?",
        )
    return found.astype(np.int64)


def _lengths(name: str, found: tuple[int, ...], wanted: tuple[int, ...]) -> StudyError:
    return StudyError(
        "E240",
        f"The {name} have the shape {found}, the scores {wanted}",
        remedy="Give one of each for every recording, in the same order",
    )
