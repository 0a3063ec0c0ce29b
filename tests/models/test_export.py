"""A model exported to ONNX says what the model says, without torch."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch
from small_models import network, sequence, trained

from fidgety.errors import CheckpointError, FileError, VideoError
from fidgety.models.checkpoint import Checkpoint, save_checkpoint
from fidgety.models.export import export_onnx
from fidgety.models.exported import ExportedNetwork
from fidgety.models.fast import OnArrays, fused
from fidgety.models.trained import TrainedModel

FORMS = [
    {},
    {"masking": True, "compress": True, "pool": "mean_std", "gated_attention": True},
    {"strategy": "spatial", "edge_importance": True},
]


def some_seen(seed: int = 1):
    recording = sequence(seed)
    recording.values[:, 20:45, 3:7] = np.nan
    return recording


def equal(one, other, tolerance: float) -> None:
    assert one.risk == pytest.approx(other.risk, abs=tolerance)
    for name in ("clip_attention", "clip_contribution", "joint_attention", "joint_contribution"):
        here, there = getattr(one, name), getattr(other, name)
        assert (here is None) == (there is None)
        if here is not None:
            np.testing.assert_allclose(here, there, atol=tolerance)


@pytest.mark.parametrize("settings", FORMS)
def test_exported_risk_and_explanation_are_the_same(tmp_path, settings):
    model = trained(network(**settings))
    exported = TrainedModel.load(export_onnx(model.checkpoint, tmp_path / "m.onnx"))
    clips = model.clips(some_seen())
    equal(exported.infer(exported.clips(some_seen())), model.infer(clips), 1e-4)
    assert isinstance(exported.networks[0], ExportedNetwork)
    assert exported.checkpoint.skeleton == model.checkpoint.skeleton
    assert exported.profile == model.profile
    counts = np.array([[1.0, 0, 2] + [1] * (len(clips) - 3), [0.0] * len(clips)])
    np.testing.assert_allclose(
        exported.infer(clips).risk_with(counts), model.infer(clips).risk_with(counts), atol=1e-4
    )


def test_an_ensemble_is_exported_whole(tmp_path):
    members = [network(0), network(1, masking=False)]
    known = trained(members[0]).checkpoint
    rest = {
        key: getattr(known, key)
        for key in ("fps", "profile", "profile_config", "clip", "window")
    }  # fmt: skip
    checkpoint = Checkpoint.of_members(members, **rest)
    path = save_checkpoint(tmp_path / "m.fidgety", checkpoint)
    model = TrainedModel.load(path)
    exported = TrainedModel.load(export_onnx(checkpoint, tmp_path / "m.onnx"))
    assert len(exported.networks) == 2
    clips = model.clips(some_seen())
    equal(exported.infer(clips), model.infer(clips), 1e-4)


@pytest.mark.parametrize("settings", FORMS)
def test_fused_form_is_the_network(settings):
    model = network(**settings)
    clips = torch.randn(6, 7, 10, 18)
    clips[0, :, :5, 3] = float("nan")
    with torch.inference_mode():
        for one, other in zip(fused(model).encode(clips), model.encode(clips), strict=True):
            assert (one is None) == (other is None)
            if one is not None:
                torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    assert isinstance(model.blocks[0].norm_frames, torch.nn.BatchNorm2d)  # the network stays


def test_arrays_in_arrays_out():
    model, clips = network(), np.random.default_rng(0).normal(size=(4, 7, 10, 18))
    found = OnArrays(model).encode(clips)
    with torch.inference_mode():
        plain = model.encode(torch.from_numpy(clips.astype(np.float32)))
    np.testing.assert_array_equal(found[0], plain.vectors.numpy())


def test_it_is_used_without_torch(tmp_path):
    path = export_onnx(trained().checkpoint, tmp_path / "m.onnx")
    code = f"""
import sys
class Absent:
    def find_spec(self, name, *_):
        if name.split(".")[0] == "torch":
            raise ImportError(name)
sys.meta_path.insert(0, Absent())
sys.path.insert(0, {str(__import__("pathlib").Path(__file__).parent)!r})
import numpy as np
from fidgety.assess import Assessor
from fidgety.motion import PoseSequence
model = Assessor.load({str(path)!r}).model
values = np.random.default_rng(3).normal(size=(7, 100, 18)).astype(np.float32)
print(model.infer(model.clips(PoseSequence(values, 10.0))).risk)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    from fidgety.motion import PoseSequence

    values = np.random.default_rng(3).normal(size=(7, 100, 18)).astype(np.float32)
    model = trained()
    here = model.infer(model.clips(PoseSequence(values, 10.0))).risk
    assert float(done.stdout) == pytest.approx(here, abs=1e-4)


def test_damaged_and_strange_files_are_refused(tmp_path):
    path = export_onnx(trained().checkpoint, tmp_path / "m.onnx")
    raw = path.read_bytes()
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(raw[: len(raw) // 2])
    with pytest.raises(CheckpointError, match=r"E402.*cut.onnx"):
        TrainedModel.load(cut)
    model = onnx.load_from_string(raw)
    del model.metadata_props[:]
    strange = tmp_path / "strange.onnx"
    strange.write_bytes(model.SerializeToString())
    with pytest.raises(CheckpointError, match=r"E401.*not of fidgety"):
        TrainedModel.load(strange)
    with pytest.raises(FileError, match="E504"):
        TrainedModel.load(tmp_path / "none.onnx")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("fidgety", "{}"),
        ("fidgety", "[1"),
        ("fidgety_bias", "[]"),
        ("fidgety_attention0", "%%%"),
        ("fidgety_attention0", ""),
    ],
)
def test_what_the_file_says_is_checked(tmp_path, key, value):
    path = export_onnx(trained().checkpoint, tmp_path / "m.onnx")
    model = onnx.load_from_string(path.read_bytes())
    said = {entry.key: entry.value for entry in model.metadata_props}
    onnx.helper.set_model_props(model, {**said, key: value})
    path.write_bytes(model.SerializeToString())
    with pytest.raises(CheckpointError, match=r"E40[27]"):
        TrainedModel.load(path)


def test_a_missing_runtime_is_named(tmp_path, monkeypatch):
    path = export_onnx(trained().checkpoint, tmp_path / "m.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(VideoError, match=r"E607.*onnxruntime"):
        TrainedModel.load(path)
