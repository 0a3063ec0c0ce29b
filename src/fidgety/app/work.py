"""What a job does to a case: see the infant, make the film for review, assess; all or nothing."""

from __future__ import annotations

import hashlib
import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fidgety.app import audit
from fidgety.app.jobs import Claim, StoppedError, claim, enqueue
from fidgety.app.panels import write_panels
from fidgety.app.playback import write_film, write_joints
from fidgety.app.sample import draw_infant, simulate_sample
from fidgety.app.store import Store, new_id, now
from fidgety.assess import Assessor
from fidgety.errors import AppError, FidgetyError, FidgetyWarning
from fidgety.files import make_folder, write_json
from fidgety.models.explain import movement_of_parts
from fidgety.motion import pose_sequence
from fidgety.pose.estimators import estimate
from fidgety.pose.formats import read
from fidgety.pose.pose import Pose
from fidgety.pose.quality import assess_quality
from fidgety.pose.skeleton import load_skeleton
from fidgety.pose.stored import read_native

__all__ = ["Estimate", "run_next"]

Estimate = Callable[..., Pose]  # (film, progress=(seconds, seconds in all) -> None) -> Pose

MOST_FRAMES = 200_000  # of a recording sent as one file a frame: an hour at 50 a second, and more

# Shares of the time that the steps of a film take.
SEEING, FILMING, HIDING = 0.74, 0.86, 0.97


def run_next(
    store: Store, assessors: dict[str, Assessor] | None = None, see: Estimate = estimate
) -> bool:
    """Do the job that has waited longest; False if there is none.

    Parameters
    ----------
    store : Store
    assessors : dict, optional
        Models that are loaded already; what is loaded is added.
    see : callable
        Estimates the pose in a film; `fidgety.pose.estimators.estimate` by default.

    Returns
    -------
    bool
        True also if the job failed or was stopped: the reason then stands in its row.
    """
    job = claim(store)
    if job is None:
        return False
    made = make_folder(store.files(job.case_id, job.job))
    try:
        _perform(job, made, {} if assessors is None else assessors, see)
    except StoppedError:
        _discard(store, job.case_id, made)
    except FidgetyError as error:
        _discard(store, job.case_id, made)
        job.fail(error.code, str(error))
    except Exception as error:  # a fault of ours in one recording must not stop the others
        _discard(store, job.case_id, made)
        job.fail("E999", f"E999 A fault in fidgety: {type(error).__name__}: {error}")
    return True


def _perform(job: Claim, made: Path, assessors: dict[str, Assessor], see: Estimate) -> None:
    store, case = job.store, job.store.case(job.case_id)
    told: list[str] = []
    if case["folder"] is None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            pose, film = _seen(job, case, made, see)
            pose.save(made / "pose.parquet")
            player = write_joints(pose, made)
            if film is not None:
                player["views"] = _films(job, film, pose, made)
                write_json(made / "player.json", player)
        told = [str(w.message) for w in caught if issubclass(w.category, FidgetyWarning)]
    else:
        pose = read_native(store.files(case["id"], case["folder"]) / "pose.parquet")
    job.tell("Assessing", HIDING)
    content = _assessed(job, case, pose, assessors)
    content.setdefault("movement", _movement(pose))
    content["warnings"] = told
    _publish(job, case, made, pose, content)


def _seen(job: Claim, case: dict[str, Any], made: Path, see: Estimate) -> tuple[Pose, Path | None]:
    """The pose of a case, and the film it is of, if there is one."""
    said = json.loads(case["said"])
    source = job.store.source(case["id"], case["suffix"])
    if case["kind"] == "sample":
        film = made / "drawn.mp4"
        stage = "Drawing a simulated infant"
        pose = draw_infant(
            simulate_sample(said), film, lambda share: job.tell(stage, SEEING * share)
        )
        return pose, film
    if case["kind"] == "film":

        def tell(seconds: float, total: float) -> None:
            job.tell("Finding the body", SEEING * (seconds / total if total > 0 else 0.0))

        return see(source, progress=tell), source
    job.tell("Reading the pose", 0.1)
    if case["kind"] == "frames":
        source = _unpacked(source, made / "frames")
    pose = read(source, **said)
    if case["kind"] == "frames":
        shutil.rmtree(source)
    return pose, None


def _unpacked(bundle: Path, folder: Path) -> Path:
    """One file a frame again, named by number."""
    make_folder(folder)
    with bundle.open("rb") as lines:
        for number, line in enumerate(lines):
            if number >= MOST_FRAMES:
                raise AppError("E811", f"More than {MOST_FRAMES:,} frames", remedy="Cut it shorter")
            if line.strip():
                (folder / f"frame_{number:012d}_keypoints.json").write_bytes(line)
    return folder


def _films(job: Claim, film: Path, pose: Pose, made: Path) -> list[str]:
    """Write the copies that browsers play; return their views."""

    def tell(stage: str, start: float, end: float) -> Callable[[float], None]:
        return lambda share: job.tell(stage, start + (end - start) * share)

    views = ["film"]
    if film.parent == made:  # drawn here, at a constant rate
        film = film.rename(made / "film.mp4")
    else:
        write_film(film, pose, made / "film.mp4", False, tell("Making the film", SEEING, FILMING))
    hiding = tell("Hiding the face", FILMING, HIDING)
    if write_film(film, pose, made / "blurred.mp4", True, hiding):
        views.append("blurred")
    return views


def _assessed(
    job: Claim, case: dict[str, Any], pose: Pose, assessors: dict[str, Assessor]
) -> dict[str, Any]:
    """What the model says; without a model, whether the recording could be assessed."""
    if job.model is None:
        quality = assess_quality(pose, case["age_weeks"]).to_dict()
        return {
            "schema_version": 1,
            "research_use_only": True,
            "created": now(),
            "input": {"frames": len(pose), "fps": round(pose.fps, 3) if len(pose) > 1 else None,
                      "duration_s": round(pose.duration_s, 3), "age_weeks": case["age_weeks"],
                      "skeleton": pose.skeleton.name, "source": pose.source},
            "quality": quality,
            "risk": None,
        }  # fmt: skip
    if job.model not in assessors:
        assessors[job.model] = Assessor.load(job.store.model_file(job.model))
    assessment = assessors[job.model].assess(pose, name=case["infant"], age_weeks=case["age_weeks"])
    return dict(assessment.to_dict())


def _movement(pose: Pose) -> dict[str, Any] | None:
    """Movement of each part for the reader, also where no model looked; None if unmeasurable."""
    try:
        sequence = pose_sequence(pose)
    except FidgetyError:
        return None
    return movement_of_parts(sequence, load_skeleton(sequence.skeleton))


def _publish(
    job: Claim, case: dict[str, Any], made: Path, pose: Pose, content: dict[str, Any]
) -> None:
    """Make the result visible, in one transaction; before it nothing is, after it all is."""
    store, new = job.store, case["folder"] is None
    folder = job.job if new else case["folder"]
    pose_sha256 = audit.file_sha256(store.files(case["id"], folder) / "pose.parquet")
    text = json.dumps(content, allow_nan=False)
    digest, assessment = hashlib.sha256(text.encode()).hexdigest(), new_id()
    write_panels(store.files(case["id"], folder), assessment, content)
    simulated = bool(case["simulated"]) or pose.source.startswith("simulated")
    with store.writing() as db:
        job.finish(db)
        db.execute(
            "INSERT INTO assessments VALUES (?, ?, ?, ?, ?, ?)",
            (assessment, case["id"], job.model, now(), digest, text),
        )
        db.execute(
            "UPDATE cases SET folder = ?, pose_sha256 = ?, duration_s = ?, verdict = ?, "
            "assessment = ?, simulated = ? WHERE id = ?",
            (folder, pose_sha256, pose.duration_s, content["quality"]["verdict"], assessment,
             int(simulated), case["id"]),
        )  # fmt: skip
        age = db.execute("SELECT age_weeks FROM cases WHERE id = ?", (case["id"],)).fetchone()[0]
        if age != case["age_weeks"]:  # corrected while this was in work
            enqueue(db, case["id"], job.model)
        audit.append(
            db,
            "assessed",
            {"assessment": assessment, "sha256": digest, "pose_sha256": pose_sha256,
             "model": job.model, "simulated": simulated},
            case_id=case["id"],
        )  # fmt: skip
    if not new:
        _discard(store, case["id"], made)


def _discard(store: Store, case_id: str, made: Path) -> None:
    """Remove what a job made, unless it is what the case shows."""
    row = store.one("SELECT folder FROM cases WHERE id = ?", case_id)
    if row is None or row["folder"] != made.name:
        shutil.rmtree(made, ignore_errors=True)
