import numpy as np
import pytest

from fidgety.errors import ConfigError, FileError, VideoError
from fidgety.pose.encode import write_video
from fidgety.pose.estimators import batch, estimate, estimate_many, find_videos
from fidgety.pose.stored import read_native

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("cv2")

import graphs
from films import film


@pytest.fixture
def made(tmp_path):
    """Two films, a letter between them, and a model."""
    folder = tmp_path / "films"
    folder.mkdir()
    for name, shift in (("a", 0), ("c", 5)):
        film(folder / f"{name}.mp4", [graphs.picture(shift)] * 12)
    (folder / "b.mp4").write_text("a letter " * 100)
    (folder / "notes.txt").write_text("not looked at")
    options = {"weights": graphs.simcc(tmp_path / "m.onnx"), "people": "one"}
    return folder, tmp_path / "out", options


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_one_bad_film_never_stops_the_others(made, workers):
    folder, out, options = made
    told = []
    outcomes = estimate_many(
        [folder], out, "onnx", workers=workers, progress=lambda *a: told.append(a), **options
    )
    assert [o.video.name for o in outcomes] == ["a.mp4", "b.mp4", "c.mp4"]
    assert [o.error.code if o.error else None for o in outcomes] == [None, "E601", None]
    assert sorted(p.name for p in out.iterdir()) == ["a.parquet", "c.parquet"]
    hip = read_native(outcomes[2].pose).xy[-1, 11]
    np.testing.assert_allclose(hip, np.add(graphs.GREEN, (5, 0)), atol=1)
    assert [t[2].video.name for t in told if t[2] is not None].count("b.mp4") == 1
    done, total, _ = told[-1]
    assert done == pytest.approx(total) == pytest.approx(2 * 12 / 25, abs=0.1)


def test_resume_leaves_out_what_is_done(made):
    folder, out, options = made
    estimate_many([folder], out, "onnx", workers=1, **options)
    first = (out / "a.parquet").read_bytes()
    (out / "c.parquet").write_bytes(b"half")
    again = estimate_many([folder], out, "onnx", workers=1, **options)
    assert [o.resumed for o in again] == [True, False, False]
    assert read_native(out / "c.parquet")
    assert (out / "a.parquet").read_bytes() == first
    region = (40, 20, 160, 160)
    assert not any(
        o.resumed for o in estimate_many([folder], out, "onnx", workers=1, region=region, **options)
    )
    same = estimate_many([folder], out, "onnx", workers=1, region=region, **options)
    assert [o.resumed for o in same] == [True, False, True]
    film(folder / "a.mp4", [graphs.picture(9)] * 12)
    changed = estimate_many([folder / "a.mp4"], out, "onnx", workers=1, region=region, **options)
    assert not changed[0].resumed
    anew = estimate_many([folder / "c.mp4"], out, "onnx", resume=False, region=region, **options)
    assert not anew[0].resumed


def test_a_drawn_film_stays_simulated(made, tmp_path):
    folder, _, options = made
    drawn = write_video(
        tmp_path / "drawn.mp4", [graphs.picture(0)] * 12, 25.0, comment="simulated infant, drawn"
    )
    assert estimate(drawn, "onnx", **options).source.startswith("simulated")
    assert not estimate(folder / "a.mp4", "onnx", **options).source.startswith("simulated")


def test_warnings_stay_with_their_film(made):
    folder, out, options = made
    film(folder / "a.mp4", [np.zeros((64, 96, 3), np.uint8)] * 12)
    outcomes = estimate_many([folder], out, "onnx", workers=1, **options)
    assert outcomes[0].warnings[0].startswith("W604")
    assert outcomes[2].warnings == ()


def test_a_fault_of_ours_is_one_films_failure(made, monkeypatch):
    folder, out, options = made

    def broken(video, *_a, **_k):
        raise RuntimeError(f"oh no, {video.stem}")

    monkeypatch.setattr(batch, "estimate", broken)
    outcomes = estimate_many([folder], out, "onnx", workers=1, **options)
    assert {o.error.code for o in outcomes} == {"E610"}
    assert "oh no, c" in str(outcomes[2].error)


@pytest.mark.slow
def test_a_process_that_dies_takes_one_film_with_it(made):
    """The film named in the model's folder kills whoever opens it."""
    folder, out, options = made
    tasks = {
        row: batch._Task(folder / f"{name}.mp4", out / f"{name}.parquet", "onnx", options)
        for row, name in enumerate("ac")
    }
    tasks[2] = _Deadly(folder / "a.mp4", out / "x.parquet", "onnx", options)
    board = batch._Board([1.0] * 3, None)
    outcomes = dict(batch._run_apart(tasks, 2, board))
    assert outcomes[0].error is None
    assert outcomes[1].error is None
    assert outcomes[2].error.code == "E610"


class _Deadly(batch._Task):
    """A task whose arrival ends the process, as running out of memory would."""

    def __reduce__(self):
        import os

        return (os._exit, (1,))


def test_output_folder_that_cannot_be_made(made):
    folder, out, options = made
    out.write_text("a file")
    with pytest.raises(FileError, match="E50"):
        estimate_many([folder], out / "deeper", "onnx", **options)


def test_finding_films(tmp_path):
    (tmp_path / "one").mkdir()
    for name in ("b.MOV", "a.mp4", "x.csv"):
        (tmp_path / "one" / name).touch()
    (tmp_path / "one" / "._a.mp4").write_bytes(b"what macOS lays beside a file")
    assert [p.name for p in find_videos([tmp_path / "one"])] == ["a.mp4", "b.MOV"]
    named = tmp_path / "one" / "x.csv"
    assert find_videos([named, named]) == [named]
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "A.avi").touch()
    with pytest.raises(VideoError, match=r"E609 .* would both be written"):
        find_videos([tmp_path / "one", tmp_path / "two"])
    with pytest.raises(VideoError, match="E609 There are no films"):
        find_videos([])


def test_impossible_settings(made):
    folder, out, _ = made
    with pytest.raises(ConfigError, match="E702"):
        estimate_many([folder], out, "openpose")
    with pytest.raises(ConfigError, match="E702"):
        estimate_many([folder], out, "blazepose", workers=0)


@pytest.mark.slow
def test_ninety_nine_of_a_hundred(made, tmp_path):
    _, out, options = made
    many = tmp_path / "many"
    many.mkdir()
    content = film(tmp_path / "one.mp4", [graphs.picture(0)] * 3).read_bytes()
    for number in range(100):
        (many / f"{number:02d}.mp4").write_bytes(content[: 200 if number == 42 else None])
    outcomes = estimate_many([many], out, "onnx", workers=1, **options)
    assert [o.video.stem for o in outcomes if o.error is not None] == ["42"]
    assert len(list(out.glob("*.parquet"))) == 99
