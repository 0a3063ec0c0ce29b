"""The shelf of a store: models with their cards, and the sample case of a first start."""

from __future__ import annotations

import json
import math
import os
import shutil
from pathlib import Path
from typing import Any

from fidgety.app import audit, jobs
from fidgety.app.sample import CODE, SAMPLE
from fidgety.app.store import SETTINGS, Store, new_id, now, put_meta
from fidgety.errors import AppError
from fidgety.files import existing, file_error, whole_file
from fidgety.settings import to_plain

__all__ = ["add_model", "add_sample", "add_shipped", "change_settings", "choose_model", "models"]


def add_model(store: Store, path: str | os.PathLike[str]) -> str:
    """Copy a model file into the store and return its id; one that is there already is found again.

    The first model of a store becomes the one that new recordings are assessed with.

    Raises
    ------
    CheckpointError, FileError
        If it is no model.
    VideoError
        E607 if it is a ``.fidgety`` file and torch is not installed.
    """
    from fidgety.models.trained import TrainedModel

    source = existing(path, "model file")
    trained = TrainedModel.load(source)
    checkpoint, digest = trained.checkpoint, trained.digest
    known = store.one("SELECT id FROM models WHERE sha256 = ?", digest)
    if known is not None and store.model_file(known["id"]).is_file():
        return str(known["id"])
    model = known["id"] if known else new_id()
    try:
        suffix = ".onnx" if source.suffix.lower() == ".onnx" else ".fidgety"
        with whole_file(store.model_file(model).with_suffix(suffix)) as draft:
            shutil.copyfile(source, draft)
    except OSError as error:
        raise error if isinstance(error, AppError) else file_error(error, source) from error
    if known is None:
        with store.writing() as db:
            db.execute(
                "INSERT INTO models VALUES (?, ?, ?, ?)",
                (model, digest, now(), json.dumps(_card(checkpoint, Path(source).stem))),
            )
            audit.append(db, "model_added", {"model": model, "sha256": digest})
            if store.chosen_model() is None:
                put_meta(db, "model", model)
    return model


def add_shipped(store: Store) -> str | None:
    """Put the simulated demo model that comes with fidgety into a store without one.

    Returns its id; None if the store has a model already.
    """
    from fidgety.models.shipped import shipped_path

    if store.chosen_model() is not None:
        return None
    return add_model(store, shipped_path("simulated-demo"))


def choose_model(store: Store, model_id: str, reader: int | None) -> None:
    """Assess new recordings with this model; raises `AppError` E815 if there is none."""
    if store.one("SELECT 1 FROM models WHERE id = ?", model_id) is None:
        raise AppError("E815", "There is no such model", remedy="Look at the library")
    with store.writing() as db:
        put_meta(db, "model", model_id)
        audit.append(db, "model_chosen", {"model": model_id}, reader=reader)


def models(store: Store) -> list[dict[str, Any]]:
    """The models of a store with their cards; ``chosen`` marks the one in use."""
    chosen = store.chosen_model()
    rows = store.all("SELECT * FROM models ORDER BY added")
    return [{**row, "card": json.loads(row["card"]), "chosen": row["id"] == chosen} for row in rows]


def change_settings(store: Store, wish: dict[str, Any], reader: int | None) -> dict[str, Any]:
    """Change what the readers of a store have agreed on; return all settings.

    Raises
    ------
    AppError
        E812 for a setting or value that is none.
    """
    allowed: dict[str, tuple[Any, ...]] = {
        "reveal": ("after_rating", "at_once"),
        "attention_first": (True, False),
        "readings": (1, 2, 3),
        "view": ("film", "blurred", "skeleton"),
    }
    for key, value in wish.items():
        if (
            key not in allowed
            or value not in allowed[key]
            or (type(value) is not type(SETTINGS[key]))
        ):
            raise AppError("E812", f"Not a setting: {key}", remedy="Choose one of those shown")
    settings = {**store.settings(), **wish}
    with store.writing() as db:
        put_meta(db, "settings", json.dumps(settings))
        audit.append(db, "settings_changed", wish, reader=reader)
    return settings


def add_sample(store: Store) -> str | None:
    """Put the sample case of simulated material into an empty store; None if it is not empty."""
    if store.one("SELECT 1 FROM cases LIMIT 1") or store.one("SELECT 1 FROM uploads LIMIT 1"):
        return None
    case, age = new_id(), 13.0
    said = json.dumps(SAMPLE)
    with store.writing() as db:
        db.execute(
            "INSERT INTO cases (id, infant, age_weeks, kind, suffix, sha256, size, said, created,"
            " simulated, film) VALUES (?, ?, ?, 'sample', '', ?, 0, ?, ?, 1, 'kept')",
            (case, CODE, age, f"sample {said}", said, now()),
        )
        audit.append(
            db,
            "case_added",
            {"infant": CODE, "age_weeks": age, "kind": "sample", "simulated": True},
            case_id=case,
        )
        jobs.enqueue(db, case, store.chosen_model())
    return case


def _card(checkpoint: Any, name: str) -> dict[str, Any]:
    """What a reader must know of a model, from its own file."""
    cohort = checkpoint.cohort
    metrics = {
        key: value
        for key, value in checkpoint.metrics.items()
        if isinstance(value, str)
        or (isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value))
    }
    return {
        "name": name,
        "model": checkpoint.model,
        "profile": checkpoint.profile,
        "fps": checkpoint.fps,
        "skeleton": checkpoint.skeleton.name,
        "calibrated": checkpoint.calibration is not None,
        "trained": None if cohort is None else to_plain(cohort),
        "metrics": metrics,
        "scores": checkpoint.metrics.get("scores"),
        "notes": list(checkpoint.notes),
        "versions": dict(checkpoint.versions),
    }
