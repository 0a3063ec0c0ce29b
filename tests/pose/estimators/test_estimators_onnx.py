from dataclasses import replace

import numpy as np
import pytest

from fidgety.errors import ConfigError, FileError, VideoError
from fidgety.pose.estimators import estimate, run
from fidgety.pose.estimators.onnx_topdown import OnnxTopDown, heatmap_peaks, simcc_peaks

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("cv2")

import graphs
from films import film, over_and_over


@pytest.mark.parametrize("layout", ["coco17", "halpe26"])
@pytest.mark.parametrize("make", [graphs.simcc, graphs.heatmap])
def test_joints_are_found_where_they_are(tmp_path, make, layout):
    estimator = OnnxTopDown(make(tmp_path / "m.onnx", layout), people="one")
    assert estimator.skeleton.name == layout
    for k, shift in enumerate([0, 1, 2, 3, 5, 7]):
        sight = estimator(graphs.picture(shift), k / 25)
    assert sight.subject == 0
    expected = np.array([graphs.RED, graphs.GREEN, graphs.BLUE])[graphs.channels(layout)]
    np.testing.assert_allclose(sight.xy, expected + np.array([7, 0]), atol=1.0)
    assert (sight.confidence > 0.8).all()


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_body_turned_in_the_image_is_stood_upright(tmp_path, turns):
    """The graph would take any body; what is tested is that places come back through the turn."""
    estimator = OnnxTopDown(graphs.simcc(tmp_path / "m.onnx"), people="one")
    image = np.ascontiguousarray(np.rot90(graphs.picture(), turns))
    for k in range(4):
        sight = estimator(image, k / 25)
    expected = np.array([graphs.RED, graphs.GREEN, graphs.BLUE], dtype=float)
    for _ in range(turns):  # a quarter turn to the left: (x, y) -> (y, width - 1 - x)
        width = {0: 240, 1: 200, 2: 240}[_]
        expected = np.stack([expected[:, 1], width - 1 - expected[:, 0]], axis=1)
    np.testing.assert_allclose(sight.xy, expected[graphs.channels("coco17")], atol=1.0)


def test_a_film_end_to_end(tmp_path):
    shifts = 10 * np.sin(2 * np.pi * 1.5 * np.arange(60) / 25)
    path = film(tmp_path / "a.mp4", [graphs.picture(s) for s in shifts])
    told = []
    pose = estimate(
        path,
        "onnx",
        weights=graphs.simcc(tmp_path / "m.onnx"),
        people="one",
        progress=lambda done, total: told.append((done, total)),
    )
    assert pose.skeleton.name == "coco17"
    assert pose.size == (240, 200)
    np.testing.assert_allclose(pose.time, np.arange(60) / 25, atol=1e-6)
    hip = pose.xy[:, pose.skeleton.index["left_hip"]]
    np.testing.assert_allclose(hip[:, 0], graphs.GREEN[0] + shifts, atol=1.5)
    assert set(pose.film) == {
        "brightness", "sharpness", "people", "covered",
        "camera_dx", "camera_dy", "camera_scale", "camera_rotation",
    }  # fmt: skip
    assert (pose.film["people"] == 1).all()
    assert len(told) == 60
    assert told[-1][0] == pytest.approx(59 / 25)
    assert told[-1][1] == pytest.approx(60 / 25, abs=0.05)
    assert pose.history[0]["backend"] == "onnx"
    again = pose.save(tmp_path / "a.parquet")
    assert again.exists()


def test_a_dark_film_is_said_to_be_black(tmp_path):
    path = film(tmp_path / "a.mp4", [np.zeros((64, 96, 3), np.uint8)] * 30)
    with pytest.warns(UserWarning, match="W604 The film is black"):
        pose = estimate(path, "onnx", weights=graphs.simcc(tmp_path / "m.onnx"), people="one")
    assert np.isnan(pose.xy).all()
    assert pose.film["brightness"].max() < 4


def test_an_empty_cot_is_said_to_be_empty(tmp_path):
    grey = np.random.default_rng(0).integers(60, 80, (30, 64, 96, 3), dtype=np.uint8)
    path = film(tmp_path / "a.mp4", list(grey))
    with pytest.warns(UserWarning, match="W605 No infant found in 100 %"):
        estimate(path, "onnx", weights=graphs.simcc(tmp_path / "m.onnx"), people="one")


def test_few_or_uneven_frames_are_said(tmp_path):
    weights = graphs.simcc(tmp_path / "m.onnx")
    images = [graphs.picture()] * 8
    slow = film(tmp_path / "slow.mp4", images, np.arange(8.0))
    with pytest.warns(UserWarning, match="W603 1 frames a second"):
        estimate(slow, "onnx", weights=weights, people="one")
    uneven = film(
        tmp_path / "uneven.mp4", images, np.cumsum([0, 30, 60, 30, 60, 30, 60, 30]) / 1000
    )
    with pytest.warns(UserWarning, match=r"W102 .* average .*\(variable\)"):
        estimate(uneven, "onnx", weights=weights, people="one")


def test_four_hours_are_refused_and_minutes_of_them_looked_at(tmp_path):
    images = [graphs.picture(0.5 * k) for k in range(16)]
    short = film(tmp_path / "short.mp4", images, np.arange(16) / 12.5, options={"bf": "0"})
    path = over_and_over(short, tmp_path / "long.mp4", 11_250)
    options = {"weights": graphs.simcc(tmp_path / "m.onnx"), "people": "one"}
    for part in (None, (0, 3601), (60, np.inf)):
        with pytest.raises(VideoError, match=r"min of film are too long .*--from 10:00") as refused:
            estimate(path, "onnx", part=part, **options)
        assert refused.value.code == "E611"
    told = []
    pose = estimate(
        path, "onnx", part=(7200, 7203), progress=lambda *now: told.append(now), **options
    )
    np.testing.assert_allclose(pose.time, 7200 + np.arange(38) / 12.5, atol=1e-3)
    hip = pose.xy[13:, pose.skeleton.index["left_hip"]]  # the square has found its place
    expected = graphs.GREEN[0] + 0.5 * (np.arange(13, 38) % 16)
    np.testing.assert_allclose(hip[:, 0], expected, atol=1.5)
    assert told[-1] == pytest.approx((2.96, 3))


def test_a_film_that_hides_its_length_stops_at_an_hour(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "LONGEST_S", 1.0)
    path = film(tmp_path / "a.mp4", [graphs.picture()] * 40)
    known = run.probe(path)
    monkeypatch.setattr(run, "probe", lambda _: replace(known, duration_s=float("nan")))
    options = {"weights": graphs.simcc(tmp_path / "m.onnx"), "people": "one"}
    with pytest.raises(VideoError, match="E611"):
        estimate(path, "onnx", **options)
    assert len(estimate(path, "onnx", part=(0.5, 1.0), **options)) == 13


@pytest.mark.parametrize("part", [(-1, 5), (3, 3), (5, 2), (60, 90), (np.nan, 2)])
def test_impossible_parts(tmp_path, part):
    path = film(tmp_path / "a.mp4", [graphs.picture()] * 10)
    weights = graphs.simcc(tmp_path / "m.onnx")
    with pytest.raises(ConfigError, match="E702 Nothing to look at"):
        estimate(path, "onnx", part=part, weights=weights, people="one")


def test_simcc_peaks_are_in_input_pixels():
    x, y = np.zeros((2, 384)), np.zeros((2, 512))
    x[0, 100], y[0, 31], x[1, 383], y[1, 511] = 0.7, 0.9, 1.3, 1.2
    places, confidence = simcc_peaks(x, y, (192, 256))
    np.testing.assert_allclose(places, [[50, 15.5], [191.5, 255.5]])
    np.testing.assert_allclose(confidence, [0.7, 1.0])


def test_heatmap_peaks_lie_between_cells():
    rows, columns = np.mgrid[:64, :48]
    true = np.array([[20.3, 41.7], [0.0, 63.0], [47.0, 5.2]])
    maps = np.stack([np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 8) for x, y in true])
    places, confidence = heatmap_peaks(maps.astype(np.float32), (192, 256))
    np.testing.assert_allclose(places, true * (191 / 47, 255 / 63), atol=0.02)
    assert (confidence > 0.95).all()


def code_of(*arguments, **options):
    with pytest.raises((VideoError, FileError, ConfigError)) as refused:
        OnnxTopDown(*arguments, **options)
    return refused.value.code


def test_wrong_weights_are_refused(tmp_path):
    assert code_of(tmp_path / "none.onnx") == "E504"
    (tmp_path / "text.onnx").write_text("not a model")
    assert code_of(tmp_path / "text.onnx", people="one") == "E630"
    numpy_rows = graphs.simcc(tmp_path / "five.onnx", rows=[0, 1, 2, 2, 2])
    assert code_of(numpy_rows, people="one") == "E632"
    assert code_of(numpy_rows, people="one", skeleton="coco17") == "E632"
    node = graphs.helper.make_node("Sigmoid", ["input"], ["a"])
    flat = graphs.helper.make_node("Flatten", ["a"], ["b"])
    odd = graphs.save(tmp_path / "odd.onnx", [node, flat], ["b"], {}, (64, 64))
    assert code_of(odd, people="one") == "E631"
    assert code_of(graphs.simcc(tmp_path / "m.onnx"), people="some") == "E702"


def test_without_blazepose_weights_the_way_out_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("FIDGETY_WEIGHTS", str(tmp_path / "nowhere"))
    with pytest.raises(VideoError, match=r"E620 .* fidgety doctor --fetch-weights"):
        OnnxTopDown(graphs.simcc(tmp_path / "m.onnx"))


def test_unknown_backend_option_and_region(tmp_path):
    path = film(tmp_path / "a.mp4", [graphs.picture()] * 3)
    weights = graphs.simcc(tmp_path / "m.onnx")
    for backend, options, code in [
        ("openpose", {}, "E702"),
        ("onnx", {"weights": weights, "wieghts": 1}, "E701"),
        ("onnx", {}, "E701"),
        ("onnx", {"weights": weights, "region": (500, 0, 10, 10)}, "E702"),
        ("onnx", {"weights": weights, "region": (0, 0, 0, 10)}, "E702"),
        ("onnx", {"weights": weights, "region": (0, 0, float("nan"), 10)}, "E702"),
    ]:
        with pytest.raises(ConfigError, match=code):
            estimate(path, backend, **options)
