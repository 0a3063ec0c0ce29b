import importlib
import os
import threading
import wave
from fractions import Fraction
from itertools import islice

import numpy as np
import pytest
from films import dot_image, dot_place, film, over_and_over

from fidgety.errors import FidgetyWarning, FileError, VideoError
from fidgety.pose import video
from fidgety.pose.video import Frame, ahead, frames, probe, resized


def dots(count=20):
    return [dot_image(20 + k, 30) for k in range(count)]


def test_frames_carry_images_and_times(tmp_path):
    path = film(tmp_path / "a.mp4", dots())
    seen = list(frames(path))
    np.testing.assert_allclose([frame.time_s for frame in seen], np.arange(20) / 25, atol=1e-9)
    assert all(frame.image.shape == (64, 96, 3) for frame in seen)
    assert all(frame.image.dtype == np.uint8 for frame in seen)
    places = np.array([dot_place(frame.image) for frame in seen])
    np.testing.assert_allclose(places[:, 0], 20 + np.arange(20), atol=0.3)
    np.testing.assert_allclose(places[:, 1], 30, atol=0.3)


def test_colours_are_red_green_blue(tmp_path):
    images = [np.tile(np.uint8([200, 60, 30]), (64, 96, 1))] * 3
    shown = next(frames(film(tmp_path / "a.mp4", images))).image
    np.testing.assert_allclose(shown[32, 48], [200, 60, 30], atol=6)


def test_variable_frame_rate_keeps_the_frequency_of_a_movement(tmp_path):
    """Half of the film at 40, half at 16 frames a second; a dot swings at 1.5 Hz throughout."""
    steps = np.concatenate([np.full(160, 0.025), np.full(64, 0.0625)])
    times = np.round(np.concatenate([[0], np.cumsum(steps)])[:-1], 3)
    images = [dot_image(48 + 20 * np.sin(2 * np.pi * 1.5 * t), 32) for t in times]
    seen = list(frames(film(tmp_path / "vfr.mp4", images, times)))
    found = np.array([frame.time_s for frame in seen])
    np.testing.assert_allclose(found, times, atol=1e-6)
    x = np.array([dot_place(frame.image)[0] for frame in seen])

    def frequency(at):
        trial = np.arange(0.5, 4, 0.001)
        waves = np.exp(-2j * np.pi * trial[:, None] * at)
        return trial[np.abs(waves @ (x - x.mean())).argmax()]

    average = np.arange(len(found)) * found[-1] / (len(found) - 1)
    assert frequency(found) == pytest.approx(1.5, rel=0.01)
    assert abs(frequency(average) / 1.5 - 1) > 0.1


def test_ten_bit_hevc(tmp_path):
    path = film(tmp_path / "phone.mov", dots(6), codec="libx265", pixels="yuv420p10le")
    info = probe(path)
    assert (info.codec, info.pixel_format) == ("hevc", "yuv420p10le")
    places = [dot_place(frame.image)[0] for frame in frames(path)]
    np.testing.assert_allclose(places, 20 + np.arange(6), atol=0.3)


@pytest.mark.parametrize("clockwise", [90, 180, 270])
def test_rotation_metadata_is_applied(tmp_path, clockwise):
    """A dot near the stored top left corner goes where QuickTime's display matrix sends it."""
    path = film(tmp_path / "turned.mp4", [dot_image(10, 10)] * 3)
    width, height = 96, 64
    matrix = {  # a b u, c d v, x y w; x' = a x + c y + x
        90: (0, 1, 0, -1, 0, 0, height, 0, 1),
        180: (-1, 0, 0, 0, -1, 0, width, height, 1),
        270: (0, -1, 0, 1, 0, 0, 0, width, 1),
    }[clockwise]
    fixed = [round(value * (1 << (30 if k % 3 == 2 else 16))) for k, value in enumerate(matrix)]
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 4 + 40
    content[at : at + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in fixed)
    path.write_bytes(content)
    info, image = probe(path), next(frames(path)).image
    size = (64, 96) if clockwise in (90, 270) else (96, 64)
    expected = {90: (64 - 11, 10), 180: (96 - 11, 64 - 11), 270: (10, 96 - 11)}[clockwise]
    assert (info.rotation, info.size) == (clockwise, size)
    assert image.shape[1::-1] == size
    np.testing.assert_allclose(dot_place(image), expected, atol=0.5)


def test_pixels_become_square(tmp_path):
    path = film(tmp_path / "pal.mp4", [dot_image(40, 30)] * 3, aspect=Fraction(2))
    assert probe(path).size == (192, 64)
    x, y = dot_place(next(frames(path)).image)
    assert x == pytest.approx(80.5, abs=0.6)
    assert y == pytest.approx(30, abs=0.5)


def test_probe(tmp_path):
    info = probe(film(tmp_path / "a.mp4", dots(25)))
    assert info.size == (96, 64)
    assert info.duration_s == pytest.approx(1.0, abs=0.05)
    assert info.fps == pytest.approx(25, rel=0.05)


def test_frames_are_streamed(tmp_path):
    """One picture is had without decoding the film, and threads end with their user."""
    path = film(tmp_path / "a.mp4", dots(50))
    before = threading.active_count()
    taken = list(islice(ahead(frames(path), depth=2), 3))
    assert [frame.time_s for frame in taken] == pytest.approx([0, 0.04, 0.08])
    stream = ahead(frames(path), depth=2)
    next(stream)
    stream.close()
    assert threading.active_count() <= before + 1


def test_ahead_raises_where_the_items_are_used():
    def broken():
        yield 1
        raise VideoError("E605", "Nothing")

    items = ahead(broken())
    assert next(items) == 1
    with pytest.raises(VideoError, match="E605"):
        next(items)


def test_a_film_cut_off_is_read_up_to_its_break(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (50, 64, 96, 3), dtype=np.uint8)
    path = film(tmp_path / "cut.mp4", list(noise), options={"g": "10"})
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 6 // 10])
    with pytest.warns(FidgetyWarning, match=r"W601 The film breaks off at .* of 2\.0 s"):
        seen = list(frames(path))
    assert 20 <= len(seen) <= 35


def test_pictures_without_a_later_time_are_left_out(tmp_path, monkeypatch):
    path = film(tmp_path / "a.mp4", dots(10))
    once = video._pictures

    def twice(*arguments):
        for picture in once(*arguments):
            yield picture
            yield picture

    monkeypatch.setattr(video, "_pictures", twice)
    with pytest.warns(FidgetyWarning, match="W602 10 pictures"):
        times = [frame.time_s for frame in frames(path)]
    assert (np.diff(times) > 0).all()
    assert len(times) == 10


@pytest.fixture(scope="module")
def four_hours(tmp_path_factory):
    """A film of 4 h at 4 frames a second: 16 pictures, the dot ever farther right, repeated."""
    folder = tmp_path_factory.mktemp("long")
    images = [dot_image(10 + 5 * k, 32) for k in range(16)]
    short = film(folder / "short.mp4", images, np.arange(16) / 4, options={"bf": "0"})
    return over_and_over(short, folder / "long.mp4", 3600)


def test_a_part_of_a_long_film_is_found_without_reading_the_rest(four_hours):
    assert probe(four_hours).duration_s == pytest.approx(4 * 3600, rel=0.01)
    seen = list(frames(four_hours, (10_000.0, 10_005.0)))
    times = np.array([frame.time_s for frame in seen])
    np.testing.assert_allclose(times, np.arange(10_000, 10_005.1, 0.25), atol=0.002)
    step = np.round(times * 4).astype(int) % 16
    places = [dot_place(frame.image)[0] for frame in seen]
    np.testing.assert_allclose(places, 10 + 5 * step, atol=1)


@pytest.mark.parametrize("start", [0.0, 0.5, 9.0, 11.3, 30.0])
def test_a_part_is_the_same_as_cut_from_the_whole(tmp_path, start):
    """With pictures that lean on later ones, few key frames, and uneven times."""
    rng = np.random.default_rng(1)
    times = np.cumsum(rng.uniform(0.05, 0.2, 300)).round(3)
    images = [dot_image(20 + k % 60, 30) for k in range(300)]
    path = film(tmp_path / "a.mp4", images, times, options={"g": "90", "bf": "3"})
    part = (start, start + 2)
    whole = [(f.time_s, f.image) for f in frames(path) if part[0] <= f.time_s <= part[1]]
    got = [(f.time_s, f.image) for f in frames(path, part)]
    assert [time for time, _ in got] == [time for time, _ in whole]
    assert all((a == b).all() for (_, a), (_, b) in zip(got, whole, strict=True))


def test_a_part_that_ends_early_is_no_film_broken_off(tmp_path, recwarn):
    path = film(tmp_path / "a.mp4", dots(50))
    assert len(list(frames(path, (0.0, 0.5)))) == 13
    assert not list(frames(path, (5.0, 6.0)))
    assert not recwarn.list


def test_a_film_that_begins_late_is_whole(tmp_path, recwarn):
    """A Matroska file states where it ends, not how long it is."""
    path = film(tmp_path / "a.mkv", dots(50), 80 + np.arange(50) / 25)
    assert [frame.time_s for frame in frames(path)] == pytest.approx(np.arange(50) / 25)
    assert probe(path).duration_s == pytest.approx(2, abs=0.1)
    assert not recwarn.list


def refusal(path):
    with pytest.raises((VideoError, FileError)) as refused:
        list(frames(path))
    assert refused.value.remedy
    assert str(path.parent) not in str(refused.value) or refused.value.code in ("E502", "E504")
    return refused.value.code


def test_upload_cut_off_before_the_index(tmp_path):
    path = film(tmp_path / "a.mp4", dots())
    content = path.read_bytes()
    at = content.index(b"moov") - 4
    size = int.from_bytes(content[at : at + 4], "big")
    path.write_bytes(content[:at] + content[at + size :])
    assert refusal(path) == "E104"


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "E602"), (b"This is a letter.\n" * 50, "E601"), (bytes(range(256)) * 40, "E601")],
)
def test_not_a_video(tmp_path, content, code):
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    assert refusal(path) == code


def test_sound_has_no_video_stream(tmp_path):
    with wave.open(str(tmp_path / "a.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(16000))
    assert refusal(tmp_path / "a.wav") == "E603"


def test_still_pictures(tmp_path):
    cv2 = pytest.importorskip("cv2")
    for name in ("a.png", "a.jpg"):
        cv2.imwrite(str(tmp_path / name), dot_image(20, 20))
        assert refusal(tmp_path / name) == "E604"
    assert refusal(film(tmp_path / "one.mp4", dots(1))) == "E604"


def test_folder_and_missing_file(tmp_path):
    assert refusal(tmp_path / "none.mp4") == "E504"
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(VideoError, match="E601 A folder"):
        probe(tmp_path / "folder.mp4")


def test_unreadable_file(tmp_path, monkeypatch):
    path = film(tmp_path / "a.mp4", dots(3))
    if os.geteuid() == 0:  # root may read everything

        def refuse(*_arguments, **_options):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(type(path), "open", refuse)
    else:
        path.chmod(0)
    assert refusal(path) == "E502"


def test_missing_library_names_its_extra(tmp_path, monkeypatch):
    path = film(tmp_path / "a.mp4", dots(3))

    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(VideoError, match=r'E607 .* pip install "fidgety\[video\]"'):
        list(frames(path))


def test_names_are_never_read_as_addresses(tmp_path):
    path = film(tmp_path / "concat:b|c#1 %d.mp4", dots(3))
    assert len(list(frames(path))) == 3


def test_resized_keeps_brightness_and_place():
    image = dot_image(400, 200, (800, 600))
    small = resized(image, 200)
    assert small.shape == (150, 200, 3)
    assert small.mean() == pytest.approx(image.mean(), abs=1)
    large = resized(dot_image(40, 20, (80, 60)), 160)
    np.testing.assert_allclose(dot_place(large), (80.5, 40.5), atol=0.5)


def test_frame_is_frozen():
    frame = Frame(0.0, np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(AttributeError):
        frame.time_s = 1.0  # type: ignore[misc]
