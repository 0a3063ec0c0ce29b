"""A fold that breaks, or whose process dies: named, the others kept, finished by a second run."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from fidgety.cli import main
from fidgety.engines import Engine
from fidgety.errors import StudyError
from fidgety.models.quantiles import QuantileRegression
from fidgety.study.experiment import cross_validate, examples_by_profile, tasks_of
from fidgety.study.methods import METHODS, Method

pytestmark = pytest.mark.usefixtures("tiny")
NAMES = ["quantiles", "breaks"]


class Breaks:
    """A classifier that breaks in the fold which tests one recording, while a file says how.

    Parameters
    ----------
    orders : Path
        Says ``study``, ``fault`` or ``die``; without it nothing happens.
    recording : Path
        Digest of the recording's sequence.
    """

    def __init__(self, orders: Path, recording: Path) -> None:
        self.orders, self.recording = orders, recording

    def fit(self, sequences, labels):
        self.inner = QuantileRegression().fit(sequences, labels)
        return self

    def risk(self, sequences):
        asked = [digest(s) for s in sequences]
        whole = len(sequences) > 4  # a test part: the members' own parts are smaller
        if whole and self.orders.exists() and float(self.recording.read_text()) in asked:
            how = self.orders.read_text()
            if how == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            if how == "fault":
                raise ZeroDivisionError("broken on purpose")
            raise StudyError("E202", "Broken on purpose")
        return self.inner.risk(sequences)


def digest(sequence) -> float:
    return float(np.nansum(np.abs(sequence)))


@pytest.fixture
def orders(study, tmp_path, monkeypatch) -> Path:
    """Adds the method ``breaks``, which fails in fold 1 as the file says."""
    path, recording = tmp_path / "orders", tmp_path / "recording"
    made = partial(Breaks, path, recording)
    method = Method("Breaks on purpose", "fidgety", classifier=made)  # type: ignore[arg-type]
    monkeypatch.setitem(METHODS, "breaks", method)
    cross_validate(study, ["breaks"], tmp_path / "look", folds=2, inner=2)
    task = tasks_of(study, tmp_path / "look", ["breaks"], repeats=1)[1]
    first = examples_by_profile(task, task.split.test)[0]
    recording.write_text(repr(digest(first.sequence.values)))
    return path


def finished(out: Path) -> dict[Path, int]:
    """Folds that are done, and when they were written."""
    return {p: p.stat().st_mtime_ns for p in (out / "folds").rglob("predictions.csv")}


def check_recovers(study, out: Path, orders: Path, whole) -> None:
    """The other folds are there; without the cause the same call makes the one that is missing."""
    kept = finished(out)
    assert {path.parent.relative_to(out / "folds").as_posix() for path in kept} == {
        "repeat0_fold0/breaks", "repeat0_fold0/quantiles", "repeat0_fold1/quantiles",
    }  # fmt: skip
    assert not (out / "predictions.csv").exists()
    orders.unlink()
    assert cross_validate(study, NAMES, out, folds=2, inner=2) == whole
    assert {path: at for path, at in finished(out).items() if path in kept} == kept


def test_a_fold_that_raises(study, tmp_path, orders):
    whole = cross_validate(study, NAMES, tmp_path / "whole", folds=2, inner=2)
    orders.write_text("study")
    with pytest.raises(StudyError) as told:
        cross_validate(study, NAMES, tmp_path / "cut", folds=2, inner=2)
    assert (told.value.code, told.value.exit_status) == ("E272", 2)
    assert told.value.what == "1 of 4 folds failed: breaks, repeat 0, fold 1"
    assert "E202 Broken on purpose" in str(told.value)
    assert "The others are kept" in str(told.value)
    check_recovers(study, tmp_path / "cut", orders, whole)


@pytest.mark.slow
def test_a_fold_whose_process_dies(study, tmp_path, orders):
    whole = cross_validate(study, NAMES, tmp_path / "whole", folds=2, inner=2)
    orders.write_text("die")
    workers = Engine(workers=2, retries=0)  # twice in all: beside others, then alone
    with pytest.raises(StudyError) as told:
        cross_validate(study, NAMES, tmp_path / "cut", folds=2, inner=2, workers=workers)
    assert (told.value.code, told.value.exit_status) == ("E272", 2)
    assert told.value.what == "1 of 4 folds failed: breaks, repeat 0, fold 1"
    assert "E522 The process that worked on it died, every time" in str(told.value)
    check_recovers(study, tmp_path / "cut", orders, whole)


@pytest.mark.parametrize(("how", "status"), [("study", 2), ("fault", 1)])
def test_the_command_says_which_fold_and_whose_fault(study, tmp_path, orders, capsys, how, status):
    command = ["cv", str(study.root), "--models", "quantiles,breaks", "--folds", "2"]
    command += ["--inner", "2", "--out", str(tmp_path / "cut")]
    orders.write_text(how)
    with pytest.raises(SystemExit) as left:
        main(command)
    said = capsys.readouterr().err
    assert left.value.code == status
    assert "E272 1 of 4 folds failed: breaks, repeat 0, fold 1" in " ".join(said.split())
    assert "Traceback" not in said
    orders.unlink()
    with pytest.raises(SystemExit) as left:
        main(command)
    assert not left.value.code
    assert (tmp_path / "cut" / "predictions.csv").exists()
