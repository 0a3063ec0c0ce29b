"""Options that several commands share."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from fidgety.cli.evidence import cv_command
from fidgety.cli.options import PRECISIONS
from fidgety.cli.progress import progress
from fidgety.cli.telling import tell_cores
from fidgety.cli.training import train_command
from fidgety.study import training


def test_precisions_are_those_of_training():
    assert PRECISIONS == training.PRECISIONS


def test_a_self_test_trains_in_its_own_way(tmp_path):
    for option in (["--quick"], ["--precision", "bf16-mixed"]):
        asked = [str(tmp_path), "--out", str(tmp_path / "out"), "--self-test", *option]
        outcome = CliRunner().invoke(cv_command, asked)
        assert outcome.exit_code == 2
        assert f"leave out {option[0]}" in outcome.output


@pytest.mark.parametrize(
    ("workers", "cores", "gpu", "told"),
    [(None, 8, False, True), (1, 8, False, False), (None, 1, False, False), (None, 8, True, False)],
)
def test_idle_cores_are_told_of(monkeypatch, capsys, workers, cores, gpu, told):
    monkeypatch.setattr("joblib.cpu_count", lambda: cores)
    monkeypatch.setattr("torch.cuda.is_available", lambda: gpu)

    @click.command
    @click.option("--workers", type=int)
    def work(workers):
        tell_cores(6)

    @click.command
    @click.pass_context
    def again(context):
        context.invoke(work)

    work.main([] if workers is None else ["--workers", str(workers)], standalone_mode=False)
    assert ("--workers 6 is quicker" in capsys.readouterr().err) is told
    again.main([], standalone_mode=False)
    assert capsys.readouterr().err == ""  # it has no such option


def test_workers_are_for_the_final_model(tmp_path):
    outcome = CliRunner().invoke(train_command, [str(tmp_path), "--workers", "2"])
    assert outcome.exit_code == 2
    assert "members of --final" in outcome.output


def test_progress_ends_once(capsys):
    with progress("Doing") as show:
        for done in (1, 3, 3):
            show(done, 3)
    assert capsys.readouterr().err.count("3 of 3") == 1
