"""Commands that read from and write to an object store do what they do in folders."""

from __future__ import annotations

import csv
import io
import json

import fsspec
import pytest
from command_line import TINY


@pytest.fixture
def store():
    """An object store in memory, empty before and after."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


def put(store, folder, place: str) -> None:
    for path in folder.rglob("*"):
        if path.is_file() and not path.name.startswith("."):
            store.pipe_file(f"{place}/{path.relative_to(folder).as_posix()}", path.read_bytes())


def names(store, place: str) -> list[str]:
    return sorted(name.removeprefix(place) for name in store.find(place))


def told(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_assess(run, store, film, model, tmp_path):
    store.pipe({"/b/in/one.parquet": film.read_bytes(), "/b/in/two.parquet": b"PAR1 cut off",
                "/b/m.fidgety": model.read_bytes()})  # fmt: skip
    (tmp_path / "in").mkdir()
    for name in ("one", "two"):
        (tmp_path / "in" / f"{name}.parquet").write_bytes(store.cat(f"/b/in/{name}.parquet"))
    run("assess", tmp_path / "in", "--model", model, "--out", tmp_path / "out", "--static")
    there = (
        "assess",
        "memory://b/in",
        "--model",
        "memory://b/m.fidgety",
        "--out",
        "memory://b/out",
    )
    said = run(*there, "--static")
    assert said.status == 2
    assert "two: E320" in said.err
    assert "Report: memory://b/out/one/report.html" in said.out
    assert names(store, "/b/out/") == ["one/assessment.json", "one/report.html", "summary.csv"]
    here = (tmp_path / "out" / "summary.csv").read_text()
    assert told(store.cat("/b/out/summary.csv").decode()) == told(here)
    first = store.cat("/b/out/one/assessment.json")
    log = tmp_path / "log"
    run("--log", log, *there, "--static")
    states = [json.loads(line).get("state") for line in log.read_text().splitlines()]
    assert states == [None, "kept", "failed", None]
    assert store.cat("/b/out/one/assessment.json") == first


def test_estimate(run, store, tmp_path, monkeypatch):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    assert onnx
    from pathlib import Path

    tests = Path(__file__).parents[1]
    for place in ("pose", "pose/estimators"):
        monkeypatch.syspath_prepend(str(tests / place))
    import graphs
    from films import film as make_film

    make_film(tmp_path / "f.mp4", [graphs.picture(k % 3) for k in range(12)])
    graphs.simcc(tmp_path / "m.onnx")
    store.pipe_file("/b/in/f.mp4", (tmp_path / "f.mp4").read_bytes())
    estimate = ("estimate", "memory://b/in", "--out", "memory://b/poses", "--backend", "onnx",
                "--weights", tmp_path / "m.onnx", "--workers", 1)  # fmt: skip
    said = run(*estimate)
    assert said.status == 0, said
    assert "1 of 1 films estimated into memory://b/poses" in said.out
    assert names(store, "/b/poses/") == ["f.parquet"]
    first = store.modified("/b/poses/f.parquet")
    assert run(*estimate).status == 0
    assert store.modified("/b/poses/f.parquet") == first  # it stands; nothing is sent


def test_cv(run, store, study, tmp_path):
    put(store, study, "/b/study")
    cv = ("--models", "mean-speed", "--folds", 2, "--seed", 3)
    said = run("cv", study, *cv, "--out", tmp_path / "cv")
    assert said.status == 0, said
    there = run("cv", "memory://b/study", *cv, "--out", "memory://b/cv")
    assert there.status == 0, there
    same = (tmp_path / "cv" / "predictions.csv").read_bytes()
    assert store.cat("/b/cv/predictions.csv") == same
    again = run("cv", "memory://b/study", *cv, "--out", "memory://b/cv")
    assert again.out == there.out
    assert ".fidgety-run.json" not in names(store, "/b/cv/")


def test_what_is_refused(run, store, model):
    run("assess", "memory://b/none", "--model", model, "--out", "memory://b/o").refused("E504")
    run("assess", "memory://b/in", "--model", model, "--out", "o", "--engine", "dask").refused(
        "E541", "memory://b/in"
    )
    run("cv", "nosuch://k:word@b/s", "--out", "o").refused("E540", "nosuch://b/s")
    run("train", "memory://b/s", *TINY).refused("E504")
    assert names(store, "/b/") == []
