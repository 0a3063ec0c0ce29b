"""Commands killed at a few random moments end like undisturbed ones; the long table: benchmarks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "kill_table.py"


@pytest.mark.slow
def test_killed_commands_end_like_undisturbed_ones():
    pytest.importorskip("onnx")
    done = subprocess.run(
        [sys.executable, SCRIPT, "--moments", "2", "--commands", "assess,train"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=1500,
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["command"] for row in rows] == ["assess", "train"], done.stderr[-2000:]
    for row in rows:
        assert row["killed"] >= 1, row
        assert row["lost"] == 0, row
