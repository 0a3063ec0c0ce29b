"""A method fitted to a training part, and what its scores of infants left out say of it.

The infants of the training part are dealt to inner parts. For each inner part one member is fitted
to the other infants and scores the infants left out, so that every training infant has a score from
a member that never saw it. The infants are then dealt once more, for one further member of a
network and all of a plain classifier's: infants left out twice show how far members differ. The
method is used as the ensemble of its members, the mean of their logits. On the scores of infants
left out, brought to what the ensemble's would be (`fidgety.statistics.as_of_mean`), and on nothing
else, calibration, threshold and abstention are fitted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from fidgety.errors import ConfigError, StudyError
from fidgety.models.ensemble import logits, pooled
from fidgety.models.network import Network
from fidgety.models.rules import Rules, fit_rules
from fidgety.models.scope import scope_table
from fidgety.statistics import as_of_mean, fit_calibrator, roc_auc
from fidgety.study.examples import Example
from fidgety.study.methods import Classifier, Method
from fidgety.study.names import listing
from fidgety.study.training import fit, scores

__all__ = [
    "CrossFit",
    "cross_fit",
    "deal_infants",
    "fit_member",
    "fitted_classifiers",
    "infants_needed",
    "member_names",
    "seed_below",
]

HOLD_OUT = 5  # with one inner part, a fifth of the infants is left out
CLASSIFIER_PARTS = 5  # plain classifiers cost next to nothing
FURTHER = 1  # members of a network from the second dealing: enough to measure how far they differ


@dataclass(frozen=True, eq=False)
class CrossFit:
    """A fitted method.

    Parameters
    ----------
    method : Method
        Its settings; where the training part chose among candidates, the chosen ones.
    candidate : str
        Name of the chosen candidate; empty if there was no choice.
    networks : tuple of Network
        Members of the ensemble, in evaluation mode; empty for a plain classifier.
    classifiers : tuple of Classifier
        Members of the ensemble; empty for a network.
    held : ndarray (N,)
        Score of each training recording by members that never saw its infant, uncalibrated; NaN
        where there is none (one inner part leaves out only some infants).
    held_risk : ndarray (N,)
        The same, calibrated as what they are: scores of one member or two, not of the ensemble.
    rules : Rules
        Calibration, threshold, abstention and scope of the ensemble's scores.
    """

    method: Method
    candidate: str
    networks: tuple[Network, ...]
    classifiers: tuple[Classifier, ...]
    held: NDArray[np.float64]
    held_risk: NDArray[np.float64]
    rules: Rules

    def scores(self, examples: Sequence[Example]) -> NDArray[np.float64]:
        """Uncalibrated risk (N,): the members' mean on the logit scale."""
        if self.classifiers:
            values = _values(examples)
            return pooled(np.stack([member.risk(values) for member in self.classifiers]))
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
        Inner parts. From 2 on a network has one member for each and a further one from a second
        dealing. With 1 a single member is fitted to four fifths of the infants and the rules to the
        last fifth: the cheapest, and the least that calibration can rest on. Plain classifiers use
        five parts at least, dealt twice. With 0 a single member is fitted to all infants and there
        are no rules: enough where only the order of scores is asked for.
    seed : int
        Of the dealing and of the members' training.
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
        return _fit_whole(method, train, seed, run)
    candidate = ""
    if method.candidates:
        tried = {
            name: _fit_parts(choice, train, inner, seed, _below(run, f"candidate_{name}"))[1]
            for name, choice in method.candidates.items()
        }
        candidate = max(tried, key=lambda name: _held_auc(train, tried[name]))
        method, seed = method.candidates[candidate], _after_choice(seed)
    members, table = _fit_parts(method, train, inner, seed, run)
    rules, held_risk = _ruled(method, train, table, len(members), error)
    networks, classifiers = (members, ()) if method.network is not None else ((), members)
    held = _held(table)
    return CrossFit(method, candidate, networks, classifiers, held, held_risk, rules)


def member_names(inner: int) -> tuple[str, ...]:
    """Names of the networks that `cross_fit` makes with two inner parts or more."""
    return tuple(_name(number) for number in range(inner + FURTHER))


def fit_member(
    method: Method, train: Sequence[Example], name: str, *, inner: int, seed: int, run: Path
) -> None:
    """Train one network of `cross_fit`, which takes it from `run` afterwards.

    So that members can be trained side by side, in processes of their own.

    Parameters
    ----------
    method, train, inner, seed, run
        As `cross_fit` has them; a network without candidates, two inner parts or more.
    name : str
        One of `member_names`.
    """
    number = member_names(inner).index(name)
    kept, _ = _dealt(train, _left_out(method, train, inner, seed)[number])
    _member(method, kept, seed_below(seed, number), run / name)


def fitted_classifiers(
    method: Method, train: Sequence[Example], *, inner: int, seed: int, candidate: str = ""
) -> tuple[Classifier, ...]:
    """The members that `cross_fit` made of a plain classifier, made again.

    Parameters
    ----------
    method, train, inner, seed
        As `cross_fit` had them.
    candidate : str
        The one that it chose; empty if there was no choice.
    """
    if candidate:
        method, seed = method.candidates[candidate], _after_choice(seed)
    members, _ = _fit_parts(method, train, inner, seed, None)
    return members


def seed_below(*of: int) -> int:
    """A seed that others decide; other ones give another, whatever their order of size."""
    return int(np.random.SeedSequence(of).generate_state(1)[0])


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


def _fit_whole(method: Method, train: Sequence[Example], seed: int, run: Path | None) -> CrossFit:
    """One fit to all infants; nothing is held out, so that nothing can be said of its scores."""
    member = _member(method, train, seed, _below(run, _name(0)))
    networks, classifiers = ((member,), ()) if method.network is not None else ((), (member,))
    nothing = np.full(len(train), np.nan)
    return CrossFit(method, "", networks, classifiers, nothing, nothing, Rules())


def _fit_parts(
    method: Method, train: Sequence[Example], inner: int, seed: int, run: Path | None
) -> tuple[tuple[Any, ...], NDArray[np.float64]]:
    """Members, and the logits (members, N) of the infants that each left out; NaN for others."""
    table, members = [], []
    for number, rows in enumerate(_left_out(method, train, inner, seed)):
        kept, asked = _dealt(train, rows)
        member = _member(method, kept, seed_below(seed, number), _below(run, _name(number)))
        said = (
            member.risk(_values(asked))
            if method.network is None
            else scores(member, asked, method.network)
        )
        members.append(member)
        table.append(np.full(len(train), np.nan))
        table[-1][rows] = logits(said)
    return tuple(members), np.array(table)


def _name(number: int) -> str:
    return f"member{number}"


def _dealt(train: Sequence[Example], rows: NDArray[np.intp]) -> tuple[list[Example], list[Example]]:
    """Examples that a member is trained on, and those that it leaves out."""
    out = set(rows.tolist())
    kept = [example for i, example in enumerate(train) if i not in out]
    asked = [train[int(i)] for i in rows]
    assert not {e.infant_id for e in kept} & {e.infant_id for e in asked}
    return kept, asked


def _left_out(
    method: Method, train: Sequence[Example], inner: int, seed: int
) -> list[NDArray[np.intp]]:
    """Rows that each member leaves out: all parts of one dealing, and of a second one some."""
    parts = inner if method.network is not None else _classifier_parts(train, inner)
    first = deal_infants(train, parts, seed)
    if parts == 1:
        return list(first)
    again = deal_infants(train, parts, seed_below(seed, parts))
    return [*first, *(again[:FURTHER] if method.network is not None else again)]


def _member(method: Method, kept: Sequence[Example], seed: int, run: Path | None) -> Any:
    """One network or classifier, fitted."""
    if method.network is None:
        assert method.classifier is not None
        return method.classifier().fit(_values(kept), _labels(kept))
    # The last epoch, not the best for the infants left out: they judge, they do not choose.
    training = method.network.training
    config = replace(
        method.network,
        training=replace(training, seed=seed_below(training.seed, seed), patience=None),
    )
    return fit(kept, (), config, run=run, resume=True).model


def _ruled(
    method: Method, train: Sequence[Example], table: NDArray[np.float64], members: int, error: float
) -> tuple[Rules, NDArray[np.float64]]:
    """Rules of the ensemble's scores, and risks of the scores of single members (N,)."""
    scored = np.flatnonzero(np.isfinite(table).any(axis=0))
    labels, infants = _labels(train)[scored], [train[i].infant_id for i in scored.tolist()]
    names, features = scope_table([example.sequence for example in train])
    # A network's output was trained to be a logit; a classifier's score can be anything.
    calibration = "platt" if method.network is None else "anchored"
    brought = as_of_mean(table[:, scored], labels, infants, members=members)
    rules = fit_rules(
        expit(brought.scores),
        labels,
        infants,
        features=features,
        feature_names=names,
        feature_infants=[example.infant_id for example in train],
        error=error,
        calibration=calibration,
        anchor=brought.gain,
    )
    alone = logits(_held(table)[scored])
    risk = np.full(len(train), np.nan)
    risk[scored] = fit_calibrator(alone, labels, infants, method=calibration).probability(alone)
    return rules, risk


def _held(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Score (N,) by the members that left each recording out; NaN where none did."""
    count = np.isfinite(table).sum(axis=0)
    total = np.where(np.isfinite(table), table, 0.0).sum(axis=0)
    return expit(np.where(count > 0, total / np.maximum(count, 1), np.nan))


def _classifier_parts(train: Sequence[Example], inner: int) -> int:
    """Five, or as many as `inner` asks for, or as the smaller class allows."""
    label = {example.infant_id: example.label for example in train}
    smaller = min(sum(own == wanted for own in label.values()) for wanted in (0, 1))
    return max(inner, min(CLASSIFIER_PARTS, smaller))


def _held_auc(train: Sequence[Example], table: NDArray[np.float64]) -> float:
    held = _held(table)
    scored = np.isfinite(held)
    return float(roc_auc(held[scored], _labels(train)[scored]))


def _after_choice(seed: int) -> int:
    return seed_below(seed, 1 << 16)


def _below(run: Path | None, name: str) -> Path | None:
    return None if run is None else run / name


def _values(examples: Sequence[Example]) -> list[NDArray[np.floating]]:
    return [example.sequence.values for example in examples]


def _labels(examples: Sequence[Example]) -> NDArray[np.int64]:
    return np.array([example.label for example in examples], dtype=np.int64)
