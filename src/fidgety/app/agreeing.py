"""How far readers agree: each pair of them, and each with the model, on what they rated blind."""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import combinations
from typing import Any

from fidgety.app.reading import LABELS, SCORES
from fidgety.app.store import Store
from fidgety.statistics.agreement import Agreement, cohen_kappa

__all__ = ["summary"]

FEW = 20  # cases below which an interval is worth little
ORDERED = ("F++", "F+", "F+-", "F-", "Fa")


def summary(store: Store, reader: int) -> dict[str, Any]:
    """What the agreement page shows to one reader.

    First ratings count, given before a reader saw the model or another's reading; only cases that
    both and who looks have signed, so that nobody learns from this page what others said of a case
    that is still open to the one who looks.

    Parameters
    ----------
    store : Store
    reader : int
        Who looks: only cases that this reader has signed are counted and listed.
    """
    names = {row["id"]: row["name"] for row in store.all("SELECT id, name FROM readers")}
    first = _first_ratings(store, reader)
    pairs = [
        _pair(names, first, one, two)
        for one, two in combinations(sorted(first, key=lambda r: names.get(r, "")), 2)
    ]
    return {
        "pairs": [pair for pair in pairs if pair["labels"].n or pair["scores"].n],
        "models": _with_model(store, names, first),
        "disagreements": _disagreements(store, names, first, reader),
        "few": FEW,
        "order": ORDERED,
    }


def _first_ratings(store: Store, looking: int) -> dict[int, dict[str, str]]:
    """First blind rating by reader and case, where that reader and who looks have signed it."""
    signed = {
        (row["case_id"], row["reader"])
        for row in store.all("SELECT case_id, reader FROM standings WHERE version > 0")
    }
    found: dict[int, dict[str, str]] = defaultdict(dict)
    for row in store.all("SELECT case_id, reader, content FROM events WHERE kind = 'rated'"):
        content = json.loads(row["content"])
        case, reader = row["case_id"], row["reader"]
        if content["blind"] and {(case, reader), (case, looking)} <= signed:
            found[reader][case] = content["score"]
    return dict(found)


def _pair(
    names: dict[int, str], first: dict[int, dict[str, str]], one: int, two: int
) -> dict[str, Any]:
    both = sorted(first[one].keys() & first[two].keys())
    scored = [case for case in both if "NA" not in (first[one][case], first[two][case])]
    mine, theirs = ([first[r][case] for case in scored] for r in (one, two))
    return {
        "names": (names.get(one, "?"), names.get(two, "?")),
        "scores": cohen_kappa(mine, theirs, ORDERED),
        "weighted": cohen_kappa(mine, theirs, ORDERED, weights="linear"),
        "labels": _by_label(mine, theirs),
        "not_assessable": len(both) - len(scored),
    }


def _by_label(mine: list[str], theirs: list[str]) -> Agreement:
    return cohen_kappa([LABELS[s] for s in mine], [LABELS[s] for s in theirs], (0, 1))


def _with_model(
    store: Store, names: dict[int, str], first: dict[int, dict[str, str]]
) -> list[dict[str, Any]]:
    """Each reader against the side the model took, cases it did not decide counted apart."""
    sides: dict[str, str | None] = {}
    for row in store.all("SELECT cases.id, json_extract(content, '$.decision') AS decision "
                         "FROM cases JOIN assessments ON assessments.id = cases.assessment "
                         "WHERE cases.id IN (SELECT case_id FROM standings WHERE version > 0)"
                         ):  # fmt: skip
        sides[row["id"]] = row["decision"]
    found = []
    for reader in sorted(first, key=lambda r: names.get(r, "")):
        rated = {c: LABELS[s] for c, s in first[reader].items() if LABELS[s] is not None}
        asked = [case for case in sorted(rated) if sides.get(case) is not None]
        decided = [case for case in asked if sides[case] in ("normal", "abnormal")]
        if asked:
            model = [int(sides[case] == "abnormal") for case in decided]
            found.append(
                {
                    "name": names.get(reader, "?"),
                    "labels": cohen_kappa([rated[case] for case in decided], model, (0, 1)),
                    "undecided": len(asked) - len(decided),
                }
            )
    return found


def _disagreements(
    store: Store, names: dict[int, str], first: dict[int, dict[str, str]], reader: int
) -> list[dict[str, Any]]:
    """Cases this reader has signed on which the first ratings differ in their label."""
    by_case: dict[str, dict[int, str]] = defaultdict(dict)
    for who, ratings in first.items():
        for case, score in ratings.items():
            by_case[case][who] = score
    open_to = first.get(reader, {}).keys()
    infants = {row["id"]: row["infant"] for row in store.all("SELECT id, infant FROM cases")}
    return [
        {
            "case": case,
            "infant": infants.get(case, "?"),
            "ratings": [(names.get(who, "?"), score, SCORES[score]) for who, score in said.items()],
        }
        for case, said in sorted(by_case.items(), key=lambda item: infants.get(item[0], ""))
        if case in open_to and len({LABELS[score] for score in said.values()}) > 1
    ]
