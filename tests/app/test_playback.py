"""Each picture of the copy and the joints laid over it are of the same frame of the film."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from films import film
from hypothesis import given
from hypothesis import strategies as st
from review_store import counting_film, pose_of_counter

from fidgety.app.playback import (
    MISSING,
    UNITS,
    picture_rows,
    rate_of,
    write_film,
    write_joints,
)
from fidgety.app.sample import SAMPLE, draw_infant, simulate_sample
from fidgety.pose.encode import at_constant_rate
from fidgety.pose.pose import Pose
from fidgety.pose.skeleton import load_skeleton
from fidgety.pose.video import Frame, frames
from fidgety.report.svg import cividis

STEPS = st.lists(st.floats(0.004, 0.3), min_size=1, max_size=60)


@given(STEPS, st.sampled_from([10.0, 24.0, 25.0, 30.0, 59.94, 60.0]))
def test_rows_are_those_of_the_pictures(steps: list[float], fps: float) -> None:
    time = np.concatenate([[0.0], np.cumsum(steps)])
    film_of_numbers = (Frame(float(t), np.full((1, 1, 3), k)) for k, t in enumerate(time))
    shown = [int(frame.image[0, 0, 0]) for frame in at_constant_rate(film_of_numbers, fps)]
    assert picture_rows(time, fps).tolist() == shown


def test_joints_of_a_variable_rate_film(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    times = np.concatenate([[0.0], np.cumsum(rng.choice([0.02, 0.04, 0.08], 19))]).round(3)
    light = np.linspace(10, 245, 20).astype(np.uint8)
    images = [np.full((64, 96, 3), value, np.uint8) for value in light]
    source = film(tmp_path / "vfr.mp4", images, times)
    seen = [frame.time_s for frame in frames(source)]
    xy = np.repeat(np.linspace(0, 90, 20)[:, None, None], 18, axis=1).repeat(2, axis=2)
    pose = Pose(xy, np.ones((20, 18)), np.array(seen), (96, 64), load_skeleton("openpose18"))
    content = write_joints(pose, tmp_path)
    assert write_film(source, pose, tmp_path / "film.mp4", False)
    pictures = [float(frame.image.mean()) for frame in frames(tmp_path / "film.mp4")]
    assert len(pictures) == content["pictures"]
    values = np.frombuffer((tmp_path / "joints.bin").read_bytes(), "<i2", len(pictures) * 36)
    x = values.reshape(-1, 18, 2)[:, 0, 0].astype(float) * 96 / UNITS
    number = np.rint(x / (90 / 19)).astype(int)  # the frame that the joints are of
    shown = [int(np.abs(light.astype(float) - value).argmin()) for value in pictures]
    assert np.abs(number - shown).max() == 0


def test_what_was_not_seen_is_missing(tmp_path: Path) -> None:
    xy = np.full((10, 18, 2), 50.0)
    xy[3:6, 4] = np.nan
    pose = Pose.at_fps(xy, np.full((10, 18), 0.5), 25.0, "openpose18", (100, 80))
    content = write_joints(pose, tmp_path)
    raw = (tmp_path / "joints.bin").read_bytes()
    values = np.frombuffer(raw, "<i2", 360).reshape(10, 18, 2)
    confidence = np.frombuffer(raw, np.uint8, offset=720).reshape(10, 18)
    assert (values[3:6, 4] == MISSING).all()
    assert (np.delete(values, 4, axis=1) == round(50 / 100 * UNITS)).all()
    assert confidence[3:6, 4].tolist() == [0, 0, 0]
    assert confidence[0, 0] == 128
    assert content["fps"] == [25, 1]
    assert content["size"] == [100.0, 80.0]
    assert content["confidence"]["seen"][0] < 1


def test_a_pose_without_an_image_size_fits_its_own_frame(tmp_path: Path) -> None:
    xy = np.random.default_rng(0).uniform(-3, 5, (50, 18, 2))
    pose = Pose.at_fps(xy, np.ones((50, 18)), 25.0, "openpose18")
    content = write_joints(pose, tmp_path)
    values = np.frombuffer((tmp_path / "joints.bin").read_bytes(), "<i2", 50 * 36)
    assert values.min() > -UNITS * 0.2
    assert values.max() < UNITS * 1.2
    assert min(content["size"]) > 8


def test_the_copy_never_runs_faster_than_sixty(tmp_path: Path) -> None:
    pose = Pose.at_fps(np.ones((240, 18, 2)), np.ones((240, 18)), 240.0, "openpose18", (10, 10))
    assert float(rate_of(pose)) == 60.0
    assert write_joints(pose, tmp_path)["pictures"] == pytest.approx(60, abs=1)


def test_the_face_is_hidden_or_the_view_is_not_offered(tmp_path: Path) -> None:
    source = counting_film(tmp_path / "f.mp4", 12)
    pose = pose_of_counter(source)
    assert write_film(source, pose, tmp_path / "blurred.mp4", True)
    plain, hidden = (
        next(iter(frames(path))).image.astype(int) for path in (source, tmp_path / "blurred.mp4")
    )
    assert np.abs(plain - hidden).max() > 40
    headless = load_skeleton("openpose18")
    headless = type(headless)(
        "limbs", headless.joints, headless.bones, headless.mirror_pairs,
        {"trunk": headless.joints}, headless.center,
    )  # fmt: skip
    faceless = Pose(pose.xy, pose.confidence, pose.time, pose.size, headless)
    assert not write_film(source, faceless, tmp_path / "none.mp4", True)
    assert not (tmp_path / "none.mp4").exists()


def test_the_sample_is_drawn_where_its_pose_is(tmp_path: Path) -> None:
    recording = simulate_sample(SAMPLE | {"seconds": 2.0})
    pose = draw_infant(recording, tmp_path / "drawn.mp4")
    drawn = list(frames(tmp_path / "drawn.mp4"))
    assert len(drawn) == len(pose)
    assert pose.size == drawn[0].image.shape[1::-1]
    skin = 0
    for joint in ("right_knee", "left_knee", "right_elbow", "left_elbow", "right_wrist"):
        x, y = (
            recording.image[0, pose.skeleton.index[joint]] * pose.size[0] / recording.pose.size[0]
        )
        red, _, blue = drawn[0].image[round(y), round(x)].astype(int)
        skin += red - blue > 30  # the sheet is bluish
    assert skin == 5


def test_the_colour_map_of_the_browser_is_that_of_the_report() -> None:
    root = Path(__file__).parents[2] / "src" / "fidgety" / "app" / "static"
    steps = re.findall(r'"(#[0-9a-f]{6})"', (root / "cividis.js").read_text("utf-8"))
    assert steps == [cividis(step / 32) for step in range(33)]
    assert json.dumps(steps[0]) == '"#00224e"'
