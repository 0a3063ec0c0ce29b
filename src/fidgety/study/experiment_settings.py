"""What an experiment is: inner folds, its settings in each method, and its claim to a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fidgety.errors import StudyError
from fidgety.study.crossfit import infants_needed
from fidgety.study.methods import METHODS, Method
from fidgety.study.predictions import note, noted
from fidgety.study.quick import quick_method
from fidgety.study.study import Study

__all__ = ["INNER", "claim_folder", "fitting_inner", "method_form"]

INNER = 3  # inner folds, where there are infants enough


def method_form(settings: Mapping[str, Any]) -> Callable[[Method], Method]:
    """How an experiment's settings change each method."""

    def formed(method: Method) -> Method:
        method = quick_method(method) if settings.get("quick", False) else method
        if method.network is None:
            return method
        training = replace(method.network.training, precision=settings.get("precision", "32-true"))
        return replace(method, network=replace(method.network, training=training))

    return formed


def fitting_inner(study: Study, folds: int, inner: int | None) -> int:
    """Inner folds: those asked for, or as many as there are infants for, up to three.

    Each class of each training part needs an infant in every inner part.

    Raises
    ------
    StudyError
        E213 if a class has too few infants.
    """
    smaller = min(list(study.infants.values()).count(label) for label in (0, 1))
    if inner is None:
        fit = [n for n in range(1, INNER + 1) if infants_needed(folds, n) <= smaller]
        inner = max(fit, default=1)
    needed = infants_needed(folds, inner)
    fewer = [
        f"Use --folds {f} --inner {n}, or add infants"
        for f in range(folds, 1, -1)
        for n in range(inner, 0, -1)
        if infants_needed(f, n) <= smaller
    ]
    least = f"Add infants: {infants_needed(2, 1)} of each class at least"
    for label, name in ((1, "abnormal"), (0, "normal")):
        held = sum(own == label for own in study.infants.values())
        if held < needed:
            raise StudyError(
                "E213",
                f"{name!r} has {held} infants, {folds} folds with {inner} inner folds need "
                f"{needed}",
                where=study.root.name,
                why="every part of every fold must hold both classes",
                remedy=fewer[0] if fewer else least,
            )
    return inner


def claim_folder(
    root: Path, study: Study, methods: Sequence[str], settings: dict[str, Any], inner: int
) -> None:
    """Write down what this experiment is, or check that it is what the folder holds.

    Parameters
    ----------
    root : Path
        The experiment's folder.
    study : Study
        Whose recordings, with their content, are part of what it is.
    methods : sequence of str
        Those asked for now; others may be there already.
    settings : dict
        What holds for all of them.
    inner : int
        Inner folds of those asked for now.

    Raises
    ------
    StudyError
        E273 if the folder holds another experiment.
    """
    identity = {
        **settings,
        "simulated": study.simulated,
        "recordings": study.identity(),
    }
    form = method_form(settings)
    made_of = {name: {**form(METHODS[name]).to_dict(), "inner": inner} for name in methods}
    if (root / "experiment.json").exists():
        standing = noted(root)
        known = standing.get("methods", {})
        standing = {"quick": False, "precision": "32-true", **standing}
        same = all(standing.get(key) == value for key, value in identity.items())
        if not same or any(known.get(name, plain) != plain for name, plain in made_of.items()):
            raise StudyError(
                "E273",
                "The folder holds another experiment",
                where=root,
                why="its recordings, whether they are mended, folds, seed, stated error or "
                "settings of a model differ",
                remedy="Choose another --out, or remove the folder",
            )
        made_of = {**known, **made_of}
    note(root, **identity, methods=made_of)
