"""The review app where torch is not installed, as in the image: the shipped model, exported."""

from __future__ import annotations

import subprocess
import sys

WITHOUT_TORCH = """
import sys
class Absent:
    def find_spec(self, name, *_):
        if name.split(".")[0] in ("torch", "lightning_fabric"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
from fidgety.app.shelf import add_model, add_sample, add_shipped
from fidgety.app.store import Store
from fidgety.app.work import run_next
store = Store(sys.argv[1])
model = add_shipped(store)
assert store.model_file(model).suffix == ".onnx"
from fidgety.models.shipped import shipped_path
assert add_model(store, shipped_path("simulated-demo")) == model  # found again
case = add_sample(store)
assert run_next(store)
print(store.one("SELECT state FROM jobs")["state"])
store.close()
"""


def test_the_shipped_model_is_on_the_shelf_and_assesses_the_sample(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, str(tmp_path / "store")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
