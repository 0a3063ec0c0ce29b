"""Every code that a user can meet is explained, and no code is explained that nobody can meet."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
CODE = re.compile(r"\b[EW]\d{3}\b")


def in_source() -> set[str]:
    return {
        code
        for path in (ROOT / "src").rglob("*.py")
        for code in re.findall(r"[\"' (]([EW]\d{3})[\"' ]", path.read_text("utf-8"))
    }


def test_codes_in_the_source_and_in_the_documentation_are_the_same():
    explained = set(CODE.findall((ROOT / "docs" / "errors.md").read_text("utf-8")))
    used = in_source()
    assert len(used) > 100
    assert used - explained == set()
    assert explained - used == set()
