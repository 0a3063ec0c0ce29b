"""What must not change the verdict: the body's place, the camera's turn and distance."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from supine import changed, during, infant

from fidgety.pose.pose import Pose
from fidgety.pose.quality import Quality, assess_quality, mend

FAULTS = {
    "none": lambda p: p,
    "gap": lambda p: changed(p, during(p, 10, 30), ("left_wrist",), np.nan),
    "nobody": lambda p: changed(p, during(p, 10, 30), p.skeleton.joints, np.nan),
    "noise": lambda p: changed(
        p,
        during(p, 10, 50),
        ("right_ankle",),
        lambda xy: xy + 4.8 * np.random.default_rng(0).standard_normal(xy.shape),
    ),
    "mirror": lambda p: p.then("mirror", xy=p.xy * (-1, 1) + (1280, 0)),
}


def made(fault: str, seed: int) -> Pose:
    shape = {"leg": 1.7, "ears": 0.28} if fault == "adult" else {}
    shape |= {"straight": True} if fault == "straight" else {}
    pose = infant(70, seed=seed, size=None, **shape)
    return FAULTS[fault](pose) if fault in FAULTS else pose


def essence(quality: Quality) -> object:
    return quality.verdict, [(r.code, r.severity) for r in quality.reasons]


views = given(
    fault=st.sampled_from([*FAULTS, "adult", "straight"]),
    seed=st.integers(0, 20),
    turn=st.floats(-np.pi, np.pi),
    scale=st.floats(0.4, 4),
    x=st.floats(-3000, 3000),
    y=st.floats(-3000, 3000),
)


@settings(max_examples=40)
@views
def test_translation_turn_and_scale_change_nothing(fault, seed, turn, scale, x, y):
    pose = made(fault, seed)
    at = (pose.xy[..., 0] + 1j * pose.xy[..., 1]) * scale * np.exp(1j * turn) + complex(x, y)
    seen = pose.then("viewed", xy=np.stack([at.real, at.imag], axis=-1))
    before, after = assess_quality(pose), assess_quality(seen)
    assert essence(after) == essence(before)
    for one, other in zip(before.reasons, after.reasons, strict=True):
        np.testing.assert_allclose(one.ranges, other.ranges, atol=0.1)
    for name, value in before.measures.items():
        expected = value * scale if name == "trunk_px" and value else value
        assert after.measures[name] == expected or np.isclose(
            after.measures[name], expected, rtol=1e-6, atol=1e-6
        )


@settings(max_examples=20)
@given(
    fault=st.sampled_from([*FAULTS, "adult"]), seed=st.integers(0, 20), start=st.floats(-50, 500)
)
def test_a_later_clock_only_shifts_the_ranges(fault, seed, start):
    pose = made(fault, seed)
    later = assess_quality(pose.then("later", time=pose.time + start))
    before = assess_quality(pose)
    assert essence(later) == essence(before)
    for one, other in zip(before.reasons, later.reasons, strict=True):
        np.testing.assert_allclose(np.array(one.ranges) + start, other.ranges, atol=1e-6)


@settings(max_examples=20)
@given(fault=st.sampled_from(["none", "nobody", "adult", "straight"]), seed=st.integers(0, 20))
def test_a_mirrored_film_is_judged_alike(fault, seed):
    pose = made(fault, seed).then("sized", size=(1280, 720))
    assert essence(assess_quality(pose.mirrored())) == essence(assess_quality(pose))


@settings(max_examples=15)
@given(seed=st.integers(0, 20), fps=st.sampled_from([24.0, 30.0, 50.0, 60.0]))
def test_the_frame_rate_does_not_decide(seed, fps):
    assert assess_quality(infant(70, fps, seed=seed)).reasons == ()


@settings(max_examples=20)
@given(
    seed=st.integers(0, 5),
    holes=st.lists(st.tuples(st.floats(0, 89), st.floats(0.05, 10)), max_size=6),
)
def test_usable_seconds_never_grow_by_losing_joints(seed, holes):
    pose = infant(seed=seed)
    usable = assess_quality(pose).usable_seconds
    for start, seconds in holes:
        pose = changed(pose, during(pose, start, start + seconds), ("left_knee",), np.nan)
        now = assess_quality(pose).usable_seconds
        assert now <= usable + 1e-9
        usable = now


@settings(max_examples=80)
@given(
    frames=st.integers(1, 90),
    seed=st.integers(0, 1000),
    missing=st.floats(0, 1),
    spread=st.sampled_from([0.0, 1.0, 300.0]),
    film=st.booleans(),
)
def test_no_pose_however_odd_breaks_the_gate(frames, seed, missing, spread, film):
    rng = np.random.default_rng(seed)
    xy = 300 + spread * rng.standard_normal((frames, 18, 2))
    xy[rng.random((frames, 18)) < missing] = np.nan
    measures = {}
    for name in infant(1).film if film else ():
        measures[name] = np.where(rng.random(frames) < missing, np.nan, rng.uniform(0, 3, frames))
    pose = Pose(
        xy,
        rng.uniform(0, 1, (frames, 18)),
        np.cumsum(rng.uniform(0.001, 0.5, frames)),
        (640, 480),
        infant(1).skeleton,
        film=measures,
    )
    quality = assess_quality(pose, age_weeks=12)
    assert quality.verdict in ("pass", "caution", "refused")
    assert 0 <= quality.usable_seconds <= pose.duration_s + 1e-9
    for reason in quality.reasons:
        assert reason.ranges
        assert all(start <= end for start, end in reason.ranges)
    json.dumps(quality.to_dict(), allow_nan=False)
    mended = mend(pose, quality)
    assert np.array_equal(np.isnan(mended.xy).sum(), np.isnan(pose.xy).sum())
