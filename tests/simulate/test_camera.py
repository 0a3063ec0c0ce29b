import numpy as np
import pytest

from fidgety.errors import ConfigError
from fidgety.simulate.camera import Camera, CameraConfig, draw_camera, project, shake, sway_of

DOWN = Camera(
    size=(640, 480),
    focal_px=600.0,
    center=np.array([0.0, 0.0, 6.0]),
    axes=np.array([[1.0, 0, 0], [0, -1.0, 0], [0, 0, -1.0]]),
    handheld=True,
)
TURN = np.radians(1.5)


def test_pinhole():
    points = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 0, 2]])
    seen = project(points, DOWN)
    assert seen == pytest.approx(np.array([[320, 240], [420, 240], [320, 140], [470, 240]]))


def test_cameras_look_down_on_the_belly():
    rng = np.random.default_rng(0)
    config = CameraConfig(tilt_deg=10, filling=(0.25, 0.25))
    for _ in range(50):
        camera = draw_camera(config, rng)
        assert camera.axes @ camera.axes.T == pytest.approx(np.eye(3), abs=1e-12)
        assert np.linalg.det(camera.axes) == pytest.approx(1.0)
        assert np.degrees(np.arccos(-camera.axes[2, 2])) <= 10 + 1e-6
        ends = project(np.array([[0.0, 0, 0], [0.0, 1, 0]]), camera)
        trunk = np.linalg.norm(ends[1] - ends[0]) / min(camera.size)
        assert trunk == pytest.approx(0.25, rel=0.1)
        assert np.abs(ends.mean(axis=0) - np.array(camera.size) / 2).max() < 0.2 * min(camera.size)


def test_every_orientation_occurs():
    rng = np.random.default_rng(1)
    angles = []
    for _ in range(200):
        hips, neck = project(np.array([[0.0, 0, 0], [0.0, 1, 0]]), draw_camera(CameraConfig(), rng))
        angles.append(np.arctan2(*(neck - hips)))
    counts, _ = np.histogram(angles, bins=4, range=(-np.pi, np.pi))
    assert counts.min() > 25
    upright = draw_camera(CameraConfig(turned_deg=0, tilt_deg=0), rng)
    hips, neck = project(np.array([[0.0, 0, 0], [0.0, 1, 0]]), upright)
    assert neck[0] == pytest.approx(hips[0])
    assert neck[1] < hips[1]


def shaken(xy, wobble, camera=DOWN, config=None):
    return shake(
        xy, sway_of(np.array([wobble], dtype=float), camera, config or CameraConfig(), 100.0)
    )


def test_shake_moves_the_whole_image():
    config = CameraConfig(sway=0.05, zoom=0.0)
    xy = np.array([[[320.0, 240.0], [420.0, 240.0]]])
    assert shaken(xy, [0, 0, 0, 0], config=config) == pytest.approx(xy)
    moved = shaken(xy, [1.0, -2.0, 0.0, 0.0], config=config)
    assert moved - xy == pytest.approx(np.broadcast_to([5.0, -10.0], xy.shape))
    zoomed = shaken(xy, [0.0, 0.0, 1.0, 0.0], config=CameraConfig(zoom=0.1))
    assert zoomed[0, 1, 0] - 320 == pytest.approx(100 * np.exp(0.1))
    turned = shaken(xy, [0, 0, 0, 1.0], config=config)
    assert turned[0, 1] == pytest.approx([320 + 100 * np.cos(TURN), 240 + 100 * np.sin(TURN)])


def test_a_tripod_does_not_shake():
    tripod = Camera(DOWN.size, DOWN.focal_px, DOWN.center, DOWN.axes, handheld=False)
    xy = np.array([[[320.0, 240.0]]])
    assert np.array_equal(shaken(xy, [1, 1, 1, 1], tripod), xy)


@pytest.mark.parametrize(
    "wrong", [{"distance": (1.0, 8.0)}, {"tilt_deg": 80}, {"filling": (0.3, 0.2)}, {"sway": -1.0}]
)
def test_impossible_cameras_are_refused(wrong):
    with pytest.raises(ConfigError, match="E702"):
        CameraConfig(**wrong)
