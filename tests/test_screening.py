"""Many recordings: states, a summary, a bad one stops no other, nothing is done twice."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from single import film_of, model_file

from fidgety import screening
from fidgety.assess import Assessor
from fidgety.errors import FileError, StudyError, VideoError
from fidgety.models.rules import Rules
from fidgety.screening import Input, exit_status, find_inputs, screen


@pytest.fixture(scope="module")
def films():
    return {name: film_of(seed) for seed, name in enumerate(("a", "b"))}


@pytest.fixture
def folder(films, tmp_path) -> Path:
    """Two good recordings, a short one and a damaged one."""
    home = tmp_path / "poses"
    for name, pose in films.items():
        pose.save(home / f"{name}.parquet")
    film_of(5, seconds=5.0).save(home / "short.parquet")
    (home / "broken.parquet").write_bytes((home / "a.parquet").read_bytes()[:500])
    return home


@pytest.fixture
def assessor(tmp_path) -> Assessor:
    return Assessor.load(model_file(tmp_path))


def summary(out: Path) -> dict[str, dict[str, str]]:
    with (out / "summary.csv").open(newline="") as handle:
        return {row["recording"]: row for row in csv.DictReader(handle)}


def test_states_summary_and_files(folder, assessor, tmp_path):
    told = []
    results = screen(
        find_inputs([folder]), assessor, tmp_path / "out", progress=lambda *a: told.append(a)
    )
    states = {result.name: result.state for result in results}
    assert states == {"a": "assessed", "b": "assessed", "short": "refused", "broken": "failed"}
    assert exit_status(results) == 2
    rows = summary(tmp_path / "out")
    assert {name: row["state"] for name, row in rows.items()} == states
    assert 0 <= float(rows["a"]["low"]) <= float(rows["a"]["risk"]) <= float(rows["a"]["high"]) <= 1
    assert rows["short"]["risk"] == ""
    assert rows["a"]["absent"] == rows["a"]["exaggerated"] == ""  # STAM asks for no such thing
    assert "usable" in rows["short"]["message"]
    assert rows["broken"]["message"].startswith("E32")
    assert [done for done, *_ in told] == [1, 2, 3, 4]
    for name in ("a", "b", "short"):
        assert (tmp_path / "out" / name / "report.html").exists()
    assert not (tmp_path / "out" / "broken").exists()


def test_the_summary_keeps_what_earlier_calls_assessed(folder, assessor, tmp_path):
    out = tmp_path / "out"
    a, b, short = (i for i in find_inputs([folder]) if i.name in ("a", "b", "short"))
    screen([a, b], assessor, out)
    first = summary(out)
    screen([short, b], assessor, out)
    rows = summary(out)
    assert list(rows) == ["a", "b", "short"] or list(rows) == ["a", "short", "b"]
    assert rows["a"] == first["a"]
    shutil.rmtree(out / "a")  # its row goes with its folder
    screen([b], assessor, out)
    assert list(summary(out)) == ["short", "b"]
    (out / "summary.csv").write_text("name,mine\nx,1\n")  # no table of ours
    screen([b], assessor, out)
    assert list(summary(out)) == ["b"]


def test_the_summary_says_why_nothing_can_be_said(folder, tmp_path, monkeypatch):
    inputs = [item for item in find_inputs([folder]) if item.name in ("a", "short")]
    seen = Rules.scope_of
    monkeypatch.setattr(Rules, "scope_of", lambda *a: replace(seen(*a), in_scope=False))
    (result, _) = screen(
        inputs, Assessor.load("simulated-demo"), tmp_path / "out", interactive=False
    )
    assert result.assessment["in_scope"] is False
    rows = summary(tmp_path / "out")
    assert (rows["a"]["decision"], rows["a"]["in_scope"]) == ("cannot_say", "no")
    assert rows["a"]["decision_reason"] == result.assessment["decision_reason"] != ""
    assert rows["short"]["in_scope"] == rows["short"]["decision_reason"] == ""


def test_what_a_risk_rests_on_stands_in_the_summary(folder, tmp_path):
    inputs = [item for item in find_inputs([folder]) if item.name in ("a", "short")]
    screen(inputs, Assessor.load("simulated-demo"), tmp_path / "out", interactive=False)
    rows = summary(tmp_path / "out")
    asked = json.loads((tmp_path / "out/a/assessment.json").read_text())["rests_on"]
    assert {key: float(rows["a"][key]) for key in asked} == asked
    assert set(asked) == {"absent", "exaggerated"}
    assert rows["short"]["absent"] == rows["short"]["exaggerated"] == ""


def test_nothing_is_done_twice(folder, assessor, tmp_path, monkeypatch):
    out = tmp_path / "out"
    first = screen(find_inputs([folder]), assessor, out)
    times = {p: p.stat().st_mtime_ns for p in out.rglob("assessment.json")}
    calls = []
    assess = assessor.assess
    monkeypatch.setattr(assessor, "assess", lambda *a, **k: calls.append(k) or assess(*a, **k))
    again = screen(find_inputs([folder]), assessor, out)
    assert calls == []
    assert {p: p.stat().st_mtime_ns for p in times} == times
    assert [r.kept for r in again] == [r.assessment is not None for r in again]
    assert [r.assessment for r in again] == [
        None if r.assessment is None else json.loads(json.dumps(r.assessment)) for r in first
    ]


def test_done_again_for_another_content_model_age_or_a_lost_report(
    folder, assessor, films, tmp_path
):
    out, only = tmp_path / "out", [Input("a", folder / "a.parquet", "native")]
    assert not screen(only, assessor, out)[0].kept
    assert screen(only, assessor, out)[0].kept
    assert not screen(only, assessor, out, age_weeks=12.0)[0].kept
    (out / "a" / "report.html").unlink()
    assert not screen(only, assessor, out, age_weeks=12.0)[0].kept
    other = Assessor.load(model_file(tmp_path / "other", aggregation="max"))
    assert not screen(only, other, out, age_weeks=12.0)[0].kept
    films["b"].save(folder / "a.parquet")
    assert not screen(only, other, out, age_weeks=12.0)[0].kept
    (out / "a" / "assessment.json").write_text("{")
    assert not screen(only, other, out, age_weeks=12.0)[0].kept


def test_two_recordings_of_one_name(folder, tmp_path):
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "A.parquet").write_bytes((folder / "a.parquet").read_bytes())
    with pytest.raises(StudyError, match=r"E280 Several recordings named 'a'.*Rename"):
        find_inputs([folder, tmp_path / "again" / "A.parquet"])


def test_nothing_to_assess():
    with pytest.raises(StudyError, match="E280 There is nothing"):
        find_inputs([])


def test_a_path_that_holds_nothing_fails_alone(folder, assessor, tmp_path):
    found = find_inputs([folder / "a.parquet", tmp_path / "none.parquet"])
    results = screen(found, assessor, tmp_path / "out")
    assert [result.state for result in results] == ["assessed", "failed"]
    assert results[1].error is not None
    assert results[1].error.code == "E504"


@pytest.fixture
def estimator(monkeypatch, films):
    """A pose estimator that knows two films and cannot read a third."""
    asked = []

    def estimate(path, backend, progress=None, **options):
        asked.append((Path(path).name, backend, options))
        if Path(path).stem not in films:
            raise VideoError("E104", "Cannot read the film", where=path, remedy="Copy it again")
        return films[Path(path).stem]

    monkeypatch.setattr(screening, "estimate", estimate)
    return asked


@pytest.fixture
def videos(tmp_path) -> Path:
    home = tmp_path / "films"
    home.mkdir()
    for name in ("a.mp4", "b.MOV", "cut.avi"):
        (home / name).write_bytes(name.encode())
    (home / "notes.txt").write_text("filmed on Monday")
    return home


def test_films_go_through_the_estimator(videos, assessor, estimator, tmp_path):
    found = find_inputs([videos])
    assert [(item.name, item.format) for item in found] == [
        ("a", "video"), ("b", "video"), ("cut", "video"),
    ]  # fmt: skip
    results = screen(found, assessor, tmp_path / "out", backend="onnx",
                     estimator_options={"region": (0, 0, 9, 9)})  # fmt: skip
    assert [result.state for result in results] == ["assessed", "assessed", "failed"]
    assert estimator[0] == ("a.mp4", "onnx", {"region": (0, 0, 9, 9)})
    assert "E104" in summary(tmp_path / "out")["cut"]["message"]


def test_a_film_is_looked_at_once_for_two_models(videos, assessor, estimator, tmp_path):
    only = [item for item in find_inputs([videos]) if item.name == "a"]
    out = tmp_path / "out"
    screen(only, assessor, out)
    other = Assessor.load(model_file(tmp_path / "other", aggregation="max"))
    assert not screen(only, other, out)[0].kept
    assert len(estimator) == 1
    (videos / "a.mp4").write_bytes(b"another film of that name")
    screen(only, other, out)
    assert len(estimator) == 2


def test_an_overlay_tells_its_marks_in_words_and_leaves_notes_out(
    videos, assessor, estimator, films, tmp_path, monkeypatch
):
    drawn = []
    monkeypatch.setattr(screening, "draw_overlay", lambda *_, **given: drawn.append(given))
    monkeypatch.setitem(films, "a", films["a"].between(0, 5))
    only = [item for item in find_inputs([videos]) if item.name == "a"]
    screen(only, assessor, tmp_path / "out", overlay="skeleton")
    (given,) = drawn
    assert given["privacy"] == "skeleton"
    assert [text for _, _, text in given["marks"]] == ["E105 too few usable seconds"]


def test_another_estimator_looks_again(videos, assessor, estimator, tmp_path):
    only = [item for item in find_inputs([videos]) if item.name == "a"]
    region = {"region": (0, 0, 9, 9)}
    for backend, options in (("blazepose", {}), ("onnx", {}), ("onnx", region), ("onnx", region)):
        screen(only, assessor, tmp_path / "out", backend=backend, estimator_options=options)
    assert len(estimator) == 3


def test_our_own_fault_stops_no_other(folder, assessor, tmp_path, monkeypatch):
    assess = assessor.assess

    def faulty(pose, name, age_weeks):
        return 1 / 0 if name == "a" else assess(pose, name=name, age_weeks=age_weeks)

    monkeypatch.setattr(assessor, "assess", faulty)
    results = screen(find_inputs([folder]), assessor, tmp_path / "out")
    assert {result.name: result.state for result in results}["b"] == "assessed"
    assert "E229" in summary(tmp_path / "out")["a"]["message"]
    assert exit_status(results) == 1


def test_a_full_disk_stops_at_once(folder, assessor, tmp_path, monkeypatch):
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    told = []
    monkeypatch.setattr("fidgety.files.os.fsync", full)
    with pytest.raises(FileError, match="E501"):
        screen(find_inputs([folder]), assessor, tmp_path / "out",
               progress=lambda *a: told.append(a))  # fmt: skip
    assert told == []


def test_statuses():
    assert exit_status([]) == 0


def test_one_file_of_many_infants(assessor, tmp_path):
    """Every infant in it is a recording of its own, unless one is asked for."""
    path = tmp_path / "parts.csv"
    rows = ["video,frame,bp,x,y,fps,pixel_x,pixel_y,c"]
    poses = {"first": film_of(0, seconds=4.0), "../second": film_of(1, seconds=4.0)}
    for name, pose in poses.items():
        width, height = pose.size
        for frame in range(len(pose)):
            for joint, (x, y), c in zip(
                pose.skeleton.joints, pose.xy[frame], pose.confidence[frame], strict=True
            ):
                part = "".join(word.capitalize() for word in joint.split("_"))
                part = part.replace("Right", "R").replace("Left", "L")
                if c > 0:
                    rows.append(f"{name},{frame},{part},{x},{y},{pose.fps},{width},{height},{c}")
    path.write_text("\n".join(rows) + "\n")
    found = find_inputs([path])
    assert [item.individual for item in found] == ["../second", "first"]
    results = screen(found, assessor, tmp_path / "out")
    by_name = {result.name: result for result in results}
    assert by_name["first"].state in ("assessed", "refused")
    (other,) = (result for name, result in by_name.items() if name != "first")
    assert other.error is not None
    assert other.error.code == "E209"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.fidgety", "out", "parts.csv"]
    only = find_inputs([path], individual="first")
    assert [(item.name, item.individual) for item in only] == [("parts", "first")]


def test_progress_within_a_film(videos, assessor, films, tmp_path, monkeypatch):
    def estimate(path, backend, progress=None, **options):
        progress(10.0, 20.0)
        progress(5.0, float("nan"))
        return films["a"]

    monkeypatch.setattr(screening, "estimate", estimate)
    told = []
    screen(find_inputs([videos])[:2], assessor, tmp_path / "o", progress=lambda *a: told.append(a))
    assert [round(done, 3) for done, *_ in told] == [0.475, 1, 1.475, 2]
    assert {total for _, total, _ in told} == {2}


def test_a_damaged_pose_of_a_film_is_made_anew(videos, assessor, estimator, tmp_path):
    only = [item for item in find_inputs([videos]) if item.name == "a"]
    screen(only, assessor, tmp_path / "out")
    (tmp_path / "out" / "a" / "pose.parquet").write_bytes(b"PAR1")
    (tmp_path / "out" / "a" / "report.html").unlink()
    assert screen(only, assessor, tmp_path / "out")[0].state == "assessed"
    assert len(estimator) == 2
