"""What a pickle describes, without running any of it.

A pickle is a small program, and loading it runs whatever it names. Here the program is only read:
what it would import becomes a `Name`, what it would call a `Call` with its arguments. The reader
holds nothing that could be called, so that nothing can be run.
"""

from __future__ import annotations

import pickletools
from dataclasses import dataclass, field
from typing import IO, Any

__all__ = ["Call", "Name", "PickleReader"]

MAX_STEPS = 1_000_000  # opcodes; a whole pickled STAM has about 10,000


@dataclass(frozen=True, slots=True, eq=False)
class Name:
    """What the pickle would have imported."""

    module: str
    name: str


@dataclass(slots=True, eq=False)
class Call:
    """What the pickle would have called or built, and what it would have put into it."""

    what: Any
    args: Any
    state: Any = None
    items: list[Any] = field(default_factory=list)  # pairs, or single values, in order of arrival

    def is_a(self, *names: str) -> bool:
        """Whether the called thing has one of these full names."""
        return isinstance(self.what, Name) and f"{self.what.module}.{self.what.name}" in names


class PickleReader:
    """Follows one pickle from the current place of a file to its STOP.

    Lists and dictionaries become themselves, sets become lists; dictionary keys other than plain
    ones are left out, since nothing here needs them and hashing deep nests could overrun the stack.
    """

    def __init__(self, handle: IO[bytes]) -> None:
        self.handle = handle
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.stored: list[Any] = []  # persistent ids of storages, for the stream format

    def run(self) -> Any:
        """Give what the pickle describes."""
        for step, (opcode, argument, _) in enumerate(pickletools.genops(self.handle)):
            if opcode.name == "STOP":
                return self.stack.pop()
            if step >= MAX_STEPS:
                break
            if opcode.name in _LITERALS:
                self.stack.append(argument)
            elif not (self._contain(opcode.name) or self._describe(opcode.name, argument)):
                raise ValueError(f"{opcode.name} has no place in a model file")
        raise ValueError("the pickle does not end")

    def _contain(self, name: str) -> bool:
        """Follow the opcodes that stack, unstack and fill containers."""
        stack = self.stack
        match name:
            case "MARK":
                self.marks.append(len(stack))
            case "POP":
                stack.pop()
            case "POP_MARK":
                self._since_mark()
            case "DUP":
                stack.append(stack[-1])
            case "NONE" | "EMPTY_TUPLE" | "EMPTY_LIST" | "EMPTY_SET" | "EMPTY_DICT":
                stack.append({"NONE": None, "EMPTY_TUPLE": (), "EMPTY_DICT": {}}.get(name, []))
            case "NEWTRUE" | "NEWFALSE":
                stack.append(name == "NEWTRUE")
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = int(name[-1])
                stack[-count:] = [tuple(stack[-count:])]
            case "TUPLE":
                stack.append(tuple(self._since_mark()))
            case "LIST" | "FROZENSET":
                stack.append(self._since_mark())
            case "DICT":
                self._put_pairs({}, self._since_mark())
            case "APPEND":
                self._extend([stack.pop()])
            case "APPENDS" | "ADDITEMS":
                self._extend(self._since_mark())
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                self._put_pairs(stack.pop(), [key, value])
            case "SETITEMS":
                values = self._since_mark()
                self._put_pairs(stack.pop(), values)
            case _:
                return False
        return True

    def _describe(self, name: str, argument: Any) -> bool:
        """Follow the opcodes that would import, call, build, or remember."""
        stack = self.stack
        match name:
            case "PROTO" | "FRAME":
                pass
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                self.memo[argument] = stack[-1]
            case "MEMOIZE":
                self.memo[len(self.memo)] = stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(self.memo[argument])
            case "GLOBAL":
                stack.append(Name(*argument.split(" ", 1)))
            case "STACK_GLOBAL":
                attribute, module = stack.pop(), stack.pop()
                if not (isinstance(module, str) and isinstance(attribute, str)):
                    raise ValueError("an import without a name")
                stack.append(Name(module, attribute))
            case "INST":
                stack.append(Call(Name(*argument.split(" ", 1)), tuple(self._since_mark())))
            case "OBJ":
                what, *arguments = self._since_mark()
                stack.append(Call(what, tuple(arguments)))
            case "REDUCE" | "NEWOBJ":
                arguments = stack.pop()
                stack.append(Call(stack.pop(), arguments))
            case "NEWOBJ_EX":
                _, arguments = stack.pop(), stack.pop()
                stack.append(Call(stack.pop(), arguments))
            case "BUILD":
                state = stack.pop()
                if isinstance(stack[-1], Call):
                    stack[-1].state = state
            case "BINPERSID":
                stack.append(self._outside(stack.pop()))
            case _:
                return False
        return True

    def _since_mark(self) -> list[Any]:
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def _extend(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, Call):
            target.items += values
        elif isinstance(target, list):
            target += values
        else:
            raise ValueError("values are added to what cannot hold them")

    def _put_pairs(self, target: Any, values: list[Any]) -> None:
        """Put keys and values, in turn, into `target`, and `target` on the stack."""
        pairs = list(zip(values[::2], values[1::2], strict=True))
        if isinstance(target, Call):
            target.items += pairs
        elif isinstance(target, dict):
            target.update((key, value) for key, value in pairs if isinstance(key, _PLAIN))
        else:
            raise ValueError("pairs are put into what cannot hold them")
        self.stack.append(target)

    def _outside(self, identity: Any) -> Any:
        """What a persistent id stands for: a storage, or in old files a class with its source."""
        if isinstance(identity, tuple) and len(identity) >= 2 and identity[0] == "module":
            return identity[1]
        self.stored.append(identity)
        return identity


_PLAIN = (str, int, float, bytes, type(None))
_LITERALS = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
    *("BYTEARRAY8", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
}
