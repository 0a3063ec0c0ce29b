import zipfile

import pytest

from fidgety.errors import VideoError
from fidgety.pose.estimators import fetch, weights, weights_folder


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("FIDGETY_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path / "weights"


def test_the_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("FIDGETY_WEIGHTS", str(tmp_path))
    assert weights_folder() == tmp_path
    monkeypatch.delenv("FIDGETY_WEIGHTS")
    monkeypatch.setattr(weights.sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "c"))
    assert weights_folder() == tmp_path / "c" / "fidgety" / "weights"


def test_absent_weights_say_how_to_get_them(folder):
    with pytest.raises(VideoError, match=r"E620 .* fidgety doctor --fetch-weights") as refused:
        weights.weights_path("pose_detection.tflite")
    assert refused.value.exit_status == 2


def test_other_weights_are_refused(folder):
    folder.mkdir()
    (folder / "pose_detection.tflite").write_bytes(b"TFL3 but not ours")
    with pytest.raises(VideoError, match=r"E621 pose_detection\.tflite is not the pinned file"):
        weights.weights_path("pose_detection.tflite")


def test_another_wheel_is_refused(folder, monkeypatch, tmp_path):
    wheel = tmp_path / "mediapipe-0.10.21.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for member, _ in weights.WEIGHTS.values():
            archive.writestr(member, b"planted")
    monkeypatch.setattr(weights, "_download", lambda *_: wheel)
    with pytest.raises(VideoError, match="E621"):
        fetch()
    monkeypatch.setattr(weights, "WHEEL_SHA256", weights._sha256(wheel.read_bytes()))
    with pytest.raises(VideoError, match=r"E621 .*\.tflite"):
        fetch()
    assert not folder.exists() or not list(folder.iterdir())


def test_a_fitting_wheel_is_unpacked_whole(folder, monkeypatch, tmp_path):
    wheel = tmp_path / "w.whl"
    content = {name: f"model {name}".encode() for name in weights.WEIGHTS}
    pinned = {
        name: (member, weights._sha256(content[name]))
        for name, (member, _) in weights.WEIGHTS.items()
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, (member, _) in pinned.items():
            archive.writestr(member, content[name])
        archive.writestr("mediapipe/__init__.py", "raise SystemExit")
    monkeypatch.setattr(weights, "WEIGHTS", pinned)
    monkeypatch.setattr(weights, "WHEEL_SHA256", weights._sha256(wheel.read_bytes()))
    monkeypatch.setattr(weights, "_download", lambda *_: wheel)
    assert fetch() == folder
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == content
    monkeypatch.setattr(weights, "_download", None)  # sound weights need no second fetch
    fetch()
    assert weights.weights_path("pose_detection.tflite").read_bytes().startswith(b"model")


def test_without_a_registry_pip_s_reason_is_told(folder, monkeypatch):
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(VideoError, match=r"E622 pip could not get mediapipe==0\.10\.21"):
        fetch(["--no-index"])
    assert not folder.exists()
