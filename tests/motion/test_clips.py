"""Clips and windows: nothing is left out, nothing is copied, too little seen is masked."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fidgety.errors import ConfigError, PoseError
from fidgety.motion import ClipConfig, PoseSequence, WindowConfig, split, windows


def sequence(frames: int, fps: float = 30.0, start_s: float = 0.0) -> PoseSequence:
    values = np.arange(7 * frames * 3, dtype=float).reshape(7, frames, 3)
    return PoseSequence(values, fps, start_s, "mine")


def test_published_clips_and_sub_sequences_by_default():
    clips = split(sequence(1800))
    assert clips.every.shape[1:] == (7, 30, 3)
    np.testing.assert_array_equal(np.diff(clips.first)[:-1], 20)
    found = windows(clips)
    starts = clips.first[[window.start for window in found]]
    assert starts[:2].tolist() == [0, 800]
    assert clips.first[found[0].stop - 1] + 30 <= 1000
    assert len(clips.first[found[0]]) == 1 + (1000 - 30) // 20


@pytest.mark.parametrize("fps", [10, 15, 24, 25, 29.97, 30, 50, 60])
def test_clips_are_set_in_seconds(fps):
    clips = split(sequence(400, fps), ClipConfig(1.0, 0.5))
    assert clips.every.shape[2] == round(fps)
    assert clips.length_s == pytest.approx(1.0, abs=0.5 / fps)
    assert np.diff(clips.start_s)[0] == pytest.approx(0.5, abs=0.51 / fps)


@settings(max_examples=40)
@given(
    frames=st.integers(1, 500),
    fps=st.sampled_from([15.0, 24.0, 29.97, 30.0, 60.0]),
    length=st.floats(0.02, 4.0),
    share=st.floats(0.01, 1.0),
)
def test_every_frame_lies_in_a_clip_and_the_last_ends_with_the_last_frame(
    frames, fps, length, share
):
    config = ClipConfig(length, length * share)
    whole = sequence(frames, fps, start_s=2.5)
    size, stride = config.frames(fps)
    if frames < size:
        with pytest.raises(PoseError, match="E108"):
            split(whole, config)
        return
    clips = split(whole, config)
    covered = np.zeros(frames, dtype=bool)
    for k, first in enumerate(clips.first):
        covered[first : first + size] = True
        assert clips.start_s[k] == pytest.approx(2.5 + first / fps)
    assert covered.all()
    assert clips.first[-1] + size == frames
    assert (np.diff(clips.first) > 0).all()
    assert (np.diff(clips.first)[:-1] == stride).all()
    assert len(clips) == len(clips.values()) == len(clips.usable)


def test_clips_are_views_that_cannot_be_written():
    whole = sequence(100)
    clips = split(whole)
    assert np.shares_memory(clips.every, whole.values)
    assert not clips.every.flags.writeable
    np.testing.assert_array_equal(clips.every[40], whole.values[:, 40:70])
    np.testing.assert_array_equal(clips.values()[2], whole.values[:, 40:70])
    np.testing.assert_array_equal(clips.values(slice(1, 3)), clips.values()[1:3])
    np.testing.assert_array_equal(clips.values(np.array([2, 0])), clips.values()[[2, 0]])
    assert not np.shares_memory(clips.values(), whole.values)


@given(
    frames=st.integers(6, 60),
    length=st.integers(1, 6),
    seed=st.integers(0, 99),
)
@settings(max_examples=30)
def test_clips_by_the_frames_that_they_share(frames, length, seed):
    rng = np.random.default_rng(seed)
    sequence = PoseSequence(rng.normal(size=(7, frames, 3)), 1.0)
    clips = split(sequence, ClipConfig(float(length), float(rng.integers(1, length + 1))))
    which = np.flatnonzero(rng.random(len(clips)) < 0.7)
    if len(which) == 0:
        return
    shared, rows = clips.frames(which)
    np.testing.assert_array_equal(shared[rows].transpose(0, 2, 1, 3), clips.values(which))
    assert len(np.unique(shared, axis=0)) == len(shared)
    assert len(shared) == len(np.unique(clips.first[which][:, None] + np.arange(length)))


def test_clips_with_too_little_seen_are_masked_not_dropped():
    values = np.ones((7, 90, 4))
    values[3, :30] = np.nan  # one missing channel makes a joint's frame unseen
    values[:, 30:45] = np.nan
    values[:, 60:, 0] = np.nan
    whole = PoseSequence(values, 30.0)
    for least, usable in ((0.0, [1, 1, 1]), (0.5, [0, 1, 1]), (0.6, [0, 0, 1]), (0.8, [0, 0, 0])):
        clips = split(whole, ClipConfig(1.0, 1.0, least))
        np.testing.assert_array_equal(clips.usable, usable)
        assert len(clips) == 3


def test_all_seen_is_enough_even_if_all_is_asked_for():
    values = np.ones((7, 20_000, 18))
    values[0, :100, :7] = np.nan  # uneven shares before must not add up to rounding later
    clips = split(PoseSequence(values, 30.0), ClipConfig(min_observed=1.0))
    np.testing.assert_array_equal(clips.usable, clips.first >= 100)


@settings(max_examples=40)
@given(
    frames=st.integers(30, 900),
    stride=st.floats(0.1, 1.0),
    length=st.floats(1.0, 20.0),
    overlap=st.floats(0.0, 0.999),
    start=st.sampled_from([0.0, 7.3, 1e6, 1.7e9]),
)
def test_windows_together_hold_every_clip(frames, stride, length, overlap, start):
    clips = split(sequence(frames, 30.0, start), ClipConfig(1.0, stride))
    config = WindowConfig(length, length * overlap)
    found = windows(clips, config)
    held = np.zeros(len(clips), dtype=bool)
    tolerance = 1e-5  # the resolution of a clock counted from an epoch is 2e-7 s
    for window in found:
        held[window] = True
        span = clips.start_s[window.stop - 1] + clips.length_s - clips.start_s[window.start]
        assert span <= length + tolerance
    assert held.all()
    starts = [window.start for window in found]
    assert starts == sorted(set(starts))  # none twice
    assert found[-1].stop == len(clips)


def test_without_overlap_clips_across_a_border_are_kept():
    clips = split(sequence(300), ClipConfig(1.0, 0.5))  # starts 0, 0.5 ... 9
    found = windows(clips, WindowConfig(3.0, 0.0))
    assert [clips.start_s[window.start] for window in found] == [0.0, 2.5, 5.0, 7.0]


def test_a_recording_shorter_than_a_window_is_one_window():
    clips = split(sequence(100))
    assert windows(clips) == [slice(0, len(clips))]


@pytest.mark.parametrize(
    "bad",
    [
        {"length_s": 0.0},
        {"length_s": -1.0},
        {"length_s": math.nan},
        {"length_s": math.inf},
        {"stride_s": 0.0},
        {"stride_s": 1.5},
        {"stride_s": math.nan},
        {"min_observed": -0.1},
        {"min_observed": 1.1},
        {"min_observed": math.nan},
    ],
)
def test_impossible_clips_are_refused(bad):
    with pytest.raises(ConfigError, match="E702"):
        ClipConfig(**bad)


@pytest.mark.parametrize(
    "bad",
    [
        {"length_s": 0.0, "overlap_s": 0.0},
        {"length_s": 5.0, "overlap_s": 5.0},
        {"length_s": 5.0, "overlap_s": -1.0},
        {"length_s": math.nan},
        {"length_s": math.inf},
        {"overlap_s": math.nan},
    ],
)
def test_impossible_windows_are_refused(bad):
    with pytest.raises(ConfigError, match="E702"):
        WindowConfig(**bad)


def test_windows_shorter_than_a_clip_are_refused():
    with pytest.raises(ConfigError, match=r"E702.*hold no clip"):
        windows(split(sequence(100)), WindowConfig(0.5, 0.1))


@pytest.mark.parametrize(
    ("values", "fps", "code"),
    [
        (np.ones((6, 10, 3)), 30.0, "E310"),
        (np.ones((7, 10)), 30.0, "E310"),
        (np.full((7, 10, 3), np.inf), 30.0, "E311"),
        (np.ones((7, 10, 3)), 0.0, "E316"),
        (np.ones((7, 10, 3)), math.nan, "E316"),
    ],
)
def test_impossible_sequences_are_refused(values, fps, code):
    with pytest.raises(PoseError, match=code):
        PoseSequence(values, fps)


def test_duration_in_seconds():
    assert sequence(75, 25.0).duration_s == 3.0
