"""Crops, anchors, decoding, refinement, film measures and plausibility: known answers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fidgety.pose.estimators import detector, landmarks
from fidgety.pose.estimators.crops import Square, box_of, cut, overlap, to_image
from fidgety.pose.estimators.detector import anchors, around, decode, parts
from fidgety.pose.estimators.film import FilmMeter
from fidgety.pose.estimators.plausible import doubt
from fidgety.pose.skeleton import load_skeleton

cv2 = pytest.importorskip("cv2")


def dot(x, y, size=(640, 480), width=6.0):
    rows, columns = np.mgrid[: size[1], : size[0]]
    light = 250 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * width**2))
    return np.repeat(light[..., None], 3, axis=2).astype(np.uint8)


def place(image):
    light = image.mean(axis=2)
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    return np.array([(light * columns).sum(), (light * rows).sum()]) / light.sum()


@pytest.mark.parametrize("side", [120.0, 400.0, 900.0])
@pytest.mark.parametrize("angle", [0.0, 0.7, np.pi / 2, -2.5])
def test_a_crop_and_the_way_back(side, angle):
    square = Square(330, 250, side, angle)
    shown = place(cut(dot(330 + 25, 250 - 15), square, 128))
    np.testing.assert_allclose(to_image(shown, square, 128), (355, 235), atol=0.02 * side / 4)


def test_a_quarter_turn_shows_a_head_at_the_right_on_top():
    shown = place(cut(dot(430, 240), Square(330, 240, 400, np.pi / 2), 100))
    np.testing.assert_allclose(shown, (49.5, 49.5 - 25), atol=0.5)


def test_oblong_crops_keep_the_centre():
    square = Square(300, 200, 256, 0.3)
    shown = place(cut(dot(320, 240), square, 96, 128))
    np.testing.assert_allclose(to_image(shown, square, 96, 128), (320, 240), atol=0.3)


def test_outside_the_image_is_black():
    assert cut(np.full((50, 50, 3), 255, np.uint8), Square(-500, -500, 100), 16).max() == 0


@given(st.floats(-3, 3), st.floats(20, 2000), st.floats(-500, 500), st.floats(-500, 500))
def test_the_square_around_two_points_stands_on_their_line(turn, length, x, y):
    hip = np.array([x, y])
    rim = hip + length * np.array([np.sin(turn), -np.cos(turn)])
    square = around(hip, rim)
    assert square.side == pytest.approx(2.5 * length, rel=1e-6)
    middle = (255 / 2, 255 / 2)
    np.testing.assert_allclose(to_image(np.array(middle), square, 256), hip, atol=1e-6)
    up = to_image(np.array([middle[0], middle[1] - 256 / 2.5]), square, 256)
    np.testing.assert_allclose(up, rim, atol=1e-6 * length)


def test_boxes():
    points = np.array([[1.0, 5], [np.nan, 2], [3, 4]])
    np.testing.assert_array_equal(box_of(points), [1, 4, 3, 5])
    assert np.isnan(box_of(np.full((2, 2), np.nan))).all()
    big, small = np.array([0, 0, 10, 10.0]), np.array([8, 8, 10, 12.0])
    assert overlap(big, small) == pytest.approx(0.5)
    assert overlap(big, big + 20) == 0


def test_anchors():
    places = anchors()
    assert places.shape == (2254, 2)
    np.testing.assert_array_equal(places[:4], [[4, 4], [4, 4], [12, 4], [12, 4]])
    np.testing.assert_array_equal(places[28 * 28 * 2], [8, 8])
    np.testing.assert_array_equal(places[-1], [208, 208])


def test_decoding_adds_the_anchor():
    raw = np.arange(12, dtype=float)[None]
    centre, size, points = decode(raw, np.array([[100.0, 50.0]]))
    np.testing.assert_array_equal(centre, [[100, 51]])
    np.testing.assert_array_equal(size, [[2, 3]])
    np.testing.assert_array_equal(points[0, 0], [104, 55])


def test_boxes_of_one_person_form_one_group():
    centre = np.array([[50, 50], [52, 50], [150, 150.0]])
    groups = detector._groups(centre, np.full((3, 2), 40.0), np.array([0.7, 0.9, 0.6]))
    assert [sorted(group.tolist()) for group in groups] == [[0, 1], [2]]


@pytest.mark.parametrize("size", [(1280, 720), (720, 1280), (640, 480), (3840, 2160), (100, 100)])
def test_parts_cover_the_image_with_room_for_a_body(size):
    for level in parts(*size):
        side = level[0].side
        rng = np.random.default_rng(0)
        for x, y in rng.uniform(0, 1, (50, 2)) * size:
            near = [max(abs(p.x - x), abs(p.y - y)) <= side / 4 + 1 for p in level]
            edge = min(x, y, size[0] - x, size[1] - y) < side / 4
            inside = [max(abs(p.x - x), abs(p.y - y)) <= side / 2 + 1 for p in level]
            assert any(near) or (edge and any(inside))
    assert sum(len(level) for level in parts(1280, 720)) < 150


def test_refinement_moves_a_point_to_its_peak():
    rows, columns = np.mgrid[:64, :64]
    logits = 6 - 3 * ((columns - 30.5) ** 2 + (rows - 20) ** 2)[..., None] * np.ones(2)
    logits[..., 1] = -6  # nothing there
    points = np.array([[4 * 29.5, 4 * 22.0], [40.0, 40.0]])
    refined = landmarks.refine(points, logits)
    np.testing.assert_allclose(refined[0], (4 * 31.0, 4 * 20.5), atol=0.3)
    np.testing.assert_array_equal(refined[1], points[1])
    outside = np.array([[-50.0, 300.0], [9999.0, 0]])
    np.testing.assert_array_equal(landmarks.refine(outside, logits), outside)


# -- film measures ---------------------------------------------------------------------------------


def scenery(size=(640, 480), seed=0):
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 255, (size[1] // 8, size[0] // 8, 3), dtype=np.uint8)
    return cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC)


def shifted(image, dx, dy, scale=1.0, turn=0.0):
    """The image as a camera sees it that moved: p' = c + s R (p - c) + d."""
    centre = (np.array(image.shape[1::-1]) - 1) / 2
    matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    offset = centre - matrix @ centre + (dx, dy)
    return cv2.warpAffine(
        image, np.column_stack([matrix, offset]), image.shape[1::-1], borderMode=cv2.BORDER_REFLECT
    )


@pytest.mark.parametrize(
    ("dx", "dy", "scale", "turn"),
    [(0, 0, 1, 0), (6, -4, 1, 0), (0.8, 0.5, 1, 0), (0, 0, 1.02, 0), (3, 2, 0.99, 0.02)],
)
def test_planted_camera_motion_is_found(dx, dy, scale, turn):
    meter, image = FilmMeter(), scenery()
    first = meter(image, None)
    assert (first["camera_dx"], first["camera_scale"]) == (0.0, 1.0)
    second = meter(shifted(image, dx, dy, scale, turn), None)
    assert second["camera_dx"] == pytest.approx(dx, abs=0.15)
    assert second["camera_dy"] == pytest.approx(dy, abs=0.15)
    assert second["camera_scale"] == pytest.approx(scale, abs=5e-4)
    assert second["camera_rotation"] == pytest.approx(turn, abs=5e-4)


def test_a_moving_body_is_not_camera_motion():
    image, body = scenery(), scenery(size=(200, 260), seed=1)
    box = np.array([200.0, 100.0, 400.0, 360.0])
    meter = FilmMeter()
    for shift in (0, 8):
        frame = image.copy()
        frame[100 + shift : 360 + shift, 200:400] = body
        measures = meter(frame, box + np.array([0, shift, 0, shift]))
    assert measures["camera_dy"] == pytest.approx(0, abs=0.1)


def test_corners_are_followed_through_a_pan_and_not_into_a_body():
    """A pan of 3 px a picture, and a body that comes in over corners already followed."""
    image = scenery(size=(900, 480))
    body = scenery(size=(152, 304), seed=1)[:300, :150]
    meter, sums = FilmMeter(), []
    for number in range(14):
        frame = image[:, 3 * number : 3 * number + 640].copy()
        left = 490 - 25 * number  # against the pan
        frame[100:400, left : left + 150] = body
        measures = meter(frame, np.array([left, 100.0, left + 150, 400.0]))
        sums.append((measures["camera_dx"], measures["camera_dy"]))
    np.testing.assert_allclose(sums[1:], np.tile([-3.0, 0.0], (13, 1)), atol=0.1)


def test_a_plain_background_says_nothing_of_the_camera():
    meter = FilmMeter()
    plain = np.full((240, 320, 3), 77, np.uint8)
    meter(plain, None)
    measures = meter(plain, None)
    assert np.isnan(measures["camera_dx"])
    assert measures["brightness"] == pytest.approx(77, abs=1)
    assert measures["sharpness"] == 0


def test_blur_lowers_sharpness_at_any_size():
    sharp, soft = scenery(), cv2.GaussianBlur(scenery(), (0, 0), 6)
    assert FilmMeter()(sharp, None)["sharpness"] > 5 * FilmMeter()(soft, None)["sharpness"]
    large = cv2.resize(sharp, (1280, 960), interpolation=cv2.INTER_CUBIC)
    same = FilmMeter()(large, None)["sharpness"] / FilmMeter()(sharp, None)["sharpness"]
    assert 0.5 < same < 2


# -- plausibility ----------------------------------------------------------------------------------

COCO = load_skeleton("coco17")


def body(frames=60, fps=30.0):
    """A body of 200 px that swings its arms."""
    rng = np.random.default_rng(1)
    base = rng.uniform(150, 350, (17, 2))
    time = np.arange(frames) / fps
    xy = np.repeat(base[None], frames, axis=0)
    xy[:, COCO.rows("left_wrist")] += 10 * np.sin(2 * np.pi * 1.5 * time)[:, None, None]
    return xy, np.full((frames, 17), 0.9), time, np.full(frames, 200.0)


def test_a_possible_body_is_believed():
    xy, confidence, time, size = body()
    np.testing.assert_array_equal(doubt(xy, confidence, time, size, (500, 500), COCO), confidence)


def test_a_bone_too_long_a_jump_and_a_joint_outside():
    xy, confidence, time, size = body()
    wrist, elbow, knee, nose = (
        COCO.rows(n)[0] for n in ("left_wrist", "left_elbow", "right_knee", "nose")
    )
    length = np.hypot(*(xy[:, wrist] - xy[:, elbow]).T).max()
    away = (xy[20, wrist] - xy[20, elbow]) / np.hypot(*(xy[20, wrist] - xy[20, elbow]))
    xy[20:26, wrist] = xy[20:26, elbow] + 1.8 * length * away
    xy[40, nose] += 90
    xy[50, knee] = (520, 100)
    lowered = doubt(xy, confidence, time, size, (500, 500), COCO)
    assert (lowered[20:26, wrist] < 0.1).all()
    assert lowered[40, nose] < 0.1
    assert lowered[50, knee] == 0
    assert lowered[39, nose] == lowered[41, nose] == 0.9
    assert (lowered < 0.9).sum() <= 6 + 1 + 1 + 1


def test_a_fast_kick_is_believed():
    """An ankle that moves by half the body's size within 0.3 s, as infants do."""
    xy, confidence, time, size = body()
    ankle = COCO.rows("left_ankle")[0]
    xy[:, ankle, 0] += 100 * np.clip((time - 1.0) / 0.3, 0, 1)
    lowered = doubt(xy, confidence, time, size, (900, 900), COCO)
    assert (lowered[:, ankle] == 0.9).mean() > 0.95


def test_missing_joints_stay_missing():
    xy, confidence, time, size = body()
    xy[10:20], confidence[10:20], size[10:20] = np.nan, 0, np.nan
    lowered = doubt(xy, confidence, time, size, (500, 500), COCO)
    assert (lowered[10:20] == 0).all()
    assert (lowered[:8] == 0.9).all()
