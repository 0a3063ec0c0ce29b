"""One recording to one assessment: what is said, what is refused, that parts add up."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit
from single import checkpoint, film_of, model_file, network

import fidgety
from fidgety import assess
from fidgety.assess import Assessor
from fidgety.errors import CheckpointError, FileError
from fidgety.models.stam import STAM, STAMConfig
from fidgety.models.trained import TrainedModel
from fidgety.motion import pose_sequence
from fidgety.pose.pose import Pose
from fidgety.statistics.calibrators import LogisticCalibrator


@pytest.fixture(scope="module")
def film() -> Pose:
    return film_of(1)


@pytest.fixture(scope="module")
def assessor() -> Assessor:
    return Assessor(TrainedModel(checkpoint(), (network(),)))


@pytest.fixture(scope="module")
def assessment(assessor, film):
    return assessor.assess(film, name="b07", age_weeks=13.0)


def test_the_risk_is_that_of_the_model(assessor, assessment, film):
    model = assessor.model
    clips = model.clips(pose_sequence(film, model.profile))
    assert not assessment.refused
    assert assessment.risk_raw == pytest.approx(model.infer(clips).risk, abs=0.05)
    low, high = assessment.interval
    assert 0 <= low <= assessment.risk <= high <= 1


def test_the_parts_add_up(assessment):
    assert sum(clip["attention"] for clip in assessment.clips) == pytest.approx(1)
    assert sum(joint["attention"] for joint in assessment.joints) == pytest.approx(1, abs=1e-6)
    assert [joint["name"] for joint in assessment.joints][:2] == ["nose", "neck"]
    starts = [clip["start_s"] for clip in assessment.clips]
    assert starts == sorted(starts)
    assert all(clip["end_s"] - clip["start_s"] == pytest.approx(1) for clip in assessment.clips)
    assert starts[-1] < 40


def test_contributions_explain_the_logit_of_one_window(film):
    whole = checkpoint(window={"length_s": 100.0, "overlap_s": 0.0})
    found = Assessor(TrainedModel(whole, (network(),))).assess(film)
    bias = network().output.bias.item()
    total = sum(clip["contribution"] for clip in found.clips) + bias
    assert expit(total) == pytest.approx(found.risk_raw, abs=1e-5)
    assert total == pytest.approx(logit(found.risk_raw), abs=1e-4)


def test_the_file_says_all_of_it(assessment, tmp_path):
    content = json.loads(assessment.save(tmp_path).read_text())
    assert content == json.loads(json.dumps(assessment.to_dict()))
    assert content["schema_version"] == 1
    assert content["research_use_only"] is True
    assert content["input"]["name"] == "b07"
    assert content["input"]["age_weeks"] == 13.0
    assert content["model"]["trained"]["simulated"] is True
    assert content["quality"]["verdict"] in ("pass", "caution")
    assert set(content["explanation_check"]) >= {"ratio", "passed"}
    assert content["calibrated"] is False


def test_the_same_again(assessor, assessment, film):
    again = assessor.assess(film, name="b07", age_weeks=13.0).to_dict()
    assert {**again, "created": ""} == {**assessment.to_dict(), "created": ""}


def test_from_a_file_by_the_public_names(film, assessment, tmp_path):
    path = film.save(tmp_path / "b07.parquet")
    found = fidgety.Assessor.load(model_file(tmp_path)).assess(path, age_weeks=13.0)
    assert found.content["input"]["name"] == "b07"
    assert found.risk == pytest.approx(assessment.risk, abs=1e-6)


def test_a_film_goes_through_the_estimator(assessor, film, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(assess, "estimate", lambda path: asked.append(path) or film)
    (tmp_path / "b07.MP4").write_bytes(b"film")
    assert assessor.assess(tmp_path / "b07.MP4").content["input"]["name"] == "b07"
    assert asked == [tmp_path / "b07.MP4"]
    with pytest.raises(FileError, match="E504"):
        assessor.assess(tmp_path / "none.mp4")


def decided(monkeypatch, film, low, high, risk):
    monkeypatch.setattr(assess, "spread", lambda *_: np.array([low, high]))
    model = TrainedModel(checkpoint(), (network(),))
    found = replace_risk(model, risk)
    return Assessor(found).assess(film)


def replace_risk(model: TrainedModel, risk: float) -> TrainedModel:
    """The same model with its bias moved so far that every risk is the one wanted."""
    changed = network()
    changed.output.weight.data.zero_()
    changed.output.bias.data.fill_(float(logit(risk)))
    return TrainedModel(model.checkpoint, (changed,))


@pytest.mark.parametrize(
    ("low", "high", "risk", "decision"),
    [
        (0.6, 0.9, 0.7, "abnormal"),
        (0.1, 0.4, 0.3, "normal"),
        (0.4, 0.6, 0.55, "cannot_say"),
        (0.5, 0.9, 0.7, "abnormal"),  # the threshold itself counts as abnormal
        (0.6, 0.9, 0.3, "cannot_say"),  # an interval that misses its point is widened
    ],
)
def test_decisions(monkeypatch, film, low, high, risk, decision):
    found = decided(monkeypatch, film, low, high, risk)
    assert found.decision == decision
    assert found.interval[0] <= found.risk <= found.interval[1]
    assert (found.content["decision_reason"] is None) == (decision != "cannot_say")


def test_a_falling_calibration_is_refused(film):
    """A model that was worse than chance on infants left out has no risk to give."""
    falling = {"kind": "logistic", "slope": -1.0, "intercept": 0.0, "method": "platt",
               "infants": 20}  # fmt: skip
    model = TrainedModel(checkpoint(calibration=falling), (network(),))
    with pytest.raises(CheckpointError, match=r"E260 .*falls as the score rises"):
        Assessor(model).assess(film)


@pytest.mark.parametrize(("raw", "told"), [(1e-6, 1 / 12), (1 - 1e-6, 11 / 12)])
def test_no_risk_goes_beyond_what_the_cohort_can_show(film, raw, told):
    """Ten infants were known: the calibration's form alone says one in a million."""
    calibration = LogisticCalibrator(1.0, 0.0, "platt", 10).to_dict()
    model = replace_risk(TrainedModel(checkpoint(calibration=calibration), (network(),)), raw)
    found = Assessor(model).assess(film)
    assert found.risk_raw == pytest.approx(raw, rel=0.5)
    assert found.risk == pytest.approx(told)
    assert found.interval == pytest.approx((told, told))
    assert found.content["risk_limits"] == pytest.approx([1 / 12, 11 / 12])
    plain = Assessor(replace_risk(TrainedModel(checkpoint(), (network(),)), raw)).assess(film)
    assert plain.risk == plain.risk_raw  # a score, no probability
    assert plain.content["risk_limits"] == [0.0, 1.0]


def test_the_threshold_of_the_model_decides(monkeypatch, film):
    """One threshold: that of its rules, in the decision and in what is said of the model."""
    monkeypatch.setattr(assess, "spread", lambda *_: np.array([0.3, 0.45]))
    low = TrainedModel(checkpoint(threshold=0.25), (network(),))
    found = Assessor(replace_risk(low, 0.4)).assess(film)
    assert (found.decision, found.content["model"]["threshold"]) == ("abnormal", 0.25)
    between = TrainedModel(checkpoint(threshold=0.4), (network(),))
    found = Assessor(replace_risk(between, 0.42)).assess(film)
    assert found.decision == "cannot_say"
    assert "either side of 0.4" in found.content["decision_reason"]


@pytest.mark.parametrize(
    ("auc", "low", "decision"),
    [(0.7, 0.45, "cannot_say"), (0.5, 0.5, "cannot_say"), (0.7, 0.51, "abnormal")],
)
def test_a_model_no_better_than_chance_decides_nothing(film, auc, low, decision):
    measured = {"part": "validation", "auc": auc, "auc_low": low, "auc_high": 0.9, "infants": 8}
    rule = {"kind": "class-conditional conformal", "abnormal_from": 0.0, "normal_to": 1.0,
            "error": 0.1, "abnormal": 20, "normal": 20}  # fmt: skip
    for more in ({}, {"abstention": rule}):
        model = TrainedModel(checkpoint(metrics=measured, **more), (network(),))
        found = Assessor(replace_risk(model, 0.95)).assess(film)
        assert found.decision == decision
        if decision == "cannot_say":
            told = f"AUC {auc:.2f} ({low:.2f} to 0.90) on the 8 infants of its validation part"
            assert told in found.content["decision_reason"]


def test_too_short_is_refused_without_a_risk(assessor, film):
    found = assessor.assess(film_of(2, seconds=6.0))
    assert found.refused
    assert found.risk is found.risk_raw is found.interval is found.decision is None
    assert found.clips == found.joints == ()
    assert "usable" in found.quality["reasons"][0]["text"]


def test_nothing_seen_is_refused(assessor, film):
    blind = film.then("blind", xy=np.full_like(film.xy, np.nan), confidence=film.confidence * 0)
    found = assessor.assess(blind)
    assert found.refused
    assert found.risk is None


def test_age_out_of_range_is_refused(assessor, film):
    found = assessor.assess(film, age_weeks=30.0)
    assert found.refused
    assert any(reason["code"] == "E106" for reason in found.quality["reasons"])


def test_a_model_of_another_skeleton_is_refused(film):
    other = STAM(STAMConfig(skeleton="body25", widths=(4,), z_dim=4, max_hop=1)).eval()
    content = checkpoint().of(other, fps=30.0, profile="fidgety", profile_config={"fps": 30.0})
    with pytest.raises(CheckpointError, match=r"E406.*body25.*openpose18"):
        Assessor(TrainedModel(content, (other,))).assess(film)


def test_a_hidden_joint_is_masked_not_invented(assessor, film):
    xy, confidence = film.xy.copy(), film.confidence.copy()
    xy[:, 4], confidence[:, 4] = np.nan, 0
    found = assessor.assess(film.then("hidden", xy=xy, confidence=confidence))
    wrist = found.joints[4] if found.joints else None
    assert wrist is None or wrist["movement"] is None
    assert replace(found).quality["reasons"]


def test_abstention_and_scope_decide_where_the_model_carries_them(film):
    rule = {"kind": "class-conditional conformal", "abnormal_from": 0.0, "normal_to": 1.0,
            "error": 0.1, "abnormal": 20, "normal": 20}  # fmt: skip
    for risk, decision in ((0.9, "abnormal"), (0.2, "normal"), (0.6, "cannot_say")):
        model = replace_risk(TrainedModel(checkpoint(abstention=rule), (network(),)), risk)
        found = Assessor(model).assess(film)
        assert found.decision == decision
        assert found.content["stated_error"] == 0.1
    assert "stated error rate of 10%" in found.content["decision_reason"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assess, "spread", lambda *_: np.array([0.3, 0.97]))
        model = replace_risk(TrainedModel(checkpoint(abstention=rule), (network(),)), 0.9)
        found = Assessor(model).assess(film)
    assert found.decision == "abnormal"
    assert "not certain: the interval reaches over 0.5" in found.content["decision_reason"]
    narrow = {"kind": "robust mahalanobis", "names": ["arm_speed"], "centre": [50.0],
              "scale": [1.0], "precision": [[1.0]], "limit": 1.0, "false_alarm": 0.05,
              "infants": 20}  # fmt: skip
    found = Assessor(TrainedModel(checkpoint(scope=narrow), (network(),))).assess(film)
    assert found.decision == "cannot_say"
    assert found.content["scope"]["in_scope"] is False
    assert "arm speed" in found.content["decision_reason"]
