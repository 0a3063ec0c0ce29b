"""Camera movement: what it adds to the fidgety band is taken out again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from supine import SIZE, during, filmed, infant

from fidgety.pose.pose import Pose
from fidgety.pose.quality import QualityConfig, assess_quality, compensate_camera, mend

CENTRE = complex(*SIZE) / 2


def moved(
    pose: Pose,
    shift: np.ndarray | complex = 0.0,
    zoom: np.ndarray | float = 1.0,
    turn: np.ndarray | float = 0.0,
    noise: float = 0.0,
) -> Pose:
    """The pose seen by a moving camera, and the film's measures of it.

    The background point p goes to ``centre + zoom e^(i turn) (p - centre) + shift`` (T,). The
    measures say what happens from frame to frame, plus white noise of `noise` px.
    """
    frames = len(pose)
    shift, zoom, turn = (np.broadcast_to(value, frames) for value in (shift, zoom, turn))
    at = pose.xy[..., 0] + 1j * pose.xy[..., 1]
    gain = zoom * np.exp(1j * turn)
    seen = CENTRE + gain[:, None] * (at - CENTRE) + shift[:, None]
    step = gain[1:] / gain[:-1]
    carried = shift[1:] - step * shift[:-1]
    rng = np.random.default_rng(0)
    errors = noise * rng.standard_normal((4, frames - 1)) / np.array([[1], [1], [360], [360]])
    return filmed(
        pose.then("moved", xy=np.stack([seen.real, seen.imag], axis=-1)),
        camera_dx=np.append(0, carried.real + errors[0]),
        camera_dy=np.append(0, carried.imag + errors[1]),
        camera_scale=np.append(1, np.abs(step) + errors[2]),
        camera_rotation=np.append(0, np.angle(step) + errors[3]),
    )


def band_energy(pose: Pose, joint: str | None = None) -> float:
    """Energy of the positions (px^2) from 0.5 to 3 Hz, of one joint or of all."""
    rows = slice(None) if joint is None else [pose.skeleton.index[joint]]
    at = pose.xy[:, rows, 0] + 1j * pose.xy[:, rows, 1]
    window = np.hanning(len(pose))[:, None]
    spectrum = np.abs(np.fft.fft((at - at.mean(axis=0)) * window, axis=0)) ** 2
    frequency = np.abs(np.fft.fftfreq(len(pose), 1 / pose.fps))
    return float(spectrum[(frequency >= 0.5) & (frequency <= 3)].sum())


TIME = np.arange(2700) / 30
SWAY = 12 * np.sin(2 * np.pi * 0.7 * TIME) + 9j * np.sin(2 * np.pi * 1.1 * TIME)
PAN = 80 * np.clip((TIME - 30) / 20, 0, 1) + 0j
ZOOM = 1 + 0.1 * np.sin(2 * np.pi * 0.6 * TIME)  # 10 %
TURN = np.radians(4) * np.sin(2 * np.pi * 0.8 * TIME)
PATHS = {
    "sway": {"shift": SWAY},
    "pan": {"shift": PAN + SWAY / 3},
    "zoom of 10 %": {"zoom": ZOOM},
    "turn": {"turn": TURN},
    "all": {"shift": SWAY + PAN, "zoom": ZOOM, "turn": TURN},
}


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_fidgety_band_energy_is_restored(path):
    still = infant()
    shaken = moved(still, **path)
    before, with_camera = band_energy(still), band_energy(shaken)
    assert abs(with_camera / before - 1) > 0.2  # the fault is there to be taken out
    steady = compensate_camera(shaken)
    for joint in (None, "right_wrist", "left_ankle", "nose"):
        ratio = band_energy(steady, joint) / band_energy(still, joint)
        assert abs(ratio - 1) < 0.05
    np.testing.assert_allclose(steady.xy, still.xy, atol=1e-6)


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_a_tenth_of_a_pixel_of_error_keeps_the_energy(path):
    still = infant()
    steady = compensate_camera(moved(still, **path, noise=0.1))
    assert abs(band_energy(steady) / band_energy(still) - 1) < 0.05


def test_compensating_twice_changes_nothing():
    once = compensate_camera(moved(infant(), **PATHS["all"]))
    assert once.history[-1] == {"step": "compensate_camera"}
    assert compensate_camera(once) is once


def test_a_pose_without_film_or_from_a_camera_at_rest_stays_itself():
    pose = infant()
    assert compensate_camera(pose) is pose
    bare = pose.then("bare", film={})
    assert compensate_camera(bare) is bare


def test_missing_positions_stay_missing():
    pose = infant()
    xy = pose.xy.copy()
    xy[100:200, 4] = np.nan
    steady = compensate_camera(moved(pose.then("lost", xy=xy), **PATHS["all"]))
    np.testing.assert_array_equal(np.isnan(steady.xy), np.isnan(xy))


def test_unknown_motion_counts_as_none():
    pose = moved(infant(), shift=SWAY)
    dx = pose.film["camera_dx"].copy()
    dx[500:600] = np.nan
    steady = compensate_camera(filmed(pose, camera_dx=dx))
    assert np.isfinite(steady.xy).all()
    at_rest = filmed(pose, camera_dx=np.where(np.isnan(dx), 0, dx))
    np.testing.assert_array_equal(steady.xy, compensate_camera(at_rest).xy)


def test_only_translation_is_enough():
    pose = moved(infant(), shift=SWAY)
    film = {name: pose.film[name] for name in ("camera_dx", "camera_dy")}
    steady = compensate_camera(pose.then("less", film=film))
    np.testing.assert_allclose(steady.xy, infant().xy, atol=1e-6)


def test_the_gate_tells_when_the_camera_moved():
    pan = 60 * np.clip((TIME - 30) / 4, 0, 1) + 0j
    quality = assess_quality(moved(infant(), shift=pan))
    (reason,) = quality.reasons
    assert (reason.code, reason.severity) == ("W110", "note")
    np.testing.assert_allclose(reason.ranges, [(30, 34)], atol=0.3)
    assert quality.verdict == "pass"


def test_too_much_zoom_is_a_caution():
    quality = assess_quality(moved(infant(), zoom=1 + 0.4 * np.clip((TIME - 30) / 20, 0, 1)))
    (reason,) = quality.reasons
    assert (reason.code, reason.severity) == ("W110", "caution")
    assert reason.ranges == ((0, pytest.approx(90)),)  # slow as it is, no moment stands out
    assert quality.measures["camera_zoom"] == pytest.approx(0.4, rel=0.01)


def test_wild_movement_is_a_caution():
    wild = 30 * np.sin(2 * np.pi * 0.5 * TIME) * (1 + 0j)
    config = QualityConfig(camera_speed_caution=0.5)
    (reason,) = assess_quality(moved(infant(), shift=wild), config=config).reasons
    assert (reason.code, reason.severity) == ("W110", "caution")


def test_hand_tremor_is_not_taken_for_tracker_noise():
    rng = np.random.default_rng(2)
    tremor = 4 * (rng.standard_normal(2700) + 1j * rng.standard_normal(2700))
    quality = assess_quality(moved(infant(), shift=tremor))
    assert quality.measures["jitter"] < 0.001
    assert "W111" not in {reason.code for reason in quality.reasons}


def test_small_errors_of_the_background_are_no_movement():
    assert assess_quality(moved(infant(), noise=0.2)).reasons == ()


def test_a_camera_that_moves_while_nobody_is_there():
    pose = moved(infant(), shift=SWAY)
    xy = pose.xy.copy()
    xy[during(pose, 20, 24)] = np.nan
    found = {reason.code for reason in assess_quality(pose.then("lost", xy=xy)).reasons}
    assert found == {"W101", "W110"}


def test_mend_compensates_only_a_camera_that_moved():
    still = infant()
    shaken = moved(still, **PATHS["all"], noise=0.02)
    mended = mend(shaken, assess_quality(shaken))
    assert abs(band_energy(mended) / band_energy(still) - 1) < 0.05
    on_tripod = moved(still, noise=0.1)
    assert mend(on_tripod, assess_quality(on_tripod)) is on_tripod


@settings(max_examples=20)
@given(
    sway=st.complex_numbers(max_magnitude=30),
    zoom=st.floats(0, 0.1),
    turn=st.floats(-0.3, 0.3),
    hertz=st.floats(0.05, 3),
)
def test_any_known_path_is_undone(sway, zoom, turn, hertz):
    still = infant(20)
    wave = np.sin(2 * np.pi * hertz * still.time)
    seen = moved(still, shift=sway * wave, zoom=1 + zoom * wave, turn=turn * wave)
    np.testing.assert_allclose(compensate_camera(seen).xy, still.xy, atol=1e-5)
