"""Nothing in a model file is run, whatever it asks for; damage and tricks end in one refusal."""

import io
import pickle
import struct
import zipfile
from collections import OrderedDict
from contextlib import suppress

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fidgety.errors import CheckpointError
from fidgety.models.pickled import PickleReader
from fidgety.models.torchfile import LEGACY_MAGIC, read_state


def zipped(path, pickled: bytes, storages: dict[str, bytes] | None = None, how=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", how) as archive:
        archive.writestr("archive/data.pkl", pickled)
        for key, raw in (storages or {}).items():
            archive.writestr(f"archive/data/{key}", raw)
    return path


def streamed(path, pickled: bytes):
    head = (LEGACY_MAGIC, 1001, {"little_endian": True})
    path.write_bytes(b"".join(pickle.dumps(part, 2) for part in head) + pickled + b"\x80\x02].")
    return path


def refused(path) -> str:
    with pytest.raises(CheckpointError) as caught:
        read_state(path)
    assert path.name in str(caught.value)
    return caught.value.code


# what comes out


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize(
    "dtype", ["float32", "float64", "float16", "int64", "int32", "int16", "int8", "uint8", "bool"]
)
def test_arrays_come_out_as_torch_reads_them(tmp_path, dtype, new):
    base = (torch.arange(24) % 5).to(getattr(torch, dtype)).reshape(2, 3, 4)
    tensors = {
        "plain": base,
        "transposed": base.transpose(0, 2),
        "part": base[1, :, 1:3],
        "scalar": base[0, 1, 2],
        "empty": base[:0],
        "parameter": torch.nn.Parameter(base.clone(), requires_grad=False),
    }
    torch.save(tensors, tmp_path / "x.pt", _use_new_zipfile_serialization=new)
    state = read_state(tmp_path / "x.pt")
    assert set(state) == set(tensors)
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(state[name], tensor.numpy())
        assert state[name].dtype == tensor.numpy().dtype


def test_a_module_of_this_process(tmp_path):
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    torch.save(model, tmp_path / "x.pt")
    state = read_state(tmp_path / "x.pt")
    assert set(state) == set(model.state_dict())


# nothing runs

CANARY = "CANARY"
COMMAND = "open('CANARY', 'w').close()"
SHELL = "touch CANARY"


class Attack:
    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def attacks() -> dict[str, bytes]:
    import builtins
    import os
    import subprocess

    quoted = f"(V{COMMAND}\n"
    return {
        "os.system": pickle.dumps(Attack(os.system, SHELL)),
        "eval": pickle.dumps(Attack(builtins.eval, COMMAND)),
        "exec": pickle.dumps(Attack(builtins.exec, COMMAND), 0),
        "subprocess": pickle.dumps(Attack(subprocess.check_call, ["touch", CANARY])),
        "open": pickle.dumps(Attack(open, CANARY, "w")),
        "chain": pickle.dumps(Attack(getattr, Attack(__import__, "os"), "system")),
        "in an ordered dictionary": pickle.dumps(OrderedDict(a=Attack(os.system, SHELL))),
        "GLOBAL REDUCE": f"cbuiltins\nexec\n{quoted}tR.".encode(),
        "STACK_GLOBAL": b"\x80\x04\x8c\x08builtins\x8c\x04exec\x93" + f"{quoted}tR.".encode(),
        "STACK_GLOBAL of no name": b"\x80\x04]]\x93.",
        "STACK_GLOBAL by dots": b"\x80\x04\x8c\x02os\x8c\x0bpath.os.sys\x93.",
        "INST": f"(V{COMMAND}\nibuiltins\nexec\n.".encode(),
        "OBJ": f"(cbuiltins\nexec\nV{COMMAND}\no.".encode(),
        "NEWOBJ": f"cbuiltins\nexec\n{quoted}t\x81.".encode("latin1"),
        "NEWOBJ_EX": f"cbuiltins\nexec\n{quoted}t}}\x92.".encode("latin1"),
        "BUILD of a global": b"ctorch._utils\n_rebuild_tensor_v2\n}V__code__\nNsb.",
        "BUILD with slots": b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n"
        b"N}U\x0c__defaults__)s\x86b.",
        "BUILD of a call": f"cos\nsystem\n(V{SHELL}\ntR}}V__setstate__\ncos\nsystem\nsb.".encode(),
        "extension registry": b"\x80\x02\x82\x01.",
        "persistent id as text": b"Pos.system\n.",
        "rebuild function swapped": pickle.dumps({"w": Attack(torch._utils._rebuild_tensor_v2)}),
    }


@pytest.mark.parametrize("name", attacks())
@pytest.mark.parametrize("write", [zipped, streamed])
def test_nothing_is_run(tmp_path, monkeypatch, name, write):
    monkeypatch.chdir(tmp_path)
    before = torch._utils._rebuild_tensor_v2.__defaults__
    path = write(tmp_path / "model.pth", attacks()[name])
    assert refused(path) in ("E421", "E422")
    assert not (tmp_path / CANARY).exists()
    assert torch._utils._rebuild_tensor_v2.__defaults__ == before


def test_the_attacks_are_real(tmp_path, monkeypatch):
    """They do run where a pickle is loaded: else the test above would prove nothing."""
    monkeypatch.chdir(tmp_path)
    for name in ("os.system", "eval", "exec", "subprocess", "GLOBAL REDUCE", "INST", "OBJ"):
        pickle.loads(attacks()[name])
        assert (tmp_path / CANARY).exists(), name
        (tmp_path / CANARY).unlink()


def test_an_attack_beside_real_weights_is_left_lying(tmp_path, monkeypatch):
    import os

    monkeypatch.chdir(tmp_path)
    torch.save({"w": torch.ones(3), "extra": Attack(os.system, SHELL)}, "model.pth")
    assert list(read_state(tmp_path / "model.pth")) == ["w"]
    assert not (tmp_path / CANARY).exists()


# tricks with sizes


def tensor(
    size=(3,), stride=(1,), offset=0, count=3, kind="FloatStorage", module="torch", key="0"
) -> bytes:
    """A pickled {"w": tensor}, by hand."""
    pickler = io.BytesIO()
    out = pickle._Pickler(pickler, 2)
    out.proto = 2
    parts = [
        b"\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n((",
        b"X\x07\x00\x00\x00storage",
        f"c{module}\n{kind}\n".encode(),
        pickle.dumps(key, 2)[2:-1] + pickle.dumps("cpu", 2)[2:-1] + pickle.dumps(count, 2)[2:-1],
        b"tQ",
        *(pickle.dumps(value, 2)[2:-1] for value in (offset, size, stride, False, None)),
        b"tRs.",
    ]
    return b"".join(parts)


def test_the_pickle_made_by_hand_is_a_good_one(tmp_path):
    path = zipped(tmp_path / "x.pt", tensor(), {"0": np.arange(3, dtype="<f4").tobytes()})
    np.testing.assert_array_equal(read_state(path)["w"], [0, 1, 2])


@pytest.mark.parametrize(
    "trick",
    [
        {"size": (1 << 40,)},
        {"size": (1 << 40,), "stride": (0,)},
        {"size": (1 << 40, 0, 1 << 70), "stride": (1, 1, 1)},
        {"size": (1,), "stride": (1 << 70,)},
        {"size": (3,), "stride": (2,)},
        {"size": (3,), "stride": (-1,)},
        {"size": (-3,)},
        {"size": (1.5,)},
        {"size": (3, 1)},
        {"size": (True,)},
        {"size": "abc"},
        {"size": (1,) * 9, "stride": (1,) * 9},
        {"offset": 1},
        {"offset": -1},
        {"offset": 1 << 70},
        {"count": 4},
        {"count": 1 << 60, "size": (1 << 60,)},
        {"count": -1},
        {"count": "3"},
        {"kind": "BFloat16Storage"},
        {"kind": "system", "module": "os"},
        {"module": "numpy"},
        {"key": "../data.pkl"},
        {"key": "1"},
        {"key": ["0"]},
    ],
)
def test_tensors_that_lie_about_their_size(tmp_path, trick):
    path = zipped(tmp_path / "x.pt", tensor(**trick), {"0": b"\0" * 12})
    with suppress(CheckpointError):
        state = read_state(path)  # a stride that is never stepped is harmless
        assert trick == {"size": (1,), "stride": (1 << 70,)}
        assert state["w"].shape == (1,)


def test_a_zip_bomb(tmp_path):
    bomb = zipped(
        tmp_path / "x.pt", tensor(count=1 << 24), {"0": b"\0" * (1 << 26)}, zipfile.ZIP_DEFLATED
    )
    assert bomb.stat().st_size < 1 << 17
    assert refused(bomb) == "E421"


def test_one_storage_named_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr("fidgety.models.torchfile.MAX_BYTES", 1000)
    one = torch.zeros(100)
    torch.save({str(i): one for i in range(3)}, tmp_path / "x.pt")
    assert refused(tmp_path / "x.pt") == "E421"


@pytest.mark.parametrize(
    "pickled",
    [
        b"\x80\x02" + b"(" * 1000 + b".",
        b"\x80\x02.",
        b"\x80\x02h\x07.",
        b"\x80\x02]r\xff\xff\xff\x7f.",  # a memo place of two thousand million
        b"\x80\x02" + b")\x85" * 100_000 + b"}N\x86b.",
        b"\x80\x02}" + b")" + b"\x85" * 100_000 + b"Ns.",  # a key that would overrun the stack
        b"\x80\x02]" + b"2\x86" * 100 + b".",  # doubles a hundred times
        b"\x80\x02K\x01K\x01a.",
        b"\x80\x02K\x01K\x01K\x01s.",
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",  # bytes that are not there
        b"\x80\x02\x8b\xff\xff\xff\x7f\x01.",
        b"I" + b"9" * 10_000 + b"\n.",
    ],
    ids=range(12),
)
def test_pickles_made_to_exhaust(tmp_path, pickled):
    assert refused(zipped(tmp_path / "x.pt", pickled)) in ("E421", "E422")


class Loop(torch.nn.Module):
    pass


def test_modules_without_end(tmp_path):
    loop = Loop()
    loop._modules["again"] = loop
    torch.save(loop, tmp_path / "x.pt")
    assert refused(tmp_path / "x.pt") == "E421"


def test_too_many_steps(tmp_path, monkeypatch):
    monkeypatch.setattr("fidgety.models.pickled.MAX_STEPS", 100)
    with pytest.raises(ValueError, match="does not end"):
        PickleReader(io.BytesIO(b"N0" * 100 + b"N.")).run()


# damage


@pytest.mark.parametrize("new", [True, False])
def test_truncated_anywhere(tmp_path, new):
    path = tmp_path / "x.pt"
    torch.save({"w": torch.arange(300.0)}, path, _use_new_zipfile_serialization=new)
    raw = path.read_bytes()
    for length in (*range(2, len(raw), len(raw) // 29), len(raw) - 1):
        path.write_bytes(raw[:length])
        assert refused(path) == "E421", length


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(data=st.data(), new=st.booleans())
def test_any_damage_ends_in_a_refusal_or_in_arrays(tmp_path, data, new):
    path = tmp_path / "x.pt"
    torch.save(
        {"w": torch.arange(6.0), "v": torch.zeros(2)}, path, _use_new_zipfile_serialization=new
    )
    raw = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(raw) - 1), min_size=1, max_size=6)):
        raw[place] = data.draw(st.integers(0, 255))
    path.write_bytes(raw)
    with suppress(CheckpointError):
        assert all(isinstance(array, np.ndarray) for array in read_state(path).values())


@pytest.mark.parametrize("content", [b"", b"x", b"# not a model\n", struct.pack("<Q", 7) + b"{}"])
def test_other_files(tmp_path, content):
    (tmp_path / "x.pt").write_bytes(content)
    assert refused(tmp_path / "x.pt") == "E420"


def test_other_zip_and_pickle_files(tmp_path):
    path = tmp_path / "x.pt"
    with path.open("wb") as handle:
        np.savez(handle, a=np.ones(3))
    assert refused(path) == "E421"
    path.write_bytes(pickle.dumps({"a": 1}))
    assert refused(path) == "E421"
    torch.save({"epoch": 3, "names": ["a"]}, path)
    assert refused(path) == "E422"


def test_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr("fidgety.models.torchfile.MAX_BYTES", 100)
    torch.save({"w": torch.ones(100)}, tmp_path / "x.pt")
    assert refused(tmp_path / "x.pt") == "E421"


def test_big_endian_files_are_refused(tmp_path):
    path = tmp_path / "x.pt"
    zipped(path, tensor(), {"0": b"\0" * 12})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("archive/byteorder", "big")
    assert refused(path) == "E421"
