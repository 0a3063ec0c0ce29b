"""Addresses of object stores: fetched, kept in step, held by one run, never trusted."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pytest

from fidgety import remote
from fidgety.claims import NOTE
from fidgety.errors import FileError
from fidgety.remote import brought, is_remote, kept, shown


@pytest.fixture
def store():
    """An object store in memory, empty before and after."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


def names(store) -> list[str]:
    return sorted(store.find("/b"))


@pytest.mark.parametrize("place", ["s3://b/x", "memory://b", "file:///x", "zip::s3://b/x.zip"])
def test_addresses(place):
    assert is_remote(place)


@pytest.mark.parametrize("place", ["a/b", "/a//b", "C:\\films", "x.mp4", "a:b", Path("s3:/b")])
def test_paths_of_this_machine(place, tmp_path):
    assert not is_remote(place)
    with brought(tmp_path) as here, kept(tmp_path) as (folder, send):
        assert (here, folder) == (tmp_path, tmp_path)
        send()


def test_what_is_printed_holds_no_keys():
    assert shown("s3://me:secret@b/x/y?token=1#f") == "s3://b/x/y"
    assert shown("films/a b.mp4") == "films/a b.mp4"
    assert shown("zip://x::s3://me:secret@b/y.zip?token=1") == "zip://x::s3://b/y.zip"
    assert shown("zip://x::simplecache::https://me:secret@h/y.zip") == (
        "zip://x::simplecache::https://h/y.zip"
    )


@pytest.mark.parametrize(
    ("path", "name"),
    [("b/films/", "films"), ("https://h:80/", "root"), ("https://h/a/f.mp4?key=secret", "f.mp4"),
     ("b/what?.mp4", "what?.mp4")],
)  # fmt: skip
def test_what_is_brought_is_named_by_its_path_alone(path, name):
    assert remote._last(path) == name


def test_the_sorting_links_of_web_servers_are_no_recordings(tmp_path):
    assert remote._fetch(Hostile("?C=N;O=D"), "https://h/films", tmp_path, "https://h/films") == []


def test_files_and_folders_are_brought_and_taken_away_again(store):
    store.pipe({"/b/films/a.mp4": b"1", "/b/films/more/b.mp4": b"22", "/b/films/.hidden": b""})
    with brought("memory://b/films/a.mp4") as file:
        assert (file.name, file.read_bytes()) == ("a.mp4", b"1")
    assert not file.exists()
    with brought("memory://b/films/") as folder:
        assert folder.name == "films"
        found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
        assert found == {"a.mp4", "more/b.mp4"}
        assert folder.parent.stat().st_mode & 0o077 == 0  # films of infants
    assert not folder.parent.exists()


def test_an_error_of_the_block_stays_what_it_is(store):
    store.pipe("/b/a", b"1")
    with pytest.raises(ZeroDivisionError), brought("memory://b/a") as file:
        raise ZeroDivisionError
    assert not file.exists()

    def fails() -> None:
        with kept("memory://b/out") as (folder, _):
            (folder / "x").write_text("1")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert names(store) == ["/b/a", "/b/out/x"]  # what was finished is kept there


@pytest.mark.parametrize(
    ("place", "code"),
    [("memory://b/none", "E504"), ("nosuch://b/x", "E540"), ("s3://k:secret@b/x", "E540")],
)
def test_what_cannot_be_reached(store, place, code, monkeypatch):
    monkeypatch.setattr(remote, "_opened", _no_driver if place.startswith("s3") else remote._opened)
    with pytest.raises(FileError, match=code) as refused, brought(place):
        pass
    assert "secret" not in str(refused.value)


def _no_driver(_place):
    raise ImportError("Install s3fs to access S3")


class Hostile:
    """A store that names files as it likes."""

    def __init__(self, name: str) -> None:
        self.name = name

    def find(self, path: str) -> list[str]:
        return [f"{path}/{self.name}"]

    def get_file(self, _found: str, target: str) -> None:
        Path(target).write_text("harm")


@pytest.mark.parametrize(
    "name", ["../x", "a/../../x", "a\\..\\x", "C:x", "a\nb", "a//../x", "/etc/x"]
)
def test_names_that_lead_out_are_refused(tmp_path, name):
    inside = tmp_path / "inside"
    with pytest.raises(FileError, match="E540"):
        remote._fetch(Hostile(name), "b", inside, "memory://b")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_folder_is_kept_in_step(store):
    store.pipe({"/b/out/old.txt": b"old", "/b/out/gone.txt": b"x"})
    with kept("memory://b/out") as (folder, send):
        assert (folder / "old.txt").read_text() == "old"
        (folder / "r1").mkdir()
        (folder / "r1" / "new.txt").write_text("new")
        (folder / ".draft.tmp").write_text("half")
        (folder / "gone.txt").unlink()
        send()  # too soon after the last time
        assert names(store) == ["/b/out/" + name for name in (NOTE, "gone.txt", "old.txt")]
    assert names(store) == ["/b/out/old.txt", "/b/out/r1/new.txt"]
    assert store.cat("/b/out/r1/new.txt") == b"new"


def test_what_was_finished_is_sent_on_the_way_and_marks_come_last(store, monkeypatch):
    monkeypatch.setattr(remote, "SEND_S", 0.0)
    order: list[str] = []
    put = remote._Mirror._put
    monkeypatch.setattr(
        remote._Mirror, "_put", lambda self, name: (order.append(name), put(self, name))
    )
    with kept("memory://b/out") as (folder, send):
        for name in ("z-report.html", "a-mark.json"):
            (folder / name).write_text(name)
        send()
        assert names(store) == ["/b/out/" + name for name in (NOTE, "a-mark.json", "z-report.html")]
        send()
    assert order == ["z-report.html", "a-mark.json"]  # as they were written, each once


def test_one_run_at_a_time(store, monkeypatch):
    with kept("memory://b/out"):
        with (
            pytest.raises(FileError, match=r"E505.*memory://b/out.*process \d+"),
            kept("memory://b/out"),
        ):
            pass
        assert names(store) == [f"/b/out/{NOTE}"]
        monkeypatch.setattr(remote, "DEAD_S", -1.0)  # as if the other had died long ago
        with kept("memory://b/out"):
            pass
    assert names(store) == []


def test_the_note_is_renewed(store, monkeypatch):
    monkeypatch.setattr(remote, "BEAT_S", 0.01)
    with kept("memory://b/out"):
        first = store.modified(f"/b/out/{NOTE}")
        for _ in range(12_000):
            if store.modified(f"/b/out/{NOTE}") > first:
                break
            remote.time.sleep(0.01)
        else:
            pytest.fail("the note was not renewed")


def test_a_place_that_fails_while_it_is_written(store, monkeypatch):
    def fails() -> None:
        with kept("memory://b/out") as (folder, _):
            (folder / "x").write_text("1")
            monkeypatch.setattr(store, "put_file", _refuse)

    with pytest.raises(FileError, match=r"E540.*PermissionError") as refused:
        fails()
    assert "AKIA" not in str(refused.value)
    monkeypatch.undo()
    assert names(store) == []


def _refuse(*_args, **_more):
    raise PermissionError("key AKIA... is not allowed")


def test_a_folder_by_its_address(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("1")
    with brought((tmp_path / "in").as_uri()) as here, kept((tmp_path / "out").as_uri()) as (out, _):
        (out / "b.txt").write_text((here / "a.txt").read_text())
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["b.txt"]
