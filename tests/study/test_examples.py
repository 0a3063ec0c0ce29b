"""Batches of clips: padding is inert, nothing is lost, each recording counts once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from learning import TINY, sequence

from fidgety.models.stam import STAM
from fidgety.motion import ClipConfig, WindowConfig
from fidgety.study.examples import Example, batches, windows_of

CLIP, WINDOW = ClipConfig(1.0, 0.5), WindowConfig(4.0, 1.0)
# Windows of one clip each up to eight, in one batch.
MIXED = [Example(f"i{n}", f"r{n}", n % 2, sequence(n, frames=n)) for n in (10, 25, 30, 100, 47)]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_recordings_of_unequal_length_stand_in_one_batch():
    (batch,) = batches(windows_of(MIXED, CLIP, WINDOW), 64, rng())
    assert batch.clips.shape[1] == batch.mask.sum(dim=1).max() == 7
    assert batch.mask.sum(dim=1).min() == 1
    assert not batch.clips[~batch.mask].any()


def test_padded_clips_are_inert():
    model = STAM(TINY).eval()
    samples = windows_of(MIXED, CLIP, WINDOW)
    (batch,) = batches(samples, 64, rng())
    spoilt = batch.clips.clone()
    spoilt[~batch.mask] = torch.nan
    with torch.no_grad():
        together = model(batch.clips, batch.mask).logit
        assert torch.equal(model(spoilt, batch.mask).logit, together)
        order = rng().permutation(len(samples))
        for place, row in enumerate(order):
            clips = torch.from_numpy(samples[row].clips.values(samples[row].rows))[None]
            torch.testing.assert_close(model(clips).logit[0], together[place], rtol=1e-4, atol=1e-5)


def test_each_recording_weighs_one():
    samples = windows_of(MIXED, CLIP, WINDOW)
    assert len(samples) > len(MIXED)
    assert sum(sample.weight for sample in samples) == pytest.approx(len(MIXED))


@given(size=st.integers(1, 9), most=st.none() | st.integers(1, 9), seed=st.integers(0, 99))
@settings(max_examples=25)
def test_every_window_comes_once(size, most, seed):
    samples = windows_of(MIXED, CLIP, WINDOW)
    found = list(batches(samples, size, rng(seed), most))
    assert [len(batch.label) for batch in found[:-1]] == [size] * (len(found) - 1)
    assert sum(len(batch.label) for batch in found) == len(samples)
    assert sum(float(batch.weight.sum()) for batch in found) == pytest.approx(len(MIXED))
    clips = [int(n) for batch in found for n in batch.mask.sum(dim=1)]
    wanted = [min(len(sample.rows), most or 99) for sample in samples]
    assert sorted(clips) == sorted(wanted)


def test_some_clips_are_drawn_without_repeating():
    (sample,) = windows_of([MIXED[2]], CLIP, WINDOW)
    assert len(sample.rows) == 5
    seen = set()
    for seed in range(40):
        (batch,) = batches([sample], 1, rng(seed), clips_per_window=2)
        firsts = [float(v) for v in batch.clips[0, :, 0, 0, 0]]
        assert len(set(firsts)) == 2
        seen |= set(firsts)
    assert len(seen) == 5


def test_same_draws_same_batches():
    samples = windows_of(MIXED, CLIP, WINDOW)
    one, other = (list(batches(samples, 2, rng(5), 2)) for _ in range(2))
    assert all(torch.equal(a.clips, b.clips) for a, b in zip(one, other, strict=True))
    another = list(batches(samples, 2, rng(6), 2))
    assert not all(torch.equal(a.label, b.label) for a, b in zip(one, another, strict=True))


def test_unusable_clips_are_left_out():
    blind = sequence(3, frames=60)
    blind.values[:, 20:40] = np.nan
    (sample,) = windows_of([replace(MIXED[0], sequence=blind)], CLIP, WindowConfig(6.0, 1.0))
    starts = sample.clips.start_s[sample.rows]
    assert not sample.clips.usable.all()
    assert set(starts) == {0.0, 0.5, 1.0, 4.0, 4.5, 5.0}
