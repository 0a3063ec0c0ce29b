from dataclasses import replace

import numpy as np
import pytest
from films import film

from fidgety.errors import ConfigError, PoseError
from fidgety.pose import overlay
from fidgety.pose.overlay import draw_overlay, preview
from fidgety.pose.pose import Pose
from fidgety.pose.privacy import blur_all, blur_head, locate_heads
from fidgety.pose.skeleton import Skeleton, load_skeleton
from fidgety.pose.video import frames, probe

cv2 = pytest.importorskip("cv2")

SIZE = (320, 240)
COCO = load_skeleton("coco17")
HEAD = (160, 60)


def pose_of(count=20, fps=25.0, people=1.0):
    """A body under a head at HEAD, of one size, at rest."""
    xy = np.full((count, 17, 2), np.nan)
    places = {
        "nose": HEAD, "left_eye": (166, 54), "right_eye": (154, 54), "left_ear": (172, 60),
        "right_ear": (148, 60), "left_shoulder": (185, 95), "right_shoulder": (135, 95),
        "left_elbow": (200, 125), "right_elbow": (120, 125), "left_wrist": (205, 150),
        "right_wrist": (115, 150), "left_hip": (175, 160), "right_hip": (145, 160),
        "left_knee": (180, 195), "right_knee": (140, 195), "left_ankle": (182, 228),
        "right_ankle": (138, 228),
    }  # fmt: skip
    for joint, place in places.items():
        xy[:, COCO.index[joint]] = place
    time = np.arange(count) / fps
    film_ = {"people": np.full(count, people)}
    return Pose(xy, np.full((count, 17), 0.9), time, SIZE, COCO, film=film_)


@pytest.fixture
def noise(tmp_path):
    """A film of fine texture, in which hidden places are smooth."""
    image = np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    return film(tmp_path / "a.mp4", [image] * 20, options={"crf": "1"})


def shown(path, second=0.4):
    return next(f.image for f in frames(path) if f.time_s >= second - 1e-6)[:240].astype(float)


def texture(image, x, y, reach=6):
    return image[y - reach : y + reach, x - reach : x + reach].std()


def test_the_skeleton_lies_on_the_joints_coloured_by_attention(noise, tmp_path):
    weights = np.zeros(17)
    weights[COCO.index["left_ankle"]] = 3.0
    out = draw_overlay(noise, pose_of(), tmp_path / "o.mp4", weights, privacy="skeleton")
    image = shown(out)
    brightest, dull = image[228, 182], image[150, 115]
    assert brightest[0] > 180  # the yellow end of cividis
    assert brightest[2] < 120
    assert dull[2] > dull[0]  # the blue end
    assert image[20, 20].max() < 20
    assert image[100:240, 220:].max() < 40  # no picture behind it


def test_the_timeline_moves_and_marks_show(noise, tmp_path):
    clips, marks = [(0, 0.4, 0.1), (0.4, 0.8, 0.9)], [(0.2, 0.4, "left ankle out of frame")]
    out = draw_overlay(noise, pose_of(), tmp_path / "o.mp4", None, clips, marks)
    assert probe(out).size == (320, 288)
    bands = [f.image[240:].astype(int) for f in frames(out)]
    row = 240 + round(0.6 * 48) - 240
    white = [int(band[row].min(axis=1).argmax()) for band in bands]
    assert (np.diff(white) >= 0).all()
    assert white[-1] > white[0] + 200
    left, right = bands[0][row, 80], bands[0][row, 240]
    assert right[0] > left[0] + 80  # the stronger clip is the yellow one
    red = (bands[0][41:43, :, 0] - bands[0][41:43, :, 1]).mean(axis=0) > 60
    assert 70 < np.flatnonzero(red).min() < 90
    assert 150 < np.flatnonzero(red).max() < 170


def test_the_overlay_keeps_the_films_length(tmp_path):
    times = np.round(np.cumsum(np.tile([0.02, 0.06], 20)), 3)
    path = film(tmp_path / "v.mp4", [np.full((240, 320, 3), 90, np.uint8)] * 40, times)
    pose = replace(pose_of(40), time=times - times[0])
    seconds = [f.time_s for f in frames(draw_overlay(path, pose, tmp_path / "o.mp4"))]
    assert seconds[-1] == pytest.approx(pose.time[-1], abs=0.05)
    np.testing.assert_allclose(np.diff(seconds), np.diff(seconds)[0], atol=1e-4)


def test_the_overlay_of_a_part_shows_that_part(noise, tmp_path):
    pose = pose_of().between(0.2, 0.6).then("estimate", arguments={"part": [0.2, 0.55]})
    out = draw_overlay(noise, pose, tmp_path / "o.mp4", privacy="skeleton")
    drawn = list(frames(out))
    assert len(drawn) == pytest.approx(9, abs=1)
    assert all(frame.image[:240].max() > 100 for frame in drawn)


def test_blur_hides_the_face_and_nothing_else(noise, tmp_path):
    image = shown(draw_overlay(noise, pose_of(), tmp_path / "o.mp4", privacy="blur"))
    assert texture(image, 160, 80) < 25  # the chin, between drawn joints
    assert texture(image, 160, 40) < 25  # the forehead
    assert texture(image, 60, 200) > 45


@pytest.mark.parametrize("reason", ["unsure", "missing", "company", "no such frame"])
def test_blur_fails_closed(noise, tmp_path, reason):
    pose = pose_of(people=2.0 if reason == "company" else 1.0)
    head = COCO.rows("nose", "left_eye", "right_eye")
    xy, confidence = pose.xy.copy(), pose.confidence.copy()
    if reason == "unsure":
        confidence[8:12, head] = 0.3
    if reason == "missing":
        xy[8:12] = np.nan
    pose = replace(pose, xy=xy, confidence=confidence)
    if reason == "no such frame":
        pose = replace(pose.between(0.0, 0.3), size=SIZE)
    image = shown(draw_overlay(noise, pose, tmp_path / "o.mp4", privacy="blur"))
    for x, y in [(160, 80), (60, 200), (280, 40), (250, 120)]:
        assert texture(image, x, y) < 25


def test_the_circle_is_generous_and_covers_neighbouring_frames():
    still = locate_heads(pose_of())
    reach = np.hypot(*(pose_of().xy[:, :5] - still.centre[:, None]).transpose(2, 0, 1)).max()
    assert (still.radius > 1.8 * reach).all()
    pose = pose_of()
    xy = pose.xy.copy()
    xy[10:, :5] += (30, 0)
    moved = locate_heads(replace(pose, xy=xy))
    before = np.hypot(*(xy[10, 0] - moved.centre[9]))
    assert before + reach < moved.radius[9]
    assert moved.radius[0] == pytest.approx(still.radius[0])


def test_a_small_slip_of_the_face_does_not_shrink_the_circle():
    pose = pose_of()
    xy = pose.xy.copy()
    xy[10, :5] = HEAD
    xy[10, 5:] = np.nan
    assert locate_heads(replace(pose, xy=xy)).radius[10] >= locate_heads(pose).radius[10] - 1e-9


def test_hidden_pictures():
    image = np.random.default_rng(0).integers(0, 255, (200, 300, 3), dtype=np.uint8)
    assert blur_all(image).std() < 30
    np.testing.assert_array_equal(blur_head(image, np.array([np.nan, 1]), 5.0), blur_all(image))
    np.testing.assert_array_equal(blur_head(image, np.array([900.0, 1]), 5.0), blur_all(image))
    part = blur_head(image, np.array([0.0, 0.0]), 50.0)
    np.testing.assert_array_equal(part[60:], image[60:])
    assert part[:30, :30].std() < 40


def test_a_layout_without_a_face_is_refused(noise, tmp_path):
    bare = Skeleton("bare", ("a", "b"), (("b", "a"),), (), {}, "a")
    pose = Pose(np.ones((20, 2, 2)), np.ones((20, 2)), np.arange(20) / 25, SIZE, bare)
    with pytest.raises(PoseError, match=r"E640 .* --privacy skeleton"):
        draw_overlay(noise, pose, tmp_path / "o.mp4", privacy="blur")
    assert not (tmp_path / "o.mp4").exists()
    assert draw_overlay(noise, pose, tmp_path / "o.mp4", privacy="skeleton").exists()


def test_what_does_not_belong_is_refused(noise, tmp_path):
    out = tmp_path / "o.mp4"
    with pytest.raises(PoseError, match="E641"):
        draw_overlay(noise, replace(pose_of(), size=(640, 480)), out)
    with pytest.raises(PoseError, match="E641"):
        draw_overlay(noise, replace(pose_of(), unit="trunk"), out)
    with pytest.raises(ConfigError, match="E702 Joint weights"):
        draw_overlay(noise, pose_of(), out, np.ones(5))
    with pytest.raises(ConfigError, match="E702 privacy"):
        draw_overlay(noise, pose_of(), out, privacy="some")  # type: ignore[arg-type]


def test_preview_is_a_sheet_of_the_whole_film(noise, tmp_path):
    pose = pose_of()
    xy = pose.xy.copy()
    xy[15:] = np.nan
    out = preview(replace(pose, xy=xy), noise, tmp_path / "p.png", count=6, columns=3)
    sheet = cv2.imread(str(out))
    assert sheet.shape == (2 * 240, 3 * 320, 3)
    hidden = preview(pose, noise, tmp_path / "q.png", count=2, columns=2, privacy="skeleton")
    assert cv2.imread(str(hidden)).mean() < 30


def test_as_many_marks_are_written_as_fit():
    words = ["E107 proportions of an adult", "W112 left and right exchanged", "W120 film blurred"]

    def within(letters):
        return overlay._fitting(words, lambda text: len(text) <= letters)

    assert within(200) == "; ".join(words)
    assert within(70) == "; ".join(words[:2]) + "  +1"
    assert within(40) == words[0] + "  +2"
    assert within(5) == "E107  +2"
    assert overlay._fitting([], lambda _: True) == ""
