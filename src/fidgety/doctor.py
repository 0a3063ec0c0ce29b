"""What is installed, what is missing, how to get it."""

from __future__ import annotations

import importlib.util
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from fidgety import __version__
from fidgety.pose.estimators import FETCH_COMMAND, weights_folder
from fidgety.pose.estimators.weights import WEIGHTS

__all__ = ["Finding", "examine"]

# Package -> (module, what it is for, the extra that brings it).
OPTIONAL = {
    "torch": ("torch", "training, and models that are not exported", "train"),
    "lightning-fabric": ("lightning_fabric", "training", "train"),
    "av": ("av", "reading and writing films", "video"),
    "ai-edge-litert": ("ai_edge_litert", "the BlazePose estimator", "video"),
    "onnx": ("onnx", "exporting models", "onnx"),
    "movement": ("movement", "SLEAP, NWB and DeepLabCut files", "interop"),
    "fastapi": ("fastapi", "the review app", "app"),
    "uvicorn": ("uvicorn", "the review app", "app"),
    "mlflow": ("mlflow", "logging training to MLflow", "mlflow"),
    "matplotlib": ("matplotlib", "plots", "plots"),
}


@dataclass(frozen=True)
class Finding:
    """One thing looked for: what, whether it is there, and what to do if not."""

    what: str
    there: bool
    remedy: str = ""

    def __str__(self) -> str:
        mark = "ok     " if self.there else "missing"
        return f"{mark} {self.what}" + (
            f". {self.remedy}" if self.remedy and not self.there else ""
        )


def examine() -> list[Finding]:
    """Look for everything that fidgety can use."""
    found = [Finding(f"fidgety {__version__} on Python {platform.python_version()}", True)]
    for package in ("numpy", "onnxruntime", "pyarrow", "scikit-learn"):
        found.append(Finding(f"{package} {_version(package) or ''}", _version(package) is not None))
    for package, (module, purpose, extra) in OPTIONAL.items():
        there = importlib.util.find_spec(module) is not None
        text = f"{package} {_version(package) or ''}".strip() + f" ({purpose})"
        found.append(Finding(text, there, f'pip install "fidgety[{extra}]"'))
    weights = all((weights_folder() / name).exists() for name in WEIGHTS)
    found.append(Finding("BlazePose weights (poses from films)", weights, f"Run: {FETCH_COMMAND}"))
    return found


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
