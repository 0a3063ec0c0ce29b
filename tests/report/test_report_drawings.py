from __future__ import annotations

import math
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from report_page import parse
from report_sample import sample_assessment

from fidgety.report import words
from fidgety.report.body_map import SCHEMATIC, draw_body, places
from fidgety.report.cohort import draw_cohort, share_below, table_of_tenths
from fidgety.report.reading import complete, finite, look_up
from fidgety.report.risk_scale import draw_hundred, draw_risk_scale
from fidgety.report.svg import cividis, el, linear, short, ticks
from fidgety.report.timeline import (
    SALIENT,
    binned,
    draw_timeline,
    even_share,
    mean_between,
    moments,
)

CSS = Path(words.__file__).parent / "templates" / "tokens.css"


def clip(start: float, attention: float | None, usable: bool = True) -> dict[str, Any]:
    return {"start_s": start, "end_s": start + 1, "attention": attention, "contribution": None,
            "usable": usable}  # fmt: skip


def test_cividis_is_matplotlibs() -> None:
    colormaps = pytest.importorskip("matplotlib").colormaps
    for step in range(257):
        ours = bytes.fromhex(cividis(step / 256)[1:])
        theirs = [round(255 * channel) for channel in colormaps["cividis"](step / 256)[:3]]
        assert all(abs(a - b) <= 5 for a, b in zip(ours, theirs, strict=True)), step


def test_cividis_grows_lighter_all_the_way() -> None:
    light = [luminance(cividis(step / 100)) for step in range(101)]
    assert all(later > earlier for earlier, later in pairwise(light))


def test_elements_escape_text_and_attributes() -> None:
    made = el("text", '<b>&"', class_='x"y', data_key=1.25)
    assert made == '<text class="x&#34;y" data-key="1.2">&lt;b&gt;&amp;&#34;</text>'


@pytest.mark.parametrize(
    ("value", "text"), [(1.0, "1"), (-0.04, "0"), (2.25, "2.2"), (-3.1, "-3.1")]
)
def test_coordinates_are_short(value: float, text: str) -> None:
    assert short(value) == text


def test_scales_and_ticks() -> None:
    assert linear((0, 10), (100, 200))(2.5) == 125
    assert linear((0, 10), (100, 200))(1e300) == 200
    assert linear((3, 3), (100, 200))(7) == 100
    assert ticks(180, 9, (10, 30, 60)) == [0, 30, 60, 90, 120, 150, 180]
    assert ticks(0.4, 9, (1, 2)) == [0]
    assert len(ticks(1e300, 9, (1, 2))) == 10


@pytest.mark.parametrize(
    ("seconds", "digits", "text"),
    [
        (41, 0, "0:41"),
        (59.96, 1, "1:00.0"),
        (599.5, 0, "10:00"),
        (0, 1, "0:00.0"),
        (-5, 0, "−0:05"),
    ],
)
def test_clock(seconds: float, digits: int, text: str) -> None:
    assert words.clock(seconds, digits) == text


def test_prevalence_by_hand() -> None:
    # 20 of 100 abnormal, a result 4 times as common among them: 80 to 80, so even odds.
    assert words.shift_prevalence(0.5, 0.2, 0.2) == pytest.approx(0.5)
    # Where 1 of 101 is abnormal the same result means 4 to 100.
    assert words.shift_prevalence(0.5, 0.2, 1 / 101) == pytest.approx(4 / 104)


probabilities = st.floats(0.001, 0.999)


@given(probabilities, probabilities, probabilities)
def test_prevalence_there_and_back(risk: float, trained: float, here: float) -> None:
    there = words.shift_prevalence(risk, trained, here)
    assume(1e-9 < there < 1 - 1e-9)
    assert words.shift_prevalence(there, here, trained) == pytest.approx(risk, rel=1e-6)
    assert (there > risk) == (here > trained) or math.isclose(there, risk)


@pytest.mark.parametrize(
    ("risks", "size"),
    [((0.31, 0.33), 100), ((0.018, 0.02), 1000), ((0.0,), 10_000), ((0.99,), 1000)],
)
def test_counts_share_one_sample(risks: tuple[float, ...], size: int) -> None:
    assert words.sample_size(*risks) == size


def test_counts() -> None:
    assert words.count_of(0.3128, 100) == "31 of 100"
    assert words.count_of(0.1234, 10_000) == "1,234 of 10,000"


def test_the_scripts_sample_sizes_are_ours() -> None:
    script = (CSS.parent / "report.js").read_text("utf-8")
    assert "[100, 1000].find((size) => rarest * size >= 5) || 10000" in script


def test_only_finite_numbers_are_numbers() -> None:
    assert finite(5400) == 5400
    assert isinstance(finite(5400), int)
    assert [finite(v) for v in (True, "1", math.nan, math.inf, None, 1j)] == [None] * 6


def test_look_up_follows_keys_and_positions() -> None:
    whole = complete({"clips": [{"start_s": 1}, "no clip"], "interval": [0.1, None]})
    assert look_up(whole, "clips.0.start_s") == 1
    assert look_up(whole, "clips.1.start_s") is None
    assert look_up(whole, "interval.0") is None


def test_even_share_leaves_out_what_was_not_used() -> None:
    assert even_share([clip(0, 0.2), clip(1, 0.4), clip(2, 0.9, usable=False)]) == pytest.approx(
        0.3
    )
    assert even_share([clip(0, None)]) is None


def test_moments_are_apart_and_above_the_even_share() -> None:
    weights = [0.1, 0.1, 5, 4, 0.1, 0.1, 0.1, 0.1, 3, 0.1, 9]
    clips = [clip(t, w, usable=t != 10) for t, w in enumerate(weights)]
    assert moments(clips) == [2, 8]


def test_means_of_movement_by_hand() -> None:
    movement = {"time_s": [0.0, 1.0, 2.0, 3.0, None], "parts": {"arm": [1.0, None, 3.0, 5.0, 9.0]}}
    stretches = [(0, 2), (2, 4), (1, 2), (0, 9)]
    assert mean_between(movement, stretches) == {"arm": [1.0, 4.0, None, 3.0]}
    assert binned(movement, 3.0, columns=3) == {"arm": [1.0, None, 4.0]}


def test_the_marker_stands_where_the_risk_is() -> None:
    for risk in (0.0, 0.25, 1.0):
        svg = parse(draw_risk_scale(complete(sample_assessment(4) | {"risk": risk})))
        track, marker = svg.one("rect", class_="track"), svg.one("circle", class_="marker")
        left, width = (float(track.attributes[key]) for key in ("x", "width"))
        assert float(marker.attributes["cx"]) == pytest.approx(left + risk * width, abs=0.06)


@settings(max_examples=25)
@given(probabilities)
def test_as_many_dots_as_in_a_hundred(risk: float) -> None:
    svg = parse(draw_hundred(risk, (0.0, 1.0)))
    assert len(svg.all("circle")) == 100
    assert len(svg.all("circle", class_="is-filled")) == round(100 * risk)


def test_the_tallest_bar_is_the_clip_with_most_weight() -> None:
    whole = complete({"clips": [clip(0, 0.1), clip(1, 0.6), clip(2, 0.3)]})
    bars = parse(draw_timeline(whole)).one("g", class_="bars").all("rect")
    heights = [float(bar.attributes["height"]) for bar in bars]
    assert heights[1] == pytest.approx(6 * heights[0], rel=0.02)
    assert bars[1].attributes["fill"] == cividis(1.8 / SALIENT)  # 0.6 is 1.8 times the even share


def test_one_clip_far_above_the_others_is_brightest() -> None:
    whole = complete({"clips": [clip(k, 0.9 if k == 3 else 0.01) for k in range(11)]})
    bars = parse(draw_timeline(whole)).one("g", class_="bars").all("rect")
    assert bars[3].attributes["fill"] == cividis(1)


def test_the_body_stands_where_it_was_measured() -> None:
    joints = complete(sample_assessment(4))["joints"]
    where, measured = places(joints)
    assert measured
    assert where["right_wrist"] == next(j for j in joints if j["name"] == "right_wrist")["position"]
    unplaced = [joint | {"position": None} for joint in joints]
    assert places(unplaced) == ({j["name"]: SCHEMATIC[j["name"]] for j in joints}, False)


def test_circles_have_areas_in_the_order_of_the_values() -> None:
    joints = complete(sample_assessment(4))["joints"]
    drawn = draw_body(joints, "attention", "Attention", "times")
    assert drawn is not None
    radii = [float(c.attributes["r"]) for c in parse(drawn).all("circle", class_="joint")]
    assert radii == sorted(radii, reverse=True)
    assert len(radii) == len(joints)
    assert draw_body([j | {"attention": None} for j in joints], "attention", "A", "x") is None


def test_joints_of_an_unknown_skeleton_are_drawn_too() -> None:
    joints = [{"name": f"j{i}", "position": (i, i), "movement": 1.0 + i} for i in range(4)]
    drawn = draw_body(joints, "movement", "Movement", "times")
    assert drawn is not None
    assert len(parse(drawn).all("circle", class_="joint")) == 4


def test_one_dot_for_each_infant() -> None:
    scores = complete(sample_assessment(4))["cohort"]["scores"]
    dots = [p.attributes["d"].count("M") for p in parse(draw_cohort(scores, 0.3)).all("path")]
    assert dots == [40, 80, 80]
    assert share_below(scores, 1, 2.0) == (40, 40)
    assert share_below(scores, 0, 0.0) == (0, 80)
    assert sum(low_high[1] for low_high in table_of_tenths(scores)) == 80


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear_light = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear_light, strict=True))


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_colours_keep_their_contrast_in_every_theme() -> None:
    blocks = re.findall(r"\{([^{}]*--ground:[^{}]*)\}", CSS.read_text("utf-8"))
    themes = [dict(re.findall(r"--([\w-]+): (#\w{6});", block)) for block in blocks]
    assert len(themes) == 4  # light, dark by the system, dark by the button, print
    assert themes[1] == themes[2]
    for theme in themes:
        for ground in ("ground", "panel"):
            for text in ("ink", "soft", "accent"):
                assert contrast(theme[text], theme[ground]) >= 4.5, (text, ground)
            assert contrast(theme["edge"], theme[ground]) >= 3, ground
            assert contrast(theme["energy"], theme[ground]) >= 3, ground
        assert contrast(theme["ink"], theme["tint"]) >= 4.5
        assert contrast(theme["on-accent"], theme["accent"]) >= 4.5
        assert contrast(theme["warn-ink"], theme["warn-ground"]) >= 4.5
        assert contrast(theme["warn-mark"], theme["warn-ground"]) >= 4.5
