"""A model as it is used: file to risk, recordings of another kind refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import logit
from small_models import CLIP, WINDOW, network, sequence, trained

from fidgety.errors import CheckpointError, PoseError
from fidgety.models.checkpoint import save_checkpoint, sha256
from fidgety.models.inference import infer
from fidgety.models.trained import TrainedModel
from fidgety.motion import FidgetyProfile, split
from fidgety.statistics.calibrators import fit_calibrator


def test_file_gives_the_same_risk(tmp_path):
    model = trained(aggregation="max")
    path = save_checkpoint(tmp_path / "m.fidgety", model.checkpoint)
    loaded = TrainedModel.load(path)
    recording = sequence(1)
    assert loaded.digest == sha256(path)
    assert loaded.infer(loaded.clips(recording)).risk == pytest.approx(
        infer(network(), split(recording, CLIP), WINDOW, "max").risk, abs=1e-6
    )
    assert loaded.profile == FidgetyProfile(fps=10.0)
    assert loaded.clip_s == 1.0


def test_without_calibration_risks_stay_raw():
    np.testing.assert_array_equal(trained().calibrated([0.2, 0.9]), [0.2, 0.9])


def test_calibration_travels_with_the_model(tmp_path):
    scores, labels = [0.1, 0.2, 0.3, 0.6, 0.4, 0.7, 0.8, 0.9], [0, 0, 0, 0, 1, 1, 1, 1]
    calibrator = fit_calibrator(logit(scores), labels)
    model = trained(calibration=calibrator.to_dict())
    loaded = TrainedModel.load(save_checkpoint(tmp_path / "m.fidgety", model.checkpoint))
    np.testing.assert_allclose(
        loaded.calibrated(scores), calibrator.probability(logit(scores)), rtol=1e-9
    )
    assert np.ndim(loaded.calibrated(0.5)) == 0


def test_another_frame_rate_is_refused():
    with pytest.raises(CheckpointError, match=r"E409 The model knows 10 frames per second, not 25"):
        trained().clips(sequence(fps=25.0))


def test_another_number_of_joints_is_refused():
    odd = replace(sequence(), values=sequence().values[..., :17])
    with pytest.raises(CheckpointError, match=r"E409 The model knows 18 joints, not 17"):
        trained().clips(odd)


def test_another_skeleton_is_refused_by_its_names():
    """As many joints or not: names decide."""
    with pytest.raises(CheckpointError, match=r"E406 The model knows skeleton openpose18"):
        trained().clips(replace(sequence(), skeleton="coco17"))


def test_shorter_than_a_clip_is_refused():
    with pytest.raises(PoseError, match="E108"):
        trained().clips(sequence(frames=5))
