import csv
import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from fidgety.errors import ConfigError, StudyError
from fidgety.pose.stored import read_native
from fidgety.settings import from_plain
from fidgety.simulate import MovementConfig, simulate_cohort, simulate_study


def rows(path):
    with path.open(newline="") as handle:
        return list(csv.DictReader(handle))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    calls = []
    folder = simulate_study(
        tmp_path_factory.mktemp("simulated") / "study",
        infants=3,
        recordings_per_infant=2,
        seconds=1,
        fps=15,
        seed=4,
        openpose_json=True,
        progress=lambda done, total: calls.append((done, total)),
    )
    return folder, calls


def test_layout(study):
    folder, calls = study
    labels = rows(folder / "labels.csv")
    assert list(labels[0]) == ["infant_id", "label", "recording", "age_weeks", "site"]
    assert len(labels) == 6
    names = {row["recording"] for row in labels}
    assert {path.stem for path in (folder / "estimated_poses").iterdir()} == names
    assert {path.stem for path in (folder / "truth").glob("*.parquet")} == names
    assert calls == [(done, 6) for done in range(1, 7)]


def test_the_pattern_is_truth_not_label(study):
    folder, _ = study
    assert "continual" not in (folder / "labels.csv").read_text()
    patterns = {row["recording"]: row["pattern"] for row in rows(folder / "truth/patterns.csv")}
    for row in rows(folder / "labels.csv"):
        normal = patterns[row["recording"]] in ("continual", "intermittent")
        assert row["label"] == str(int(not normal))


def test_poses_and_truth_are_those_simulated(study):
    folder, _ = study
    cohort = simulate_cohort(3, recordings_per_infant=2, seconds=1, fps=15, seed=4)
    for recording in cohort:
        pose = read_native(folder / "estimated_poses" / f"{recording.name}.parquet")
        assert np.array_equal(pose.xy, recording.pose.xy, equal_nan=True)
        assert pose.source == "simulated"
        truth = pq.read_table(folder / "truth" / f"{recording.name}.parquet")
        assert truth.column_names == ["time_s", *pose.skeleton.joints]
        amount = np.stack([truth[joint] for joint in pose.skeleton.joints], axis=1)
        assert amount == pytest.approx(recording.fidgety, abs=1e-4)
        assert np.array_equal(truth["time_s"], pose.time)


def test_study_json_says_simulated_and_how(study):
    folder, _ = study
    content = json.loads((folder / "study.json").read_text())
    assert content["simulated"] is True
    assert content["arguments"]["seed"] == 4
    movement = from_plain(MovementConfig, content["settings"]["movement"])
    assert movement.band_hz == (0.8, 3.0)


def test_openpose_files_hold_the_same_numbers(study):
    folder, _ = study
    name = rows(folder / "labels.csv")[0]["recording"]
    files = sorted((folder / "openpose_json" / name).iterdir())
    pose = read_native(folder / "estimated_poses" / f"{name}.parquet")
    assert len(files) == len(pose)
    frame = json.loads(files[7].read_text())
    points = np.reshape(frame["people"][0]["pose_keypoints_2d"], (18, 3))
    assert points[:, :2] == pytest.approx(np.nan_to_num(pose.xy[7]), abs=0.01)
    assert points[:, 2] == pytest.approx(pose.confidence[7], abs=1e-4)


def test_settings_refuse_unknown_names():
    with pytest.raises(ConfigError, match="E701"):
        from_plain(MovementConfig, {"band": (0.8, 3.0)})


def test_real_recordings_are_not_mixed_with_simulated_ones(tmp_path):
    (tmp_path / "labels.csv").write_text("infant_id,label\n")
    with pytest.raises(StudyError, match="E238"):
        simulate_study(tmp_path, infants=2, seconds=1)


def test_the_same_study_can_be_written_again_but_no_other_over_it(tmp_path):
    wish = {"infants": 1, "seconds": 1, "fps": 15}
    pose = simulate_study(tmp_path, **wish) / "estimated_poses" / "s0000.parquet"
    before = pose.read_bytes()
    simulate_study(tmp_path, **wish)
    assert pose.read_bytes() == before
    with pytest.raises(StudyError, match="E238"):
        simulate_study(tmp_path, seed=1, **wish)
    assert pose.read_bytes() == before


def test_nothing_is_written_for_an_impossible_wish(tmp_path):
    with pytest.raises(StudyError, match="E232"):
        simulate_study(tmp_path / "study", seconds=-1)
    assert not (tmp_path / "study").exists()
