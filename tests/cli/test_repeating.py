"""A finished run says all that is needed to repeat it, and repeating it gives the same bits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import TINY

from fidgety.study.record import RECORD


@pytest.fixture
def trained(run, study):
    said = run("train", study, "--max-epoch", 2, "--name", "twice", "--seed", 5, *TINY)
    assert said.status == 0, said
    return study / "runs" / "twice"


def test_training_twice_gives_the_same_bits(run, trained):
    record = json.loads((trained / RECORD).read_text())
    assert record["arguments"]["seed"] == 5
    assert record["arguments"]["max_epoch"] == 2
    assert record["study"] == "../.."
    assert {"torch", "numpy", "fidgety"} <= record["versions"].keys()
    assert len(record["inputs"]) == 11  # ten recordings and their labels
    assert "model.fidgety" in record["outputs"]
    assert str(trained.parents[2]) not in json.dumps(record)  # no folder of this machine
    said = run("reproduce", trained)
    assert said.status == 0, said
    assert "Equal bit for bit: model.fidgety" in said.out
    assert [path.name for path in trained.parent.glob("twice*")] == ["twice"]


@pytest.mark.slow
def test_cross_validating_twice_gives_the_same_bits(run, study, tmp_path):
    out = tmp_path / "cv"
    said = run("cv", study, "--models", "quantiles,mean-speed", "--folds", 2, "--out", out)
    assert said.status == 0, said
    said = run("reproduce", out)
    assert said.status == 0, said
    assert "predictions.csv" in said.out


def test_other_data_are_refused_and_another_result_is_told(run, trained, study):
    record = json.loads((trained / RECORD).read_text())
    record["outputs"]["model.fidgety"] = "0" * 64
    record["versions"]["numpy"] = "0.1"
    (trained / RECORD).write_text(json.dumps(record))
    run("reproduce", trained).refused("E532", "model.fidgety: other bytes", "W530", "numpy 0.1")
    labels = study / "labels.csv"
    labels.write_text(labels.read_text() + "\n")
    run("reproduce", trained).refused("E531", "labels.csv")


@pytest.mark.parametrize("text", [None, "", "[]", '{"schema_version": 9}', "[" * 9000])
def test_no_record(run, tmp_path, text):
    if text is not None:
        (tmp_path / RECORD).write_text(text)
    run("reproduce", tmp_path).refused("E530")


def test_two_runs_in_one_folder(run, study, tmp_path):
    from fidgety.claims import claimed

    out = tmp_path / "cv"
    with claimed(out):
        run("cv", study, "--models", "mean-speed", "--folds", 2, "--out", out).refused("E505")
    with claimed(study):
        run("prepare", study).refused("E505")
    with claimed(study / "runs" / "x"):
        run("train", study, "--name", "x", *TINY).refused("E505")
    model, poses = study / "runs" / "first" / "model.fidgety", study / "estimated_poses"
    with claimed(tmp_path / "p"):
        run("assess", poses, "--model", model, "--out", tmp_path / "p").refused("E505")


def test_the_log_tells_of_each_recording_and_names_nobody(run, study, tmp_path):
    (study / "estimated_poses" / "s0000.parquet").write_bytes(b"damaged")
    log = tmp_path / "log" / "fidgety.jsonl"
    said = run("--log", log, "prepare", study, "--force")
    assert said.status == 2
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert [event["event"] for event in events] == ["begin", *["item"] * 10, "end"]
    assert events[0]["command"] == "prepare"
    states = {event["recording"]: event["state"] for event in events[1:-1]}
    assert states.pop("s0000") == "failed"
    assert set(states.values()) == {"done"}
    assert next(e for e in events if e.get("recording") == "s0000")["code"] == "E320"
    assert str(study) not in log.read_text()


@pytest.fixture
def small_networks(monkeypatch):
    """The methods with a network, so small that a fold takes a moment."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "study"))
    from learning import TINY as SMALL
    from learning import network

    from fidgety.motion import WindowConfig
    from fidgety.study.methods import METHODS

    small = replace(network(SMALL, max_epoch=2), window=WindowConfig(4.0, 1.0))
    for name in ("stam", "fidgety"):
        monkeypatch.setitem(METHODS, name, replace(METHODS[name], network=small, candidates={}))
    yield
    sys.modules.pop("learning", None)


@pytest.mark.slow
def test_the_final_ensemble_is_reproduced(run, study, small_networks):
    said = run("train", study, "--final", "--inner", 2, "--model", "stam", "--name", "all")
    assert said.status == 0, said
    said = run("reproduce", study / "runs" / "all")
    assert said.status == 0, said
    assert "Equal bit for bit: model.fidgety, predictions.csv" in said.out
    assert [path.name for path in (study / "runs").glob("all*")] == ["all"]


@pytest.mark.slow
def test_cross_validating_networks_is_reproduced(run, study, tmp_path, small_networks):
    out = tmp_path / "cv"
    said = run("cv", study, "--models", "stam,quantiles", "--folds", 2, "--out", out)
    assert said.status == 0, said
    said = run("reproduce", out)
    assert said.status == 0, said
    assert "predictions.csv" in said.out
    assert ".fidgety" in said.out


@pytest.mark.slow
def test_two_processes_of_torchrun_train_one_model_that_is_reproduced(run, study):
    """On the CPU, over gloo; started by torchrun as on several machines, and by fidgety itself."""
    train = ("train", study, "--max-epoch", 2, "--devices", 2, *TINY)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    command = [*launcher, "2", "-m", "fidgety", *train, "--name", "launched"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for each in (command, [sys.executable, "-m", "fidgety", *train, "--name", "alone"]):
        done = subprocess.run(
            [str(word) for word in each], env=environment, capture_output=True, check=False,
            timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()[-2000:]
    models = [study / "runs" / name / "model.fidgety" for name in ("launched", "alone")]
    assert models[0].read_bytes() == models[1].read_bytes()
    assert (study / "runs" / "launched" / "metrics.jsonl").read_text().count("\n") == 2
    record = study / "runs" / "launched" / RECORD
    assert json.loads(record.read_text())["arguments"]["devices"] == 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        said = run("reproduce", study / "runs" / "launched")
    assert said.status == 0, said
    assert "Equal bit for bit: model.fidgety" in said.out
    record.write_text(record.read_text().replace('"nodes": 1', '"nodes": 2'))
    run("reproduce", study / "runs" / "launched").refused("E530", "2 machines")
