"""NWB, SLEAP and DeepLabCut HDF5, through the extra `interop`; and what is said without it."""

from __future__ import annotations

import importlib.util
import sys
import warnings

import numpy as np
import pytest
from posed_bodies import pose_in

from fidgety.errors import PoseError
from fidgety.pose import formats
from fidgety.pose.formats import interop

HAVE_MOVEMENT = importlib.util.find_spec("movement") is not None
needs_movement = pytest.mark.skipif(not HAVE_MOVEMENT, reason="needs the extra interop")


def test_the_missing_extra_is_named(tmp_path, monkeypatch):
    for name in ("h5py", "pynwb", "movement", "movement.io"):
        monkeypatch.setitem(sys.modules, name, None)
    path = tmp_path / "a.h5"
    path.write_bytes(interop.HDF5 + b"\0" * 100)
    for name in ("auto", "nwb", "sleap", "deeplabcut-h5"):
        with pytest.raises(PoseError, match=r"E343 .*pip install 'fidgety\[interop\]'"):
            formats.read(path, fps=30, format=name)
    with pytest.raises(PoseError, match="E343"):
        formats.write(pose_in("body25"), tmp_path / "b.nwb", format="nwb")
    assert not (tmp_path / "b.nwb").exists()


@needs_movement
@pytest.mark.parametrize("layout", ["openpose18", "blazepose33"])
def test_nwb_round_trip_keeps_uneven_times(tmp_path, layout):
    pose = pose_in(layout, 2, 20, missing=0.1)
    time = np.cumsum(np.random.default_rng(0).uniform(0.02, 0.05, 20))
    pose = pose.then("x", time=time)
    path = formats.write(pose, tmp_path / "a.nwb", format="nwb")
    assert formats.recognise(path) == "nwb"
    back = formats.read(path).to_skeleton(layout)
    np.testing.assert_array_equal(back.xy, pose.xy)
    np.testing.assert_array_equal(back.confidence, pose.confidence)
    np.testing.assert_array_equal(back.time, time)


def dataset(pose, individuals=("infant",)):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from movement.io import load_poses

        return load_poses.from_numpy(
            position_array=np.repeat(pose.xy.transpose(0, 2, 1)[..., None], len(individuals), 3),
            confidence_array=np.repeat(pose.confidence[..., None], len(individuals), 2),
            individual_names=list(individuals),
            keypoint_names=list(pose.skeleton.joints),
            fps=25,
        )


@needs_movement
@pytest.mark.parametrize(
    ("writer", "file", "name"),
    [
        ("to_dlc_file", "a.h5", "deeplabcut-h5"),
        ("to_dlc_file", "a.csv", "deeplabcut"),
        ("to_sleap_analysis_file", "b.h5", "sleap"),
        ("to_lp_file", "c.csv", "deeplabcut"),
    ],
)
def test_files_that_movement_writes(tmp_path, writer, file, name):
    pose = pose_in("coco17", 3, 20)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from movement.io import save_poses

        more = {"split_individuals": False} if writer == "to_dlc_file" else {}
        getattr(save_poses, writer)(dataset(pose), tmp_path / file, **more)
    path = next(tmp_path.iterdir())
    assert formats.recognise(path) == name
    back = formats.read(path, fps=25)
    assert back.skeleton.name == "coco17"
    np.testing.assert_allclose(back.xy, pose.xy, rtol=1e-6)
    np.testing.assert_allclose(back.time, pose.time)
    with pytest.raises(PoseError, match="E316"):
        formats.read(path)


@needs_movement
def test_several_individuals_are_asked_for(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from movement.io import save_poses

        save_poses.to_sleap_analysis_file(
            dataset(pose_in("coco17"), ("carer", "infant")), tmp_path / "a.h5"
        )
    with pytest.raises(PoseError, match=r"E338 .* it holds carer, infant"):
        formats.read(tmp_path / "a.h5", fps=25)
    assert len(formats.read(tmp_path / "a.h5", fps=25, individual="infant")) == 30


@needs_movement
def test_damaged_files(tmp_path):
    path = tmp_path / "a.nwb"
    path.write_bytes(interop.HDF5 + b"\0" * 100)
    with pytest.raises(PoseError, match="E334"):
        formats.read(path)
