"""The quality gate: a clean infant passes, and each planted fault is told, with its seconds."""

from __future__ import annotations

import json

import numpy as np
import pytest
from supine import SIZE, changed, during, filmed, infant

from fidgety.errors import ConfigError, PoseError
from fidgety.pose.pose import Pose
from fidgety.pose.quality import REASONS, Quality, QualityConfig, assess_quality, usable_frames
from fidgety.pose.skeleton import load_skeleton
from fidgety.simulate import simulate_infant

FRAME = 1 / 30 + 1e-6
ALL = load_skeleton("openpose18").joints
FACE = ("nose", "right_eye", "left_eye", "right_ear", "left_ear")


def codes(quality: Quality) -> list[str]:
    return [reason.code for reason in quality.reasons]


def told(
    quality: Quality, code: str, severity: str, *ranges: tuple[float, float], within: float = FRAME
) -> str:
    """The text of the one reason with this code, once its severity and ranges are as expected."""
    (reason,) = [reason for reason in quality.reasons if reason.code == code]
    assert reason.severity == severity
    np.testing.assert_allclose(np.array(reason.ranges), np.array(ranges), atol=within)
    return reason.text


def lost(pose: Pose, joints: tuple[str, ...], start_s: float, end_s: float) -> Pose:
    return changed(pose, during(pose, start_s, end_s), joints, np.nan)


@pytest.mark.parametrize("seed", range(8))
def test_a_clean_infant_passes_without_a_word(seed):
    quality = assess_quality(infant(seed=seed, turn=seed * np.pi / 4), age_weeks=12)
    assert quality.verdict == "pass"
    assert quality.reasons == ()
    assert quality.usable_seconds == pytest.approx(90)
    assert all(value is not None for value in quality.measures.values())


@pytest.mark.parametrize("layout", ["body25", "coco17", "halpe26", "blazepose33"])
def test_any_layout_is_judged_alike(layout):
    pose = lost(infant(), ("left_wrist",), 20, 40)
    other = assess_quality(pose.to_skeleton(layout))
    assert other.to_dict() == assess_quality(pose).to_dict()


@pytest.mark.parametrize("fps", [15, 24, 25, 30, 60, 120])
def test_usual_frame_rates_pass(fps):
    assert assess_quality(infant(70, fps)).reasons == ()


def test_nobody_for_a_while():
    quality = assess_quality(lost(infant(), ALL, 20, 32))
    assert codes(quality) == ["W101"]
    assert quality.verdict == "caution"
    assert "0:20 to 0:32 (12 s)" in told(quality, "W101", "caution", (20, 32))
    assert quality.usable_seconds == pytest.approx(78)


def test_nobody_for_a_moment_is_a_note():
    quality = assess_quality(lost(infant(), ALL, 20, 22))
    assert codes(quality) == ["W101"]
    assert quality.verdict == "pass"
    told(quality, "W101", "note", (20, 22))


def test_nobody_in_most_frames():
    quality = assess_quality(lost(infant(), ALL, 7.2, 90))
    assert codes(quality) == ["E101", "E105"]  # the second follows from the first
    assert "92 % of the frames" in told(quality, "E101", "refuse", (7.2, 90))


def test_nobody_at_all():
    quality = assess_quality(lost(infant(), ALL, 0, 90))
    assert quality.verdict == "refused"
    assert codes(quality) == ["E101", "E105"]
    assert quality.measures["trunk_px"] is None
    assert quality.usable_seconds == 0


def test_ankle_leaves_the_frame():
    pose = infant()
    right = complex(SIZE[0] - 5, 360)
    pose = changed(pose, during(pose, 40, 41), ("left_ankle",), (right.real, right.imag))
    quality = assess_quality(lost(pose, ("left_ankle",), 41, 58))
    assert codes(quality) == ["W103"]
    text = told(quality, "W103", "caution", (41, 58))
    assert text == "Left ankle out of frame 0:41 to 0:58 (17 s). Left out; 73 s usable."


def test_wrists_beyond_the_image():
    pose = infant()
    away = changed(pose, during(pose, 10, 30), ("right_wrist", "left_wrist"), (-20.0, 100.0))
    # The tracker goes on beyond the edge, but those places are guesses.
    text = told(assess_quality(away), "W103", "caution", (10, 30))
    assert text.startswith("Right wrist and left wrist out of frame")
    assert assess_quality(away).usable_seconds == pytest.approx(70)


def test_long_gap():
    quality = assess_quality(lost(infant(), ("right_wrist", "right_elbow"), 10, 25))
    assert codes(quality) == ["W302"]
    text = told(quality, "W302", "caution", (10, 25))
    assert text.startswith("2.8 % missing, longest gap 15 s: gaps up to 0.3 s filled, the rest")
    assert quality.usable_seconds == pytest.approx(75)


def test_short_gaps_are_a_note_and_usable():
    pose = infant()
    for second in range(0, 90, 2):
        pose = lost(pose, ("left_knee", "left_hip", "right_knee"), second + 0.5, second + 0.75)
    quality = assess_quality(pose)
    assert codes(quality) == ["W302"]
    told(quality, "W302", "note", (0, 90))
    assert quality.usable_seconds == pytest.approx(90)


def test_a_hole_in_the_times():
    pose = infant(120)
    keep = ~during(pose, 30, 48)
    cut = pose.then(
        "cut",
        xy=pose.xy[keep],
        confidence=pose.confidence[keep],
        time=pose.time[keep],
        film={name: measure[keep] for name, measure in pose.film.items()},
    )
    quality = assess_quality(cut)
    assert codes(quality) == ["W302"]
    assert "longest gap 18 s" in told(quality, "W302", "caution", (30, 48))
    assert quality.usable_seconds == pytest.approx(102, abs=0.1)


def test_a_doubtful_joint_counts_as_missing():
    pose = infant()
    confidence = pose.confidence.copy()
    confidence[np.ix_(during(pose, 10, 25), pose.skeleton.rows("right_wrist"))] = 0.05
    told(assess_quality(pose.then("doubt", confidence=confidence)), "W302", "caution", (10, 25))


def test_scraps_shorter_than_a_clip_do_not_count():
    pose = infant(60)
    for second in range(60):  # 0.6 s seen, 0.4 s lost
        pose = lost(pose, ("left_wrist",), second, second + 0.4)
    assert assess_quality(pose).usable_seconds == 0
    assert not usable_frames(pose).any()
    assert usable_frames(pose, QualityConfig(shortest_run_s=0.5)).sum() == 60 * 18


@pytest.mark.parametrize(
    ("seconds", "minimum", "expected"),
    [
        (90, None, []),
        (40, None, ["W105"]),
        (19.9, None, ["E105"]),
        (40, 45.0, ["E105"]),
        (9, 5.0, ["E105"]),
    ],
)
def test_length(seconds, minimum, expected):
    quality = assess_quality(infant(seconds), minimum_s=minimum)
    assert codes(quality) == expected
    assert quality.verdict == ("refused" if expected == ["E105"] else "pass")


def test_length_in_words():
    (reason,) = assess_quality(infant(9)).reasons
    assert str(reason) == ("E105 9 s usable, 20 s are needed; filming guides ask for 60 s or more.")


@pytest.mark.parametrize(
    ("weeks", "expected"), [(None, []), (9, []), (20, []), (8.9, ["E106"]), (24, ["E106"])]
)
def test_age(weeks, expected):
    quality = assess_quality(infant(), age_weeks=weeks)
    assert codes(quality) == expected
    assert quality.measures["age_weeks"] == weeks


def test_proportions_of_an_adult():
    quality = assess_quality(infant(leg=1.7, ears=0.28))
    assert codes(quality) == ["E107"]
    assert "1.7 times as long as the trunk" in told(quality, "E107", "refuse", (0, 90))


@pytest.mark.parametrize(("leg", "ears"), [(1.7, 0.6), (1.3, 0.36)])
def test_one_odd_proportion_is_only_a_caution(leg, ears):
    quality = assess_quality(infant(leg=leg, ears=ears))
    assert codes(quality) == ["W107"]
    assert quality.verdict == "caution"
    said = quality.reasons[0].text  # what is odd, and nothing else
    assert ("legs are" in said, "head is" in said) == (leg == 1.7, ears == 0.36)


def test_long_legs_without_a_head():
    quality = assess_quality(lost(infant(leg=1.7), FACE, 0, 90))
    assert codes(quality) == ["W107"]
    assert quality.measures["head_leg"] is None


def crossed(pose: Pose, *pairs: str) -> Pose:
    """Left and right of some pairs exchanged for every other 8 s: too long to be put back."""
    rows = pose.skeleton.rows(*(f"{side}_{pair}" for pair in pairs for side in ("right", "left")))
    others = pose.skeleton.mirror_order[rows]
    frames = pose.time % 16 >= 8
    xy = pose.xy.copy()
    xy[np.ix_(frames, rows)] = pose.xy[np.ix_(frames, others)]
    return pose.then("crossed", xy=xy)


@pytest.mark.parametrize("pairs", [("knee",), ("ankle",), ("knee", "ankle")])
def test_exchanged_legs_are_not_long_ones(pairs):
    """Bones that run across to the other side say nothing of how long the legs are."""
    wide = infant(ears=0.3)  # a small head, so that the legs alone decide
    quality = assess_quality(crossed(wide, *pairs))
    assert "E107" not in codes(quality)
    expected = assess_quality(wide).measures["leg_trunk"]
    assert quality.measures["leg_trunk"] == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("pairs", [("knee",), ("ankle",), ("hip",), ("knee", "ankle")])
def test_an_adult_with_exchanged_legs_is_still_one(pairs):
    assert "E107" in codes(assess_quality(crossed(infant(leg=1.7, ears=0.28), *pairs)))


def rolled(pose: Pose, roll: np.ndarray) -> Pose:
    """The body turned about its long axis: breadth times cos(roll), by frame (T,)."""
    middle = SIZE[0] / 2
    xy = pose.xy.copy()
    xy[..., 0] = middle + (xy[..., 0] - middle) * np.cos(roll)[:, None]
    return pose.then("rolled", xy=xy)


def test_seen_from_behind_throughout():
    pose = lost(rolled(infant(), np.full(2700, np.pi)), ("nose", "right_eye", "left_eye"), 0, 90)
    quality = assess_quality(pose)
    assert codes(quality) == ["E113"]
    assert "lying on the belly" in told(quality, "E113", "refuse", (0, 90))


def test_left_and_right_exchanged_throughout_is_told_by_the_face():
    quality = assess_quality(rolled(infant(), np.full(2700, np.pi)))
    assert codes(quality) == ["W113"]
    assert "exchanged throughout" in told(quality, "W113", "caution", (0, 90))


def test_rolling_over_and_back():
    time = infant().time
    roll = np.pi * (np.clip((time - 30) / 4, 0, 1) - np.clip((time - 60) / 4, 0, 1))
    pose = lost(rolled(infant(), roll), ("nose", "right_eye", "left_eye"), 32, 62)
    quality = assess_quality(pose)
    assert codes(quality) == ["W113", "W114"]
    told(quality, "W113", "caution", (32.4, 61.6), within=0.5)
    told(quality, "W114", "note", (31.6, 32.4), (61.6, 62.4), within=0.5)


def test_on_the_side():
    pose = infant()
    roll = np.where(during(pose, 20, 50), np.radians(80), 0.0)
    quality = assess_quality(rolled(pose, roll))
    assert codes(quality) == ["W114"]
    told(quality, "W114", "caution", (20, 50), within=0.5)


def test_trunk_seen_end_on():
    pose = infant()
    frames, hips = during(pose, 20, 50), ("right_hip", "left_hip")
    legs = ("right_knee", "left_knee", "right_ankle", "left_ankle")
    sitting = changed(pose, frames, hips + legs, lambda xy: xy - (0.0, 0.65 * 120))
    quality = assess_quality(sitting)
    assert codes(quality) == ["W115"]
    told(quality, "W115", "caution", (20, 50), within=0.5)


@pytest.mark.parametrize("turn", [0.0, 1.0, 2.5])
def test_legs_in_line_with_the_trunk(turn):
    quality = assess_quality(infant(straight=True, turn=turn))
    assert codes(quality) == ["W116"]
    assert "100 % of the frames" in told(quality, "W116", "caution", (0, 90))


@pytest.mark.parametrize(
    ("trunk_px", "expected"), [(45, []), (39, ["W117"]), (26, ["W117"]), (24, ["E117"])]
)
def test_scale(trunk_px, expected):
    assert codes(assess_quality(infant(trunk_px=trunk_px))) == expected


@pytest.mark.parametrize(
    ("fps", "expected"), [(12, []), (11, ["W118"]), (8, ["W118"]), (7, ["E118"])]
)
def test_low_frame_rate(fps, expected):
    quality = assess_quality(infant(fps=fps))
    assert codes(quality) == expected
    assert quality.measures["fps"] == pytest.approx(fps)


def test_variable_frame_rate():
    pose = infant()
    steps = np.random.default_rng(0).choice([0.033, 0.066], len(pose), p=[0.7, 0.3])
    quality = assess_quality(pose.then("variable", time=np.cumsum(steps) - steps[0]))
    assert codes(quality) == ["W102"]
    assert quality.verdict == "pass"
    assert "average 23.3 frames/s, in steps of 33 to 66 ms" in quality.reasons[0].text


def noisy(pose: Pose, joints: tuple[str, ...], sd_px: float, start_s: float, end_s: float) -> Pose:
    noise = np.random.default_rng(1)
    return changed(
        pose,
        during(pose, start_s, end_s),
        joints,
        lambda xy: xy + sd_px * noise.standard_normal(xy.shape),
    )


@pytest.mark.parametrize("sd", [0.005, 0.01, 0.03])
@pytest.mark.parametrize("fps", [20, 25, 30, 60, 120])
def test_noise_is_measured(sd, fps):
    pose = noisy(infant(70, fps), ALL, sd * 120, 0, 70)
    assert assess_quality(pose).measures["jitter"] == pytest.approx(sd, rel=0.07)


def test_a_trembling_wrist():
    quality = assess_quality(noisy(infant(), ("right_wrist",), 0.04 * 120, 30, 60))
    assert codes(quality) == ["W111"]
    text = told(quality, "W111", "caution", (30, 60), within=1.0)
    assert text.startswith("Right wrist: tracker noise of up to ")


def test_noise_that_drowns_everything():
    limbs = tuple(joint for joint in ALL if joint not in FACE)
    quality = assess_quality(noisy(infant(), limbs, 0.09 * 120, 0, 90))
    assert codes(quality) == ["E111"]


def test_small_noise_passes():
    assert assess_quality(noisy(infant(), ALL, 0.01 * 120, 0, 90)).reasons == ()


def test_noise_is_not_told_from_movement_at_low_rates():
    pose = noisy(infant(fps=15), ("right_wrist",), 4.8, 0, 90)
    assert assess_quality(pose).measures["jitter"] is None


@pytest.mark.parametrize(
    ("measure", "value", "code"),
    [
        ("people", 2.0, "W108"),
        ("covered", 1.0, "W109"),
        ("brightness", 20.0, "W119"),
        ("brightness", 250.0, "W119"),
        ("sharpness", 5.0, "W120"),
    ],
)
@pytest.mark.parametrize(("end", "severity"), [(32, "caution"), (23, "note")])
def test_what_the_film_says(measure, value, code, end, severity):
    pose = infant()
    values = np.where(during(pose, 20, end), value, pose.film[measure])
    quality = assess_quality(filmed(pose, **{measure: values}))
    assert codes(quality) == [code]
    told(quality, code, severity, (20, end))
    assert quality.usable_seconds == pytest.approx(90 - (end - 20) * (measure == "covered"))


def test_poses_without_their_film_say_what_was_not_checked():
    quality = assess_quality(infant(size=None).then("bare", film={}))
    assert codes(quality) == ["W121"]
    assert quality.verdict == "pass"
    assert quality.reasons[0].text == (
        "Not checked, for want of the film: light, sharpness, other people, camera movement, "
        "the image's edges."
    )
    for name in ("brightness", "sharpness", "people", "covered_s", "camera_speed", "camera_zoom"):
        assert quality.measures[name] is None


def test_a_film_that_could_not_be_measured_was_not_checked():
    pose = infant()
    quality = assess_quality(filmed(pose, **dict.fromkeys(pose.film, np.full(len(pose), np.nan))))
    assert codes(quality) == ["W121"]
    assert "light, sharpness, other people, camera movement." in quality.reasons[0].text


def test_unknown_values_of_the_film_are_no_faults():
    pose = infant()
    values = {name: np.where(during(pose, 5, 9), np.nan, m) for name, m in pose.film.items()}
    assert assess_quality(filmed(pose, **values)).reasons == ()


def test_the_gravest_reason_comes_first_and_decides():
    pose = infant(40)
    pose = filmed(pose, people=np.where(during(pose, 5, 20), 2.0, 1.0))
    quality = assess_quality(pose, age_weeks=30)
    assert [r.severity for r in quality.reasons] == ["refuse", "caution", "note"]
    assert codes(quality) == ["E106", "W108", "W105"]
    assert quality.verdict == "refused"


def test_one_frame():
    pose = infant(1 / 30)
    assert len(pose) == 1
    quality = assess_quality(pose)
    assert codes(quality) == ["E105"]
    assert quality.usable_seconds == 0


def test_plain_form_is_strict_json():
    pose = lost(infant(40), ALL, 0, 40)
    content = assess_quality(pose, age_weeks=30).to_dict()
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert set(content) == {"verdict", "reasons", "usable_seconds", "measures"}
    assert set(content["reasons"][0]) == {"code", "severity", "text", "ranges"}


def test_every_reason_is_registered_with_a_fitting_letter():
    for code, (severity, meaning) in REASONS.items():
        assert (code[0] == "E") == (severity == "refuse")
        assert code[1:].isdigit()
        assert meaning


def test_quality_is_judged_in_pixels():
    with pytest.raises(PoseError, match="E130"):
        assess_quality(infant(5).then("prepared", unit="trunk"))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_impossible_age_and_minimum(bad):
    with pytest.raises(ConfigError, match="E702 Impossible age_weeks"):
        assess_quality(infant(5), age_weeks=bad)
    with pytest.raises(ConfigError, match="E702 Impossible minimum_s"):
        assess_quality(infant(5), minimum_s=bad)


def test_thresholds_can_be_changed():
    config = QualityConfig.from_dict({"minimum_s": 5, "needed_joints": ["right_wrist"]})
    pose = lost(infant(8), ("left_wrist",), 0, 8)
    assert assess_quality(pose).verdict == "refused"
    assert assess_quality(pose, config=config).usable_seconds == pytest.approx(8)
    assert QualityConfig.from_dict(config.to_dict()) == config


def test_unknown_threshold():
    with pytest.raises(ConfigError, match="E701 Unknown quality setting 'minimun_s'"):
        QualityConfig.from_dict({"minimun_s": 5})


@pytest.mark.parametrize(
    "setting",
    [{"gap_s": -1}, {"jitter": float("nan")}, {"edge": 1.5}, {"bright": "x"}, {"dark": True}],
)
def test_impossible_threshold(setting):
    with pytest.raises(
        ConfigError, match=f"E702 Impossible quality threshold {next(iter(setting))}"
    ):
        QualityConfig(**setting)


def test_unknown_needed_joint():
    with pytest.raises(PoseError, match="E306"):
        assess_quality(infant(5), config=QualityConfig(needed_joints=("tail",)))


@pytest.mark.parametrize(("share", "expected"), [(1.0, []), (0.5, ["W122"]), (0.02, ["E122"])])
def test_a_body_that_does_not_move(share, expected):
    pose = infant(60)
    rest = pose.xy.mean(axis=0)
    pose = pose.then("calmer", xy=rest + share * (pose.xy - rest))
    quality = assess_quality(pose)
    assert [code for code in codes(quality) if code.endswith("122")] == expected
    moved = 0.35 * share
    assert quality.measures["movement_range"] == pytest.approx(moved, rel=0.5)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.1])
@pytest.mark.parametrize("label", [0, 1])
def test_an_infant_that_lies_very_still_is_cautioned_not_turned_away(share, label):
    """A twentieth of its movement and less, under the tracker's errors: who could tell?"""
    made = simulate_infant(5000, label=label, seconds=60.0, fps=30.0)[0]
    rest = np.nanmean(made.image, axis=0)
    still = rest + share * (made.image - rest) + (made.pose.xy - made.image)
    quality = assess_quality(made.pose.then("calmer", xy=still))
    assert quality.verdict == "caution"
    (said,) = (r.text for r in quality.reasons if r.code == "W122")
    assert "awake" in said
    assert "clinician" in said


def test_a_picture_filmed_by_a_moving_hand_does_not_move():
    pose = infant(60)
    pose = pose.then("picture", xy=np.broadcast_to(pose.xy[:1], pose.xy.shape))
    shift = 40 * np.sin(2 * np.pi * 0.3 * pose.time)
    moved = pose.then("hand", xy=pose.xy + np.stack([shift, shift], axis=1)[:, None])
    step = np.append(0, np.diff(shift))
    quality = assess_quality(filmed(moved, camera_dx=step, camera_dy=step))
    assert "E122" in codes(quality)
