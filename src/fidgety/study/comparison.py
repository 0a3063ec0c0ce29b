"""Models of one cross-validation side by side: AUC, paired differences, risks and answers."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass

from fidgety.files import write_json, write_text
from fidgety.statistics import AUC, AUCDifference, auc_interval, compare_auc
from fidgety.study.risk_lines import RiskLine, risk_lines, risk_table
from fidgety.study.tested import read_tested

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True)
class Comparison:
    """AUC of each model over the same out-of-fold infants, and differences from the best.

    Parameters
    ----------
    auc : dict of str to AUC
        Model to its AUC with interval; models in order of AUC, best first.
    difference : dict of str to AUCDifference
        The best model's AUC less each other model's.
    infants, abnormal : int
        How many were tested, and the abnormal among them.
    simulated : bool
        Whether they are simulated infants.
    risks : tuple of RiskLine
        Calibration and abstention of each model, in the same order.
    error : float or None
        Stated error of the abstention; None if the experiment does not say it.
    """

    auc: dict[str, AUC]
    difference: dict[str, AUCDifference]
    infants: int
    abnormal: int
    simulated: bool
    risks: tuple[RiskLine, ...] = ()
    error: float | None = None

    def table(self) -> str:
        """Markdown tables: discrimination, and what risks and answers are worth."""
        kind = "simulated infants" if self.simulated else "infants"
        best = next(iter(self.auc))
        several = len(self.auc) > 1
        lines = [
            f"{self.infants} {kind}, {self.abnormal} abnormal; every prediction out of fold.",
            "",
            "| model | AUC | 95 % interval |" + f" {best} is better by | p |" * several,
            "|---|---|---|" + "---|---|" * several,
        ]
        for name, auc in self.auc.items():
            apart = self.difference.get(name)
            rest = " | |" if apart is None else f" {apart.value:.3f} | {apart.p:.2g} |"
            lines.append(
                f"| {name} | {auc.value:.3f} | {auc.low:.3f} to {auc.high:.3f} |" + rest * several
            )
        if self.risks:
            lines += ["", risk_table(self.risks, self.error)]
        return "\n".join(lines)


def compare(folder: str | os.PathLike[str]) -> Comparison:
    """Compare the models of a cross-validation; writes ``comparison.md`` and ``comparison.json``.

    With several repeats, the scores of a recording are first averaged over them.

    Parameters
    ----------
    folder : path-like
        Output of `fidgety.study.experiment.cross_validate`.

    Raises
    ------
    StudyError
        E274 if there are no predictions, E279 if they are not those of the cross-validation:
        changed, incomplete, or of other recordings for one model than for another.
    """
    tested = read_tested(folder)
    labels, infants = tested.labels, tested.infants
    auc = {
        model: auc_interval(score, labels, infants=infants)
        for model, score in tested.scores.items()
    }
    auc = dict(sorted(auc.items(), key=lambda item: (-item[1].value, item[0])))
    best = next(iter(auc))
    result = Comparison(
        auc,
        {
            model: compare_auc(tested.scores[best], tested.scores[model], labels, infants=infants)
            for model in auc
            if model != best
        },
        tested.n_infants,
        tested.n_abnormal,
        tested.simulated,
        tuple(sorted(risk_lines(tested), key=lambda line: list(auc).index(line.model))),
        tested.about.get("error"),
    )
    write_text(tested.root / "comparison.md", result.table() + "\n")
    write_json(
        tested.root / "comparison.json",
        {
            line.model: {
                "auc": auc[line.model].value,
                "low": auc[line.model].low,
                "high": auc[line.model].high,
                **{key: value for key, value in asdict(line).items() if key != "model"},
            }
            for line in result.risks
        },
    )
    return result
