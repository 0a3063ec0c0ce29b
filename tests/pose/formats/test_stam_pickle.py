"""The STAM paper's pickled frames: read without pandas, and nothing in a pickle ever runs."""

from __future__ import annotations

import contextlib
import pickle
import struct
import sys
import tempfile
import types
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make_pickles import FRAMES, JOINTS, peak, rows

from fidgety.errors import PoseError
from fidgety.pose import formats
from fidgety.pose.formats.inert_pickle import Record, load_inert

DATA = sorted((Path(__file__).parent / "data").glob("pandas*.pkl"))


def check_rows(path: Path) -> None:
    pose = formats.read(path, fps=10)
    assert pose.source == "stam-pickle"
    assert pose.skeleton.name == "openpose18"
    assert pose.time.tolist() == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert np.isnan(pose.xy[[2, 4]]).all()  # the lost frame, and the one with nobody
    for row in FRAMES:
        for joint in range(JOINTS - 1):
            x, y, confidence = peak(row, 0, joint)
            assert pose.xy[row, joint].tolist() == [x, y]
            assert pose.confidence[row, joint] == pytest.approx(confidence)
    assert np.isnan(pose.xy[:, 17]).all()
    np.testing.assert_equal(pose.film["people"], [2, 2, np.nan, 2, 0])


def test_there_are_files_of_three_generations_of_pandas():
    assert len(DATA) == 6


@pytest.mark.parametrize("path", DATA, ids=lambda path: path.stem)
def test_reads_what_pandas_wrote(path):
    assert formats.recognise(path) == "stam-pickle"
    check_rows(path)


def stand_in_pandas(monkeypatch, old: bool):
    """Modules with pandas' names whose objects pickle as pandas' do, `old` being before 1.3."""
    made: dict[str, types.ModuleType] = {}

    def define(module: str, name: str, thing: object) -> object:
        made.setdefault(module, types.ModuleType(module))
        thing.__module__, thing.__qualname__, thing.__name__ = module, name, name
        setattr(made[module], name, thing)
        return thing

    class Plain:
        def __init__(self, **state):
            self.__dict__.update(state)

        def __setstate__(self, state):
            self.state = state

    frame = define("pandas.core.frame", "DataFrame", type("DataFrame", (Plain,), {}))
    manager = define(
        "pandas.core.internals.managers",
        "BlockManager",
        type("BlockManager", (Plain,), {"__getstate__": lambda self: self.state}),
    )
    index = define("pandas.core.indexes.base", "Index", type("Index", (), {}))
    new_index = define("pandas.core.indexes.base", "_new_Index", lambda cls, content: None)
    index.__reduce__ = lambda self: (new_index, (index, self.content))
    for parent in ("pandas", "pandas.core", "pandas.core.internals", "pandas.core.indexes"):
        made.setdefault(parent, types.ModuleType(parent)).__path__ = []
    for name, module in made.items():
        monkeypatch.setitem(sys.modules, name, module)

    def make(table: list[dict[str, object]]) -> object:
        names = list(table[0])
        columns = index()
        columns.content = {"data": np.array(names, dtype=object), "name": None}
        objects = np.empty((len(names), len(table)), dtype=object)
        for column, name in enumerate(names):
            for row, line in enumerate(table):
                objects[column, row] = line[name]
        blocks = [{"values": objects, "mgr_locs": slice(0, len(names), 1)}]
        extra = {"0.14.1": {"axes": [columns, None], "blocks": blocks}}
        state = ([columns, None], [objects], [columns], extra)
        return frame(**{"_data" if old else "_mgr": manager(state=state)})

    return make


@pytest.mark.parametrize("old", [True, False])
@pytest.mark.parametrize("protocol", [2, 4])
def test_reads_the_older_block_state(tmp_path, monkeypatch, old, protocol):
    make = stand_in_pandas(monkeypatch, old)
    path = tmp_path / "old.pkl"
    path.write_bytes(pickle.dumps(make(rows()), protocol=protocol))
    check_rows(path)


def test_several_videos_are_asked_for(tmp_path, monkeypatch):
    make = stand_in_pandas(monkeypatch, old=True)
    path = tmp_path / "two.pkl"
    path.write_bytes(pickle.dumps(make(rows() + [line | {"video": "b"} for line in rows()])))
    with pytest.raises(PoseError, match=r"E338 2 .* it holds a, b"):
        formats.read(path, fps=10)
    with pytest.raises(PoseError, match="E338 No 'c'"):
        formats.read(path, fps=10, individual="c")
    assert len(formats.read(path, fps=10, individual="b")) == 5


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"peaks": [[]] * 17}, "E334"),
        ({"peaks": [[(1.0, 2.0, 0.5)]] * 18}, "E334"),
        ({"peaks": [[("x", 2.0, 0.5, 0)]] * 18}, "E334"),
        ({"peaks": 3}, "E334"),
        ({"limbs_subset": np.zeros((1, 7))}, "E334"),
        ({"limbs_subset": "none"}, "E334"),
        ({"limbs_subset": [[1.0, 2.0], [3.0]]}, "E334"),
        ({"frame": 0.5}, "E334"),
        ({"frame": 1}, "E339"),
        ({"frame": float("inf")}, "E340"),
        ({"frame": 10**400}, "E340"),
        ({"peaks": [[(float("inf"), 2.0, 0.5, k)] for k in range(18)]}, "E340"),
    ],
)
def test_refuses_other_layouts(tmp_path, monkeypatch, change, code):
    make = stand_in_pandas(monkeypatch, old=True)
    table = rows()[:2]
    table[0]["limbs_subset"] = np.array([[*range(18), 1.0, 18.0]])
    table[0] = table[0] | change
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(make(table)))
    with pytest.raises(PoseError) as caught:
        formats.read(path, fps=10)
    assert caught.value.code == code


def test_a_missing_column_is_named(tmp_path, monkeypatch):
    make = stand_in_pandas(monkeypatch, old=True)
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(make([{"video": "a", "frame": 0, "other": 1}])))
    with pytest.raises(PoseError, match="E334 The table has no column 'peaks'"):
        formats.read(path, fps=10)


def test_nobody_in_any_frame(tmp_path, monkeypatch):
    make = stand_in_pandas(monkeypatch, old=True)
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(make(rows()[-1:])))
    with pytest.raises(PoseError, match="E336"):
        formats.read(path, fps=10)


class Trap:
    """Would leave a mark if anything of the pickle ran."""

    def __init__(self, call, *arguments):
        self.call, self.arguments = call, arguments

    def __reduce__(self):
        return self.call, self.arguments


def hostile(mark: Path) -> dict[str, bytes]:
    import os
    import subprocess

    order = f"touch {mark}"
    text = f"(S'{order}'\n"
    return {
        "system": pickle.dumps(Trap(os.system, order)),
        "open": pickle.dumps(Trap(open, str(mark), "w")),
        "eval": pickle.dumps(Trap(eval, f"open({str(mark)!r}, 'w')")),
        "popen, protocol 2": pickle.dumps(Trap(subprocess.Popen, ["touch", str(mark)]), protocol=2),
        "protocol 0": b"cos\nsystem\n" + text.encode() + b"tR.",
        "instance": b"\x80\x02" + text.encode() + b"ios\nsystem\n.",
        "inside a list": pickle.dumps([1, {"a": Trap(os.system, order)}]),
        "dotted": b"\x80\x04\x8c\x08builtins\x8c\x0fslice.__class__\x93.",
        "attribute of an admitted name": b"\x80\x04\x8c\x05numpy\x8c\x07ndarray.tofile\x93.",
        "state of a class": b"\x80\x02cnumpy\nndarray\n}X\x01\x00\x00\x00aK\x01sb.",
        "persistent id": b"\x80\x02X\x01\x00\x00\x00aQ.",
        "extension code": b"\x80\x02\x82\x01.",
        "call of a record": b"\x80\x02cnumpy\ndtype\n)R)R.",
        "memo": b"\x80\x02]r" + struct.pack("<I", 2**31 - 1) + b".",
        "memo in text": b"\x80\x02]p99999999999\n.",
        "long bytes": b"\x80\x05\x96" + struct.pack("<Q", 2**60) + b".",
        "truncated": DATA[0].read_bytes()[:3000],
        "empty": b"",
        "noise": b"\x80\x04" + bytes(range(256)),
        "no frame": pickle.dumps({"a": [1, 2]}),
        "bare array": pickle.dumps(np.zeros(3)),
        "deep": b"\x80\x02" + b"(" * 20_000 + b"t" * 20_000 + b".",
    }


@pytest.mark.parametrize("name", list(hostile(Path("mark"))))
def test_nothing_of_a_pickle_runs(tmp_path, name):
    mark, path = tmp_path / "mark", tmp_path / "poses.pkl"
    path.write_bytes(hostile(mark)[name])
    before = set(sys.modules)
    for wanted in ("auto", "stam-pickle"):
        with pytest.raises(PoseError, match="E301 Refused"):
            formats.read(path, fps=30, format=wanted)
    assert not mark.exists()
    assert "pandas" not in set(sys.modules) - before


def test_the_refusal_names_what_was_asked_for(tmp_path):
    path = tmp_path / "poses.pkl"
    path.write_bytes(hostile(tmp_path / "mark")["system"])
    with pytest.raises(PoseError, match=r"it asks for (posix|nt)\.system"):
        formats.read(path, fps=30)


def test_every_protocol_and_kind_of_value_can_be_walked_over():
    values = [1, 300, 70_000, 2**40, 2**3000, -1, 1.5, "a", "a" * 300, b"a", b"a" * 300, None, True]
    values += [
        {"a": (1, 2)},
        [()],
        {1, 2},
        bytearray(b"x" * 9),
        "\u20ac\n",
        [[k] for k in range(9999)],
    ]
    for protocol in range(6):
        plain = [
            value for value in values if protocol > 4 or not isinstance(value, set | bytearray)
        ]
        plain = [value for value in plain if protocol > 2 or not isinstance(value, bytes)]
        assert load_inert(pickle.dumps(plain, protocol), "a.pkl") == plain


def array_pickle(shape: tuple[int, ...], raw: bytes, code: str = "f8") -> bytes:
    """A frame whose column names claim to be an array of a shape, with these bytes behind it."""
    real = DATA[0].read_bytes()
    assert real
    inner = pickle.dumps(np.zeros(2, dtype="f8"), protocol=2)
    return inner.replace(b"f8", code.encode()).replace(b"K\x02\x85", pickle.dumps(shape, 2)[2:-1])


@pytest.mark.parametrize(
    ("shape", "code"),
    [((10**9, 10**9), "f8"), ((-1,), "f8"), ((3,), "f8"), ((2,), "V8"), ((2,), "M8")],
)
def test_arrays_that_lie_are_refused(shape, code):
    from fidgety.pose.formats.inert_pickle import as_array

    record = load_inert(array_pickle(shape, b"", code), "a.pkl")
    assert isinstance(record, Record)
    with pytest.raises(PoseError, match="E301"):
        as_array(record)


def test_arrays_are_rebuilt_exactly():
    from fidgety.pose.formats.inert_pickle import as_array

    rng = np.random.default_rng(0)
    for array in (
        rng.normal(size=(3, 4)),
        np.asfortranarray(rng.normal(size=(3, 4)).astype(">f4")),
        np.arange(6, dtype=np.int16).reshape(2, 3)[:, ::2],
        np.array([True, False]),
        np.float32(2.5),
        np.array([], dtype=np.int64),
    ):
        for protocol in (2, 3, 4, 5):
            rebuilt = as_array(load_inert(pickle.dumps(array, protocol), "a.pkl"))
            np.testing.assert_array_equal(rebuilt, array)


@settings(max_examples=60)
@given(st.data())
def test_a_damaged_file_is_refused_or_read_but_never_breaks(data):
    raw = bytearray(DATA[1].read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.pkl"
        path.write_bytes(raw)
        with contextlib.suppress(PoseError):  # and nothing else
            formats.read(path, fps=10, format="stam-pickle")
