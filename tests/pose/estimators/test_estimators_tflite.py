"""Models with only what is wanted of them: fewer operations, the same numbers."""

import numpy as np
import pytest

from fidgety.errors import FileError, VideoError
from fidgety.pose.estimators.landmarks import OUTPUTS
from fidgety.pose.estimators.tflite import interpreter, pruned
from fidgety.pose.estimators.weights import weights_path

schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
flatbuffers = pytest.importorskip("flatbuffers")


def tensor(name, *shape):
    made = schema.TensorT()
    made.name, made.shape = name.encode(), np.array(shape, np.int32)
    made.type, made.buffer = schema.TensorType.FLOAT32, 0
    return made


def operation(code, inputs, output, options, kind):
    made = schema.OperatorT()
    made.opcodeIndex = code
    made.inputs, made.outputs = np.array(inputs, np.int32), np.array([output], np.int32)
    made.builtinOptionsType, made.builtinOptions = kind, options
    return made


@pytest.fixture
def model():
    """x (1, 4) -> 2 x (1, 4), and 2 x beside x (1, 8), and twice that (1, 8)."""
    made, graph = schema.ModelT(), schema.SubGraphT()
    made.version, made.buffers, made.subgraphs = 3, [schema.BufferT()], [graph]
    made.operatorCodes = [schema.OperatorCodeT(), schema.OperatorCodeT()]
    kinds = schema.BuiltinOperator
    for code, kind in zip(made.operatorCodes, (kinds.ADD, kinds.CONCATENATION), strict=True):
        code.builtinCode, code.deprecatedBuiltinCode, code.version = kind, kind, 1
    graph.tensors = [tensor("x", 1, 4), tensor("a", 1, 4), tensor("b", 1, 8), tensor("c", 1, 8)]
    graph.inputs, graph.outputs = np.array([0], np.int32), np.array([1, 2, 3], np.int32)
    add, join = schema.AddOptionsT(), schema.ConcatenationOptionsT()
    join.axis = 1
    sums = (add, schema.BuiltinOptions.AddOptions)
    graph.operators = [
        operation(0, [0, 0], 1, *sums),
        operation(1, [1, 0], 2, join, schema.BuiltinOptions.ConcatenationOptions),
        operation(0, [2, 2], 3, *sums),
    ]
    builder = flatbuffers.Builder(1024)
    builder.Finish(made.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_what_no_wanted_output_needs_is_left_out(model, tmp_path):
    small = pruned(model, [(1, 4)])
    graph = schema.ModelT.InitFromObj(schema.Model.GetRootAs(small, 0)).subgraphs[0]
    assert len(graph.operators) == 1
    assert list(graph.outputs) == [1]
    path = tmp_path / "m.tflite"
    path.write_bytes(model)
    whole, part = interpreter(path, 1), interpreter(path, 1, outputs=[(1, 4)])
    assert len(whole.get_output_details()) == 3
    (only,) = part.get_output_details()
    part.set_tensor(part.get_input_details()[0]["index"], np.float32([[1, 2, 3, 4]]))
    part.invoke()
    assert part.get_tensor(only["index"]).tolist() == [[2, 4, 6, 8]]


@pytest.mark.parametrize("outputs", [[(1, 5)], [(1, 8)], [(1, 4), (2, 2)]])
def test_outputs_that_are_not_there_or_not_alone(model, outputs):
    with pytest.raises(VideoError, match=r"E621 .*outputs are \(1, 4\), \(1, 8\)"):
        pruned(model, outputs)


def test_no_such_file(tmp_path):
    with pytest.raises(FileError, match="E504"):
        interpreter(tmp_path / "none.tflite", 1)


def test_the_landmark_model_gives_the_same_numbers(weights):
    path = weights_path("pose_landmark_full.tflite")
    image = np.random.default_rng(0).random((1, 256, 256, 3), dtype=np.float32)
    found = []
    for outputs in (None, OUTPUTS):
        model = interpreter(path, 1, outputs)
        model.set_tensor(model.get_input_details()[0]["index"], image)
        model.invoke()
        found.append({tuple(d["shape"]): model.get_tensor(d["index"])
                      for d in model.get_output_details()})  # fmt: skip
    assert set(found[1]) == set(OUTPUTS) < set(found[0])
    for shape in OUTPUTS:
        np.testing.assert_array_equal(found[0][shape], found[1][shape])
