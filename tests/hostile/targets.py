"""What is fuzzed: each reader with sound files to start from, and the changes that suit it."""

from __future__ import annotations

import io
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any

import mutations as m
import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq

from fidgety.pose import formats
from fidgety.pose.pose import Pose
from fidgety.pose.skeleton import load_skeleton
from fidgety.pose.stored import read_native

DATA = Path(__file__).parents[1]
sys.path.insert(0, str(DATA / "pose" / "formats"))
from posed_bodies import pose_in  # noqa: E402

FRAMES = 6
BODY_PARTS = (
    "Nose",
    "Neck",
    "LShoulder",
    "RShoulder",
    "LWrist",
    "RWrist",
    "LHip",
    "RHip",
    "LKnee",
    "RKnee",
)
SIZE = (1280, 720)


@dataclass(frozen=True)
class Target:
    """A reader, sound files for it, and how they are spoilt.

    Parameters
    ----------
    name : str
        As in the table.
    seeds : tuple of bytes
        Sound files.
    suffix : str
        Of the file that is handed to the reader.
    change : callable (bytes, Random) -> bytes
        Spoils one.
    use : callable (Path) -> None
        Reads the file; raises `FidgetyError` where it must.
    slow : bool
        A case takes more than some milliseconds.
    """

    name: str
    seeds: tuple[bytes, ...]
    suffix: str
    change: m.Change
    use: Callable[[Path], object]
    slow: bool = False


def a_pose(layout: str = "openpose18") -> Pose:
    """A small figure that moves."""
    return pose_in(layout, frames=FRAMES)


def written(write: Callable[[Path], object], name: str) -> bytes:
    """The bytes that a writer leaves in a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write(path)
        if path.is_dir():
            path = sorted(path.iterdir())[0]
        return path.read_bytes()


def reading(format: str = "auto", **given: Any) -> Callable[[Path], object]:
    """Read a file as a format, having recognised it or not."""
    return lambda path: formats.read(path, format=format, **given)


@cache
def all_targets() -> dict[str, Target]:
    """Every target by name; made once, and inherited by the processes that work."""
    found: Iterable[Target] = (
        *_json_targets(), *_table_targets(), *_binary_targets(), *_study_targets(), *_models(),
        *_settings(), *_films(), *_app(),
    )  # fmt: skip
    return {target.name: target for target in found}


def _json_targets() -> Iterable[Target]:
    pose = a_pose()
    points = np.concatenate([pose.xy, pose.confidence[..., None]], axis=-1)
    coco = np.concatenate([a_pose("coco17").xy, np.full((FRAMES, 17, 1), 0.9)], axis=-1)
    frame = json.dumps(
        {"version": 1.3, "people": [{"person_id": [-1], "pose_keypoints_2d": points[0].ravel().tolist()}] * 2}
    )  # fmt: skip
    results = [
        {"image_id": k, "category_id": 1, "keypoints": coco[k].ravel().tolist(), "score": 0.9}
        for k in range(FRAMES)
    ]
    alpha = [
        {**row, "image_id": f"{k}.jpg", "box": [1, 2, 3, 4], "idx": 1}
        for k, row in enumerate(results)
    ]
    instances = [
        {"frame_id": k, "instances": [{"keypoints": coco[k, :, :2].tolist(), "keypoint_scores": [0.9] * 17,
                                       "bbox": [[1, 2, 3, 4]], "bbox_score": 0.9}]}
        for k in range(FRAMES)
    ]  # fmt: skip
    mmpose = {
        "meta_info": {"dataset_name": "coco", "num_keypoints": 17},
        "instance_info": instances,
    }
    annotations = written(lambda p: formats.write(a_pose("coco17"), p, format="coco"), "a.json")
    given: dict[str, Any] = {"fps": 25.0, "size": SIZE}
    for name, seeds in (
        ("openpose", [frame.encode()]),
        ("coco", [annotations]),
        ("coco-results", [json.dumps(results).encode()]),
        ("alphapose", [json.dumps(alpha).encode()]),
        ("mmpose", [json.dumps(mmpose).encode(), json.dumps(instances).encode()]),
    ):
        yield Target(name, tuple(seeds), ".json", m.change_json, _twice(name, given))


def _twice(name: str, given: dict[str, Any]) -> Callable[[Path], object]:
    """By content, then by the name of the format: what recognition turns away is read all the same."""
    from fidgety.errors import FidgetyError

    def use(path: Path) -> object:
        try:
            reading("auto", **given)(path)
        except FidgetyError:
            return reading(name, **given)(path)
        return None

    return use


def _table_targets() -> Iterable[Target]:
    pose = a_pose()
    ours = written(lambda p: formats.write(pose, p, format="csv"), "a.csv")
    dlc = ["scorer" + ",net" * 42, "bodyparts" + "".join(f",{j},{j},{j}" for j in pose.skeleton.joints[:14]),
           "coords" + ",x,y,likelihood" * 14]  # fmt: skip
    dlc += [f"{k}" + ",10.5,20.25,0.9" * 14 for k in range(FRAMES)]
    wide = "frame," + ",".join(f"x{j},y{j},z{j},visibility{j}" for j in range(33))
    long = ["frame,landmark,x,y,visibility"] + [
        f"{k},{j},0.5,0.25,0.9" for k in range(FRAMES) for j in range(33)
    ]
    flat = "\n".join([wide, *(f"{k}" + ",0.5,0.25,0.1,0.9" * 33 for k in range(FRAMES))])
    rows = ["video,frame,bp,x,y,fps,pixel_x,pixel_y"] + [
        f"v1,{k},{bp},10.0,20.0,25,640,480" for k in range(FRAMES) for bp in BODY_PARTS
    ]  # fmt: skip
    given: dict[str, Any] = {"fps": 25.0, "size": SIZE}
    for name, seeds in (
        ("csv", [ours]),
        ("deeplabcut", ["\n".join(dlc).encode()]),
        ("mediapipe-csv", [flat.encode(), "\n".join(long).encode()]),
        ("body-part-rows", ["\n".join(rows).encode()]),
    ):
        yield Target(name, tuple(seeds), ".csv", m.change_lines, _twice(name, given))


def _binary_targets() -> Iterable[Target]:
    pickles = tuple(
        path.read_bytes() for path in sorted((DATA / "pose/formats/data").glob("pandas*.pkl"))
    )
    given: dict[str, Any] = {"fps": 25.0, "size": SIZE}
    yield Target("stam-pickle", pickles, ".pkl", m.change_pickle, _twice("stam-pickle", given))
    yield Target(
        "parquet bytes",
        (written(a_pose().save, "a.parquet"),),
        ".parquet",
        m.change_bytes,
        read_native,
    )
    yield Target("parquet tables", (b"",), ".parquet", _parquet, read_native)
    yield Target("feather", (b"",), ".feather", _feather, _twice("infant-kinetics", given))
    sequence = io.BytesIO()
    np.save(sequence, np.zeros((7, 60, 18), np.float32))
    yield Target(
        "sequence npy", (sequence.getvalue(),), ".npy", m.change_npy, formats.read_sequence
    )
    try:
        nwb = written(lambda p: formats.write(a_pose(), p, format="nwb"), "a.nwb")
    except formats.PoseError:  # the extra is not installed
        return
    yield Target("nwb bytes", (nwb,), ".nwb", m.change_bytes, _twice("nwb", given), slow=True)
    yield Target("hdf5 trees", (b"",), ".h5", _hdf5, _any_hdf5)


def _any_hdf5(path: Path) -> object:
    from fidgety.errors import FidgetyError

    last: Exception | None = None
    for name in ("sleap", "deeplabcut-h5", "nwb"):
        try:
            formats.read(path, format=name, fps=25.0, size=SIZE)
        except FidgetyError as error:
            last = error
    if last is not None:
        raise last
    return None


def _parquet(_raw: bytes, rng: Random) -> bytes:
    """A native file whose columns, types, lengths or metadata are wrong."""
    columns = {"time_s": pa.array(np.arange(FRAMES) / 25.0)}
    for joint in load_skeleton("openpose18").joints:
        for kind in ("x", "y", "confidence"):
            columns[f"{joint}_{kind}"] = pa.array(np.full(FRAMES, 0.5))
    meta: Any = {"schema_version": 1, "skeleton": "openpose18", "size": [640, 480], "unit": "px",
                 "source": "fuzz", "history": []}  # fmt: skip
    act = rng.randrange(3)
    if act > 0:
        for _ in range(rng.choice([1, 2])):
            name = rng.choice(["time_s", *columns])
            columns[name] = _hostile_column(rng, FRAMES)
    if act != 1:
        meta = m.changed_tree(meta, rng)
    table = pa.table(columns).replace_schema_metadata({"fidgety": m.json_bytes(meta, rng)})
    raw = io.BytesIO()
    pq.write_table(table, raw, compression=rng.choice(["zstd", "snappy", "none"]))
    return raw.getvalue()


def _hostile_column(rng: Random, rows: int) -> pa.Array:
    kind = rng.randrange(9)
    if kind == 0:
        return pa.array(
            [rng.choice([None, float("nan"), float("inf"), -1e308, 1e308]) for _ in range(rows)],
            pa.float64(),
        )
    if kind == 1:
        return pa.array(
            [rng.choice(m.HOSTILE_TEXTS).encode("utf-8", "replace").decode() for _ in range(rows)]
        )
    if kind == 2:
        return pa.array([[1.0, 2.0]] * rows)
    if kind == 3:
        return pa.nulls(rows)
    if kind == 4:
        return pa.array([{"a": 1}] * rows)
    if kind == 5:
        return pa.array([2**63 - 1, -(2**63)] * rows)[:rows]
    if kind == 6:
        return pa.array([True, None] * rows)[:rows]
    if kind == 7:
        return pa.array([b"\xff"] * rows)
    return pa.array(["1.0"] * rows).dictionary_encode()


def _feather(_raw: bytes, rng: Random) -> bytes:
    """A segment of infant kinetics whose columns or bytes are wrong."""
    joints = [f"{name}_{axis}" for name in load_skeleton("openpose18").joints for axis in "xyz"]
    columns = {name: pa.array(np.linspace(-1, 1, 2 * FRAMES)) for name in joints}
    for level, values in enumerate((["original"], ["j", "v"], ["original"], list(range(12)))):
        columns[f"__index_level_{level}__"] = pa.array((values * 12)[:12])
    for _ in range(rng.choice([0, 1, 2])):
        columns[rng.choice(list(columns))] = _hostile_column(rng, 2 * FRAMES)
    raw = io.BytesIO()
    feather.write_feather(pa.table(columns), raw, compression=rng.choice(["lz4", "uncompressed"]))
    return m.change_bytes(raw.getvalue(), rng) if rng.random() < 0.4 else raw.getvalue()


def _hdf5(_raw: bytes, rng: Random) -> bytes:
    """A tree like those of SLEAP and DeepLabCut, with shapes and types that lie."""
    import h5py

    raw = io.BytesIO()
    side = lambda: rng.choice([0, 1, 2, 6, 18])  # noqa: E731
    with h5py.File(raw, "w") as file:
        names = ["tracks", "node_names", "track_names", "track_occupancy", "point_scores", "instance_scores",
                 "tracking_scores", "metadata", "frames", "points", "instances", "df_with_missing",
                 "keypoints", "videos_json", "tracks_json", "pred_points", "suggestions_json"]  # fmt: skip
        for name in rng.sample(names, rng.randrange(2, len(names))):
            kind = rng.randrange(6)
            if kind == 0:
                file.create_dataset(name, data=np.zeros((side(), side(), side(), side())))
            elif kind == 1:
                file.create_dataset(name, data=np.array([b"nose", b"\xff"] * side(), dtype="S8"))
            elif kind == 2:
                file.create_group(name).attrs["json"] = np.void(
                    m.json_bytes(m.hostile_value(rng), rng)[:60_000] or b" "
                )
            elif kind == 3:  # announces terabytes and holds nothing
                file.create_dataset(
                    name, shape=(10**7, 10**3, 2, 1), dtype="f8", chunks=(64, 64, 2, 1)
                )
            elif kind == 4:
                file[name] = h5py.ExternalLink("/etc/passwd", "/")
            else:
                file[name] = h5py.SoftLink("/" + rng.choice(names))
        if rng.random() < 0.3:
            file.attrs["nwb_version"] = rng.choice(["2.7.0", "9", 3, b"\xff"])
    return raw.getvalue()


def _study_targets() -> Iterable[Target]:
    labels = b"infant_id,label,recording,age_weeks,site\n" + b"".join(
        f"i{k:02},{k % 2},i{k:02},{10 + k / 2},A\n".encode() for k in range(4)
    )
    split = b"infant_id,label\ni00,0\ni01,1\n"
    all_four = b"infant_id,label\ni00,0\ni01,1\ni02,0\ni03,1\n"
    sidecar = {"schema_version": 1, "finished": True, "profile": None, "config": None, "start_s": 0.0,
               "fps": 30.0, "skeleton": "openpose18", "shape": [7, 60, 18], "source": {"sha256": "0"}}  # fmt: skip
    predictions = b"model,repeat,fold,infant_id,recording,label,score,probability\n" + b"".join(
        f"stam,0,{k % 2},i{k:02},i{k:02}_v0,{k % 2},0.{k},0.{k}\n".encode() for k in range(8)
    )
    for name, where, seed, change in (
        ("labels", "labels.csv", labels, m.change_lines),
        ("labels.txt", "labels.txt", all_four, m.change_lines),
        ("splits", "split/train_00.txt", split, m.change_lines),
        ("config.yaml", "config.yaml", b"data_root: .\nfps: 30\nnested: {a: [1, 2]}\n", m.change_lines),
        ("study.json", "study.json", b'{"schema_version": 1, "simulated": true, "seed": 3}', m.change_json),
        ("sequence.json", "pose_sequences/i00/sequence.json", json.dumps(sidecar).encode(), m.change_json),
        ("raw_skel.npy", "pose_sequences/i00/raw_skel.npy", _array(), m.change_npy),
    ):  # fmt: skip
        yield Target(name, (seed,), Path(where).suffix, change, _in_study(where, labels, split))
    yield Target(
        "predictions",
        (predictions,),
        ".csv",
        m.change_lines,
        _in_experiment("predictions.csv", predictions),
    )
    experiment = json.dumps({"folds": 2, "seed": 0, "fps": None, "channels": None, "simulated": True,
                             "methods": {"stam": {"profile": "fidgety", "network": None}}}).encode()  # fmt: skip
    yield Target(
        "experiment.json",
        (experiment,),
        ".json",
        m.change_json,
        _in_experiment("experiment.json", predictions),
    )


def _array(seed: int = 0) -> bytes:
    raw = io.BytesIO()
    np.save(raw, np.random.default_rng(seed).normal(size=(7, 60, 18)).astype(np.float32))
    return raw.getvalue()


def _in_study(where: str, labels: bytes, split: bytes) -> Callable[[Path], object]:
    """Open a study in which one file is the spoilt one, and read all that a training would."""
    from fidgety.study.sequences import load_sequence
    from fidgety.study.splits import read_splits
    from fidgety.study.study import Study

    def use(path: Path) -> object:
        root = Path(tempfile.mkdtemp(dir=path.parent))
        try:
            for name in ("i00", "i01", "i02", "i03"):
                folder = root / "pose_sequences" / name
                folder.mkdir(parents=True)
                (folder / "raw_skel.npy").write_bytes(_array(int(name[1:])))
            (root / "labels.csv").write_bytes(labels)
            for part, kept in (
                ("train", split),
                ("val", b"infant_id,label\ni02,0\n"),
                ("test", b"infant_id,label\ni03,1\n"),
            ):
                (root / "split").mkdir(exist_ok=True)
                (root / "split" / f"{part}_00.txt").write_bytes(kept)
            if where == "labels.txt":
                (root / "labels.csv").unlink()
            target = root / where
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(path, target)
            study = Study.open(target if where == "config.yaml" else root, skip_unlabelled=True)
            read_splits(study)
            return load_sequence(study, "i00", fps=30.0)
        finally:
            shutil.rmtree(root)

    return use


def _in_experiment(where: str, predictions: bytes) -> Callable[[Path], object]:
    from fidgety.study.comparison import compare

    def use(path: Path) -> object:
        root = Path(tempfile.mkdtemp(dir=path.parent))
        try:
            (root / "predictions.csv").write_bytes(predictions)
            shutil.copyfile(path, root / where)
            return compare(root)
        finally:
            shutil.rmtree(root)

    return use


def _models() -> Iterable[Target]:
    import torch

    from fidgety.models.checkpoint import Checkpoint, Cohort, load_checkpoint, save_checkpoint
    from fidgety.models.stam import STAM, STAMConfig
    from fidgety.models.torchfile import read_state

    torch.manual_seed(0)
    model = STAM(STAMConfig(widths=(4,), z_dim=8, alpha_dim=4, beta_dim=4, max_hop=1))
    made = Checkpoint.of(
        model,
        fps=30.0,
        profile="fidgety",
        profile_config={"fps": 30.0},
        cohort=Cohort(4, 2, simulated=True),
    )
    raw = written(lambda p: save_checkpoint(p, made), "a.fidgety")
    yield Target("checkpoint", (raw,), ".fidgety", m.change_safetensors, load_checkpoint)
    zipped, stream = io.BytesIO(), io.BytesIO()
    state = {"a.weight": torch.zeros(3, 4), "b": torch.arange(5)}
    torch.save(state, zipped)
    torch.save(state, stream, _use_new_zipfile_serialization=False)
    seeds = (zipped.getvalue(), stream.getvalue())
    yield Target("torch file", seeds, ".pth", _torch, read_state)


def _torch(raw: bytes, rng: Random) -> bytes:
    """A torch file with another pickle inside, a bomb among its members, or odd bytes."""
    import warnings
    import zipfile

    if rng.random() < 0.4 or not zipfile.is_zipfile(io.BytesIO(raw)):
        return m.change_pickle(raw, rng) if rng.random() < 0.3 else m.change_bytes(raw, rng)
    out = io.BytesIO()
    with (
        warnings.catch_warnings(action="ignore"),  # two entries of one name are wanted
        zipfile.ZipFile(io.BytesIO(raw)) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for entry in old.infolist():
            data, name = old.read(entry), entry.filename
            act = rng.randrange(8)
            if act == 0:
                continue
            if name.endswith(".pkl") and act < 6:
                data = m.change_pickle(data, rng)
            elif act == 1:
                data = b"\0" * rng.choice([0, 1, 50_000_000])
            elif act == 2:
                name = rng.choice(["../../x", "/tmp/x", name.upper(), name * 3])
            new.writestr(name, data)
            if rng.random() < 0.05:
                new.writestr(f"{name}-more", data)
    return out.getvalue()


def _settings() -> Iterable[Target]:
    skeleton = b"""name = "mine"
joints = ["nose", "neck", "left_hip", "right_hip", "left_wrist"]
bones = [["nose", "neck"], ["neck", "left_hip"], ["neck", "right_hip"], ["neck", "left_wrist"]]
center = "neck"
mirror_pairs = [["left_hip", "right_hip"]]
[parts]
head = ["nose"]
[aliases]
Nase = "nose"
"""
    yield Target("skeleton TOML", (skeleton,), ".toml", m.change_lines, load_skeleton)
    yield Target(
        "settings", (b'{"length_s": 1.0, "stride_s": 0.5}',), ".json", m.change_json, _settings_of
    )
    report = _assessment()
    if report is not None:
        yield Target("assessment.json", (report,), ".json", m.change_json, _standing)


def _settings_of(path: Path) -> object:
    from fidgety.errors import ConfigError
    from fidgety.motion import ClipConfig, profile_from
    from fidgety.settings import from_plain

    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None
    try:
        from_plain(ClipConfig, content)
    except ConfigError:
        if isinstance(content, dict):
            return profile_from("fidgety", content)
        raise
    return None


def _assessment() -> bytes | None:
    return json.dumps(
        {"schema_version": 1, "input": {"key": "k"}, "quality": {"verdict": "pass"}}
    ).encode()


def _standing(path: Path) -> object:
    """A saved assessment as a later run looks at it: sound, or done again, never a crash."""
    from fidgety.screening import _standing as standing

    folder = Path(tempfile.mkdtemp(dir=path.parent))
    try:
        shutil.copyfile(path, folder / "assessment.json")
        (folder / "report.html").write_text("")
        return standing(folder, "k")
    finally:
        shutil.rmtree(folder)


def _films() -> Iterable[Target]:
    try:
        import av
    except ImportError:
        return
    from fidgety.pose.video import frames

    def film(path: Path) -> None:
        with av.open(str(path), "w") as out:
            stream = out.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for k in range(8):
                image = np.full((48, 64, 3), 20 * k, np.uint8)
                out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            out.mux(stream.encode(None))

    def use(path: Path) -> object:
        return sum(1 for _ in frames(path))

    for suffix in (".mp4", ".mkv", ".avi"):
        raw = written(film, f"a{suffix}")
        yield Target(f"film {suffix[1:]}", (raw,), suffix, m.change_boxes, use)


def _app() -> Iterable[Target]:
    if find_spec("fastapi") is None:  # the extra is not installed
        return
    import endpoints

    yield Target(
        "endpoints", endpoints.scripts(), ".json", endpoints.change_script, endpoints.use, slow=True
    )


__all__ = ["Target", "all_targets"]
