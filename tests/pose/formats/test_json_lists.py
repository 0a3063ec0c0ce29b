"""COCO, AlphaPose, MMPose and RTMLib JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest
from posed_bodies import SIZE, points_of, write_json

from fidgety.errors import FidgetyError, FidgetyWarning, PoseError
from fidgety.pose import formats
from fidgety.pose.skeleton import load_skeleton

POINTS = points_of("coco17")


def results(points, image="{:06d}.jpg", **more) -> list[dict]:
    return [
        {
            "image_id": image.format(t),
            "category_id": 1,
            "keypoints": one.ravel().tolist(),
            "score": 1,
        }
        | more
        for t, one in enumerate(points)
    ]


def instances(points) -> list[dict]:
    return [
        {"keypoints": one[:, :2].tolist(), "keypoint_scores": one[:, 2].tolist()} for one in points
    ]


def check(pose, points, name, layout="coco17") -> None:
    assert (pose.source, pose.skeleton.name) == (name, layout)
    np.testing.assert_allclose(pose.xy, points[..., :2])
    np.testing.assert_allclose(pose.confidence, points[..., 2])
    np.testing.assert_allclose(pose.time, np.arange(len(points)) / 30)


def read_error(path, content, **said) -> PoseError:
    with pytest.raises(FidgetyError) as caught:
        formats.read(write_json(path, content), **{"fps": 30} | said)
    return caught.value


def test_coco_results(tmp_path):
    path = write_json(tmp_path / "a.json", results(POINTS))
    check(formats.read(path, fps=30), POINTS, "coco-results")
    numbered = [item | {"image_id": t + 5} for t, item in enumerate(results(POINTS))]
    path = write_json(tmp_path / "b.json", numbered[::-1])
    check(formats.read(path, fps=30), POINTS, "coco-results")


@pytest.mark.parametrize(("layout", "extra"), [("coco17", 0), ("halpe26", 0), ("halpe26", 110)])
def test_alphapose(tmp_path, layout, extra):
    points = points_of(layout)
    hands_and_face = np.random.default_rng(0).uniform(100, 500, (len(points), extra, 3))
    whole = np.concatenate([points, hands_and_face], axis=1)
    path = write_json(tmp_path / "a.json", results(whole, "{}.jpg", box=[0, 0, 9, 9], idx=[1.0]))
    check(formats.read(path, fps=30), points, "alphapose", layout)


def test_alphapose_confidence_beyond_one_is_clipped(tmp_path):
    points = POINTS.copy()
    points[..., 2] = 3.5
    pose = formats.read(write_json(tmp_path / "a.json", results(points, idx=0)), fps=30)
    assert (pose.confidence == 1).all()


def test_alphapose_in_openpose_clothing(tmp_path):
    points = points_of("openpose18")
    content = {
        f"{t}.jpg": {
            "version": "AlphaPose",
            "people": [{"pose_keypoints_2d": one.ravel().tolist()}],
        }
        for t, one in enumerate(points)
    }
    check(formats.read(write_json(tmp_path / "a.json", content), fps=30), points, "alphapose",
          "openpose18")  # fmt: skip


def test_a_track_can_be_chosen(tmp_path):
    other = POINTS + np.array([400, 0, 0])
    both = results(POINTS, idx=1) + results(other[5:20], idx=[2.0])
    path = write_json(tmp_path / "a.json", both)
    np.testing.assert_allclose(formats.read(path, fps=30).xy, POINTS[..., :2])
    assert formats.read(path, fps=30).film["people"].max() == 2
    chosen = formats.read(path, fps=30, individual="2")
    assert len(chosen) == 15
    assert read_error(path, both, individual="3").code == "E338"


def annotations(points, names=None, **image) -> dict:
    xyv = points.copy()
    xyv[..., 2] = 2
    return {
        "images": [
            {"id": 70 + t, "file_name": f"a/{t}.png", "width": SIZE[0], "height": SIZE[1]} | image
            for t in range(len(points))
        ],
        "annotations": [
            {"id": t, "image_id": 70 + t, "category_id": 1, "keypoints": one.ravel().tolist()}
            for t, one in enumerate(xyv)
        ],
        "categories": [{"id": 1, "name": "person", "keypoints": names or []}],
    }


def test_coco_annotations_are_matched_by_name(tmp_path):
    names = list(load_skeleton("coco17").joints)
    order = np.random.default_rng(0).permutation(17)
    content = annotations(POINTS[:, order], [names[row] for row in order])
    content["annotations"][2]["keypoints"][2] = 1  # hidden
    content["annotations"][3]["keypoints"][2] = 0
    pose = formats.read(write_json(tmp_path / "a.json", content), fps=30)
    assert (pose.source, pose.skeleton.name, pose.size) == ("coco", "coco17", SIZE)
    assert pose.confidence[2, order[0]] == 0.5
    assert np.isnan(pose.xy[3, order[0]]).all()
    np.testing.assert_allclose(pose.xy[4:], POINTS[4:, :, :2])
    assert (pose.confidence[4:] == 1).all()


def test_coco_annotations_without_names_and_images_without_people(tmp_path):
    content = annotations(POINTS)
    del content["annotations"][6], content["categories"]
    pose = formats.read(write_json(tmp_path / "a.json", content), fps=30)
    assert pose.skeleton.name == "coco17"
    assert np.isnan(pose.xy[6]).all()
    assert len(pose) == len(POINTS)


def test_a_misspelt_joint_is_warned_of(tmp_path):
    names = list(load_skeleton("coco17").joints)
    names[9] = "linker_handgelenk"
    path = write_json(tmp_path / "a.json", annotations(POINTS, names))
    with pytest.warns(FidgetyWarning, match="W333 1 points .* linker_handgelenk .*left_wrist"):
        pose = formats.read(path, fps=30)
    assert np.isnan(pose.xy[:, 9]).all()


def test_a_given_size_that_contradicts_the_file_is_warned_of(tmp_path):
    path = write_json(tmp_path / "a.json", annotations(POINTS))
    with pytest.warns(FidgetyWarning, match="W332 The file says size 1280x720, not 640x480"):
        pose = formats.read(path, fps=30, size=(640, 480))
    assert pose.size == SIZE


def test_mmpose_film_with_names(tmp_path):
    halpe = points_of("halpe26")
    names = {str(row): name for row, name in enumerate(load_skeleton("halpe26").joints)}
    content = {
        "meta_info": {"keypoint_id2name": names},
        "instance_info": [
            {"frame_id": t + 1, "instances": instances([one])} for t, one in enumerate(halpe)
        ],
    }
    content["instance_info"][4]["instances"] = []
    pose = formats.read(write_json(tmp_path / "a.json", content), fps=30)
    halpe[4] = (np.nan, np.nan, 0)
    check(pose, halpe, "mmpose", "halpe26")


def test_mmpose_list_of_frames_and_folder_of_images(tmp_path):
    listed = [{"frame_id": t, "instances": instances([one])} for t, one in enumerate(POINTS)]
    path = write_json(tmp_path / "film.json", listed)
    check(formats.read(path, fps=30), POINTS, "mmpose")
    folder = tmp_path / "images"
    folder.mkdir()
    for t, one in enumerate(POINTS):
        write_json(folder / f"{t:06d}.json", instances([one]))
    check(formats.read(folder, fps=30), POINTS, "mmpose")
    assert formats.find_recordings(folder) == [("images", folder, "mmpose")]


def test_rtmlib_arrays(tmp_path):
    frames = [
        {"keypoints": [one[:, :2].tolist()], "scores": [one[:, 2].tolist()]} for one in POINTS
    ]
    check(formats.read(write_json(tmp_path / "a.json", frames), fps=30), POINTS, "mmpose")
    whole = {"keypoints": POINTS[..., :2].tolist(), "scores": POINTS[..., 2].tolist()}
    check(formats.read(write_json(tmp_path / "b.json", whole), fps=30), POINTS, "mmpose")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ([], "E330"),
        ({}, "E330"),
        ("text", "E330"),
        ([{"image_id": 1}], "E330"),
        ([{"image_id": 1, "keypoints": []}], "E336"),
        ([{"image_id": None, "keypoints": [1, 2, 1] * 17}], "E339"),
        ([{"image_id": "film.jpg", "keypoints": [1, 2, 1] * 17}], "E339"),
        ([{"image_id": 1, "keypoints": [9, 2, 1] * 16}], "E335"),
        ([{"image_id": 1, "keypoints": [1, 2] * 17}], "E335"),
        ([{"image_id": 1, "keypoints": [1, 2, 1] * 17}, {"image_id": 2}], "E334"),
        ([{"image_id": 1, "keypoints": [5, 2, 1] * n} for n in (17, 26)], "E333"),
        (results(POINTS, "a/{}.jpg") + results(POINTS, "b/{}.jpg"), "E338"),
        (results(POINTS, "{}000000.jpg"), "E339"),
        ({"images": 1, "annotations": []}, "E334"),
        ({"images": [{"id": 1}], "annotations": []}, "E336"),
        ({"images": [{}], "annotations": []}, "E334"),
        ({"images": [], "annotations": [{"image_id": 4, "keypoints": [1, 1, 2]}]}, "E334"),
        ({"instance_info": 4}, "E334"),
        ({"instance_info": [{"frame_id": "x", "instances": []}]}, "E334"),
        ({"instance_info": [{"frame_id": 0, "instances": [{"bbox": 1}]}]}, "E334"),
        ([{"frame_id": 0, "instances": [{"keypoints": [[1, 2], [3]]}]}], "E334"),
        ([{"frame_id": 0, "instances": [{"keypoints": [1, 2, 3]}]}], "E334"),
        ([{"keypoints": [[[9, 9]] * 17], "scores": [[1, 1]]}], "E334"),
        ({"keypoints": [[1, 2]], "scores": []}, "E334"),
        ([{"frame_id": 0, "instances": []}] * 2, "E336"),
    ],
)
def test_bad_content(tmp_path, content, code):
    assert read_error(tmp_path / "a.json", content).code == code


def test_names_of_no_body_are_refused(tmp_path):
    names = [f"point {row}" for row in range(17)]
    error = read_error(tmp_path / "a.json", annotations(POINTS, names))
    assert error.code == "E341"
    twice = ["nose", "Nose", *load_skeleton("coco17").joints[2:]]
    assert read_error(tmp_path / "a.json", annotations(POINTS, twice)).code == "E341"


def test_a_layout_of_ones_own_names_them(tmp_path):
    joints = list(load_skeleton("coco17").joints)
    toml = (
        f'name = "mine"\njoints = {json.dumps(joints)}\nbones = [["left_eye", "nose"]]\n[aliases]\n'
    )
    toml += "\n".join(f'"point {row}" = "{joint}"' for row, joint in enumerate(joints))
    (tmp_path / "mine.toml").write_text(toml)
    path = write_json(tmp_path / "a.json", annotations(POINTS, [f"point {k}" for k in range(17)]))
    pose = formats.read(path, fps=30, skeleton=tmp_path / "mine.toml")
    assert pose.skeleton.name == "mine"
    np.testing.assert_allclose(pose.xy, POINTS[..., :2])
