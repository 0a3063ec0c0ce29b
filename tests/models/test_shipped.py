"""The model in the package: found by name, marked as simulated, and worth its card."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest

from fidgety.assess import Assessor
from fidgety.models.additive import Additive
from fidgety.models.shipped import SHIPPED, resolve, shipped_path
from fidgety.models.trained import TrainedModel
from fidgety.simulate import simulate_infant
from fidgety.statistics import roc_auc

MODEL = "simulated-demo"
ROOT = Path(__file__).parents[2]


def test_it_lies_in_the_package_with_its_card():
    for name in SHIPPED:
        path = shipped_path(name)
        assert path.stat().st_size < 4 << 20
        card = path.with_suffix(".md").read_text("utf-8")
        assert "simulated" in card.lower()
        assert "benchmarks/shipped_model.py" in card
        assert path.with_suffix(".onnx").stat().st_size < 4 << 20
    data = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert {"*.fidgety", "*.onnx"} <= set(
        data["tool"]["setuptools"]["package-data"]["fidgety.models.shipped"]
    )


def test_a_name_is_a_shipped_model_unless_a_file_is_called_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert resolve(MODEL) == shipped_path(MODEL)
    assert resolve("other.fidgety") == Path("other.fidgety")
    (tmp_path / MODEL).write_bytes(b"mine")
    assert resolve(MODEL) == Path(MODEL)


def test_everything_it_says_is_marked_as_simulated():
    model = TrainedModel.load(MODEL)
    known = model.checkpoint
    assert known.cohort is not None
    assert known.cohort.simulated
    assert "simulated infants only" in known.notes[0]
    assert all(isinstance(network, Additive) for network in model.networks)
    assert len(model.networks) > 1
    assert model.rules.calibrator is not None
    assert model.rules.abstention is not None
    assert model.rules.scope is not None
    (infant,) = simulate_infant(9_000_001, label=0, seconds=30.0, difficulty="easy")
    said = Assessor.load(MODEL).assess(infant.pose, age_weeks=infant.age_weeks).to_dict()
    assert said["model"]["trained"]["simulated"] is True
    assert said["model"]["notes"] == list(known.notes)
    assert said["risk"] is not None
    joints = [joint["contribution"] for joint in said["joints"]]
    clips = [clip["contribution"] for clip in said["clips"]]
    assert sum(joints) == pytest.approx(sum(clips), abs=1e-5)


def test_new_simulated_infants_are_told_apart():
    assessor = Assessor.load(MODEL)
    cohort = [
        simulate_infant(9_100_000 + n, label=n % 2, seconds=30.0, difficulty="easy")[0]
        for n in range(12)
    ]
    said = [assessor.assess(infant.pose, age_weeks=infant.age_weeks) for infant in cohort]
    risks = np.array([np.nan if one.risk is None else one.risk for one in said])
    labels = np.array([infant.label for infant in cohort])
    seen = np.isfinite(risks)
    assert seen.sum() >= 10
    assert roc_auc(risks[seen], labels[seen]) > 0.9
