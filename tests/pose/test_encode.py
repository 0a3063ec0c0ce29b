import numpy as np
import pytest
from films import dot_image, dot_place, film

from fidgety.errors import FileError, VideoError
from fidgety.pose.encode import at_constant_rate, proxy, write_video
from fidgety.pose.video import Frame, frames, probe


def test_a_written_film_comes_back(tmp_path):
    images = [dot_image(20 + 2 * k, 30) for k in range(15)]
    path = write_video(tmp_path / "deep" / "a.mp4", iter(images), 30)
    info, seen = probe(path), list(frames(path))
    assert (info.codec, info.pixel_format, info.size) == ("h264", "yuv420p", (96, 64))
    np.testing.assert_allclose([f.time_s for f in seen], np.arange(15) / 30, atol=1e-4)
    np.testing.assert_allclose(
        [dot_place(f.image)[0] for f in seen], 20 + 2 * np.arange(15), atol=0.5
    )
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    assert [p.name for p in path.parent.iterdir()] == ["a.mp4"]


def test_odd_sizes_become_even(tmp_path):
    images = [np.full((65, 97, 3), 90, np.uint8)] * 3
    assert probe(write_video(tmp_path / "a.mp4", images, 25)).size == (96, 64)


@pytest.mark.parametrize(
    ("name", "images", "fps"),
    [
        ("a.mp4", [], 25),
        ("a.mp4", [np.zeros((8, 8, 3), np.uint8), np.zeros((8, 16, 3), np.uint8)], 25),
        ("a.mp4", [np.zeros((1, 1, 3), np.uint8)], 25),
        ("a.mp4", [np.zeros((8, 8, 3), np.uint8)], 0),
        ("a.mp4", [np.zeros((8, 8, 3), np.uint8)], float("nan")),
        ("a.txt", [np.zeros((8, 8, 3), np.uint8)], 25),
    ],
)
def test_unwritable_films_leave_nothing(tmp_path, name, images, fps):
    with pytest.raises(VideoError, match="E608"):
        write_video(tmp_path / name, images, fps)
    assert list(tmp_path.iterdir()) == []


def test_a_failing_source_leaves_the_old_file(tmp_path):
    path = write_video(tmp_path / "a.mp4", [np.zeros((16, 16, 3), np.uint8)] * 3, 25)
    before = path.read_bytes()

    def broken():
        yield np.zeros((16, 16, 3), np.uint8)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_video(path, broken(), 25)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_folder_in_the_way(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(FileError, match="E50"):
        write_video(tmp_path / "file" / "a.mp4", [np.zeros((16, 16, 3), np.uint8)], 25)


def test_constant_rate_shows_the_nearest_picture():
    times = [0.0, 0.1, 0.2, 0.9, 1.0]
    film_ = [Frame(t, np.full((1, 1, 3), k, np.uint8)) for k, t in enumerate(times)]
    steady = list(at_constant_rate(film_, 10))
    np.testing.assert_allclose([f.time_s for f in steady], np.arange(11) / 10)
    shown = [int(f.image[0, 0, 0]) for f in steady]
    assert shown == [0, 1, 2, 2, 2, 2, 2, 2, 2, 3, 4]


def test_proxy_is_steady_upright_and_small(tmp_path):
    times = np.round(np.cumsum(np.tile([0.02, 0.06], 25)), 3)
    places = 48 + 30 * np.sin(2 * np.pi * times)
    source = film(tmp_path / "a.mp4", [dot_image(x, 32) for x in places], times)
    out = proxy(source, tmp_path / "b.mp4", fps=25, height=32)
    info, seen = probe(out), list(frames(out))
    assert info.size == (48, 32)
    steps = np.diff([f.time_s for f in seen])
    np.testing.assert_allclose(steps, 0.04, atol=1e-4)
    at = np.array([f.time_s for f in seen]) + times[0]
    x = np.array([dot_place(f.image)[0] for f in seen])
    np.testing.assert_allclose(2 * x, np.interp(at, times, places), atol=9)  # half a step
