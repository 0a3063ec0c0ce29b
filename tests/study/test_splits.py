"""Splits: infants never cross, test parts cover every infant once, existing files are checked."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_studies import cohort, study_of, write_sequences

from fidgety.errors import ConfigError, FidgetyWarning, StudyError
from fidgety.study.splits import (
    PARTS,
    Split,
    make_splits,
    read_split,
    read_splits,
    record_wise_splits,
    with_validation,
    write_splits,
)
from fidgety.study.study import Study


@st.composite
def studies(draw: st.DrawFn) -> tuple[Study, int, float]:
    """A study with enough infants for the folds, unequal numbers of recordings, and sites."""
    folds = draw(st.integers(2, 6))
    infants = cohort(draw(st.integers(folds + 2, 25)), draw(st.integers(folds + 2, 40)))
    counts = {infant: draw(st.integers(1, 5)) for infant in infants}
    sites = {infant: draw(st.sampled_from("ABC")) for infant in infants}
    return study_of(infants, counts, sites), folds, draw(st.sampled_from([0.0, 0.1, 0.2, 0.5, 0.9]))


@settings(max_examples=80)
@given(case=studies(), seed=st.integers(0, 1000))
def test_infants_never_cross_and_test_parts_cover_all(
    case: tuple[Study, int, float], seed: int
) -> None:
    study, folds, fraction = case
    splits = make_splits(study, folds, seed, fraction)
    assert [split.fold for split in splits] == list(range(folds))
    tested = [infant for split in splits for infant in split.test]
    assert sorted(tested) == list(study.infants)
    for split in splits:
        parts = [set(split.train), set(split.val), set(split.test)]
        assert sum(map(len, parts)) == len(study.infants) == len(set.union(*parts))
        recordings = [{r.infant_id for r in split.recordings(study, part)} for part in PARTS]
        assert recordings == parts
        for part in PARTS if fraction else ("train", "test"):
            assert {study.infants[infant] for infant in getattr(split, part)} == {0, 1}
    for label in (0, 1):
        held = [sum(study.infants[i] == label for i in split.test) for split in splits]
        assert max(held) - min(held) <= 1
    sizes = [len(split.test) for split in splits]
    assert max(sizes) - min(sizes) <= 1


@settings(max_examples=30)
@given(case=studies(), seed=st.integers(0, 1000), order=st.randoms(use_true_random=False))
def test_same_seed_same_splits_whatever_the_order_of_rows(
    case: tuple[Study, int, float], seed: int, order: random.Random
) -> None:
    study, folds, fraction = case
    shuffled = list(study.recordings)
    order.shuffle(shuffled)
    splits = make_splits(study, folds, seed, fraction)
    assert splits == make_splits(replace(study, recordings=tuple(shuffled)), folds, seed, fraction)


def test_other_seed_other_splits() -> None:
    study = study_of(cohort(10, 20))
    made = {tuple(split.test for split in make_splits(study, 5, seed)) for seed in range(20)}
    assert len(made) == 20


def test_sites_are_balanced() -> None:
    infants = cohort(20, 40)
    sites = {infant: "AB"[k % 2] for k, infant in enumerate(infants)}
    for split in make_splits(study_of(infants, sites=sites), 5):
        for part in PARTS:
            held = Counter((infants[i], sites[i]) for i in getattr(split, part))
            assert held[0, "A"] == pytest.approx(held[0, "B"], abs=1.1)
            assert held[1, "A"] == pytest.approx(held[1, "B"], abs=1.1)


def test_recordings_are_balanced() -> None:
    infants = cohort(10, 20)
    counts = dict(zip(infants, np.random.default_rng(0).integers(1, 9, 30), strict=True))
    study = study_of(infants, counts)
    held = [len(split.recordings(study, "test")) for split in make_splits(study, 5)]
    assert max(held) - min(held) <= 4  # infants alone, dealt at random, differ by 10 and more


@pytest.mark.parametrize(
    ("abnormal", "normal", "folds", "fraction", "fits"),
    [
        (5, 25, 5, 0.2, True),  # the reference's toy set
        (4, 25, 5, 0.2, False),
        (25, 4, 5, 0.2, False),
        (4, 4, 2, 0.2, True),
        (3, 4, 2, 0.2, False),
        (3, 4, 3, 0.2, True),
        (2, 2, 2, 0.0, True),
        (2, 2, 2, 0.2, False),
    ],
)
def test_study_too_small_for_its_folds(
    abnormal: int, normal: int, folds: int, fraction: float, fits: bool
) -> None:
    study = study_of(cohort(abnormal, normal))
    if fits:
        assert len(make_splits(study, folds, validation_fraction=fraction)) == folds
        return
    with pytest.raises(StudyError, match="E213") as caught:
        make_splits(study, folds, validation_fraction=fraction)
    if "Use --folds" in str(caught.value):  # what is said to do can be done
        words = str(caught.value).split("Use --folds ")[1].split()
        spared = 0.0 if "--validation-fraction" in words else fraction
        fewer = int(words[0].rstrip(","))
        assert len(make_splits(study, fewer, validation_fraction=spared)) == fewer
    needed = int(str(caught.value).split("folds need ")[1].split(" ")[0])
    enough = study_of(cohort(max(abnormal, needed), max(normal, needed)))
    assert len(make_splits(enough, folds, validation_fraction=fraction)) == folds


def test_one_class_or_one_infant_in_a_class() -> None:
    for infants in (cohort(0, 9), cohort(9, 0), cohort(1, 9)):
        with pytest.raises(StudyError, match="E202"):
            make_splits(study_of(infants))


@pytest.mark.parametrize("wrong", [{"folds": 1}, {"seed": -1}, {"validation_fraction": 1.0}])
def test_impossible_settings(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="E702"):
        make_splits(study_of(cohort(9, 9)), **wrong)  # type: ignore[arg-type]


def test_a_split_asserts_that_no_infant_crosses() -> None:
    for parts in ((["a"], ["a"], ["b"]), (["a"], [], ["a"]), (["a"], ["b"], ["b"])):
        with pytest.raises(StudyError, match="E204 Infant"):
            Split(0, *map(tuple, parts))
    with pytest.raises(StudyError, match="E204 2 infants stand in train and in test: a, b"):
        Split(0, ("a", "b", "c"), (), ("a", "b"))
    for parts in (((), ("a",), ("b",)), (("a",), ("b",), ())):
        with pytest.raises(StudyError, match="E216"):
            Split(0, *parts)


def test_record_wise_splits_let_infants_cross() -> None:
    infants = cohort(8, 8)
    study = study_of(infants, dict.fromkeys(infants, 4))
    splits = record_wise_splits(study, 4)
    assert sorted(name for split in splits for name in split.test) == sorted(study.by_name)
    crossing = [
        {r.infant_id for r in split.recordings(study, "train")}
        & {r.infant_id for r in split.recordings(study, "test")}
        for split in splits
    ]
    assert all(crossing)


# --- files --------------------------------------------------------------------------------------


def write_parts(study: Study, folder: str = "split", **parts: str) -> None:
    target = study.root / folder
    target.mkdir(parents=True, exist_ok=True)
    for name, rows in parts.items():
        text = "infant_id,label\n" + rows.replace(" ", "\n").replace(":", ",") + "\n"
        (target / f"{name}.txt").write_text(text)


@pytest.fixture
def four(tmp_path: Path) -> Study:
    return study_of({"a": 1, "b": 0, "c": 1, "d": 0}, root=tmp_path)


def test_written_splits_are_read_back(tmp_path: Path) -> None:
    study = study_of(cohort(12, 12), root=tmp_path)
    write_splits(study, make_splits(study, 10, seed=1))
    splits = make_splits(study, 5, seed=2)
    folder = write_splits(study, splits)
    assert read_splits(study) == splits  # nothing is left of the ten
    assert (folder / "test_00.txt").read_text().startswith("infant_id,label\na")


def test_reference_folders_and_their_missing_validation(four: Study) -> None:
    write_parts(four, "folds/random_split", train_00="a:1 b:0", val_00="d:0", test_00="c:1")
    assert read_split(four) == Split(0, ("a", "b"), ("d",), ("c",))
    write_parts(four, train_00="a:1 b:0", test_00="c:1 d:0")
    assert read_split(four) == Split(0, ("a", "b"), (), ("c", "d"))


def test_validation_part_for_a_split_without_one() -> None:
    study = study_of(cohort(10, 20))
    whole = make_splits(study, 5, validation_fraction=0)[0]
    split = with_validation(whole, study, 0.25, seed=3)
    assert split.test == whole.test
    assert sorted((*split.train, *split.val)) == list(whole.train)
    assert Counter(study.infants[i] for i in split.val) == {1: 2, 0: 4}
    assert split == with_validation(whole, study, 0.25, seed=3)
    assert split != with_validation(whole, study, 0.25, seed=4)


def test_pieces_of_an_infant_in_two_parts(tmp_path: Path) -> None:
    write_sequences(tmp_path, ["b07_sub_1", "b07_sub_2", "b09_sub_1", "b11_2"])
    (tmp_path / "labels.txt").write_text("b07,1\nb09,0\nb11,0\n")
    study = Study.open(tmp_path)
    write_parts(study, train_00="b07_sub_1:1 b09_sub_1:0", test_00="b07_sub_2:1 b11_2:0")
    with pytest.raises(StudyError, match="E204 Infant b07 stands in train and in test"):
        read_split(study)
    write_parts(study, train_00="b07_sub_1:1 b07_sub_2:1", test_00="b09_sub_1:0 b11_2:0")
    assert read_split(study) == Split(0, ("b07",), (), ("b09", "b11"))


@pytest.mark.parametrize(
    ("code", "parts"),
    [
        ("E204", {"train_00": "a:1 b:0", "test_00": "b:0 c:1"}),
        ("E204", {"train_00": "a:1 b:0", "val_00": "a:1", "test_00": "c:1"}),
        ("E214", {"train_00": "a:1 b:0", "test_00": "c:1 x:0"}),
        ("E214", {"train_00": "a:1 x_1:0 y:0", "test_00": "c:1"}),
        ("E215", {"train_00": "a:0 b:0", "test_00": "c:1"}),
        ("E215", {"train_00": "a: b:0", "test_00": "c:1"}),
        ("E216", {"train_00": "a:1 b:0"}),
        ("E216", {"test_00": "a:1 b:0"}),
        ("E216", {"train_01": "a:1", "test_01": "b:0"}),
        ("E205", {"train_00": "a", "test_00": "c:1"}),
        ("E216", {}),
    ],
)
def test_split_files_that_cannot_be(four: Study, code: str, parts: dict[str, str]) -> None:
    write_parts(four, **parts)
    with pytest.raises(StudyError) as caught:
        read_split(four)
    assert caught.value.code == code, caught.value
    assert caught.value.remedy


def test_empty_part(four: Study) -> None:
    write_parts(four, train_00="a:1 b:0", test_00="c:1")
    (four.root / "split" / "test_00.txt").write_text("infant_id,label\n")
    with pytest.raises(StudyError, match="E216 The test part is empty"):
        read_split(four)


def test_overlapping_test_folds_and_left_out_infants_are_said(four: Study) -> None:
    write_parts(four, train_00="a:1 b:0", test_00="c:1 d:0", train_01="a:1", test_01="b:0 c:1")
    with pytest.warns(FidgetyWarning, match="W220 Infants tested in more than one fold .1.: c"):
        read_split(four)
    write_parts(four, train_00="a:1 b:0", test_00="c:1", test_01="b:0")
    with pytest.warns(FidgetyWarning, match="W221 Infants in no part .1 of 4.: d"):
        read_split(four)
