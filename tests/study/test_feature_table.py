"""The table of features: rows, dictionary, profiles, gaps, failures."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from small_studies import a_pose, write_sequences

from fidgety.errors import ConfigError, StudyError
from fidgety.models.features import SETS
from fidgety.motion import pose_sequence
from fidgety.study.feature_table import feature_table, sets_named, write_feature_table
from fidgety.study.study import Study


def read(path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def test_a_row_a_recording_and_a_line_a_column(study, tmp_path):
    table = feature_table(study, ["chambers", "rahmati"])
    path, beside = write_feature_table(table, tmp_path / "features.csv")
    rows, about = read(path), read(beside)
    assert beside.name == "features.dictionary.csv"
    assert [row["recording"] for row in rows] == [r.name for r in study.recordings]
    for row, recording in zip(rows, study.recordings, strict=True):
        assert row["infant_id"] == recording.infant_id
        assert row["label"] == str(recording.label)
    assert [line["column"] for line in about] == list(rows[0])
    assert len(rows[0]) == 3 + 42 + 66
    described = {line["column"]: line for line in about}
    assert described["chambers_wrist_median_speed"]["unit"] == "trunk lengths/s"
    assert described["chambers_wrist_median_speed"]["preprocessing"] == "stam"
    assert "Chambers 2020" in described["chambers_wrist_median_speed"]["source"]
    assert described["rahmati_head_centroid"]["preprocessing"] == "fidgety"


def test_numbers_are_those_of_the_poses_by_the_sets_own_profile(study, tmp_path):
    path, _ = write_feature_table(
        feature_table(study, ["chambers", "fidgetyfind"]), tmp_path / "features.csv"
    )
    row = read(path)[0]
    pose = a_pose(0, 120)  # recordings are written in this order; i00_v0 is the first
    for name in ("chambers", "fidgetyfind"):
        features = SETS[name]
        sequence = pose_sequence(pose, features.profile)
        wanted = features.of(sequence.values, sequence.fps)
        found = [float(row[one] or "nan") for one in features.names]
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4)


def test_missing_is_empty(study, tmp_path):
    from dataclasses import replace

    path = study.pose_path("i02_v0")
    assert path is not None
    pose = a_pose(2, 120)
    xy = pose.xy.copy()
    xy[:, pose.skeleton.index["left_wrist"]] = np.nan
    confidence = np.where(np.isnan(xy[..., 0]), 0.0, 1.0)
    replace(pose, xy=xy, confidence=confidence).save(path)
    table = feature_table(study, ["chambers-sides"])
    out, _ = write_feature_table(table, tmp_path / "features.csv")
    row = next(row for row in read(out) if row["recording"] == "i02_v0")
    assert row["chambers_left_wrist_median_speed"] == ""
    assert float(row["chambers_right_wrist_median_speed"]) > 0
    assert "nan" not in out.read_text().lower()


def test_a_bad_recording_is_named_and_the_others_are_written(study, tmp_path):
    path = study.pose_path("i03_v0")
    assert path is not None
    path.write_bytes(b"no parquet")
    told = []
    table = feature_table(study, ["rahmati"], progress=lambda *a: told.append(a))
    assert table.report.named("failed") == ("i03_v0",)
    assert table.report.exit_status == 2
    assert len(told) == len(study.recordings)
    out, _ = write_feature_table(table, tmp_path / "features.csv")
    assert {row["recording"] for row in read(out)} == {
        r.name for r in study.recordings if r.name != "i03_v0"
    }


def test_nothing_to_measure_is_refused(study, tmp_path):
    for recording in study.recordings:
        path = study.pose_path(recording.name)
        assert path is not None
        path.write_bytes(b"no parquet")
    with pytest.raises(StudyError, match="E285"):
        write_feature_table(feature_table(study, ["rahmati"]), tmp_path / "features.csv")
    assert not (tmp_path / "features.csv").exists()


def test_sequences_made_elsewhere_without_labels(tmp_path):
    write_sequences(tmp_path / "study", ["a", "b"], frames=200)
    study = Study.open(tmp_path / "study", labels_needed=False)
    table = feature_table(study, ["quantiles"], fps=25.0)
    assert table.report.exit_status == 0
    out, _ = write_feature_table(table, tmp_path / "out" / "features.csv")
    assert [row["label"] for row in read(out)] == ["", ""]


@pytest.mark.parametrize("names", [["magic"], [], ["chambers", "magic"], ["all", "magic"]])
def test_unknown_sets_are_refused(names):
    with pytest.raises(ConfigError, match="E707"):
        sets_named(names)


def test_all_is_every_set_once():
    assert [one.name for one in sets_named(["chambers", "all"])] == list(SETS)
    assert [one.name for one in sets_named(["mccay", "mccay"])] == ["mccay"]


def test_another_ending_is_refused(study, tmp_path):
    with pytest.raises(ConfigError, match=r"E702.*csv"):
        write_feature_table(feature_table(study, ["quantiles"]), tmp_path / "features.xlsx")
