"""Risks and answers of a cross-validation: planted errors come back, gaps are said."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.special import expit, logit
from small_studies import write_study

from fidgety.study.comparison import compare
from fidgety.study.experiment import cross_validate
from fidgety.study.predictions import Decided, Prediction, write_table
from fidgety.study.risk_lines import risk_lines, risk_table
from fidgety.study.study import Study
from fidgety.study.tested import read_tested

INFANTS = 400


def written(root, steep: float = 1.0, answers=None):
    """A cross-validation of one model whose risks are `steep` times too steep."""
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 2, INFANTS)
    labels = (rng.random(INFANTS) < expit(truth)).astype(int)
    risks = expit(steep * truth)
    rows, said = [], []
    for n in range(INFANTS):
        of = ("one", 0, n % 5, f"i{n:03}", f"r{n:03}", int(labels[n]))
        rows.append(Prediction(*of, float(risks[n]), float(risks[n])))
        answer = "" if answers is None else answers(n, labels[n])
        said.append(Decided(*of, 0.5, "abnormal" if risks[n] >= 0.5 else "normal", answer, ""))
    write_table(root / "predictions.csv", rows)
    write_table(root / "decisions.csv", said, Decided)
    return labels


def test_slope_and_brier_are_those_of_the_risks(tmp_path):
    labels = written(tmp_path, steep=2.0)
    (line,) = risk_lines(read_tested(tmp_path))
    assert line.slope == pytest.approx(0.5, abs=0.12)
    assert line.slope_low is not None
    assert line.slope_high is not None
    assert line.slope_low < 0.5 < line.slope_high
    share = labels.mean()
    assert line.brier_prevalence == pytest.approx(share * (1 - share))
    assert line.ece > line.ece_if_perfect
    assert (line.answered, line.missed, line.false_alarms) == (None, None, None)


def test_errors_of_answers_are_shares_of_their_class(tmp_path):
    def answer(n, label):
        if n % 10 == 0:
            return "normal" if label else "abnormal"  # wrong
        return "cannot_say" if n % 2 else ("abnormal" if label else "normal")

    labels = written(tmp_path, answers=answer)
    (line,) = risk_lines(read_tested(tmp_path))
    tenth = np.arange(INFANTS) % 10 == 0
    assert line.answered == pytest.approx(0.5)
    assert line.missed == pytest.approx(tenth[labels == 1].mean())
    assert line.false_alarms == pytest.approx(tenth[labels == 0].mean())
    assert "stated error 10%" in risk_table([line], 0.1)


def test_parted_classes_have_no_slope(tmp_path):
    rows = [Prediction("one", 0, n % 2, f"i{n}", f"r{n}", n % 2, 0.2 + 0.6 * (n % 2),
                       float(expit(logit(0.2 + 0.6 * (n % 2))))) for n in range(20)]  # fmt: skip
    write_table(tmp_path / "predictions.csv", rows)
    (line,) = risk_lines(read_tested(tmp_path))
    assert line.slope is None
    assert "not defined" in risk_table([line], None)


def test_what_a_small_study_cannot_calibrate_is_said(tmp_path):
    names = [f"i{n:02}_v0" for n in range(12)]
    rows = "".join(f"{name[:3]},{n % 2},{name}\n" for n, name in enumerate(names))
    study = Study.open(
        write_study(tmp_path / "s", "infant_id,label,recording\n" + rows, names, frames=45)
    )
    out = tmp_path / "out"
    cross_validate(study, ["quantiles"], out, folds=2, inner=1)
    told = compare(out).table()
    assert "in 2 of 2 folds too few infants were left out to fit an abstention" in told
    about = out / "folds" / "repeat0_fold0" / "quantiles" / "fold.json"
    content = json.loads(about.read_text("utf-8"))
    content["rules"]["calibration"]["slope"] = 0.0
    about.write_text(json.dumps(content), "utf-8")
    other = json.loads((out / "folds/repeat0_fold1/quantiles/fold.json").read_text("utf-8"))
    level = 1 + (other["rules"]["calibration"]["slope"] == 0)
    assert f"in {level} of 2 folds its scores did not rise" in compare(out).table()
