"""Files that the first version wrote are read by this one, and mean the same.

``data`` was written once, by the first version: a model with random weights, the poses of a
simulated infant, its assessment, and a prepared sequence. When a schema changes, its reader keeps
reading these.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from fidgety.assess import Assessor
from fidgety.errors import CheckpointError, FidgetyError, PoseError
from fidgety.models.checkpoint import load_checkpoint, save_checkpoint
from fidgety.pose.stored import read_native
from fidgety.report import write_report
from fidgety.study.sequences import read_sequence

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="module")
def assessed():
    return json.loads((DATA / "assessment.json").read_text("utf-8"))


def test_an_old_model_gives_the_risk_it_gave(assessed):
    pose = read_native(DATA / "pose.parquet")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again = Assessor.load(DATA / "model.fidgety").assess(pose, name="s3", age_weeks=12.0)
    assert again.risk == pytest.approx(assessed["risk"], abs=1e-4)
    assert again.quality["verdict"] == assessed["quality"]["verdict"]


def test_an_old_model_written_anew_is_the_same_model(tmp_path):
    old = load_checkpoint(DATA / "model.fidgety")
    new = load_checkpoint(save_checkpoint(tmp_path / "new.fidgety", old))
    assert new.weights.keys() == old.weights.keys()
    for name, value in old.weights.items():
        np.testing.assert_array_equal(new.weights[name].numpy(), value.numpy())
    assert (new.skeleton, new.fps, new.profile, new.cohort) == (
        old.skeleton, old.fps, old.profile, old.cohort,
    )  # fmt: skip


def test_an_old_assessment_becomes_a_report(tmp_path, assessed):
    path = tmp_path / "report.html"
    write_report(assessed, path, interactive=False)
    assert f"{assessed['risk']:.2f}" in path.read_text("utf-8")


def test_an_old_pose_written_anew_is_the_same_pose(tmp_path):
    old = read_native(DATA / "pose.parquet")
    new = read_native(old.save(tmp_path / "new.parquet"))
    np.testing.assert_array_equal(new.xy, old.xy)
    np.testing.assert_array_equal(new.time, old.time)
    assert (new.skeleton, new.history) == (old.skeleton, old.history)


def test_an_old_sequence_is_read():
    sequence = read_sequence(DATA / "sequence")
    assert sequence.values.shape[::2] == (7, 18)
    assert sequence.fps == pytest.approx(30.0)
    assert np.isfinite(sequence.values).any()


def test_files_of_a_later_version_say_so(tmp_path):
    import pyarrow.parquet as pq

    table = pq.read_table(DATA / "pose.parquet")
    meta = json.loads(table.schema.metadata[b"fidgety"]) | {"schema_version": 99}
    path = tmp_path / "a.parquet"
    pq.write_table(table.replace_schema_metadata({"fidgety": json.dumps(meta)}), path)
    with pytest.raises(PoseError, match=r"E322 .*99.*Update fidgety"):
        read_native(path)
    raw = (DATA / "model.fidgety").read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    content = json.loads(header["__metadata__"]["fidgety"]) | {"schema_version": 99}
    header["__metadata__"]["fidgety"] = json.dumps(content)
    new = json.dumps(header).encode()
    model = tmp_path / "a.fidgety"
    model.write_bytes(len(new).to_bytes(8, "little") + new + raw[8 + length :])
    with pytest.raises(CheckpointError, match="E403"):
        load_checkpoint(model)
    with pytest.raises(FidgetyError, match="E511"):
        write_report({"schema_version": 99}, tmp_path / "r.html")
