"""HDF5 is taken apart elsewhere, within limits: what asks for too much is one refused file."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from posed_bodies import pose_in

from fidgety.errors import PoseError
from fidgety.pose import formats
from fidgety.pose.formats import hdf5_apart, hdf5_reading

h5py = pytest.importorskip("h5py")
pytest.importorskip("movement")
PROC = Path("/proc/self/status").exists()
needs_limits = pytest.mark.skipif(not PROC, reason="limits on memory need Linux")


def peak(pid: int) -> int:
    """Most bytes that a process has had in memory."""
    told = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", told)[1]) << 10  # type: ignore[index]


def reader() -> int:
    """The process apart, having read something: its number."""
    assert hdf5_apart._reader is not None
    return hdf5_apart._reader.process.pid


@pytest.fixture
def nwb(tmp_path) -> Path:
    return formats.write(pose_in("coco17"), tmp_path / "a.nwb", format="nwb")


@needs_limits
def test_texts_that_say_they_are_four_gigabytes_long(nwb):
    assert len(formats.read(nwb)) == 30
    before = peak(reader())
    raw = bytearray(nwb.read_bytes())
    for heap in re.finditer(b"GCOL", bytes(raw)):
        for place in re.finditer(re.escape(struct.pack("<Q", heap.start())), bytes(raw)):
            raw[place.start() - 4 : place.start()] = b"\xff" * 4
    nwb.write_bytes(raw)
    with pytest.raises(PoseError, match=r"E3(34|46)"):
        formats.read(nwb, format="nwb")
    assert peak(reader()) < before + hdf5_reading.ROOM


def zeros(gigabytes: int) -> bytes:
    """A stream that unpacks to so much, made without packing so much."""
    packer = zlib.compressobj(1)
    head = packer.compress(b"\0") + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(16 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + block * (64 * gigabytes) + packer.flush()


@needs_limits
def test_a_piece_that_unpacks_to_gigabytes(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["node_names"] = np.array([b"nose"])
        piece = file.create_dataset("tracks", (1, 2, 1, 100), "f8", chunks=(1, 2, 1, 100),
                                    compression="gzip")  # fmt: skip
        piece.id.write_direct_chunk((0, 0, 0, 0), zeros(3))
    assert path.stat().st_size < 16 << 20
    with pytest.raises(PoseError, match=r"E3(34|46)"):
        formats.read(path, format="sleap", fps=25)
    assert peak(reader()) < 1 << 30


def announcing(path: Path, shape: tuple[int, ...], chunks: tuple[int, ...]) -> Path:
    with h5py.File(path, "w") as file:
        file["node_names"] = np.array([b"nose"])
        file.create_dataset("tracks", shape, "f8", chunks=chunks, maxshape=[None] * len(shape))
    return path


@pytest.mark.parametrize(
    ("shape", "chunks"),
    [((10**7, 10**3), (64, 64)), ((10**5, 10**3), (64, 64)), ((1, 1), (10**4, 10**4))],
)
def test_numbers_and_pieces_beyond_what_lies_there(tmp_path, shape, chunks):
    path = announcing(tmp_path / "a.h5", shape, chunks)
    for name in ("sleap", "nwb", "deeplabcut-h5"):
        with pytest.raises(PoseError, match=r"E334.*GiB of numbers in 0.0 MiB"):
            formats.read(path, format=name, fps=25)


def test_films_that_a_file_names_are_not_opened(tmp_path, monkeypatch):
    sleap_io = pytest.importorskip("sleap_io")
    nodes = [sleap_io.Node(name) for name in pose_in("coco17").skeleton.joints]
    skeleton, film = sleap_io.Skeleton(nodes), sleap_io.Video(filename="/dev/zero")
    track = sleap_io.Track("infant")
    frames = [
        sleap_io.LabeledFrame(film, k, [sleap_io.PredictedInstance.from_numpy(
            points, skeleton, point_scores=np.full(17, 0.9), score=0.9, track=track)])
        for k, points in enumerate(pose_in("coco17").xy)
    ]  # fmt: skip
    path = tmp_path / "a.slp"
    sleap_io.save_slp(sleap_io.Labels(frames), str(path), verbose=False)
    assert len(formats.read(path, fps=25)) == 30

    def opened(*_, **__):
        raise AssertionError("a film was opened")

    hdf5_reading.interop_library("movement.io")
    monkeypatch.setattr(sleap_io.model.video.VideoBackend, "from_filename", opened)
    monkeypatch.setattr(sleap_io.Video, "open", opened)
    words, (position, _, _) = hdf5_reading.dataset(path, "SLEAP", 25.0)
    assert (words["individuals"], position.shape) == (["infant"], (1, 30, 17, 2))


def test_a_reader_that_dies_is_one_refused_file_and_the_next_is_read(nwb, monkeypatch):
    first = formats.read(nwb)
    with monkeypatch.context() as patch:
        patch.setattr(hdf5_apart, "WALL_S", 0.0)  # killed at once
        with pytest.raises(PoseError, match=r"E334.*more memory or time"):
            formats.read(nwb, format="nwb")
    np.testing.assert_array_equal(formats.read(nwb).xy, first.xy)


@pytest.mark.parametrize("head", [b"\xff" * 8, struct.pack("<Q", 2) + b"[]", b"\0" * 4])
def test_answers_that_no_reader_gives(nwb, head, monkeypatch):
    code = f"import sys; sys.stdin.readline(); sys.stdout.buffer.write({head!r})"
    begin = hdf5_apart.subprocess.Popen
    monkeypatch.setattr(
        hdf5_apart.subprocess,
        "Popen",
        lambda command, **more: begin([command[0], "-c", code], **more),
    )
    hdf5_apart.close()
    try:
        with pytest.raises(PoseError, match="E334"):
            formats.read(nwb, format="nwb")
    finally:
        hdf5_apart.close()


FORKED = """
import os, sys
from pathlib import Path
from fidgety.pose.formats import hdf5_apart
path = Path(sys.argv[1])
assert hdf5_apart.ask("kind", path)[0] == {"kind": "nwb"}
first = hdf5_apart._reader.process.pid
if (forked := os.fork()) == 0:
    hdf5_apart.ask("kind", path)
    assert hdf5_apart._reader.process.pid != first
    sys.exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(forked, 0)[1]) == 7
assert hdf5_apart.ask("kind", path)[0] == {"kind": "nwb"}
assert hdf5_apart._reader.process.pid == first
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing is forked here")
def test_a_forked_process_has_a_reader_of_its_own(tmp_path):
    path = tmp_path / "a.nwb"
    with h5py.File(path, "w") as file:
        file.attrs["nwb_version"] = "2"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORKED, path], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
