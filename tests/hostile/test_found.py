"""Files that once did harm: each was found by fuzzing or by looking for it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from targets import a_pose, all_targets

from fidgety.errors import CheckpointError, FidgetyError, PoseError, StudyError
from fidgety.files import parse_json
from fidgety.pose import formats
from fidgety.pose.stored import read_native
from fidgety.study.copies import content_digest, file_digest

TARGETS = all_targets()
DEEP = "[" * 20_000 + "]" * 20_000


def test_json_nested_beyond_reason_is_no_json():
    with pytest.raises(ValueError, match="nested"):
        parse_json(DEEP)


def native(tmp_path, **changes) -> Path:
    meta = {"schema_version": 1, "skeleton": "openpose18", "size": [4, 4], "unit": "px", **changes}
    raw = changes.get("raw") or json.dumps(meta)
    path = a_pose().save(tmp_path / "a.parquet")
    pq.write_table(pq.read_table(path).replace_schema_metadata({"fidgety": raw}), path)
    return path


@pytest.mark.parametrize("changes", [{"raw": DEEP}, {"size": [10**400, 1]}])
def test_metadata_of_a_native_file(tmp_path, changes):
    with pytest.raises(PoseError, match="E320"):
        read_native(native(tmp_path, **changes))


def test_a_table_of_a_thousand_million_rows_is_refused_before_it_is_unpacked(tmp_path):
    path = tmp_path / "bomb.parquet"
    zeros = pa.array(np.zeros(3_000_000))
    names = [f.name for f in pq.read_schema(native(tmp_path))]
    pq.write_table(
        pa.table(dict.fromkeys(names, zeros)).replace_schema_metadata(
            {"fidgety": json.dumps({"schema_version": 1, "skeleton": "openpose18"})}
        ),
        path,
        compression="zstd",
    )
    assert path.stat().st_size < 1 << 20
    with pytest.raises(PoseError, match="E337"):
        read_native(path)
    most = pa.default_memory_pool().max_memory()
    assert content_digest(path) == file_digest(path)  # looked at for copies before it is read
    assert pa.default_memory_pool().max_memory() < most + (100 << 20)  # not 1.3 GB


@pytest.mark.parametrize("text", ["5", "x", None])
def test_offsets_of_a_model_file_that_are_no_numbers(tmp_path, text):
    from fidgety.models.checkpoint import load_checkpoint

    raw = TARGETS["checkpoint"].seeds[0]
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    name = next(name for name in header if name != "__metadata__")
    header[name]["data_offsets"][1] = text
    new = json.dumps(header).encode()
    path = tmp_path / "a.fidgety"
    path.write_bytes(len(new).to_bytes(8, "little") + new + raw[8 + length :])
    with pytest.raises(CheckpointError, match="E402"):
        load_checkpoint(path)


def test_a_start_that_is_no_float(tmp_path):
    target = TARGETS["sequence.json"]
    path = tmp_path / "case.json"
    path.write_text(json.dumps(json.loads(target.seeds[0]) | {"start_s": 10**400}))
    with pytest.raises(StudyError, match="E218"):
        target.use(path)


def test_image_sizes_of_coco_that_are_no_numbers(tmp_path):
    content = json.loads(TARGETS["coco"].seeds[0])
    for image in content["images"]:
        image["width"] = {"a": 1}
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    assert formats.read(path, fps=25).size is None


class Payload:
    """What a pickle would run."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


def deeplabcut(path: Path, pickled: bytes, where: str) -> Path:
    """A DeepLabCut table, one of whose attributes is a pickle."""
    h5py = pytest.importorskip("h5py")
    joints = ("nose", "left_shoulder", "right_shoulder", "left_hip", "right_hip", "left_knee")
    labels = [("net", joint, field) for joint in joints for field in ("x", "y", "likelihood")]
    kinds = np.dtype([("index", "<i8"), ("values_block_0", "<f8", (len(labels),))])
    rows = np.zeros(6, kinds)
    rows["index"] = np.arange(6)
    cells = np.random.default_rng(0).uniform(10, 400, (6, len(labels)))
    cells[:, 2::3] = 0.9
    rows["values_block_0"] = cells
    with h5py.File(path, "w") as file:
        group = file.create_group("df_with_missing")
        table = group.create_dataset("table", data=rows)
        table.attrs["values_block_0_kind"] = np.bytes_(pickle.dumps(labels, protocol=0))
        for owner in (group, table):
            if where in ("pandas_type", "values_block_0_kind"):
                owner.attrs[where] = np.bytes_(pickled)
    return path


@pytest.mark.parametrize("where", ["pandas_type", "values_block_0_kind"])
def test_no_pickle_in_a_deeplabcut_file_is_run(tmp_path, where):
    mark = tmp_path / "ran"
    path = deeplabcut(tmp_path / "a.h5", pickle.dumps(Payload(mark), protocol=0), where)
    if where == "pandas_type":  # what names no column is not even looked at
        assert len(formats.read(path, fps=25)) == 6
    else:
        with pytest.raises(PoseError, match="E301"):
            formats.read(path, fps=25)
    assert not mark.exists()


@pytest.mark.parametrize("form", ["table", "fixed"])
def test_deeplabcut_tables_as_pandas_writes_them(tmp_path, form):
    pytest.importorskip("tables")
    pandas = pytest.importorskip("pandas")
    pose = a_pose("coco17")
    columns = pandas.MultiIndex.from_product(
        [["net"], pose.skeleton.joints, ["x", "y", "likelihood"]],
        names=["scorer", "bodyparts", "coords"],
    )
    cells = np.concatenate([pose.xy, pose.confidence[..., None]], axis=-1).reshape(len(pose), -1)
    path = tmp_path / "a.h5"
    pandas.DataFrame(cells, columns=columns).to_hdf(path, key="df_with_missing", format=form)
    read = formats.read(path, fps=25)
    np.testing.assert_array_equal(read.xy, pose.xy)
    np.testing.assert_array_equal(read.confidence, pose.confidence)


def test_hdf5_that_leads_elsewhere_or_announces_terabytes(tmp_path):
    h5py = pytest.importorskip("h5py")
    (tmp_path / "secret").write_bytes(b"12345678" * 100)

    def external(file):
        file["tracks"] = h5py.ExternalLink(str(tmp_path / "b.h5"), "/")

    def raw(file):
        file.create_dataset("tracks", (100,), "f8", external=[(tmp_path / "secret", 0, 800)])

    def huge(file):
        file.create_dataset("tracks", (10**7, 10**3, 2, 1), "f8", chunks=(64, 64, 2, 1))

    for make, why in ((external, "another file"), (raw, "another file"), (huge, "GiB")):
        path = tmp_path / "a.h5"
        with h5py.File(path, "w") as file:
            file["node_names"] = np.array([b"nose"])
            make(file)
        for name in ("auto", "sleap", "nwb", "deeplabcut-h5"):
            with pytest.raises(PoseError, match=f"E334.*{why}"):
                formats.read(path, format=name, fps=25)


def test_an_nwb_file_that_movement_reads_and_whose_groups_cannot_be_walked(tmp_path):
    """One byte of a group's names is spoilt: looking for the true times failed with RuntimeError."""
    pytest.importorskip("movement")
    raw = zlib.decompress((Path(__file__).parent / "data" / "walk.nwb.z").read_bytes())
    path = tmp_path / "a.nwb"
    path.write_bytes(raw)
    with pytest.raises(PoseError, match=r"E3(34|46)"):
        formats.read(path, format="nwb")


def test_reading_other_formats_leaves_no_log_and_no_hook(tmp_path):
    """movement logs names of files into the home folder, and takes over how warnings are shown."""
    pytest.importorskip("movement")
    code = (
        "import warnings; shown = warnings.showwarning\n"
        "from fidgety.pose.formats import hdf5_reading\n"
        "hdf5_reading.interop_library('movement.io')\n"
        "assert warnings.showwarning is shown\n"
        "import loguru; assert not loguru.logger._core.handlers\n"
    )
    home = tmp_path / "home"
    home.mkdir()
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={**os.environ, "HOME": str(home)}, timeout=600
    )
    assert not (home / ".movement").exists()


def test_a_feather_file_whose_offsets_lead_out_of_it(tmp_path):
    """Followed without a check they end the process: so it is done in one of its own."""
    raw = zlib.decompress((Path(__file__).parent / "data" / "offsets.feather.z").read_bytes())
    path = tmp_path / "a.feather"
    path.write_bytes(raw)
    with pytest.raises(FidgetyError):
        formats.read(path, fps=25)


def test_a_million_people_in_a_frame(tmp_path):
    person = json.dumps({"pose_keypoints_2d": [1.0, 2.0, 0.5] * 18})
    path = tmp_path / "a_000000000000_keypoints.json"
    path.write_text('{"version": 1.3, "people": [' + ",".join([person] * 200_000) + "]}")
    with pytest.raises(PoseError, match=r"E33[67]"):
        formats.read(path, fps=25)


def test_names_from_files_never_become_paths(tmp_path):
    """Individuals and videos named like paths stay within the study that they are imported into."""
    from fidgety.study.importing import import_study

    rows = ["video,frame,bp,x,y,fps,pixel_x,pixel_y"]
    for video in ("../../x", "/tmp/fidgety-y", "-rf", "c:\\z"):
        rows += [
            f"{video},{k},{joint},10.0,{20 + j}.0,25,640,480"
            for k in range(4)
            for j, joint in enumerate(("Nose", "LShoulder", "RShoulder", "LHip", "RHip", "LKnee"))
        ]
    source = tmp_path / "in" / "a.csv"
    source.parent.mkdir()
    source.write_text("\n".join(rows) + "\n")
    before = {path for path in tmp_path.rglob("*") if "out" not in path.parts}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.suppress(FidgetyError):
            import_study(source, tmp_path / "out" / "study")
    inside = tmp_path / "out" / "study"
    made = {p for p in tmp_path.rglob("*") if p not in before and p != inside.parent}
    assert all(path.is_relative_to(inside) for path in made)
    assert not Path("/tmp/fidgety-y.parquet").exists()


def test_numpy_buffers_are_read_without_pickles(tmp_path):
    raw = io.BytesIO()
    np.save(raw, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    path = tmp_path / "a.npy"
    path.write_bytes(raw.getvalue())
    with pytest.raises(PoseError, match="E350"):
        formats.read_sequence(path)


@pytest.mark.parametrize(
    "head",
    [
        b"\x93NUMPY\x02\x00" + b"\xff" * 4 + b"{",  # announces a header of 4 GiB
        b"\x93NUMPY\x01\x00\x02\x00(\n",
        b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65535,
    ],
)
def test_headers_of_arrays(tmp_path, head):
    path = tmp_path / "a.npy"
    path.write_bytes(head)
    with pytest.raises(PoseError, match="E350"):
        formats.read_sequence(path)


def test_settings_that_are_no_floats():
    from fidgety.errors import ConfigError
    from fidgety.motion import ClipConfig
    from fidgety.settings import from_plain

    with pytest.raises(ConfigError, match="E702"):
        from_plain(ClipConfig, {"length_s": 10**400})


def test_a_film_that_ends_within_its_header(tmp_path):
    """FFmpeg says "end of file", which is no error of the system's."""
    from fidgety.errors import VideoError
    from fidgety.pose.video import probe

    path = tmp_path / "a.mkv"
    path.write_bytes(zlib.decompress((Path(__file__).parent / "data" / "end.mkv.z").read_bytes()))
    with pytest.raises(VideoError, match="E60"):
        probe(path)


@pytest.mark.skipif("endpoints" not in TARGETS, reason="needs the extra app")
def test_the_app_refuses_an_address_whose_query_is_no_text():
    import endpoints

    missing = {"method": "GET", "path": "/api/cases/{case}/film/film", "query": "\udcff"}
    status, _, body = endpoints.client().ask(missing)
    assert (status, json.loads(body)["code"]) == (404, "E815")
