"""The example of docs/statistics.md prints what it says."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs" / "statistics.md"


def test_example_prints_its_comments():
    blocks = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.S)
    assert len(blocks) == 1
    wanted = re.findall(r"^print\(.*\)  # (.*)$", blocks[0], re.M)
    assert len(wanted) >= 9
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(blocks[0], str(DOCS), "exec"), {})
    assert printed.getvalue().splitlines() == wanted
