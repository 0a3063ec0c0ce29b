"""What is installed and what is missing."""

from __future__ import annotations

import importlib.util

import pytest

from fidgety import __version__, doctor


def test_what_is_there():
    found = {finding.what.split()[0]: finding for finding in doctor.examine()}
    assert found["fidgety"].what.startswith(f"fidgety {__version__} on Python 3.")
    for name in ("numpy", "torch", "lightning-fabric", "pyarrow", "scikit-learn"):
        assert found[name].there
        assert str(found[name]).startswith(f"ok      {name} ")


def test_what_is_missing_and_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(doctor, "weights_folder", lambda: tmp_path)
    lines = [str(finding) for finding in doctor.examine()]
    for package, extra in (("mlflow", "mlflow"), ("av", "video"), ("onnx", "onnx")):
        (line,) = (line for line in lines if line.startswith(f"missing {package} "))
        assert f'pip install "fidgety[{extra}]"' in line
    assert lines[-1].startswith("missing BlazePose weights")
    assert "Run: " in lines[-1]


@pytest.mark.parametrize("package", doctor.OPTIONAL)
def test_extras_are_the_projects_own(package):
    from importlib.metadata import metadata

    assert doctor.OPTIONAL[package][2] in metadata("fidgety").get_all("Provides-Extra")  # type: ignore[operator]
