"""Skeletons and graph partitions."""

from __future__ import annotations

import os
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from fidgety.errors import ConfigError, FileError, PoseError
from fidgety.pose.skeleton import (
    BUILT_IN_SKELETONS,
    PARTS,
    Skeleton,
    adjacency,
    load_skeleton,
)

DATA = Path(__file__).parent / "data"
LAYOUTS = {"openpose": "openpose18", "openpose25": "body25"}
STRATEGIES = ("uniform", "distance", "spatial")
OWN = """
name = "doll"
joints = ["head", "left_hand", "right_hand", "left_foot", "right_foot"]
bones = [["left_hand", "head"], ["right_hand", "head"], ["left_foot", "head"],
         ["right_foot", "head"]]

[parts]
head = ["head"]

[aliases]
"Kopf" = "head"
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "own.toml"
    path.write_text(text)
    return path


# --- graph


@pytest.mark.parametrize(("theirs", "strategy", "hop"), [*product(LAYOUTS, STRATEGIES, (1, 2, 3))])
def test_partitions_equal_the_published_implementation(theirs, strategy, hop):
    with np.load(DATA / "adjacency.npz", allow_pickle=False) as arrays:
        assert len(arrays.files) == 18
        expected = arrays[f"{theirs}/{strategy}/{hop}"]
    found = adjacency(load_skeleton(LAYOUTS[theirs]), strategy, hop)
    np.testing.assert_array_equal(found, expected)


def slow_adjacency(skeleton: Skeleton, strategy: str, max_hop: int, dilation: int) -> list:
    """By breadth-first search and the definition, cell by cell."""
    links = {joint: set() for joint in skeleton.joints}
    for a, b in skeleton.bones:
        links[a].add(b)
        links[b].add(a)

    def hops_from(start: str) -> dict[str, int]:
        far, edge = {start: 0}, [start]
        while edge:
            here = edge.pop(0)
            for there in links[here] - set(far):
                far[there] = far[here] + 1
                edge.append(there)
        return far

    hops = {joint: hops_from(joint) for joint in skeleton.joints}
    within = range(0, max_hop + 1, dilation)

    def near_center(joint: str) -> float:
        # the published code knows distances up to max_hop only
        far = hops[skeleton.center].get(joint, 99)
        return far if far <= max_hop else float("inf")

    def weight(a: str, b: str) -> float:
        if hops[a].get(b, 99) not in within:
            return 0.0
        return 1 / sum(hops[c].get(b, 99) in within for c in skeleton.joints)

    def table(test) -> list:
        return [[weight(a, b) * test(a, b) for b in skeleton.joints] for a in skeleton.joints]

    if strategy == "uniform":
        return [table(lambda a, b: True)]
    if strategy == "distance":
        return [table(lambda a, b, h=h: hops[a].get(b) == h) for h in within]
    found = [table(lambda a, b: a == b)]
    for h in [h for h in within if h]:
        for outward in (True, False):
            found.append(
                table(
                    lambda a, b, h=h, outward=outward: (
                        hops[a].get(b) == h and (near_center(a) >= near_center(b)) == outward
                    )
                )
            )
    return found


@pytest.mark.parametrize("name", BUILT_IN_SKELETONS)
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_partitions_equal_their_definition_in_every_layout(name, strategy, dilation):
    skeleton = load_skeleton(name)
    for max_hop in (2, 4):
        np.testing.assert_allclose(
            adjacency(skeleton, strategy, max_hop, dilation),
            slow_adjacency(skeleton, strategy, max_hop, dilation),
            atol=1e-15,
        )


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_columns_of_all_partitions_together_sum_to_one(strategy):
    total = adjacency(load_skeleton("halpe26"), strategy).sum(axis=0)
    np.testing.assert_allclose(total.sum(axis=0), 1)


@pytest.mark.parametrize(
    "bad",
    [
        {"strategy": "random"},
        {"max_hop": 0},
        {"dilation": 0},
        {"max_hop": -1},
        {"max_hop": 1.5},
        {"dilation": "1"},
    ],
)
def test_impossible_graphs_are_refused(bad):
    with pytest.raises(ConfigError, match="E703"):
        adjacency(load_skeleton("openpose18"), **bad)


# --- layouts


@pytest.mark.parametrize("name", BUILT_IN_SKELETONS)
def test_built_in_layouts_are_whole(name):
    skeleton = load_skeleton(name)
    assert skeleton.name == name
    assert len(skeleton) == int("".join(filter(str.isdigit, name.rstrip("b"))))
    assert skeleton.mirror_order[skeleton.mirror_order].tolist() == list(range(len(skeleton)))
    sided = {joint for joint in skeleton.joints if joint.startswith(("left_", "right_"))}
    assert {joint for pair in skeleton.mirror_pairs for joint in pair} == sided
    assert set(skeleton.parts) <= set(PARTS)
    assert all(skeleton.part_of(joint) for joint in skeleton.joints)
    reached = adjacency(skeleton, "uniform", len(skeleton))[0]
    assert (reached > 0).all()  # in one piece
    assert load_skeleton(name) is skeleton


def test_openpose18_has_the_order_of_the_paper():
    assert load_skeleton("openpose18").joints[:8] == (
        "nose",
        "neck",
        "right_shoulder",
        "right_elbow",
        "right_wrist",
        "left_shoulder",
        "left_elbow",
        "left_wrist",
    )
    assert load_skeleton("openpose18").joints[14:] == (
        "right_eye",
        "left_eye",
        "right_ear",
        "left_ear",
    )


@pytest.mark.parametrize(
    "spelling",
    ["right_wrist", "RWrist", "Right Wrist", "rightWrist", "right-wrist", "WRIST_RIGHT", "wristR"],
)
def test_joints_are_known_by_other_spellings(spelling):
    for name in BUILT_IN_SKELETONS:
        assert load_skeleton(name).joint_named(spelling) == "right_wrist"


@pytest.mark.parametrize("spelling", ["", "wrist", "paw", "right"])
def test_no_joint_is_guessed(spelling):
    assert load_skeleton("openpose18").joint_named(spelling) is None


def test_halpe_aliases():
    assert load_skeleton("halpe26").joint_named("Head") == "head_top"


def test_rows_by_name():
    skeleton = load_skeleton("openpose18")
    assert skeleton.rows("neck", "nose").tolist() == [1, 0]
    with pytest.raises(PoseError, match=r"E306.*tail.*openpose18"):
        skeleton.rows("neck", "tail")


@pytest.mark.parametrize("name", BUILT_IN_SKELETONS)
def test_plain_form_comes_back(name):
    skeleton = load_skeleton(name)
    back = Skeleton.from_dict(skeleton.to_dict())
    assert back == skeleton
    assert back.aliases == skeleton.aliases


# --- a user's own


def test_an_own_layout_from_toml(tmp_path):
    skeleton = load_skeleton(written(tmp_path, OWN))
    assert skeleton.joints[0] == skeleton.center == "head"
    assert skeleton.mirror_order.tolist() == [0, 2, 1, 4, 3]  # by left_ and right_
    assert skeleton.part_of("head") == "head"
    assert skeleton.part_of("left_hand") is None
    assert skeleton.joint_named("KOPF") == "head"
    assert skeleton.joint_named("HandL") == "left_hand"
    assert adjacency(skeleton, "spatial", 2).shape == (5, 5, 5)
    assert load_skeleton(str(tmp_path / "own.toml")) == skeleton


def test_an_edited_file_is_read_again(tmp_path):
    assert load_skeleton(written(tmp_path, OWN)).name == "doll"
    assert load_skeleton(written(tmp_path, OWN.replace("doll", "bear"))).name == "bear"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda t: t.replace('name = "doll"', ""), "no key 'name'"),
        (lambda t: t.replace("joints =", "points ="), "unknown key 'points'"),
        (lambda t: t.replace("bones =", "# bones ="), ""),
        (lambda t: t.replace('"left_hand",', '"head",', 1), "missing or repeated"),
        (lambda t: t.replace('["left_hand", "head"]', '["tail", "head"]'), "tail"),
        (lambda t: t.replace('["left_hand", "head"]', '["head", "head"]'), "where it begins"),
        (lambda t: t.replace('["left_hand", "head"]', '["left_hand"]'), ""),
        (lambda t: t.replace('["left_hand", "head"]', "5"), ""),
        (lambda t: t.replace('head = ["head"]', 'head = ["tail"]'), "tail"),
        (lambda t: t.replace('head = ["head"]', 'head = ["head"]\ntrunk = ["head"]'), "two parts"),
        (lambda t: t.replace('head = ["head"]', "head = 3"), ""),
        (lambda t: t.replace('"Kopf" = "head"', '"Kopf" = "skull"'), "skull"),
        (lambda t: 'center = "tail"\n' + t, "tail"),
        (lambda t: 'mirror_pairs = [["head", "head"]]\n' + t, "two mirror pairs"),
        (lambda t: 'mirror_pairs = "none"\n' + t, "not a list"),
        (lambda t: 'name = "x"\njoints = "nose"\nbones = []', "joints is not a list"),
        (lambda t: 'name = "x"\njoints = []\nbones = []', "missing or repeated"),
        (lambda t: t + "[", ""),
        (lambda t: "", "no key"),
    ],
)
def test_bad_layouts_are_refused(tmp_path, change, why):
    path = written(tmp_path, change(OWN))
    with pytest.raises(PoseError) as caught:
        load_skeleton(path)
    assert caught.value.code == "E305"
    assert why in str(caught.value)


def test_a_layout_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "own.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PoseError, match="E305"):
        load_skeleton(tmp_path / "own.toml")


@pytest.mark.parametrize("name", ["openpose", "OPENPOSE18", "", "none.toml", "."])
def test_unknown_layouts_are_refused_with_the_known_ones(name):
    with pytest.raises(PoseError, match=r"E304.*openpose18"):
        load_skeleton(name)


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions")
def test_a_layout_that_may_not_be_read(tmp_path, monkeypatch):
    path = written(tmp_path, OWN)

    def refused(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refused)
    with pytest.raises(FileError, match="E502"):
        load_skeleton(path)


# --- the page


def test_the_page_has_the_true_orders_and_an_example_that_loads(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "skeletons.md").read_text("utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if line.startswith("| ") and line[2].isdigit()
    ]
    assert len(rows) == 33
    for column, name in enumerate(BUILT_IN_SKELETONS, start=1):
        joints = tuple(row[column] for row in rows if row[column])
        assert joints == load_skeleton(name).joints
    example = page.split("```toml\n")[1].split("```")[0]
    skeleton = load_skeleton(written(tmp_path, example))
    assert len(skeleton) == 15
    assert skeleton.joint_named("pelvis") == "mid_hip"
    assert all(skeleton.part_of(joint) for joint in skeleton.joints)
