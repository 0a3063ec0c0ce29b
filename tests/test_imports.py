"""What an import costs: no torch before a network is used, nothing outside the house."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import fidgety

HEAVY = {"torch", "lightning_fabric", "sklearn", "matplotlib", "cv2", "av", "pandas", "mlflow"}


def loaded(code: str) -> set[str]:
    """Modules in a fresh process after some code."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import fidgety",
        "import fidgety.cli.main",
        "import fidgety; fidgety.read_pose, fidgety.compute_features, fidgety.Pose",
        "import fidgety.simulate",
        "import fidgety.study.preparing, fidgety.study.splits, fidgety.study.importing",
    ],
)
def test_no_network_library_without_a_network(code):
    assert not loaded(code) & HEAVY


def test_nothing_but_the_standard_library_at_first():
    assert not loaded("import fidgety") & {"numpy", "click", "scipy", "pyarrow"}


@pytest.mark.parametrize("name", fidgety.__all__)
def test_every_public_name_is_there(name):
    assert getattr(fidgety, name) is not None
    assert name in dir(fidgety)


def test_an_unknown_name():
    with pytest.raises(AttributeError, match="magic"):
        fidgety.magic  # noqa: B018


@pytest.mark.parametrize("package", ["fidgety", "fidgety.models"])
def test_what_is_loaded_lazily_is_what_is_public(package):
    module = importlib.import_module(package)
    assert set(module.__all__) - {"__version__"} == set(module._HOMES)
