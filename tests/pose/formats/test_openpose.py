"""OpenPose folders: versions, layouts by anatomy, frame numbers, people, and every refusal."""

from __future__ import annotations

import json

import numpy as np
import pytest
from posed_bodies import points_of, write_json, write_openpose

from fidgety.errors import FidgetyError, PoseError
from fidgety.pose import formats

LAYOUTS = ("openpose18", "body25", "body25b")


def code_of(path, **said) -> str:
    with pytest.raises(FidgetyError) as caught:
        formats.read(path, **{"fps": 30} | said)
    return caught.value.code


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("key", ["pose_keypoints_2d", "pose_keypoints"])
def test_reads_both_versions_and_knows_the_layout(tmp_path, layout, key):
    points = points_of(layout)
    folder = write_openpose(tmp_path / "film", [[frame] for frame in points], key)
    pose = formats.read(folder, fps=30, size=(1280, 720))
    assert (pose.source, pose.skeleton.name, pose.size) == ("openpose", layout, (1280, 720))
    np.testing.assert_array_equal(pose.xy, points[..., :2])
    np.testing.assert_array_equal(pose.confidence, points[..., 2])
    np.testing.assert_allclose(pose.time, np.arange(30) / 30)
    assert pose.film["people"].tolist() == [1.0] * 30


def test_zero_confidence_and_the_origin_are_missing_and_confidence_is_clipped(tmp_path):
    points = points_of("body25")
    points[3, 4, 2] = 0.0
    points[5, 6] = (0.0, 0.0, 0.9)
    points[7, 8, 2] = 1.04
    pose = formats.read(write_openpose(tmp_path / "film", [[frame] for frame in points]), fps=30)
    assert np.isnan(pose.xy[3, 4]).all()
    assert np.isnan(pose.xy[5, 6]).all()
    assert pose.confidence[5, 6] == 0
    assert pose.confidence[7, 8] == 1
    assert np.isnan(pose.xy).sum() == 4


@pytest.mark.parametrize("name", ["cam01.{:04d}.json", "a_{}_keypoints.json", "{}.json"])
def test_frames_are_ordered_by_number_and_holes_are_missing_frames(tmp_path, name):
    points = points_of("openpose18")
    numbers = [8, 9, 10, 11, 100, *range(101, 126)]
    folder = write_openpose(
        tmp_path / "film", [[frame] for frame in points], name=name, numbers=numbers
    )
    pose = formats.read(folder, fps=10)
    assert len(pose) == 118
    assert pose.time[-1] == pytest.approx(11.7)
    seen = np.array(numbers) - 8
    np.testing.assert_array_equal(pose.xy[seen], points[..., :2])
    assert np.isnan(np.delete(pose.xy, seen, axis=0)).all()
    assert np.isnan(pose.film["people"]).sum() == 88


def test_empty_frames_and_faces_without_bodies_are_missing(tmp_path):
    points = points_of("body25b")
    people = [[frame] for frame in points]
    people[4], people[5] = [], [np.zeros((0, 3))]
    pose = formats.read(write_openpose(tmp_path / "film", people), fps=30)
    assert np.isnan(pose.xy[4:6]).all()
    assert pose.film["people"][[3, 4, 5]].tolist() == [1, 0, 0]


def test_a_single_file_is_one_frame(tmp_path):
    folder = write_openpose(tmp_path / "film", [[points_of("openpose18")[0]]])
    pose = formats.read(next(folder.iterdir()), fps=30)
    assert len(pose) == 1


def test_fractions_of_the_image_need_its_size(tmp_path):
    points = points_of("body25")
    points[..., :2] /= (1280, 720)
    folder = write_openpose(tmp_path / "film", [[frame] for frame in points])
    assert code_of(folder) == "E345"
    pose = formats.read(folder, fps=30, size=(1280, 720))
    np.testing.assert_allclose(pose.xy, points_of("body25")[..., :2], atol=1e-6)


def test_fractions_from_the_centre_are_refused(tmp_path):
    points = points_of("body25")
    points[..., :2] = 2 * points[..., :2] / (1280, 720) - 1
    folder = write_openpose(tmp_path / "film", [[frame] for frame in points])
    assert code_of(folder, size=(1280, 720)) == "E345"


def test_a_given_layout_is_checked_against_the_bodies(tmp_path):
    folder = write_openpose(tmp_path / "film", [[frame] for frame in points_of("body25b")])
    with pytest.raises(PoseError, match=r"E303 This looks like body25b read as body25 .* Try --sk"):
        formats.read(folder, fps=30, skeleton="body25")
    with pytest.raises(PoseError, match="E335 25 points a person, but openpose18 has 18"):
        formats.read(folder, fps=30, skeleton="openpose18")
    assert formats.read(folder, fps=30, skeleton="body25b").skeleton.name == "body25b"


def test_too_little_seen_is_asked_not_guessed(tmp_path):
    points = points_of("body25")
    points[:, 3:] = 0
    folder = write_openpose(tmp_path / "film", [[frame] for frame in points])
    with pytest.raises(PoseError, match="E303 25 points can be body25 or body25b"):
        formats.read(folder, fps=30)


def test_a_body_in_no_known_order_is_refused(tmp_path):
    points = np.random.default_rng(0).permuted(points_of("openpose18"), axis=1)
    folder = write_openpose(tmp_path / "film", [[frame] for frame in points])
    with pytest.raises(PoseError, match="E303 The 18 points do not make a body"):
        formats.read(folder, fps=30)


def write_text(folder, text: str) -> str:
    folder.mkdir()
    (folder / "a_0.json").write_text(text)
    return folder


def frame(points) -> str:
    return json.dumps({"people": [{"pose_keypoints_2d": points}]})


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "E331"),
        ("no json", "E331"),
        ('{"version":1.3,"people":[{"pose_keypo', "E331"),
        ('{"people": [], }', "E331"),
        ("[" * 100_000, "E331"),
        ("\xff\xfe", "E331"),
        ('{"version": 1.3}', "E330"),
        ('{"people": [3]}', "E334"),
        ('{"people": [{}]}', "E334"),
        ('{"people": [{"pose_keypoints_2d": 4}]}', "E334"),
        (frame(["a"] * 54), "E334"),
        (frame([[1, 2, 3]] * 18), "E334"),
        (frame([1.0] * 55), "E335"),
        (frame([5.0, 6.0, 0.5] * 7), "E335"),
        (frame([1e400, 6.0, 0.5] * 18), "E340"),
        (frame([float("nan")] * 54), "E336"),
        (frame([0] * 54), "E336"),
        ('{"people": []}', "E336"),
        (json.dumps({"people": [{"pose_keypoints_2d": [9, 9, 1] * 18}] * 101}), "E337"),
        (json.dumps({"people": [{"pose_keypoints_2d": [9] * n} for n in (54, 75)]}), "E333"),
    ],
)
def test_bad_content(tmp_path, text, code):
    assert code_of(write_text(tmp_path / "film", text)) == code


def test_bad_folders(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert code_of(empty) == "E332"
    assert code_of(empty, format="openpose") == "E332"
    assert code_of(tmp_path / "nothing") == "E504"
    one = [[points_of("openpose18")[0]]]
    two = write_openpose(tmp_path / "two", one, name="a_{}.json")
    write_openpose(two, one, name="b_{}.json")
    assert code_of(two) == "E338"
    same = write_openpose(tmp_path / "same", one, name="a_{}.json")
    write_openpose(same, one, name="a_0{}.json")
    assert code_of(same) == "E339"
    unnumbered = write_openpose(tmp_path / "un", one, name="a_{}.json")
    write_openpose(unnumbered, one, name="b.json")
    assert code_of(unnumbered) == "E339"
    far = write_openpose(tmp_path / "far", one * 2, numbers=[0, 10**12])
    assert code_of(far) == "E339"
    mixed = write_openpose(tmp_path / "mixed", [[points_of("openpose18")[0]]], numbers=[0])
    write_openpose(mixed, [[points_of("body25")[0]]], numbers=[1])
    with pytest.raises(
        PoseError, match=r"E333 Two layouts in one recording: 18 points in .*, 25 in"
    ):
        formats.read(mixed, fps=30)


def test_one_cut_off_frame_is_named(tmp_path):
    folder = write_openpose(tmp_path / "film", [[frame] for frame in points_of("openpose18")])
    last = sorted(folder.iterdir())[-1]
    last.write_text(last.read_text()[:100])
    with pytest.raises(PoseError, match=f"E331 .*{last.name}.* ends in the middle"):
        formats.read(folder, fps=30)
    last.unlink()
    assert len(formats.read(folder, fps=30)) == 29


@pytest.mark.parametrize("fps", [None, 0, -1, float("nan"), float("inf"), 5000])
def test_impossible_frame_rates(tmp_path, fps):
    folder = write_openpose(tmp_path / "film", [[frame] for frame in points_of("openpose18")])
    assert code_of(folder, fps=fps) == "E316"


@pytest.mark.parametrize("size", [(0, 10), (10, -1), (10,), (10**9, 10)])
def test_impossible_sizes(tmp_path, size):
    folder = write_openpose(tmp_path / "film", [[frame] for frame in points_of("openpose18")])
    assert code_of(folder, size=size) == "E314"


def test_a_huge_file_is_not_parsed(tmp_path, monkeypatch):
    path = write_json(tmp_path / "a_0.json", {"people": []})
    with path.open("r+b") as handle:
        handle.truncate(300 << 20)  # sparse: takes no space
    assert code_of(path) == "E337"


def test_writing_into_a_full_folder_is_refused(tmp_path):
    folder = write_openpose(tmp_path / "film", [[frame] for frame in points_of("openpose18")])
    pose = formats.read(folder, fps=30)
    with pytest.raises(FidgetyError, match="E347"):
        formats.write(pose, folder, format="openpose")
    assert len(list(folder.iterdir())) == 30
