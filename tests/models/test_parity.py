"""With the public implementation's weights, STAM says what the public implementation says."""

from pathlib import Path

import numpy as np
import pytest
import torch

from fidgety.models import STAM, from_reference_state_dict

REFERENCE = Path(__file__).parent / "data" / "reference_stam_uniform.npz"


@pytest.fixture(scope="module")
def reference() -> dict[str, np.ndarray]:
    with np.load(REFERENCE) as file:
        return dict(file)


@pytest.fixture(scope="module")
def model(reference) -> STAM:
    prefix = "weights/"
    return from_reference_state_dict(
        {name.removeprefix(prefix): a for name, a in reference.items() if name.startswith(prefix)}
    )


def test_risk_and_both_attentions_equal_the_reference(reference, model):
    with torch.inference_mode():
        output = model(torch.from_numpy(reference["input"]))
    odds = np.exp(reference["logits"].astype(np.float64))
    risk = odds[:, 1] / odds.sum(axis=1)
    np.testing.assert_allclose(output.logit.sigmoid(), risk, atol=1e-6)
    np.testing.assert_allclose(output.clip_attention, reference["alpha"], atol=1e-6)
    np.testing.assert_allclose(output.joint_attention, reference["beta"], atol=1e-6)


def test_graph_equals_the_reference_exactly(reference, model):
    for block in model.blocks:
        np.testing.assert_array_equal(block.graph, reference["weights/sag.A"])


def test_unused_norm_was_never_run_by_the_reference(reference):
    assert reference["weights/sag.data_bn.num_batches_tracked"] > 0
    assert reference["weights/bn1.num_batches_tracked"] == 0


def test_frozen_numbers_at_three_depths(reference, model):
    """Where a change enters shows in the first of these to fail."""
    graph = model.blocks[0].graph[0]
    assert graph[0, :4].tolist() == pytest.approx([1 / 12, 1 / 16, 1 / 13, 1 / 8])
    with torch.inference_mode():
        clip = torch.from_numpy(reference["input"][:1, 0])  # (1, 7, 30, 18)
        normed, _ = model.input_norm(clip)
        vector = model.encode(clip).vectors
        logit = model(torch.from_numpy(reference["input"])).logit
    np.testing.assert_allclose(normed[0, 0, 0, :3], [-0.869271, 0.191069, 1.292427], atol=1e-5)
    np.testing.assert_allclose(vector[0, :3], [-0.460116, -0.477791, 0.303049], atol=2e-6)
    np.testing.assert_allclose(logit, [-0.108902, 0.008232], atol=2e-6)
