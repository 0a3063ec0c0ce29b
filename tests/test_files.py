"""Files are whole or not there, whatever the disk does."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fidgety.errors import FileError
from fidgety.files import existing, file_error, make_folder, whole_file, write_json, write_text
from fidgety.pose.pose import Pose


def contents(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@pytest.fixture
def full_disk(monkeypatch):
    """The disk fills up while a file is flushed to it."""

    def no_space(_handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)


def a_pose() -> Pose:
    return Pose.at_fps(np.ones((3000, 18, 2)), np.ones((3000, 18)), 30, "openpose18")


def test_a_file_is_written_with_its_folders(tmp_path):
    path = tmp_path / "a" / "b" / "c.txt"
    assert write_text(path, "ä\n") == path
    assert path.read_bytes() == "ä\n".encode()
    assert contents(path.parent) == ["c.txt"]


def test_the_draft_ends_like_the_file_and_lies_beside_it(tmp_path):
    with whole_file(tmp_path / "x.tar.parquet") as draft:
        assert draft.parent == tmp_path
        assert draft.suffix == ".parquet"
        assert draft.name.startswith(".")
        draft.write_text("1")
    assert contents(tmp_path) == ["x.tar.parquet"]


@pytest.mark.skipif(os.name != "posix", reason="folders cannot be flushed elsewhere")
def test_a_rename_and_new_folders_are_flushed_too(tmp_path, monkeypatch):
    flushed, flush = [], os.fsync

    def seen(handle):
        flushed.append(os.fstat(handle).st_ino)
        flush(handle)

    monkeypatch.setattr(os, "fsync", seen)
    path = write_text(tmp_path / "a" / "b" / "c.txt", "1")
    order = [tmp_path, path.parent.parent, path, path.parent]
    assert flushed == [place.stat().st_ino for place in order]


@pytest.mark.skipif(os.name != "posix", reason="folders cannot be flushed elsewhere")
def test_a_disk_that_cannot_flush_folders_is_written_to_all_the_same(tmp_path, monkeypatch):
    flush = os.fsync

    def refuses_folders(handle):
        if os.path.isdir(f"/proc/self/fd/{handle}"):  # noqa: PTH112 - a link of the system's
            raise OSError(errno.EINVAL, "Invalid argument")
        flush(handle)

    monkeypatch.setattr(os, "fsync", refuses_folders)
    assert write_text(tmp_path / "a" / "c.txt", "1").read_text() == "1"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_an_interrupted_write_leaves_the_old_file_and_no_draft(tmp_path, error):
    path = write_text(tmp_path / "x.txt", "old")

    def interrupted() -> None:
        with whole_file(path) as draft:
            draft.write_text("half")
            raise error

    with pytest.raises(error):
        interrupted()
    assert path.read_text() == "old"
    assert contents(tmp_path) == ["x.txt"]


def test_a_full_disk_leaves_the_old_file_and_no_draft(tmp_path, full_disk):
    path = tmp_path / "x.txt"
    path.write_text("old")
    with pytest.raises(FileError, match=r"E501.*x\.txt.*Free some space"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert contents(tmp_path) == ["x.txt"]


def test_a_pose_on_a_full_disk_leaves_nothing(tmp_path, full_disk):
    with pytest.raises(FileError, match="E501"):
        a_pose().save(tmp_path / "p.parquet")
    assert contents(tmp_path) == []


@pytest.fixture
def tiny_disk(tmp_path):
    """A real file system of 64 KiB; skips where this user may not mount one."""
    place = tmp_path / "tiny"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    try:
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("may not mount a tmpfs")
    except FileNotFoundError:
        pytest.skip("no mount command")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_is_really_full(tiny_disk):
    kept = write_text(tiny_disk / "kept.txt", "small")
    rng = np.random.default_rng(0)
    large = Pose.at_fps(rng.random((5000, 18, 2)), np.ones((5000, 18)), 30, "openpose18")
    for write in (
        lambda: large.save(tiny_disk / "p.parquet"),
        lambda: write_text(tiny_disk / "t.txt", "x" * 200_000),
        lambda: write_text(kept, "x" * 200_000),
    ):
        with pytest.raises(FileError, match="E501"):
            write()
        assert contents(tiny_disk) == ["kept.txt"]
        assert kept.read_text() == "small"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_device_that_is_always_full(tmp_path):
    with pytest.raises(FileError, match="E501"), whole_file(tmp_path / "x.txt"):
        Path("/dev/full").write_text("x" * 100)
    assert contents(tmp_path) == []


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_a_read_only_folder(tmp_path, monkeypatch, code):
    def refused(*_args, **_kwargs):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(FileError, match=r"E502.*Choose a folder"):
        write_text(tmp_path / "x.txt", "new")
    monkeypatch.undo()
    assert contents(tmp_path) == []


@pytest.mark.skipif(
    os.name != "posix" or os.geteuid() == 0, reason="the superuser may write everywhere"
)
def test_a_folder_that_is_really_read_only(tmp_path):
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(FileError, match="E502"):
            a_pose().save(tmp_path / "p.parquet")
        with pytest.raises(FileError, match="E502"):
            make_folder(tmp_path / "new")
    finally:
        tmp_path.chmod(0o755)


def test_a_file_where_a_folder_should_be(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="E503"):
        write_text(tmp_path / "file" / "x.txt", "new")
    with pytest.raises(FileError, match="E503"):
        make_folder(tmp_path / "file")


def test_a_folder_where_a_file_should_be(tmp_path):
    (tmp_path / "x.txt").mkdir()
    with pytest.raises(FileError, match="E503"):
        write_text(tmp_path / "x.txt", "new")
    assert contents(tmp_path) == ["x.txt"]


def test_a_block_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(FileError, match="E503"), whole_file(tmp_path / "x.txt"):
        pass
    assert contents(tmp_path) == []


def test_file_errors_inside_keep_their_own_code(tmp_path):
    with pytest.raises(FileError, match=r"E504.*other"), whole_file(tmp_path / "x.txt"):
        existing(tmp_path / "other")


def test_the_longest_name_the_system_allows(tmp_path):
    name = "n" * 251 + ".txt"
    assert write_text(tmp_path / name, "1").read_text() == "1"
    with pytest.raises(FileError, match="E503"):
        write_text(tmp_path / ("n" * 300), "1")


def test_json_is_strict_and_keeps_letters(tmp_path):
    path = write_json(tmp_path / "x.json", {"name": "Zoë", "n": 1.5})
    assert "Zoë" in path.read_text("utf-8")
    with pytest.raises(ValueError, match=r"NaN|JSON"):
        write_json(path, {"n": float("nan")})
    assert json.loads(path.read_text("utf-8")) == {"name": "Zoë", "n": 1.5}


def test_file_names_that_are_no_utf8_can_be_written_down(tmp_path):
    odd = os.fsdecode(b"film\xff.mp4")
    path = write_json(tmp_path / "x.json", {"input": odd})
    assert json.loads(path.read_text("utf-8")) == {"input": odd}


def test_existing(tmp_path):
    assert existing(str(tmp_path)) == tmp_path
    with pytest.raises(FileError, match=r"E504 No such video \(.*nowhere.mp4\)"):
        existing(tmp_path / "nowhere.mp4", "video")
    with pytest.raises(FileError, match=r"E50[34]"):
        existing("n" * 5000)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "E501"),
        (errno.EDQUOT, "E501"),
        (errno.EACCES, "E502"),
        (errno.EROFS, "E502"),
        (errno.EIO, "E503"),
        (None, "E503"),
    ],
)
def test_system_errors_are_told_apart(number, code):
    error = OSError(number, "It broke") if number else OSError("It broke")
    told = file_error(error, "x.txt")
    assert told.code == code
    assert "x.txt" in str(told)
    assert isinstance(told, OSError)


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_a_killed_process_never_leaves_half_a_file_under_its_name(tmp_path):
    path = write_text(tmp_path / "x.txt", "old")
    code = (
        "import sys, time\nfrom fidgety.files import whole_file\n"
        f"with whole_file({str(path)!r}) as draft:\n"
        "    draft.write_text('half'); print('writing', flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"writing\n"
        writer.send_signal(signal.SIGKILL)
        writer.wait(10)
    assert path.read_text() == "old"
    assert all(name.startswith(".") for name in contents(tmp_path) if name != "x.txt")
