"""Commands as a user meets them, on a small simulated study."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
from command_line import TINY

from fidgety.cli.main import COMMANDS, main
from fidgety.models.checkpoint import load_checkpoint
from fidgety.models.rules import Rules
from fidgety.study.methods import METHODS


def test_the_overview_names_every_command(run):
    said = run("--help")
    assert said.status == 0
    for name in COMMANDS:
        assert f"\n  {name} " in said.out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(run, name):
    said = run(name, "--help")
    assert said.status == 0
    assert said.out.startswith(f"Usage: fidgety {name}")
    assert len(said.out.splitlines()[2].strip()) > 20


def test_the_overview_loads_neither_torch_nor_numpy():
    code = (
        "import sys; from fidgety.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'numpy', 'scipy', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_study_from_nothing_to_a_measured_model(made):
    assert (made / "runs" / "first" / "predictions_val.csv").exists()
    checkpoint = load_checkpoint(made / "runs" / "first" / "model.fidgety")
    assert checkpoint.cohort is not None
    assert checkpoint.cohort.simulated


def test_prepare_again_does_nothing(run, study):
    said = run("prepare", study)
    assert (said.status, said.out) == (0, "0 prepared, 10 already up to date\n")


@pytest.mark.parametrize("part", ["val", "test"])
def test_validate_says_simulated_and_gives_an_interval(run, study, part):
    said = run("validate", study / "runs" / "first", "--part", part)
    assert said.status == 0
    assert "95 % interval" in said.out
    assert "simulated infants" in said.out
    assert f"predictions_{part}.csv" in said.out


def test_a_settings_file_stands_for_the_study(run, study, tmp_path):
    (tmp_path / "config.yaml").write_text("data_root: study\n")
    said = run("train", tmp_path / "config.yaml", "--max-epoch", 1, "--name", "by-file", *TINY)
    assert said.status == 0
    assert (study / "runs" / "by-file" / "model.fidgety").exists()


def network_of(study, name):
    return json.loads((study / "runs" / name / "config.json").read_text())["network"]


def test_each_of_the_papers_options_changes_what_it_names(run, study):
    said = run(
        "train", study, "--name", "all", "--model", "stam", "--fold-id", 1, "--max-epoch", 1,
        "--no-cuda", "--clip-size", 24, "--stride", 12, "--length", 90, "--channels", 7,
        "--max-hop", 2, "--dilation", 2, "--z-dim", 6, "--alpha-dim", 5, "--beta-dim", 3,
        "--gcn-strategy", "distance", "--lr", 0.002, "--weight-decay", 0.01, "--batch-size", 3,
        "--dropout-context", 0.15, "--dropout-gcn", 0.25, "--suffix-len", 0, "--optimizer", "Adam",
        "--seed", 4, "--patience", 2, "--aggregation", "max",
    )  # fmt: skip
    assert said.status == 0, said
    network = network_of(study, "all")
    model = {
        "max_hop": 2, "dilation": 2, "z_dim": 6, "alpha_dim": 5, "beta_dim": 3,
        "strategy": "distance", "dropout_context": 0.15, "dropout_gcn": 0.25, "channels": 7,
    }  # fmt: skip
    training = {
        "max_epoch": 1, "lr": 0.002, "weight_decay": 0.01, "batch_size": 3, "optimizer": "adam",
        "seed": 4, "patience": 2,
    }  # fmt: skip
    assert network["model"].items() >= model.items()
    assert network["training"].items() >= training.items()
    assert network["clip"]["length_s"] == pytest.approx(0.8)
    assert network["clip"]["stride_s"] == pytest.approx(0.4)
    assert network["aggregation"] == "max"
    config = json.loads((study / "runs" / "all" / "config.json").read_text())
    assert config["fold"] == 1
    assert config["length_s"] == pytest.approx(3.0)
    checkpoint = load_checkpoint(study / "runs" / "all" / "model.fidgety")
    assert checkpoint.clip["length_s"] == pytest.approx(0.8)
    assert checkpoint.aggregation == "max"


def test_clips_in_seconds(run, study):
    options = ("--clip-seconds", 2, "--stride-seconds", 1, "--max-epoch", 1, "--name", "long")
    assert run("train", study, *options, *TINY).status == 0
    assert network_of(study, "long")["clip"]["length_s"] == 2.0
    said = run("train", study, "--clip-size", 30, *options)
    said.refused("--clip", "given twice")


def test_resume_of_a_finished_run(run, study):
    said = run("train", study, "--max-epoch", 1, "--name", "first", "--resume", *TINY)
    assert said.status == 0
    said = run("train", study, "--max-epoch", 2, "--name", "first", "--resume", *TINY)
    said.refused("E440", "other settings", "--name")


def test_cross_validation_and_comparison(run, study, tmp_path):
    out = tmp_path / "cv"
    said = run("cv", study, "--models", "quantiles, mean-speed", "--folds", 2, "--out", out)
    assert said.status == 0
    assert "| quantiles |" in said.out
    assert "10 simulated infants" in said.out
    again = run("compare", out)
    assert again.out.startswith(said.out)  # and says where the page is
    run("cv", study, "--models", "quantiles", "--folds", 3, "--out", out).refused("E273", "--out")
    table = (out / "predictions.csv").read_text()
    (out / "predictions.csv").write_text(table.replace("quantiles,0,0", "quantiles,0,1", 1))
    run("compare", out).refused("E279", "changed", "fidgety cv")


def test_assess_writes_a_report(run, model, film, tmp_path):
    said = run("assess", film, "--model", model, "--out", tmp_path, "--age-weeks", 13)
    assert said.status == 0, said
    assert "long: risk 0." in said.out
    assert "trained on simulated infants" in said.out
    content = json.loads((tmp_path / "long" / "assessment.json").read_text())
    assert content["research_use_only"] is True
    assert content["clips"]
    assert sum(clip["attention"] for clip in content["clips"]) == pytest.approx(1)
    assert (tmp_path / "long" / "report.html").exists()


def test_a_refused_recording_leaves_with_three(run, made, model, tmp_path):
    short = made / "estimated_poses" / "s0000.parquet"
    said = run("assess", short, "--model", model, "--out", tmp_path)
    assert said.status == 3
    assert "refused" in said.out
    content = json.loads((tmp_path / "s0000" / "assessment.json").read_text())
    assert content["risk"] is None
    assert (tmp_path / "s0000" / "report.html").exists()


def test_a_bad_recording_stops_no_other(run, model, film, tmp_path):
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(film.read_bytes()[:1000])
    missing = tmp_path / "missing.parquet"
    said = run("assess", broken, film, missing, "--model", model, "--out", tmp_path / "out")
    said.refused("E504", "long: risk", "broken: E")
    with (tmp_path / "out" / "summary.csv").open(newline="") as handle:
        states = {row["recording"]: row["state"] for row in csv.DictReader(handle)}
    assert states == {"broken": "failed", "long": "assessed", "missing": "failed"}


def test_the_line_says_why_nothing_can_be_said(run, film, monkeypatch, tmp_path):
    seen = Rules.scope_of
    for inside, words in ((False, "should not be used"), (True, "risk ")):
        monkeypatch.setattr(Rules, "scope_of", lambda *a, i=inside: replace(seen(*a), in_scope=i))
        out = tmp_path / str(inside)
        said = run("assess", film, "--model", "simulated-demo", "--out", out)
        assert said.status == 0, said
        assert words in said.out
        content = json.loads((out / "long" / "assessment.json").read_text())
        if not inside:
            assert said.out.startswith("long: cannot say (")
            assert content["decision_reason"].rstrip(".") in said.out
        else:
            assert "should not be used" not in said.out


def test_import_of_openpose_frames(run, made, tmp_path):
    from fidgety.pose.formats import write
    from fidgety.pose.stored import read_native

    for name in ("s0000", "s0001"):
        pose = read_native(made / "estimated_poses" / f"{name}.parquet")
        write(pose, tmp_path / "json" / name, format="openpose")
    (tmp_path / "labels.csv").write_text("infant_id,label\ns0000,1\ns0001,0\n")
    new, labels = tmp_path / "new", tmp_path / "labels.csv"
    said = run("import", tmp_path / "json", "--out", new, "--labels", labels)
    said.refused("E316", "--fps 30")
    said = run("import", tmp_path / "json", "--out", new, "--labels", labels, "--fps", 30)
    assert said.status == 0, said
    assert run("prepare", new).out == "2 prepared\n"


def test_doctor(run):
    said = run("doctor")
    assert said.status == 0
    assert "numpy" in said.out
    assert "BlazePose weights" in said.out


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("train",),
        ("train", "s", "--max-epoch", "many"),
        ("assess", "x", "--model", "m"),
        ("assess", "x", "--model", "m", "--out", "o", "--size", "12"),
        ("train", "s", "--precision", "7-bit"),
    ],
)
def test_wrong_usage_leaves_with_two(run, arguments):
    said = run(*arguments)
    assert said.status == 2
    assert "Traceback" not in said.err
    assert said.err


def test_our_own_faults_leave_with_one(run, monkeypatch, study):
    monkeypatch.setattr("fidgety.study.study.Study.open", lambda *_, **__: 1 / 0)
    said = run("prepare", study)
    assert said.status == 1
    assert said.err.startswith("E999 A fault in fidgety, not in your data: ZeroDivisionError")


def test_debug_shows_the_traceback(made):
    from fidgety.errors import FidgetyError

    with pytest.raises(FidgetyError, match="E504"):
        main(["--debug", "prepare", str(made / "nowhere")])


def test_stopping_is_said(run, monkeypatch, study):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("fidgety.study.study.Study.open", stop)
    said = run("prepare", study)
    assert said.status == 130
    assert "run the same command again" in said.err


@pytest.mark.slow
def test_demo(run, monkeypatch, tmp_path):
    """The main job with few short recordings."""
    monkeypatch.setattr("fidgety.demo.INFANTS", 12)
    monkeypatch.setattr("fidgety.demo.SECONDS", 6.0)
    monkeypatch.setattr("fidgety.demo.FOLDS", 2)
    ours = METHODS["fidgety"].network
    assert ours is not None
    short = replace(ours, training=replace(ours.training, min_steps=40))
    monkeypatch.setitem(METHODS, "fidgety", replace(METHODS["fidgety"], network=short))
    said = run("demo", "--out", tmp_path / "demo")
    assert said.status == 0, said
    assert "simulated infants" in said.out
    assert "Report: " in said.out
    assert "4 members over 12 simulated infants" in said.out
    assert (tmp_path / "demo" / "assessment" / "report.html").exists()
    again = run("demo", "--out", tmp_path / "demo")
    assert (again.status, again.out) == (0, said.out)
    shutil.rmtree(tmp_path / "demo")
