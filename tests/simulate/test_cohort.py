from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import welch
from scipy.stats import ks_2samp

from fidgety.errors import StudyError
from fidgety.pose.pose import Pose
from fidgety.simulate import DIFFICULTIES, simulate_cohort, simulate_infant


def same(a, b):
    return np.array_equal(a.pose.xy, b.pose.xy, equal_nan=True) and np.array_equal(
        a.fidgety, b.fidgety
    )


def test_a_recording_is_a_pose_with_its_truth():
    (recording,) = simulate_infant(0, label=0, seconds=3, fps=25)
    pose = recording.pose
    assert isinstance(pose, Pose)
    assert pose.skeleton.name == "openpose18"
    assert pose.unit == "px"
    assert pose.xy.shape == (75, 18, 2)
    assert pose.fps == pytest.approx(25)
    assert pose.size == recording.camera.size
    assert recording.fidgety.shape == (75, 18)
    assert recording.label == 0


def test_same_seed_same_numbers_other_seed_others():
    a, b, c = (simulate_infant(seed, seconds=3)[0] for seed in (5, 5, 6))
    assert same(a, b)
    assert a.pose.xy.shape != c.pose.xy.shape or not same(a, c)


def test_an_infant_does_not_depend_on_the_size_of_the_cohort():
    few = list(simulate_cohort(3, seconds=2, seed=1, abnormal_fraction=0.3))
    many = list(simulate_cohort(6, seconds=2, seed=1, abnormal_fraction=0.3))
    assert all(same(a, b) and a.label == b.label for a, b in zip(few, many, strict=False))
    assert not same(many[0], many[1])


def test_the_label_changes_the_small_movement_only():
    a, b = (simulate_infant(7, pattern=p, seconds=3)[0] for p in ("continual", "absent"))
    assert (a.label, b.label) == (0, 1)
    assert a.camera.size == b.camera.size
    assert np.array_equal(a.camera.axes, b.camera.axes)
    assert a.pose.fps == b.pose.fps
    assert (a.age_weeks, a.site) == (b.age_weeks, b.site)
    assert a.fidgety.max() > 0.3
    assert b.fidgety.max() == 0


@pytest.mark.parametrize("fraction", [0.0, 0.15, 0.5, 1.0])
def test_the_fraction_is_met(fraction):
    labels = [r.label for r in simulate_cohort(20, seconds=1, fps=15, abnormal_fraction=fraction)]
    assert sum(labels) == round(20 * fraction)


def test_patterns_fit_labels():
    for recording in simulate_cohort(30, seconds=1, fps=15, seed=3):
        normal = recording.pattern in ("continual", "intermittent")
        assert recording.label == (not normal)


def test_recordings_of_an_infant_differ_but_agree_on_the_infant():
    first, second = simulate_infant(2, recordings=2, seconds=2, infant_id="x")
    assert (first.name, second.name) == ("x_1", "x_2")
    assert not same(first, second)
    assert (first.pattern, first.age_weeks) == (second.pattern, second.age_weeks)


def test_the_planted_band_is_found_in_the_clean_image():
    def band_share(pattern):
        config = DIFFICULTIES["medium"]
        quiet = replace(
            config.movement,
            reach=0.0,
            kicking_probability=0.0,
            crying_probability=0.0,
            restless_background=(0.001, 0.001),
            tremor_background=(0.001, 0.001),
        )
        (seen,) = simulate_infant(
            4, pattern=pattern, seconds=40, fps=50, difficulty=replace(config, movement=quiet)
        )
        wrists = np.diff(seen.image[:, [4, 7]], axis=0)
        frequency, power = welch(wrists, 50, nperseg=512, axis=0)
        inside = (frequency >= 0.9) & (frequency <= 3.2)
        return power[inside].sum() / power.sum()

    assert band_share("continual") > 0.8
    assert band_share("absent") < 0.25


def test_confounders_are_drawn_alike():
    cohort = list(simulate_cohort(120, seconds=4, seed=8, fps=None))
    traits = {
        "frame rate": [r.pose.fps for r in cohort],
        "missing": [np.isnan(r.pose.xy).mean() for r in cohort],
        "confidence": [r.pose.confidence.mean() for r in cohort],
        "crying": [r.movement.crying.mean() for r in cohort],
        "tilt": [r.camera.axes[2, 2] for r in cohort],
        "age": [r.age_weeks for r in cohort],
    }
    label = np.array([r.label for r in cohort])
    for name, values in traits.items():
        column = np.array(values)
        assert ks_2samp(column[label == 0], column[label == 1]).pvalue > 0.001, name


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        ("E230", {"infants": 0}),
        ("E230", {"infants": 2.5}),
        ("E230", {"infants": True}),
        ("E231", {"abnormal_fraction": 1.2}),
        ("E231", {"abnormal_fraction": float("nan")}),
        ("E232", {"seconds": 0}),
        ("E232", {"seconds": "long"}),
        ("E233", {"fps": 0}),
        ("E233", {"fps": float("inf")}),
        ("E234", {"seed": -1}),
        ("E234", {"seed": 0.5}),
        ("E235", {"difficulty": "impossible"}),
        ("E235", {"difficulty": None}),
        ("E236", {"recordings_per_infant": 0}),
    ],
)
def test_impossible_wishes_are_refused(code, arguments):
    with pytest.raises(StudyError, match=code):
        next(simulate_cohort(**({"infants": 2} | arguments)))


@pytest.mark.parametrize("arguments", [{"label": 2}, {"pattern": "wild"}])
def test_unknown_labels_and_patterns_are_refused(arguments):
    with pytest.raises(StudyError, match="E237"):
        simulate_infant(0, **arguments)
