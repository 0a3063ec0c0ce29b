"""Every set: names, meanings, gaps, short and empty recordings, other layouts, rejections."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known_movement import FPS, restless

from fidgety.errors import PoseError
from fidgety.models.features import SETS
from fidgety.pose.skeleton import load_skeleton

pytestmark = pytest.mark.parametrize("features", SETS.values(), ids=SETS)


def test_names_are_columns_that_other_packages_read(features):
    for feature in features.features:
        assert re.fullmatch(r"[a-z][a-z0-9_]{2,63}", feature.name), feature.name
        assert feature.unit
        assert len(feature.meaning) > 10
    assert len(set(features.names)) == len(features.names)
    assert features.profile in ("stam", "fidgety")


def test_one_number_for_each_name(features):
    found = features.of(restless(0), FPS)
    assert found.shape == (len(features.features),)
    assert np.isfinite(found).mean() > 0.95
    np.testing.assert_array_equal(found, features.of(restless(0), FPS))


@pytest.mark.parametrize("frames", [0, 1, 2, 5, 30])
def test_a_recording_too_short_or_never_seen_gives_numbers_or_nothing(features, frames):
    for values in (np.zeros((7, frames, 18)), np.full((7, frames, 18), np.nan)):
        found = features.of(values, FPS)
        assert found.shape == (len(features.features),)
        assert not np.isinf(found).any()
    shares = np.isfinite(found[~np.isnan(found)])
    assert shares.all()


def test_float32_as_stored_gives_the_same_numbers(features):
    values = restless(1)
    one, other = features.of(values, FPS), features.of(values.astype(np.float32), FPS)
    smooth = [i for i, name in enumerate(features.names) if not name.endswith(("q90", "moving"))]
    np.testing.assert_allclose(one[smooth], other[smooth], rtol=0.02, atol=0.02)


def test_joints_are_found_by_name(features):
    layout = load_skeleton("openpose18")
    order = np.random.default_rng(0).permutation(18)
    shuffled = type(layout)(
        "shuffled",
        tuple(layout.joints[i] for i in order),
        layout.bones,
        layout.mirror_pairs,
        layout.parts,
        layout.center,
    )
    values = restless(2)
    np.testing.assert_array_equal(
        features.of(values, FPS), features.of(values[..., order], FPS, shuffled)
    )


@pytest.mark.parametrize("shape", [(6, 50, 18), (7, 50, 17), (7, 50)])
def test_another_shape_is_refused(features, shape):
    with pytest.raises(PoseError, match="E310"):
        features.of(np.zeros(shape), FPS)


@pytest.mark.parametrize("fps", [0.0, -1.0, np.nan, np.inf])
def test_an_impossible_frame_rate_is_refused(features, fps):
    with pytest.raises(PoseError, match="E316"):
        features.of(restless(0, 2.0), fps)


@settings(max_examples=15)
@given(st.integers(0, 99), st.floats(0, 0.6))
def test_gaps_never_break_a_set(features, seed, lost):
    rng = np.random.default_rng(seed)
    values = restless(seed % 3, 4.0)
    values[:, rng.random(values.shape[1:]) < lost] = np.nan
    values[:, :, rng.integers(18)] = np.nan
    found = features.of(values, FPS)
    assert not np.isinf(found).any()
