"""Many recordings through the main path: one folder each, a summary, a bad one stops no other."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import logging
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from fidgety.assess import Assessment, Assessor
from fidgety.engines import Engine, Lost, engine_of, spread
from fidgety.errors import FidgetyError
from fidgety.files import file_error, make_folder, parse_json, regular, write_text
from fidgety.inputs import Input, find_inputs
from fidgety.pose.estimators import estimate
from fidgety.pose.formats import read
from fidgety.pose.overlay import Privacy, draw_overlay
from fidgety.pose.pose import Pose
from fidgety.pose.quality import REASONS
from fidgety.pose.stored import read_native
from fidgety.report import write_pdf, write_report
from fidgety.study.batch import lost, our_fault

__all__ = ["Input", "Screened", "exit_status", "find_inputs", "screen"]

_log = logging.getLogger(__name__)

SUMMARY = (
    "recording",
    "state",
    "verdict",
    "decision",
    "decision_reason",
    "in_scope",
    "risk",
    "low",
    "high",
    "absent",
    "exaggerated",
    "usable_s",
    "message",
)
_BLOCK = 1 << 20  # bytes


@dataclass(frozen=True)
class Screened:
    """What became of one recording.

    Parameters
    ----------
    name : str
        Of the recording.
    folder : Path
        Holds ``assessment.json`` and ``report.html``.
    assessment : dict or None
        What ``assessment.json`` says in sum: whether the model learnt from simulated infants,
        verdict and reasons, risk, interval, decision and what it rests on. All else is left on the
        disk, so that many recordings need little memory. None if it failed.
    kept : bool
        It was there already, from the same recording and model.
    error : FidgetyError or None
        Why there is none.
    seconds : float
        How long it took.
    """

    name: str
    folder: Path
    assessment: dict[str, Any] | None
    kept: bool = False
    error: FidgetyError | None = None
    seconds: float = 0.0

    @property
    def state(self) -> str:
        """In one word: assessed, refused or failed."""
        if self.assessment is None:
            return "failed"
        return "refused" if self.assessment["quality"]["verdict"] == "refused" else "assessed"


def screen(
    inputs: Sequence[Input],
    assessor: Assessor,
    out: str | os.PathLike[str],
    *,
    age_weeks: float | None = None,
    skeleton: str | None = None,
    fps: float | None = None,
    size: Sequence[int] | None = None,
    backend: str = "blazepose",
    estimator_options: dict[str, Any] | None = None,
    overlay: Privacy | None = None,
    interactive: bool = True,
    pdf: bool = False,
    workers: int | Engine = 1,
    progress: Callable[[float, int, str], None] | None = None,
) -> list[Screened]:
    """Assess recordings, each into its own folder of `out`; write ``summary.csv``.

    What `out` holds already of the same recording, model and options is kept.

    Parameters
    ----------
    inputs : sequence of Input
        From `find_inputs`.
    assessor : Assessor
        With its model.
    out : path-like
        Output folder.
    age_weeks : float, optional
        Corrected age, of all the recordings.
    skeleton, fps, size
        What pose files do not say themselves.
    backend, estimator_options
        Pose estimator for films, as `fidgety.pose.estimators.estimate`.
    overlay : {"none", "blur", "skeleton"}, optional
        Also write ``overlay_<kind>.mp4`` for each film: with skeleton, attention and quality
        marks, as it is, with the face blurred, or on black. Not written if not given.
    interactive : bool
        Whether reports carry the plot library, see `fidgety.report.write_report`.
    pdf : bool
        Also print each report to ``report.pdf``, see `fidgety.report.write_pdf`.
    workers : int or Engine
        Processes, or a cluster. Their number changes nothing in the results.
    progress : callable (done, total, name), optional
        Called after each recording; if the work is done here, also while a film is looked at: then
        `done` is no whole number.

    Raises
    ------
    FileError
        E501, at once, if the disk is full; E502 or E503 if `out` cannot be made.
    """
    folder = make_folder(out)
    task = _Task(
        assessor,
        folder,
        {"skeleton": skeleton, "fps": fps, "size": list(size) if size else None},
        {"backend": backend, **(estimator_options or {})},
        age_weeks,
        overlay,
        interactive,
        pdf,
    )
    engine = engine_of(workers)
    found: dict[str, Screened] = {}

    def within(item: Input, share: float) -> None:
        if progress:
            progress(len(found) + 0.95 * share, len(inputs), item.name)  # the rest is to assess it

    # Several processes leave no core for threads, and have no way to tell how far they are.
    work = partial(_screened, task, within=within if engine.here else None)
    for item, result in spread(work, inputs, engine):
        if isinstance(result, Lost):
            result = Screened(item.name, folder / item.name, None, error=lost(item.name, result))
        found[item.name] = result
        _note(result)
        if result.error is not None and result.error.code == "E501":
            raise result.error  # once the disk is full, nothing else can be written either
        if progress:
            progress(len(found), len(inputs), item.name)
    results = [found[item.name] for item in inputs]
    _write_summary(folder / "summary.csv", results)
    return results


@dataclass(frozen=True)
class _Task:
    """What is the same for every recording; goes to every process that works."""

    assessor: Assessor
    out: Path
    said: dict[str, Any]
    options: dict[str, Any]
    age_weeks: float | None
    overlay: Privacy | None
    interactive: bool
    pdf: bool


def _screened(
    task: _Task, item: Input, *, within: Callable[[Input, float], None] | None = None
) -> Screened:
    """Assess one recording into its folder, unless that is done; never raises."""
    said = {**task.said, "individual": item.individual}
    place, began = task.out / item.name, time.monotonic()
    try:
        if item.error is not None:
            raise item.error
        key = _key(item, task.assessor, {**said, **task.options, "age_weeks": task.age_weeks})
        content = _standing(place, key)
        kept = content is not None
        if content is None:
            assessment = task.assessor.assess(  # which alone holds the pose, to let go of it
                _estimated(item, place, key, task.options, within)
                if item.format == "video"
                else read(item.path, format=item.format, **said),
                name=item.name,
                age_weeks=task.age_weeks,
            )
            content = _saved(assessment, place, key, task.interactive)
        if task.overlay is not None and item.format == "video":
            _draw(item, place, content, task.overlay, kept)
        if task.pdf and not (kept and (place / "report.pdf").exists()):
            write_pdf(place / "report.html", place / "report.pdf")
        seconds = round(time.monotonic() - began, 3)
        return Screened(item.name, place, _outline(content), kept, seconds=seconds)
    except Exception as error:
        ours = error if isinstance(error, FidgetyError) else our_fault(item.name, error)
        seconds = round(time.monotonic() - began, 3)
        return Screened(item.name, place, None, error=ours, seconds=seconds)


def _outline(content: dict[str, Any]) -> dict[str, Any]:
    """What is told of an assessment when many are: a few numbers and the words of the reasons."""
    quality = {key: content["quality"].get(key) for key in ("verdict", "usable_seconds")}
    quality["reasons"] = [
        {key: reason.get(key) for key in ("code", "severity", "text")}
        for reason in content["quality"].get("reasons") or ()
    ]
    told = {
        key: content.get(key)
        for key in ("risk", "risk_raw", "interval", "decision", "decision_reason", "rests_on")
    }
    told["in_scope"] = (content.get("scope") or {}).get("in_scope")
    trained = (content.get("model") or {}).get("trained")
    model = {"trained": trained and {"simulated": trained.get("simulated")}}
    return {"model": model, "quality": quality, **told}


def _note(result: Screened) -> None:
    fields: dict[str, Any] = {
        "recording": result.name,
        "state": "kept" if result.kept else result.state,
        "seconds": result.seconds,
    }
    fields |= {"code": result.error.code} if result.error is not None else {}
    _log.info("item", extra={"fields": fields})


def exit_status(results: Sequence[Screened]) -> int:
    """1 if a fault of fidgety stopped one, 2 if one failed, 3 if one was refused, else 0."""
    if errors := [result.error for result in results if result.error is not None]:
        return 1 if any(error.code == "E229" for error in errors) else 2
    return 3 if any(result.state == "refused" for result in results) else 0


def _saved(assessment: Assessment, folder: Path, key: str, interactive: bool) -> dict[str, Any]:
    """Write the report, then the assessment that marks the folder as finished."""
    content = assessment.to_dict()
    content["input"]["key"] = key
    write_report(content, folder / "report.html", interactive=interactive)
    assessment.save(folder)
    return content


def _draw(item: Input, folder: Path, content: dict[str, Any], privacy: Privacy, kept: bool) -> None:
    """The film with what the assessment says of it; a drawing of the same kind is kept."""
    path = folder / f"overlay_{privacy}.mp4"
    if kept and path.exists():
        return
    pose = read_native(folder / "pose.parquet").to_skeleton("openpose18")
    weight = {joint["name"]: joint["attention"] for joint in content.get("joints") or ()}
    draw_overlay(
        item.path,
        pose,
        path,
        joint_weights=[weight.get(name, 0.0) for name in pose.skeleton.joints] if weight else None,
        clip_attention=[
            (clip["start_s"], clip["end_s"], clip["attention"]) for clip in content.get("clips", ())
        ],
        marks=[
            (start, end, f"{reason['code']} {REASONS.get(reason['code'], ('', ''))[1]}".strip())
            for reason in content["quality"]["reasons"]
            if reason["severity"] != "note"
            for start, end in reason["ranges"]
        ],
        privacy=privacy,
    )


def _estimated(
    item: Input,
    folder: Path,
    key: str,
    options: dict[str, Any],
    within: Callable[[Input, float], None] | None,
) -> Pose:
    """The pose in a film; kept in the folder, so that another model need not look again."""
    path = folder / "pose.parquet"
    # The film and how it is looked at; not the model, which may change.
    looked_at = json.dumps([key.split("-")[0], options], sort_keys=True, default=str)
    film_key = hashlib.sha256(looked_at.encode()).hexdigest()
    if path.exists():
        with suppress(FidgetyError):  # a damaged file is made anew
            pose = read_native(path)
            if any(step.get("film_key") == film_key for step in pose.history):
                return pose
    more: dict[str, Any] = {"threads": 1} if within is None else {}
    more |= {name: value for name, value in options.items() if name != "backend"}

    def told(seconds: float, length: float) -> None:
        if within is not None and length > 0:  # also false if it is not known
            within(item, min(1.0, seconds / length))

    pose = estimate(item.path, options["backend"], progress=told, **more)
    pose = pose.then("screen", arguments={"film_key": film_key})
    pose.save(path)
    return pose


def _key(item: Input, assessor: Assessor, options: dict[str, Any]) -> str:
    """What must agree for an assessment to be kept: content, model, options."""
    digest = hashlib.sha256()
    files = sorted(item.path.iterdir()) if item.path.is_dir() else [item.path]
    try:
        for file in files:
            if not file.is_file():
                continue
            with file.open("rb") as handle:
                while block := handle.read(_BLOCK):
                    digest.update(block)
    except OSError as error:
        raise file_error(error, item.path) from error
    settings = json.dumps([options, assessor.quality.to_dict(), assessor.seed], sort_keys=True)
    rest = hashlib.sha256((settings + assessor.model.digest).encode()).hexdigest()
    return f"{digest.hexdigest()}-{rest[:16]}"


def _standing(folder: Path, key: str) -> dict[str, Any] | None:
    try:
        content = parse_json(regular(folder / "assessment.json").read_text("utf-8"))
        same = content["input"]["key"] == key and (folder / "report.html").exists()
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return content if same else None


def _rows(path: Path) -> list[list[str]]:
    """Rows of earlier calls whose folders are still there; none of a table that is not ours."""
    try:
        header, *rows = csv.reader(io.StringIO(regular(path).read_text("utf-8")))
    except (OSError, ValueError, csv.Error, FidgetyError):
        return []
    if tuple(header) != SUMMARY:
        return []
    return [
        row
        for row in rows
        if len(row) == len(SUMMARY) and row[0] and (path.parent / row[0]).is_dir()
    ]


def _write_summary(path: Path, results: Sequence[Screened]) -> None:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(SUMMARY)
    new = {result.name for result in results}
    table.writerows(row for row in _rows(path) if row[0] not in new)
    for result in results:
        content = result.assessment or {}
        quality = content.get("quality", {})
        low, high = content.get("interval") or (None, None)
        asked, inside = content.get("rests_on") or {}, content.get("in_scope")
        reasons = " ".join(reason["text"] for reason in quality.get("reasons", ()))
        table.writerow(
            [
                result.name,
                result.state,
                quality.get("verdict"),
                content.get("decision"),
                content.get("decision_reason"),
                "" if inside is None else "yes" if inside else "no",
                content.get("risk"),
                low,
                high,
                asked.get("absent"),
                asked.get("exaggerated"),
                quality.get("usable_seconds"),
                str(result.error) if result.error else reasons,
            ]
        )
    write_text(path, text.getvalue())
