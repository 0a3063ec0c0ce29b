"""Settings of the profiles: names, values, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from moving_bodies import restless, times

from fidgety.errors import ConfigError, PoseError
from fidgety.motion import PROFILES, FidgetyProfile, StamProfile, clean, profile_from
from fidgety.motion.features import CHANNELS, compute
from fidgety.settings import to_plain


@pytest.mark.parametrize("name", PROFILES)
def test_profiles_come_back_from_their_plain_form(name):
    profile = profile_from(name)
    assert profile_from(name, to_plain(profile)) == profile
    assert profile_from(profile) is profile


@pytest.mark.parametrize("unknown", ["fast", "", None, {"fps": 30}])
def test_unknown_profiles_are_refused(unknown):
    with pytest.raises(ConfigError, match="E704"):
        profile_from(unknown)


def test_unknown_settings_are_refused():
    with pytest.raises(ConfigError, match=r"E701.*smoothing"):
        profile_from("fidgety", {"smoothing": 1})


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, 1e9, "30", True, [30]])
@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (StamProfile, "fps"),
        (StamProfile, "smooth_s"),
        (StamProfile, "derivative_s"),
        (FidgetyProfile, "fps"),
        (FidgetyProfile, "jump_trunk"),
        (FidgetyProfile, "jump_s"),
        (FidgetyProfile, "max_gap_s"),
        (FidgetyProfile, "smooth_s"),
        (FidgetyProfile, "body_s"),
    ],
)
def test_impossible_values_are_refused(kind, name, value):
    with pytest.raises(ConfigError, match=r"E702.*" + name):
        kind(**{name: value})


@pytest.mark.parametrize("value", [-0.1, 1.0, math.nan, "0.2"])
def test_impossible_confidences_are_refused(value):
    with pytest.raises(ConfigError, match=r"E702.*min_confidence"):
        FidgetyProfile(min_confidence=value)


@pytest.mark.parametrize("fps", [12.0, 25.0, 50.0])
@pytest.mark.parametrize("kind", [StamProfile, FidgetyProfile])
def test_any_rate_may_be_asked_for(kind, fps):
    cleaned = clean(restless(times(4, 30)), kind(fps=fps))
    assert cleaned.fps == pytest.approx(fps)
    features, start_s = compute(cleaned, kind(fps=fps))
    assert features.shape[0] == len(CHANNELS)
    assert start_s >= 0
    assert not np.isinf(features).any()


@pytest.mark.parametrize("profile", [StamProfile(), FidgetyProfile()])
def test_features_of_pixels_are_refused(profile):
    with pytest.raises(PoseError, match="E109"):
        compute(restless(times(2, 30)), profile)


@pytest.mark.parametrize("fps", [1.0, 2.5, 4.0])
def test_a_very_slow_film_is_no_traceback(fps):
    pose = restless(times(60, fps))
    assert np.isfinite(clean(pose).xy).all()
    assert np.isfinite(clean(pose, StamProfile(fps=None)).xy).all()
