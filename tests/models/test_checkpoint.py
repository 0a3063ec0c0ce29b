"""A checkpoint carries the whole contract, and is refused where it breaks it."""

import json
import struct
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fidgety.errors import CheckpointError, ConfigError, FileError
from fidgety.models import (
    STAM,
    Checkpoint,
    Cohort,
    STAMConfig,
    load_checkpoint,
    save_checkpoint,
    sha256,
)
from fidgety.pose.skeleton import Skeleton, load_skeleton


def make(**changes) -> Checkpoint:
    torch.manual_seed(0)
    model = STAM(STAMConfig(widths=(4,), z_dim=4, alpha_dim=2, beta_dim=2, pool="mean_std"))
    rest = {
        "fps": 30.0,
        "profile": "fidgety",
        "profile_config": {"smooth_s": 0.05},
        "clip": {"length_s": 2.0, "stride_s": 1.0},
        "window": {"length_s": 20.0, "overlap_s": 5.0},
        "calibration": {"slope": 1.5, "intercept": -0.25},
        "scope": {"age_weeks": [9, 20]},
        "cohort": Cohort(40, 8, (9.5, 20.0), ("A", "B"), simulated=True),
        "metrics": {"validation": {"auc": np.float64(0.8), "slope": float("nan")}},
        "notes": ("Simulated infants only.",),
    }
    return Checkpoint.of(model, **{**rest, **changes})


@pytest.fixture
def saved(tmp_path):
    return save_checkpoint(tmp_path / "model.fidgety", make())


def code_of(path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    assert path.name in str(caught.value)
    assert caught.value.remedy
    return caught.value.code


def rewrite(path, **changes):
    """The same file with other metadata."""
    weights = safetensors.torch.load_file(path)
    with safetensors.safe_open(path, "pt") as file:
        content = json.loads(file.metadata()["fidgety"])
    content.update(changes)
    content = {name: value for name, value in content.items() if value is not ...}
    safetensors.torch.save_file(weights, path, {"fidgety": json.dumps(content)})
    return path


def test_everything_survives(saved):
    before, after = make(), load_checkpoint(saved)
    for name in ("model", "config", "skeleton", "fps", "profile", "profile_config", "clip"):
        assert getattr(after, name) == getattr(before, name)
    for name in ("window", "aggregation", "calibration", "scope", "cohort", "notes", "versions"):
        assert getattr(after, name) == getattr(before, name)
    assert after.metrics == {"validation": {"auc": 0.8, "slope": None}}
    assert {"fidgety", "numpy", "python", "torch"} <= set(after.versions)
    assert all(torch.equal(after.weights[name], value) for name, value in before.weights.items())


def test_the_model_comes_back_as_it_was(saved):
    x = torch.randn(1, 2, 7, 60, 18)
    before = make().build()
    seed = torch.random.get_rng_state()
    after = load_checkpoint(saved).build()
    assert torch.equal(torch.random.get_rng_state(), seed)  # loading does not disturb a seeded run
    assert not after.training
    assert torch.equal(before(x).logit, after(x).logit)


def test_later_training_does_not_reach_into_a_checkpoint():
    model = STAM(STAMConfig(widths=(4,), z_dim=4))
    checkpoint = Checkpoint.of(model, fps=30.0, profile="stam")
    kept = checkpoint.weights["output.weight"].clone()
    with torch.no_grad():
        model.output.weight += 1
    assert torch.equal(checkpoint.weights["output.weight"], kept)


def test_the_same_checkpoint_gives_the_same_bytes(saved, tmp_path):
    again = save_checkpoint(tmp_path / "again.fidgety", load_checkpoint(saved))
    assert sha256(saved) == sha256(again)
    other = save_checkpoint(tmp_path / "other.fidgety", make(fps=30.0, notes=()))
    assert sha256(saved) != sha256(other)


def test_a_failed_write_leaves_the_old_file(saved, monkeypatch):
    before = saved.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(FileError) as caught:
        save_checkpoint(saved, make(notes=()))
    assert caught.value.code == "E501"
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_a_users_own_skeleton_travels_along(tmp_path):
    line = Skeleton("line", ("a", "b", "c"), (("b", "a"), ("c", "b")), (), {}, "a")
    model = STAM(STAMConfig(skeleton=line, widths=(4,), z_dim=4))
    path = tmp_path / "line.fidgety"
    save_checkpoint(
        path, Checkpoint.of(model, fps=25.0, profile="stam", profile_config={"fps": 25})
    )
    loaded = load_checkpoint(path)
    assert loaded.skeleton == line
    assert loaded.build().config.layout == line


# refusals


def test_no_such_file(tmp_path):
    with pytest.raises(FileError) as caught:
        load_checkpoint(tmp_path / "none.fidgety")
    assert caught.value.code == "E504"


@pytest.mark.parametrize(
    "content", [b"x", b"PK\x03\x04 a zip file, say", b"\x80\x02cos\nsystem\n", b"# Pose\n" * 100]
)
def test_not_a_checkpoint(tmp_path, content):
    path = tmp_path / "model.fidgety"
    path.write_bytes(content)
    assert code_of(path) == "E401"


def test_a_safetensors_file_of_others(tmp_path):
    path = tmp_path / "model.fidgety"
    for metadata in (None, {"format": "pt"}, {"fidgety": "[1]"}, {"fidgety": "{}"}):
        safetensors.torch.save_file({"a": torch.ones(2)}, path, metadata)
        assert code_of(path) == "E401"


def test_a_header_that_claims_to_be_huge(tmp_path):
    path = tmp_path / "model.fidgety"
    path.write_bytes(struct.pack("<Q", 1 << 40) + b"{" * 64)
    assert code_of(path) == "E401"


def test_a_header_nested_without_end(tmp_path):
    path = tmp_path / "model.fidgety"
    header = b'{"a":' * 100_000
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    assert code_of(path) == "E402"


def test_truncated_anywhere(saved):
    raw = saved.read_bytes()
    for length in (0, *range(9, len(raw), len(raw) // 23), len(raw) - 1):
        saved.write_bytes(raw[:length])
        assert code_of(saved) == "E402", length
    saved.write_bytes(raw + b"\0")
    assert code_of(saved) == "E402"


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_damage_is_refused_or_harmless(saved, data):
    """Bytes of the header changed at random: an explained refusal, or a checkpoint that works."""
    raw = bytearray(saved.read_bytes())
    end = 8 + int.from_bytes(raw[:8], "little")
    for place in data.draw(st.lists(st.integers(0, end - 1), min_size=1, max_size=4)):
        raw[place] = data.draw(st.integers(0, 255))
    path = saved.with_name("damaged.fidgety")
    path.write_bytes(raw)
    with suppress(CheckpointError):
        load_checkpoint(path).build()


def test_newer_schema(saved):
    assert code_of(rewrite(saved, schema_version=2)) == "E403"
    assert code_of(rewrite(saved, schema_version=99, something_new=1)) == "E403"


@pytest.mark.parametrize(
    "change",
    [
        *({"fps": value} for value in (0, -1, "30", None, ...)),
        *({"profile": value} for value in ("none", 3, ...)),
        *({"profile_config": value} for value in ({"fps": 25.0}, {"smooth": 1}, {"smooth_s": "x"})),
        *({"clip": value} for value in ({"length_s": -1}, {"len": 1}, {"stride_s": 9.0}, [1])),
        *({"window": value} for value in ({"overlap_s": 99}, {"x": 1})),
        *({"cohort": value} for value in ({"n_infants": 3, "n_abnormal": 4}, {"n": 1}, 7, [1])),
        *({"skeleton": value} for value in (None, "openpose18", {"name": "x"})),
        *({"config": value} for value in ({"z_dims": 4}, {"z_dim": 0}, {"pool": "max"}, 3)),
        *({"aggregation": value} for value in ("median", None)),
        *({"notes": value} for value in (3, None)),
        {"unheard_of": 1},
    ],
)
def test_contradictions(saved, change):
    assert code_of(rewrite(saved, **change)) == "E407"


def test_unknown_model(saved):
    assert code_of(rewrite(saved, model="transformer")) == "E408"


@pytest.mark.parametrize(
    "change", [{"z_dim": 5}, {"z_dim": 10**9}, {"z_dim": 10**30}, {"edge_importance": True}]
)
def test_weights_of_another_network(saved, change):
    config = {**make().config, **change}
    assert code_of(rewrite(saved, config=config)) == "E404"


@pytest.mark.parametrize("spoil", ["drop", "add", "half", "shape"])
def test_weights_that_do_not_fit(spoil):
    good = make()
    weights = dict(good.weights)
    if spoil == "drop":
        del weights["output.bias"]
    elif spoil == "add":
        weights["extra"] = torch.ones(1)
    else:
        value = weights["output.weight"]
        weights["output.weight"] = value.half() if spoil == "half" else value.T
    with pytest.raises(CheckpointError) as caught:
        replace(good, weights=weights)
    assert caught.value.code == "E404"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers(saved, value):
    weights = {name: tensor.clone() for name, tensor in make().weights.items()}
    weights["blocks.0.frames.weight"][0, 0, 0, 0] = value
    with safetensors.safe_open(saved, "pt") as file:
        metadata = file.metadata()
    safetensors.torch.save_file(weights, saved, metadata)
    assert code_of(saved) == "E405"


def test_another_skeleton(saved):
    coco = load_skeleton("coco17").to_dict()
    assert code_of(rewrite(saved, skeleton=coco)) == "E406"
    swapped = load_skeleton("openpose18").to_dict()
    swapped["joints"][3], swapped["joints"][6] = swapped["joints"][6], swapped["joints"][3]
    assert code_of(rewrite(saved, skeleton=swapped)) == "E406"


def test_poses_of_another_skeleton():
    checkpoint = make()
    checkpoint.require_skeleton(load_skeleton("openpose18"))
    with pytest.raises(CheckpointError, match="lacks neck") as caught:
        checkpoint.require_skeleton(load_skeleton("coco17"))
    assert caught.value.code == "E406"


@pytest.mark.parametrize(
    "wrong",
    [{"n_abnormal": 5}, {"n_infants": -1}, {"n_infants": 2.5}, {"age_weeks": (20.0, 9.0)}],
)
def test_impossible_cohorts(wrong):
    with pytest.raises(ConfigError) as caught:
        Cohort(**{"n_infants": 4, "n_abnormal": 1, **wrong})
    assert caught.value.code == "E702"
