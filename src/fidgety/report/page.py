"""Assessment to HTML: what the templates are given, and the policy that nothing is loaded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from fidgety.report import words
from fidgety.report.assets import asset, packed_plotly, policy, stylesheet
from fidgety.report.body_map import draw_body, places
from fidgety.report.charts import cohort_figure, timeline_figure
from fidgety.report.cohort import draw_check, draw_cohort, share_below, table_of_tenths
from fidgety.report.reading import complete, look_up
from fidgety.report.risk_scale import draw_hundred, draw_risk_scale
from fidgety.report.svg import cividis
from fidgety.report.timeline import (
    draw_timeline,
    duration,
    even_share,
    in_part,
    mean_between,
    moments,
)

__all__ = ["environment", "fragments", "page_parts", "prevalence_of", "render_report"]

_CLOCK = re.compile(r"\d:\d\d")
NAMED = 3  # moments that the text of a reason tells at most
PANELS = ("quality", "risk", "attention", "body", "check", "cohort", "reading")
REFUSED_PANELS = ("quality", "risk", "reading")
PREVALENCES = (0.1, 0.02, 0.002)  # offered beside that of the cohort
NOT_GIVEN = Markup('<span class="absent">not given</span>')
FORMS = {
    "risk": words.chance,
    "change": lambda v: words.fixed(v, 3),
    "one": lambda v: words.fixed(v, 1),
    "two": lambda v: words.fixed(v, 2),
    "four": lambda v: words.fixed(v, 4),
    "count": lambda v: f"{v:,.0f}",
    "plain": lambda v: f"{v:g}",
    "percent": words.percent,
    "percent2": lambda v: words.percent(v, 2),
    "clock": words.clock,
    "clock1": lambda v: words.clock(v, 1),
}


def render_report(assessment: Mapping[str, Any], *, interactive: bool = True) -> str:
    """The report of one assessment as the text of one HTML file.

    Parameters
    ----------
    assessment : mapping
        Content of ``assessment.json``.
    interactive : bool
        Carry the plot library (2 MB), so that charts can be zoomed into. Without it the page has
        the same charts, still.

    Raises
    ------
    FileError
        As `fidgety.report.write_report`.
    """
    context = _context(_shown(assessment)) | page_parts(
        ("report.css",), ("page.js", "report.js"), interactive
    )
    return environment().get_template("report.html").render(context)


def fragments(assessment: Mapping[str, Any]) -> dict[str, Markup]:
    """The sections of the report, without their headings, for another page to put in.

    That page must link ``tokens.css``, ``base.css`` and ``report.css`` of `fidgety.report`'s
    templates, hold the pattern ``#hatch`` (see ``page.html``), and load ``report.js``, whose
    ``fidgetyReport.start(element)`` wakes a fragment that was put in later.

    Parameters
    ----------
    assessment : mapping
        Content of ``assessment.json``.

    Returns
    -------
    dict of str to Markup
        ``quality``, ``risk``, ``attention`` (with the body map), ``body`` (the body map alone),
        ``check``, ``cohort``, ``reading``; of a refused recording, those that the report has.

    Raises
    ------
    FileError
        E511 if `assessment` is not an assessment.
    """
    context = _context(_shown(assessment)) | {"plotly": None}
    names = REFUSED_PANELS if context["refused"] else PANELS
    return {
        name: Markup(environment().get_template(f"panel_{name}.html").render(context))  # nosec B704
        for name in names
    }


def page_parts(
    styles: tuple[str, ...], scripts: tuple[str, ...], interactive: bool
) -> dict[str, Any]:
    """What ``page.html`` needs besides its content: style, script, policy and plot library."""
    style = stylesheet(*styles)
    if interactive:
        scripts = (*scripts, "explore.js")
    script = "\n" + "\n".join(asset(name) for name in scripts)
    packed, known = packed_plotly() if interactive else ("", "")
    return {
        "style": Markup(style),  # nosec B704 - our own file
        "script": Markup(script),  # nosec B704 - our own file
        "policy": policy([style], [script], [known] if known else []),
        "plotly": Markup(packed) or None,  # nosec B704 - of a package
    }


def _shown(assessment: Mapping[str, Any]) -> dict[str, Any]:
    whole = complete(assessment)
    if whole["quality"]["verdict"] == "refused":
        whole["risk"] = None  # whatever else the file says
    return whole


def prevalence_of(trained: Mapping[str, Any]) -> float | None:
    """Share of abnormal infants a model was trained on, or None if unknown or without one class."""
    infants, abnormal = trained["n_infants"], trained["n_abnormal"]
    if infants is None or abnormal is None or not 0 < abnormal < infants:
        return None
    return abnormal / infants


def _context(whole: dict[str, Any]) -> dict[str, Any]:
    """Everything the template shows beyond the assessment itself."""

    def number(key: str, form: str = "two", unit: str = "") -> Markup:
        """The value at `key`, rounded for the eye, exact in the markup, traceable by its key."""
        value = look_up(whole, key)
        if value is None:
            return NOT_GIVEN
        text = Markup('<data value="{}" data-key="{}">{}</data>').format(
            value, key, FORMS[form](value)
        )
        return text + Markup("&nbsp;") + unit if unit else text

    def parts_of(reason: dict[str, Any]) -> list[int]:
        """Positions of a reason's ranges, unless its text tells them or they are all there is."""
        if len(reason["ranges"]) <= NAMED and _CLOCK.search(reason["text"] or ""):
            return []
        kept = in_part([reason], duration(whole))
        ranges = kept[0]["ranges"] if kept else []
        return [row for row, moment in enumerate(reason["ranges"]) if moment in ranges]

    risk, scores = whole["risk"], whole["cohort"]["scores"]
    return {
        "a": whole,
        "number": number,
        "absent": NOT_GIVEN,
        "prevalences": PREVALENCES,
        "parts_of": parts_of,
        "refused": whole["quality"]["verdict"] == "refused",
        "created": _moment(whole["created"]),
        "risk_scale": None if risk is None else draw_risk_scale(whole),
        "odds": _odds(whole),
        "of_whole": _of_whole(whole),
        "timeline": _timeline(whole),
        "body": _body(whole["joints"]),
        "check": draw_check(whole["explanation_check"]),
        "cohort": draw_cohort(scores, risk) if scores else None,
        "tenths": table_of_tenths(scores) if scores else [],
        "below": {
            label: share_below(scores, label, risk) if risk is not None else None
            for label in (0, 1)
        },
        "cohort_figure": cohort_figure(scores, risk) if scores else None,
        "version": whole["versions"].get("fidgety") or "",
    }


def _of_whole(whole: dict[str, Any]) -> bool:
    """Whether the risk rests on the recording as a whole, which no map of moments explains."""
    absent, exaggerated = whole["rests_on"]["absent"], whole["rests_on"]["exaggerated"]
    return absent is not None and exaggerated is not None and exaggerated > max(absent, 0.5)


def _odds(whole: dict[str, Any]) -> dict[str, Any] | None:
    """Natural frequencies at the cohort's prevalence; None where the risk is no probability."""
    risk, base = whole["risk"], prevalence_of(whole["model"]["trained"])
    unknown_kind = whole["scope"]["in_scope"] is False
    if risk is None or unknown_kind or not whole["calibrated"] or not 0 <= risk <= 1:
        return None
    ends = whole["interval"] or (risk, risk)
    size = words.sample_size(risk, *([] if base is None else [base]))
    return {
        "base": base,
        "before": None if base is None else words.count_of(base, size),
        "after": words.count_of(risk, size),
        "ends": [words.count_of(end, size) for end in ends],
        "hundred": draw_hundred(risk, whole["interval"]),
        "elsewhere": [] if base is None else [_at(here, base, risk, ends) for here in PREVALENCES],
    }


def _at(here: float, base: float, risk: float, ends: tuple[float, float]) -> list[str]:
    """Counts at the prevalence `here`: before the film, after it, at the ends of the interval."""
    after, low, high = (words.shift_prevalence(value, base, here) for value in (risk, *ends))
    size = words.sample_size(after, here)
    return [words.count_of(value, size) for value in (here, after, low, high)]


def _timeline(whole: dict[str, Any]) -> dict[str, Any] | None:
    clips, movement = whole["clips"], whole["movement"]
    if not clips:
        return None
    share = even_share(clips)
    stretches = [(clip["start_s"] or 0.0, clip["end_s"] or 0.0) for clip in clips]
    means = mean_between(movement, stretches)
    rows = [
        {
            "index": index,
            "times": _times(clip["attention"], share),
            "movement": [series[index] for series in means.values()],
        }
        for index, clip in enumerate(clips)
    ]
    return {
        "drawing": draw_timeline(whole),
        "figure": timeline_figure(whole),
        "rows": rows,
        "moments": [rows[index] for index in moments(clips)],
        "parts": list(means),
        "contributions": any(clip["contribution"] is not None for clip in clips),
    }


def _body(joints: list[dict[str, Any]]) -> dict[str, Any] | None:
    if not joints:
        return None
    attention = [joint["attention"] for joint in joints if joint["attention"] is not None]
    share = sum(attention) / len(attention) if sum(attention) > 0 else None
    rows = [
        {"index": index, "times": _times(joint["attention"], share)}
        for index, joint in enumerate(joints)
    ]
    rows.sort(key=lambda row: row["times"] if row["times"] is not None else -1.0, reverse=True)
    return {
        "attention": draw_body(
            joints, "attention", "Attention of each joint", "times the even share", share
        )
        if share
        else None,
        "movement": draw_body(
            joints, "movement", "Measured movement of each joint", "trunk lengths per second"
        ),
        "measured": places(joints)[1],
        "rows": rows,
        "contributions": any(joint["contribution"] is not None for joint in joints),
    }


def _times(attention: float | None, share: float | None) -> float | None:
    return None if attention is None or not share else attention / share


def _moment(created: str | None) -> str | None:
    """A timestamp as day and time; one that cannot be read is shown as it is."""
    if created is None:
        return None
    try:
        return f"{datetime.fromisoformat(created):%d %B %Y, %H:%M %Z}".strip().removesuffix(",")
    except ValueError:
        return created


@cache
def environment() -> Environment:
    """The templates of all pages, escaping what they are given."""
    made = Environment(
        loader=PackageLoader("fidgety.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["joint"] = words.joint_words
    made.globals["ramp"] = [cividis(step / 11) for step in range(12)]
    made.globals["words"] = words
    return made
