"""Lines of the bench from scores alone: infants counted once, refusals by model."""

from __future__ import annotations

import pytest

from fidgety.study.robustness_lines import lines_of


def row(number: int, score: float | None, infant: int | None = None) -> dict:
    of = number if infant is None else infant
    said = {"score": score, "probability": score, "decision": "cannot_say"}
    scores = {} if score is None else {"one": said}
    return {"infant_id": f"i{of}", "recording": f"r{number}", "label": of % 2, "scores": scores}


def test_infants_are_counted_not_recordings():
    rows = [row(2 * n + k, 0.2 + 0.1 * (n % 6), infant=n) for n in range(12) for k in range(2)]
    (line,) = lines_of({"none": rows}, ["one"])
    assert (line.infants, line.recordings, line.refused) == (12, 24, 0)
    assert line.difference == pytest.approx(0.0)
    assert line.holds
    assert line.answered == 0.0


def test_what_one_model_cannot_score_is_refused_for_it_alone():
    base = [row(n, 0.3 + 0.05 * n) for n in range(8)]
    worse = [row(n, None if n < 3 else 0.3 + 0.05 * n) for n in range(8)]
    for one in (*base, *worse):
        one["scores"]["other"] = {"score": 0.5, "probability": 0.5, "decision": None}
    lines = {(x.model, x.perturbation): x
             for x in lines_of({"none": base, "mirror": worse}, ["one", "other"])}  # fmt: skip
    assert lines["one", "mirror"].refused == 3
    assert lines["one", "mirror"].infants == 5
    assert lines["other", "mirror"].refused == 0
    assert lines["other", "mirror"].answered is None
    # Compared with the same recordings unperturbed, not with all of them.
    assert lines["one", "mirror"].difference == pytest.approx(0.0)


def test_a_line_that_costs_too_much_does_not_hold():
    base = [row(n, 0.1 + 0.8 * (n % 2)) for n in range(20)]
    worse = [row(n, 0.9 - 0.8 * (n % 2)) for n in range(20)]
    found = {line.perturbation: line for line in lines_of({"none": base, "mirror": worse}, ["one"])}
    assert found["none"].holds
    assert not found["mirror"].holds
    assert found["mirror"].difference == pytest.approx(-1.0)
