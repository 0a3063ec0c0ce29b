"""Changes that keep a file's structure and spoil its content; each takes a `random.Random`.

The same changes serve plain seeded runs, hypothesis (whose `st.randoms()` shrinks them) and
atheris (as its custom mutator).
"""

from __future__ import annotations

import copy
import json
import struct
from collections.abc import Callable
from random import Random
from typing import Any

Change = Callable[[bytes, Random], bytes]

HOSTILE_TEXTS = (
    "", " ", "\0", "../../x", "/etc/passwd", "-rf", "--help", "CON", "a" * 5000, "\ud800", "\u202e",
    "é" * 300, "$(touch canary)", "`touch canary`", "'; DROP TABLE x", "%s%n", "{{7*7}}", "<script>",
    "NaN", "inf", "-0", "1e999", "0x10", "1_000", "٣", "nose", "left_hip", "file:///etc/passwd",
    "http://127.0.0.1:9/x", "concat:a|b", "\r\n", ",", '"', "\\", "__class__", "stam", "fidgety",
)  # fmt: skip
HOSTILE_NUMBERS = (
    0, -1, 1, 2, 17, 18, 255, 256, 65535, 2**31 - 1, 2**31, -(2**31), 2**53 + 1, 2**63 - 1, 2**63,
    -(2**63), 2**64, 10**30, 10**400, 0.5, -0.0, 1e-320, 1e-30, 1e30, 1e300, -1e308,
    float("nan"), float("inf"), float("-inf"), True, False,
)  # fmt: skip


def hostile_value(rng: Random) -> Any:
    """Anything that JSON can hold and a reader may not expect."""
    kind = rng.randrange(8)
    if kind < 3:
        return rng.choice(HOSTILE_NUMBERS)
    if kind < 5:
        return rng.choice(HOSTILE_TEXTS)
    if kind == 5:
        return rng.choice([None, [], {}, [[]], [None], {"": None}])
    if kind == 6:
        return nested(rng.choice([3, 40, 1500]), rng.random() < 0.5)
    return [rng.choice(HOSTILE_NUMBERS) for _ in range(rng.choice([1, 2, 3, 54, 75, 300]))]


def nested(depth: int, lists: bool) -> Any:
    """A value inside a value inside a value ..."""
    value: Any = 0
    for _ in range(depth):
        value = [value] if lists else {"a": value}
    return value


def places(tree: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a tree of lists and dictionaries, without recursion."""
    found, left = [], [tree]
    while left and len(found) < 5000:
        node = left.pop()
        keys = list(node) if isinstance(node, dict) else range(len(node))
        for key in keys:
            found.append((node, key))
            if isinstance(node[key], dict | list):
                left.append(node[key])
    return found


def changed_tree(tree: Any, rng: Random) -> Any:
    """A copy of a tree with one to four of its nodes spoilt."""
    try:
        return _changed(copy.deepcopy(tree), rng)
    except RecursionError:  # it was made too deep to be copied again
        return nested(1500, lists=True)


def _changed(tree: Any, rng: Random) -> Any:
    for _ in range(rng.choice([1, 1, 2, 4])):
        if not isinstance(tree, dict | list) or not (found := places(tree)) or rng.random() < 0.02:
            tree = hostile_value(rng)
            continue
        node, key = rng.choice(found)
        act = rng.randrange(7)
        if act == 0:
            del node[key]
        elif act == 1 and isinstance(node, list):
            node.extend(copy.deepcopy(node[key]) for _ in range(rng.choice([1, 2, 120])))
        elif act == 2 and isinstance(node, dict):
            node[rng.choice(HOSTILE_TEXTS)] = node.pop(key)
        elif act == 3:
            other, other_key = rng.choice(found)
            try:
                node[key] = copy.deepcopy(other[other_key])
            except (KeyError, IndexError):
                node[key] = None
        else:
            node[key] = hostile_value(rng)
    return tree


def json_bytes(tree: Any, rng: Random) -> bytes:
    """A tree as JSON text, at times in another encoding."""
    try:
        text = json.dumps(tree, ensure_ascii=rng.random() < 0.5)
    except (ValueError, RecursionError):
        text = "[" * 3000 + "]" * 3000
    encoding = rng.choice(["utf-8"] * 12 + ["utf-8-sig", "utf-16", "utf-32"])
    return text.encode(encoding, errors="surrogatepass")


def change_json(raw: bytes, rng: Random) -> bytes:
    """Change a JSON file, mostly within its grammar."""
    if rng.random() < 0.12:
        return change_bytes(raw, rng)
    try:
        return json_bytes(changed_tree(json.loads(raw), rng), rng)
    except (ValueError, RecursionError):
        return change_bytes(raw, rng)


def change_bytes(raw: bytes, rng: Random) -> bytes:
    """Flip, cut, double, insert, or overwrite bytes, with a liking for lengths."""
    data = bytearray(raw)
    for _ in range(rng.choice([1, 1, 2, 5, 20])):
        at = rng.randrange(len(data) + 1)
        act = rng.randrange(7)
        if act == 0 and data:
            data[at % len(data)] ^= 1 << rng.randrange(8)
        elif act == 1:
            data = data[:at] if rng.random() < 0.5 else data[at:]
        elif act == 2:
            data[at:at] = bytes(rng.randrange(256) for _ in range(rng.choice([1, 2, 4, 16])))
        elif act == 3:
            end = min(len(data), at + rng.choice([1, 8, 64, 512]))
            data[at:at] = data[at:end]
        elif act == 4:
            number = rng.choice([0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 2**63 - 1])
            form = rng.choice(["<I", ">I", "<Q", ">Q", "<H", ">H"])
            piece = struct.pack(form, number % 256 ** struct.calcsize(form))
            data[at : at + len(piece)] = piece
        elif act == 5:
            del data[at : at + rng.choice([1, 4, 32, 256])]
        else:
            data[at:at] = rng.choice(HOSTILE_TEXTS).encode("utf-8", errors="surrogatepass")
    return bytes(data)


def change_lines(raw: bytes, rng: Random) -> bytes:
    """Change a table or a settings file by its lines and cells."""
    if rng.random() < 0.15:
        return change_bytes(raw, rng)
    lines = raw.decode("utf-8", errors="replace").split("\n")
    for _ in range(rng.choice([1, 1, 2, 5])):
        row = rng.randrange(len(lines))
        cells = lines[row].split(",")
        column = rng.randrange(len(cells))
        act = rng.randrange(9)
        if act == 0:
            cells[column] = rng.choice(HOSTILE_TEXTS)
        elif act == 1:
            cells[column] = str(rng.choice(HOSTILE_NUMBERS[:20] + HOSTILE_NUMBERS[21:]))
        elif act == 2:
            del cells[column]
        elif act == 3:
            cells[column:column] = [cells[column]] * rng.choice([1, 3, 6000])
        elif act == 4:
            cells[column] = f'"{cells[column]}'
        lines[row] = ",".join(cells)
        if act == 5:
            lines[row:row] = [lines[row]] * rng.choice([1, 2, 200])
        elif act == 6:
            del lines[row : row + rng.choice([1, 3])]
            lines = lines or [""]
        elif act == 7:
            other = rng.randrange(len(lines))
            lines[row], lines[other] = lines[other], lines[row]
        elif act == 8:
            old, new = rng.choice([(",", ";"), (",", "\t"), (".", ","), (":", "="), ("=", ":")])
            lines[row] = lines[row].replace(old, new)
    text = rng.choice(["\n"] * 8 + ["\r\n", "\r"]).join(lines)
    encoding = rng.choice(["utf-8"] * 10 + ["utf-8-sig", "utf-16"])
    return text.encode(encoding, errors="replace" if encoding == "utf-16" else "surrogatepass")


def change_safetensors(raw: bytes, rng: Random) -> bytes:
    """Change the header of a safetensors file, its declared length, or the numbers behind it."""
    length = int.from_bytes(raw[:8], "little")
    act = rng.randrange(10)
    if act == 0:
        return (
            rng.choice([0, 1, length - 1, length + 1, 2**31, 2**63 - 1]).to_bytes(8, "little")
            + (raw[8:])
        )
    if act == 1:
        return change_bytes(raw, rng)
    header = json.loads(raw[8 : 8 + length])
    if act < 7 and "__metadata__" in header:
        inner = json.loads(header["__metadata__"]["fidgety"])
        try:
            header["__metadata__"]["fidgety"] = json.dumps(changed_tree(inner, rng))
        except (ValueError, RecursionError):
            header["__metadata__"]["fidgety"] = "[" * 3000
    else:
        header = changed_tree(header, rng)
    text = json.dumps(header).encode() if act < 7 else json_bytes(header, rng)
    return len(text).to_bytes(8, "little") + text + raw[8 + length :]


def change_npy(raw: bytes, rng: Random) -> bytes:
    """Change the header of a .npy file: shapes, types, order, length."""
    if rng.random() < 0.3:
        return change_bytes(raw, rng)
    body = raw[10 + int.from_bytes(raw[8:10], "little") :]
    descr = rng.choice(
        ["'<f4'", "'<f8'", "'|O'", "'<U9999999'", "'<c16'", "'|b1'", "'<i8'", "'|V5'", "'>f2'", "[('a', '<f4')]",
         "'<M8[s]'", "__import__('os').system('touch canary')", "None", "'" + "f" * 3000 + "'"]
    )  # fmt: skip
    side = lambda: rng.choice([0, 1, 7, 18, 60, -1, 2**31, 2**62, 10**30])  # noqa: E731
    shape = rng.choice(
        [f"({side()}, {side()}, {side()})", f"({side()},)", "()", "(7, 60, 18)", "None"]
    )
    head = f"{{'descr': {descr}, 'fortran_order': {rng.choice(['False', 'True', '3'])}, 'shape': {shape}, }}"
    head = head.encode() + b" " * rng.choice([0, 10, 6000]) + b"\n"
    version, form = rng.choice([(1, "<H"), (2, "<I"), (3, "<I"), (9, "<H")])
    limit = 256 ** struct.calcsize(form) - 1
    length = rng.choice([len(head)] * 8 + [0, limit])
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack(form, min(length, limit)) + head + body


def change_pickle(raw: bytes, rng: Random) -> bytes:
    """Change a pickle by its opcodes, or ask it to run something."""
    act = rng.randrange(5)
    if act == 0:
        name = rng.choice(
            ["os\nsystem", "posix\nsystem", "builtins\neval", "builtins\nexec", "subprocess\nPopen",
             "numpy\nload", "numpy.f2py.crackfortran\nmyeval", "pandas\nread_pickle",
             "fidgety.files\nwrite_text", "torch\nload", "_codecs\nencode", "builtins\ngetattr",
             "builtins\nbytearray", "numpy\ndtype", "numpy.core.multiarray\n_reconstruct"]
        )  # fmt: skip
        argument = rng.choice(
            ["(S'touch canary'\ntR.", "(I1000000000000\ntR.", "(tR.", "(lp0\ntR."]
        )
        return f"c{name}\n{argument}".encode()
    if act == 1:  # the same among the real content
        at = rng.randrange(max(1, len(raw)))
        return raw[:at] + b"cos\nsystem\n(S'touch canary'\ntR" + raw[at:]
    if act == 2:  # memory bombs: lengths, memo places, doubling
        return rng.choice(
            [
                b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"x.",
                b"\x80\x04B" + struct.pack("<I", 2**31 - 1) + b"x.",
                b"\x80\x04Nr" + struct.pack("<I", 2**31 - 1) + b".",
                b"\x80\x04]" + b"\x94(hh\x00" * 3 + b"e" * 40 + b".",
                b"\x80\x04" + b"(" * 100_000 + b".",
                b"\x80\x04" + b"]" * 100_000 + b"a" * 99_999 + b".",
                b"\x80\x04\x8a\xff" + b"\xff" * 255 + b".",
                b"L" + b"9" * 100_000 + b"L\n.",
            ]
        )
    return change_bytes(raw, rng)


def change_boxes(raw: bytes, rng: Random) -> bytes:
    """Change an MP4 by its boxes: sizes, kinds, order; or its bytes."""
    if rng.random() < 0.5 or raw[4:8] != b"ftyp":
        return change_bytes(raw, rng)
    places = [at for kind in (b"moov", b"trak", b"mdia", b"stsz", b"stts", b"stco", b"mdat", b"tkhd",
              b"mvhd", b"stsd", b"avc1", b"avcC", b"elst", b"ctts") if (at := raw.find(kind)) >= 4]  # fmt: skip
    data, at = bytearray(raw), rng.choice(places)
    act = rng.randrange(4)
    if act == 0:
        data[at - 4 : at] = struct.pack(">I", rng.choice([0, 1, 7, 8, 2**31, 2**32 - 1]))
    elif act == 1:
        data[at : at + 4] = rng.choice([b"free", b"moov", b"trak", b"\0\0\0\0", b"uuid"])
    else:
        start = at + 4 + rng.randrange(60)
        data[start : start + 4] = struct.pack(">I", rng.choice([0, 1, 2**16, 2**31, 2**32 - 1]))
    return bytes(data)
