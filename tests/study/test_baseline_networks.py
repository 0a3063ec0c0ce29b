"""The networks among the baselines, as METHODS trains them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from learning import examples

from fidgety.models.clip_transformer import ClipTransformerConfig
from fidgety.models.clipwise import (
    STGCNConfig,
    TemporalCNNConfig,
    TopClipsConfig,
)
from fidgety.motion import ClipConfig
from fidgety.statistics import roc_auc
from fidgety.study.experiment import cross_validate
from fidgety.study.methods import METHODS, names_in
from fidgety.study.training import fit, scores

KINDS = (STGCNConfig, TemporalCNNConfig, TopClipsConfig, ClipTransformerConfig)
NAMES = [
    name
    for name, method in METHODS.items()
    if method.network is not None and isinstance(method.network.model, KINDS)
]


def trained_area(name: str, seed: int | None = None) -> float:
    """AUC on new infants of the method, with shorter clips and training; labels permuted."""
    config = METHODS[name].network
    assert config is not None
    epochs = config.training.max_epoch if seed is None else 4
    training = replace(config.training, max_epoch=epochs, min_steps=0)
    config = replace(config, clip=ClipConfig(1.0, 0.5), training=training)
    known, new = examples(range(24), 50), examples(range(100, 124), 50)
    if seed is not None:
        rng = np.random.default_rng(seed)
        known, new = (
            [replace(e, label=int(k)) for e, k in zip(part, rng.permutation(24) % 2, strict=True)]
            for part in (known, new)
        )
    model = fit(known, [], config).model
    return roc_auc(scores(model, new, config), [e.label for e in new])


def test_there_are_four():
    assert len(NAMES) == 4


@pytest.mark.parametrize("name", NAMES)
def test_learns_a_planted_difference(name):
    assert trained_area(name) > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_permuted_labels_teach_nothing(name):
    found = [trained_area(name, seed) for seed in range(2)]
    assert np.mean(found) == pytest.approx(0.5, abs=0.25)  # 0.085 is its standard deviation


@pytest.mark.slow
def test_settings_but_for_the_least_steps_through_a_cross_validation(study, tmp_path, monkeypatch):
    for name in NAMES:
        network = METHODS[name].network
        assert network is not None
        assert network.training.min_steps >= 400
        network = replace(network, training=replace(network.training, min_steps=0))
        monkeypatch.setitem(METHODS, name, replace(METHODS[name], network=network))
    rows = cross_validate(study, NAMES, tmp_path, folds=2)
    for name in NAMES:
        mine = [row for row in rows if row.model == name]
        assert {row.recording for row in mine} == {r.name for r in study.recordings}
        assert np.isfinite([(row.score, row.probability) for row in mine]).all()


def test_groups_of_names():
    assert names_in("all") == list(METHODS)
    assert names_in("plain, stam") == [
        *(name for name, method in METHODS.items() if method.network is None),
        "stam",
    ]
    assert names_in("stam,all")[0] == "stam"
    assert len(names_in("stam,all")) == len(METHODS)
    assert names_in("stam, stam") == ["stam", "stam"]  # refused by cross_validate
    assert names_in(" , ") == []
