"""Models of the public implementation become ours, also where their classes are gone."""

import sys
import types

import numpy as np
import pytest
import reference_network
import torch

from fidgety.errors import CheckpointError, ConfigError, FileError
from fidgety.models import (
    convert_checkpoint,
    convert_reference,
    from_reference_state_dict,
    load_checkpoint,
    sha256,
)
from fidgety.pose.skeleton import adjacency, load_skeleton


def published(strategy="uniform", max_hop=3, skeleton="openpose18", **sizes):
    graph = adjacency(load_skeleton(skeleton), strategy, max_hop)
    torch.manual_seed(0)
    sizes = {"widths": (8, 12, 10), "alpha": 6, "beta": 5, **sizes}
    model = reference_network.PublishedSTAM(torch.tensor(graph, dtype=torch.float32), **sizes)
    reference_network.randomise(model, seed=1)
    return model.eval()


def assert_same(ours, theirs, channels=7, joints=18):
    clips = torch.randn(4, 3, channels, 30, joints) + 2 * torch.randn(4, 1, channels, 1, joints)
    with torch.inference_mode():
        risk, alpha, beta = theirs(clips)
        output = ours(clips)
    torch.testing.assert_close(output.logit.sigmoid(), risk, atol=1e-5, rtol=0)
    torch.testing.assert_close(output.clip_attention, alpha, atol=1e-5, rtol=0)
    torch.testing.assert_close(output.joint_attention, beta, atol=1e-5, rtol=0)
    assert output.logit.std() > 0.01  # the risks differ, so that equality says something


@pytest.mark.parametrize(
    ("strategy", "max_hop", "skeleton", "sizes"),
    [
        ("uniform", 3, "openpose18", {}),
        ("uniform", 1, "openpose18", {"channels": 5, "kernel": 5}),
        ("distance", 2, "openpose18", {"widths": (8, 8, 8, 8)}),
        ("spatial", 3, "body25", {"widths": (8, 6)}),
    ],
)
def test_every_graph_and_size_is_recognised(strategy, max_hop, skeleton, sizes):
    theirs = published(strategy, max_hop, skeleton, **sizes)
    ours = from_reference_state_dict(theirs.state_dict())
    assert (ours.config.strategy, ours.config.max_hop) == (strategy, max_hop)
    assert ours.config.skeleton == skeleton
    assert not ours.training
    assert_same(ours, theirs, sizes.get("channels", 7), len(load_skeleton(skeleton)))


def test_parallel_training_and_numpy_arrays():
    theirs = published()
    state = {f"module.{name}": value.numpy() for name, value in theirs.state_dict().items()}
    assert_same(from_reference_state_dict(state), theirs)


@pytest.fixture
def gone(monkeypatch):
    """Save a whole module whose classes then cease to exist."""

    def save(path, **how):
        module = types.ModuleType("network_that_is_gone")
        classes = [c for c in vars(reference_network).values() if isinstance(c, type)]
        for kind in classes:
            monkeypatch.setattr(kind, "__module__", module.__name__)
            setattr(module, kind.__name__, kind)
        sys.modules[module.__name__] = module
        theirs = published()
        try:
            torch.save(theirs, path, **how)
        finally:
            del sys.modules[module.__name__]
        return theirs

    return save


@pytest.mark.filterwarnings("ignore:Couldn't retrieve source code")
@pytest.mark.parametrize("zipped", [True, False])
def test_a_whole_pickled_module_without_its_classes(tmp_path, gone, zipped):
    path = tmp_path / "model.pth"
    theirs = gone(path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ModuleNotFoundError):
        torch.load(path, weights_only=False)
    assert_same(convert_reference(path), theirs)


def test_a_module_pickled_with_its_classes_inside(tmp_path):
    """As experiment trackers save them: the pickle builds the classes from their code."""
    cloudpickle = pytest.importorskip("cloudpickle")  # comes with joblib
    cloudpickle.register_pickle_by_value(reference_network)
    try:
        theirs = published()
        torch.save(theirs, tmp_path / "model.pth", pickle_module=cloudpickle)
    finally:
        cloudpickle.unregister_pickle_by_value(reference_network)
    assert_same(convert_reference(tmp_path / "model.pth"), theirs)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("wrap", [dict, lambda s: {"epoch": 3, "state_dict": s, "optimizer": {}}])
def test_a_state_dict_alone_or_among_other_things(tmp_path, zipped, wrap):
    theirs = published()
    content = wrap(theirs.state_dict())
    torch.save(content, tmp_path / "model.pth", _use_new_zipfile_serialization=zipped)
    assert_same(convert_reference(tmp_path / "model.pth"), theirs)


def test_the_checkpoint_says_what_it_does_not_know(tmp_path, gone):
    theirs = gone(tmp_path / "model.pth")
    out = tmp_path / "model.fidgety"
    convert_checkpoint(tmp_path / "model.pth", out, fps=25, clip_seconds=1.2, stride_seconds=0.8)
    checkpoint = load_checkpoint(out)
    assert checkpoint.cohort is None
    assert checkpoint.calibration is None
    assert checkpoint.scope is None
    assert checkpoint.aggregation == "max"
    assert (checkpoint.fps, checkpoint.profile_config["fps"]) == (25, 25)
    assert (checkpoint.clip["length_s"], checkpoint.clip["stride_s"]) == (1.2, 0.8)
    notes = " ".join(checkpoint.notes)
    assert sha256(tmp_path / "model.pth") in notes
    assert "never calibrated" in notes
    assert_same(checkpoint.build(), theirs)


def test_nothing_is_written_for_impossible_settings(tmp_path):
    torch.save(published().state_dict(), tmp_path / "model.pth")
    for wrong in ({"clip_seconds": 0}, {"stride_seconds": 5}, {"profile": "none"}, {"fps": -1}):
        with pytest.raises((ConfigError, CheckpointError)):
            convert_checkpoint(tmp_path / "model.pth", tmp_path / "out.fidgety", **wrong)
    assert not (tmp_path / "out.fidgety").exists()


def test_no_such_file(tmp_path):
    with pytest.raises(FileError) as caught:
        convert_reference(tmp_path / "none.pth")
    assert caught.value.code == "E504"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sag.fcn.weight", None),
        ("sag.A", None),
        ("sag.A", np.ones((18, 18), np.float32)),
        ("sag.st_gcn_networks.0.tcn.2.weight", None),
        ("sag.st_gcn_networks.1.residual.1.bias", None),
        ("sag.st_gcn_networks.x.tcn.2.weight", np.ones(3)),
        ("sag.data_bn.weight", np.ones(4)),
        ("sag.fcn.weight", np.ones((10, 9, 1, 1))),
        ("sag.st_gcn_networks.0.gcn.conv.weight", np.ones((7, 8, 1, 1))),
        ("sag.st_gcn_networks.0.tcn.2.weight", np.ones((8, 8, 8, 1))),
        ("sag.st_gcn_networks.1.tcn.2.weight", np.broadcast_to(np.float32(1), (10**6, 1, 9, 1))),
        ("sag.spatial_attn.attention.0.weight", np.ones(())),
        ("sag.fcn.bias", np.full(10, np.nan)),
        ("sag.fcn.bias", np.array(["a"] * 10)),
        ("output.1.weight", np.ones((3, 10))),
        ("output.1.weight", np.ones(10)),
        ("output.1.bias", np.float32(1)),
        ("decoder.weight", np.ones(3)),
    ],
)
def test_other_networks_are_refused(name, value):
    state = dict(published().state_dict())
    state.pop(name, None)
    if value is not None:
        state[name] = value
    with pytest.raises(CheckpointError) as caught:
        from_reference_state_dict(state)
    assert caught.value.code == "E423"


def test_an_empty_state_is_refused():
    with pytest.raises(CheckpointError) as caught:
        from_reference_state_dict({})
    assert caught.value.code == "E423"


def test_a_graph_of_nobody_is_refused():
    state = dict(published().state_dict())
    state["sag.A"] = state["sag.A"].flip(-1)
    with pytest.raises(CheckpointError) as caught:
        from_reference_state_dict(state)
    assert caught.value.code == "E424"
