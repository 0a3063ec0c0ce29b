"""Every bad film a user may bring: a code, what, where, what to do, status 2, no traceback."""

from __future__ import annotations

import importlib
from fractions import Fraction

import numpy as np
import pytest

av = pytest.importorskip("av")
cv2 = pytest.importorskip("cv2")

from fidgety.pose.encode import write_video  # noqa: E402


def noise(count, size=(64, 48), seed=0):
    rng = np.random.default_rng(seed)
    return list(rng.integers(0, 255, (count, size[1], size[0], 3), np.uint8))


def sound(path):
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=16000)
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), "fltp", "mono")
        samples.rate = 16000
        out.mux(stream.encode(samples))
        out.mux(stream.encode(None))


def cut_off(path):
    """An upload that broke off before the index, which this writer puts last."""
    with av.open(str(path), "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for image in noise(50):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        out.mux(stream.encode(None))
    path.write_bytes(path.read_bytes()[:20_000])


def hours(path):
    """4 h in 20 pictures."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for number, image in enumerate(noise(20)):
            picture = av.VideoFrame.from_ndarray(image, format="rgb24")
            picture.pts, picture.time_base = number * 757_895, Fraction(1, 1000)
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))


def still(path):
    picture = path.with_suffix(".png")
    cv2.imwrite(str(picture), noise(1)[0])
    picture.rename(path)


BAD = {
    "letter": (lambda path: path.write_text("dear all " * 200), "E601", "Give a film"),
    "empty": (lambda path: path.write_bytes(b""), "E602", "Copy the film again"),
    "sound": (sound, "E603", "Give the film itself"),
    "still": (still, "E604", "Give the film itself"),
    "hours": (hours, "E611", "--from 10:00 --to 15:00"),
    "cut_off": (cut_off, "E104", "Copy the file again"),
}


@pytest.fixture(params=BAD)
def bad(request, tmp_path):
    make, code, remedy = BAD[request.param]
    path = tmp_path / f"{request.param}.mp4"
    make(path)
    return path, code, remedy


def test_estimate(run, bad, tmp_path):
    path, code, remedy = bad
    run("estimate", path, "--out", tmp_path / "poses").refused(code, path.name, remedy)
    assert not list(tmp_path.glob("poses/*"))


def test_assess(run, bad, model, tmp_path):
    path, code, remedy = bad
    said = run("assess", path, "--model", model, "--out", tmp_path / "out")
    said.refused(code, path.stem, remedy)
    assert not list(tmp_path.glob("out/*/*"))


@pytest.mark.parametrize("time", ["-5", "1:75", "1:2:3:4", "ten", "1::2", "nan"])
def test_times_that_are_none(run, tmp_path, time):
    film = write_video(tmp_path / "a.mp4", noise(5), 25)
    run("estimate", film, "--out", tmp_path / "p", "--from", time).refused("--from", "1:30")


def test_a_part_beyond_the_end(run, tmp_path):
    film = write_video(tmp_path / "a.mp4", noise(5), 25)
    said = run("estimate", film, "--out", tmp_path / "p", "--from", "1:30", "--to", "0:02:00")
    said.refused("E702", "from 90 to 120 s", "a.mp4")


def test_no_films(run, tmp_path):
    (tmp_path / "films").mkdir()
    run("estimate", tmp_path / "films", "--out", tmp_path / "p").refused("E609", ".mp4")


def test_output_that_cannot_be_a_folder(run, tmp_path):
    film = write_video(tmp_path / "a.mp4", noise(5), 25)
    (tmp_path / "poses").write_text("a file")
    run("estimate", film, "--out", tmp_path / "poses").refused("E50", "poses")


def test_wrong_onnx_weights(run, tmp_path):
    pytest.importorskip("onnxruntime")
    film = write_video(tmp_path / "a.mp4", noise(5), 25)
    (tmp_path / "m.onnx").write_bytes(b"no model")
    options = ("--backend", "onnx", "--weights", tmp_path / "m.onnx")
    run("estimate", film, "--out", tmp_path / "p", *options).refused("E630", "m.onnx")
    run("estimate", film, "--out", tmp_path / "p", "--backend", "onnx").refused("E701", "weights")


def test_blazepose_weights_that_are_missing_or_others(run, tmp_path, monkeypatch):
    monkeypatch.setenv("FIDGETY_WEIGHTS", str(tmp_path / "weights"))
    film = write_video(tmp_path / "a.mp4", noise(5), 25)
    run("estimate", film, "--out", tmp_path / "p").refused("E620", "fidgety doctor --fetch-weights")
    (tmp_path / "weights").mkdir()
    for name in ("pose_landmark_full.tflite", "pose_detection.tflite"):
        (tmp_path / "weights" / name).write_bytes(b"another model")
    run("estimate", film, "--out", tmp_path / "p").refused("E621", "sha256")


def test_a_missing_extra_is_named(run, tmp_path, monkeypatch):
    film = write_video(tmp_path / "a.mp4", noise(5), 25)
    real = importlib.import_module

    def without(name, *arguments):
        if name.startswith("av"):
            raise ImportError(name)
        return real(name, *arguments)

    monkeypatch.setattr(importlib, "import_module", without)
    run("estimate", film, "--out", tmp_path / "p").refused("E607", 'pip install "fidgety[video]"')


@pytest.mark.slow
@pytest.mark.parametrize(
    ("images", "fps", "codes"),
    [
        ([np.zeros((48, 64, 3), np.uint8)] * 50, 2, ("W604", "E101")),
        (noise(50), 2, ("W605", "E101")),
        (noise(30), 1, ("W603", "E101")),
        (noise(10), 2, ("E101",)),
    ],
    ids=["black", "nobody", "1 fps", "5 s"],
)
def test_films_in_which_nothing_can_be_judged(weights, run, model, tmp_path, images, fps, codes):
    film = write_video(tmp_path / "a.mp4", images, fps)
    said = run("assess", film, "--model", model, "--out", tmp_path / "out")
    said.refused("refused", status=3)
    summary = (tmp_path / "out" / "summary.csv").read_text()
    assert "a,refused,refused,,," in summary
    report = (tmp_path / "out" / "a" / "assessment.json").read_text()
    for code in codes:
        assert code in said.err + report
