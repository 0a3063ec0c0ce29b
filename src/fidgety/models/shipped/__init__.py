"""Models that come with the package, by name. All are trained on simulated infants.

Made by ``benchmarks/shipped_model.py``; beside each lies its card, and the same model exported,
which is used where torch is not installed.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

__all__ = ["SHIPPED", "resolve", "shipped_path"]

SHIPPED = {"simulated-demo": "simulated-demo.fidgety"}


def shipped_path(name: str) -> Path:
    """Where a shipped model lies: in the form that can be used here."""
    path = Path(__file__).with_name(SHIPPED[name])
    return path if _has_torch() else path.with_suffix(".onnx")


def resolve(model: str | os.PathLike[str]) -> Path:
    """The file that a model is read from: a path, or the name of a shipped model.

    A file of that very name in the current folder goes before the shipped one.
    """
    path = Path(model)
    if str(model) in SHIPPED and not path.exists():
        return shipped_path(str(model))
    return path


def _has_torch() -> bool:
    try:
        return importlib.util.find_spec("torch") is not None
    except ImportError:
        return False
