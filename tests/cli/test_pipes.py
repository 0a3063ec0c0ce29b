"""Pipes and devices among the files: they never end, so no command may wait for them."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest

from fidgety.errors import FileError
from fidgety.files import existing
from fidgety.privacy import look_over

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")


@pytest.fixture(autouse=True)
def within_some_minutes():
    """A command that waits for a pipe fails instead of standing still."""

    def late(_signal: int, _frame: object) -> None:
        raise TimeoutError("it waits for a pipe")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(600)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def pipe(path: Path) -> Path:
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)
    return path


def test_what_is_no_file(tmp_path):
    link = tmp_path / "endless.csv"
    link.symlink_to("/dev/zero")
    place = tmp_path / "s.json"
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(place))
    for path in (pipe(tmp_path / "a.parquet"), link, place):
        with pytest.raises(FileError, match=r"E506.*pipe, a device or a socket"):
            existing(path)
    listening.close()


@pytest.mark.parametrize("name", ["a.parquet", "a.json", "a.csv", "a.mp4", "a.npy", "a.feather"])
def test_assess(run, tmp_path, model, film, name):
    pipe(tmp_path / "in" / name)
    (tmp_path / "in" / "good.parquet").write_bytes(film.read_bytes())
    out = tmp_path / "out"
    said = run("assess", tmp_path / "in", "--model", model, "--out", out, "--static")
    passed_over = name in ("a.csv", "a.npy")  # in a folder these may be anything
    assert said.status == (0 if passed_over else 2)
    assert passed_over or "E506" in said.err
    assert (out / "good" / "assessment.json").exists() or name == "a.json"  # a folder of frames
    run("assess", tmp_path / "in" / name, "--model", model, "--out", out).refused("E506")


def test_frames_in_a_folder(run, tmp_path, model):
    pipe(tmp_path / "in" / "f_000000000000_keypoints.json")
    said = run("assess", tmp_path / "in", "--model", model, "--out", tmp_path / "out")
    said.refused("E506")


def test_models_and_runs(run, tmp_path, film):
    out = tmp_path / "out"
    for name in ("m.fidgety", "m.onnx"):
        run("assess", film, "--model", pipe(tmp_path / name), "--out", out).refused("E506")
    run("convert", pipe(tmp_path / "m.pth"), "--out", tmp_path / "c.fidgety").refused("E506")
    pipe(tmp_path / "run" / "record.json")
    run("reproduce", tmp_path / "run").refused("E530")


@pytest.mark.parametrize(
    "name",
    ["labels.csv", "config.yaml", "study.json", "split/train_00.txt",
     "pose_sequences/s0000/sequence.json", "pose_sequences/s0000/raw_skel.npy"],
)  # fmt: skip
def test_studies(run, study, name):
    if name == "config.yaml":
        run("split", pipe(study / name), "--folds", 2).refused("E506")
        return
    pipe(next(study.glob(name.replace("s0000", "s*0*")), study / name))
    said = run("train", study, "--max-epoch", 1, "--name", "x", "--no-cuda", "--z-dim", 8)
    assert said.status in (0, 2), said
    assert "E999" not in said.err


def test_poses_of_a_study(run, study):
    pipe(study / "estimated_poses" / "s0000.parquet")
    said = run("prepare", study, "--force")
    assert said.status == 2
    assert "E506" in said.err


def test_privacy(tmp_path):
    pipe(tmp_path / "x.csv")
    pipe(tmp_path / "x.jpg")
    sights = [str(sight) for sight in look_over(tmp_path)]
    assert len(sights) == 2
    assert all("a pipe, a device or a socket" in sight for sight in sights)
