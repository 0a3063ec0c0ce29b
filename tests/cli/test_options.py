"""Options that several commands share."""

from __future__ import annotations

from click.testing import CliRunner

from fidgety.cli.evidence import cv_command
from fidgety.cli.options import PRECISIONS
from fidgety.study import training


def test_precisions_are_those_of_training():
    assert PRECISIONS == training.PRECISIONS


def test_a_self_test_trains_in_its_own_way(tmp_path):
    for option in (["--quick"], ["--precision", "bf16-mixed"]):
        asked = [str(tmp_path), "--out", str(tmp_path / "out"), "--self-test", *option]
        outcome = CliRunner().invoke(cv_command, asked)
        assert outcome.exit_code == 2
        assert f"leave out {option[0]}" in outcome.output
