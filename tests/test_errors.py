"""Errors say what, where, why and what to do, and survive process borders."""

from __future__ import annotations

import copy
import pickle
import warnings

import joblib
import pytest

from fidgety import errors
from fidgety.errors import FidgetyError, FidgetyWarning, FileError, PoseError, QualityError, warn

KINDS = [
    kind
    for name in errors.__all__
    if isinstance(kind := getattr(errors, name), type) and issubclass(kind, FidgetyError)
]
FULL = {"where": "a.mov", "why": "nobody is in it", "remedy": "Film the infant"}


def refuse(kind: type[FidgetyError], number: int) -> None:
    raise kind(f"E{number}", "No infant found", **FULL)


def test_the_whole_sentence():
    error = FidgetyError("E101", "No infant found", **FULL)
    assert str(error) == "E101 No infant found (a.mov): nobody is in it. Film the infant."


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "E101 No infant found."),
        ({"where": "a.mov"}, "E101 No infant found (a.mov)."),
        ({"why": "it is dark"}, "E101 No infant found: it is dark."),
        ({"remedy": "Is the lamp on?"}, "E101 No infant found. Is the lamp on?"),
        ({"why": "it is dark!", "remedy": "Wait."}, "E101 No infant found: it is dark! Wait."),
    ],
)
def test_parts_may_be_left_out(given, text):
    assert str(FidgetyError("E101", "No infant found", **given)) == text


@pytest.mark.parametrize("kind", KINDS)
def test_errors_keep_everything_across_processes(kind):
    error = kind("E123", "It broke", **FULL)
    for back in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(back) is kind
        assert str(back) == str(error)
        assert (back.code, back.what, back.where, back.why, back.remedy) == (
            "E123",
            "It broke",
            *FULL.values(),
        )
        assert back.exit_status == error.exit_status


@pytest.mark.parametrize("kind", [PoseError, FileError])
def test_a_worker_process_raises_them_here(kind):
    with pytest.raises(kind) as caught:
        joblib.Parallel(n_jobs=2)(joblib.delayed(refuse)(kind, 200 + k) for k in range(2))
    assert caught.value.code in ("E200", "E201")
    assert caught.value.remedy == "Film the infant"


def test_they_are_the_standard_errors_too():
    assert {kind for kind in KINDS if issubclass(kind, ValueError)} == {
        *KINDS,
    } - {FidgetyError, FileError}
    assert issubclass(FileError, OSError)


def test_a_file_error_prints_as_the_others():
    assert str(FileError("E501", "No space left", where="x")) == "E501 No space left (x)."
    assert repr(FileError("E501", "No space left")) == "FileError('E501 No space left.')"


def test_only_a_refusal_of_the_quality_gate_ends_with_status_3():
    assert {kind for kind in KINDS if kind.exit_status == 3} == {QualityError}
    assert {kind.exit_status for kind in KINDS} == {2, 3}


def test_a_place_may_be_a_path_and_is_kept_as_text(tmp_path):
    assert FidgetyError("E101", "Gone", where=tmp_path).where == str(tmp_path)
    assert FidgetyError("E101", "Gone", where=0).where == "0"


def test_warnings_are_worded_alike_and_point_at_the_caller():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn("W302", "8 % missing", where="b.json", why="long gaps", remedy="The rest is masked")
    assert len(caught) == 1
    assert caught[0].category is FidgetyWarning
    assert str(caught[0].message) == "W302 8 % missing (b.json): long gaps. The rest is masked."
    assert caught[0].filename == __file__
