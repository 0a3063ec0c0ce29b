"""A disk that is full or read-only: said in words, what stood before stays, then it goes on."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from command_line import TINY

pytestmark = pytest.mark.slow


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own; skipped where none may be mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    if (
        mount is None
        or subprocess.run(
            [mount, "-t", "tmpfs", "-o", "size=12m", "tmpfs", place],
            capture_output=True,
            check=False,
        ).returncode
    ):
        pytest.skip("no file system may be mounted here")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def fill(place: Path) -> Path:
    """Take up what room is left, to the last block."""
    filler = place / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return filler


def whole(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file() and not p.name.startswith(".fidgety")
    }


def test_assess(run, small_disk, model, film, tmp_path):
    poses, out = tmp_path / "poses", small_disk / "out"
    poses.mkdir()
    shutil.copy(film, poses / "a.parquet")
    command = ("assess", poses, "--model", model, "--out", out, "--static")
    assert run(*command).status in (0, 3)
    before = whole(out)
    shutil.copy(film, poses / "b.parquet")
    filler = fill(small_disk)
    run(*command).refused("E501", "No space left", "Free some space")
    assert before.items() <= whole(out).items()
    filler.unlink()
    assert run(*command).status in (0, 3)
    assert (out / "b" / "assessment.json").exists()
    assert not [p for p in out.rglob("*") if ".tmp" in p.name]


def test_prepare_and_train(run, small_disk, study, tmp_path):
    place = small_disk / "study"
    shutil.copytree(study, place, ignore=shutil.ignore_patterns("runs", "pose_sequences"))
    command = ("prepare", place)
    filler = fill(small_disk)
    run(*command).refused("E501")
    filler.unlink()
    assert run(*command).status == 0
    before = whole(place)
    train = ("train", place, "--max-epoch", 2, "--name", "r", "--resume", *TINY)
    filler = fill(small_disk)
    run(*train).refused("E501")
    filler.unlink()
    assert before.items() <= whole(place).items()
    assert run(*train).status == 0
    assert (place / "runs" / "r" / "model.fidgety").exists()


def test_import_and_cv(run, small_disk, study, film, tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_text("infant_id,label\n" + film.stem + ",1\n")
    for command, made in (
        (("import", film, "--out", small_disk / "study", "--labels", labels), "study/labels.csv"),
        (
            ("cv", study, "--models", "mean-speed", "--folds", 2, "--out", small_disk / "cv"),
            "cv/predictions.csv",
        ),
    ):
        filler = fill(small_disk)
        run(*command).refused("E501", "Free some space")
        assert not (small_disk / made).exists()
        filler.unlink()
        assert run(*command).status == 0
        assert (small_disk / made).exists()


def test_read_only(run, small_disk, study, model, film, tmp_path):
    place = small_disk / "study"
    shutil.copytree(study, place, ignore=shutil.ignore_patterns("runs"))
    before = whole(small_disk)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    for command in (
        ("assess", film, "--model", model, "--out", small_disk / "out"),
        ("simulate", small_disk / "s", "--infants", 2, "--seconds", 4),
        ("cv", study, "--models", "mean-speed", "--folds", 2, "--out", small_disk / "cv"),
        ("import", film, "--out", small_disk / "new"),
        ("prepare", place),
        ("split", place, "--folds", 2),
        ("train", place, "--max-epoch", 1, "--name", "r", *TINY),
        ("estimate", film, "--out", small_disk / "poses", "--backend", "onnx", "--weights", film),
    ):
        run(*command).refused("E502", "Choose a folder you may write to")
    assert whole(small_disk) == before
