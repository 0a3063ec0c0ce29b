"""What a folder tells of people, and that what is written tells nothing: no sound, no tags."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from fidgety.errors import FileError
from fidgety.privacy import look_over, summary

av = pytest.importorskip("av")
pytest.importorskip("cv2")
sys.path.insert(0, str(Path(__file__).parent / "pose"))

TAGS = {"location": "+48.2082+016.3738/", "creation_time": "2026-01-02T03:04:05Z", "make": "Acme"}


def telling_film(path: Path, rotation: int = 90) -> Path:
    """A film with sound, a place and a time, held upright."""
    with av.open(str(path), "w", options={"movflags": "+use_metadata_tags"}) as out:
        out.metadata.update(TAGS)
        pictures = out.add_stream("libx264", rate=1000, options={"preset": "ultrafast"})
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        pictures.time_base = pictures.codec_context.time_base = Fraction(1, 1000)
        pictures.set_display_rotation(rotation)
        sound = out.add_stream("aac", rate=16000)
        for k in range(12):
            image = np.full((48, 64, 3), 15 * k, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = 40 * k + 7 * (k % 2), Fraction(1, 1000)  # uneven
            out.mux(pictures.encode(frame))
        for k in range(8):
            frame = av.AudioFrame.from_ndarray(
                np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
            )
            frame.sample_rate, frame.pts = 16000, 1024 * k
            out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
        out.mux(pictures.encode(None))
    return path


def tells(path: Path) -> tuple[set[str], set[str]]:
    with av.open(str(path)) as film:
        named = set(film.metadata) | {k for s in film.streams for k in s.metadata}
        return {s.type for s in film.streams}, named & set(TAGS)


def test_a_copy_of_pictures_only_shows_the_same_and_tells_nothing(tmp_path):
    from fidgety.pose.encode import pictures_only
    from fidgety.pose.video import frames, probe

    film = telling_film(tmp_path / "a.mp4")
    assert tells(film) == ({"video", "audio"}, {"location", "make", "creation_time"})
    copy = pictures_only(film, tmp_path / "copy.mp4")
    assert tells(copy) == ({"video"}, set())
    assert b"2026-01-02" not in copy.read_bytes()
    assert b"Acme" not in copy.read_bytes()
    assert b"48.2082" not in copy.read_bytes()
    assert probe(copy).size == probe(film).size == (48, 64)
    for one, other in zip(frames(film), frames(copy), strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        assert one.time_s == pytest.approx(other.time_s, abs=1e-6)


def test_copies_and_drawings_hold_no_sound_and_no_tags(tmp_path):
    from fidgety.pose.encode import proxy

    film = telling_film(tmp_path / "a.mp4", rotation=0)
    assert tells(proxy(film, tmp_path / "proxy.mp4")) == ({"video"}, set())


def test_what_tells_of_people_is_found_and_its_value_is_not_shown(tmp_path):
    telling_film(tmp_path / "i01.mp4")
    (tmp_path / "Anna Meier 2026-01-02.csv").write_text("infant_id,label\ni01,0\n")
    (tmp_path / "labels.csv").write_text(
        "infant_id,label,mother,birth_date\ni01,0,Maria Huber,2026-01-02\n"
    )
    (tmp_path / "face.jpg").write_bytes(b"\xff\xd8\xff\xe1\x00\x10Exif\0\0II*\0\x25\x88")
    (tmp_path / "model.pkl").write_bytes(b"\x80\x04N.")
    (tmp_path / "out").symlink_to("/etc/passwd")
    (tmp_path / ".0123.tmp.json").touch()
    told = "\n".join(map(str, look_over(tmp_path)))
    for words in (
        "! i01.mp4: voices can be heard",
        "! i01.mp4: tags: ",
        "its name reads like a person's name",
        "its name reads like a date",
        "! labels.csv: columns that read like persons: mother, birth_date",
        "! labels.csv: 1 cells that read like persons' names",
        "! labels.csv: 1 cells that read like dates",
        "! face.jpg: EXIF with a place (GPS)",
        "  model.pkl: a file that can run code",
        "! out: a link that leads out of the folder",
        ".0123.tmp.json: a draft",
    ):
        assert words in told, (words, told)
    assert "48.2082" not in told
    assert "Maria" not in told
    assert "may name or show somebody" in summary(look_over(tmp_path))


def test_a_study_of_codes_is_in_order(tmp_path):
    from single import film_of

    film_of(0, 2.0).save(tmp_path / "estimated_poses" / "i01_v0.parquet")
    (tmp_path / "labels.csv").write_text("infant_id,label,age_weeks,site\ni01,0,12.5,A\n")
    for name in ("metrics.jsonl", "last_state.pt"):  # what a training leaves
        (tmp_path / "runs" / "x").mkdir(parents=True, exist_ok=True)
        (tmp_path / "runs" / "x" / name).write_bytes(b"{}")
    assert look_over(tmp_path) == []
    assert summary([]).startswith("Nothing found")


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileError, match="E504"):
        look_over(tmp_path / "nowhere")


GPS = " with a place (GPS)"


@pytest.mark.parametrize(
    ("name", "raw", "what"),
    [
        ("a.webp", b"RIFF\0\0\0\0WEBPVP8X" + bytes(200_000) + b"EXIF\x88\x25", "EXIF" + GPS),
        ("b.jpg", b"\xff\xd8 http://ns.adobe.com/xap/1.0/ exif:GPSLatitude=1", "XMP" + GPS),
        ("c.jpg", b"\xff\xd8 http://ns.adobe.com/xap/1.0/", "XMP (camera, time)"),
        ("d.png", b"\x89PNG EXIF is a word here", None),
    ],
)  # fmt: skip
def test_tags_of_pictures_wherever_they_lie(tmp_path, name, raw, what):
    (tmp_path / name).write_bytes(raw)
    said = [sight.what for sight in look_over(tmp_path)]
    assert said == ["a picture", *([what] if what else [])]
