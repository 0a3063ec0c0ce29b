"""Films of simulated infants: joints where the truth says, sway and times kept."""

from dataclasses import replace

import numpy as np
import pytest

from fidgety.errors import StudyError
from fidgety.pose.video import frames, probe
from fidgety.simulate import (
    CameraConfig,
    SimulationConfig,
    film_pictures,
    film_scale,
    simulate_infant,
    simulate_study,
    write_film,
)
from fidgety.simulate.body import SKELETON, joint_positions
from fidgety.simulate.figure import NAPPY, draw_body, draw_looks
from fidgety.simulate.film import _generator
from fidgety.simulate.solids import Canvas

pytest.importorskip("cv2")
pytest.importorskip("av")


def infant(seed=0, seconds=1.0, **camera):
    config = SimulationConfig(camera=CameraConfig(**camera))
    return simulate_infant(seed, seconds=seconds, fps=10, difficulty=config, infant_id=f"i{seed}")[
        0
    ]


@pytest.mark.parametrize("turned", [0.0, 180.0])
def test_joints_are_where_the_truth_says(turned):
    recording = infant(3, turned_deg=turned, handheld_share=0.0)
    picture = next(film_pictures(recording, 640))
    camera = recording.camera
    assert max(picture.shape[:2]) == 640
    assert picture.shape[1] / picture.shape[0] == pytest.approx(camera.size[0] / camera.size[1])
    looks = draw_looks(np.random.default_rng(0))
    scale = film_scale(recording, 640)
    middle = scale * np.array(camera.size) / 2
    canvas = Canvas(np.zeros(picture.shape, np.float32), scale * camera.focal_px, middle)
    joints = joint_positions(recording.movement.angles[:1], recording.body)[0]
    seen = (joints - camera.center) @ camera.axes.T
    draw_body(canvas, seen, looks)
    places = (recording.filmed[0] * film_scale(recording, 640)).round().astype(int)
    for joint, (x, y) in zip(SKELETON.joints, places, strict=True):
        assert np.isfinite(canvas.depth[y, x]), joint
        row = SKELETON.index[joint]
        assert canvas.depth[y, x] == pytest.approx(seen[row, 2], abs=0.45), joint


def test_a_wrist_moves_in_the_film_as_in_truth():
    recording = infant(1, seconds=2.0, handheld_share=0.0, turned_deg=0.0)
    pictures = np.stack(list(film_pictures(recording, 320))).astype(float)
    spread = pictures.mean(axis=3).std(axis=0)  # where anything moves
    path = recording.filmed * film_scale(recording, 320)
    reach = np.linalg.norm(np.ptp(path, axis=0), axis=1)
    joint = int(reach.argmax())
    x, y = path[:, joint].round().astype(int).T
    inside = (x >= 0) & (x < 320) & (y >= 0) & (y < spread.shape[0])
    assert spread[y[inside], x[inside]].mean() > 4 * np.median(spread)


def test_sway_moves_the_mat_too():
    steady = infant(2, handheld_share=0.0)
    shift = np.repeat(np.eye(2, 3)[None], len(steady.sway), axis=0)
    shift[:, 0, 2] = 30.0
    swayed = replace(steady, sway=shift)
    scale = film_scale(steady, 320)
    before, after = (next(film_pictures(r, 320)).astype(float) for r in (steady, swayed))
    by = round(30 * scale)
    assert np.abs(after[:, by:] - before[:, :-by]).mean() < 4
    assert np.abs(after - before).mean() > 4
    assert swayed.filmed[..., 0] == pytest.approx(steady.filmed[..., 0] + 30)


def test_an_infant_looks_the_same_in_all_its_recordings():
    first, second = simulate_infant(5, seconds=1, fps=10, recordings=2, infant_id="twin")
    one, two = (draw_looks(_generator(r.infant_id, 0)) for r in (first, second))
    assert np.array_equal(one.skin, two.skin)
    assert one.mat_seed == two.mat_seed
    assert draw_looks(_generator("other", 0)).mat_seed != one.mat_seed
    again = next(film_pictures(first, 128))
    assert np.array_equal(again, next(film_pictures(first, 128)))
    assert not np.array_equal(again, next(film_pictures(first, 128, seed=1)))


def test_the_nearer_solid_is_seen():
    canvas = Canvas(np.zeros((100, 100, 3), np.float32), 100.0, np.array([50.0, 50.0]))
    red, blue = np.array([200.0, 0, 0]), np.array([0, 0, 200.0])
    canvas.limb(np.array([-1.0, 0, 4]), np.array([1.0, 0, 4]), (0.2, 0.2), red)
    canvas.ellipsoid(np.array([0.0, 0, 5]), np.eye(3), np.full(3, 0.5), blue)
    assert canvas.image[50, 50, 0] > 100
    assert canvas.image[50 + 8, 50, 2] > 50  # the ball beyond the edge of the bar
    assert canvas.depth[50, 50] == pytest.approx(3.8, abs=0.02)
    canvas.limb(np.array([0.0, 0, 2]), np.array([0.0, 0, 6]), (0.1, 0.1), NAPPY)
    assert canvas.depth[50, 50] == pytest.approx(1.9, abs=0.02)  # seen end on: its near end
    assert np.isinf(canvas.depth[0, 0])
    canvas.ellipsoid(np.array([90.0, 0, 2]), np.eye(3), np.ones(3), red)  # out of the picture


def test_an_ellipsoid_keeps_its_axes():
    canvas = Canvas(np.zeros((200, 200, 3), np.float32), 100.0, np.array([100.0, 100.0]))
    turn = np.array([[0.6, 0.8, 0], [-0.8, 0.6, 0], [0, 0, 1.0]])
    canvas.ellipsoid(np.array([0.0, 0, 2]), turn, np.array([1.0, 0.3, 0.3]), NAPPY)
    rows, columns = np.nonzero(np.isfinite(canvas.depth))
    x, y = columns - 100, rows - 100
    along, across = 0.6 * x + 0.8 * y, -0.8 * x + 0.6 * y
    assert (along.max(), across.max()) == (pytest.approx(50, abs=2), pytest.approx(15, abs=2))


def test_the_film_has_the_times_of_the_pose(tmp_path):
    recording = infant(4)
    film = write_film(recording, tmp_path / "a.mp4", longest=160)
    times = [frame.time_s for frame in frames(film)]
    assert times == pytest.approx(recording.pose.time, abs=1e-6)
    assert max(probe(film).size) == 160
    assert probe(film).simulated  # so that no estimate from it is taken for a child's


def test_a_study_with_films(tmp_path):
    folder = simulate_study(tmp_path / "s", infants=2, seconds=1, fps=10, films=64)
    assert sorted(p.name for p in (folder / "films").iterdir()) == ["s0000.mp4", "s0001.mp4"]


@pytest.mark.parametrize("longest", [0, 63, 5000, 640.5])
def test_impossible_sizes_are_refused(longest, tmp_path):
    with pytest.raises(StudyError, match="E239"):
        next(film_pictures(infant(), longest))
    with pytest.raises(StudyError, match="E239"):
        simulate_study(tmp_path / "s", infants=1, seconds=1, fps=10, films=longest)
    assert not (tmp_path / "s").exists()
