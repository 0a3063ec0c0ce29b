"""Settings to plain dictionaries and back."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from fidgety.errors import ConfigError
from fidgety.settings import from_plain, to_plain


@dataclass(frozen=True)
class Oven:
    degrees: float = 180.0
    trays: tuple[int, ...] = (1, 2)
    name: str | None = None

    def __post_init__(self) -> None:
        if not 0 < self.degrees < 300:
            raise ValueError(f"degrees is {self.degrees}")
        if self.name == "cold":
            raise ConfigError("E799", "Too cold")


@dataclass(frozen=True)
class Kettle:
    litres: float


def test_there_and_back_through_json():
    oven = Oven(200.0, (3,), "left")
    assert to_plain(oven) == {"degrees": 200.0, "trays": [3], "name": "left"}
    assert from_plain(Oven, json.loads(json.dumps(to_plain(oven)))) == oven


def test_what_is_left_out_takes_its_default():
    assert from_plain(Oven, {}) == Oven()


def test_unknown_names_are_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"E701 Unknown setting 'a', 'b' \(Oven\).*degrees"):
        from_plain(Oven, {"b": 1, "a": 2})


@pytest.mark.parametrize("content", [{"degrees": 500}, {"degrees": "hot"}, {"degrees": None}])
def test_impossible_values_are_refused(content):
    with pytest.raises(ConfigError, match=r"E702.*Oven"):
        from_plain(Oven, content)


def test_a_missing_value_without_a_default_is_refused():
    with pytest.raises(ConfigError, match=r"E702.*litres"):
        from_plain(Kettle, {})


def test_the_own_refusal_of_a_class_is_kept():
    with pytest.raises(ConfigError, match="E799"):
        from_plain(Oven, {"name": "cold"})


@pytest.mark.parametrize("content", [None, 5, "degrees", ["degrees"], [("degrees", 5)]])
def test_anything_but_a_mapping_is_refused(content):
    with pytest.raises(ConfigError, match="E702"):
        from_plain(Oven, content)


def test_names_that_are_no_text_are_refused():
    with pytest.raises(ConfigError, match="E701"):
        from_plain(Oven, {1: 2, "a": 3})
