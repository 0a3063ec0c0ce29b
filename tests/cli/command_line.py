"""How the tests run commands, and what they assert of one that fails."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from fidgety.cli import main

TINY = (
    *("--model", "stam", "--no-cuda", "--max-hop", "1"),
    *("--z-dim", "8", "--alpha-dim", "4", "--beta-dim", "4"),
)


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    status: int
    out: str
    err: str

    def refused(self, code: str, *words: str, status: int = 2) -> None:
        """Assert that it failed in words: code, what, what to do, and no traceback."""
        assert self.status == status, self
        assert "Traceback" not in self.err + self.out
        for word in (code, *words):
            assert word in self.err + self.out, (word, self)
        assert "E999" not in self.err


def quietly(*arguments: object) -> None:
    """Run a command that must succeed, outside of any test."""
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    assert not left.value.code
