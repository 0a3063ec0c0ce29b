"""Quick mode: the same networks, shorter training, never mixed with the full one."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from fidgety.errors import StudyError
from fidgety.study.experiment import cross_validate, tasks_of
from fidgety.study.methods import METHODS
from fidgety.study.quick import quick_method, quick_network

NETWORKS = [name for name, method in METHODS.items() if method.network is not None]


@pytest.mark.parametrize("name", NETWORKS)
def test_only_training_is_shortened(name):
    full, quick = METHODS[name].network, quick_method(METHODS[name]).network
    assert replace(quick, training=full.training) == full
    same = ("lr", "weight_decay", "optimizer", "schedule", "batch_size", "augmentation", "seed")
    for entry in same:
        assert getattr(quick.training, entry) == getattr(full.training, entry)
    assert quick.training.max_epoch <= full.training.max_epoch
    assert quick.training.clips_per_window <= (full.training.clips_per_window or 12)
    assert quick_network(quick).training.clips_per_window == quick.training.clips_per_window
    assert quick.training.min_steps <= 0.5 * full.training.min_steps
    if full.training.select == "last":
        assert quick.training.patience is None  # the last epoch is to be the last
    shown = [c.training.max_epoch * (c.training.clips_per_window or 48) for c in (full, quick)]
    assert shown[1] <= 0.55 * shown[0]


def test_plain_classifiers_stay_as_they_are():
    assert quick_method(METHODS["quantiles"]) == METHODS["quantiles"]


def test_candidates_are_shortened_too():
    stam = METHODS["stam"]
    quick = quick_method(replace(stam, candidates={"one": stam}))
    assert quick.candidates["one"] == quick_method(stam)


@pytest.mark.usefixtures("tiny")
def test_cross_validation_takes_one_member_and_shorter_training(study, tmp_path):
    rows = cross_validate(study, ["stam", "quantiles"], tmp_path / "cv", folds=2, quick=True)
    assert len(rows) == 2 * len(study.recordings)
    said = json.loads((tmp_path / "cv" / "experiment.json").read_text())
    assert said["quick"] is True
    assert said["methods"]["stam"]["inner"] == 1
    full = METHODS["stam"].network.training
    assert said["methods"]["stam"]["network"]["training"]["clips_per_window"] == 6
    task = tasks_of(study, tmp_path / "cv", ["stam"], repeats=1)[0]
    assert task.method == quick_method(METHODS["stam"])
    assert task.method.network.training.max_epoch == full.max_epoch  # constant rate in the fixture
    again = cross_validate(study, ["stam", "quantiles"], tmp_path / "cv", folds=2, quick=True)
    assert again == rows


@pytest.mark.usefixtures("tiny")
def test_quick_and_full_are_different_experiments(study, tmp_path):
    cross_validate(study, ["quantiles"], tmp_path / "cv", folds=2, inner=1, quick=True)
    with pytest.raises(StudyError, match="E273"):
        cross_validate(study, ["quantiles"], tmp_path / "cv", folds=2, inner=1)


@pytest.mark.usefixtures("tiny")
def test_an_older_folder_counts_as_full(study, tmp_path):
    """Written before there was a quick mode."""
    rows = cross_validate(study, ["quantiles"], tmp_path / "cv", folds=2)
    path = tmp_path / "cv" / "experiment.json"
    said = json.loads(path.read_text())
    del said["quick"]
    path.write_text(json.dumps(said))
    assert cross_validate(study, ["quantiles"], tmp_path / "cv", folds=2) == rows
