"""Which of several bodies is followed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from posed_bodies import points_of

from fidgety.pose.formats.bodies import follow


def infant_and_carer(frames: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """An infant seen whole, and a carer beside it of whom half is seen, at times more."""
    infant, carer = points_of("body25", 1, frames), points_of("body25", 2, frames)
    carer[..., 0] += 500
    carer[:, 12:] = np.nan
    return infant, carer


def test_the_most_complete_body_is_followed_whatever_the_order():
    infant, carer = infant_and_carer()
    rng = np.random.default_rng(0)
    mixed = [np.stack([infant[t], carer[t]])[rng.permutation(2)] for t in range(40)]
    np.testing.assert_array_equal(follow(mixed), infant)


def test_a_moment_in_which_the_other_is_more_complete_changes_nothing():
    infant, carer = infant_and_carer()
    whole = points_of("body25", 2, 40)
    carer[10:14] = whole[10:14] + np.array([500, 0, 0])
    infant[10:14, 8:] = np.nan
    followed = follow([np.stack([carer[t], infant[t]]) for t in range(40)])
    np.testing.assert_array_equal(followed, infant)  # the published rule would jump to the carer


def test_nobody_is_put_in_the_place_of_a_body_not_seen():
    infant, carer = infant_and_carer()
    frames = [np.stack([infant[t], carer[t]]) for t in range(40)]
    frames[20:23] = [carer[t][None] for t in range(20, 23)]
    followed = follow(frames)
    assert np.isnan(followed[20:23]).all()
    np.testing.assert_array_equal(followed[23:], infant[23:])


def test_one_body_a_frame_is_taken_as_it_is_even_when_it_jumps():
    infant, _ = infant_and_carer()
    infant[20:, :, 0] += 5000
    frames = [one[None] for one in infant]
    frames[7] = np.zeros((0, 25, 3))
    followed = follow(frames)
    assert np.isnan(followed[7]).all()
    np.testing.assert_array_equal(np.delete(followed, 7, 0), np.delete(infant, 7, 0))


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), shift=st.floats(-1e4, 1e4), scale=st.floats(0.01, 100))
def test_place_and_scale_do_not_matter(seed, shift, scale):
    infant, carer = infant_and_carer(12)
    rng = np.random.default_rng(seed)
    frames = [np.stack([infant[t], carer[t]])[rng.permutation(2)] for t in range(12)]
    moved = [frame * (scale, scale, 1) + (shift, shift, 0) for frame in frames]
    np.testing.assert_allclose(follow(moved), infant * (scale, scale, 1) + (shift, shift, 0))


@pytest.mark.parametrize("people", [2, 60])
def test_crowds_do_not_break_it(people):
    rng = np.random.default_rng(0)
    frames = [rng.uniform(0, 1000, (people, 25, 3)) for _ in range(5)]
    assert follow(frames).shape == (5, 25, 3)
