"""Feature arrays: channel maps, and every refusal before anything is allocated."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from fidgety.errors import FidgetyError, PoseError
from fidgety.pose.formats import CHANNEL_MAPS, read_sequence
from fidgety.pose.formats.sequences import CHANNELS


def test_seven_channels_are_read_as_they_are(tmp_path):
    values = np.random.default_rng(0).normal(size=(7, 20, 18))
    values[:, 3, 2] = np.nan
    np.save(tmp_path / "raw_skel.npy", values)
    read, names = read_sequence(tmp_path / "raw_skel.npy")
    np.testing.assert_array_equal(read, values)
    assert names == CHANNELS
    assert names == tuple(CHANNEL_MAPS["stam7"])


def test_the_channels_are_those_of_the_features():
    features = pytest.importorskip("fidgety.motion.features")
    assert features.CHANNELS == CHANNELS


def test_the_toy_set_of_the_paper_is_mapped_past_its_overwritten_rows(tmp_path):
    """vx stands where smoothed vy should be: our velocity y must come from vy_raw."""
    theirs = "x y dx dy vx_raw vy_raw vx vx dvx dvy ax_raw ay_raw ax ay ax2 ay2 displacement"
    rows = [*theirs.split(), "speed_raw", "speed"]
    values = np.arange(19.0)[:, None, None] * np.ones((19, 5, 18))
    np.save(tmp_path / "a.npy", values)
    read, _ = read_sequence(tmp_path / "a.npy", "stam-toy19")
    picked = [rows[int(row)] for row in read[:, 0, 0]]
    assert picked == ["x", "y", "vx_raw", "vy_raw", "ax_raw", "ay_raw", "displacement"]


def test_a_map_of_ones_own_and_other_number_types(tmp_path):
    values = np.random.default_rng(0).integers(0, 9, (8, 4, 17)).astype(np.int16)
    np.save(tmp_path / "a.npy", np.asfortranarray(values))
    own = {channel: 7 - row for row, channel in enumerate(CHANNELS)}
    read, _ = read_sequence(tmp_path / "a.npy", own)
    assert read.dtype == np.float64
    np.testing.assert_array_equal(read, values[::-1][:7])


@pytest.mark.parametrize(
    ("array", "channels", "code"),
    [
        (np.zeros((19, 5, 18)), None, "E351"),
        (np.zeros((6, 5, 18)), None, "E351"),
        (np.zeros((7, 5, 18)), "stam-toy19", "E355"),
        (np.zeros((7, 5, 18)), "unknown", "E355"),
        (np.zeros((7, 5, 18)), {"x": 0}, "E355"),
        (np.zeros((7, 5, 18)), dict.fromkeys(CHANNELS, -1), "E355"),
        (np.zeros((7, 5)), None, "E352"),
        (np.zeros((7, 0, 18)), None, "E352"),
        (np.full((7, 5, 18), np.inf), None, "E354"),
        (np.zeros((7, 5, 18), dtype=complex), None, "E350"),
        (np.full((7, 5, 18), "a"), None, "E350"),
    ],
)
def test_refusals(tmp_path, array, channels, code):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(PoseError) as caught:
        read_sequence(tmp_path / "a.npy", channels)
    assert caught.value.code == code


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "a.npy"
    with pytest.raises(FidgetyError, match="E504"):
        read_sequence(path)
    np.save(path, np.zeros((7, 50, 18)))
    whole = path.read_bytes()
    for raw in (b"", b"no array", whole[:200], whole[:40], whole + b"more"):
        path.write_bytes(raw)
        with pytest.raises(PoseError, match="E350"):
            read_sequence(path)


def test_objects_are_never_unpickled(tmp_path):
    mark = tmp_path / "mark"

    class Trap:
        def __reduce__(self):
            return open, (str(mark), "w")

    np.save(tmp_path / "a.npy", np.full((7, 1, 1), Trap(), dtype=object), allow_pickle=True)
    with pytest.raises(PoseError, match="E350"):
        read_sequence(tmp_path / "a.npy")
    (tmp_path / "b.npy").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(PoseError, match="E350"):
        read_sequence(tmp_path / "b.npy")
    assert not mark.exists()


def test_a_header_that_promises_terabytes_is_refused_unallocated(tmp_path):
    path = tmp_path / "a.npy"
    for shape in ((7, 10**9, 10**3), (7, 10**30, 18)):
        header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
        path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode())
        with pytest.raises(PoseError, match="E353"):
            read_sequence(path)
