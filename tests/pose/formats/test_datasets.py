"""Public data sets of the field, by imitations: every file here is written by the test.

No file of any of these data sets was at hand. The layouts are those that docs/datasets.md names
the source of; what the real files hold beyond that cannot be seen here.
"""

from __future__ import annotations

import csv
import json
import re
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from make_part_pickles import FRAMES, LOST, PARTS, VIDEOS, position, rows
from posed_bodies import joints_of, points_of
from scipy.io import savemat

from fidgety.errors import FidgetyError, PoseError
from fidgety.pose import formats
from fidgety.pose.formats.mini_rgbd import SMIL25
from fidgety.pose.quality import assess_quality
from fidgety.pose.skeleton import load_skeleton
from fidgety.study.importing import import_study

SIDES = ("left", "right")
DATA = Path(__file__).parent / "data"
DOCS = Path(__file__).parents[3] / "docs" / "datasets.md"


# MINI-RGBD


def mini_rgbd(root: Path, name: str = "01", frames: int = 4, seed: int = 0) -> np.ndarray:
    """One imitated sequence, its joints out of order in the files; returns xy (T, 25, 2)."""
    rng = np.random.default_rng(seed)
    xy = np.round(rng.uniform(5, 470, (frames, 25, 2)), 3)
    folder = root / name / "joints_2Ddep"
    folder.mkdir(parents=True)
    (root / name / "rgb").mkdir()
    for frame in range(frames):
        lines = [f"{x} {y} {0.9} {joint}" for joint, (x, y) in enumerate(xy[frame])]
        rng.shuffle(lines)
        (folder / f"syn_joints_2Ddep_{frame:05}.txt").write_text("\n".join(lines) + "\n")
    return xy


def test_mini_rgbd_puts_each_joint_where_its_number_says(tmp_path):
    xy = mini_rgbd(tmp_path)
    assert formats.recognise(tmp_path / "01") == "mini-rgbd"
    pose = formats.read(tmp_path / "01", fps=25)
    np.testing.assert_array_equal(pose.xy, xy)
    assert (pose.size, pose.fps, pose.skeleton) == ((640, 480), 25.0, SMIL25)
    assert (pose.confidence == 1).all()


def test_mini_rgbd_shoulders_are_not_the_collar():
    # Numbers of the SMIL body: 13 leftShoulder (the collar), 16 leftUpperArm, 1 leftThigh, 24 nose.
    place = SMIL25.index
    assert (place["left_collar"], place["left_shoulder"]) == (13, 16)
    assert (place["left_hip"], place["left_ankle"], place["right_wrist"]) == (1, 7, 21)
    assert (place["mid_hip"], place["neck"], place["nose"]) == (0, 12, 24)


def test_mini_rgbd_becomes_openpose18_without_eyes_and_ears(tmp_path):
    xy = mini_rgbd(tmp_path)
    pose = formats.read(tmp_path / "01", fps=25).to_skeleton("openpose18")
    body = [name for name in pose.skeleton.joints if "eye" not in name and "ear" not in name]
    rows_of = pose.skeleton.rows(*body)
    np.testing.assert_array_equal(pose.xy[:, rows_of], xy[:, SMIL25.rows(*body)])
    assert np.isnan(np.delete(pose.xy, rows_of, axis=1)).all()


def test_mini_rgbd_keeps_a_lost_frame_and_imports_every_sequence(tmp_path):
    for number in (1, 2):
        mini_rgbd(tmp_path / "src", f"{number:02}", frames=6, seed=number)
    (tmp_path / "src/02/joints_2Ddep/syn_joints_2Ddep_00003.txt").unlink()
    (tmp_path / "src/readme.txt").write_text("not a pose")
    report = import_study(tmp_path / "src", tmp_path / "study", fps=25)
    assert report.summary().startswith("2 imported")
    pose = formats.read(tmp_path / "study/estimated_poses/02.parquet")
    assert len(pose) == 6
    assert np.isnan(pose.xy[3]).all()
    again = import_study(tmp_path / "src", tmp_path / "study", fps=25)
    assert list(again.named("kept")) == ["01", "02"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "E334"),
        ("1 2 3\n" * 25, "E334"),
        ("1 2 3 4\n" * 25, "E334"),
        ("x y z 0\n" * 25, "E334"),
        ("\n".join(f"inf 1 1 {joint}" for joint in range(25)), "E340"),
        ("\n".join(f"1 1 1 {joint + 1}" for joint in range(25)), "E334"),
    ],
)
def test_mini_rgbd_damaged(tmp_path, text, code):
    mini_rgbd(tmp_path)
    (tmp_path / "01/joints_2Ddep/syn_joints_2Ddep_00002.txt").write_text(text)
    with pytest.raises(PoseError, match=code):
        formats.read(tmp_path / "01", fps=25)


def test_mini_rgbd_needs_a_rate_and_numbered_files(tmp_path):
    mini_rgbd(tmp_path)
    with pytest.raises(PoseError, match="E316"):
        formats.read(tmp_path / "01")
    (tmp_path / "01/joints_2Ddep/syn_joints_2Ddep_copy.txt").write_text("")
    with pytest.raises(PoseError, match="E339"):
        formats.read(tmp_path / "01", fps=25)
    (tmp_path / "empty").mkdir()
    with pytest.raises(PoseError, match="E334"):
        formats.read(tmp_path / "empty", format="mini-rgbd", fps=25)


# RVI-38, and the OpenPose export of MINI-RGBD that its authors give: all films in one folder


def openpose_export(folder: Path, pattern: str, infants: int, frames: int = 5) -> list[np.ndarray]:
    folder.mkdir(parents=True)
    bodies = []
    for infant in range(1, infants + 1):
        points = points_of("body25", infant, frames)
        bodies.append(points)
        for frame, body in enumerate(points):
            person = {"pose_keypoints_2d": body.ravel().tolist()}
            name = f"{pattern.format(infant)}_{frame:012d}_keypoints.json"
            (folder / name).write_text(json.dumps({"version": 1.3, "people": [person]}))
    return bodies


@pytest.mark.parametrize("pattern", ["RVI_38_{:04d}", "MINI-RGB_Export_{:02d}"])
def test_frames_of_many_infants_in_one_folder_are_told_apart(tmp_path, pattern):
    bodies = openpose_export(tmp_path / "all", pattern, 3)
    report = import_study(tmp_path / "all", tmp_path / "study", fps=25, size=(1920, 1080))
    names = [pattern.format(infant) for infant in (1, 2, 3)]
    assert list(report.named("done")) == names
    for name, points in zip(names, bodies, strict=True):
        pose = formats.read(tmp_path / f"study/estimated_poses/{name}.parquet")
        np.testing.assert_allclose(pose.xy, points[..., :2])
        assert pose.skeleton.name == "body25"
    again = import_study(tmp_path / "all", tmp_path / "study", fps=25, size=(1920, 1080))
    assert list(again.named("kept")) == names


def test_without_a_name_such_a_folder_is_refused_and_one_bad_frame_stops_one_infant(tmp_path):
    openpose_export(tmp_path / "all", "RVI_38_{:04d}", 3)
    with pytest.raises(PoseError, match="E338"):
        formats.read(tmp_path / "all", fps=25)
    (tmp_path / "all/RVI_38_0002_000000000003_keypoints.json").write_text('{"people": [')
    report = import_study(tmp_path / "all", tmp_path / "study", fps=25)
    assert list(report.named("failed")) == ["RVI_38_0002"]
    assert list(report.named("done")) == ["RVI_38_0001", "RVI_38_0003"]
    only = import_study(tmp_path / "all", tmp_path / "one", fps=25, individual="RVI_38_0003")
    assert list(only.named("done")) == ["all"]


# Chambers et al. 2020


@pytest.mark.parametrize("name", ["parts-pandas1.5.3.pkl", "parts-pandas3.1.1.pkl"])
def test_body_part_rows_of_pickles(name):
    check_videos(DATA / name)


def test_body_part_rows_of_csv(tmp_path):
    path = tmp_path / "pose_estimates.csv"
    table = rows()
    with path.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, ["", *table[0]])
        writer.writeheader()
        writer.writerows({"": number, **row} for number, row in enumerate(table))
    check_videos(path)


def check_videos(path: Path) -> None:
    assert formats.recognise(path) == "body-part-rows"
    found = formats.find_parts(path)
    assert [(name, part) for name, _, _, part in found] == [(video, video) for video in VIDEOS]
    for video, (fps, width, height) in VIDEOS.items():
        pose = formats.read(path, individual=video)
        assert (round(pose.fps, 6), pose.size) == (fps, (width, height))
        assert pose.skeleton.name == "openpose18"
        for frame in range(FRAMES):
            for part, spelling in enumerate(PARTS):
                joint = pose.skeleton.joint_named(spelling)
                assert joint is not None
                seen = pose.xy[frame, pose.skeleton.index[joint]]
                wanted = position(video, frame, part)
                wanted = (np.nan, np.nan) if (frame, spelling) == LOST else wanted
                np.testing.assert_array_equal(seen, wanted)
    with pytest.raises(PoseError, match="E338"):
        formats.read(path)


def test_body_part_rows_import_each_video(tmp_path):
    path = tmp_path / "pose_estimates.pkl"
    path.write_bytes((DATA / "parts-pandas1.5.3.pkl").read_bytes())
    report = import_study(path, tmp_path / "study")
    assert list(report.named("done")) == list(VIDEOS)


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["video,frame,bp,x,y", "a,0,Nose,1,1", "a,0,Nose,2,2"], "E339"),
        (["video,frame,bp,x,y", "a,0,Nose,1,1"], "E341"),
        (["video,frame,bp,x,y", "a,0.5,Nose,1,1"], "E334"),
        (["video,frame,bp,x,y", "a,zero,Nose,1,1"], "E334"),
        (["video,frame,bp,x,y", ",0,Nose,1,1"], "E338"),
        (["video,frame,bp,x,y", "a,0,Nose,inf,1"], "E340"),
        (["video,frame,bp,x,y,fps", "a,0,Nose,9,9,30", "a,1,Nose,9,9,25"], "E341"),
        (["video,frame,bp,x", "a,0,Nose,1"], "E334"),
    ],
)
def test_body_part_rows_damaged(tmp_path, lines, code):
    path = tmp_path / "a.csv"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(FidgetyError) as caught:
        formats.read(path, format="body-part-rows", fps=30, individual="a")
    assert caught.value.code == code


def test_one_video_with_two_rates_is_refused(tmp_path):
    path = tmp_path / "a.csv"
    parts = ("Nose", "RShoulder", "LShoulder", "RHip", "LHip")
    lines = [f"a,{f},{part},9,{f + 9},{30 + f}" for f in range(2) for part in parts]
    path.write_text("\n".join(["video,frame,bp,x,y,fps", *lines]) + "\n")
    with pytest.raises(PoseError, match=r"E334.*several values of fps"):
        formats.read(path)


def test_a_pickle_of_something_else_is_not_taken_for_such_a_table(tmp_path):
    assert formats.recognise(DATA / "pandas1.5.3-p5.pkl") == "stam-pickle"
    with pytest.raises(PoseError, match=r"E334.*no column 'bp'|E334.*'bp'"):
        formats.read(DATA / "pandas1.5.3-p5.pkl", format="body-part-rows", fps=30)


# Helsinki and Pisa, Zenodo 14269866

KINETIC_JOINTS = [
    "neck",
    *(f"{s}_{j}" for j in ("shoulder", "hip", "elbow", "wrist", "knee", "ankle") for s in SIDES),
    "nose",
    *(f"{side}_{joint}" for joint in ("eye", "ear") for side in SIDES),
]


def kinetics(path: Path, frames: int = 600, repeat_after: int | None = None) -> np.ndarray:
    """An imitated segment of all four streams; returns positions (T, 18, 3) about the neck."""
    rng = np.random.default_rng(zlib.crc32(path.name.encode()))
    joints = joints_of(rng, frames)
    flat = np.stack([joints[name] for name in KINETIC_JOINTS], axis=1) / 500  # (T, 18, 2)
    xyz = np.concatenate([flat, rng.normal(0, 0.05, (frames, 18, 1))], axis=2)
    xyz -= xyz[:, :1]
    if repeat_after:
        xyz = xyz[np.arange(frames) % repeat_after]
    names = [f"{joint}_{axis}" for joint in KINETIC_JOINTS for axis in "xyz"]
    streams = {"b": xyz * 2, "j": xyz, "v": xyz * 3, "a": xyz * 4}
    cells = np.concatenate([values.reshape(frames, -1) for values in streams.values()])
    columns: dict[str, object] = dict(zip(names, cells.T, strict=True))
    columns["__index_level_0__"] = ["original"] * (4 * frames)
    columns["__index_level_1__"] = [stream for stream in streams for _ in range(frames)]
    columns["__index_level_2__"] = ["original"] * (4 * frames)
    columns["__index_level_3__"] = list(range(frames)) * 4
    table = pa.table(columns)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    return xyz


def test_kinetics_are_laid_on_an_image_trunk_and_neck_where_promised(tmp_path):
    xyz = kinetics(tmp_path / "0011_1_0.feather")
    path = tmp_path / "0011_1_0.feather"
    assert formats.recognise(path) == "infant-kinetics"
    pose = formats.read(path, fps=30)
    assert (len(pose), round(pose.fps, 6), pose.size) == (600, 30.0, (1000, 1000))
    assert set(pose.skeleton.joints) == set(KINETIC_JOINTS)
    rows_of = pose.skeleton.rows(*KINETIC_JOINTS)
    px = pose.xy[:, rows_of]
    np.testing.assert_allclose(px[:, 0], np.broadcast_to((500, 350), (600, 2)), atol=1e-9)
    trunk = px[:, 1:3].mean(axis=1) - px[:, 3:5].mean(axis=1)
    assert np.median(np.linalg.norm(trunk, axis=1)) == pytest.approx(200)
    scale = pose.history[0]["px_per_unit"] if pose.history else np.nan
    np.testing.assert_allclose(px - (500, 350), scale * xyz[..., :2], atol=1e-9)


def test_copies_that_filled_a_short_segment_are_cut_off(tmp_path):
    kinetics(tmp_path / "a_1_0.feather", repeat_after=411)
    pose = formats.read(tmp_path / "a_1_0.feather", fps=30)
    assert len(pose) == 411
    assert pose.history[0]["copied_frames_cut"] == 189


def test_kinetics_are_imported_as_pieces_of_their_infant(tmp_path):
    (tmp_path / "combined").mkdir()
    for name in ("0011_1_0", "0011_1_1", "v57_1_0"):
        kinetics(tmp_path / f"combined/{name}.feather", frames=40)
    labels = tmp_path / "labels.csv"
    labels.write_text("infant_id,label,age_weeks\n0011,0,14.7\nv57,1,15.0\n")
    report = import_study(tmp_path / "combined", tmp_path / "study", fps=30, labels=labels)
    assert list(report.named("done")) == ["0011_1_0", "0011_1_1", "v57_1_0"]
    assert report.labelled


def test_kinetics_damaged(tmp_path):
    path = tmp_path / "a.feather"
    kinetics(path, frames=20)
    with pytest.raises(PoseError, match="E316"):
        formats.read(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-200])
    with pytest.raises(PoseError, match="E334"):
        formats.read(path, format="infant-kinetics", fps=30)
    table = pa.ipc.open_file(pa.BufferReader(whole)).read_all()
    for changed, code in (
        (table.drop_columns(["__index_level_1__"]), "E334"),
        (table.drop_columns(["left_hip_x"]), "E341"),
        (table.slice(0, 20), "E334"),  # bones only
    ):
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, changed.schema) as writer:
            writer.write_table(changed)
        with pytest.raises(PoseError, match=code):
            formats.read(path, format="infant-kinetics", fps=30)


# SyRIP: COCO annotations of single photographs


def syrip(path: Path, images: int = 60) -> np.ndarray:
    points = np.stack([points_of("coco17", seed, 1)[0] for seed in range(images)])
    points[..., 2] = 2
    joints = list(load_skeleton("coco17").joints)
    path.write_text(
        json.dumps(
            {
                "images": [
                    {"id": n, "file_name": f"train{n + 1:05}.jpg", "posture": "Supine"}
                    for n in range(images)
                ],
                "annotations": [
                    {"id": n, "image_id": n, "category_id": 1, "keypoints": body.ravel().tolist()}
                    for n, body in enumerate(points)
                ],
                "categories": [{"id": 1, "name": "person", "keypoints": joints}],
            }
        )
    )
    return points


def test_syrip_gives_joints_by_name_but_no_film_that_could_be_assessed(tmp_path):
    path = tmp_path / "person_keypoints_train_infant.json"
    points = syrip(path)
    assert formats.recognise(path) == "coco"
    pose = formats.read(path, fps=30, size=(1280, 720))
    np.testing.assert_array_equal(pose.xy, points[..., :2])
    assert assess_quality(pose).verdict == "refused"


# babyPose: a table saved from its spreadsheet, columns renamed by joint


def test_a_table_of_limb_joints_is_read_by_name(tmp_path):
    limbs = [f"{side}_{joint}" for side in ("right", "left")
             for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")]  # fmt: skip
    joints = joints_of(np.random.default_rng(3), 8)
    cells = np.stack([joints[name] for name in limbs], axis=1).reshape(8, -1)
    path = tmp_path / "pz3.csv"
    header = ["frame", *(f"{name}_{axis}" for name in limbs for axis in "xy")]
    lines = [";".join([str(n), *map(str, row)]) for n, row in enumerate(cells)]
    path.write_text("\n".join([";".join(header), *lines]) + "\n")
    pose = formats.read(path, format="csv", fps=10, size=(640, 480))
    np.testing.assert_allclose(pose.xy[:, pose.skeleton.rows(*limbs)], cells.reshape(8, 12, 2))


# What docs/datasets.md says is run


def snippets() -> list[str]:
    return re.findall(r"```python\n(.*?)```", DOCS.read_text("utf-8"), flags=re.DOTALL)


def test_the_labels_made_in_the_docs_label_every_imitated_recording(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    labels = np.zeros((1, 38))
    labels[0, [4, 9]] = 1
    savemat("RVI_38_labels.mat", {"labels": labels})
    Path("metadata").mkdir()
    Path("metadata/combined.csv").write_text(
        "test_id,corrected_age,outcome\n0011,103,0\nv57,105,1\n0093,70,2\n"
    )
    blocks = snippets()
    assert len(blocks) == 2
    for block in blocks:
        exec(compile(block, str(DOCS), "exec"), {})  # the documentation's own code
    openpose_export(tmp_path / "rvi", "RVI_38_{:04d}", 38, frames=1)
    report = import_study("rvi", "rvi-study", skeleton="body25", fps=25, labels="rvi38_labels.csv")
    assert report.labelled
    assert len(report.named("done")) == 38
    found = dict(line.split(",") for line in Path("rvi38_labels.csv").read_text().split())
    assert [name for name, label in found.items() if label == "1"] == ["RVI_38_0005", "RVI_38_0010"]
    table = list(csv.DictReader(Path("outcome.csv").read_text().splitlines()))
    assert [(row["infant_id"], row["label"]) for row in table] == [
        ("0011", "0"),
        ("v57", "0"),
        ("0093", "1"),
    ]
    assert float(table[2]["age_weeks"]) == 10


def test_every_format_named_in_the_docs_exists():
    named = set(re.findall(r"--format ([a-z0-9-]+)", DOCS.read_text("utf-8")))
    assert named
    assert named <= set(formats.FORMATS)
