"""Libraries that only some users need, imported where they are used."""

from __future__ import annotations

import importlib
from types import ModuleType

from fidgety.errors import VideoError

__all__ = ["library"]

_PACKAGES = {
    "av": "av",
    "cv2": "opencv-python-headless",
    "ai_edge_litert.interpreter": "ai-edge-litert",
    "ai_edge_litert.schema_py_generated": "ai-edge-litert",
    "onnx": "onnx",
    "onnxruntime": "onnxruntime",
}


def library(name: str, extra: str) -> ModuleType:
    """Import a library of an optional extra; raise `VideoError` E607 naming the extra if absent."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = _PACKAGES.get(name, name)
        raise VideoError(
            "E607",
            f"The library {package} is not installed",
            why=f"it belongs to the extra {extra!r}",
            remedy=f'Run: pip install "fidgety[{extra}]"',
        ) from error
