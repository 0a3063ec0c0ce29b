"""Every bad input a user may bring: a code, what, where, what to do, status 2, no traceback."""

from __future__ import annotations

import json
import os
import pickle

import numpy as np
import pytest
from command_line import TINY

from fidgety.pose.formats import write
from fidgety.pose.pose import Pose
from fidgety.pose.stored import read_native


@pytest.fixture
def assess(run, model, tmp_path):
    """Assess something with the tiny model."""

    def call(source, *options):
        return run("assess", source, "--model", model, "--out", tmp_path / "out", *options)

    return call


@pytest.fixture
def frames(made, tmp_path):
    """A recording as a folder of OpenPose JSON files."""
    pose = read_native(made / "estimated_poses" / "s0000.parquet")
    return write(pose, tmp_path / "frames", format="openpose")


def files_of(folder):
    return sorted(folder.iterdir())


# Recordings


def test_no_such_file(assess):
    assess("nowhere.parquet").refused("E504", "No such file", "nowhere.parquet", "Check")


def test_empty_folder(assess, tmp_path):
    (tmp_path / "empty").mkdir()
    assess(tmp_path / "empty").refused("E332", "No films and no pose", "empty", "Give the folder")


def test_not_json(assess, tmp_path):
    (tmp_path / "a.json").write_text("hello")
    assess(tmp_path / "a.json", "--fps", 30).refused("E331", "a.json", "Check")


def test_truncated_json(assess, frames):
    middle = files_of(frames)[5]
    middle.write_bytes(middle.read_bytes()[:60])
    assess(frames, "--fps", 30).refused("E331", middle.name)


def test_wrong_number_of_points(assess, frames):
    for file in files_of(frames):
        content = json.loads(file.read_text())
        for person in content["people"]:
            person["pose_keypoints_2d"] = person["pose_keypoints_2d"][:-4]
        file.write_text(json.dumps(content))
    said = assess(frames, "--fps", 30)
    assert said.status == 2
    assert "E3" in said.err
    said.refused("frames", "number")


def test_no_person_in_any_frame(assess, frames):
    for file in files_of(frames):
        file.write_text('{"version": 1.3, "people": []}')
    assess(frames, "--fps", 30).refused("E336", "No person", "frames", "Check")


def changed(film, tmp_path, change):
    """The recording with its numbers changed, as a native file."""
    pose = read_native(film)
    xy, confidence = pose.xy.copy(), pose.confidence.copy()
    change(xy, confidence)
    made = Pose(
        xy=xy, confidence=confidence, time=pose.time, skeleton=pose.skeleton, size=pose.size,
        source="test",
    )  # fmt: skip
    return made.save(tmp_path / "changed.parquet")


def test_a_joint_that_was_never_seen(assess, film, tmp_path):
    def hide(xy, confidence):
        xy[:, 4], confidence[:, 4] = np.nan, 0.0  # right wrist

    said = assess(changed(film, tmp_path, hide))
    assert said.status in (0, 3)
    content = json.loads((tmp_path / "out" / "changed" / "assessment.json").read_text())
    reasons = " ".join(reason["text"] for reason in content["quality"]["reasons"])
    assert "ight wrist" in reasons


def test_infinite_values(assess, frames):
    first = files_of(frames)[0]
    content = json.loads(first.read_text())
    content["people"][0]["pose_keypoints_2d"][0] = float("inf")
    first.write_text(json.dumps(content).replace("Infinity", "1e999"))
    assess(frames, "--fps", 30).refused("E340", "Infinite", "frames_0")


@pytest.mark.parametrize("fps", [None, 0, -5, "nan"])
def test_frame_rate_missing_or_impossible(assess, frames, fps):
    options = () if fps is None else ("--fps", fps)
    assess(frames, *options).refused("E316", "frame rate", "--fps 30")


def test_one_frame(assess, frames):
    for file in files_of(frames)[1:]:
        file.unlink()
    said = assess(frames, "--fps", 30)
    said.refused("refused", status=3)


def test_shorter_than_a_clip(assess, frames, tmp_path):
    for file in files_of(frames)[12:]:
        file.unlink()
    assess(frames, "--fps", 30).refused("refused", "s usable", status=3)
    content = json.loads((tmp_path / "out" / "frames" / "assessment.json").read_text())
    assert content["risk"] is None
    assert content["quality"]["reasons"]


def test_hostile_pickle_runs_nothing(assess, tmp_path):
    class Hostile:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "ran"),))

    (tmp_path / "poses.pkl").write_bytes(pickle.dumps(Hostile()))
    for options in ((), ("--format", "stam-pickle", "--fps", 30)):
        assess(tmp_path / "poses.pkl", *options).refused("E301", "poses.pkl")
    assert not (tmp_path / "ran").exists()


def test_two_recordings_of_one_name(run, model, film, tmp_path):
    other = tmp_path / "other" / film.name
    other.parent.mkdir()
    other.write_bytes(film.read_bytes())
    run("assess", film, other, "--model", model, "--out", tmp_path).refused(
        "E280", "long", "Rename"
    )


# Models


@pytest.mark.parametrize("kept", [0, 50, 0.5, 0.99])
def test_truncated_checkpoint(run, model, film, tmp_path, kept):
    raw = model.read_bytes()
    broken = tmp_path / "broken.fidgety"
    broken.write_bytes(raw[: int(kept * len(raw)) if isinstance(kept, float) else kept])
    said = run("assess", film, "--model", broken, "--out", tmp_path)
    said.refused("E402", "broken.fidgety")


def test_no_checkpoint(run, film, tmp_path):
    run("assess", film, "--model", film, "--out", tmp_path).refused("E401", film.name)
    run("assess", film, "--model", "none", "--out", tmp_path).refused("E504", "none")


def test_checkpoint_of_another_skeleton(run, film, tmp_path):
    from fidgety.models.checkpoint import Checkpoint, save_checkpoint
    from fidgety.models.stam import STAM, STAMConfig

    network = STAM(STAMConfig(skeleton="body25", widths=(4,), z_dim=4, max_hop=1))
    other = Checkpoint.of(network, fps=30.0, profile="fidgety", profile_config={"fps": 30.0})
    path = save_checkpoint(tmp_path / "body25.fidgety", other)
    said = run("assess", film, "--model", path, "--out", tmp_path)
    said.refused("E406", "body25", "openpose18")


# Studies


def labels(study, change):
    path = study / "labels.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(change(lines)) + "\n")


def relabelled(line: str, label: str) -> str:
    infant, _, *rest = line.split(",")
    return ",".join([infant, label, *rest])


@pytest.mark.parametrize("command", ["train", "split"])
@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (lambda lines: lines[:-1], "E201", ("s0009", "labels.csv", "--skip-unlabelled")),
        (lambda lines: [*lines, "zz,1,zz,12,A"], "E201", ("zz", "--skip-unlabelled")),
        (
            lambda lines: [lines[0], relabelled(lines[1], "2"), *lines[2:]],
            "E206",
            ("'2'", "line 2"),
        ),
        (lambda lines: [lines[0], *(relabelled(x, "1") for x in lines[1:])], "E202", ("'normal'",)),
        (
            lambda lines: [
                lines[0], relabelled(lines[1], "1"), *(relabelled(x, "0") for x in lines[2:]),
            ],
            "E202",
            ("'abnormal' has 1 infant", "2 at least"),
        ),
        (lambda lines: [*lines, lines[1]], "E210", ("line 2", "line 12", "Delete")),
    ],
)  # fmt: skip
def test_labels(run, study, command, change, code, words):
    labels(study, change)
    run(command, study).refused(code, *words)


def test_no_labels(run, study):
    (study / "labels.csv").unlink()
    run("train", study).refused("E201", "no labels", "Write labels.csv")


def test_infant_in_two_parts_of_a_split(run, study):
    row = (study / "split" / "train_00.txt").read_text().splitlines()[1]
    with (study / "split" / "test_00.txt").open("a") as handle:
        handle.write(row + "\n")
    run("train", study, "--name", "x").refused("E204", row.split(",")[0], "fidgety split")


def test_no_such_fold(run, study):
    run("train", study, "--fold-id", 7, "--name", "x").refused("E216", "test", "fold")


def test_not_prepared(run, study):
    row = (study / "split" / "train_00.txt").read_text().splitlines()[1]
    (study / "pose_sequences" / row.split(",")[0] / "raw_skel.npy").unlink()
    said = run("train", study, "--name", "x", *TINY)
    said.refused("E218", row.split(",")[0], "fidgety prepare")


def test_what_is_wrong_with_all_recordings_is_said_once(run, tmp_path):
    from fidgety.pose.formats import write
    from fidgety.simulate import simulate_infant

    for name in "abcdefgh":
        pose = simulate_infant(1, label=0, seconds=1.0, fps=15.0)[0].pose
        write(pose, tmp_path / "poses" / name, format="openpose")
    (tmp_path / "poses" / "h" / "h_000000000000_keypoints.json").write_text("{")
    said = run("import", tmp_path / "poses", "--out", tmp_path / "study")
    said.refused("a, b, c, d, e and 2 more: E316", "--fps 30")
    assert said.err.count("E316") == 1


def test_no_run(run, study):
    run("validate", study / "runs" / "none").refused("E504", "none")
    run("validate", study).refused("E278", "fidgety train")


def test_a_run_that_exists(run, study):
    run("train", study, "--name", "first").refused("E275", "first", "--resume")


def test_impossible_options(run, study):
    run("train", study, "--lr", -1, "--name", "x").refused("E702")
    run("train", study, "--max-hop", 99, "--name", "x").refused("E70")
    run("train", study, "--model", "magic").refused("E705", "magic", "stam")
    run("train", study, "--clip-size", 0, "--name", "x").refused("--clip")
    run("train", study, "--clip-size", 10, "--stride", 20, "--name", "x").refused("E702", "Stride")
    run("train", study, "--clip-size", 9000, "--name", "x").refused("E108", "s000")
    run("train", study, "--channels", "magic", "--name", "x").refused("E35", "magic")
    run("split", study, "--folds", 1).refused("E702")
    run("cv", study, "--models", "magic", "--out", study / "o").refused("E705")


def test_a_suffix_that_contradicts_the_labels(run, study):
    text = (study / "labels.csv").read_text()
    (study / "labels.csv").write_text(text.replace("s0000,", "baby,", 1))
    (study / "split" / "train_00.txt").unlink()
    said = run("train", study, "--suffix-len", 2, "--name", "x")
    said.refused("E284", "'s00'", "baby", "Leave the option out")


def test_disk_full(run, study, model, film, tmp_path, monkeypatch):
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fidgety.files.os.fsync", full)
    train = ("train", study, "--max-epoch", 1, "--name", "full", *TINY)
    for arguments in (
        train,
        ("assess", film, "--model", model, "--out", tmp_path / "out"),
        ("prepare", study, "--force"),
        ("split", study),
        ("cv", study, "--models", "quantiles", "--folds", 2, "--out", tmp_path / "cv"),
    ):
        run(*arguments).refused("E501", "No space left", "Free some space")
    monkeypatch.undo()
    assert not list(tmp_path.rglob("*.tmp*"))
    assert run(*train).status == 0
