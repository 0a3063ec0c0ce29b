"""`export` and `bench` on the command line, and a machine without torch."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from fidgety import bench
from fidgety.assess import Assessor
from fidgety.models.shipped import SHIPPED, resolve, shipped_path

WITHOUT_TORCH = """
import sys
class Absent:
    def find_spec(self, name, *_):
        if name.split(".")[0] in ("torch", "lightning_fabric"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
from fidgety.cli import main
main(sys.argv[1:])
"""


def without_torch(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_TORCH, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_an_exported_model_assesses_as_the_model_does(run, model, film, tmp_path):
    said = run("export", model, "--onnx", tmp_path / "m.onnx")
    assert said.status == 0
    assert "m.onnx" in said.out
    risks = []
    for name in (model, tmp_path / "m.onnx"):
        out = tmp_path / name.suffix[1:]
        assert run("assess", film, "--model", name, "--out", out).status in (0, 3)
        risks.append(json.loads((out / "long" / "assessment.json").read_text())["risk"])
    assert risks[0] == pytest.approx(risks[1], abs=1e-4)


def test_export_names_what_it_cannot_write(run, model, tmp_path):
    run("export", model, "--onnx", tmp_path / "m.bin").refused("must end in .onnx")
    run("export", tmp_path / "none.fidgety", "--onnx", tmp_path / "m.onnx").refused("E504")
    assert not list(tmp_path.iterdir())


def test_a_shipped_model_is_exported_by_its_name(run, tmp_path):
    assert run("export", "simulated-demo", "--onnx", tmp_path / "m.onnx").status == 0
    assert (tmp_path / "m.onnx").stat().st_size > 10_000


@pytest.mark.parametrize("name", SHIPPED)
def test_the_exported_shipped_model_is_the_model(name, film):
    """Made again with it, or this fails: benchmarks/shipped_model.py."""
    whole = shipped_path(name)
    one, other = (Assessor.load(path).assess(film) for path in (whole, whole.with_suffix(".onnx")))
    assert one.risk == pytest.approx(other.risk, abs=1e-4)
    np.testing.assert_allclose(one.interval, other.interval, atol=1e-3)
    for mine, theirs in zip(one.joints, other.joints, strict=True):
        assert mine["contribution"] == pytest.approx(theirs["contribution"], abs=1e-4)


def test_without_torch_the_shipped_model_assesses(film, tmp_path):
    done = without_torch("assess", film, "--model", "simulated-demo", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    said = json.loads((tmp_path / "out" / "long" / "assessment.json").read_text())
    with_torch = Assessor.load(resolve("simulated-demo")).assess(film)
    assert said["risk"] == pytest.approx(with_torch.risk, abs=1e-4)
    assert (tmp_path / "out" / "long" / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize("command", ["assess", "train", "cv"])
def test_without_torch_what_needs_it_says_so(command, model, film, study, tmp_path):
    arguments = {
        "assess": ("assess", film, "--model", model, "--out", tmp_path / "out"),
        "train": ("train", study),
        "cv": ("cv", study, "--models", "stam", "--out", tmp_path / "cv"),
    }[command]
    done = without_torch(*arguments)
    assert done.returncode == 2
    assert "E607" in done.stderr
    assert 'pip install "fidgety[train]"' in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_bench_measures_and_writes_what_it_measured(run, tmp_path):
    json_path, plot, curves = (tmp_path / name for name in ("b.json", "roof.svg", "grow.svg"))
    said = run(
        *("bench", "--seconds", 40, "--runs", 1, "--threads", 1, "--growth", 75, "--infants", 2),
        *("--json", json_path, "--roofline", plot, "--curves", curves),
    )
    assert said.status == 0, said
    found = json.loads(json_path.read_text())
    assert found["machine"]["matmul_gflops"] > 0
    assert found["machine"]["copy_gb_per_s"] > 0
    names = [part["name"] for part in found["parts"]]
    assert len(names) == len(set(names))
    for part in found["parts"]:
        assert part["name"] in said.out
        assert part["ours"]["processor_s"] > 0
        assert part["difference"] is None or part["difference"] < 1e-4
        assert part["gflop"] is None or part["gflops"] > 0
    assert {one["name"] for one in found["operations"]} > {"input norm", "frames 1", "joints 3"}
    work = sum(one["gflop"] for one in found["operations"])
    (alone,) = (part for part in found["parts"] if part["name"] == "encoding alone")
    clips = 59  # of 40 s
    assert work / 32 == pytest.approx(alone["gflop"] / clips, rel=0.05)
    for curve in found["growth"].values():
        assert all(seconds > 0 for _, seconds in curve)
    assert "<svg" in plot.read_text()
    assert "<svg" in curves.read_text()


def test_bench_refuses_before_it_measures(run, tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "bench", lambda *_: pytest.fail("measured"))
    run("bench", "--roofline", tmp_path / "plot.doc").refused("must end in .svg")
    run("bench", "--threads", 0).refused("--threads")
    run("bench", "--size", "huge").refused("huge")
    run("bench", "--growth", 3).refused("--growth")
