"""The real models on a photograph of a person; skipped where weights or photograph are missing."""

import sys

import numpy as np
import pytest
from films import film

from fidgety.pose.estimators import estimate

cv2 = pytest.importorskip("cv2")


@pytest.fixture(scope="module")
def photo():
    return pytest.importorskip("skimage.data").astronaut()


def placed(photo, degrees=0.0, x=320.0, y=180.0, height=300, size=(640, 360)):
    """The photograph turned, scaled and set on a grey ground; and the matrix that did it."""
    side = photo.shape[0]
    matrix = cv2.getRotationMatrix2D(((side - 1) / 2,) * 2, degrees, height / side)
    matrix[:, 2] += (x - (side - 1) / 2, y - (side - 1) / 2)
    options = {"flags": cv2.INTER_AREA, "borderValue": (120, 120, 120)}
    return cv2.warpAffine(photo, matrix, size, **options), matrix


@pytest.mark.slow
def test_a_swinging_person_is_followed(weights, photo, tmp_path):
    time = np.arange(50) / 25
    shifts = 12 * np.sin(2 * np.pi * 1.5 * time)
    images = [placed(photo, x=320 + s)[0] for s in shifts]
    pose = estimate(film(tmp_path / "a.mp4", images))
    assert pose.skeleton.name == "blazepose33"
    nose = pose.xy[:, pose.skeleton.index["nose"]]
    assert np.isfinite(nose).all()
    np.testing.assert_allclose(nose[:, 0] - nose[:, 0].mean(), shifts - shifts.mean(), atol=4)
    waves = np.abs(np.fft.rfft(nose[:, 0] - nose[:, 0].mean()))
    assert np.fft.rfftfreq(50, 1 / 25)[waves.argmax()] == pytest.approx(1.5, abs=0.01)
    assert (pose.film["people"] == 1).all()
    assert "mediapipe" not in sys.modules


@pytest.mark.slow
@pytest.mark.parametrize("degrees", [90, 210])
def test_any_orientation_and_small(weights, photo, tmp_path, degrees):
    image, matrix = placed(photo, degrees, x=420, y=200, height=150)
    pose = estimate(film(tmp_path / "a.mp4", [image] * 5))
    eyes = pose.xy[-1, pose.skeleton.rows("right_eye", "left_eye")]
    back = (eyes - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
    np.testing.assert_allclose(back, [[208, 113], [246, 112]], atol=14)


@pytest.mark.slow
def test_two_people_are_counted_and_never_mixed(weights, photo, tmp_path):
    small, _ = placed(photo, x=140, y=230, height=180)
    large, _ = placed(photo[:, ::-1], x=450, y=180, height=330)
    image = np.where(np.arange(640)[None, :, None] < 260, small, large)
    pose = estimate(film(tmp_path / "a.mp4", [image] * 30))
    head = pose.xy[:, pose.skeleton.rows("nose", "left_eye", "right_eye", "left_ear")]
    assert (head[..., 0] < 260).all()
    assert (pose.film["people"] == 2).all()
    other = estimate(film(tmp_path / "b.mp4", [image] * 5), region=(280, 0, 360, 500))
    assert (other.xy[-1, 0, 0] > 300).all()
