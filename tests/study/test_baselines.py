"""Every baseline at its real settings through a cross-validation of a tiny study."""

from __future__ import annotations

import numpy as np
import pytest

from fidgety.study.experiment import cross_validate
from fidgety.study.methods import METHODS

PLAIN = [name for name, method in METHODS.items() if method.classifier is not None]


def test_every_plain_baseline_predicts_every_recording_once(study, tmp_path):
    rows = cross_validate(study, PLAIN, tmp_path, folds=2)
    for name in PLAIN:
        mine = [row for row in rows if row.model == name]
        assert [row.recording for row in sorted(mine, key=lambda row: row.recording)] == [
            recording.name for recording in study.recordings
        ]
        assert np.isfinite([(row.score, row.probability) for row in mine]).all()


@pytest.mark.parametrize("name", METHODS)
def test_every_method_says_what_it_is(name):
    method = METHODS[name]
    assert len(method.about) > 30
    assert (method.network is None) != (method.classifier is None)
