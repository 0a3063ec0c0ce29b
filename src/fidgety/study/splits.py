"""Dividing a study: infants, never recordings, go to training, validation or test.

An infant whose recordings stand on both sides of a split teaches a network to recognise the infant;
that mistake has moved published figures from 0.60 to 0.86. Every place here that divides data
asserts that no infant crosses.
"""

from __future__ import annotations

import re
import shutil
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Literal

import numpy as np

from fidgety.errors import ConfigError, StudyError, warn
from fidgety.files import write_text
from fidgety.study.labels import LABEL_NAMES, read_rows
from fidgety.study.names import listing
from fidgety.study.study import Recording, Study, check_classes

__all__ = [
    "PARTS",
    "RecordWiseSplit",
    "Split",
    "make_splits",
    "read_split",
    "read_splits",
    "record_wise_splits",
    "with_validation",
    "write_splits",
]

Part = Literal["train", "val", "test"]
PARTS: tuple[Part, ...] = ("train", "val", "test")
_FOLDERS = ("split", "folds/random_split")  # ours and the reference's README; the reference's code


@dataclass(frozen=True)
class Split:
    """One division of a study's infants; no infant stands in two parts.

    Parameters
    ----------
    fold : int
        Its number, from 0.
    train, val, test : tuple of str
        Infant codes, sorted; `val` may be empty.

    Raises
    ------
    StudyError
        E204 if an infant stands in two parts, E216 if training or test is empty.
    """

    fold: int
    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]

    def __post_init__(self) -> None:
        for part in PARTS:
            object.__setattr__(self, part, tuple(sorted(set(getattr(self, part)))))
        for one, other in combinations(PARTS, 2):
            both = set(getattr(self, one)) & set(getattr(self, other))
            if both:
                raise StudyError(
                    "E204",
                    f"{len(both)} infants stand in {one} and in {other}: {listing(both)}"
                    if len(both) > 1
                    else f"Infant {min(both)} stands in {one} and in {other}",
                    where=f"fold {self.fold}",
                    why="a model would be tested on infants it has learnt by heart",
                    remedy="Make new splits with: fidgety split STUDY",
                )
        for part in ("train", "test"):
            if not getattr(self, part):
                raise StudyError(
                    "E216",
                    f"The {part} part is empty",
                    where=f"fold {self.fold}",
                    remedy="Make new splits with: fidgety split STUDY",
                )

    def recordings(self, study: Study, part: Part) -> tuple[Recording, ...]:
        """All recordings of the infants of one part."""
        return study.recordings_of(getattr(self, part))


@dataclass(frozen=True)
class RecordWiseSplit:
    """A division of recordings that lets infants cross: WRONG, and for leakage self-tests only.

    Parameters
    ----------
    fold : int
        Its number, from 0.
    train, val, test : tuple of str
        Recording names, sorted.
    """

    fold: int
    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]

    def recordings(self, study: Study, part: Part) -> tuple[Recording, ...]:
        """The recordings of one part."""
        return tuple(study.by_name[name] for name in getattr(self, part))


def make_splits(
    study: Study, folds: int = 5, seed: int = 0, validation_fraction: float = 0.2
) -> tuple[Split, ...]:
    """Infant-disjoint, stratified splits whose test parts cover every infant exactly once.

    Each class is dealt to the folds in rows of one infant a fold, sites side by side and infants
    with many recordings going to the fold that has fewest: per class, test parts differ by at most
    one infant. The validation part is drawn per class, spread over sites, from the infants not in
    test. The result depends on the infants and the seed, not on the order of any file.

    Parameters
    ----------
    study : Study
        With labels.
    folds : int
        Number of splits, at least 2.
    seed : int
        The same seed gives the same splits, another seed others.
    validation_fraction : float
        Part of the infants not in test that is set aside for validation, 0 (none) to below 1; each
        class gives at least one infant and keeps at least one for training.

    Raises
    ------
    ConfigError
        E702 for impossible numbers.
    StudyError
        E202 if a class has fewer than two infants; E213 if a class has too few for these folds.
    """
    _check_settings(folds, seed, validation_fraction)
    check_classes(study)
    _check_size(study, folds, validation_fraction)
    test = _deal(study, folds, np.random.default_rng([seed, 0]))
    splits = []
    for fold in range(folds):
        rest = [infant for other in range(folds) if other != fold for infant in test[other]]
        split = Split(fold, tuple(rest), (), tuple(test[fold]))
        splits.append(with_validation(split, study, validation_fraction, seed))
    covered = sorted(infant for split in splits for infant in split.test)
    assert covered == sorted(study.infants), "test parts must cover every infant exactly once"
    return tuple(splits)


def with_validation(split: Split, study: Study, fraction: float = 0.2, seed: int = 0) -> Split:
    """The same split with a validation part taken from its training infants, per class.

    For splits that were made without one (the reference's ``split/`` folder has none).
    """
    rng = np.random.default_rng([seed, 1, split.fold])
    pool = (*split.train, *split.val)
    chosen: list[str] = []
    for label in LABEL_NAMES if fraction > 0 else ():
        infants = _by_site([i for i in sorted(pool) if study.infants[i] == label], study, rng)
        if len(infants) < 2:
            continue
        count = min(max(1, round(fraction * len(infants))), len(infants) - 1)
        start = rng.random()  # evenly spaced along the sites, from a random place
        chosen += [infants[int((k + start) * len(infants) / count)] for k in range(count)]
    return replace(split, train=tuple(set(pool) - set(chosen)), val=tuple(chosen))


def record_wise_splits(
    study: Study, folds: int = 5, seed: int = 0, validation_fraction: float = 0.2
) -> tuple[RecordWiseSplit, ...]:
    """Splits over recordings, as if each were an infant of its own: the WRONG way.

    For a leakage self-test only: the gap between this and `make_splits` on infants with several
    recordings shows what an infant-blind split would have claimed. Nothing in the package trains a
    model for use on it.
    """
    alone = [replace(recording, infant_id=recording.name) for recording in study.recordings]
    splits = make_splits(replace(study, recordings=tuple(alone)), folds, seed, validation_fraction)
    return tuple(RecordWiseSplit(s.fold, s.train, s.val, s.test) for s in splits)


def write_splits(study: Study, splits: Sequence[Split]) -> Path:
    """Write ``split/train_00.txt``, ``val_00.txt``, ``test_00.txt`` ... ; return the folder.

    Files of earlier splits are removed, so that folds of two makings never mix; but only when all
    of the new ones are written.
    """
    folder, drafts = study.root / "split", study.root / "split" / ".new"
    try:
        for split in splits:
            for part in PARTS:
                rows = [f"{infant},{study.infants[infant]}\n" for infant in getattr(split, part)]
                text = "infant_id,label\n" + "".join(rows)
                write_text(drafts / f"{part}_{split.fold:02}.txt", text)
        for part in PARTS:
            for _, old in _part_files(folder, part):
                old.unlink()
        for draft in drafts.iterdir():
            draft.replace(folder / draft.name)
    finally:
        shutil.rmtree(drafts, ignore_errors=True)
    return folder


def read_split(study: Study, fold: int = 0) -> Split:
    """Read one split from ``split/`` or ``folds/random_split/`` and check it against the study.

    Rows may name infants or, as in the reference's files, sub-sequences (``b07_sub_2``, ``b07_2``)
    or recordings; all count for the infant they belong to, so pieces of one infant on both sides of
    a split are found. A missing ``val`` file gives an empty validation part.

    Raises
    ------
    StudyError
        E204 an infant in two parts; E214 a row that fits no infant; E215 a label that differs from
        the study's; E216 no such split, or an empty part; E205, E206, E211 as `read_labels`.

    Warns
    -----
    FidgetyWarning
        W220 if test parts of different folds share infants; W221 if infants stand in no part.
    """
    folder = _split_folder(study)
    parts = {part: dict(_part_files(folder, part)) for part in PARTS}
    for part in ("train", "test"):
        if fold not in parts[part]:
            raise StudyError(
                "E216",
                f"There is no {part}_{fold:02}.txt",
                where=folder,
                why=f"it holds {len(parts['test'])} folds, counted from 00",
                remedy="Choose another fold, or make new splits with: fidgety split STUDY",
            )
    read = {part: _infants_in(study, f[fold]) if fold in f else () for part, f in parts.items()}
    split = Split(fold, read["train"], read["val"], read["test"])
    left_out = set(study.infants) - {*split.train, *split.val, *split.test}
    if left_out:
        warn(
            "W221",
            f"Infants in no part ({len(left_out)} of {len(study.infants)}): {listing(left_out)}",
            where=f"{folder.name}, fold {fold}",
        )
    _warn_of_overlap({number: _infants_in(study, path) for number, path in parts["test"].items()})
    return split


def read_splits(study: Study) -> tuple[Split, ...]:
    """Read every split of the study, as `read_split`."""
    numbers = [number for number, _ in _part_files(_split_folder(study), "test")]
    return tuple(read_split(study, number) for number in numbers)


def _deal(study: Study, folds: int, rng: np.random.Generator) -> list[list[str]]:
    """Infants of each fold's test part."""
    hands: list[list[str]] = [[] for _ in range(folds)]
    held = np.zeros(folds)  # recordings
    weight = _recording_counts(study)
    for label in (1, 0):
        infants = _by_site([i for i, own in study.infants.items() if own == label], study, rng)
        for start in range(0, len(infants), folds):
            row = sorted(infants[start : start + folds], key=lambda i: -weight[i])
            sizes = np.array([len(hand) for hand in hands])
            # A full row gives each fold one infant; the last, short row goes to the smallest folds.
            by_size = np.lexsort((rng.random(folds), held, sizes))[: len(row)]
            by_load = sorted(by_size, key=lambda fold: held[fold])
            for infant, fold in zip(row, by_load, strict=True):
                hands[fold].append(infant)
                held[fold] += weight[infant]
    return hands


def _by_site(infants: list[str], study: Study, rng: np.random.Generator) -> list[str]:
    """Infants in random order, those of one site side by side."""
    sites: dict[str, str] = {}
    for recording in study.recordings:
        sites.setdefault(recording.infant_id, recording.site or "")
    groups: dict[str, list[str]] = defaultdict(list)
    for infant in infants:
        groups[sites[infant]].append(infant)
    names = sorted(groups)
    order = [names[k] for k in rng.permutation(len(names))]
    return [groups[site][k] for site in order for k in rng.permutation(len(groups[site]))]


def _recording_counts(study: Study) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for recording in study.recordings:
        counts[recording.infant_id] += 1
    return counts


def _check_settings(folds: int, seed: int, fraction: float) -> None:
    for name, value, fits, wanted in (
        ("folds", folds, folds >= 2, "a whole number from 2"),
        ("seed", seed, seed >= 0, "a whole number from 0"),
        ("validation_fraction", fraction, 0 <= fraction < 1, "a number from 0 to below 1"),
    ):
        if not fits:
            raise ConfigError("E702", f"Impossible {name} {value}", remedy=f"Give {wanted}")


def _check_size(study: Study, folds: int, fraction: float) -> None:
    """Each class needs an infant in every test part, one to train on and one to validate on."""
    spared = 2 if fraction > 0 else 1

    def enough(infants: int, folds: int, spared: int) -> bool:
        return infants >= folds and infants - -(-infants // folds) >= spared

    needed = next(n for n in range(2, folds + 4) if enough(n, folds, spared))
    held = {name: list(study.infants.values()).count(label) for label, name in LABEL_NAMES.items()}
    for name, infants in held.items():
        if not enough(infants, folds, spared):
            fewest = min(held.values())
            fewer = [n for n in range(folds - 1, 1, -1) if enough(fewest, n, spared)]
            remedy = f"Use --folds {fewer[0]}, or add infants" if fewer else "Add infants"
            if not fewer and spared > 1 and enough(fewest, 2, 1):
                remedy = "Use --folds 2 --validation-fraction 0, or add infants"
            raise StudyError(
                "E213",
                f"{name!r} has {infants} infants, {folds} folds need {needed}",
                where=study.root.name,
                why="every part of every fold must hold both classes",
                remedy=remedy,
            )


def _split_folder(study: Study) -> Path:
    for name in _FOLDERS:
        if _part_files(study.root / name, "test"):
            return study.root / name
    raise StudyError(
        "E216",
        "The study has no splits",
        where=study.root.name,
        remedy="Make them with: fidgety split STUDY",
    )


def _part_files(folder: Path, part: Part) -> list[tuple[int, Path]]:
    found = [(re.fullmatch(rf"{part}_(\d{{2,4}})\.txt", p.name), p) for p in folder.glob("*.txt")]
    return sorted((int(match[1]), path) for match, path in found if match)


def _infants_in(study: Study, path: Path) -> tuple[str, ...]:
    infants: set[str] = set()
    unknown: list[str] = []
    for line, cells in read_rows(path, ("infant_id", "label"), needed=("infant_id", "label")):
        name, label = cells["infant_id"].strip(), cells["label"].strip()
        infant = study.infant_named(name)
        if infant is None:
            unknown.append(name)
            continue
        if label not in (str(study.infants[infant]), f"{study.infants[infant]}.0"):
            raise StudyError(
                "E215",
                f"Label {label[:40]!a} of {name} differs from the study's, {study.infants[infant]}",
                where=f"{path.name}, line {line}",
                remedy="Correct the labels, or make new splits with: fidgety split STUDY",
            )
        infants.add(infant)
    if unknown:
        shown = [ascii(name[:60]).strip("'") for name in unknown]
        raise StudyError(
            "E214",
            f"{len(unknown)} rows fit no labelled infant of the study: {listing(shown)}"
            if len(unknown) > 1
            else f"{shown[0]} fits no labelled infant of the study",
            where=path.name,
            remedy="Correct the codes, or make new splits with: fidgety split STUDY",
        )
    return tuple(sorted(infants))


def _warn_of_overlap(test_parts: dict[int, tuple[str, ...]]) -> None:
    seen: dict[str, int] = {}
    twice: set[str] = set()
    for number, infants in test_parts.items():
        twice |= {infant for infant in infants if seen.setdefault(infant, number) != number}
    if twice:
        warn(
            "W220",
            f"Infants tested in more than one fold ({len(twice)}): {listing(twice)}",
            why="scores of these folds cannot be pooled as if they were independent",
            remedy="fidgety split makes test folds that do not overlap",
        )
