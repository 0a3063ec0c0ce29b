"""A method fitted to a training part, and what its scores of infants left out say of it.

The infants of the training part are dealt to inner parts. For each inner part one member is fitted
to the other infants and scores the infants left out, so that every training infant has a score from
a member that never saw it. On these scores, and on nothing else, calibration, threshold and
abstention are fitted. A network is then used as the ensemble of its members, which costs no further
training; a plain classifier is fitted once more to the whole training part, as published.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import ConfigError, StudyError
from fidgety.models.ensemble import pooled
from fidgety.models.network import Network
from fidgety.models.rules import Rules, fit_rules
from fidgety.models.scope import scope_table
from fidgety.statistics import roc_auc
from fidgety.study.examples import Example
from fidgety.study.methods import Classifier, Method
from fidgety.study.names import listing
from fidgety.study.training import fit, scores

__all__ = ["CrossFit", "cross_fit", "deal_infants", "infants_needed"]

HOLD_OUT = 5  # with one inner part, a fifth of the infants is left out
CLASSIFIER_PARTS = 5  # plain classifiers cost next to nothing


@dataclass(frozen=True, eq=False)
class CrossFit:
    """A fitted method.

    Parameters
    ----------
    method : Method
        Its settings; where the training part chose among candidates, the chosen ones.
    candidate : str
        Name of the chosen candidate; empty if there was no choice.
    networks : tuple
        Members of the ensemble, in evaluation mode; empty for a plain classifier.
    classifier : Classifier or None
        The plain classifier fitted to the whole training part.
    held : ndarray (N,)
        Score of each training recording by a member that never saw its infant; NaN where there is
        none (one inner part leaves out only some infants).
    rules : Rules
        Calibration, threshold, abstention and scope, fitted on `held`.
    """

    method: Method
    candidate: str
    networks: tuple[Network, ...]
    classifier: Classifier | None
    held: NDArray[np.float64]
    rules: Rules

    def scores(self, examples: Sequence[Example]) -> NDArray[np.float64]:
        """Uncalibrated risk (N,): the members' mean on the logit scale."""
        if self.classifier is not None:
            return self.classifier.risk(_values(examples))
        config = self.method.network
        assert config is not None
        return pooled(np.stack([scores(member, examples, config) for member in self.networks]))


def cross_fit(
    method: Method,
    train: Sequence[Example],
    *,
    inner: int = 3,
    seed: int = 0,
    error: float = 0.1,
    run: Path | None = None,
) -> CrossFit:
    """Fit a method to a training part; the part to be tested is not an argument.

    A method with candidates is fitted with each of them; the one with the best inner out-of-fold
    AUC is fitted again on another dealing of the infants, so that the scores that calibrate it did
    not choose it.

    Parameters
    ----------
    method : Method
        What to fit.
    train : sequence of Example
        The whole training part.
    inner : int
        Inner parts: members of the ensemble of a network. With 1 a single member is fitted to
        four fifths of the infants and the rules to the last fifth. Plain classifiers use five
        parts at least. With 0 a single member, or the classifier, is fitted to all infants and
        there are no rules: enough where only the order of scores is asked for.
    seed : int
        Of the dealing.
    error : float
        Stated error rate of the abstention.
    run : Path, optional
        Folder of the members' states, so that a fit that was killed goes on.

    Raises
    ------
    ConfigError
        E702 if `inner` is below 0.
    StudyError
        E213 if a class has fewer infants than inner parts; else as `fidgety.study.training.fit`.
    """
    if inner < 0:
        raise ConfigError("E702", f"{inner} inner folds", remedy="Give 0 or more")
    if inner == 0:
        return _fit_whole(method, train, run)
    candidate = ""
    if method.candidates:
        tried = {
            name: _fit_parts(choice, train, inner, seed, _below(run, f"candidate_{name}"))[1]
            for name, choice in method.candidates.items()
        }
        candidate = max(tried, key=lambda name: _held_auc(train, tried[name]))
        method, seed = method.candidates[candidate], seed + 1
    networks, held = _fit_parts(method, train, inner, seed, run)
    classifier = None
    if method.classifier is not None:
        classifier = method.classifier().fit(_values(train), _labels(train))
    scored = np.flatnonzero(np.isfinite(held))
    names, table = scope_table([example.sequence for example in train])
    rules = fit_rules(
        held[scored],
        _labels(train)[scored],
        [train[i].infant_id for i in scored.tolist()],
        features=table,
        feature_names=names,
        feature_infants=[example.infant_id for example in train],
        error=error,
    )
    return CrossFit(method, candidate, networks, classifier, held, rules)


def deal_infants(
    examples: Sequence[Example], parts: int, seed: int
) -> tuple[NDArray[np.intp], ...]:
    """Rows of `examples` in each part: infants whole, classes spread evenly.

    With one part, a fifth of the infants of each class; else every infant is in exactly one part.

    Raises
    ------
    StudyError
        E213 if a class has too few infants.
    """
    label = {example.infant_id: example.label for example in examples}
    rng = np.random.default_rng([seed, 2])
    dealt = parts if parts > 1 else HOLD_OUT
    part_of: dict[str, int] = {}
    start = 0
    for own in (1, 0):
        infants = [infant for infant in sorted(label) if label[infant] == own]
        if len(infants) < max(parts, 2):
            raise StudyError(
                "E213",
                f"The training part has {len(infants)} infants of label {own}, "
                f"{parts} inner folds need {max(parts, 2)}",
                remedy="Use fewer --inner or --folds, or add infants",
            )
        for k, row in enumerate(rng.permutation(len(infants))):
            part_of[infants[row]] = (start + k) % dealt
        start += len(infants) if parts > 1 else 0
    rows = np.array([part_of[example.infant_id] for example in examples])
    held = tuple(np.flatnonzero(rows == part) for part in range(parts))
    for part in held:
        left_out = {examples[int(i)].infant_id for i in part}
        rest = {e.infant_id for i, e in enumerate(examples) if i not in set(part.tolist())}
        assert not left_out & rest, f"infants cross: {listing(left_out & rest)}"
    return held


def infants_needed(folds: int, inner: int) -> int:
    """Fewest infants of a class for so many outer and inner folds."""
    wanted = max(inner, 2)
    return next(n for n in range(folds, folds + 2 * wanted + 2) if n - -(-n // folds) >= wanted)


def _fit_whole(method: Method, train: Sequence[Example], run: Path | None) -> CrossFit:
    """One fit to all infants; nothing is held out, so that nothing can be said of its scores."""
    held = np.full(len(train), np.nan)
    if method.classifier is not None:
        classifier = method.classifier().fit(_values(train), _labels(train))
        return CrossFit(method, "", (), classifier, held, Rules())
    assert method.network is not None
    config = replace(method.network, training=replace(method.network.training, patience=None))
    member = fit(train, (), config, run=_below(run, "member0"), resume=True).model
    return CrossFit(method, "", (member,), None, held, Rules())


def _fit_parts(
    method: Method, train: Sequence[Example], inner: int, seed: int, run: Path | None
) -> tuple[tuple[Network, ...], NDArray[np.float64]]:
    """Networks, one an inner part, and the scores of the infants that each left out."""
    parts = inner if method.network is not None else _classifier_parts(train, inner)
    held = np.full(len(train), np.nan)
    networks = []
    for number, rows in enumerate(deal_infants(train, parts, seed)):
        out = set(rows.tolist())
        kept = [example for i, example in enumerate(train) if i not in out]
        asked = [train[int(i)] for i in rows]
        assert not {e.infant_id for e in kept} & {e.infant_id for e in asked}
        if method.network is not None:
            # The last epoch, not the best for the infants left out: they judge, they do not choose.
            training = method.network.training
            config = replace(
                method.network,
                training=replace(training, seed=training.seed + number, patience=None),
            )
            member = fit(kept, (), config, run=_below(run, f"member{number}"), resume=True).model
            networks.append(member)
            held[rows] = scores(member, asked, config)
        else:
            assert method.classifier is not None
            first = method.classifier().fit(_values(kept), _labels(kept))
            held[rows] = first.risk(_values(asked))
    return tuple(networks), held


def _classifier_parts(train: Sequence[Example], inner: int) -> int:
    """Five, or as many as `inner` asks for, or as the smaller class allows."""
    label = {example.infant_id: example.label for example in train}
    smaller = min(sum(own == wanted for own in label.values()) for wanted in (0, 1))
    return max(inner, min(CLASSIFIER_PARTS, smaller))


def _held_auc(train: Sequence[Example], held: NDArray[np.float64]) -> float:
    scored = np.isfinite(held)
    return float(roc_auc(held[scored], _labels(train)[scored]))


def _below(run: Path | None, name: str) -> Path | None:
    return None if run is None else run / name


def _values(examples: Sequence[Example]) -> list[NDArray[np.floating]]:
    return [example.sequence.values for example in examples]


def _labels(examples: Sequence[Example]) -> NDArray[np.int64]:
    return np.array([example.label for example in examples], dtype=np.int64)
