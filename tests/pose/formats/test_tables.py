"""CSV tables: by joint name, MediaPipe's landmarks, DeepLabCut and Lightning Pose."""

from __future__ import annotations

import numpy as np
import pytest
from posed_bodies import SIZE, points_of

from fidgety.errors import FidgetyError, FidgetyWarning, PoseError
from fidgety.pose import formats
from fidgety.pose.skeleton import load_skeleton

COCO = points_of("coco17")
BLAZE = points_of("blazepose33")
NAMES = list(load_skeleton("coco17").joints)
LANDMARKS = list(load_skeleton("blazepose33").joints)


def write(path, header, rows, delimiter=",", decimal="."):
    lines = [delimiter.join(header)]
    for row in rows:
        cells = [cell if isinstance(cell, str) else f"{cell:.6f}" for cell in row]
        lines.append(delimiter.join(cell.replace(".", decimal) for cell in cells))
    path.write_text("\n".join(lines) + "\n")
    return path


def wide(names, fields) -> list[str]:
    return [f"{name}_{field}" for name in names for field in fields]


def check(pose, points, name, layout) -> None:
    assert (pose.source, pose.skeleton.name) == (name, layout)
    np.testing.assert_allclose(pose.xy, points[..., :2], atol=1e-3)
    np.testing.assert_allclose(pose.confidence, points[..., 2], atol=1e-6)


def code_of(path, **said) -> str:
    with pytest.raises(FidgetyError) as caught:
        formats.read(path, **{"fps": 30} | said)
    return caught.value.code


@pytest.mark.parametrize(
    ("delimiter", "decimal"), [(",", "."), (";", "."), (";", ","), ("\t", ".")]
)
def test_a_table_by_joint_name(tmp_path, delimiter, decimal):
    header = [*wide(NAMES, ["x", "y", "likelihood"])]
    path = write(tmp_path / "a.csv", header, COCO.reshape(30, -1), delimiter, decimal)
    pose = formats.read(path, fps=30)
    check(pose, COCO, "csv", "coco17")
    np.testing.assert_allclose(pose.time, np.arange(30) / 30)


def test_columns_in_any_order_and_spelling_with_empty_cells(tmp_path):
    order = np.random.default_rng(0).permutation(17)
    spelt = {"left_wrist": "LWrist", "right_hip": "Right Hip", "nose": "NOSE"}
    names = [spelt.get(NAMES[row], NAMES[row]) for row in order]
    rows = [[*map(float, row)] for row in COCO[:, order, :2].reshape(30, -1)]
    rows[3][0] = ""
    rows[4][1] = "nan"
    pose = formats.read(write(tmp_path / "a.csv", wide(names, "xy"), rows), fps=30)
    assert np.isnan(pose.xy[[3, 4], order[0]]).all()
    assert np.isnan(pose.xy).sum() == 4
    assert set(np.unique(pose.confidence)) == {0.0, 1.0}


@pytest.mark.parametrize(
    ("column", "factor"), [("time_s", 1.0), ("timestamp_ms", 1000.0), ("time", 1.0), ("time", 1e3)]
)
def test_times_of_the_table(tmp_path, column, factor):
    time = np.cumsum(np.random.default_rng(0).uniform(0.03, 0.05, 30))
    rows = np.concatenate([factor * time[:, None], COCO.reshape(30, -1)], axis=1)
    path = write(tmp_path / "a.csv", [column, *wide(NAMES, "xyc")], rows)
    np.testing.assert_allclose(formats.read(path).time, time, atol=1e-6)


def test_a_given_rate_that_contradicts_the_times_is_warned_of(tmp_path):
    rows = np.concatenate([np.arange(30)[:, None] / 25, COCO.reshape(30, -1)], axis=1)
    path = write(tmp_path / "a.csv", ["time_s", *wide(NAMES, "xyc")], rows)
    with pytest.warns(FidgetyWarning, match="W332 The file says fps 25, not 30"):
        assert formats.read(path, fps=30).fps == pytest.approx(25)


def test_frame_numbers_of_the_table_leave_holes(tmp_path):
    numbers = np.array([*range(10), *range(15, 35)])[::-1]
    rows = np.concatenate([numbers[:, None], COCO.reshape(30, -1)], axis=1)
    pose = formats.read(write(tmp_path / "a.csv", ["frame", *wide(NAMES, "xyc")],
                              [[str(int(row[0])), *row[1:]] for row in rows]), fps=10)  # fmt: skip
    assert len(pose) == 35
    assert np.isnan(pose.xy[10:15]).all()
    np.testing.assert_allclose(pose.xy[numbers], COCO[..., :2], atol=1e-3)


def fractions() -> np.ndarray:
    """x, y, z, visibility (T, 33, 4), x and y as fractions of the image."""
    xy = BLAZE[..., :2] / SIZE
    return np.concatenate([xy, np.full_like(xy[..., :1], -0.2), BLAZE[..., 2:]], axis=-1)


@pytest.mark.parametrize("fields", [("x", "y", "z", "v"), ("x", "y", "z", "visibility")])
def test_mediapipe_by_name(tmp_path, fields):
    names = [name.upper() for name in LANDMARKS]
    path = write(tmp_path / "a.csv", wide(names, fields), fractions().reshape(30, -1))
    assert code_of(path) == "E345"
    pose = formats.read(path, fps=30, size=SIZE)
    check(pose, BLAZE, "mediapipe-csv", "blazepose33")


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize(
    "pattern", ["{field}{number}", "landmark_{number}_{field}", "{number}_{field}"]
)
def test_mediapipe_by_number(tmp_path, first, pattern):
    header = [
        pattern.format(field=field, number=number)
        for number in range(first, 33 + first)
        for field in ("x", "y", "z", "v")
    ]
    rows = [["C", *row] for row in fractions().reshape(30, -1)]
    path = write(tmp_path / "a.csv", ["class", *header], rows)
    check(formats.read(path, fps=30, size=SIZE), BLAZE, "mediapipe-csv", "blazepose33")


@pytest.mark.parametrize("by_name", [True, False])
def test_mediapipe_a_row_a_landmark(tmp_path, by_name):
    rows = [
        [str(t), LANDMARKS[j] if by_name else str(j), *fractions()[t, j]]
        for t in range(30)
        for j in range(33)
    ]
    header = ["frame", "landmark", "x", "y", "z", "visibility"]
    path = write(tmp_path / "a.csv", header, rows)
    check(formats.read(path, fps=30, size=SIZE), BLAZE, "mediapipe-csv", "blazepose33")


def test_some_of_mediapipes_landmarks(tmp_path):
    keep = ["nose", "left_shoulder", "right_shoulder", "left_hip", "right_hip"]
    rows = [LANDMARKS.index(name) for name in keep]
    path = write(tmp_path / "a.csv", wide(keep, "xyzv"), fractions()[:, rows].reshape(30, -1))
    pose = formats.read(path, fps=30, size=SIZE)
    assert pose.skeleton.name == "blazepose33"
    np.testing.assert_allclose(pose.xy[:, rows], BLAZE[:, rows, :2], atol=1e-3)


def deeplabcut(path, individuals=None, index="{}"):
    points = {None: COCO} | {name: COCO + np.array([50 * k, 0, 0])
                             for k, name in enumerate(individuals or [])}  # fmt: skip
    names = individuals or [None]
    columns = [(who, joint, field) for who in names for joint in NAMES
               for field in ("x", "y", "likelihood")]  # fmt: skip
    lines = [",".join(["scorer", *["net"] * len(columns)])]
    if individuals:
        lines.append(",".join(["individuals", *[str(who) for who, _, _ in columns]]))
    lines.append(",".join(["bodyparts", *[joint for _, joint, _ in columns]]))
    lines.append(",".join(["coords", *[field for _, _, field in columns]]))
    for t in range(30):
        cells = np.concatenate([points[who][t].ravel() for who in names])
        lines.append(",".join([index.format(t), *map(str, cells)]))
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize("index", ["{}", "labeled-data/film/img{:04d}.png"])
def test_deeplabcut(tmp_path, index):
    pose = formats.read(deeplabcut(tmp_path / "a.csv", index=index), fps=30)
    check(pose, COCO, "deeplabcut", "coco17")


def test_deeplabcut_with_individuals(tmp_path):
    path = deeplabcut(tmp_path / "a.csv", ["infant", "carer"])
    with pytest.raises(PoseError, match=r"E338 2 individuals .* it holds carer, infant"):
        formats.read(path, fps=30)
    check(formats.read(path, fps=30, individual="infant"), COCO, "deeplabcut", "coco17")
    chosen = formats.read(path, fps=30, individual="carer")
    np.testing.assert_allclose(chosen.xy, COCO[..., :2] + (50, 0))


def test_deeplabcut_of_another_animal(tmp_path):
    path = deeplabcut(tmp_path / "a.csv")
    path.write_text(path.read_text().replace("shoulder", "paw"))
    assert code_of(path) == "E341"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "E330"),
        ("a,b,c\n1,2,3\n", "E330"),
        ("infant_id,label\na,1\n", "E330"),
        (",".join(wide(NAMES, "xy")) + "\n", "E313"),
        (",".join(wide(NAMES, "xy")) + "\n" + ",".join(["5"] * 33) + "\n", "E334"),
        (",".join(wide(NAMES, "xy")) + "\n" + ",".join(["a"] * 34) + "\n", "E334"),
        (",".join(wide(NAMES, "xy")) + "\n" + ",".join(["inf"] * 34) + "\n", "E340"),
        (",".join(wide(NAMES, "xy")) + "\n" + "," * 33 + "\n", "E336"),
        (",".join(wide([f"p{k}" for k in range(17)], "xy")) + "\n" + ",".join(["9"] * 34), "E341"),
        ("time_s," + ",".join(wide(NAMES, "xy")) + "\n" + ("1," + ",".join(["9"] * 34) + "\n") * 2,
         "E312"),
        ("scorer,a\nbodyparts,b\ncoords,q\n0,1\n", "E334"),
        ("frame,landmark,x,y\n0.5,0,9,9\n", "E334"),
        ("frame,landmark,x,y\n0,0,9,9\n", "E335"),
    ],
)  # fmt: skip
def test_bad_content(tmp_path, text, code):
    path = tmp_path / "a.csv"
    path.write_text(text)
    assert code_of(path) == code


def test_no_rate_and_a_huge_file(tmp_path):
    path = write(tmp_path / "a.csv", wide(NAMES, "xyc"), COCO.reshape(30, -1))
    assert code_of(path, fps=None) == "E316"
    write(path, wide(NAMES, "xyc"), np.tile(COCO.reshape(30, -1), (8, 1)))
    with path.open("r+b") as handle:
        handle.truncate(2 << 30)  # sparse: takes no space
    assert code_of(path) == "E337"
