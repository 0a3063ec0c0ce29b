from __future__ import annotations

import base64
import copy
import hashlib
import json
import math
import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_page import Element, parse
from report_sample import refused_assessment, sample_assessment, undecided_assessment

from fidgety.errors import FileError
from fidgety.pose.quality.reasons import range_words
from fidgety.report import page as report_page_module
from fidgety.report import words, write_report
from fidgety.report.reading import ASSESSMENT

render_report = partial(report_page_module.render_report, interactive=False)
ORDER = ["quality", "risk", "attention", "check", "cohort", "reading", "versions"]


@pytest.fixture(scope="module")
def sample() -> dict[str, Any]:
    return sample_assessment()


@pytest.fixture(scope="module")
def page(sample: dict[str, Any]) -> Element:
    return parse(render_report(sample))


def value_at(assessment: dict[str, Any], key: str) -> Any:
    value: Any = assessment
    for step in key.split("."):
        value = value[int(step)] if isinstance(value, list) else value[step]
    return value


def shown(text: str) -> tuple[float, float]:
    """A number as it is printed, and half a unit of its last place."""
    text = (
        text.lstrip("<>")
        .replace("\N{MINUS SIGN}", "-")
        .replace("\N{NO-BREAK SPACE}", " ")
        .replace(",", "")
    )
    number, percent = text.removesuffix(" %").strip(), text.endswith("%")
    minutes, _, seconds = number.rpartition(":")
    decimals = len(seconds.partition(".")[2])
    factor = 0.01 if percent else 1.0
    return (60 * int(minutes or 0) + float(seconds)) * factor, 0.5000001 * 10**-decimals * factor


def test_it_is_written_whole_and_small_with_the_plot_library(
    sample: dict[str, Any], tmp_path: Path
) -> None:
    out = write_report(json.loads(json.dumps(sample)), tmp_path / "deep" / "report.html")
    assert out == tmp_path / "deep" / "report.html"
    assert out.stat().st_size < 3_000_000
    assert [file.name for file in out.parent.iterdir()] == ["report.html"]


def test_sections_stand_in_their_order(page: Element) -> None:
    assert [section.attributes["id"] for section in page.all("section")] == ORDER
    targets = {link.attributes["href"] for link in page.one("nav").all("a")}
    assert targets == {f"#{name}" for name in ORDER}


def test_every_number_is_the_one_of_the_assessment(page: Element, sample: dict[str, Any]) -> None:
    numbers = [data for data in page.all("data") if "data-key" in data.attributes]
    assert len(numbers) > 800
    for data in numbers:
        given = value_at(sample, data.attributes["data-key"])
        assert float(data.attributes["value"]) == given, data.attributes["data-key"]
        printed, half = shown(data.text)
        assert printed == pytest.approx(given, abs=half, rel=5e-6), data.attributes["data-key"]


def test_what_matters_is_there(page: Element, sample: dict[str, Any]) -> None:
    keys = {data.attributes.get("data-key") for data in page.all("data")}
    wanted = {
        "risk",
        "risk_raw",
        "interval.0",
        "interval.1",
        "cannot_say_zone.0",
        "model.threshold",
    }
    wanted |= {"quality.usable_seconds", "explanation_check.ratio", "model.metrics.auc"}
    wanted |= {"quality.reasons.1.ranges.1.0", "input.age_weeks", "model.trained.n_infants"}
    wanted |= {f"clips.{i}.attention" for i in range(len(sample["clips"]))}
    wanted |= {f"joints.{i}.movement" for i in range(len(sample["joints"]))}
    assert wanted <= keys
    assert page.one("div", id="odds").attributes["data-risk"] == str(sample["risk"])


def test_tables_are_twins_of_the_drawings(page: Element, sample: dict[str, Any]) -> None:
    clips = page.one("details", id="clips-table").one("tbody").all("tr")
    assert len(clips) == len(sample["clips"])
    times = [cell.text for cell in clips[100].all("td")]
    clip = sample["clips"][100]
    usable = [c["attention"] for c in sample["clips"] if c["usable"]]
    assert float(times[4]) == pytest.approx(
        clip["attention"] / (sum(usable) / len(usable)), abs=0.0501
    )
    moments, arm = sample["movement"]["time_s"], sample["movement"]["parts"]["right_arm"]
    inside = [v for t, v in zip(moments, arm, strict=True) if clip["start_s"] <= t < clip["end_s"]]
    assert float(times[7]) == pytest.approx(sum(inside) / len(inside), abs=0.00501)
    joints = page.one("details", id="joints-table").one("tbody").all("tr")
    assert [row.one("th").text.replace(" ", "_") for row in joints] == [
        joint["name"] for joint in sorted(sample["joints"], key=lambda j: -j["attention"])
    ]
    tenths = page.one("details", id="cohort-table").one("tbody").all("tr")
    assert [sum(int(row.all("td")[i].text) for row in tenths) for i in (0, 1)] == [80, 40]


def test_drawings_are_named_and_described(page: Element) -> None:
    drawings = page.all("svg", role="img")
    assert len(drawings) == 7
    ids = [e.attributes["id"] for e in page.all() if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    for svg in drawings:
        title, description = svg.attributes["aria-labelledby"].split()
        assert svg.one("title", id=title).text
        assert svg.one("desc", id=description).text


def test_the_policy_lets_only_this_script_and_style_in(page: Element, sample: Any) -> None:
    text = render_report(sample)
    policy = page.one("meta", http_equiv="Content-Security-Policy").attributes["content"]
    for tag in ("script", "style"):
        (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy


def test_nothing_is_loaded_from_anywhere(page: Element, sample: Any) -> None:
    assert not re.search(
        r"https?://|url\((?!#hatch\)|data:font/woff2)|@import", render_report(sample)
    )
    for element in page.all():
        assert element.tag not in {"img", "iframe", "object", "embed", "base"}
        assert "style" not in element.attributes, "the policy refuses inline styles"
        assert not [key for key in element.attributes if key.startswith("on") or key == "src"]
        if "href" in element.attributes:
            assert element.attributes["href"][:1] == "#" or element.tag == "link"
    assert [link.attributes["href"] for link in page.all("link")] == ["data:,"]


@pytest.mark.parametrize(
    "make",
    [sample_assessment, refused_assessment, undecided_assessment, dict],
    ids=lambda make: make.__name__,
)
def test_it_is_valid_html(make: Any) -> None:
    html5lib = pytest.importorskip("html5lib")
    text = render_report(make())
    parse(text)
    # html5lib's rules end with HTML 5.0 and do not know what its parser cannot ask of <svg>.
    html5lib.HTMLParser(strict=True).parse(text)


def test_simulated_training_cannot_be_overlooked(sample: dict[str, Any]) -> None:
    page = parse(render_report(sample))
    banner = page.one("div", class_="banner")
    assert banner.one("p", class_="simulated").one("strong").text == "Trained on simulated infants."
    assert "simulated" in page.one("section", id="risk").one("figcaption").text
    real = copy.deepcopy(sample)
    real["model"]["trained"]["simulated"] = False
    assert "imulated infants" not in render_report(real)
    real["model"]["trained"]["simulated"] = None
    assert "not stated whom this model was trained on" in render_report(real)


def test_a_refused_recording_leads_with_why_and_gives_no_risk() -> None:
    page = parse(render_report(refused_assessment()))
    sections = [section.attributes["id"] for section in page.all("section")]
    assert sections == ["quality", "risk", "reading", "versions"]
    quality = page.one("section", id="quality")
    assert "Refused" in quality.text
    assert "8.6 s usable, the model needs 20 s" in quality.text
    assert "0:03.0 to 1:36.0, 1:41.0 to 2:51.4" in quality.text
    assert "Filming it better" in quality.text
    assert "No risk is given" in page.one("section", id="risk").text
    keys = {data.attributes.get("data-key", "") for data in page.all("data")}
    assert not [
        key for key in keys if key.startswith(("risk", "interval", "clips", "model.metrics"))
    ]


def test_a_refused_recording_shows_no_risk_even_if_the_file_has_one(sample: dict[str, Any]) -> None:
    quality = refused_assessment()["quality"]
    page = parse(render_report(sample | {"quality": quality}))
    assert "No risk is given" in page.one("section", id="risk").text
    assert not page.all(data_key="risk")


def test_cannot_say_is_an_answer(sample: dict[str, Any]) -> None:
    undecided = undecided_assessment()
    section = parse(render_report(undecided)).one("section", id="risk")
    assert section.one("p", class_="decision").text == "Cannot say"
    assert undecided["decision_reason"] in section.text
    assert section.one("data", data_key="risk").text == "0.52"


def test_a_range_that_is_the_whole_recording_is_no_moment(sample: dict[str, Any]) -> None:
    ranges = [[0.0, sample["input"]["duration_s"]], [3.0, 4.5]]
    quality = {"reasons": [{"code": "W105", "text": "Short.", "ranges": ranges}]}
    section = parse(render_report(sample | {"quality": quality})).one("section", id="quality")
    assert section.one("span", class_="moments").text == "0:03.0 to 0:04.5"


def test_moments_that_the_reason_tells_are_not_told_again(sample: dict[str, Any]) -> None:
    reason = {"code": "W111", "text": "Noise, 0:03 to 0:04.5.", "ranges": [[3.0, 4.5]]}
    page = render_report(sample | {"quality": {"reasons": [reason]}})
    section = parse(page).one("section", id="quality")
    assert section.text.count("0:03") == 1
    ranges = [[3.0, 4.5], [6.0, 7.5], [9.0, 10.5], [12.0, 13.5]]
    reason = reason | {"text": f"Noise, {range_words(ranges)}.", "ranges": ranges}
    page = render_report(sample | {"quality": {"reasons": [reason]}})
    moments = parse(page).one("section", id="quality").one("span", class_="moments").text
    assert "0:12.0 to 0:13.5" in moments


def test_the_interval_says_of_what_it_is(sample: dict[str, Any]) -> None:
    page = parse(render_report(sample))
    assert sample["interval_of"] in page.one("section", id="risk").one("figcaption").text
    assert sample["model"]["notes"][0] in page.one("section", id="reading").text


def test_a_risk_of_the_whole_is_not_explained_by_its_moments(sample: dict[str, Any]) -> None:
    sample = copy.deepcopy(sample)
    said = "This risk rests on movements larger than usual in the recording as a whole."
    for absent, exaggerated, whole in (
        (0.34, 0.02, False), (0.02, 0.97, True), (0.3, 0.4, False), (0.99, 0.98, False),
    ):  # fmt: skip
        sample["rests_on"] = {"absent": absent, "exaggerated": exaggerated}
        page = parse(render_report(sample))
        assert f"Are they exaggerated, larger than usual: {exaggerated}" in page.text
        assert (said in page.text) == whole
        assert ("This risk rests on the second." in page.text) == whole
    del sample["rests_on"]  # of a model that asks one question
    text = parse(render_report(sample)).text
    assert "two questions" not in text
    assert said not in text


def test_no_risk_is_told_as_certain(sample: dict[str, Any]) -> None:
    sample = copy.deepcopy(sample)
    limits = sample["risk_limits"] = [1 / 402, 401 / 402]
    sample.update(
        calibrated_on=400, risk=limits[1], interval=[0.9949, limits[1]], decision="abnormal"
    )
    text = parse(render_report(sample)).text
    assert "Risk >0.99, interval 0.99 to >0.99" in text
    assert "no risk below 0.0025 or above 0.9975 can be known" in text
    sample.update(risk=0.5, interval=[0.4, 0.6])
    assert "can be known" not in parse(render_report(sample)).text


def test_chances_in_words() -> None:
    told = {0.0: "<0.01", 0.0049: "<0.01", 0.005: "0.01", 0.3128: "0.31", 0.9949: "0.99",
            0.995: ">0.99", 1.0: ">0.99"}  # fmt: skip
    assert {value: words.chance(value) for value in told} == told


def test_out_of_scope_gives_no_numbers_of_infants(sample: dict[str, Any]) -> None:
    out = sample | {"scope": {"in_scope": False, "text": "An adult, by its proportions."}}
    section = parse(render_report(out)).one("section", id="risk")
    assert section.one("p", class_="decision").text == "Outside what the model knows"
    assert "An adult, by its proportions." in section.one("p", class_="notice").text
    assert not section.all(id="odds")


def test_an_uncalibrated_score_is_not_called_a_probability(sample: dict[str, Any]) -> None:
    page = parse(render_report(sample | {"calibrated": False}))
    assert not page.all(id="odds")
    assert "not calibrated" in page.one("section", id="risk").text


def test_counts_elsewhere_by_hand(sample: dict[str, Any]) -> None:
    # 40 of 120 in the cohort: odds 1 to 2. Risk 0.5 doubles them, whatever they were.
    even = sample | {"risk": 0.5, "interval": [0.2, 1.0]}
    table = parse(render_report(even)).one("details", id="odds-table")
    rows = [[cell.text for cell in row.all()] for row in table.one("tbody").all("tr")]
    assert rows[0] == ["10 of 100", "18 of 100", "5 of 100", "100 of 100"]  # 2/9, 1/18
    assert rows[1][:2] == ["20 of 1,000", "39 of 1,000"]  # 2/49
    assert rows[2][:2] == ["20 of 10,000", "40 of 10,000"]


def test_a_failed_check_speaks_against_the_map(sample: dict[str, Any]) -> None:
    check = sample["explanation_check"] | {"passed": False, "ratio": 0.9}
    section = parse(render_report(sample | {"explanation_check": check})).one("section", id="check")
    assert "It does not hold" in section.text
    assert "should not be used" in section.text


@pytest.mark.parametrize("key", sorted(ASSESSMENT))
def test_any_part_may_be_missing_or_wrong(key: str) -> None:
    for value in ("missing", None, "text", 1, math.nan, [], {}, [None, 7], True):
        changed = SMALL | {key: value}
        if value == "missing":
            del changed[key]
        text = render_report(changed)
        parse(text)
        assert ">nan" not in text.lower(), value
        assert ">None<" not in text, value


def test_an_empty_assessment_is_a_page_without_claims() -> None:
    page = parse(render_report({}))
    assert "No risk is given" in page.one("section", id="risk").text
    assert not [d for d in page.all("data") if d.attributes.get("value") not in (None, "")]


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in leaves(item, (*path, key))]
    if isinstance(value, list):
        return [leaf for i, item in enumerate(value[:1]) for leaf in leaves(item, (*path, i))]
    return [path]


def poisoned(assessment: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(assessment)
    inner: Any = changed
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return changed


SMALL = sample_assessment(seconds=2)
HOSTILE = "\"'></title></style></svg><script>alert(1)</script><img src=x onerror=alert(1)>{{7*7}}"


def test_no_text_of_the_file_becomes_markup() -> None:
    for path in leaves(SMALL):
        page = parse(render_report(poisoned(SMALL, path, HOSTILE)))
        assert len(page.all("script")) == 1, path
        assert not page.all("img"), path
        assert not [e for e in page.all() if any(key.startswith("on") for key in e.attributes)]


def test_names_of_measures_parts_and_versions_are_only_text() -> None:
    hostile = copy.deepcopy(SMALL)
    hostile["versions"][HOSTILE] = HOSTILE
    hostile["quality"]["measures"][HOSTILE] = HOSTILE
    hostile["movement"]["parts"][HOSTILE] = [1.0] * len(hostile["movement"]["time_s"])
    page = parse(render_report(hostile))
    assert len(page.all("script")) == 1
    assert not page.all("img")
    assert any(HOSTILE.split("{")[0] in row.text for row in page.all("th"))


@pytest.mark.parametrize("path", leaves(SMALL), ids=lambda path: ".".join(map(str, path)))
def test_any_single_value_may_be_null_or_absurd(path: tuple[Any, ...]) -> None:
    for value in (None, -1e300, 1e300):
        if path == ("schema_version",) and value == 1e300:
            continue  # a newer schema is refused, tested below
        text = render_report(poisoned(SMALL, path, value))
        parse(text)
        assert not re.search(r'[" ](nan|-?inf)[" ,LMZ]', text), value


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@settings(max_examples=40)
@given(st.dictionaries(st.sampled_from(sorted(set(ASSESSMENT) - {"schema_version"})), json_values))
def test_any_json_object_makes_a_page(content: dict[str, Any]) -> None:
    assert len(parse(render_report(content)).all("script")) == 1


@pytest.mark.parametrize("content", [None, [], "{}", {"schema_version": 2}], ids=repr)
def test_what_is_no_assessment_is_refused(content: Any, tmp_path: Path) -> None:
    with pytest.raises(FileError, match="E511"):
        write_report(content, tmp_path / "report.html")
    assert not list(tmp_path.iterdir())
