"""docs/quality.md names every reason and every threshold, as they are."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from fidgety.pose.quality import REASONS, QualityConfig

TEXT = (Path(__file__).parents[2] / "docs" / "quality.md").read_text("utf-8")


def test_every_reason_is_documented_with_its_severity():
    rows = re.findall(r"^\| ([EW]\d{3}) \| (\w+) \|", TEXT, re.MULTILINE)
    assert dict(rows) == {code: severity for code, (severity, _) in REASONS.items()}


def test_every_threshold_is_documented_with_its_default():
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", TEXT, re.MULTILINE)
    numbers = {name: float(value) for name, value in rows if name != "needed_joints"}
    config = QualityConfig()
    assert [name for name, _ in rows] == [field.name for field in fields(QualityConfig)]
    assert numbers == {name: getattr(config, name) for name in numbers}


def test_every_threshold_has_its_reason_in_the_docstring():
    for field in fields(QualityConfig):
        assert re.search(rf"\b{field.name}\b", QualityConfig.__doc__ or "")
